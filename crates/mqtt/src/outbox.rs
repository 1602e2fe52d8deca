//! Decides what is sent next: a window of messages in flight, the newest mood wins, entries of the spool in order.
//!
//! There is no queue here: due messages are flags, and a message is made only when the window has room for it. Each
//! receipt belongs to exactly one message.

use std::collections::VecDeque;

use crate::command::Outcome;
use crate::holds::Lane;
use crate::spool::{Entry, Kind, Spool};

/// Maximum number of messages in flight. Few enough for every broker (Mosquitto takes 20), enough that a full spool
/// of a day is sent within seconds although each receipt takes a round trip.
const WINDOW: usize = 8;
/// Maximum number of waiting replies; more are dropped.
const MAX_REPLIES: usize = 16;

/// A message that is made when it is sent: of each only the newest counts. All are retained by the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retained {
    /// `online`, the first message of every connection.
    Online,
    /// The newest mood.
    Mood,
    /// The deletion of a retained message on a former topic.
    Clearing,
    /// The announcement to Home Assistant.
    Discovery,
    /// The device's health.
    Health,
    /// `offline`, the last message.
    Offline,
}

impl Retained {
    /// Those that can be due, the most important first.
    const ALL: [Self; 5] = [Self::Online, Self::Mood, Self::Clearing, Self::Discovery, Self::Health];

    const fn lane(self) -> Lane {
        match self {
            Self::Online | Self::Offline => Lane::Status,
            Self::Mood => Lane::Mood,
            Self::Clearing => Lane::Clearing,
            Self::Discovery => Lane::Discovery,
            Self::Health => Lane::Health,
        }
    }
}

/// A message in flight to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InFlight {
    Retained(Retained),
    /// An answer to a command.
    Reply,
    /// An entry of the spool.
    Spooled(Kind, u64),
}

impl InFlight {
    pub(super) const fn lane(self) -> Lane {
        match self {
            Self::Retained(message) => message.lane(),
            Self::Reply => Lane::Reply,
            Self::Spooled(kind, _) => Lane::Spooled(kind),
        }
    }
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
    Retained(Retained),
    Reply(Answer),
    Spooled(Entry),
}

impl Item {
    pub(super) fn in_flight(&self) -> InFlight {
        match self {
            Self::Retained(message) => InFlight::Retained(*message),
            Self::Reply(_) => InFlight::Reply,
            Self::Spooled(entry) => InFlight::Spooled(entry.kind, entry.ordinal),
        }
    }
}

/// Decides what a connection sends, and when.
#[derive(Debug)]
pub(super) struct Outbox {
    window: usize,
    /// Which of [`Retained::ALL`] are due.
    due: [bool; Retained::ALL.len()],
    replies: VecDeque<Answer>,
    /// Passed to the library in this order and not sent yet.
    handed: VecDeque<InFlight>,
    /// Sent with these packet ids, not acknowledged yet.
    sent: Vec<(u16, InFlight)>,
    stopping: bool,
    said_offline: bool,
}

impl Outbox {
    /// The outbox of a new connection: `online` and the newest mood are due, whatever was sent before. `careful`: only
    /// one message is in flight.
    pub(super) fn new(careful: bool) -> Self {
        Self {
            window: if careful { 1 } else { WINDOW },
            due: Retained::ALL.map(|message| matches!(message, Retained::Online | Retained::Mood)),
            replies: VecDeque::new(),
            handed: VecDeque::new(),
            sent: Vec::new(),
            stopping: false,
            said_offline: false,
        }
    }

    /// As many messages as usual may be in flight.
    pub(super) fn widen(&mut self) {
        self.window = WINDOW;
    }

