//! Stores messages until they are acknowledged: `append ──▶ Spool ──next──▶ publisher ──acknowledged──▶ deleted`.
//!
//! The queue in memory is authoritative; the file on the disk is a copy that may be older. Online an entry is deleted
//! when the broker acknowledges it, usually before it was written to the disk; offline it is written within seconds.
//! If the disk fails, the spool continues in memory. SequenceNumbers are reserved on the disk in blocks, so none is used
//! twice, even after a power cut.

mod disk;
mod entry;
mod exchange;
mod keeper;
mod numbers;
mod queue;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use moodring_contract::payload::SpoolMetrics;
use tokio::sync::Notify;

pub use entry::{Entry, Kind};
pub use keeper::Keeper;

use disk::Disk;
use numbers::SequenceNumbers;
use queue::Queue;

/// A bounded queue of entries that survives restarts. Clones share it.
#[derive(Debug, Clone)]
pub struct Spool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the publisher.
    grown: Notify,
    /// Wakes the keeper.
    unsaved: Notify,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    numbers: SequenceNumbers,
    online: bool,
    disk_writes: u64,
    erasure: Erasure,
}

/// Whether messages about deleted lessons are still on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Erasure {
    Done,
    /// They are no longer in memory.
    Due,
    /// They are being deleted from the disk.
    Writing,
}

impl Spool {
    /// A spool of at most `limit` entries that is never written to the disk.
    pub fn in_memory(limit: usize) -> Self {
        Self::new(Queue::new(limit), SequenceNumbers::unlimited())
    }

    /// The spool in `directory`, of at most `limit` entries, and the keeper that writes it to the disk. If the disk
    /// fails, this is logged once and retried; until then the spool is in memory only.
    pub fn open(directory: &Path, limit: usize) -> (Self, Keeper) {
        match Disk::open(directory) {
            Ok((disk, loaded)) => {
                let mut queue = Queue::new(limit);
                let uncertain = loaded.uncertain.clone();
                let numbers = SequenceNumbers::reserved(loaded.id.clone(), loaded.next, loaded.reserved);
                queue.adopt(loaded);
                let spool = Self::new(queue, numbers);
                spool.lock().disk_writes = 1;
                let keeper = Keeper::new(spool.clone(), directory, Some(disk), None, uncertain);
                (spool, keeper)
            }
            Err(error) => {
                let spool = Self::in_memory(limit);
                let keeper = Keeper::new(spool.clone(), directory, None, Some(error), None);
                (spool, keeper)
            }
        }
    }

    fn new(queue: Queue, numbers: SequenceNumbers) -> Self {
        let state = State { queue, numbers, online: false, disk_writes: 0, erasure: Erasure::Done };
        Self(Arc::new(Shared { state: Mutex::new(state), grown: Notify::new(), unsaved: Notify::new() }))
    }

    /// Appends an entry; `payload` makes its content from the spool's name and the entry's number. Returns true if the
    /// spool was full and the oldest entry was dropped.
    pub fn append(&self, kind: Kind, payload: impl FnOnce(&str, u64) -> Vec<u8>) -> bool {
        let mut state = self.lock();
        let (id, number) = state.numbers.take();
        let payload = payload(id, number);
        let dropped = state.queue.push(kind, payload.into());
        drop(state);
        self.0.grown.notify_one();
        self.0.unsaved.notify_one();
        dropped
    }

    /// The spool's name and the number used last.
    pub fn newest(&self) -> (String, u64) {
        let state = self.lock();
        (state.numbers.id().to_owned(), state.numbers.last())
    }

    /// Returns the oldest entry that is not in flight, and marks it as in flight.
    pub fn next(&self) -> Option<Entry> {
        self.next_of(|_| true)
    }

    /// As [`Spool::next`], of the kinds for which `is_wanted` holds.
    pub(crate) fn next_of(&self, is_wanted: impl Fn(Kind) -> bool) -> Option<Entry> {
        self.lock().queue.next(is_wanted)
    }

    /// Deletes an entry that the broker has acknowledged.
    pub fn acknowledged(&self, ordinal: u64) {
        self.lock().queue.acknowledged(ordinal);
        self.0.unsaved.notify_one();
    }

    /// Deletes the messages about the lesson that began at `lesson`, also from the disk, where they are overwritten. An
    /// entry in flight may arrive all the same.
    pub(crate) fn erase(&self, lesson: Timestamp) {
        let mut state = self.lock();
        state.queue.remove_if(|entry| entry.lesson() == Some(lesson));
        state.erasure = Erasure::Due;
        drop(state);
        self.0.unsaved.notify_one();
    }

    /// Whether everything that was to be erased is erased from the disk too.
    pub(crate) fn is_erased(&self) -> bool {
        self.lock().erasure == Erasure::Done
    }

    /// Marks an entry that the broker has not accepted as not in flight.
    pub(crate) fn release(&self, ordinal: u64) {
        self.lock().queue.release(ordinal);
    }

    /// Marks all entries as not in flight; to be called when a connection begins or is lost.
    pub(crate) fn rewind(&self) {
        self.lock().queue.rewind();
    }

    /// Sets whether a broker accepts entries now. If so, an entry is written to the disk only after a minute.
    pub(crate) fn set_online(&self, online: bool) {
        self.lock().online = online;
        self.0.unsaved.notify_one();
    }

    /// Completes when [`Spool::next`] may have a new entry. For one waiting task.
    pub(crate) async fn grown(&self) {
        self.0.grown.notified().await;
    }

    /// The state of the spool as published in the health payload.
    pub fn metrics(&self) -> SpoolMetrics {
        let state = self.lock();
        SpoolMetrics {
            waiting: state.queue.len() as u64,
            dropped: state.queue.dropped(),
            disk_writes: state.disk_writes,
            sequence: state.numbers.last(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
