//! What must not be lost on its way to the broker: `append ──▶ Spool ──next──▶ publisher ──acknowledged──▶ gone`.
//!
//! Its one decision: memory is the truth and the disk a copy that may lag. Online an entry lives for the moment until
//! the broker has it and never touches the disk; offline it is copied within seconds. A disk that fails stops
//! nothing. Numbers are reserved on the disk in blocks, so none is given twice, also after a power cut.

mod disk;
mod keeper;
mod numbers;
mod queue;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub use disk::FILE_NAME;
pub use keeper::Keeper;

use disk::Disk;
use numbers::Numbers;
use queue::Queue;

/// What an entry is about; also the last level of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A minute of a lesson.
    Minute,
    /// A lesson began or ended.
    Lesson,
    /// Something happened to the device.
    Event,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Lesson, Self::Event];

    /// The word in the file and in the topic.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Lesson => "lesson",
            Self::Event => "event",
        }
    }
}

/// Something that waits for the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Names it towards the spool while this program runs.
    pub ordinal: u64,
    /// What it is about.
    pub kind: Kind,
    /// What is sent.
    pub payload: Arc<[u8]>,
}

/// The state of a spool in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Entries that the broker has not acknowledged.
    pub waiting: u64,
    /// Entries that were dropped since the file was made because it was full.
    pub dropped: u64,
    /// Transactions written to the disk since the start.
    pub disk_writes: u64,
    /// The number that was given last; 0 before the first.
    pub sequence: u64,
}

/// A bounded queue that outlives the program. Clones share it.
#[derive(Debug, Clone)]
pub struct Spool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the publisher.
    grown: Notify,
    /// Wakes the keeper.
    unkept: Notify,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    numbers: Numbers,
    online: bool,
    disk_writes: u64,
}

impl Spool {
    /// A spool of at most `limit` entries that ends with the program.
    pub fn in_memory(limit: usize) -> Self {
        Self::new(Queue::new(limit), Numbers::unlimited())
    }

    /// The spool in `directory`, of at most `limit` entries, and who keeps it there. A disk that fails is told once and
    /// tried again; until then the spool is in memory.
    pub fn open(directory: &Path, limit: usize) -> (Self, Keeper) {
        match Disk::open(directory) {
            Ok((disk, loaded)) => {
                let mut queue = Queue::new(limit);
                let uncertain = loaded.uncertain.clone();
                let numbers = Numbers::reserved(loaded.id.clone(), loaded.next, loaded.reserved);
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

    fn new(queue: Queue, numbers: Numbers) -> Self {
        let state = State { queue, numbers, online: false, disk_writes: 0 };
        Self(Arc::new(Shared { state: Mutex::new(state), grown: Notify::new(), unkept: Notify::new() }))
    }

    /// Adds what `payload` makes of the spool's name and the entry's number; true if the oldest was dropped for it.
    pub fn append(&self, kind: Kind, payload: impl FnOnce(&str, u64) -> Vec<u8>) -> bool {
        let mut state = self.lock();
        let (id, number) = state.numbers.take();
        let payload = payload(id, number);
        let dropped = state.queue.push(kind, payload.into());
        drop(state);
        self.0.grown.notify_one();
        self.0.unkept.notify_one();
        dropped
    }

    /// Name and number that were given last.
    pub fn newest(&self) -> (String, u64) {
        let state = self.lock();
        (state.numbers.id().to_owned(), state.numbers.last())
    }

    /// The oldest entry that is not on its way yet; from now on it is.
    pub fn next(&self) -> Option<Entry> {
        self.lock().queue.next()
    }

    /// The broker has it: it is gone.
    pub fn acknowledged(&self, ordinal: u64) {
        self.lock().queue.acknowledged(ordinal);
        self.0.unkept.notify_one();
    }

    /// What was on its way is not any more: a connection was lost or begins.
    pub fn rewind(&self) {
        self.lock().queue.rewind();
    }

    /// Whether a broker takes entries now: then they are not worth a write.
    pub fn set_online(&self, online: bool) {
        self.lock().online = online;
        self.0.unkept.notify_one();
    }

    /// Completes when there may be something new for [`Spool::next`]; for one who waits.
    pub async fn grown(&self) {
        self.0.grown.notified().await;
    }

    /// Its state in numbers.
    pub fn figures(&self) -> Figures {
        let state = self.lock();
        Figures {
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
