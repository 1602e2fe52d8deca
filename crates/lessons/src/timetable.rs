//! When lessons take place: periods from cron patterns and a calendar file, computed for one to two days at a time.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::calendar::{Calendar, CalendarError, CalendarFault};
use super::period::Period;
use moodring_config::{LessonBegin, Lessons};

/// Upper limit of lessons in one span. A timetable with more is a mistake; the rest is ignored.
const MAX_PERIODS: usize = 2_000;

/// Why the timetable cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TimetableError {
    /// A cron pattern is invalid.
    #[error("lessons.timetable, begin = {begin:?}: {fault}")]
    Pattern {
        /// As configured.
        begin: String,
        /// The parser's error.
        fault: croner::errors::CronError,
    },
    /// The calendar cannot be used.
    #[error("{}", calendar_faults(path, fault))]
    Calendar {
        /// As configured.
        path: PathBuf,
        /// The fault of the file.
        fault: CalendarError,
    },
}

impl TimetableError {
    /// The key of the configuration that is wrong.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Pattern { .. } => "lessons.timetable",
            Self::Calendar { .. } => "lessons.calendar",
        }
    }
}

/// Each fault of the calendar `path` with its line, one a line.
fn calendar_faults(path: &Path, error: &CalendarError) -> String {
    let path = path.display();
    match error {
        CalendarError::Faults(faults) => {
            let fault =
                |fault: &CalendarFault| format!("lessons.calendar {path}:{}: {}", fault.line, fault.message);
            faults.iter().map(fault).collect::<Vec<_>>().join("\n")
        }
        other => format!("lessons.calendar {path}: {other}"),
    }
}

/// A cron pattern with the length and title of its lessons.
#[derive(Debug, Clone)]
struct Pattern {
    begin: croner::Cron,
    length: SignedDuration,
    title: String,
}

/// The lessons of the configuration and its calendar.
#[derive(Debug, Clone, Default)]
pub struct Timetable {
    zone: Option<TimeZone>,
    patterns: Vec<Pattern>,
    calendar: Calendar,
    /// Periods around the time of the last look-up, sorted by begin.
    cache: Vec<Period>,
    /// Look-ups within this span are answered from `cache`.
    cached_span: Option<(Timestamp, Timestamp)>,
}

/// The configured calendar; empty if there is none.
fn calendar(lessons: &Lessons, zone: &TimeZone) -> Result<Calendar, TimetableError> {
    let path = &lessons.calendar;
    if path.as_os_str().is_empty() {
        return Ok(Calendar::default());
    }
    Calendar::load(path, zone).map_err(|fault| TimetableError::Calendar { path: path.clone(), fault })
}

impl Timetable {
    /// The timetable of `lessons` in the time zone `zone`, with its calendar read; empty unless lessons begin by timetable.
    ///
    /// # Errors
    /// A pattern or the calendar is invalid.
    pub fn new(lessons: &Lessons, zone: &TimeZone) -> Result<Self, TimetableError> {
        if lessons.begin != LessonBegin::Timetable {
            return Ok(Self::default());
        }
        let pattern = |entry: &moodring_config::TimetableEntry| {
            let begin = entry
                .pattern()
                .map_err(|fault| TimetableError::Pattern { begin: entry.begin.clone(), fault })?;
            let length = SignedDuration::from_mins(entry.minutes.into());
            Ok(Pattern { begin, length, title: entry.title.clone() })
        };
        let patterns = lessons.timetable.iter().map(pattern).collect::<Result<_, _>>()?;
        let calendar = calendar(lessons, zone)?;
        Ok(Self { zone: Some(zone.clone()), patterns, calendar, cache: Vec::new(), cached_span: None })
    }

    /// Checks what [`Timetable::new`] would read, and the calendar also if lessons do not begin by timetable.
    ///
    /// # Errors
    /// A pattern or the calendar is invalid.
    pub fn check(lessons: &Lessons, zone: &TimeZone) -> Result<(), TimetableError> {
        if lessons.begin != LessonBegin::Timetable {
            return calendar(lessons, zone).map(drop);
        }
        Self::new(lessons, zone).map(drop)
    }

    /// The lesson at `at`; of several that overlap, the one that began last.
    pub fn at(&mut self, at: Timestamp) -> Option<&Period> {
        if self.cached_span.is_none_or(|(from, to)| !(from..to).contains(&at)) {
            // Lessons are at most ten hours long: those that begin within 24 hours cover the 12 hours around now.
            let (from, to) = (at - SignedDuration::from_hours(24), at + SignedDuration::from_hours(24));
            self.cache = self.periods(from, to);
            let half_a_day = SignedDuration::from_hours(12);
            self.cached_span = Some((at - half_a_day, at + half_a_day));
        }
        self.cache.iter().rev().find(|period| (period.begin..period.end).contains(&at))
    }

