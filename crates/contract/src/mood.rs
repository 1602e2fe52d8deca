//! The mood: the estimate for the class as a whole that a device publishes.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema_id::schema_id;
use crate::{ComparedToUsual, Expression, Level, Pace, PaceReason, Share, Shares, Trend, Unread, Word};

schema_id!(MoodSchema, "moodring.mood/1");

/// The estimate for the class as a whole. It has the values of a class only, never of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Mood {
    /// Always `moodring.mood/1`.
    pub schema: MoodSchema,
    /// Campus or school, 1 to 64 bytes.
    pub site: String,
    /// Room, 1 to 64 bytes.
    pub room: String,
    /// Number of the mood, counted from 1 on for each run of the program.
    pub sequence: u64,
    /// Time of the estimate (UTC, RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Whether there are values, and how current they are.
    pub state: State,
    /// What this device estimates.
    pub mode: Mode,
    /// Length of the window of observations, in seconds.
    pub window_s: f64,
    /// Seconds since the newest picture; null before the first.
    pub picture_age_s: Option<f64>,
    /// Number of heads in the room; null unless the state is `live` or `stale`.
    pub people: Option<u32>,
    /// Share of the people who face the front; null unless the state is `live` or `stale`, and in the mode `count` unless
    /// `privacy.i_accept_facing_under_the_ai_act` is set.
    pub facing: Option<Share>,
    /// Share of each expression in the class; the seven shares add up to 1. Null unless the mode is `mood`, before enough faces
    /// were read, for a while after a start, a pause and the begin of a lesson, and unless the state is `live` or `stale`.
    pub expressions: Option<Shares>,
    /// The expression with the largest share; null if `expressions` is null.
    pub dominant: Option<Expression>,
    /// Share of the people whose expression could be read within the window, 0 to 1. Null unless the mode is `mood` and
    /// the state is `live` or `stale`.
    pub coverage: Option<f64>,
    /// The main reason why faces could not be read. Null if `coverage` is null, and if the reason concerns fewer than
    /// `mood.min_people` people.
    pub unread: Option<Unread>,
    /// How pleasant the expressions are, -1 to 1, smoothed over about a minute. Null if `expressions` is null and
    /// unless the state is `live`.
    pub valence: Option<Level>,
    /// How lively the expressions are, -1 to 1, smoothed over about a minute. Null if `expressions` is null and
    /// unless the state is `live`.
    pub arousal: Option<Level>,
    /// The share facing the front times the mean engagement weight of the expressions, 0 to 1, smoothed over about a
    /// minute. Null if `expressions` is null and unless the state is `live`.
    pub engagement: Option<Level>,
    /// Mean movement of the heads, from 0 (still) to 1 (restless), smoothed over about a minute. Null in the mode
    /// `count` and unless the state is `live`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub restlessness: Option<f64>,
    /// The change over the last minutes. Null in the mode `count`, before enough minutes were seen and unless the state is
    /// `live`.
    pub trend: Option<Trend>,
    /// The mood in one word; `unsure` in the mode `count` and unless the state is `live`.
    pub word: Word,
    /// Whether the pace of the lesson seems right; a heuristic. `unsure` in the mode `count` and unless the state is
    /// `live`.
    pub pace: Pace,
    /// The reason for `pace`.
    pub pace_reason: PaceReason,
    /// Comparison with the baseline of this room. Null in the mode `count`, until the baseline is
    /// learned and unless the state is `live`.
    pub compared_to_baseline: Option<ComparedToUsual>,
}

/// Whether a mood has values, and how current they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No picture yet: no values.
    Starting,
    /// The values are those of the last `window_s` seconds.
    Live,
    /// No new picture for longer than `mood.stale_after_s`: the values, if any, are those of the last pictures.
    Stale,
    /// Fewer people than `mood.min_people`: no values.
    TooFew,
    /// The device is paused: no values.
    Paused,
}

/// What is estimated, from the least on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The number of people. No word, no pace, nothing about what they do.
    Count,
    /// People, facing and movement; the expression network is not loaded.
    Occupancy,
    /// People, facing, movement and expressions.
    Mood,
}

impl Mode {
    /// All modes, from the least on.
    pub const ALL: [Self; 3] = [Self::Count, Self::Occupancy, Self::Mood];

    /// The name in configuration, payloads and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Occupancy => "occupancy",
            Self::Mood => "mood",
        }
    }

    /// Whether the class is judged by a word and a pace. In [`Mode::Count`] it is not.
    pub const fn has_word(self) -> bool {
        !matches!(self, Self::Count)
    }
}
