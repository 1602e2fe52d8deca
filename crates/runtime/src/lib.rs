//! Shared runtime of all parts: supervision, mailboxes, status, the command queue, atomic files.
//!
//! ```text
//! parts ──Supervisor──▶ one end stops all      parts ──StatusBoard──▶ DeviceStatus ──▶ outputs
//! camera ──Latest──▶ vision ──CameraPreview──▶ page      button · page · broker ──CommandSender──▶ the daemon's Control
//! ```
//!
//! # Invariants
//! - Nothing here depends on a camera, a neural network, a broker or a page.
//! - [`DeviceStatus`] holds no secret: the pairing code stays in [`Pairing`].
//! - Nothing blocks a caller: mailboxes and queues are bounded and drop or refuse when full.

pub mod atomic_file;
mod backoff;
mod camera_preview;
mod camera_state;
mod commands;
mod counters;
mod device_id;
pub mod erasures;
mod events;
mod health;
mod hex;
mod lamp;
mod latest;
pub mod logging;
mod pairing;
pub mod process;
mod requests;
mod resets;
mod rng;
pub mod state_file;
mod status;
mod supervisor;
mod telemetry;
pub mod text_file;
mod thermal_state;
mod throttle;
pub mod watchdog;

use std::sync::Arc;

pub use backoff::Backoff;
pub use camera_preview::{
    CameraPreview, PREVIEW_DURATION, PreviewChanges, PreviewHead, PreviewImage, PreviewRefusal,
};
pub use camera_state::CameraState;
pub use commands::{CommandRequest, CommandRequests, CommandSender};
pub use counters::{Counter, Counters, EngineState, Newest};
pub use device_id::DeviceId;
pub use events::DeviceEvents;
pub use health::Health;
pub use hex::hex;
pub use lamp::{Lamp, LampError};
pub use latest::{Latest, Taken};
pub use pairing::{Pairing, PairingOffer};
pub use requests::{Answer, Request, Requester, Requests, Unanswered};
pub use resets::Resets;
pub use rng::{Rng, random_share};
pub use status::{CAMERA, DeviceStatus, StatusBoard, StatusUpdates};
pub use supervisor::{Heartbeat, Stop, Supervisor, stop_on_signal};
pub use telemetry::Telemetry;
pub use thermal_state::{ThermalReading, ThermalState, Throttled};
pub use throttle::Throttle;

/// The newest mood; before the first estimate, one in the state `starting`.
pub type Moods = tokio::sync::watch::Receiver<Arc<moodring_contract::Mood>>;
