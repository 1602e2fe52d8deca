//! Publishes to MQTT brokers and webhooks: moods, status, health, and spooled lessons and events.
//!
//! ```text
//! Mood ──newest wins──▶ Publisher ──▶ broker        lessons, events ──▶ PayloadEncoder ──▶ Spool ──▶ Publisher, Webhook
//! ```
//!
//! One task maintains the connection to a broker while the device runs. A [`Publisher`] does not depend on the rest
//! of the daemon, so many can run in one process. docs/reference/mqtt.md describes what is sent.
//!
//! # Invariants
//! - Every payload about a class is a type of [`moodring_contract`]; this crate has no type for a frame or a person.
//! - An entry of the spool is deleted only after the broker or server has acknowledged it.
//! - Inbound text becomes a [`Command`](moodring_contract::Command) or is refused; nothing here executes it.

mod access;
pub mod attempt;
#[cfg(feature = "broker")]
pub mod broker;
mod client;
mod command;
mod discovery;
mod encoder;
mod feeder;
mod forget;
mod holds;
mod messages;
mod outbox;
mod overlays;
mod own_status;
mod publisher;
mod retained_topics;
mod secrets;
pub mod spool;
mod start;
mod suspects;
mod target;
mod vitals;
mod webhook;

pub use encoder::PayloadEncoder;
pub use forget::{ForgetError, Forgotten, forget};
pub use overlays::{OverlayArrival, OverlayArrivals, OverlayInbox};
pub use publisher::Publisher;
pub use start::{ReportSources, Reporting, StartError, start};
pub use target::{Address, Target};
pub use vitals::Sampler;

#[cfg(test)]
mod test_executor;
#[cfg(test)]
#[cfg(feature = "broker")]
mod tests;
