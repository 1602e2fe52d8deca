//! What the world may see: `vision ──Observation──▶ mood ──Mood──▶ outputs`.
//!
//! [`Mood`] holds aggregates over at least k people and is the only type that crosses to the outputs: the
//! same struct is the MQTT payload, the JSON API and what display and lights show.

mod aggregator;
pub mod attention;
mod course;
mod disclosure;
mod history;
mod legibility;
pub mod lesson;
mod pace;
pub mod quantify;
mod signals;
mod trend;
pub mod usual;
mod window;
mod word;

pub use aggregator::{Aggregator, Controls, run};
pub use attention::Attention;
pub use legibility::{Unread, UnreadReason};
pub use pace::{Pace, PaceReason};
pub use signals::Level;
pub use trend::{Direction, Trend, TrendOf};
pub use usual::{ComparedToUsual, Comparison};
pub use word::{Sensitivity, Word};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use crate::config::Mode;
use crate::vision::Expression;

/// Name and version of the payload's schema.
pub const SCHEMA: &str = "moodring.mood/1";

/// How the class as a whole is doing.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Mood {
    /// Always `moodring.mood/1`.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: &'static str,
    /// Campus or school.
    pub site: String,
    /// Room.
    pub room: String,
    /// Counts the moods of this run of the program from 1 on.
    pub sequence: u64,
    /// When this was estimated (UTC, RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Whether the figures can be relied on now.
    pub state: State,
    /// What this device may estimate.
    pub mode: Mode,
    /// Span over which observations were weighed, in seconds.
    pub window_s: f64,
    /// Age of the newest picture in seconds, null before the first.
    pub picture_age_s: Option<f64>,
    /// Heads in the room; null unless the state is `live` or `stale`.
    pub people: Option<u32>,
    /// Share of the people who face the front.
    pub facing: Option<Share>,
    /// Share of each expression in the class; the seven values add up to 1. Null in occupancy mode, when too
    /// few people are there, and before enough faces were read.
    pub expressions: Option<Shares>,
    /// The largest of `expressions`.
    pub dominant: Option<Expression>,
    /// Share of the people whose expression could be read within the window, 0 to 1.
    pub coverage: Option<f64>,
    /// The main reason why faces could not be read, when it concerns enough people.
    pub unread: Option<Unread>,
    /// How pleasant expressions are, -1 to 1, over about a minute.
    pub valence: Option<Level>,
    /// How lively expressions are, -1 to 1, over about a minute.
    pub arousal: Option<Level>,
    /// Facing times how engaged the expressions look, 0 to 1, over about a minute.
    pub engagement: Option<Level>,
    /// How much heads move, from 0 (they keep still) to 1, over about a minute.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub restlessness: Option<f64>,
    /// Which way the class has gone in the last minutes.
    pub trend: Option<Trend>,
    /// The mood in one word.
    pub word: Word,
    /// Whether the pace of the lesson seems right.
    pub pace: Pace,
    /// Why the pace is judged so.
    pub pace_reason: PaceReason,
    /// How now compares with what is usual in this room; null until that is known.
    pub compared_to_usual: Option<ComparedToUsual>,
}

/// Whether a mood's figures can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No picture was seen yet.
    Starting,
    /// The figures are those of the last seconds.
    Live,
    /// No new picture for a while: the figures are those of the last pictures.
    Stale,
    /// Fewer people than may be reported on: no figures.
    TooFew,
    /// Paused by hand: no figures.
    Paused,
}

/// A share of the class with its 90 % interval; all within 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Share {
    /// The estimate.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    /// Lower end of the 90 % interval.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub low: f64,
    /// Upper end of the 90 % interval.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub high: f64,
}

/// The share of each of the seven expressions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Shares {
    pub angry: Share,
    pub disgust: Share,
    pub fear: Share,
    pub happy: Share,
    pub sad: Share,
    pub surprise: Share,
    pub neutral: Share,
}

impl Shares {
    /// The seven shares in the order of [`Expression::ALL`].
    pub fn in_order(&self) -> [(Expression, Share); 7] {
        let Self { angry, disgust, fear, happy, sad, surprise, neutral } = *self;
        let shares = [angry, disgust, fear, happy, sad, surprise, neutral];
        std::array::from_fn(|index| (Expression::ALL[index], shares[index]))
    }

    /// The opposite of [`Shares::in_order`].
    fn from_order([angry, disgust, fear, happy, sad, surprise, neutral]: [Share; 7]) -> Self {
        Self { angry, disgust, fear, happy, sad, surprise, neutral }
    }

    /// The expression of the largest share; the first of several equals.
    pub fn dominant(&self) -> Expression {
        let mut best = (Expression::Angry, self.angry.share);
        for (expression, share) in self.in_order() {
            if share.share > best.1 {
                best = (expression, share.share);
            }
        }
        best.0
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::{Duration, Instant};

    use crate::vision::{Expressions, Face, Observation, Person, PixelBox, Reading, SeatId, Verdict};

    /// A person who faces the front if `reading`, the index of an expression and its time, is given.
    pub(crate) fn person(seat: u32, reading: Option<(usize, Instant)>) -> Person {
        let head = PixelBox { x: 0.0, y: 0.0, width: 30.0, height: 30.0 };
        let certain = |index| Expressions(std::array::from_fn(|other| f32::from(u8::from(other == index))));
        Person {
            seat: SeatId(seat),
            head,
            head_score: 0.9,
            unseen_for: Duration::ZERO,
            face: reading.map(|_| Face { bounds: head, score: 0.9 }),
            facing: if reading.is_some() { 0.9 } else { 0.1 },
            motion: 0.0,
            verdict: if reading.is_some() { Verdict::Ok } else { Verdict::Turned },
            reading: reading.map(|(index, read_at)| Reading { expressions: certain(index), read_at }),
            belief: reading.map(|(index, _)| certain(index)),
        }
    }

    /// Chances that are the same in every run (SplitMix64).
    pub(super) struct Dice(pub(super) u64);

    impl Dice {
        /// Anything from 0 to 1.
        pub(super) fn roll(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut bits = self.0;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (bits ^ (bits >> 31)) as f64 / u64::MAX as f64
        }

        /// A deviate that is nearly normal: twelve rolls added.
        pub(super) fn normal(&mut self) -> f64 {
            (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
        }
    }

    pub(crate) fn observation(at: Instant, people: impl IntoIterator<Item = Person>) -> Observation {
        Observation { captured_at: at, people: people.into_iter().collect() }
    }
}
