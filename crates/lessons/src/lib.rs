//! Records lessons: `Mood ──▶ Recorder ──Batch──▶ Store (SQLite) ──▶ Report`.
//!
//! # Invariants
//! - Only published values are stored: a row is the mean of the [`Mood`](moodring_contract::Mood)s of one minute.
//! - It reads no clock: each mood carries its own time.
//! - It cannot name a frame or a person: it does not depend on camera or vision.

mod baseline;
mod batch;
mod calendar;
mod chart;
mod clock;
mod damaged;
mod disk;
mod moments;
mod page;
mod period;
mod record;
mod recorder;
mod report;
mod retention;
mod schema;
mod session;
mod store;
mod store_error;
mod table;
mod task;
mod timetable;

use jiff::Timestamp;
use moodring_contract::lesson::Cause;
use moodring_contract::lesson::Minute;
use schemars::JsonSchema;
use serde::Serialize;

pub use baseline::RoomBaseline;
pub use batch::{Batch, Write};
pub use calendar::{CalendarError, CalendarFault};
pub use damaged::check as check_database;
pub use disk::{Disk, remove_report};
pub use moments::{Moment, MomentKind};
pub use page::{STYLE as REPORT_STYLE, html};
pub use period::Period;
pub use recorder::Recorder;
pub use report::{PaceSpan, Quality, Report, Summary};
pub use schema::FILE_NAME;
pub use store::Store;
pub use store_error::StoreError;
pub use table::{Separator, csv};
pub use task::{LessonChannels, run};
pub use timetable::{Timetable, TimetableError};

use moodring_contract::Mode;

/// A recorded lesson, finished or in progress.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Lesson {
    /// Number in the store; never reused.
    pub id: i64,
    /// Campus or school.
    pub site: String,
    /// Room.
    pub room: String,
    /// Title from the timetable or the command; may be empty.
    pub title: String,
    /// Estimation mode of the lesson.
    pub mode: Mode,
    /// When it began.
    pub begun_at: Timestamp,
    /// Cause of the begin.
    pub begun_by: Cause,
    /// When it ended; `None` while it is in progress, and after an interruption until the device starts again.
    pub ended_at: Option<Timestamp>,
    /// Cause of the end.
    pub ended_by: Option<Cause>,
}

/// A lesson without an end in the store: in progress, or interrupted.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenLesson {
    /// The lesson.
    pub lesson: Lesson,
    /// Number and begin of its last stored minute, if there is one.
    pub last_minute: Option<(u32, Timestamp)>,
    /// Its stored minutes, in order.
    pub minutes: Vec<Minute>,
}

/// The begin of a lesson, as the session decided it.
#[derive(Debug, Clone, PartialEq)]
pub struct Beginning {
    /// When it begins.
    pub at: Timestamp,
    /// Title; may be empty.
    pub title: String,
    /// Cause of the begin.
    pub cause: Cause,
}

/// Seconds from `earlier` to `later`; negative when the clock was set back.
fn seconds(earlier: Timestamp, later: Timestamp) -> f64 {
    later.duration_since(earlier).as_secs_f64()
}

#[cfg(test)]
mod clock_tests;
#[cfg(test)]
mod interruption_tests;
#[cfg(test)]
mod minute_tests;
#[cfg(test)]
mod tests;
