//! Remote settings: `retained message ──▶ signature, keys, strictness checked ──▶ stored ──▶ merged at the next start`.
//!
//! The broker is not trusted. An overlay is accepted only if the administrator's key has signed it for exactly this
//! topic, with a higher serial than the last one. It can set harmless keys only. A setting that protects people can
//! be made stricter, never looser. docs/guide/overlays.md gives the reasons.

mod signature;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use toml::Table;

pub use signature::{PrivateKey, PublicKey};

use moodring_config::{Config, collect_keys, merge};
use moodring_contract::{EventKind, Mode, OverlayScope};
use moodring_mqtt::{OverlayArrival, OverlayArrivals};
use moodring_runtime::{DeviceEvents, Stop, Throttle, state_file};
use tracing::{info, warn};

/// Refused overlays of one scope are reported at most this often: the broker delivers a retained one on every connection.
const REPORT_EVERY: Duration = Duration::from_secs(600);
/// Name and version of the message's schema.
pub const SCHEMA: &str = "moodring.overlay/1";
/// Longest accepted message, in bytes.
pub const MAX_BYTES: usize = 16 * 1024;
/// Longest stored message with its checksum, in bytes.
const MAX_FILE_BYTES: u64 = 20 * 1024;
/// Keys that an overlay may set, and sections in which it may set every key. None of them opens a connection, names a
/// file, renames a device or selects the applicable law.
const ALLOWED: [&str; 14] = [
    "mood.mode",
    "mood.min_people",
    "mood.publish_every_s",
    "lessons.begin",
    "lessons.timetable",
    "clock.time_zone",
    "lessons.keep_days",
    "mqtt.health_every_s",
    "mqtt.lesson_titles",
    "night",
    "lights.brightness",
    "display.brightness",
    "pace",
    "thermal",
];

/// The message, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    schema: String,
    /// Counts the administrator's overlays of a topic. A new overlay needs a higher serial than the stored one.
    pub serial: u64,
    /// A part of a configuration file, as TOML.
    pub toml: String,
    /// Ed25519 over [`Overlay::signed`], in hexadecimal.
    signature: String,
}

/// Why an overlay is not applied.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The message does not match the schema.
    #[error("not a valid {SCHEMA} message: {0}")]
    Malformed(String),
    /// Signed with another key, or for another topic.
    #[error("not signed with the key of overlays.public_key for {topic}")]
    Signature {
        /// The topic from which it was received.
        topic: String,
    },
    /// A newer overlay was accepted before.
    #[error(
        "its serial is {serial}, but serial {stored} is already stored: sign it again with a higher serial"
    )]
    Old {
        /// Its serial.
        serial: u64,
        /// The serial of the stored overlay.
        stored: u64,
    },
    /// It sets a key that overlays may not set.
    #[error("{key} cannot be set by an overlay; allowed are {}", ALLOWED.join(", "))]
    Key {
        /// The key.
        key: String,
    },
    /// It would protect people less than the device's own file does.
    #[error("{key} can be made stricter by an overlay, but not looser than in the file")]
    Loosens {
        /// The key.
        key: &'static str,
    },
    /// The stored overlay and its copy are damaged, so its serial is unknown.
    #[error(
        "{} and its copy are damaged, so an old overlay could not be told from a new one; delete both files to accept \
         overlays again",
        .path.display()
    )]
    Damaged {
        /// The stored overlay.
        path: PathBuf,
    },
    /// The overlay or the merged configuration is faulty.
    #[error("{0}")]
    Fault(String),
}

impl Overlay {
    /// An overlay for `topic` by the owner of `key`.
    pub fn sign(key: &PrivateKey, topic: &str, serial: u64, toml: &str) -> Self {
        let signature = key.sign(&Self::signed(topic, serial, toml));
        Self { schema: SCHEMA.into(), serial, toml: toml.into(), signature }
    }

    /// Reads a message and verifies that the owner of `key` signed it for `topic`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] or [`Refusal::Signature`].
    pub fn read(message: &[u8], key: &PublicKey, topic: &str) -> Result<Self, Refusal> {
        if message.len() > MAX_BYTES {
            let problem = format!("it has {} bytes, at most {MAX_BYTES} are allowed", message.len());
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

    /// The signed bytes. They include topic and serial, so that neither can be replaced.
    fn signed(topic: &str, serial: u64, toml: &str) -> Vec<u8> {
        format!("{SCHEMA}\n{topic}\n{serial}\n{toml}").into_bytes()
    }

    /// The dotted keys that it sets.
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        collect_keys(&toml::from_str(&self.toml).unwrap_or_default(), "", &mut keys);
        keys
    }

    /// Merges this overlay into `config`.
    ///
    /// # Errors
    /// It is not valid TOML, sets a key that is not allowed, makes a protection looser, or the merged configuration
    /// is faulty.
    pub fn merge_into(&self, config: &Config) -> Result<Config, Refusal> {
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
        let merged = Config::parse(&text, "the overlay").map_err(|error| {
            // Line numbers are left out: they refer to the merged text, which the administrator never sees.
            let faults: Vec<_> = error.faults.into_iter().map(|fault| fault.message).collect();
            Refusal::Fault(faults.join("; "))
        })?;
        match loosened(config, &merged) {
            Some(key) => Err(Refusal::Loosens { key }),
            None => Ok(merged),
        }
    }
}

/// The first key that protects people less in `merged` than in `config`.
fn loosened(config: &Config, merged: &Config) -> Option<&'static str> {
    let looser = [
        ("mood.mode", merged.mood.mode > config.mood.mode),
        ("mood.min_people", merged.mood.min_people < config.mood.min_people),
        ("lessons.keep_days", merged.lessons.keep_days > config.lessons.keep_days),
        ("mqtt.lesson_titles", merged.mqtt.lesson_titles && !config.mqtt.lesson_titles),
    ];
    looser.into_iter().find(|(_, looser)| *looser).map(|(key, _)| key)
}

