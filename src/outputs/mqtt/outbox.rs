//! What is to be sent next: a window of messages in flight, the newest mood wins, entries of the spool in order.
//!
//! Its one decision: nothing queues up here. What is due is remembered as due, and made into a message only when there
//! is room for it; a receipt is for exactly one parcel.

use std::collections::VecDeque;

use super::command::Outcome;
use crate::outputs::spool::{Entry, Spool};

/// Messages in flight at most. Few enough for every broker (Mosquitto takes 20), enough that a full spool of a day is
/// sent within seconds although each receipt takes a round trip.
const WINDOW: usize = 8;
/// Replies that may wait; more are left out.
const MOST_REPLIES: usize = 16;

/// What can be on its way to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parcel {
    /// `online`, on every connection first.
    Online,
    /// The newest mood.
    Mood,
    /// The device's health.
    Health,
    /// What Home Assistant is told of the device; also that it is gone.
    Discovery,
    /// An answer to a command.
    Reply,
    /// An entry of the spool.
    Spooled(u64),
    /// `offline`, last of all.
    Offline,
}

/// The answer to a command, and what the asker wants back with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) correlation: Option<Vec<u8>>,
}

/// What to send now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Online,
    Mood,
    Health,
    Discovery,
    Reply(Answer),
    Spooled(Entry),
    Offline,
}

impl Item {
    fn parcel(&self) -> Parcel {
        match self {
            Self::Online => Parcel::Online,
            Self::Mood => Parcel::Mood,
            Self::Health => Parcel::Health,
            Self::Discovery => Parcel::Discovery,
            Self::Reply(_) => Parcel::Reply,
            Self::Spooled(entry) => Parcel::Spooled(entry.ordinal),
            Self::Offline => Parcel::Offline,
        }
    }
}

/// Decides what one connection sends, and when.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    online_is_due: bool,
    mood_is_new: bool,
    health_is_due: bool,
    discovery_is_due: bool,
    replies: VecDeque<Answer>,
    /// Handed to the library, which has not sent them yet, in this order.
    handed: VecDeque<Parcel>,
    /// Sent under these numbers.
    sent: Vec<(u16, Parcel)>,
    /// The broker refused one: on this connection no other is tried.
    spool_is_held: bool,
    stopping: bool,
    said_offline: bool,
}

impl Outbox {
    /// The broker has let us in: it hears `online` and the newest mood, whatever it knew before.
    pub(super) fn connected(&mut self) {
        (self.online_is_due, self.mood_is_new) = (true, true);
    }

    /// There is a newer mood.
    pub(super) fn mood_changed(&mut self) {
        self.mood_is_new = true;
    }

    /// It is time to tell how the device is.
    pub(super) fn health_is_due(&mut self) {
        self.health_is_due = true;
    }

    /// Home Assistant is to be told of the device.
    pub(super) fn discovery_is_due(&mut self) {
        self.discovery_is_due = true;
    }

    /// A command was answered.
    pub(super) fn answer(&mut self, answer: Answer) {
        if self.replies.len() < MOST_REPLIES {
            self.replies.push_back(answer);
        }
    }

