//! One appointment: when it begins, how long it is, how it repeats.

use std::collections::HashSet;

use icalendar::{
    CalendarComponent, CalendarDateTime, Component, DatePerhapsTime, Event, EventLike, EventStatus,
};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use moodring_contract::MAX_TITLE_CHARS;

use super::super::period::Period;
use super::scan::RawEvent;

/// Repetitions that are read: ten years of days.
const MAX_REPETITIONS: usize = 4_000;
/// Repetitions that are passed over because they lie in the past: seventy years of days.
const MAX_PASSED: usize = 26_000;
/// Repetitions of one appointment within a day.
const MAX_PER_DAY: usize = 24;
/// Longer appointments are not lessons.
const MAX_LENGTH: SignedDuration = SignedDuration::from_hours(10);
/// Longer appointments do not exist: the length is a typing error.
const MAX_DURATION: SignedDuration = SignedDuration::from_hours(24 * 366);
/// Times of lessons: other dates are placeholders or typing errors. Unix seconds.
const EARLIEST_S: i64 = 0; // 1970-01-01
const LATEST_S: i64 = 7_258_118_400; // 2200-01-01
/// Repetitions before this time are never looked up: such a time is a clock that is not set. Unix seconds.
const FIRST_S: i64 = 1_767_225_600; // 2026-01-01

/// An appointment before its repetitions are computed.
#[derive(Debug)]
pub(super) struct RawAppointment {
    /// Line in the file.
    pub(super) line: usize,
    event: Event,
    title: String,
    /// `None`: it is no lesson, such as an appointment of a whole day.
    time: Option<(Timestamp, SignedDuration)>,
    /// The repetition that it replaces.
    replaces: Option<Timestamp>,
}

/// The lessons of an appointment.
#[derive(Debug, Clone)]
pub(super) struct Appointment {
    title: String,
    length: SignedDuration,
    /// Sorted.
    pub(super) begins: Vec<Timestamp>,
}

impl RawAppointment {
    /// Parses `raw`; times without a zone are local times in `zone`.
    ///
    /// # Errors
    /// What is wrong, beginning with the title.
    pub(super) fn parse(raw: &RawEvent, zone: &TimeZone) -> Result<Self, String> {
        let text = format!("BEGIN:VEVENT\r\n{}END:VEVENT\r\n", raw.text);
        let Ok(CalendarComponent::Event(event)) = text.parse() else {
            return Err("the appointment has a property that is not of the form NAME:VALUE".into());
        };
        let title = title(&event);
        let fault = |message: String| format!("appointment {title:?}: {message}");
        let time = time(&event, zone).map_err(fault)?;
        let replaces = moment(&event, "RECURRENCE-ID", zone).map_err(fault)?.flatten();
        Ok(Self { line: raw.line, event, title, time, replaces })
    }

    /// Identity and time of the repetition that this appointment replaces, if it does.
    pub(super) fn replaces(&self) -> Option<(&str, Timestamp)> {
        Some((self.event.get_uid()?, self.replaces?))
    }

    /// Its lessons, without those in `replaced`.
    ///
    /// # Errors
    /// The repetition is invalid, or too frequent.
    pub(super) fn lessons(
        &self,
        zone: &TimeZone,
        replaced: &HashSet<(&str, Timestamp)>,
    ) -> Result<Appointment, String> {
        let title = self.title.clone();
        let is_cancelled = self.event.get_status() == Some(EventStatus::Cancelled);
        let Some((begin, length)) = self.time.filter(|_| !is_cancelled) else {
            return Ok(Appointment { title, length: SignedDuration::ZERO, begins: Vec::new() });
        };
        let repeats = self.event.property_value("RRULE").is_some()
            || self.event.multi_properties().contains_key("RDATE");
        let mut begins = if repeats {
            repetitions(&self.event, zone).map_err(|fault| format!("appointment {title:?}: {fault}"))?
        } else {
            vec![begin]
        };
        let uid = self.event.get_uid().unwrap_or_default();
        begins.retain(|begin| self.replaces.is_some() || !replaced.contains(&(uid, *begin)));
        begins.sort_unstable();
        begins.dedup();
        Ok(Appointment { title, length, begins })
    }
}