    /// Marks the retained message of `lane` as due; nothing for replies and entries of the spool.
    pub(super) fn set_due(&mut self, lane: Lane) {
        for (message, is_due) in Retained::ALL.into_iter().zip(&mut self.due) {
            *is_due |= message.lane() == lane;
        }
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

    /// Whether a message waits for the broker's receipt.
    pub(super) fn is_waiting(&self) -> bool {
        self.in_flight() > 0
    }

    /// The only message that waits for the broker's receipt; `None` if there are none or several.
    pub(super) fn alone_in_flight(&self) -> Option<InFlight> {
        let mut all = self.handed.iter().chain(self.sent.iter().map(|(_, sent)| sent));
        all.next().copied().filter(|_| all.next().is_none())
    }

    fn in_flight(&self) -> usize {
        self.handed.len() + self.sent.len()
    }

    fn has_in_flight(&self, wanted: InFlight) -> bool {
        self.handed.iter().chain(self.sent.iter().map(|(_, sent)| sent)).any(|other| *other == wanted)
    }

    /// The message to send now, if there is one, of the lanes for which `is_open` holds. It counts as passed to the
    /// library.
    pub(super) fn take(&mut self, spool: &Spool, is_open: &impl Fn(Lane) -> bool) -> Option<Item> {
        let item = if self.stopping { self.last(spool, is_open) } else { self.due(spool, is_open) }?;
        self.handed.push_back(item.in_flight());
        Some(item)
    }

    fn due(&mut self, spool: &Spool, is_open: &impl Fn(Lane) -> bool) -> Option<Item> {
        if self.in_flight() >= self.window {
            return None;
        }
        for (index, message) in Retained::ALL.into_iter().enumerate() {
            // One at a time: a mood that is replaced while the last one is in flight is never sent.
            let may_go = is_open(message.lane()) && !self.has_in_flight(InFlight::Retained(message));
            if may_go && self.due.get_mut(index).is_some_and(std::mem::take) {
                return Some(Item::Retained(message));
            }
        }
        let reply = if is_open(Lane::Reply) { self.replies.pop_front().map(Item::Reply) } else { None };
        reply.or_else(|| spooled(spool, is_open))
    }

    fn last(&mut self, spool: &Spool, is_open: &impl Fn(Lane) -> bool) -> Option<Item> {
        if self.said_offline {
            return None;
        }
        let room = self.in_flight() < self.window;
        let entry = if room { spooled(spool, is_open) } else { None };
        Some(entry.unwrap_or_else(|| {
            self.said_offline = true;
            Item::Retained(Retained::Offline)
        }))
    }
}

fn spooled(spool: &Spool, is_open: &impl Fn(Lane) -> bool) -> Option<Item> {
    spool.next_of(|kind| is_open(Lane::Spooled(kind))).map(Item::Spooled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Kind;

    const ONLINE: InFlight = InFlight::Retained(Retained::Online);
    const MOOD: InFlight = InFlight::Retained(Retained::Mood);
    const DISCOVERY: InFlight = InFlight::Retained(Retained::Discovery);
    const HEALTH: InFlight = InFlight::Retained(Retained::Health);
    const OFFLINE: InFlight = InFlight::Retained(Retained::Offline);

    fn spool(entries: usize) -> Spool {
        let spool = Spool::in_memory(100);
        for _ in 0..entries {
            spool.append(Kind::Event, |_, _| b"x".to_vec());
        }
        spool
    }

    fn event(ordinal: u64) -> InFlight {
        InFlight::Spooled(Kind::Event, ordinal)
    }

    fn outbox() -> Outbox {
        Outbox::new(false)
    }

    /// Sends everything that may be sent, with packet ids from `first` on; returns it.
    fn send(outbox: &mut Outbox, spool: &Spool, first: u16) -> Vec<InFlight> {
        send_open(outbox, spool, first, |_| true)
    }

    fn send_open(
        outbox: &mut Outbox,
        spool: &Spool,
        first: u16,
        is_open: impl Fn(Lane) -> bool,
    ) -> Vec<InFlight> {
        let mut all = Vec::new();
        while let Some(item) = outbox.take(spool, &is_open) {
            outbox.sent(first + u16::try_from(all.len()).unwrap());
            all.push(item.in_flight());
        }
        all
    }

    #[test]
    fn online_is_sent_first_then_the_newest_mood_and_never_two_moods() {
        let (mut outbox, spool) = (outbox(), spool(0));
        assert_eq!(send(&mut outbox, &spool, 1), [ONLINE, MOOD]);
        outbox.set_due(Lane::Mood);
        outbox.set_due(Lane::Mood);
        assert_eq!(send(&mut outbox, &spool, 3), []);
        assert_eq!(outbox.answered(1), Some(ONLINE));
        assert_eq!((outbox.answered(2), outbox.answered(2)), (Some(MOOD), None));
        assert!(!outbox.is_waiting());
        assert_eq!(send(&mut outbox, &spool, 3), [MOOD]);
    }

    #[test]
    fn at_most_a_window_is_in_flight_and_the_mood_goes_before_the_spool() {
        let (mut outbox, spool) = (outbox(), spool(20));
        outbox.set_due(Lane::Health);
        outbox.set_due(Lane::Discovery);
        let first = send(&mut outbox, &spool, 1);
        assert_eq!(first[..4], [ONLINE, MOOD, DISCOVERY, HEALTH]);
        assert_eq!(first[4..], [1, 2, 3, 4].map(event));
        outbox.set_due(Lane::Mood);
        assert_eq!(outbox.answered(2), Some(MOOD));
        assert_eq!(send(&mut outbox, &spool, 9), [MOOD]);
        assert_eq!(outbox.answered(5), Some(event(1)));
        assert_eq!(send(&mut outbox, &spool, 10), [event(5)]);
    }

    #[test]
    fn at_the_stop_entries_are_sent_while_there_is_room_then_offline() {
        let (mut outbox, few) = (outbox(), spool(1));
        outbox.stop();
        outbox.set_due(Lane::Mood);
        assert_eq!(send(&mut outbox, &few, 1), [event(1), OFFLINE]);
        let (mut outbox, many) = (Outbox::new(false), spool(100));
        outbox.stop();
        let last = send(&mut outbox, &many, 1);
        assert_eq!((last.len(), last.last()), (WINDOW + 1, Some(&OFFLINE)));
    }

    #[test]
    fn a_message_that_the_library_did_not_accept_gets_no_receipt() {
        let (mut outbox, spool) = (outbox(), spool(2));
        assert_eq!(outbox.take(&spool, &|_| true), Some(Item::Retained(Retained::Online)));
        outbox.was_not_handed();
        assert_eq!(send(&mut outbox, &spool, 7), [MOOD, event(1), event(2)]);
        assert_eq!(outbox.answered(7), Some(MOOD));
    }

    #[test]
    fn a_held_lane_does_not_hold_up_the_others_and_stays_due() {
        let (mut outbox, spool) = (outbox(), spool(2));
        spool.append(Kind::Lesson, |_, _| b"x".to_vec());
        let is_open = |lane| lane != Lane::Spooled(Kind::Event) && lane != Lane::Mood;
        let sent = send_open(&mut outbox, &spool, 1, is_open);
        assert_eq!(sent, [ONLINE, InFlight::Spooled(Kind::Lesson, 3)]);
        assert_eq!(send(&mut outbox, &spool, 3), [MOOD, event(1), event(2)]);
    }

    #[test]
    fn a_careful_outbox_has_one_message_in_flight() {
        let (mut outbox, spool) = (Outbox::new(true), spool(2));
        assert_eq!(send(&mut outbox, &spool, 1), [ONLINE]);
        assert_eq!(outbox.alone_in_flight(), Some(ONLINE));
        assert_eq!(outbox.answered(1), Some(ONLINE));
        assert_eq!(outbox.alone_in_flight(), None);
        assert_eq!(send(&mut outbox, &spool, 2), [MOOD]);
    }
}
