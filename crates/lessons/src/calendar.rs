//! Reads the appointments of an .ics file (RFC 5545) as lessons: single, repeated, moved and cancelled ones.

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

use icalendar::{CalendarDateTime, Component, DatePerhapsTime, Event, EventLike, EventStatus};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::period::Period;

/// Far more than a room's calendar of several years needs.
const MAX_BYTES: u64 = 8 << 20;
/// More appointments than a room has in ten years of lessons.
const MAX_EVENTS: usize = 50_000;
/// Repetitions per appointment that are read: ten years of days.
const MAX_REPETITIONS: usize = 4_000;
/// Longer appointments are not lessons.
const MAX_LENGTH: SignedDuration = SignedDuration::from_hours(10);

/// Why a calendar cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The file is too large.
    #[error("is larger than {} MiB; export only the room's own calendar", MAX_BYTES >> 20)]
    TooLarge,
    /// The file is not a calendar.
    #[error("is not an iCalendar file: {0}")]
    Syntax(String),
    /// The file contains no lesson.
    #[error("contains no appointment with a start and an end time; all-day appointments are not lessons")]
    Empty,
    /// The time of an appointment is invalid.
    #[error("appointment {title:?}: {fault}")]
    Appointment {
        /// Title of the appointment.
        title: String,
        /// The fault.
        fault: String,
    },
}

/// The appointments of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Calendar {
    appointments: Vec<Appointment>,
}

#[derive(Debug, Clone)]
struct Appointment {
    title: String,
    length: SignedDuration,
    /// Sorted.
    begins: Vec<Timestamp>,
}

impl Calendar {
    /// Reads `path`; times without a zone are local times in `zone`.
    ///
    /// # Errors
    /// The file cannot be read, is too large, is not a calendar, or contains no lesson.
    pub(super) fn load(path: &Path, zone: &TimeZone) -> Result<Self, CalendarError> {
        let mut text = String::new();
        std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(CalendarError::TooLarge);
        }
        Self::parse(&text, zone)
    }

    /// Parses the calendar in `text`.
    ///
    /// # Errors
    /// The text is not a calendar or contains no lesson.
    pub(super) fn parse(text: &str, zone: &TimeZone) -> Result<Self, CalendarError> {
        let calendar: icalendar::Calendar = text.parse().map_err(CalendarError::Syntax)?;
        let events: Vec<&Event> = calendar.events().take(MAX_EVENTS).collect();
        // A moved repetition is a separate appointment, which names the repetition that it replaces.
        let replaced: HashSet<(&str, Timestamp)> = events
            .iter()
            .filter_map(|event| Some((event.get_uid()?, instant(&event.get_recurrence_id()?, zone).ok()??)))
            .collect();
        let mut appointments = Vec::new();
        for event in events {
            let title = event.get_summary().unwrap_or_default().to_owned();
            let appointment = Appointment::read(event, zone, &replaced)
                .map_err(|fault| CalendarError::Appointment { title, fault })?;
            appointments.extend(appointment);
        }
        if appointments.is_empty() { Err(CalendarError::Empty) } else { Ok(Self { appointments }) }
    }

    /// The lessons that begin within `from..to`.
    pub(super) fn periods(&self, from: Timestamp, to: Timestamp) -> Vec<Period> {
        let lessons = self.appointments.iter().flat_map(|appointment| {
            let begins = &appointment.begins;
            let first = begins.partition_point(|begin| *begin < from);
            begins[first..].iter().take_while(move |begin| **begin < to).map(|begin| Period {
                begin: *begin,
                end: *begin + appointment.length,
                title: appointment.title.clone(),
            })
        });
        lessons.collect()
    }
}

