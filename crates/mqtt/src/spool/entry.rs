//! An entry of the spool and its kind.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

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

impl Entry {
    /// The begin of the lesson that it is about, to the millisecond, by which lessons are named.
    pub(super) fn lesson(&self) -> Option<Timestamp> {
        #[derive(Deserialize)]
        struct AboutLesson {
            lesson: Timestamp,
        }
        let about: AboutLesson = serde_json::from_slice(&self.payload).ok()?;
        Timestamp::from_millisecond(about.lesson.as_millisecond()).ok()
    }
}
