//! `[mqtt]`: the broker, the security of the connection, and what is published.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fault::FaultCollector;

/// The port of MQTT over TLS.
const TLS_PORT: u16 = 8883;
/// Longest host name (RFC 1035, section 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// Kinds of broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BrokerKind {
    /// No MQTT.
    Off,
    /// A broker in this process, on loopback only.
    Embedded,
    /// The broker at `host` and `port`.
    External,
}

/// Version of the MQTT protocol, identified by the protocol level in the CONNECT packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub enum Protocol {
    /// MQTT 3.1.1, which every broker supports.
    V4,
    /// MQTT 5, and MQTT 3.1.1 where the broker does not support it.
    V5,
}

impl Protocol {
    /// The protocol level.
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

/// Publishing to an MQTT broker.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mqtt {
    /// Kind of broker: `off`, `embedded` (in this process, on loopback) or `external`.
    pub broker: BrokerKind,
    /// Host name or IP address of an external broker.
    pub host: String,
    /// TCP port of the broker; with TLS usually 8883. For the embedded broker the port that it opens on loopback (0:
    /// any free port).
    pub port: u16,
    /// Protocol level: 5 is MQTT 5, with message expiry and reasons for refusals, and MQTT 3.1.1 where the broker does not
    /// support it; 4 is MQTT 3.1.1 only. The embedded broker always gets 3.1.1.
    #[schemars(with = "u8")]
    pub protocol: Protocol,
    /// User name at the broker. Empty: no user name.
    pub username: String,
    /// File whose first line is the password. Empty: the credential `mqtt-password` of the service, if there is one.
    /// Never write a password into the configuration file.
    pub password_file: PathBuf,
    /// Keep-alive interval of an idle connection in seconds, 5 to 600.
    pub keep_alive_s: u16,
    /// Longest wait between two attempts to connect in seconds, 2 to 600. Each wait is uniformly random: from zero to
    /// half of this value after the first failure, from zero to this value after further failures. 5: including the
    /// timeout of an attempt, the room is back on the dashboard within ten seconds. If several hundred devices share
    /// a broker, 60 spreads their reconnections.
    pub reconnect_within_s: u32,
    /// Seconds between two health messages, 10 to 3600.
    pub health_every_s: u32,
    /// Largest number of messages (lessons and device events) that wait while the broker cannot be reached, 10 to
    /// 100000. The oldest are dropped first. 5000 is about ten days of lessons and 6 MB.
    pub spool_entries: u32,
    /// Whether the titles of lessons are published. A title may contain a person's name.
    pub lesson_titles: bool,
    /// Whether commands through the broker are accepted (pause, resume, lessons, identify). Every client that may
    /// write to the device's `cmd` topics can then resume a paused camera; only the privacy switch overrides it.
    pub commands: bool,
    /// Whether the device announces itself to Home Assistant, on topics that begin with `discovery_prefix`.
    pub discovery: bool,
    /// First level of Home Assistant's discovery topics.
    pub discovery_prefix: String,
    /// Encrypted connection to an external broker. The broker's certificate is always checked against its name or
    /// address.
    pub tls: Tls,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            broker: BrokerKind::Off,
            host: "localhost".into(),
            port: 1883,
            protocol: Protocol::V5,
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

/// Encrypted connection to an external broker. The broker's certificate is always checked against its name or address.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Whether the connection is encrypted.
    pub enabled: bool,
    /// PEM file with the certificate authorities for the broker's certificate. Empty: the authorities that the system
    /// trusts.
    pub ca_file: PathBuf,
    /// PEM file with the certificate of this device, for brokers that require client certificates.
    pub certificate_file: PathBuf,
    /// PEM file with the private key of the certificate. Empty while `certificate_file` is set: the credential
    /// `mqtt-key` of the service.
    pub key_file: PathBuf,
}

