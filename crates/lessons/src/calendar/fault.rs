//! Faults of a calendar file, each with its line.

/// The check stops after this many faults: the rest is probably of the same kind.
const MAX_FAULTS: usize = 20;

/// One thing that is wrong with a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarFault {
    /// Line of the appointment or of the property, counted from 1.
    pub line: usize,
    /// The fault and its remedy.
    pub message: String,
}

/// Collects the faults of one calendar.
#[derive(Debug, Default)]
pub(super) struct Faults(pub(super) Vec<CalendarFault>);

impl Faults {
    pub(super) fn add(&mut self, line: usize, message: impl Into<String>) {
        if !self.are_full() {
            self.0.push(CalendarFault { line, message: message.into() });
        }
    }

    /// Whether no more faults are collected.
    pub(super) fn are_full(&self) -> bool {
        self.0.len() >= MAX_FAULTS
    }
}
