//! `[mqtt]`: which broker is told, how safely, and what.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::faults::Complaints;

/// Where the broker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BrokerKind {
    /// No MQTT.
    Off,
    /// A broker inside this process, on loopback only.
    Embedded,
    /// The broker at `host` and `port`.
    External,
}

/// Version of the protocol, by the number in its first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub enum Protocol {
    /// MQTT 3.1.1, which every broker speaks.
    V4,
    /// MQTT 5.
    V5,
}

impl Protocol {
    /// The number.
    pub const fn level(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V5 => 5,
        }
    }
}

impl Serialize for Protocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.level())
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            4 => Ok(Self::V4),
            5 => Ok(Self::V5),
            other => Err(serde::de::Error::custom(format!(
                "protocol is {other}, but must be 4 (MQTT 3.1.1) or 5 (MQTT 5)"
            ))),
        }
    }
}

/// Publishing to a broker.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mqtt {
    /// `off`, `embedded` or `external`.
    pub broker: BrokerKind,
    /// Host name or address of an external broker.
    pub host: String,
    /// TCP port; 8883 is usual with TLS. For the embedded broker the port it opens on loopback (0: any free one).
    pub port: u16,
    /// 4 is MQTT 3.1.1, which every broker speaks; 5 is MQTT 5, with expiry and reasons. The embedded broker speaks 4.
    #[schemars(with = "u8")]
    pub protocol: Protocol,
    /// User name at the broker; empty for none.
    pub username: String,
    /// File whose first line is the password. Empty: the service's credential `mqtt-password`, if it has one. Never
    /// write a password into this configuration.
    pub password_file: PathBuf,
    /// Seconds between signs of life on an idle connection, 5 to 600.
    pub keep_alive_s: u16,
    /// Longest wait between two attempts to connect, 2 to 600 seconds. Each wait is drawn evenly from zero to half of
    /// this after the first failure, to all of it after more. 5: with the time-out of an attempt the room is back on
    /// the dashboard within ten seconds. Where more than some hundred devices share a broker, 60 spreads their return.
    pub reconnect_within_s: u32,
    /// Seconds between two messages about the device's health, 10 to 3600.
    pub health_every_s: u32,
    /// Messages about lessons and about the device that may wait for a broker that is away, 10 to 100000; the oldest
    /// are dropped first. 5000 are about ten days of lessons and 6 MB.
    pub spool_entries: u32,
    /// Whether titles of lessons are told. A title may name a person.
    pub lesson_titles: bool,
    /// Whether pausing, resuming, lessons and identifying may be commanded through the broker. Whoever may write to the
    /// device's `cmd` topics then may resume a paused camera; only the privacy switch is above them.
    pub commands: bool,
    /// Whether the device announces itself to Home Assistant, below `discovery_prefix`.
    pub discovery: bool,
    /// First level of Home Assistant's discovery topics.
    pub discovery_prefix: String,
    /// An encrypted connection to an external broker.
    pub tls: Tls,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            broker: BrokerKind::Off,
            host: "localhost".into(),
            port: 1883,
            protocol: Protocol::V4,
            username: String::new(),
            password_file: PathBuf::new(),
            keep_alive_s: 30,
            reconnect_within_s: 5,
            health_every_s: 60,
            spool_entries: 5000,
            lesson_titles: false,
            commands: true,
            discovery: false,
            discovery_prefix: "homeassistant".into(),
            tls: Tls::default(),
        }
    }
}

/// An encrypted connection; the broker's certificate is always checked against its name or address.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Whether the connection is encrypted.
    pub enabled: bool,
    /// PEM file of the authorities that may vouch for the broker. Empty: those that the system trusts.
    pub ca_file: PathBuf,
    /// PEM file of this device's certificate, for brokers that ask for one.
    pub certificate_file: PathBuf,
    /// PEM file of its key. Empty beside a certificate: the service's credential `mqtt-key`.
    pub key_file: PathBuf,
}

impl Mqtt {
    pub(super) fn check(&self, complaints: &mut Complaints) {
        complaints.range("mqtt.keep_alive_s", f64::from(self.keep_alive_s), 5.0, 600.0);
        complaints.range("mqtt.reconnect_within_s", f64::from(self.reconnect_within_s), 2.0, 600.0);
        complaints.range("mqtt.health_every_s", f64::from(self.health_every_s), 10.0, 3600.0);
        complaints.range("mqtt.spool_entries", f64::from(self.spool_entries), 10.0, 100_000.0);
        complaints.topic_level("mqtt.discovery_prefix", &self.discovery_prefix);
        match self.broker {
            BrokerKind::External => {
                if self.host.is_empty() {
                    complaints.add("mqtt.host", "is needed when mqtt.broker is \"external\"");
                }
                if self.port == 0 {
                    complaints
                        .add("mqtt.port", "must not be 0 for an external broker; the usual one is 1883");
                }
            }
            BrokerKind::Embedded if self.protocol == Protocol::V5 => {
                complaints.add("mqtt.protocol", "must be 4 for the embedded broker, which speaks MQTT 3.1.1");
            }
            BrokerKind::Embedded if self.tls.enabled => {
                complaints
                    .add("mqtt.tls.enabled", "is for external brokers; the embedded one is on loopback");
            }
            BrokerKind::Embedded | BrokerKind::Off => {}
        }
        if self.username.is_empty() && !self.password_file.as_os_str().is_empty() {
            complaints.add("mqtt.username", "is needed beside mqtt.password_file");
        }
        self.check_tls(complaints);
    }

    fn check_tls(&self, complaints: &mut Complaints) {
        let tls = &self.tls;
        let files = [
            ("mqtt.tls.ca_file", &tls.ca_file),
            ("mqtt.tls.certificate_file", &tls.certificate_file),
            ("mqtt.tls.key_file", &tls.key_file),
        ];
        for (key, _) in files.iter().filter(|(_, path)| !tls.enabled && !path.as_os_str().is_empty()) {
            complaints
                .add(*key, "is given, but mqtt.tls.enabled is false: the connection would not be encrypted");
        }
        if tls.certificate_file.as_os_str().is_empty() && !tls.key_file.as_os_str().is_empty() {
            complaints.add("mqtt.tls.certificate_file", "is needed beside mqtt.tls.key_file");
        }
    }
}
