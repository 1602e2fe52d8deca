//! Reads the appointments of an .ics file (RFC 5545) as lessons: single, repeated, moved and cancelled ones.
//!
//! The file comes from other programs, so everything in it is bounded: its size, its appointments, their repetitions and
//! the lessons of a day. A fault names its line.

mod appointment;
mod fault;
mod scan;

use std::collections::HashSet;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::period::Period;
use appointment::{Appointment, RawAppointment};
use fault::Faults;
use moodring_runtime::text_file::{self, TextError};

pub use fault::CalendarFault;

/// Far more than a room's calendar of several years needs.
const MAX_BYTES: u64 = 8 << 20;
/// Lessons of all appointments together: ten years with forty a week are 20,000.
const MAX_LESSONS: usize = 100_000;
/// Lessons of a day. The calendar of a whole school has more.
const MAX_PER_DAY: usize = 100;
const DAY_S: i64 = 86_400;

/// Why a calendar cannot be used. Each message follows the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum CalendarError {
    /// The file cannot be read.
    #[error(transparent)]
    Text(TextError),
    /// The file is too large.
    #[error("is larger than {} MiB; export only the room's own calendar", MAX_BYTES >> 20)]
    TooLarge,
    /// The file contains no lesson.
    #[error("contains no appointment with a start and an end time; all-day appointments are not lessons")]
    Empty,
    /// The appointments are more than one room can have.
    #[error("{0}; export only the room's own calendar")]
    TooMany(String),
    /// What the file contains is faulty.
    #[error("{} faults, the first in line {}: {}", .0.len(), .0.first().map_or(0, |fault| fault.line), .0.first().map_or("", |fault| fault.message.as_str()))]
    Faults(Vec<CalendarFault>),
}

/// The appointments of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Calendar {
    appointments: Vec<Appointment>,
}

impl Calendar {
    /// Reads `path`; times without a zone are local times in `zone`.
    ///
    /// # Errors
    /// The file cannot be read, is too large, is faulty, or contains no lesson.
    pub(super) fn load(path: &Path, zone: &TimeZone) -> Result<Self, CalendarError> {
        match text_file::read(path, MAX_BYTES) {
            Ok(text) => Self::parse(&text, zone),
            Err(TextError::TooLarge { .. }) => Err(CalendarError::TooLarge),
            Err(error) => Err(CalendarError::Text(error)),
        }
    }

    /// Parses the calendar in `text`.
    ///
    /// # Errors
    /// The text is faulty or contains no lesson.
    pub(super) fn parse(text: &str, zone: &TimeZone) -> Result<Self, CalendarError> {
        let mut faults = Faults::default();
        let mut raw = Vec::new();
        for event in scan::events(text, &mut faults) {
            match RawAppointment::parse(&event, zone) {
                Ok(appointment) => raw.push(appointment),
                Err(message) => faults.add(event.line, message),
            }
            if faults.are_full() {
                break;
            }
        }
        // A moved repetition is a separate appointment, which names the repetition that it replaces.
        let replaced: HashSet<(&str, Timestamp)> = raw.iter().filter_map(RawAppointment::replaces).collect();
        let (mut appointments, mut lessons) = (Vec::new(), 0);
        for event in &raw {
            if faults.are_full() {
                break;
            }
            match event.lessons(zone, &replaced) {
                Ok(appointment) => {
                    lessons += appointment.begins.len();
                    appointments.push(appointment);
                }
                Err(message) => faults.add(event.line, message),
            }
            if lessons > MAX_LESSONS {
                return Err(CalendarError::TooMany(format!("contains more than {MAX_LESSONS} lessons")));
            }
        }
        if !faults.0.is_empty() {
            return Err(CalendarError::Faults(faults.0));
        }
        appointments.retain(|appointment: &Appointment| !appointment.begins.is_empty());
        if appointments.is_empty() { Err(CalendarError::Empty) } else { Self { appointments }.checked() }
    }

    /// This calendar, unless a day has more lessons than a room can have.
    fn checked(self) -> Result<Self, CalendarError> {
        let mut begins: Vec<i64> = self.appointments.iter().flat_map(Appointment::seconds).collect();
        begins.sort_unstable();
        for day in begins.windows(MAX_PER_DAY + 1) {
            if let [first, .., last] = day
                && last - first < DAY_S
            {
                let at = Timestamp::from_second(*first).unwrap_or_default();
                let message = format!("contains more than {MAX_PER_DAY} lessons within a day from {at} on");
                return Err(CalendarError::TooMany(message));
            }
        }
        Ok(self)
    }

    /// The lessons that begin within `from..to`.
    pub(super) fn periods(&self, from: Timestamp, to: Timestamp) -> Vec<Period> {
        self.appointments.iter().flat_map(|appointment| appointment.periods(from, to)).collect()
    }
}

#[cfg(test)]
mod tests;
