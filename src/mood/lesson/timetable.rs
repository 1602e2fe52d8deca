//! When lessons are held: periods out of cron patterns and a calendar file, worked out for a day or two at a time.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::calendar::{Calendar, CalendarError};
use crate::config::{LessonBegin, Lessons};

/// Lessons looked at in one span; a timetable of more is a mistake, and the rest is left out.
const MOST_PERIODS: usize = 2_000;

/// One lesson of the timetable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// When it begins.
    pub begin: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// What it is called; may be empty.
    pub title: String,
}

/// Why there is no timetable.
#[derive(Debug, thiserror::Error)]
pub enum TimetableError {
    /// A cron pattern is none.
    #[error("lessons.timetable, begin = {begin:?}: {source}")]
    Pattern {
        /// As configured.
        begin: String,
        /// Why it is none.
        source: croner::errors::CronError,
    },
    /// The time zone is unknown.
    #[error("lessons.time_zone is {zone:?}: {source}; name one such as \"Asia/Kolkata\"")]
    Zone {
        /// As configured.
        zone: String,
        /// Why it is none.
        source: jiff::Error,
    },
    /// The calendar cannot be used.
    #[error("lessons.calendar {}: {source}", path.display())]
    Calendar {
        /// As configured.
        path: PathBuf,
        /// Why.
        source: CalendarError,
    },
}

/// A cron pattern, how long its lessons are, and what they are called.
#[derive(Debug, Clone)]
struct Pattern {
    begin: croner::Cron,
    length: SignedDuration,
    title: String,
}

/// The lessons that the configuration and its calendar name.
#[derive(Debug, Clone, Default)]
pub struct Timetable {
    zone: Option<TimeZone>,
    patterns: Vec<Pattern>,
    calendar: Calendar,
    /// Periods of the span from which the last question was answered, by begin.
    known: Vec<Period>,
    known_span: Option<(Timestamp, Timestamp)>,
}

impl Timetable {
    /// The timetable of `lessons`, with its calendar read; empty unless lessons begin by timetable.
    ///
    /// # Errors
    /// What is wrong with the timetable, and how to mend it.
    pub fn new(lessons: &Lessons) -> Result<Self, TimetableError> {
        if lessons.begin != LessonBegin::Timetable {
            return Ok(Self::default());
        }
        let zone = lessons
            .zone()
            .map_err(|source| TimetableError::Zone { zone: lessons.time_zone.clone(), source })?;
        let pattern = |entry: &crate::config::TimetableEntry| {
            let begin = entry
                .pattern()
                .map_err(|source| TimetableError::Pattern { begin: entry.begin.clone(), source })?;
            let length = SignedDuration::from_mins(entry.minutes.into());
            Ok(Pattern { begin, length, title: entry.title.clone() })
        };
        let patterns = lessons.timetable.iter().map(pattern).collect::<Result<_, _>>()?;
        let calendar = if lessons.calendar.as_os_str().is_empty() {
            Calendar::default()
        } else {
            Calendar::load(&lessons.calendar, &zone)
                .map_err(|source| TimetableError::Calendar { path: lessons.calendar.clone(), source })?
        };
        Ok(Self { zone: Some(zone), patterns, calendar, known: Vec::new(), known_span: None })
    }

    /// The lesson that is held at `at`; of several that overlap, the one that began last.
    pub fn at(&mut self, at: Timestamp) -> Option<&Period> {
        if self.known_span.is_none_or(|(from, to)| !(from..to).contains(&at)) {
            // Lessons are at most ten hours long, so those of two days answer for the half days around now.
            let (from, to) = (at - SignedDuration::from_hours(24), at + SignedDuration::from_hours(24));
            self.known = self.periods(from, to);
            let half_a_day = SignedDuration::from_hours(12);
            self.known_span = Some((at - half_a_day, at + half_a_day));
        }
        self.known.iter().rev().find(|period| (period.begin..period.end).contains(&at))
    }

    /// The lessons that begin within `from..to`, by begin.
    pub fn periods(&self, from: Timestamp, to: Timestamp) -> Vec<Period> {
        let Some(zone) = &self.zone else { return Vec::new() };
        let mut periods = self.calendar.periods(from, to);
        for Pattern { begin, length, title } in &self.patterns {
            let begins = begin.iter_from(from.to_zoned(zone.clone()), croner::Direction::Forward);
            let begins = begins.map(|begin| begin.timestamp()).take_while(|begin| *begin < to);
            periods.extend(begins.take(MOST_PERIODS).map(|begin| Period {
                begin,
                end: begin + *length,
                title: title.clone(),
            }));
        }
        periods.sort_by_key(|period| period.begin);
        periods.truncate(MOST_PERIODS);
        periods
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TimetableEntry;

    fn entry(begin: &str, minutes: u32, title: &str) -> TimetableEntry {
        TimetableEntry { begin: begin.into(), minutes, title: title.into() }
    }

    fn timetable(time_zone: &str, timetable: Vec<TimetableEntry>) -> Timetable {
        let lessons = Lessons {
            begin: LessonBegin::Timetable,
            time_zone: time_zone.into(),
            timetable,
            ..Lessons::default()
        };
        Timetable::new(&lessons).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn lessons_are_held_at_local_times_on_their_days() {
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
        // The clock is set back: the answer is again that of the time asked for.
        assert_eq!(title(&mut timetable, "2026-11-20T02:40:00Z").unwrap(), "Mathematics");
    }

    #[test]
    fn the_local_hour_stays_when_the_clocks_change() {
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
    fn what_is_wrong_is_named() {
        let lessons = Lessons {
            begin: LessonBegin::Timetable,
            calendar: "/nowhere/room.ics".into(),
            ..Lessons::default()
        };
        let told = Timetable::new(&lessons).unwrap_err().to_string();
        assert!(told.contains("lessons.calendar /nowhere/room.ics"), "{told}");
        let lessons = Lessons {
            begin: LessonBegin::Timetable,
            timetable: vec![entry("often", 45, "")],
            ..Lessons::default()
        };
        let told = Timetable::new(&lessons).unwrap_err().to_string();
        assert!(told.contains("\"often\""), "{told}");
    }
}
