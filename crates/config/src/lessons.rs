//! `[lessons]`: what is recorded of a lesson, for how long it is stored, and when a lesson begins and ends.

use std::path::PathBuf;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Recording of lessons: aggregates of the class, one row per minute, no data about a single person.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lessons {
    /// Whether lessons are recorded.
    pub enabled: bool,
    /// What begins a lesson: `automatic` (people enter the room), `timetable` (timetable and calendar below) or
    /// `command` (commands only). A command can begin and end a lesson in every setting.
    #[schemars(extend("x-live" = true))]
    pub begin: LessonBegin,
    /// Seconds for which a class must be in the room before a lesson begins automatically, 10 to 900. 120: a class
    /// takes about two minutes to enter, and people who only cross the room leave sooner.
    #[schemars(extend("x-live" = true))]
    pub begin_after_s: f64,
    /// Seconds without a class after which a lesson is over that began automatically or by command, 30 to 3600. The end
    /// is recorded as the time at which the class left. 300: a dark room during a film or a look out of the window must
    /// not end a lesson, but a normal break must.
    #[schemars(extend("x-live" = true))]
    pub end_after_s: f64,
    /// Longest duration of a lesson in minutes, 10 to 600. A lesson that reaches it ends, because somebody forgot to
    /// end it. 180: twice a double lesson with a break.
    #[schemars(extend("x-live" = true))]
    pub longest_min: u32,
    /// Entries of the timetable, at most 100.
    #[schemars(extend("x-live" = true))]
    pub timetable: Vec<TimetableEntry>,
    /// Calendar file (.ics) whose appointments are lessons, in addition to `timetable`. All-day appointments are
    /// ignored. The file is read at the start and at each reload; `moodring check` reports its faults with their lines.
    #[schemars(extend("x-live" = true))]
    pub calendar: PathBuf,
    /// Days after which lessons and their reports are deleted, 1 to 1100. 90: about one term, enough for a baseline of
    /// the lessons in this room.
    #[schemars(extend("x-live" = true))]
    pub keep_days: u32,
    /// Whether a report (one HTML file) is written to the folder `reports` of the storage folder when a lesson ends.
    pub report: bool,
}

/// What begins a lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LessonBegin {
    /// A class enters the room.
    Automatic,
    /// The timetable and the calendar.
    Timetable,
    /// Commands only.
    Command,
}

/// Lessons that take place repeatedly, for `lessons.begin = "timetable"`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimetableEntry {
    /// Start times: a cron pattern with five fields (minute, hour, day of month, month, day of week) in local time,
    /// such as `0 8 * * MON-FRI`.
    pub begin: String,
    /// Duration of each lesson in minutes, 5 to 600.
    pub minutes: u32,
    /// Title in lists and reports; empty if not set. Do not write a person's name here.
    #[serde(default)]
    pub title: String,
}

impl Default for Lessons {
    fn default() -> Self {
        Self {
            enabled: true,
            begin: LessonBegin::Automatic,
            begin_after_s: 120.0,
            end_after_s: 300.0,
            longest_min: 180,
            timetable: Vec::new(),
            calendar: PathBuf::new(),
            keep_days: 90,
            report: true,
        }
    }
}

impl TimetableEntry {
    /// The parsed pattern of `begin`.
    ///
    /// # Errors
    /// `begin` is not a cron pattern with five fields.
    pub fn pattern(&self) -> Result<Cron, CronError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        parser.parse(&self.begin)
    }
}
