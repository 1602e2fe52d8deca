//! An entry of the spool and its kind.

use std::sync::Arc;

/// The kind of an entry; also the last level of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A minute of a lesson.
    Minute,
    /// The begin or the end of a lesson.
    Lesson,
    /// An event of the device.
    Event,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Lesson, Self::Event];

    /// Its name in the file and in the topic.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Lesson => "lesson",
            Self::Event => "event",
        }
    }
}

/// A message that waits for the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Identifies the entry in the spool during this run.
    pub ordinal: u64,
    /// Kind of the message.
    pub kind: Kind,
    /// Payload of the message.
    pub payload: Arc<[u8]>,
}