impl Appointment {
    /// The lessons that begin within `from..to`.
    pub(super) fn periods(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Period> {
        let first = self.begins.partition_point(|begin| *begin < from);
        let begins = self.begins.iter().skip(first).take_while(move |begin| **begin < to);
        // The end of a lesson cannot overflow: see `LATEST_S`.
        begins.map(|begin| Period { begin: *begin, end: *begin + self.length, title: self.title.clone() })
    }

    /// Its begins in seconds since 1970.
    pub(super) fn seconds(&self) -> impl Iterator<Item = i64> {
        self.begins.iter().map(|begin| begin.as_second())
    }
}

/// The title as one line that is not too long, as it is required of titles from page and broker.
fn title(event: &Event) -> String {
    let title = event.get_summary().unwrap_or_default().trim();
    let line = title.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    line.take(MAX_TITLE_CHARS).collect()
}

/// Begin and length of `event`; `None` for appointments of whole days, and for those without a length or with one that is
/// too long for a lesson.
fn time(event: &Event, zone: &TimeZone) -> Result<Option<(Timestamp, SignedDuration)>, String> {
    let begin = moment(event, "DTSTART", zone)?.ok_or("it has no DTSTART")?;
    let end = moment(event, "DTEND", zone)?;
    let length = event.property_value("DURATION").map(span).transpose()?;
    let Some(begin) = begin else { return Ok(None) };
    let length = match (end, length) {
        (Some(Some(end)), _) => end.duration_since(begin),
        (None, Some(length)) => length,
        _ => return Ok(None),
    };
    if length < SignedDuration::ZERO {
        return Err("it ends before it begins".into());
    }
    Ok(Some((begin, length)).filter(|_| !length.is_zero() && length <= MAX_LENGTH))
}

/// The instant of the property `name`. `None`: there is no such property; `Some(None)`: it is a date without a time.
fn moment(event: &Event, name: &str, zone: &TimeZone) -> Result<Option<Option<Timestamp>>, String> {
    let Some(property) = event.properties().get(name) else { return Ok(None) };
    let time = DatePerhapsTime::from_property(property).ok_or_else(|| {
        format!("{name} is {:?}, which is no date of the form 20261123T080000", property.value())
    })?;
    let DatePerhapsTime::DateTime(time) = time else { return Ok(Some(None)) };
    let instant = match time {
        CalendarDateTime::Utc(utc) => Timestamp::from_second(utc.timestamp()).map_err(|e| e.to_string()),
        CalendarDateTime::Floating(local) => civil(local.and_utc().timestamp(), zone),
        CalendarDateTime::WithTimezone { date_time, tzid } => {
            let zone = TimeZone::get(&tzid).map_err(|_| {
                format!("unknown time zone {tzid:?}; export with zones such as \"Asia/Kolkata\"")
            })?;
            civil(date_time.and_utc().timestamp(), &zone)
        }
    };
    match instant {
        Ok(at) if (EARLIEST_S..LATEST_S).contains(&at.as_second()) => Ok(Some(Some(at))),
        _ => Err(format!("{name} is {:?}, but must be between the years 1970 and 2199", property.value())),
    }
}

/// The begins of a repeated `event`, without its exceptions.
fn repetitions(event: &Event, zone: &TimeZone) -> Result<Vec<Timestamp>, String> {
    let too_frequent = || format!("it repeats more than {MAX_PER_DAY} times a day");
    if event.property_value("RRULE").is_some_and(|rule| times_a_day(rule) > MAX_PER_DAY) {
        return Err(too_frequent());
    }
    let is_floating =
        matches!(event.get_start(), Some(DatePerhapsTime::DateTime(CalendarDateTime::Floating(_))));
    let set = event.get_recurrence().map_err(|error| format!("invalid repetition: {error}"))?.limit();
    let mut begins: Vec<Timestamp> = Vec::new();
    for begin in set.into_iter().take(MAX_PASSED + MAX_REPETITIONS) {
        let begin = if is_floating {
            // The crate interprets a time without a zone in the system's zone; here it is in `zone`.
            civil(begin.naive_local().and_utc().timestamp(), zone)?
        } else {
            Timestamp::from_second(begin.timestamp()).map_err(|error| error.to_string())?
        };
        if begin.as_second() >= LATEST_S || begins.len() >= MAX_REPETITIONS {
            break;
        }
        begins.push(begin);
        let day_ago = begins.len().checked_sub(MAX_PER_DAY + 1).and_then(|index| begins.get(index));
        if day_ago.is_some_and(|first| begin.duration_since(*first) < SignedDuration::from_hours(24)) {
            return Err(too_frequent());
        }
        if begins.len() > MAX_PER_DAY && begin.as_second() < FIRST_S {
            begins.remove(0);
        }
    }
    begins.retain(|begin| begin.as_second() >= FIRST_S);
    Ok(begins)
}

/// Times of a day that the lists of `rule` name. The crate expands them all before it returns the first.
fn times_a_day(rule: &str) -> usize {
    let lists = rule.split(';').filter_map(|part| part.split_once('='));
    let lists = lists.filter(|(name, _)| {
        ["BYHOUR", "BYMINUTE", "BYSECOND"].iter().any(|list| name.trim().eq_ignore_ascii_case(list))
    });
    lists.map(|(_, list)| list.split(',').count()).fold(1, usize::saturating_mul)
}

/// The instant at which clocks in `zone` show what clocks in UTC show at `second`.
fn civil(second: i64, zone: &TimeZone) -> Result<Timestamp, String> {
    let shown: DateTime =
        Timestamp::from_second(second).map_err(|error| error.to_string())?.to_zoned(TimeZone::UTC).datetime();
    zone.to_timestamp(shown).map_err(|error| error.to_string())
}

/// A length such as `PT45M`.
fn span(text: &str) -> Result<SignedDuration, String> {
    let invalid = || format!("DURATION is {text:?}, but must be a length such as PT45M, at most a year");
    let span: Span = text.trim().parse().map_err(|_| invalid())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| invalid())?;
    if length.abs() <= MAX_DURATION { Ok(length) } else { Err(invalid()) }
}
