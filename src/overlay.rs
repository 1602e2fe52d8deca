//! Settings from afar: `retained message ──▶ signature, keys, ratchet ──▶ storage ──▶ laid over the file at the next start`.
//!
//! Its one decision: the broker is not trusted. An overlay holds only when the administrator's key has signed it for this
//! very topic, newer than the last; it reaches only harmless keys, and what protects people it can tighten but never
//! loosen. docs/guide/overlays.md argues this.

mod inbox;
mod signature;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Table;

pub use inbox::{Arrival, Inbox, obey};
pub use signature::{PrivateKey, PublicKey};

use crate::config::{Config, Mode, Room, collect_keys, merge};

/// Name and version of the message's schema.
pub const SCHEMA: &str = "moodring.overlay/1";
/// A longer message is no overlay.
pub const MOST_BYTES: usize = 16 * 1024;
/// Keys that an overlay may set, and sections of which it may set all. Nothing that opens a connection, names a file,
/// moves a device or decides whose law holds.
const ALLOWED: [&str; 14] = [
    "mood.mode",
    "mood.min_people",
    "mood.publish_every_s",
    "lessons.begin",
    "lessons.timetable",
    "lessons.time_zone",
    "lessons.keep_days",
    "mqtt.health_every_s",
    "mqtt.lesson_titles",
    "night",
    "lights.brightness",
    "display.brightness",
    "pace",
    "thermal",
];

/// For whom an overlay is; that of a room is laid over that of its site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every device of the site.
    Site,
    /// One room.
    Room,
}

impl Scope {
    /// In the order in which they are laid over the file.
    pub const ALL: [Self; 2] = [Self::Site, Self::Room];

    /// Where the broker keeps the overlay.
    pub fn topic(self, room: &Room) -> String {
        match self {
            Self::Site => format!("moodring/{}/overlay", room.site),
            Self::Room => format!("moodring/{}/{}/overlay", room.site, room.name),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Room => "room",
        }
    }
}

/// The message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    schema: String,
    /// Counts the administrator's overlays of a topic; an older one is not taken.
    pub serial: u64,
    /// A part of a configuration file.
    pub toml: String,
    /// Ed25519 over [`Overlay::signed`], in hexadecimal.
    signature: String,
}

/// Why an overlay is not laid over the configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a message of ours.
    #[error("it is no {SCHEMA}: {0}")]
    Malformed(String),
    /// Somebody else wrote it, or it is for somebody else.
    #[error("it is not signed with the key of fleet.overlay_key for {topic}")]
    Signature {
        /// Where it lay.
        topic: String,
    },
    /// There was a newer one.
    #[error("its serial is {serial}, and {known} holds already: sign it again with a higher one")]
    Old {
        /// Its serial.
        serial: u64,
        /// The one that holds.
        known: u64,
    },
    /// It reaches for what is not to be set from afar.
    #[error("{key} cannot be set from afar; possible are {}", ALLOWED.join(", "))]
    Key {
        /// Which key.
        key: String,
    },
    /// It would protect people less than the device's own file.
    #[error("{key} can be made stricter from afar, but not looser than it is")]
    Loosens {
        /// Which key.
        key: &'static str,
    },
    /// The configuration that would come out is faulty.
    #[error("{0}")]
    Fault(String),
}

impl Overlay {
    /// An overlay for `topic` by the owner of `key`.
    pub fn sign(key: &PrivateKey, topic: &str, serial: u64, toml: &str) -> Self {
        let signature = key.sign(&Self::signed(topic, serial, toml));
        Self { schema: SCHEMA.into(), serial, toml: toml.into(), signature }
    }

    /// Reads a message, and makes sure that the owner of `key` wrote it for `topic`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] or [`Refusal::Signature`].
    pub fn read(message: &[u8], key: &PublicKey, topic: &str) -> Result<Self, Refusal> {
        if message.len() > MOST_BYTES {
            let problem = format!("it has {} bytes, at most {MOST_BYTES} are possible", message.len());
            return Err(Refusal::Malformed(problem));
        }
        let overlay: Self =
            serde_json::from_slice(message).map_err(|error| Refusal::Malformed(error.to_string()))?;
        if overlay.schema != SCHEMA {
            return Err(Refusal::Malformed(format!("its schema is {:?}", overlay.schema)));
        }
        let signed = Self::signed(topic, overlay.serial, &overlay.toml);
        if !key.has_signed(&signed, &overlay.signature) {
            return Err(Refusal::Signature { topic: topic.into() });
        }
        Ok(overlay)
    }

    /// What the signature is over: also topic and serial, so that neither can be exchanged.
    fn signed(topic: &str, serial: u64, toml: &str) -> Vec<u8> {
        format!("{SCHEMA}\n{topic}\n{serial}\n{toml}").into_bytes()
    }

