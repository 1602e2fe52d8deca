//! The record of a lesson: `Mood ──▶ Recorder ──Batch──▶ Store (SQLite) ──▶ Report`.
//!
//! Its one decision: nothing is kept but what was published. A row is the mean of a minute's [`Mood`](super::Mood)s, so what
//! was too few people to tell is too few to keep, and no clock is read here: every mood carries its own time.

mod calendar;
mod chart;
mod disk;
mod minute;
mod moments;
mod page;
mod record;
mod recorder;
mod report;
mod schema;
mod session;
mod store;
mod table;
mod timetable;
mod usual;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use calendar::CalendarError;
pub use disk::{Disk, remove_report};
pub use minute::{Figure, Figures, Minute};
pub use moments::{Moment, MomentKind};
pub use page::{STYLE as REPORT_STYLE, html};
pub use record::{Ending, Heading, Record, Totals};
pub use recorder::{Batch, Lines, Recorder, Write, run};
pub use report::{PaceSpan, Quality, Report, Summary};
pub use schema::FILE_NAME;
pub use store::{Store, StoreError};
pub use table::csv;
pub use timetable::{Period, Timetable};
pub use usual::Usual;

use crate::config::Mode;

/// A lesson that was recorded, or still is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lesson {
    /// Number in the store; never given again.
    pub id: i64,
    /// Campus or school.
    pub site: String,
    /// Room.
    pub room: String,
    /// What the timetable or the command called it; may be empty.
    pub title: String,
    /// What was estimated.
    pub mode: Mode,
    /// When it began.
    pub begun_at: Timestamp,
    /// What began it.
    pub begun_by: Cause,
    /// When it ended; `None` while it is under way (or was cut off, and the device did not start since).
    pub ended_at: Option<Timestamp>,
    /// What ended it.
    pub ended_by: Option<Cause>,
}

/// A lesson that the store holds open: under way, or cut off.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenLesson {
    /// The lesson.
    pub lesson: Lesson,
    /// Number and begin of its last minute on disk, if it has one.
    pub last_minute: Option<(u32, Timestamp)>,
    /// Its minutes on disk, in order.
    pub minutes: Vec<Minute>,
}

/// The lesson under way, as others show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// What it is called; may be empty.
    pub title: String,
    /// When it began.
    pub begun_at: Timestamp,
}

/// What began or ended a lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The timetable or the calendar.
    Timetable,
    /// People came, or went.
    People,
    /// Somebody's command.
    Command,
    /// It had gone on for `lessons.longest_min`.
    TooLong,
    /// The device was off for longer than a short power cut.
    Interrupted,
    /// The device's clock was set to another time.
    ClockSet,
}

impl Cause {
    const ALL: [Self; 6] =
        [Self::Timetable, Self::People, Self::Command, Self::TooLong, Self::Interrupted, Self::ClockSet];

    /// The word in the store and in every export.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timetable => "timetable",
            Self::People => "people",
            Self::Command => "command",
            Self::TooLong => "too_long",
            Self::Interrupted => "interrupted",
            Self::ClockSet => "clock_set",
        }
    }
}

/// What somebody asks for by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begin a lesson now; one that is under way ends.
    Begin {
        /// What to call it; may be empty.
        title: String,
    },
    /// End the lesson that is under way, if one is.
    End,
    /// End the lesson that is under way; where none is, begin one without a title.
    Toggle,
}

/// A lesson that the session decided to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Beginning {
    /// When.
    pub at: Timestamp,
    /// What to call it; may be empty.
    pub title: String,
    /// What began it.
    pub cause: Cause,
}

/// Seconds from `earlier` to `later`; negative when the clock was set back.
fn seconds(earlier: Timestamp, later: Timestamp) -> f64 {
    later.duration_since(earlier).as_secs_f64()
}

#[cfg(test)]
mod tests;
