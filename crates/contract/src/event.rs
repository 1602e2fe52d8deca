//! Events of the device: kind, time and detail.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kind of a device event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The program started.
    Started,
    /// The program is stopping normally.
    Stopping,
    /// The camera failed or was unplugged.
    CameraGone,
    /// The camera delivers pictures again.
    CameraBack,
    /// The device was paused by a command: the camera is closed.
    Paused,
    /// The pause was ended by a command.
    Resumed,
    /// The privacy switch was closed.
    SwitchClosed,
    /// The privacy switch was opened.
    SwitchOpened,
    /// The processor is warm, so vision works slower.
    Hot,
    /// The processor has cooled down; vision works at full speed.
    Cooled,
    /// The oldest messages were dropped because the spool was full.
    SpoolDropped,
    /// The device's clock was set to another time.
    ClockSet,
    /// A new configuration was applied.
    ConfigurationApplied,
    /// A new configuration was refused.
    ConfigurationRefused,
}

/// An event of the device; never about the class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEvent {
    /// Kind of the event.
    pub kind: EventKind,
    /// Time of the event.
    pub at: Timestamp,
    /// One line of text for the administrator, or `None`.
    pub detail: Option<String>,
}
