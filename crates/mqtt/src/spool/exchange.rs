//! Data that the queue in memory and the file on the disk exchange.

use std::ops::RangeInclusive;

use super::entry::{Entry, Kind};

/// The content of the file at the start.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) id: String,
    /// The next number to use.
    pub(super) next: u64,
    /// The last number that may be used.
    pub(super) reserved: u64,
    /// After a power cut: numbers whose messages may have been lost, or that were never used.
    pub(super) uncertain: Option<RangeInclusive<u64>>,
    pub(super) dropped: u64,
    /// Row, kind and payload, the oldest first.
    pub(super) entries: Vec<(i64, Kind, Vec<u8>)>,
}

/// The numbers that a write reserves.
#[derive(Debug, Clone)]
pub(super) struct Reservation {
    pub(super) id: String,
    pub(super) reserved: u64,
    /// No more numbers are used in this run.
    pub(super) closed: bool,
}

/// What a write adds to the file and deletes from it.
#[derive(Debug, Clone, Default)]
pub(super) struct Difference {
    pub(super) insert: Vec<Entry>,
    pub(super) delete: Vec<i64>,
    pub(super) dropped: u64,
}