fn is_allowed(key: &str) -> bool {
    let within = |allowed: &str| {
        key.strip_prefix(allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    ALLOWED.into_iter().any(within)
}

/// The configuration of the file, and the administrator's overlays for it.
#[derive(Debug, Clone)]
pub struct Overlays {
    base: Config,
    key: PublicKey,
    folder: PathBuf,
}

impl Overlays {
    /// The overlays of a device with the configuration file `base`. `None`: `overlays.public_key` is not set.
    pub fn from_config(base: &Config) -> Option<Self> {
        let key = PublicKey::parse(&base.overlays.public_key)?;
        Some(Self { base: base.clone(), key, folder: base.storage.directory().join("overlays") })
    }

    /// The file merged with the stored overlays, and one log message for each overlay. An overlay that is not
    /// acceptable any more is left out, which its message says.
    pub fn configuration(&self) -> (Config, Vec<String>) {
        let (mut config, mut messages) = (self.base.clone(), Vec::new());
        for scope in OverlayScope::ALL {
            let Some(overlay) = self.stored(scope) else { continue };
            let merged = overlay.and_then(|overlay| Ok((overlay.merge_into(&config)?, overlay)));
            messages.push(match merged {
                Ok((merged, overlay)) => {
                    config = merged;
                    format!(
                        "overlay {} of the {}: {}",
                        overlay.serial,
                        scope.name(),
                        overlay.keys().join(", ")
                    )
                }
                Err(refusal @ Refusal::Damaged { .. }) => {
                    // It may have made a protection stricter.
                    config.mood.mode = Mode::Count;
                    config.attention.enabled = false;
                    format!("only people are counted: {refusal}")
                }
                Err(refusal) => format!("the overlay of the {} is left out: {refusal}", scope.name()),
            });
        }
        (config, messages)
    }

    /// The stored overlay, if there is one.
    fn stored(&self, scope: OverlayScope) -> Option<Result<Overlay, Refusal>> {
        let path = self.path(scope);
        match state_file::read(&path, MAX_FILE_BYTES) {
            Ok(message) => Some(Overlay::read(&message?, &self.key, &self.topic(scope))),
            Err(_) => Some(Err(Refusal::Damaged { path })),
        }
    }

    fn topic(&self, scope: OverlayScope) -> String {
        scope.topic(&self.base.room.site, &self.base.room.name)
    }

    fn path(&self, scope: OverlayScope) -> PathBuf {
        self.folder.join(format!("{}.json", scope.name()))
    }

    /// Checks an arrived message and stores it for the next start. `None`: it is stored already.
    ///
    /// # Errors
    /// The reason for the refusal. The stored overlay stays in effect.
    pub(crate) fn accept(&self, scope: OverlayScope, message: &[u8]) -> anyhow::Result<Option<Overlay>> {
        let overlay = Overlay::read(message, &self.key, &self.topic(scope))?;
        let stored = self.stored(scope);
        if let Some(Err(refusal @ Refusal::Damaged { .. })) = stored {
            return Err(refusal.into());
        }
        if let Some(Ok(stored)) = stored {
            if stored == overlay {
                return Ok(None);
            }
            if overlay.serial <= stored.serial {
                return Err(Refusal::Old { serial: overlay.serial, stored: stored.serial }.into());
            }
        }
        // The check includes the stored overlay of the other scope.
        let mut config = self.base.clone();
        for other in OverlayScope::ALL {
            if other == scope {
                config = overlay.merge_into(&config)?;
            } else if let Some(Ok(stored)) = self.stored(other) {
                config = stored.merge_into(&config)?;
            }
        }
        store(&self.path(scope), message)?;
        Ok(Some(overlay))
    }
}

fn store(path: &Path, message: &[u8]) -> anyhow::Result<()> {
    use anyhow::Context as _;
    state_file::write_with_copy(path, message)
        .with_context(|| format!("it cannot be stored in {}", path.display()))
}

/// Checks and stores overlays as they arrive, until `stop` is requested. True: an overlay was stored, and the device
/// must restart to apply it.
pub async fn run(
    overlays: Overlays,
    mut arrivals: OverlayArrivals,
    events: DeviceEvents,
    stop: Stop,
) -> bool {
    let mut refusals = OverlayScope::ALL.map(|scope| (scope, Throttle::new(REPORT_EVERY)));
    loop {
        let OverlayArrival { scope, message } = tokio::select! {
            () = stop.requested() => return false,
            Some(arrival) = arrivals.recv() => arrival,
            else => return false,
        };
        // Deleting the retained message does not remove the overlay. A signed overlay without keys does.
        if message.is_empty() {
            continue;
        }
        match overlays.accept(scope, &message) {
            Ok(None) => {}
            Ok(Some(overlay)) => {
                let keys = overlay.keys().join(", ");
                let detail = format!("overlay {} of the {}: {keys}", overlay.serial, scope.name());
                info!(overlay = detail, "overlay stored; the device restarts to apply it");
                events.report(EventKind::ConfigurationApplied, Some(detail));
                return true;
            }
            Err(error) => {
                let throttle = refusals.iter_mut().find(|(known, _)| *known == scope);
                let unreported = throttle.and_then(|(_, throttle)| throttle.admit(Instant::now()));
                if let Some(unreported) = unreported {
                    let detail = format!("overlay of the {}: {error:#}", scope.name());
                    warn!(reason = detail, unreported, "overlay refused");
                    events.report(EventKind::ConfigurationRefused, Some(detail));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
