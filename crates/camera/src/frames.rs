//! The mailbox between camera and vision: it holds the newest frame and one buffer for reuse.

use std::time::Duration;

use super::Frame;
use moodring_runtime::{Latest, Taken};

/// A mailbox for the newest frame. The buffers of replaced and returned frames are reused by the camera, so that a
/// running camera allocates no memory.
#[derive(Debug, Default)]
pub struct Frames {
    newest: Latest<Frame>,
    spare: Latest<Vec<u8>>,
}

impl Frames {
    /// Stores the newest frame. Returns true if it replaced a frame that was not read.
    pub fn put(&self, frame: Frame) -> bool {
        let replaced = self.newest.put(frame);
        let unread = replaced.is_some();
        if let Some(frame) = replaced {
            self.give_back(frame);
        }
        unread
    }

    /// Takes the frame, after waiting for it at most `timeout`.
    pub fn take(&self, timeout: Duration) -> Taken<Frame> {
        self.newest.take(timeout)
    }

    /// Returns the buffer of a frame that was read. Its pixels will be overwritten.
    pub fn give_back(&self, frame: Frame) {
        self.spare.put(frame.data);
    }

    /// Discards the buffer for reuse, which still contains a picture.
    pub fn discard_spare(&self) {
        self.spare.take(Duration::ZERO);
    }

    /// A buffer for the next picture: a returned one if available, otherwise an empty one.
    pub fn buffer(&self) -> Vec<u8> {
        match self.spare.take(Duration::ZERO) {
            Taken::Value(buffer) => buffer,
            Taken::Timeout | Taken::Closed => Vec::new(),
        }
    }
}
