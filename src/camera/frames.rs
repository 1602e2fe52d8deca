//! What lies between camera and vision: the newest frame, and the buffers that go round.

use std::time::Duration;

use super::Frame;
use crate::latest::{Latest, Taken};

/// A mailbox for the newest frame. Buffers of frames that were replaced or read go back to the camera, so
/// that a running camera allocates nothing.
#[derive(Debug, Default)]
pub struct Frames {
    newest: Latest<Frame>,
    spare: Latest<Vec<u8>>,
}

impl Frames {
    /// Puts the newest frame in; true if it replaced one that nobody had read.
    pub fn put(&self, frame: Frame) -> bool {
        let replaced = self.newest.put(frame);
        let unread = replaced.is_some();
        if let Some(frame) = replaced {
            self.give_back(frame);
        }
        unread
    }

    /// Waits at most `timeout` for a frame.
    pub fn take(&self, timeout: Duration) -> Taken<Frame> {
        self.newest.take(timeout)
    }

    /// Returns a frame that was read; its pixels will be overwritten.
    pub fn give_back(&self, frame: Frame) {
        self.spare.put(frame.data);
    }

    /// A buffer for the next picture: a used one if there is one.
    pub fn buffer(&self) -> Vec<u8> {
        match self.spare.take(Duration::ZERO) {
            Taken::Value(buffer) => buffer,
            Taken::Timeout | Taken::Closed => Vec::new(),
        }
    }
}