    /// Its keys, dotted.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        collect_keys(&toml::from_str(&self.toml).unwrap_or_default(), "", &mut keys);
        keys
    }

    /// `config` with this over it.
    ///
    /// # Errors
    /// It is no TOML, sets what is not to be set from afar, loosens what protects people, or the outcome is faulty.
    pub fn over(&self, config: &Config) -> Result<Config, Refusal> {
        let overlay: Table = toml::from_str(&self.toml).map_err(|error| Refusal::Fault(error.to_string()))?;
        let mut keys = Vec::new();
        collect_keys(&overlay, "", &mut keys);
        if let Some(key) = keys.into_iter().find(|key| !is_allowed(key)) {
            return Err(Refusal::Key { key });
        }
        let fault = |error: &dyn std::fmt::Display| Refusal::Fault(error.to_string());
        let mut table = Table::try_from(config).map_err(|error| fault(&error))?;
        merge(&mut table, overlay);
        let text = toml::to_string(&table).map_err(|error| fault(&error))?;
        let laid = Config::parse(&text, "the overlay").map_err(|error| {
            // Lines are those of a text that nobody has seen.
            let faults: Vec<_> = error.faults.into_iter().map(|fault| fault.message).collect();
            Refusal::Fault(faults.join("; "))
        })?;
        match loosened(config, &laid) {
            Some(key) => Err(Refusal::Loosens { key }),
            None => Ok(laid),
        }
    }
}

/// What protects people less in `laid` than in `config`.
fn loosened(config: &Config, laid: &Config) -> Option<&'static str> {
    let looser = [
        ("mood.mode", config.mood.mode == Mode::Occupancy && laid.mood.mode != Mode::Occupancy),
        ("mood.min_people", laid.mood.min_people < config.mood.min_people),
        ("lessons.keep_days", laid.lessons.keep_days > config.lessons.keep_days),
        ("mqtt.lesson_titles", laid.mqtt.lesson_titles && !config.mqtt.lesson_titles),
    ];
    looser.into_iter().find(|(_, looser)| *looser).map(|(key, _)| key)
}

fn is_allowed(key: &str) -> bool {
    let within = |allowed: &str| {
        key.strip_prefix(allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    ALLOWED.into_iter().any(within)
}

/// The configuration of the file, and what the administrator lays over it.
#[derive(Debug, Clone)]
pub struct Overlays {
    base: Config,
    key: PublicKey,
    folder: PathBuf,
}

impl Overlays {
    /// Those of a device whose file says `base`; none where it names no key.
    pub fn of(base: &Config) -> Option<Self> {
        let key = PublicKey::parse(&base.fleet.overlay_key)?;
        Some(Self { base: base.clone(), key, folder: base.storage.directory().join("overlays") })
    }

    /// The configuration that holds, and what is laid over the file, for the log. What is refused now is left out, and
    /// told.
    pub fn configuration(&self) -> (Config, Vec<String>) {
        let (mut config, mut told) = (self.base.clone(), Vec::new());
        for scope in Scope::ALL {
            let Some(overlay) = self.kept(scope) else { continue };
            let laid = overlay.and_then(|overlay| Ok((overlay.over(&config)?, overlay)));
            told.push(match laid {
                Ok((laid, overlay)) => {
                    config = laid;
                    format!(
                        "overlay {} of the {}: {}",
                        overlay.serial,
                        scope.name(),
                        overlay.keys().join(", ")
                    )
                }
                Err(refusal) => format!("the overlay of the {} is left out: {refusal}", scope.name()),
            });
        }
        (config, told)
    }

    /// The overlay that was kept last, if there is one.
    fn kept(&self, scope: Scope) -> Option<Result<Overlay, Refusal>> {
        let message = std::fs::read(self.path(scope)).ok()?;
        Some(Overlay::read(&message, &self.key, &scope.topic(&self.base.room)))
    }

    fn path(&self, scope: Scope) -> PathBuf {
        self.folder.join(format!("{}.json", scope.name()))
    }

    /// Checks what arrived, and keeps it for the next start. `None`: it holds already.
    ///
    /// # Errors
    /// Why it does not, and the one before goes on holding.
    fn take(&self, scope: Scope, message: &[u8]) -> anyhow::Result<Option<Overlay>> {
        let overlay = Overlay::read(message, &self.key, &scope.topic(&self.base.room))?;
        if let Some(Ok(known)) = self.kept(scope) {
            if known == overlay {
                return Ok(None);
            }
            if overlay.serial <= known.serial {
                return Err(Refusal::Old { serial: overlay.serial, known: known.serial }.into());
            }
        }
        // Against the file alone, and together with the other scope's.
        let mut config = self.base.clone();
        for other in Scope::ALL {
            if other == scope {
                config = overlay.over(&config)?;
            } else if let Some(Ok(kept)) = self.kept(other) {
                config = kept.over(&config)?;
            }
        }
        keep(&self.path(scope), message)?;
        Ok(Some(overlay))
    }
}

fn keep(path: &Path, message: &[u8]) -> anyhow::Result<()> {
    use anyhow::Context as _;
    crate::private::write(path, message).with_context(|| format!("it cannot be kept in {}", path.display()))
}

#[cfg(test)]
mod tests;