impl Appointment {
    /// Reads `event` as a lesson; `None` for all-day, cancelled, zero-length and too long ones.
    fn read(
        event: &Event,
        zone: &TimeZone,
        replaced: &HashSet<(&str, Timestamp)>,
    ) -> Result<Option<Self>, String> {
        if event.get_status() == Some(EventStatus::Cancelled) {
            return Ok(None);
        }
        let Some(start) = event.get_start() else { return Ok(None) };
        let Some(begin) = instant(&start, zone)? else { return Ok(None) };
        let end = match (event.get_end(), event.property_value("DURATION")) {
            (Some(end), _) => instant(&end, zone)?,
            (None, Some(length)) => Some(begin + span(length)?),
            (None, None) => None,
        };
        let Some(length) = end.map(|end| end.duration_since(begin)) else { return Ok(None) };
        if length <= SignedDuration::ZERO || length > MAX_LENGTH {
            return Ok(None);
        }
        let moved = event.get_recurrence_id().is_some();
        let uid = event.get_uid().unwrap_or_default();
        let mut begins =
            if event.property_value("RRULE").is_some() || event.multi_properties().contains_key("RDATE") {
                let floating = matches!(start, DatePerhapsTime::DateTime(CalendarDateTime::Floating(_)));
                repetitions(event, floating, zone)?
            } else {
                vec![begin]
            };
        begins.retain(|begin| moved || !replaced.contains(&(uid, *begin)));
        begins.sort_unstable();
        begins.dedup();
        let title = event.get_summary().unwrap_or_default().trim().to_owned();
        Ok(Some(Self { title, length, begins }))
    }
}

/// The begins of a repeated `event`, without its exceptions.
fn repetitions(event: &Event, floating: bool, zone: &TimeZone) -> Result<Vec<Timestamp>, String> {
    let set = event.get_recurrence().map_err(|error| format!("invalid repetition: {error}"))?;
    let begins = set.into_iter().take(MAX_REPETITIONS).map(|begin| {
        if floating {
            // The crate interprets a time without a zone in the system's zone; here it is in `zone`.
            civil(begin.naive_local().and_utc().timestamp(), zone)
        } else {
            Timestamp::from_second(begin.timestamp()).map_err(|error| error.to_string())
        }
    });
    begins.collect()
}

/// The instant of a date with a time; `None` for a date without a time.
fn instant(time: &DatePerhapsTime, zone: &TimeZone) -> Result<Option<Timestamp>, String> {
    let DatePerhapsTime::DateTime(time) = time else { return Ok(None) };
    let instant = match time {
        CalendarDateTime::Utc(utc) => Timestamp::from_second(utc.timestamp()).map_err(|e| e.to_string()),
        CalendarDateTime::Floating(local) => civil(local.and_utc().timestamp(), zone),
        CalendarDateTime::WithTimezone { date_time, tzid } => {
            let zone = TimeZone::get(tzid).map_err(|_| {
                format!("unknown time zone {tzid:?}; export with zones such as \"Asia/Kolkata\"")
            })?;
            civil(date_time.and_utc().timestamp(), &zone)
        }
    };
    instant.map(Some)
}

/// The instant at which clocks in `zone` show what clocks in UTC show at `second`.
fn civil(second: i64, zone: &TimeZone) -> Result<Timestamp, String> {
    let shown: DateTime =
        Timestamp::from_second(second).map_err(|error| error.to_string())?.to_zoned(TimeZone::UTC).datetime();
    zone.to_timestamp(shown).map_err(|error| error.to_string())
}

