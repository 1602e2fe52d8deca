//! The broker, and the device that publishes to it.

use moodring_config as config;
use moodring_contract::Mode;
use moodring_contract::payload::Place;
use moodring_runtime::DeviceId;

/// The address of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// A device and the broker to which it publishes.
#[derive(Debug, Clone)]
pub struct Target {
    /// The broker.
    pub address: Address,
    /// The room of the topics.
    pub room: config::Room,
    /// The device; its name is also the client id.
    pub device: DeviceId,
    /// Configuration of the connection and of what is published.
    pub config: config::Mqtt,
    /// What the device estimates.
    pub mode: Mode,
    /// Whether it publishes the share of the people who face the front.
    pub publishes_facing: bool,
    /// Address of the device's page, if it is in the network.
    pub page: Option<String>,
}

impl Target {
    /// Whether the mood has values for the Home Assistant entity `key`.
    pub(crate) fn measures(&self, key: &str) -> bool {
        match key {
            "people" => true,
            "facing" => self.publishes_facing,
            "word" | "pace" => self.mode.has_word(),
            _ => self.mode == Mode::Mood,
        }
    }

    /// The version of MQTT to use. The embedded broker supports only 3.1.1.
    pub(crate) fn protocol(&self) -> config::Protocol {
        let embedded = self.config.broker == config::BrokerKind::Embedded;
        if embedded { config::Protocol::V4 } else { self.config.protocol }
    }

    /// Site, room and device for the payloads.
    pub(crate) fn place(&self) -> Place {
        Place::new(&self.room.site, &self.room.name, self.device.as_str())
    }
}
