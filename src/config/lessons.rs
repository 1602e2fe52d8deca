//! `[lessons]`: what is kept of a lesson, for how long, and when a lesson begins and ends.

use std::path::PathBuf;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The record of lessons: figures of the class, one row a minute, nothing of a person.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lessons {
    /// Whether lessons are recorded.
    pub enabled: bool,
    /// What begins a lesson: `automatic` (people come and go), `timetable` (below) or `command` (by hand only).
    /// By hand a lesson can always be begun and ended.
    pub begin: LessonBegin,
    /// A class must be in the room for this long before a lesson begins by itself, 10 to 900. Two minutes: people
    /// come in for about as long, and who crosses the room stays for less.
    pub begin_after_s: f64,
    /// After this long without a class a lesson that began by itself or by hand is over, 30 to 3600; it then ended
    /// when the class left. Five minutes: a film in the dark or a look out of the window is no end, the usual
    /// break is.
    pub end_after_s: f64,
    /// No lesson is longer than this, 10 to 600: what has not ended by then was forgotten. Three hours: a double
    /// lesson with a break, twice.
    pub longest_min: u32,
    /// Lessons of the timetable.
    pub timetable: Vec<TimetableEntry>,
    /// Calendar file (.ics) whose appointments are lessons, beside those of `timetable`; all-day ones are not.
    /// Read once, at the start.
    pub calendar: PathBuf,
    /// Time zone of the timetable and the reports, such as `Asia/Kolkata`. Empty: the system's.
    pub time_zone: String,
    /// Lessons and their reports are deleted after so many days, 1 to 1100. Ninety: about a term, enough to know
    /// the room's usual lesson.
    pub keep_days: u32,
    /// Whether a report (one HTML file) is written into `reports` of the storage folder when a lesson ends.
    pub report: bool,
}

/// What begins a lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LessonBegin {
    /// People come, people go.
    Automatic,
    /// The timetable and the calendar.
    Timetable,
    /// A command, nothing else.
    Command,
}

/// Lessons that are held again and again, for `lessons.begin = "timetable"`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimetableEntry {
    /// When they begin: a cron pattern of five fields (minute, hour, day of month, month, day of week) in local
    /// time, such as `0 8 * * MON-FRI`.
    pub begin: String,
    /// How long each is, 5 to 600.
    pub minutes: u32,
    /// What they are called in lists and reports, empty if left out; name no person here.
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
            time_zone: String::new(),
            keep_days: 90,
            report: true,
        }
    }
}

impl Lessons {
    /// The time zone of timetable and reports.
    ///
    /// # Errors
    /// The system does not know a zone of this name.
    pub fn zone(&self) -> Result<TimeZone, jiff::Error> {
        if self.time_zone.is_empty() { Ok(TimeZone::system()) } else { TimeZone::get(&self.time_zone) }
    }
}

impl TimetableEntry {
    /// The pattern in `begin`.
    ///
    /// # Errors
    /// It is no cron pattern of five fields.
    pub fn pattern(&self) -> Result<Cron, CronError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        parser.parse(&self.begin)
    }
}
