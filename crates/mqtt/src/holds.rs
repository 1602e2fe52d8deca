//! Which kinds of messages the broker does not accept, and when each is tried again.
//!
//! A refusal of one kind does not hold up the others, and a mended broker needs no restart of the device.

use std::time::Duration;

use tokio::time::Instant;

use crate::spool::Kind;

/// A refused kind is tried again after this time.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// As above if the broker closes the connection on it: each attempt costs a connection.
const RETRY_HANG_UP_AFTER: Duration = Duration::from_secs(600);

/// A kind of messages, which go to one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Status,
    Mood,
    Health,
    /// The announcement to Home Assistant.
    Discovery,
    /// The deletion of retained messages on former topics.
    Clearing,
    Reply,
    Spooled(Kind),
}

/// Why a lane is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// MQTT 5: the broker refuses it, with these words.
    Refused(&'static str),
    /// The broker closes the connection on it.
    HangsUp,
    /// It is larger than a packet that the broker takes, in bytes.
    TooLarge(u32),
    /// MQTT 3.1.1: the broker acknowledged it, but this device could not read it.
    NotReadBack,
    /// MQTT 5: nobody has subscribed to it.
    NoSubscriber,
}

/// Held lanes.
#[derive(Debug, Default)]
pub(super) struct Holds(Vec<Hold>);

#[derive(Debug)]
struct Hold {
    lane: Lane,
    reason: Reason,
    until: Instant,
}

impl Holds {
    /// Holds `lane` until it is due for another attempt.
    pub(super) fn hold(&mut self, lane: Lane, reason: Reason, now: Instant) {
        let wait = if reason == Reason::HangsUp { RETRY_HANG_UP_AFTER } else { RETRY_AFTER };
        let hold = Hold { lane, reason, until: now + wait };
        match self.0.iter_mut().find(|known| known.lane == lane) {
            Some(known) => *known = hold,
            None => self.0.push(hold),
        }
    }

    /// The broker has accepted a message of `lane`. Returns whether that is new.
    pub(super) fn release(&mut self, lane: Lane) -> bool {
        let before = self.0.len();
        self.0.retain(|hold| hold.lane != lane);
        before != self.0.len()
    }

    pub(super) fn is_held(&self, lane: Lane, now: Instant) -> bool {
        self.0.iter().any(|hold| hold.lane == lane && now < hold.until)
    }

    /// When the next lane is due for another attempt.
    pub(super) fn next_attempt(&self, now: Instant) -> Option<Instant> {
        self.0.iter().map(|hold| hold.until).filter(|until| now < *until).min()
    }

    /// Lanes that the broker does not accept, with the reasons. A lane stays listed during another attempt.
    pub(super) fn faults(&self) -> impl Iterator<Item = (Lane, Reason)> {
        let faults = self.0.iter().filter(|hold| hold.reason != Reason::NoSubscriber);
        faults.map(|hold| (hold.lane, hold.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lane_is_tried_again_and_stays_a_fault_until_it_is_accepted() {
        let (mut holds, now) = (Holds::default(), Instant::now());
        let lesson = Lane::Spooled(Kind::Lesson);
        holds.hold(lesson, Reason::Refused("not authorized"), now);
        holds.hold(Lane::Discovery, Reason::HangsUp, now);
        assert!(holds.is_held(lesson, now) && !holds.is_held(Lane::Spooled(Kind::Minute), now));
        assert_eq!(holds.next_attempt(now), Some(now + RETRY_AFTER));
        let later = now + RETRY_AFTER;
        assert!(!holds.is_held(lesson, later) && holds.is_held(Lane::Discovery, later));
        assert_eq!(holds.faults().count(), 2);
        assert!(holds.release(lesson) && !holds.release(lesson));
        assert_eq!(holds.faults().collect::<Vec<_>>(), [(Lane::Discovery, Reason::HangsUp)]);
    }
}