/// A length such as `PT45M`.
fn span(text: &str) -> Result<SignedDuration, String> {
    text.parse().map_err(|error| format!("invalid DURATION {text:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(events: &str) -> Result<Calendar, CalendarError> {
        let text = format!("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{events}END:VCALENDAR\n");
        Calendar::parse(&text.replace('\n', "\r\n"), &TimeZone::get("Asia/Kolkata").unwrap())
    }

    fn event(lines: &str) -> String {
        format!("BEGIN:VEVENT\nUID:one\nDTSTAMP:20260101T000000Z\n{lines}END:VEVENT\n")
    }

    fn begins(calendar: &Calendar, from: &str, to: &str) -> Vec<String> {
        let periods = calendar.periods(from.parse().unwrap(), to.parse().unwrap());
        periods.iter().map(|period| period.begin.to_string()).collect()
    }

    #[test]
    fn single_appointments_are_lessons_in_their_own_zone() {
        let events = event("SUMMARY:Maths 7b\nDTSTART:20261123T080000Z\nDTEND:20261123T084500Z\n")
            + &event("SUMMARY:local\nDTSTART:20261124T080000\nDURATION:PT45M\n")
            + &event(
                "SUMMARY:zoned\nDTSTART;TZID=Europe/Berlin:20261125T080000\n\
                 DTEND;TZID=Europe/Berlin:20261125T093000\n",
            )
            + &event("SUMMARY:holiday\nDTSTART;VALUE=DATE:20261126\nDTEND;VALUE=DATE:20261127\n")
            + &event("SUMMARY:off\nSTATUS:CANCELLED\nDTSTART:20261126T080000Z\nDTEND:20261126T084500Z\n");
        let calendar = parse(&events).unwrap();
        let periods = calendar
            .periods("2026-11-01T00:00:00Z".parse().unwrap(), "2026-12-01T00:00:00Z".parse().unwrap());
        let lessons: Vec<_> = periods
            .iter()
            .map(|period| format!("{} {} {}", period.title, period.begin, period.end))
            .collect();
        assert_eq!(
            lessons,
            [
                "Maths 7b 2026-11-23T08:00:00Z 2026-11-23T08:45:00Z",
                "local 2026-11-24T02:30:00Z 2026-11-24T03:15:00Z",
                "zoned 2026-11-25T07:00:00Z 2026-11-25T08:30:00Z"
            ]
        );
    }

    #[test]
    fn repeated_appointments_repeat_except_where_moved_or_excluded() {
        let events = event(
            "SUMMARY:weekly\nDTSTART;TZID=Europe/Berlin:20261012T080000\n\
             DTEND;TZID=Europe/Berlin:20261012T084500\nRRULE:FREQ=WEEKLY;BYDAY=MO\n\
             EXDATE;TZID=Europe/Berlin:20261019T080000\n",
        ) + &event(
            "SUMMARY:moved\nRECURRENCE-ID;TZID=Europe/Berlin:20261102T080000\n\
             DTSTART;TZID=Europe/Berlin:20261103T100000\nDTEND;TZID=Europe/Berlin:20261103T104500\n",
        );
        let calendar = parse(&events).unwrap();
        let mut found = begins(&calendar, "2026-10-01T00:00:00Z", "2026-11-10T00:00:00Z");
        found.sort();
        // Clocks are set back on 25 October: 08:00 is 06:00 UTC before and 07:00 UTC after.
        let expected =
            ["2026-10-12T06:00:00Z", "2026-10-26T07:00:00Z", "2026-11-03T09:00:00Z", "2026-11-09T07:00:00Z"];
        assert_eq!(found, expected);
    }

    #[test]
    fn repeated_local_times_are_in_the_configured_zone() {
        let events = event("DTSTART:20261123T080000\nDTEND:20261123T084500\nRRULE:FREQ=DAILY;COUNT=3\n");
        let found = begins(&parse(&events).unwrap(), "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z");
        assert_eq!(found, ["2026-11-23T02:30:00Z", "2026-11-24T02:30:00Z", "2026-11-25T02:30:00Z"]);
    }

    #[test]
    fn faults_name_the_appointment() {
        let strange = event(
            "SUMMARY:Physics\nDTSTART;TZID=Mars Standard Time:20261123T080000\n\
             DTEND;TZID=Mars Standard Time:20261123T084500\n",
        );
        let error = parse(&strange).unwrap_err().to_string();
        assert!(error.contains("\"Physics\"") && error.contains("Mars Standard Time"), "{error}");
        let rule = event("SUMMARY:Art\nDTSTART:20261123T080000Z\nDURATION:PT45M\nRRULE:FREQ=SOMETIMES\n");
        let error = parse(&rule).unwrap_err().to_string();
        assert!(error.contains("\"Art\"") && error.contains("repetition"), "{error}");
        assert!(matches!(parse(""), Err(CalendarError::Empty)));
        let zone = TimeZone::UTC;
        assert!(Calendar::parse("<html>not found</html>", &zone).is_err());
    }
}
