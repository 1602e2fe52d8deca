//! Counts what ends the comparison of people over time: [`Resets`].

/// How often state about people was discarded. Counters, so that two changes in short succession are not missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resets {
    /// Begins of a pause: everything that was seen is deleted, and nobody is known afterwards.
    pub pauses: u64,
    /// Begins and ends of lessons: what was estimated is deleted, people stay in their seats.
    pub lessons: u64,
}