    /// From now on only what is in the spool, as far as there is room, and `offline` are sent.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
    }

    /// The library did not take what was taken last. It must not stay: receipts are told by the order of what was handed.
    pub(super) fn was_not_handed(&mut self) {
        self.handed.pop_back();
    }

    /// The library has sent what was handed to it first, under this number.
    pub(super) fn sent(&mut self, number: u16) {
        if let Some(parcel) = self.handed.pop_front() {
            self.sent.push((number, parcel));
        }
    }

    /// The broker has answered the message of this number.
    pub(super) fn answered(&mut self, number: u16) -> Option<Parcel> {
        let place = self.sent.iter().position(|(sent, _)| *sent == number)?;
        Some(self.sent.remove(place).1)
    }

    /// Nothing more of the spool is sent on this connection.
    pub(super) fn hold_spool(&mut self) {
        self.spool_is_held = true;
    }

    /// Whether something waits for the broker's receipt.
    pub(super) fn is_waiting(&self) -> bool {
        self.in_flight() > 0
    }

    fn in_flight(&self) -> usize {
        self.handed.len() + self.sent.len()
    }

    fn has_in_flight(&self, wanted: Parcel) -> bool {
        self.handed.iter().chain(self.sent.iter().map(|(_, parcel)| parcel)).any(|parcel| *parcel == wanted)
    }

    /// What to send now, if anything; it counts as handed to the library.
    pub(super) fn take(&mut self, spool: &Spool) -> Option<Item> {
        let item = if self.stopping { self.last(spool) } else { self.due(spool) }?;
        self.handed.push_back(item.parcel());
        Some(item)
    }

    fn due(&mut self, spool: &Spool) -> Option<Item> {
        if self.in_flight() >= WINDOW {
            return None;
        }
        if std::mem::take(&mut self.online_is_due) {
            return Some(Item::Online);
        }
        // What became old while the last one was on its way is not sent.
        if self.mood_is_new && !self.has_in_flight(Parcel::Mood) {
            self.mood_is_new = false;
            return Some(Item::Mood);
        }
        if std::mem::take(&mut self.discovery_is_due) {
            return Some(Item::Discovery);
        }
        if self.health_is_due && !self.has_in_flight(Parcel::Health) {
            self.health_is_due = false;
            return Some(Item::Health);
        }
        let reply = self.replies.pop_front().map(Item::Reply);
        reply.or_else(|| self.spooled(spool))
    }

    fn spooled(&self, spool: &Spool) -> Option<Item> {
        if self.spool_is_held { None } else { spool.next().map(Item::Spooled) }
    }

    fn last(&mut self, spool: &Spool) -> Option<Item> {
        if self.said_offline {
            return None;
        }
        let room = self.in_flight() < WINDOW;
        let entry = if room { self.spooled(spool) } else { None };
        Some(entry.unwrap_or_else(|| {
            self.said_offline = true;
            Item::Offline
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::spool::Kind;

    fn spool(entries: usize) -> Spool {
        let spool = Spool::in_memory(100);
        for _ in 0..entries {
            spool.append(Kind::Event, |_, _| b"x".to_vec());
        }
        spool
    }

    /// Sends all that may be sent; what it is, and under which numbers from `first` on.
    fn send(outbox: &mut Outbox, spool: &Spool, first: u16) -> Vec<Parcel> {
        let mut parcels = Vec::new();
        while let Some(item) = outbox.take(spool) {
            outbox.sent(first + u16::try_from(parcels.len()).unwrap());
            parcels.push(item.parcel());
        }
        parcels
    }

    #[test]
    fn online_goes_first_then_the_newest_mood_of_which_there_is_never_more_than_one() {
        let (mut outbox, spool) = (Outbox::default(), spool(0));
        assert_eq!(outbox.take(&spool), None);
        outbox.connected();
        assert_eq!(send(&mut outbox, &spool, 1), [Parcel::Online, Parcel::Mood]);
        outbox.mood_changed();
        outbox.mood_changed();
        assert_eq!(send(&mut outbox, &spool, 3), []);
        assert_eq!(outbox.answered(1), Some(Parcel::Online));
        assert_eq!((outbox.answered(2), outbox.answered(2)), (Some(Parcel::Mood), None));
        assert!(!outbox.is_waiting());
        assert_eq!(send(&mut outbox, &spool, 3), [Parcel::Mood]);
    }

    #[test]
    fn no_more_than_a_window_is_in_flight_and_live_figures_go_before_the_past() {
        let (mut outbox, spool) = (Outbox::default(), spool(20));
        outbox.connected();
        outbox.health_is_due();
        outbox.discovery_is_due();
        let first = send(&mut outbox, &spool, 1);
        assert_eq!(first[..4], [Parcel::Online, Parcel::Mood, Parcel::Discovery, Parcel::Health]);
        assert_eq!(first[4..], [1, 2, 3, 4].map(Parcel::Spooled));
        outbox.mood_changed();
        assert_eq!(outbox.answered(2), Some(Parcel::Mood));
        assert_eq!(send(&mut outbox, &spool, 9), [Parcel::Mood]);
        assert_eq!(outbox.answered(5), Some(Parcel::Spooled(1)));
        assert_eq!(send(&mut outbox, &spool, 10), [Parcel::Spooled(5)]);
    }

    #[test]
    fn at_the_stop_the_spool_is_told_as_far_as_there_is_room_then_offline_and_nothing_more() {
        let (mut outbox, few) = (Outbox::default(), spool(1));
        outbox.connected();
        outbox.stop();
        outbox.mood_changed();
        assert_eq!(send(&mut outbox, &few, 1), [Parcel::Spooled(1), Parcel::Offline]);
        let (mut outbox, many) = (Outbox::default(), spool(100));
        outbox.stop();
        let last = send(&mut outbox, &many, 1);
        assert_eq!((last.len(), last.last()), (WINDOW + 1, Some(&Parcel::Offline)));
    }

    #[test]
    fn what_the_library_did_not_take_gets_no_other_s_receipt() {
        let (mut outbox, spool) = (Outbox::default(), spool(2));
        assert_eq!(outbox.take(&spool).map(|item| item.parcel()), Some(Parcel::Spooled(1)));
        outbox.was_not_handed();
        assert_eq!(send(&mut outbox, &spool, 7), [Parcel::Spooled(2)]);
        assert_eq!(outbox.answered(7), Some(Parcel::Spooled(2)));
    }

    #[test]
    fn a_refused_entry_holds_the_others_back_but_not_the_mood() {
        let (mut outbox, spool) = (Outbox::default(), spool(3));
        outbox.hold_spool();
        outbox.connected();
        assert_eq!(send(&mut outbox, &spool, 1), [Parcel::Online, Parcel::Mood]);
    }
}
