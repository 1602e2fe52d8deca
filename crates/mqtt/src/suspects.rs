//! Finds out on which message or subscription a broker closes the connection.
//!
//! After two short connections in a row the device sends one message at a time. What alone waits for an answer at two
//! losses in a row, without an answer in between, is left out.

use std::time::Duration;

use crate::holds::Lane;

/// A connection of at least this duration clears all suspicions.
pub(super) const STABLE_AFTER: Duration = Duration::from_secs(60);
/// Number of short connections in a row after which one message at a time is sent.
const CAREFUL_AFTER: u32 = 2;
/// Number of losses in a row on the same suspect.
const MAX_LOSSES: u32 = 2;

/// Something that a broker may hang up on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Suspect {
    Lane(Lane),
    /// The filter of a subscription.
    Filter(String),
}

/// The losses so far.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    short: u32,
    suspect: Option<(Suspect, u32)>,
    /// Number of short connections in a row that the broker closed while nothing waited for an answer.
    idle: u32,
}

impl Suspects {
    /// Whether only one message may be in flight.
    pub(super) const fn is_careful(&self) -> bool {
        self.short >= CAREFUL_AFTER
    }

    /// Whether the broker closes connections again and again although it was sent nothing: another client may have the
    /// same name. Not all brokers say so.
    pub(super) const fn is_displaced(&self) -> bool {
        self.idle >= MAX_LOSSES
    }

    /// The broker closed a connection that lasted for `lived` while nothing waited for an answer.
    pub(super) fn lost_idle(&mut self, lived: Duration) {
        self.idle = if lived < STABLE_AFTER { self.idle.saturating_add(1) } else { 1 };
    }

    /// There was no connection: the broker itself is the problem.
    pub(super) fn not_connected(&mut self) {
        self.idle = 0;
    }

    /// The broker has answered `suspect`.
    pub(super) fn clear(&mut self, suspect: &Suspect) {
        if self.suspect.as_ref().is_some_and(|(known, _)| known == suspect) {
            self.suspect = None;
        }
    }

    /// The broker closed a connection that lasted for `lived` while only `waiting` waited for an answer. Returns what is
    /// to be left out from now on.
    pub(super) fn lost(&mut self, lived: Duration, waiting: Option<Suspect>) -> Option<Suspect> {
        if lived >= STABLE_AFTER {
            *self = Self::default();
        }
        let was_careful = self.is_careful();
        self.short = self.short.saturating_add(1);
        let waiting = waiting.filter(|_| was_careful)?;
        let before = match self.suspect.take() {
            Some((known, losses)) if known == waiting => losses,
            _ => 0,
        };
        if before + 1 >= MAX_LOSSES {
            return Some(waiting);
        }
        self.suspect = Some((waiting, before + 1));
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    fn discovery() -> Suspect {
        Suspect::Lane(Lane::Discovery)
    }

    #[test]
    fn what_alone_waits_at_two_losses_is_left_out() {
        let mut suspects = Suspects::default();
        for _ in 0..2 {
            assert!(!suspects.is_careful());
            assert_eq!(suspects.lost(SHORT, Some(discovery())), None);
        }
        assert!(suspects.is_careful());
        assert_eq!(suspects.lost(SHORT, Some(discovery())), None);
        assert_eq!(suspects.lost(SHORT, Some(discovery())), Some(discovery()));
    }

    #[test]
    fn a_receipt_another_suspect_and_a_long_connection_clear_the_suspicion() {
        let mut suspects = Suspects { short: 9, ..Suspects::default() };
        let mood = || Suspect::Lane(Lane::Mood);
        assert_eq!(suspects.lost(SHORT, Some(mood())), None);
        assert_eq!(suspects.lost(SHORT, Some(discovery())), None);
        suspects.clear(&discovery());
        assert_eq!(suspects.lost(SHORT, Some(discovery())), None);
        assert_eq!(suspects.lost(STABLE_AFTER, Some(discovery())), None);
        assert!(!suspects.is_careful());
    }

    #[test]
    fn idle_connections_that_are_closed_again_and_again_are_displaced() {
        let mut suspects = Suspects::default();
        suspects.lost_idle(STABLE_AFTER);
        assert!(!suspects.is_displaced());
        suspects.lost_idle(SHORT);
        assert!(suspects.is_displaced());
        suspects.not_connected();
        suspects.lost_idle(SHORT);
        assert!(!suspects.is_displaced(), "the broker was away");
    }
}
