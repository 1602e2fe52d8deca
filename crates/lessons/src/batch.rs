//! Writes to the store, in transactions.

use jiff::Timestamp;
use moodring_contract::lesson::{Cause, Minute};

use super::Beginning;

/// One write to the store.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// A lesson began; a lesson that is still open in the store was interrupted.
    Begin {
        /// Campus or school.
        site: String,
        /// Room.
        room: String,
        /// Estimation mode.
        mode: moodring_contract::Mode,
        /// Time, cause and title.
        beginning: Beginning,
    },
    /// A minute of the current lesson is complete.
    Minute(Box<Minute>),
    /// The current lesson ended; rows from `at` on do not belong to it.
    End {
        /// When it ended.
        at: Timestamp,
        /// Cause of the end.
        cause: Cause,
    },
}

/// The writes of one transaction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// In the order of execution.
    pub writes: Vec<Write>,
    /// Ended lessons that began before this time are deleted with their rows.
    pub delete_before: Option<Timestamp>,
}
