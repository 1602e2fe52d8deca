//! The entries in memory, oldest first, and their difference to the entries on the disk. Without I/O and clock.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::entry::{Entry, Kind};
use super::exchange::{Difference, Loaded};

/// When the queue is full, events beyond this share of it are dropped before anything else: faults that report again and
/// again must not take the place of lessons.
const EVENTS_SHARE: usize = 50;

/// An entry and its state.
#[derive(Debug)]
struct Slot {
    entry: Entry,
    /// Whether it was sent to the broker and is not acknowledged yet.
    in_flight: bool,
    /// Its row on the disk, if it has one.
    row: Option<i64>,
}

/// A bounded queue.
#[derive(Debug)]
pub(super) struct Queue {
    slots: VecDeque<Slot>,
    limit: usize,
    next_ordinal: u64,
    dropped: u64,
    /// Rows on the disk whose entries were deleted. Never more than the disk has rows.
    deleted: Vec<i64>,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self { slots: VecDeque::new(), limit: limit.max(1), next_ordinal: 1, dropped: 0, deleted: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Appends an entry; true if the oldest was dropped.
    pub(super) fn push(&mut self, kind: Kind, payload: Arc<[u8]>) -> bool {
        let ordinal = self.new_ordinal();
        let entry = Entry { ordinal, kind, payload };
        self.slots.push_back(Slot { entry, in_flight: false, row: None });
        self.keep_to_limit()
    }

    /// Returns the oldest entry of a wanted kind that is not in flight, and marks it as in flight.
    pub(super) fn next(&mut self, is_wanted: impl Fn(Kind) -> bool) -> Option<Entry> {
        let mut slots = self.slots.iter_mut();
        let slot = slots.find(|slot| !slot.in_flight && is_wanted(slot.entry.kind))?;
        slot.in_flight = true;
        Some(slot.entry.clone())
    }

    /// Marks an entry as not in flight.
    pub(super) fn release(&mut self, ordinal: u64) {
        let slot = self.slots.iter_mut().find(|slot| slot.entry.ordinal == ordinal);
        slot.into_iter().for_each(|slot| slot.in_flight = false);
    }

    pub(super) fn acknowledged(&mut self, ordinal: u64) {
        // Receipts arrive nearly in order, so the entry is near the front.
        if let Some(place) = self.slots.iter().position(|slot| slot.entry.ordinal == ordinal) {
            self.remove(place);
        }
    }

    /// Removes the entries for which `is_unwanted` holds.
    pub(super) fn remove_if(&mut self, is_unwanted: impl Fn(&Entry) -> bool) {
        let (slots, deleted) = (&mut self.slots, &mut self.deleted);
        slots.retain(|slot| {
            let keep = !is_unwanted(&slot.entry);
            if !keep {
                deleted.extend(slot.row);
            }
            keep
        });
    }

    pub(super) fn rewind(&mut self) {
        for slot in &mut self.slots {
            slot.in_flight = false;
        }
    }

    /// Adds the entries of the disk; entries that are already in the queue keep their place.
    pub(super) fn adopt(&mut self, loaded: Loaded) {
        let on_disk: HashSet<i64> = loaded.entries.iter().map(|(row, ..)| *row).collect();
        let known: HashSet<i64> =
            self.slots.iter().filter_map(|slot| slot.row).chain(self.deleted.iter().copied()).collect();
        for slot in &mut self.slots {
            slot.row = slot.row.filter(|row| on_disk.contains(row));
        }
        self.deleted.retain(|row| on_disk.contains(row));
        self.dropped = self.dropped.max(loaded.dropped);
        for (row, kind, payload) in loaded.entries.into_iter().rev() {
            if !known.contains(&row) {
                let entry = Entry { ordinal: self.new_ordinal(), kind, payload: payload.into() };
                self.slots.push_front(Slot { entry, in_flight: false, row: Some(row) });
            }
        }
        self.keep_to_limit();
    }

    pub(super) fn differs(&self) -> bool {
        !self.deleted.is_empty() || self.slots.iter().any(|slot| slot.row.is_none())
    }

    pub(super) fn difference(&self) -> Difference {
        let missing = self.slots.iter().filter(|slot| slot.row.is_none());
        Difference {
            insert: missing.map(|slot| slot.entry.clone()).collect(),
            delete: self.deleted.clone(),
            dropped: self.dropped,
        }
    }

    /// Records a write to the disk: `rows` are the written entries, ordinal and row; the rows `deleted` were removed.
    pub(super) fn written(&mut self, rows: &[(u64, i64)], deleted: &[i64]) {
        let removed: HashSet<i64> = deleted.iter().copied().collect();
        self.deleted.retain(|row| !removed.contains(row));
        let mut rows: std::collections::HashMap<u64, i64> = rows.iter().copied().collect();
        for slot in &mut self.slots {
            if let Some(row) = rows.remove(&slot.entry.ordinal) {
                slot.row = Some(row);
            }
        }
        // Acknowledged while it was being written.
        self.deleted.extend(rows.into_values());
    }

    fn new_ordinal(&mut self) -> u64 {
        let ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        ordinal
    }

    fn keep_to_limit(&mut self) -> bool {
        let mut dropped = false;
        while self.slots.len() > self.limit {
            self.remove(self.dispensable());
            self.dropped += 1;
            dropped = true;
        }
        dropped
    }

    /// The place of the entry that is dropped next.
    fn dispensable(&self) -> usize {
        let is_event = |slot: &Slot| slot.entry.kind == Kind::Event;
        let too_many_events =
            self.slots.iter().filter(|slot| is_event(slot)).count() > self.limit / EVENTS_SHARE;
        // Entries in flight may already have arrived.
        let oldest = |is_wanted: &dyn Fn(&Slot) -> bool| {
            self.slots.iter().position(|slot| !slot.in_flight && is_wanted(slot))
        };
        let event = if too_many_events { oldest(&is_event) } else { None };
        event.or_else(|| oldest(&|_| true)).unwrap_or(0)
    }

    fn remove(&mut self, place: usize) {
        let slot = self.slots.remove(place);
        self.deleted.extend(slot.and_then(|slot| slot.row));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// An operation on a queue.
    #[derive(Debug, Clone)]
    enum Step {
        Push,
        Next,
        /// The broker acknowledges one of the entries in flight, in any order.
        Acknowledge(usize),
        Lost,
        Write,
        /// A write during which one more entry is acknowledged.
        WriteAndAcknowledge,
        /// A power cut: only the disk remains.
        Cut,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => Just(Step::Push),
            4 => Just(Step::Next),
            3 => (0_usize..8).prop_map(Step::Acknowledge),
            1 => Just(Step::Lost),
            2 => Just(Step::Write),
            1 => Just(Step::WriteAndAcknowledge),
            1 => Just(Step::Cut),
        ];
        prop::collection::vec(step, 0..200)
    }

    /// A disk as a map from row to payload.
    #[derive(Default)]
    struct Rows {
        rows: BTreeMap<i64, Vec<u8>>,
        next: i64,
    }

    impl Rows {
        fn apply(&mut self, difference: &Difference) -> Vec<(u64, i64)> {
            for row in &difference.delete {
                assert!(self.rows.remove(row).is_some(), "row {row} is deleted twice");
            }
            let insert = |entry: &Entry| {
                self.next += 1;
                self.rows.insert(self.next, entry.payload.to_vec());
                (entry.ordinal, self.next)
            };
            difference.insert.iter().map(insert).collect()
        }

        fn numbers(&self) -> Vec<u64> {
            let number = |payload: &Vec<u8>| u64::from_le_bytes(payload[..].try_into().unwrap());
            self.rows.values().map(number).collect()
        }

        fn load(&self) -> Loaded {
            let entries = self.rows.iter().map(|(row, payload)| (*row, Kind::Event, payload.clone()));
            Loaded { entries: entries.collect(), ..Loaded::default() }
        }
    }

    /// Copies `queue` to `disk`; `acknowledged` is acknowledged while the disk is busy.
    fn write(queue: &mut Queue, disk: &mut Rows, acknowledged: Option<Entry>) {
        let difference = queue.difference();
        if let Some(entry) = acknowledged {
            queue.acknowledged(entry.ordinal);
        }
        let rows = disk.apply(&difference);
        queue.written(&rows, &difference.delete);
    }

    fn numbers(queue: &Queue) -> Vec<u64> {
        queue.slots.iter().map(|slot| number(&slot.entry)).collect()
    }

    fn payload(number: u64) -> Arc<[u8]> {
        number.to_le_bytes().as_slice().into()
    }

    fn number(entry: &Entry) -> u64 {
        u64::from_le_bytes(entry.payload[..].try_into().unwrap())
    }

    proptest! {
        #[test]
        fn a_write_makes_the_disk_a_copy_and_after_a_cut_the_copy_goes_on(steps in steps(), limit in 1_usize..12) {
            let (mut queue, mut disk) = (Queue::new(limit), Rows::default());
            let mut pushed = 0_u64;
            let mut in_flight: Vec<Entry> = Vec::new();
            for step in steps {
                match step {
                    Step::Push => { pushed += 1; queue.push(Kind::Event, payload(pushed)); }
                    Step::Next => in_flight.extend(queue.next(|_| true)),
                    Step::Acknowledge(which) => if !in_flight.is_empty() {
                        queue.acknowledged(in_flight.remove(which % in_flight.len()).ordinal);
                    },
                    Step::Lost => { in_flight.clear(); queue.rewind(); }
                    Step::Write => {
                        write(&mut queue, &mut disk, None);
                        prop_assert_eq!(numbers(&queue), disk.numbers());
                        prop_assert!(!queue.differs());
                    }
                    Step::WriteAndAcknowledge => {
                        write(&mut queue, &mut disk, in_flight.pop());
                        write(&mut queue, &mut disk, None);
                        prop_assert_eq!(numbers(&queue), disk.numbers());
                    }
                    Step::Cut => {
                        let dropped = queue.dropped();
                        queue = Queue::new(limit);
                        queue.adopt(Loaded { dropped, ..disk.load() });
                        in_flight.clear();
                        let copy = disk.numbers();
                        prop_assert_eq!(numbers(&queue), &copy[copy.len().saturating_sub(limit)..]);
                    }
                }
                prop_assert!(queue.len() <= limit);
                prop_assert!(numbers(&queue).is_sorted_by(|a, b| a < b), "in order, and nothing twice");
            }
        }

        #[test]
        fn without_power_cuts_every_entry_is_acknowledged_waiting_or_dropped(steps in steps(), limit in 1_usize..12) {
            let mut queue = Queue::new(limit);
            let (mut pushed, mut acknowledged) = (0_u64, HashSet::new());
            let mut in_flight: Vec<Entry> = Vec::new();
            for step in steps {
                match step {
                    Step::Push => { pushed += 1; queue.push(Kind::Event, payload(pushed)); }
                    Step::Next => in_flight.extend(queue.next(|_| true)),
                    Step::Acknowledge(which) if !in_flight.is_empty() => {
                        let entry = in_flight.remove(which % in_flight.len());
                        let waits = queue.slots.iter().any(|slot| slot.entry.ordinal == entry.ordinal);
                        queue.acknowledged(entry.ordinal);
                        if waits { acknowledged.insert(number(&entry)); }
                    }
                    _ => { in_flight.clear(); queue.rewind(); }
                }
            }
            prop_assert_eq!(pushed, acknowledged.len() as u64 + queue.len() as u64 + queue.dropped());
        }
    }

    #[test]
    fn the_oldest_entry_not_in_flight_is_dropped_first() {
        let mut queue = Queue::new(2);
        assert!(!queue.push(Kind::Minute, payload(1)) && !queue.push(Kind::Minute, payload(2)));
        assert_eq!(number(&queue.next(|_| true).unwrap()), 1);
        assert!(queue.push(Kind::Minute, payload(3)));
        assert_eq!((numbers(&queue), queue.dropped()), (vec![1, 3], 1));
    }

    #[test]
    fn events_do_not_take_the_place_of_lessons() {
        let mut queue = Queue::new(100);
        for number in 0..90 {
            queue.push(Kind::Minute, payload(number));
        }
        for number in 0..5000 {
            queue.push(Kind::Event, payload(1000 + number));
        }
        for number in 90..98 {
            queue.push(Kind::Minute, payload(number));
        }
        assert_eq!(numbers(&queue), (0..90).chain([5998, 5999]).chain(90..98).collect::<Vec<_>>());
        queue.push(Kind::Minute, payload(98));
        assert_eq!(numbers(&queue).first(), Some(&1), "then the oldest of all");
    }

    #[test]
    fn only_entries_of_a_wanted_kind_are_sent_and_a_released_one_again() {
        let mut queue = Queue::new(9);
        queue.push(Kind::Lesson, payload(1));
        queue.push(Kind::Minute, payload(2));
        let minute = queue.next(|kind| kind == Kind::Minute).unwrap();
        assert_eq!((number(&minute), queue.next(|kind| kind == Kind::Minute)), (2, None));
        queue.release(minute.ordinal);
        assert_eq!(number(&queue.next(|_| true).unwrap()), 1);
        assert_eq!(number(&queue.next(|_| true).unwrap()), 2);
    }
}