    /// The lessons that begin within `from..to`, sorted by begin.
    pub fn periods(&self, from: Timestamp, to: Timestamp) -> Vec<Period> {
        let Some(zone) = &self.zone else { return Vec::new() };
        let mut periods = self.calendar.periods(from, to);
        for Pattern { begin, length, title } in &self.patterns {
            let begins = begin.iter_from(from.to_zoned(zone.clone()), croner::Direction::Forward);
            let begins = begins.map(|begin| begin.timestamp()).take_while(|begin| *begin < to);
            periods.extend(begins.take(MAX_PERIODS).map(|begin| Period {
                begin,
                end: begin + *length,
                title: title.clone(),
            }));
        }
        periods.sort_by_key(|period| period.begin);
        periods.truncate(MAX_PERIODS);
        periods
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moodring_config::TimetableEntry;

    fn entry(begin: &str, minutes: u32, title: &str) -> TimetableEntry {
        TimetableEntry { begin: begin.into(), minutes, title: title.into() }
    }

    fn timetable(time_zone: &str, timetable: Vec<TimetableEntry>) -> Timetable {
        let lessons = Lessons { begin: LessonBegin::Timetable, timetable, ..Lessons::default() };
        Timetable::new(&lessons, &TimeZone::get(time_zone).unwrap()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn lessons_take_place_at_local_times_on_their_weekdays() {
        let entries = vec![entry("0 8 * * MON-FRI", 45, "Mathematics"), entry("50 8 * * MON,THU", 90, "")];
        let mut timetable = timetable("Asia/Kolkata", entries);
        // 2026-11-23 is a Monday; 08:00 in India is 02:30 UTC.
        let title =
            |timetable: &mut Timetable, text| timetable.at(at(text)).map(|period| period.title.clone());
        assert_eq!(title(&mut timetable, "2026-11-23T02:29:59Z"), None);
        assert_eq!(title(&mut timetable, "2026-11-23T02:30:00Z").unwrap(), "Mathematics");
        assert_eq!(title(&mut timetable, "2026-11-23T03:14:59Z").unwrap(), "Mathematics");
        assert_eq!(title(&mut timetable, "2026-11-23T03:15:00Z"), None);
        assert_eq!(title(&mut timetable, "2026-11-23T03:20:00Z").unwrap(), "");
        assert_eq!(title(&mut timetable, "2026-11-24T03:20:00Z"), None, "no second lesson on Tuesdays");
        assert_eq!(title(&mut timetable, "2026-11-22T02:40:00Z"), None, "Sunday");
        // The clock is set back: the cache is not used.
        assert_eq!(title(&mut timetable, "2026-11-20T02:40:00Z").unwrap(), "Mathematics");
    }

    #[test]
    fn the_local_time_stays_the_same_when_the_clocks_change() {
        let timetable = timetable("Europe/Berlin", vec![entry("0 8 * * *", 45, "")]);
        let periods = timetable.periods(at("2026-10-24T00:00:00Z"), at("2026-10-27T00:00:00Z"));
        let begins: Vec<_> = periods.iter().map(|period| period.begin.to_string()).collect();
        assert_eq!(begins, ["2026-10-24T06:00:00Z", "2026-10-25T07:00:00Z", "2026-10-26T07:00:00Z"]);
        assert!(periods.iter().all(|period| super::super::seconds(period.begin, period.end) == 2700.0));
    }

    #[test]
    fn a_lesson_that_begins_later_takes_over() {
        let mut timetable =
            timetable("UTC", vec![entry("0 8 * * *", 120, "long"), entry("0 9 * * *", 45, "short")]);
        assert_eq!(timetable.at(at("2026-11-23T08:59:59Z")).unwrap().title, "long");
        assert_eq!(timetable.at(at("2026-11-23T09:00:00Z")).unwrap().title, "short");
        assert_eq!(timetable.at(at("2026-11-23T09:50:00Z")).unwrap().title, "long");
    }

    #[test]
    fn errors_name_the_faulty_key_or_pattern() {
        let lessons = Lessons {
            begin: LessonBegin::Timetable,
            calendar: "/nowhere/room.ics".into(),
            ..Lessons::default()
        };
        let error = Timetable::new(&lessons, &TimeZone::UTC).unwrap_err().to_string();
        assert!(error.contains("lessons.calendar /nowhere/room.ics"), "{error}");
        let lessons = Lessons {
            begin: LessonBegin::Timetable,
            timetable: vec![entry("often", 45, "")],
            ..Lessons::default()
        };
        let error = Timetable::new(&lessons, &TimeZone::UTC).unwrap_err().to_string();
        assert!(error.contains("\"often\""), "{error}");
    }
}