impl Mqtt {
    /// The keys that decide who receives the password, and whether it is encrypted, as far as they differ from `before`.
    /// Empty if this configuration sends no password. A stored password belongs to the old values only.
    pub fn password_recipient_changes(&self, before: &Self) -> Vec<&'static str> {
        if self.broker != BrokerKind::External || self.username.is_empty() {
            return Vec::new();
        }
        let changes = [
            ("mqtt.broker", self.broker != before.broker),
            ("mqtt.host", self.host != before.host),
            ("mqtt.port", self.port != before.port),
            ("mqtt.username", self.username != before.username),
            ("mqtt.tls.enabled", self.tls.enabled != before.tls.enabled),
        ];
        changes.into_iter().filter(|(_, is_changed)| *is_changed).map(|(key, _)| key).collect()
    }

    pub(super) fn check(&self, faults: &mut FaultCollector) {
        faults.range("mqtt.keep_alive_s", f64::from(self.keep_alive_s), 5.0, 600.0);
        faults.range("mqtt.reconnect_within_s", f64::from(self.reconnect_within_s), 2.0, 600.0);
        faults.range("mqtt.health_every_s", f64::from(self.health_every_s), 10.0, 3600.0);
        faults.range("mqtt.spool_entries", f64::from(self.spool_entries), 10.0, 100_000.0);
        faults.topic_level("mqtt.discovery_prefix", &self.discovery_prefix);
        match self.broker {
            BrokerKind::External => {
                if let Some(fault) = self.host_fault() {
                    faults.add("mqtt.host", fault);
                }
                match self.port {
                    0 => faults.add("mqtt.port", "must not be 0 for an external broker; the default port is 1883"),
                    TLS_PORT if !self.tls.enabled => faults.add(
                        "mqtt.port",
                        "is 8883, the port of encrypted connections, but mqtt.tls.enabled is false; set it to true, or \
                         set the port of plain connections, usually 1883",
                    ),
                    _ => {}
                }
            }
            BrokerKind::Embedded if self.tls.enabled => {
                faults.add(
                    "mqtt.tls.enabled",
                    "must be false for the embedded broker, which listens only on loopback",
                );
            }
            BrokerKind::Embedded | BrokerKind::Off => {}
        }
        if self.username.is_empty() && !self.password_file.as_os_str().is_empty() {
            faults.add("mqtt.username", "is needed if mqtt.password_file is set");
        }
        self.check_tls(faults);
    }

    /// What is wrong with the host of an external broker, and how to write it.
    fn host_fault(&self) -> Option<String> {
        let host = self.host.as_str();
        if host.is_empty() {
            return Some("is needed if mqtt.broker is \"external\"".into());
        }
        // Reported of every text already.
        if host.trim() != host || host.contains("${") {
            return None;
        }
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let is_name = host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if host.len() <= MAX_HOST_BYTES && (is_address || is_name) {
            return None;
        }
        let (scheme, rest) = host.split_once("://").map_or(("", host), |(scheme, rest)| (scheme, rest));
        let rest = rest.split(['/', '?']).next().unwrap_or_default();
        let rest = rest.rsplit('@').next().unwrap_or_default().trim();
        let (name, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, port)) => (address, port.strip_prefix(':').unwrap_or_default()),
            None => rest.rsplit_once(':').unwrap_or((rest, "")),
        };
        let mut parts = vec![format!("mqtt.host = {name:?}")];
        if port.parse::<u16>().is_ok() {
            parts.push(format!("mqtt.port = {port}"));
        }
        if matches!(scheme, "mqtts" | "ssl" | "tls") {
            parts.push("mqtt.tls.enabled = true".into());
        }
        let is_websocket = matches!(scheme, "ws" | "wss");
        let reason = if is_websocket { "; MQTT over WebSocket is not supported" } else { "" };
        // A user name and a password before the host are not repeated.
        let shown = host.rsplit_once('@').map_or_else(|| host.to_owned(), |(_, host)| format!("…@{host}"));
        Some(format!(
            "is {shown:?}, but must be a host name or an IP address alone{reason}; set {}",
            parts.join(", ")
        ))
    }

    /// What is set for a connection that the kind of broker does not use. It is no fault: the broker may be switched off
    /// for a while.
    pub(super) fn notes(&self) -> Vec<(&'static str, String)> {
        let default = Self::default();
        let set = [("mqtt.host", self.host != default.host), ("mqtt.username", !self.username.is_empty())];
        let kind = match self.broker {
            BrokerKind::External => return Vec::new(),
            BrokerKind::Embedded => "embedded",
            BrokerKind::Off => "off",
        };
        let note = |key| {
            (
                key,
                format!(
                    "is set, but mqtt.broker is {kind:?}; set it to \"external\" to publish to this broker"
                ),
            )
        };
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(key, _)| note(key)).collect()
    }

    fn check_tls(&self, faults: &mut FaultCollector) {
        let tls = &self.tls;
        let files = [
            ("mqtt.tls.ca_file", &tls.ca_file),
            ("mqtt.tls.certificate_file", &tls.certificate_file),
            ("mqtt.tls.key_file", &tls.key_file),
        ];
        for (key, _) in files.iter().filter(|(_, path)| !tls.enabled && !path.as_os_str().is_empty()) {
            let message = "is set, but mqtt.tls.enabled is false, so the connection would not be encrypted; set \
                           it to true";
            faults.add(*key, message);
        }
        if tls.certificate_file.as_os_str().is_empty() && !tls.key_file.as_os_str().is_empty() {
            faults.add("mqtt.tls.certificate_file", "is needed if mqtt.tls.key_file is set");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_a_name_or_an_address_alone() {
        let fault = |host: &str| {
            let mqtt = Mqtt { broker: BrokerKind::External, host: host.into(), ..Mqtt::default() };
            mqtt.host_fault().unwrap_or_default()
        };
        for good in ["localhost", "broker.school.example", "192.0.2.7", "fd00::7", "mqtt_1", "b-214.local"] {
            assert_eq!(fault(good), "", "{good}");
        }
        for (host, expected) in [
            ("mqtt://h:1883", "set mqtt.host = \"h\", mqtt.port = 1883"),
            ("mqtts://me:secret@h:8883/", "set mqtt.host = \"h\", mqtt.port = 8883, mqtt.tls.enabled = true"),
            ("h:1883", "set mqtt.host = \"h\", mqtt.port = 1883"),
            ("[fd00::7]:1883", "set mqtt.host = \"fd00::7\", mqtt.port = 1883"),
            ("[fd00::7]", "set mqtt.host = \"fd00::7\""),
            ("wss://h/mqtt", "over WebSocket is not supported"),
            ("my host", "must be a host name"),
            ("h/topic", "set mqtt.host = \"h\""),
            ("", "is needed"),
        ] {
            assert!(
                fault(host).contains(expected) && !fault(host).contains("secret"),
                "{host}: {}",
                fault(host)
            );
        }
    }

    #[test]
    fn the_recipient_of_the_password_changes_with_broker_host_port_user_and_encryption() {
        let before = Mqtt {
            broker: BrokerKind::External,
            host: "broker".into(),
            username: "me".into(),
            ..Mqtt::default()
        };
        let changes = |edit: fn(&mut Mqtt)| {
            let mut after = before.clone();
            edit(&mut after);
            after.password_recipient_changes(&before)
        };
        assert_eq!(changes(|mqtt| mqtt.keep_alive_s = 9), [""; 0]);
        assert_eq!(changes(|mqtt| mqtt.host = "other".into()), ["mqtt.host"]);
        assert_eq!(changes(|mqtt| mqtt.port = 8883), ["mqtt.port"]);
        assert_eq!(changes(|mqtt| mqtt.username = "you".into()), ["mqtt.username"]);
        assert_eq!(changes(|mqtt| mqtt.tls.enabled = true), ["mqtt.tls.enabled"]);
        // These send no password. The way back is a change again.
        assert_eq!(changes(|mqtt| mqtt.username = String::new()), [""; 0]);
        assert_eq!(changes(|mqtt| mqtt.broker = BrokerKind::Off), [""; 0]);
        let off = Mqtt { broker: BrokerKind::Off, ..before.clone() };
        assert_eq!(before.password_recipient_changes(&off), ["mqtt.broker"]);
    }
}
