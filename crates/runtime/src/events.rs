//! Events of the device for the administrator: `part ──DeviceEvent──▶ spool`. Never anything about the class.

use jiff::Timestamp;
use moodring_contract::{DeviceEvent, EventKind};
use tokio::sync::mpsc;

/// Maximum number of events that wait for the spool; more are dropped.
const MAX_WAITING: usize = 64;

/// Reports device events. Clones share it.
#[derive(Debug, Clone)]
pub struct DeviceEvents(mpsc::Sender<DeviceEvent>);

impl DeviceEvents {
    /// A reporter, and the receiver of its events.
    pub fn channel() -> (Self, mpsc::Receiver<DeviceEvent>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        (Self(sender), receiver)
    }

    /// Reports an event with the current time. If the queue is full the event is dropped: a part must not wait for a
    /// broker.
    pub fn report(&self, kind: EventKind, detail: Option<String>) {
        let event = DeviceEvent { kind, at: Timestamp::now(), detail };
        if self.0.try_send(event).is_err() {
            tracing::debug!(?kind, "device event dropped: the queue is full or closed");
        }
    }
}
