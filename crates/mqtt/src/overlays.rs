//! The queue of configuration overlays: `broker ──OverlayArrival──▶ the daemon`, which checks and stores them.

use moodring_contract::OverlayScope;
use tokio::sync::mpsc;

/// Maximum number of waiting overlays: two of each scope.
const MAX_WAITING: usize = 4;

/// A retained message on an overlay's topic.
#[derive(Debug)]
pub struct OverlayArrival {
    /// The scope of its topic.
    pub scope: OverlayScope,
    /// The unchecked payload.
    pub message: Vec<u8>,
}

/// Receives overlays.
pub type OverlayArrivals = mpsc::Receiver<OverlayArrival>;

/// Passes overlays from the publisher to the daemon.
#[derive(Debug, Clone)]
pub struct OverlayInbox(mpsc::Sender<OverlayArrival>);

impl OverlayInbox {
    /// An inbox, and the receiver of its overlays.
    pub fn channel() -> (Self, OverlayArrivals) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        (Self(sender), receiver)
    }

    /// Queues an overlay. If the queue is full it is dropped; the broker delivers it again on the next connection.
    pub fn put(&self, arrival: OverlayArrival) {
        let _ = self.0.try_send(arrival);
    }
}
