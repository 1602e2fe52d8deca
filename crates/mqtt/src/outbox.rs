//! Decides what is sent next: a window of messages in flight, the newest mood wins, entries of the spool in order.
//!
//! There is no queue here: due messages are flags, and a message is made only when the window has room for it. Each
//! receipt belongs to exactly one message.

use std::collections::VecDeque;

use crate::command::Outcome;
use crate::spool::{Entry, Spool};

/// Maximum number of messages in flight. Few enough for every broker (Mosquitto takes 20), enough that a full spool
/// of a day is sent within seconds although each receipt takes a round trip.
const WINDOW: usize = 8;
/// Maximum number of waiting replies; more are dropped.
const MAX_REPLIES: usize = 16;

/// A message in flight to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InFlight {
    /// `online`, the first message of every connection.
    Online,
    /// The newest mood.
    Mood,
    /// The device's health.
    Health,
    /// The announcement to Home Assistant, or its removal.
    Discovery,
    /// An answer to a command.
    Reply,
    /// An entry of the spool.
    Spooled(u64),
    /// `offline`, the last message.
    Offline,
}

/// The answer to a command, and the correlation data of its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    pub(super) correlation: Option<Vec<u8>>,
}

/// The message to send now.
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
    fn in_flight(&self) -> InFlight {
        match self {
            Self::Online => InFlight::Online,
            Self::Mood => InFlight::Mood,
            Self::Health => InFlight::Health,
            Self::Discovery => InFlight::Discovery,
            Self::Reply(_) => InFlight::Reply,
            Self::Spooled(entry) => InFlight::Spooled(entry.ordinal),
            Self::Offline => InFlight::Offline,
        }
    }
}

/// Decides what a connection sends, and when.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    online_is_due: bool,
    mood_is_new: bool,
    health_is_due: bool,
    discovery_is_due: bool,
    replies: VecDeque<Answer>,
    /// Passed to the library in this order and not sent yet.
    handed: VecDeque<InFlight>,
    /// Sent with these packet ids, not acknowledged yet.
    sent: Vec<(u16, InFlight)>,
    /// The broker refused an entry of the spool: no other is sent on this connection.
    spool_is_held: bool,
    stopping: bool,
    said_offline: bool,
}

impl Outbox {
    /// The broker accepted the connection: `online` and the newest mood are due, whatever was sent before.
    pub(super) fn connected(&mut self) {
        (self.online_is_due, self.mood_is_new) = (true, true);
    }

    /// A newer mood is due.
    pub(super) fn mood_changed(&mut self) {
        self.mood_is_new = true;
    }

    /// The health is due.
    pub(super) fn health_is_due(&mut self) {
        self.health_is_due = true;
    }

    /// The announcement to Home Assistant is due.
    pub(super) fn discovery_is_due(&mut self) {
        self.discovery_is_due = true;
    }

    /// The answer to a command is due.
    pub(super) fn answer(&mut self, answer: Answer) {
        if self.replies.len() < MAX_REPLIES {
            self.replies.push_back(answer);
        }
    }

