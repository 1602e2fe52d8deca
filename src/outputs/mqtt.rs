//! Tells a broker: the mood, retained, newest wins; status and health; and from the spool what must not be lost.
//!
//! One task keeps a connection for ever. Each connection is new, sends `online` and the newest mood first,
//! and waits in front of the next attempt with full jitter. docs/reference/mqtt.md describes what is sent. A [`Publisher`] needs
//! nothing of the rest of the daemon, so that many can run in one process.

pub(super) mod attempt;
mod author;
mod client;
mod command;
mod forget;
mod outbox;
pub mod payload;
mod publisher;
pub(super) mod secrets;
mod vitals;

use std::path::PathBuf;
use std::sync::Arc;

pub use author::Author;
pub use command::{AnyCommand, COMMAND_SCHEMA};
pub use forget::forget;
pub use payload::{Place, STATUS_SCHEMA, Vitals};
pub use vitals::Sampler;

use crate::config;
use crate::control::Control;
use crate::device::DeviceId;
use crate::outputs::discovery::Discovery;
use crate::outputs::spool::{Kind, Spool};
use crate::outputs::{Health, Moods};
use crate::overlay::Inbox;
use crate::supervisor::Stop;
use command::Obedience;
use secrets::Secrets;

/// Topics of one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics(String);

impl Topics {
    /// The topics of `room`, whose names the configuration has checked to be single topic levels.
    pub fn of(room: &config::Room) -> Self {
        Self(format!("moodring/{}/{}", room.site, room.name))
    }

    /// Where moods are published.
    pub fn mood(&self) -> String {
        self.leaf("mood")
    }

    /// Where `online` and `offline` are published.
    pub fn status(&self) -> String {
        self.leaf("status")
    }

    /// Where the device's health is published.
    pub fn health(&self) -> String {
        self.leaf("health")
    }

    /// Where commands are answered.
    pub fn reply(&self) -> String {
        self.leaf("reply")
    }

    /// Where entries of the spool are published.
    pub fn spooled(&self, kind: Kind) -> String {
        self.leaf(kind.name())
    }

    /// Where the command called `name` is heard.
    pub fn command(&self, name: &str) -> String {
        format!("{}/cmd/{name}", self.0)
    }

    /// The command that `topic` is about, if it is about one.
    fn command_of<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic.strip_prefix(&*self.0)?.strip_prefix("/cmd/")
    }

    fn leaf(&self, leaf: &str) -> String {
        format!("{}/{leaf}", self.0)
    }
}

/// Where the broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Who publishes where.
#[derive(Debug, Clone)]
pub struct Target {
    /// The broker.
    pub address: Address,
    /// The room that the topics are about.
    pub room: config::Room,
    /// Who publishes; also the client id.
    pub device: DeviceId,
    /// How it connects and what it tells.
    pub config: config::Mqtt,
}

/// One device's connection to a broker. Made of [`Publisher::new`] and what a device has beyond that.
pub struct Publisher {
    target: Target,
    topics: Topics,
    moods: Moods,
    spool: Spool,
    health: Arc<Health>,
    secrets: Secrets,
    sampler: Option<Sampler>,
    obedience: Option<Obedience>,
    overlays: Option<Inbox>,
    discovery: Discovery,
    reconnects: u64,
    stop: Stop,
}

impl Publisher {
    /// Publishes `moods` and what is in `spool` at `target`, once it [runs](Publisher::run), until `stop` is requested.
    pub fn new(target: Target, moods: Moods, spool: Spool, stop: Stop) -> Self {
        Self {
            topics: Topics::of(&target.room),
            discovery: Discovery::new(&target.config, &target.device, None),
            target,
            moods,
            spool,
            health: Arc::new(Health::new("mqtt")),
            secrets: Secrets::here(),
            sampler: None,
            obedience: None,
            overlays: None,
            reconnects: 0,
            stop,
        }
    }

    /// Publishes the device's health too, as `sampler` finds it.
    #[must_use]
    pub fn reporting(self, sampler: Sampler) -> Self {
        Self { sampler: Some(sampler), ..self }
    }

    /// Obeys commands by `control`, unless the configuration says not to.
    #[must_use]
    pub fn obeying(self, control: Control) -> Self {
        let obedience = self.target.config.commands.then(|| Obedience::new(control));
        Self { obedience, ..self }
    }

    /// Puts settings that the administrator lays over the configuration into `inbox`.
    #[must_use]
    pub fn overlaid(self, inbox: Option<Inbox>) -> Self {
        Self { overlays: inbox, ..self }
    }

    /// Remembers in the folder `storage` what was announced to Home Assistant, so that it can be taken back.
    #[must_use]
    pub fn remembering(self, storage: PathBuf) -> Self {
        let discovery = Discovery::new(&self.target.config, &self.target.device, Some(storage));
        Self { discovery, ..self }
    }

    /// Shows how it is doing on `health` instead of one of its own.
    #[must_use]
    pub fn shown_by(self, health: Arc<Health>) -> Self {
        Self { health, ..self }
    }

    /// How it is doing.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }
}

#[cfg(test)]
mod tests;
