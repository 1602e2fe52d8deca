//! What happens to the device, for the administrator: `part ──DeviceEvent──▶ spool`. Never anything of the class.
//!
//! Any part may [`tell`](Events::tell); what a full queue does not take is dropped, since a part must not wait for a broker.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;

/// Events that may wait to be spooled.
const WAITING: usize = 64;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The program began.
    Started,
    /// The program ends in order.
    Stopping,
    /// The camera was lost.
    CameraGone,
    /// Pictures come again.
    CameraBack,
    /// The camera was closed by hand.
    Paused,
    /// It was opened again.
    Resumed,
    /// The privacy switch was closed.
    SwitchClosed,
    /// The privacy switch was opened.
    SwitchOpened,
    /// It gets warm, and vision works slower.
    Hot,
    /// It is cool enough again.
    Cooled,
    /// Messages were dropped because too many waited.
    SpoolDropped,
    /// The clock was set to another time.
    ClockSet,
    /// A new configuration holds.
    ConfigurationApplied,
    /// A new configuration was refused.
    ConfigurationRefused,
}

/// Something that happened to the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEvent {
    /// What.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// One line for the administrator.
    pub detail: Option<String>,
}

/// Where events are told. Clones share it.
#[derive(Debug, Clone)]
pub struct Events(mpsc::Sender<DeviceEvent>);

impl Events {
    /// A place to tell events, and where they arrive.
    pub fn channel() -> (Self, mpsc::Receiver<DeviceEvent>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    /// Tells what has happened now.
    pub fn tell(&self, kind: EventKind, detail: Option<String>) {
        let event = DeviceEvent { kind, at: Timestamp::now(), detail };
        if self.0.try_send(event).is_err() {
            tracing::debug!(?kind, "nobody takes this event");
        }
    }
}