    /// From now on only entries of the spool, as far as there is room, and `offline` are sent.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
    }

    /// The library did not accept the message taken last. It is removed, because receipts are matched to messages by
    /// order.
    pub(super) fn was_not_handed(&mut self) {
        self.handed.pop_back();
    }

    /// The library has sent the oldest message that was passed to it, with this packet id.
    pub(super) fn sent(&mut self, number: u16) {
        if let Some(in_flight) = self.handed.pop_front() {
            self.sent.push((number, in_flight));
        }
    }

    /// The broker has acknowledged or refused the message with this packet id.
    pub(super) fn answered(&mut self, number: u16) -> Option<InFlight> {
        let place = self.sent.iter().position(|(sent, _)| *sent == number)?;
        Some(self.sent.remove(place).1)
    }

    /// No more entries of the spool are sent on this connection.
    pub(super) fn hold_spool(&mut self) {
        self.spool_is_held = true;
    }

    /// Whether a message waits for the broker's receipt.
    pub(super) fn is_waiting(&self) -> bool {
        self.in_flight() > 0
    }

    fn in_flight(&self) -> usize {
        self.handed.len() + self.sent.len()
    }

    fn has_in_flight(&self, wanted: InFlight) -> bool {
        self.handed.iter().chain(self.sent.iter().map(|(_, sent)| sent)).any(|other| *other == wanted)
    }

    /// The message to send now, if there is one. It counts as passed to the library.
    pub(super) fn take(&mut self, spool: &Spool) -> Option<Item> {
        let item = if self.stopping { self.last(spool) } else { self.due(spool) }?;
        self.handed.push_back(item.in_flight());
        Some(item)
    }

    fn due(&mut self, spool: &Spool) -> Option<Item> {
        if self.in_flight() >= WINDOW {
            return None;
        }
        if std::mem::take(&mut self.online_is_due) {
            return Some(Item::Online);
        }
        // Skips moods that were replaced while the last one was in flight.
        if self.mood_is_new && !self.has_in_flight(InFlight::Mood) {
            self.mood_is_new = false;
            return Some(Item::Mood);
        }
        if std::mem::take(&mut self.discovery_is_due) {
            return Some(Item::Discovery);
        }
        if self.health_is_due && !self.has_in_flight(InFlight::Health) {
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
    use crate::spool::Kind;

    fn spool(entries: usize) -> Spool {
        let spool = Spool::in_memory(100);
        for _ in 0..entries {
            spool.append(Kind::Event, |_, _| b"x".to_vec());
        }
        spool
    }

    /// Sends everything that may be sent, with packet ids from `first` on; returns it.
    fn send(outbox: &mut Outbox, spool: &Spool, first: u16) -> Vec<InFlight> {
        let mut all = Vec::new();
        while let Some(item) = outbox.take(spool) {
            outbox.sent(first + u16::try_from(all.len()).unwrap());
            all.push(item.in_flight());
        }
        all
    }

    #[test]
    fn online_is_sent_first_then_the_newest_mood_and_never_two_moods() {
        let (mut outbox, spool) = (Outbox::default(), spool(0));
        assert_eq!(outbox.take(&spool), None);
        outbox.connected();
        assert_eq!(send(&mut outbox, &spool, 1), [InFlight::Online, InFlight::Mood]);
        outbox.mood_changed();
        outbox.mood_changed();
        assert_eq!(send(&mut outbox, &spool, 3), []);
        assert_eq!(outbox.answered(1), Some(InFlight::Online));
        assert_eq!((outbox.answered(2), outbox.answered(2)), (Some(InFlight::Mood), None));
        assert!(!outbox.is_waiting());
        assert_eq!(send(&mut outbox, &spool, 3), [InFlight::Mood]);
    }

    #[test]
    fn at_most_a_window_is_in_flight_and_the_mood_goes_before_the_spool() {
        let (mut outbox, spool) = (Outbox::default(), spool(20));
        outbox.connected();
        outbox.health_is_due();
        outbox.discovery_is_due();
        let first = send(&mut outbox, &spool, 1);
        assert_eq!(first[..4], [InFlight::Online, InFlight::Mood, InFlight::Discovery, InFlight::Health]);
        assert_eq!(first[4..], [1, 2, 3, 4].map(InFlight::Spooled));
        outbox.mood_changed();
        assert_eq!(outbox.answered(2), Some(InFlight::Mood));
        assert_eq!(send(&mut outbox, &spool, 9), [InFlight::Mood]);
        assert_eq!(outbox.answered(5), Some(InFlight::Spooled(1)));
        assert_eq!(send(&mut outbox, &spool, 10), [InFlight::Spooled(5)]);
    }

    #[test]
    fn at_the_stop_entries_are_sent_while_there_is_room_then_offline() {
        let (mut outbox, few) = (Outbox::default(), spool(1));
        outbox.connected();
        outbox.stop();
        outbox.mood_changed();
        assert_eq!(send(&mut outbox, &few, 1), [InFlight::Spooled(1), InFlight::Offline]);
        let (mut outbox, many) = (Outbox::default(), spool(100));
        outbox.stop();
        let last = send(&mut outbox, &many, 1);
        assert_eq!((last.len(), last.last()), (WINDOW + 1, Some(&InFlight::Offline)));
    }

    #[test]
    fn a_message_that_the_library_did_not_accept_gets_no_receipt() {
        let (mut outbox, spool) = (Outbox::default(), spool(2));
        assert_eq!(outbox.take(&spool).map(|item| item.in_flight()), Some(InFlight::Spooled(1)));
        outbox.was_not_handed();
        assert_eq!(send(&mut outbox, &spool, 7), [InFlight::Spooled(2)]);
        assert_eq!(outbox.answered(7), Some(InFlight::Spooled(2)));
    }

    #[test]
    fn a_refused_entry_blocks_other_entries_but_not_the_mood() {
        let (mut outbox, spool) = (Outbox::default(), spool(3));
        outbox.hold_spool();
        outbox.connected();
        assert_eq!(send(&mut outbox, &spool, 1), [InFlight::Online, InFlight::Mood]);
    }
}
