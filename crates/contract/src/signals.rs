//! Signals of a mood: levels, trend, pace, word, and the reasons for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Share;

/// A value with its 90 % interval: -1 to 1 for valence and arousal, 0 to 1 for everything else.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Level {
    /// The estimate, -1 to 1.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub value: f64,
    /// Lower end of the 90 % interval, -1 to 1.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub low: f64,
    /// Upper end of the 90 % interval, -1 to 1.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub high: f64,
}

impl Level {
    /// A level without an interval: both ends are `value`.
    pub fn exact(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// The level clamped to -1 to 1 and rounded to hundredths, as it is published.
    pub fn rounded(self) -> Self {
        let round = |value: f64| (value.clamp(-1.0, 1.0) * 100.0).round() / 100.0;
        Self { value: round(self.value), low: round(self.low), high: round(self.high) }
    }
}

impl From<Share> for Level {
    fn from(share: Share) -> Self {
        Self { value: share.share, low: share.low, high: share.high }
    }
}

/// The change of a signal over the last minutes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Trend {
    /// The signal.
    pub of: TrendOf,
    /// Direction of the change.
    pub direction: Direction,
    /// Change per minute: the median of the slopes between any two half-minutes (Theil and Sen).
    pub per_minute: f64,
    /// Probability of such an order of the half-minutes without a trend, 0 to 1 (Mann-Kendall test).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p: f64,
}

/// The signal that a trend describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrendOf {
    /// Engagement.
    Engagement,
    /// The share facing the front; used where expressions are not read.
    Facing,
}

/// Direction of a trend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Upward, significant, and by at least `signals.trend_min_change`.
    Rising,
    /// Neither rising nor falling.
    Steady,
    /// Downward, significant, and by at least `signals.trend_min_change`.
    Falling,
}

/// Whether the pace of the lesson seems right; a heuristic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// The class seems to follow.
    Fine,
    /// The class does not seem to follow.
    TooFast,
    /// The class seems bored.
    TooSlow,
    /// Not enough data.
    Unsure,
}

/// The reason for a pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaceReason {
    /// Fine: most face the front, and few look strained.
    Following,
    /// Too fast: many look strained while they face the front.
    Strained,
    /// Too slow: most have turned away, and few look strained or lively.
    TurnedAway,
    /// Unsure: the intervals do not lie on one side of the thresholds, or the signals contradict each other.
    Undecided,
    /// Unsure: the class has not been seen for long enough.
    TooShort,
    /// Unsure: expressions are not read here, or too few were.
    NotRead,
    /// Unsure: the state of the mood is not `live`.
    NoFigures,
}

impl PaceReason {
    /// The reason as text.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Following => "most look to the front and few look strained",
            Self::Strained => "many look strained while they look to the front",
            Self::TurnedAway => "most have turned away and few look strained",
            Self::Undecided => "the signs do not agree",
            Self::TooShort => "not watched for long enough yet",
            Self::NotRead => "too few expressions could be read",
            Self::NoFigures => "no figures now",
        }
    }
}

/// The main reason why faces could not be read, and how many faces it concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Unread {
    /// The reason.
    pub reason: UnreadReason,
    /// Number of faces with this reason.
    pub faces: u32,
    /// Number of people in the room.
    pub of: u32,
    /// Minimum width of a face in pixels; null unless the reason is `too_small`.
    pub below_px: Option<u32>,
}

/// Why a face could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnreadReason {
    /// Something covers the face.
    Covered,
    /// The face is turned away.
    Turned,
    /// The face has too few pixels, usually in the back rows.
    TooSmall,
    /// The face has too little light or contrast.
    Dark,
    /// The face is out of focus or blurred by motion.
    Blurred,
}

impl Unread {
    /// The reason with its counts as text.
    pub fn words(&self) -> String {
        let Self { reason, faces, of, below_px } = *self;
        match (reason, below_px) {
            (UnreadReason::TooSmall, Some(pixels)) => {
                format!("back rows too small: {faces} of {of} faces below {pixels} px")
            }
            (UnreadReason::TooSmall, None) => format!("back rows too small: {faces} of {of} faces"),
            (UnreadReason::Turned, _) => format!("turned away: {faces} of {of} faces"),
            (UnreadReason::Covered, _) => format!("hidden: {faces} of {of} faces"),
            (UnreadReason::Dark, _) => format!("too dark: {faces} of {of} faces"),
            (UnreadReason::Blurred, _) => format!("not sharp: {faces} of {of} faces"),
        }
    }
}

/// Comparison with the baseline of this room; null for a signal that is null or has no baseline yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ComparedToUsual {
    /// The share facing the front.
    pub facing: Option<Comparison>,
    /// Valence.
    pub valence: Option<Comparison>,
    /// Arousal.
    pub arousal: Option<Comparison>,
    /// Engagement.
    pub engagement: Option<Comparison>,
    /// Restlessness.
    pub restlessness: Option<Comparison>,
}

/// Position of a signal relative to its baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Less, by at least `baseline.deviations` standard deviations and `baseline.min_difference`.
    Less,
    /// Neither less nor more.
    Usual,
    /// More, by at least `baseline.deviations` standard deviations and `baseline.min_difference`.
    More,
}

/// The mood of the class in one word; `docs/reference/mood.md` has the exact rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Many happy or surprised faces.
    Bright,
    /// Most people face the front.
    Attentive,
    /// None of the other words applies.
    Calm,
    /// Heads move much, and few enough face the front.
    Restless,
    /// Many angry, disgusted, fearful or sad faces.
    Strained,
    /// Few people face the front, heads hardly move, and arousal is low.
    Drowsy,
    /// Not enough data.
    Unsure,
}

impl Word {
    /// The lower-case word used in every payload, file and page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bright => "bright",
            Self::Attentive => "attentive",
            Self::Calm => "calm",
            Self::Restless => "restless",
            Self::Strained => "strained",
            Self::Drowsy => "drowsy",
            Self::Unsure => "unsure",
        }
    }
}

/// How quickly the word follows the class; the teacher chooses it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    /// Slow: `word.hold_s` times 3, `word.margin` times 2.
    Calm,
    /// `word.hold_s` and `word.margin` as configured.
    #[default]
    Normal,
    /// Fast: `word.hold_s` times 0.4, `word.margin` times 0.5.
    Quick,
}
