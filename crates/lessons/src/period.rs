//! One lesson of the timetable or the calendar.

use jiff::Timestamp;

/// One lesson of the timetable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// When it begins.
    pub begin: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// Title; may be empty.
    pub title: String,
}
