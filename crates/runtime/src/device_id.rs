//! The name of the device: it survives a reinstallation and does not reveal the machine id.
//!
//! As in sd_id128_get_machine_app_specific(3): HMAC-SHA-256 of a constant, keyed with the machine id, which is never
//! published. Without a machine id, a random id is created and stored.

use std::fmt;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};
use tracing::warn;

use crate::{hex, state_file};

/// Message of the HMAC. Changing it would rename every device.
const APPLICATION: &[u8] = b"moodring.device/1";
/// File of the machine id (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";
/// Name of the file in the storage folder with the id of a machine without a machine id.
const OWN_ID: &str = "device-id";
/// Hexadecimal digits of a machine id.
const DIGITS: usize = 32;
/// Bytes of the digest in the name. With `moodring-` this gives 23 characters, which every broker accepts as client id.
const SUFFIX_BYTES: usize = 7;

/// The name of a device: `moodring-` and 14 hexadecimal digits. Also its MQTT client id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceId(String);

impl DeviceId {
    /// The name of this machine. Without a machine id, an id is created in `storage`.
    pub fn detect(storage: &Path) -> Self {
        Self::read(Path::new(MACHINE_ID), storage)
    }

    /// The name of this machine, without writing anything. Without a machine id it changes at each start.
    pub fn ephemeral() -> Self {
        Self::of(&read_id(Path::new(MACHINE_ID)).unwrap_or_else(random_id))
    }

    fn read(machine_id: &Path, storage: &Path) -> Self {
        let id = read_id(machine_id).or_else(|| own_id(storage));
        Self::of(&id.unwrap_or_else(|| create_id(storage)))
    }

    /// The name derived from `machine`, a machine id or any other text that is unique to the device. Only its first
    /// 64 bytes count.
    pub fn of(machine: &str) -> Self {
        let digest = hmac(machine.as_bytes(), APPLICATION);
        let suffix = hex(&digest[..SUFFIX_BYTES]);
        Self(format!("moodring-{suffix}"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// HMAC-SHA-256 (RFC 2104), for keys of at most one block of 64 bytes.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let padded =
        |pad: u8| -> [u8; BLOCK] { std::array::from_fn(|index| key.get(index).copied().unwrap_or(0) ^ pad) };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

/// The id in the file `path`; `None` if there is no file or no valid id in it, such as `uninitialized`.
fn read_id(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(64).read_to_string(&mut text).ok()?;
    let id = text.trim();
    let is_id = id.len() == DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && id.bytes().any(|byte| byte != b'0')).then(|| id.to_ascii_lowercase())
}

/// The id that was created in `storage`.
fn own_id(storage: &Path) -> Option<String> {
    let bytes = state_file::read(&storage.join(OWN_ID), 256).ok()??;
    String::from_utf8(bytes).ok().filter(|id| id.len() == DIGITS)
}

fn random_id() -> String {
    let mut bytes = [0; DIGITS / 2];
    if let Err(error) = getrandom::fill(&mut bytes) {
        warn!(%error, "the operating system provides no random numbers: other such devices have the same name");
    }
    hex(&bytes)
}

/// Creates an id and stores it. If it cannot be stored, the id is used for this run only.
fn create_id(storage: &Path) -> String {
    let id = random_id();
    if let Err(error) = state_file::write(&storage.join(OWN_ID), id.as_bytes()) {
        warn!(%error, "the device's name changes at each start: there is no machine-id, and storage.directory cannot be written");
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_matches_rfc_4231() {
        assert_eq!(
            hex(&hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn the_name_depends_on_the_machine_id_and_does_not_reveal_it() {
        let folder = tempfile::tempdir().unwrap();
        let (machine, storage) = (folder.path().join("machine-id"), folder.path().join("state"));
        std::fs::write(&machine, "0123456789abcdef0123456789ABCDEF\n").unwrap();
        let id = DeviceId::read(&machine, &storage);
        let name = id.as_str();
        assert!(name.len() == 23 && name.starts_with("moodring-"), "{name}");
        assert!(name[9..].bytes().all(|byte| byte.is_ascii_hexdigit()) && !name.contains("0123"), "{name}");
        assert_eq!(id, DeviceId::read(&machine, &storage));
        assert!(!storage.exists(), "nothing is stored if there is a machine id");
        std::fs::write(&machine, "fedcba98765432100123456789abcdef\n").unwrap();
        assert_ne!(id, DeviceId::read(&machine, &storage));
    }

    #[test]
    fn without_a_machine_id_an_id_is_created_once() {
        let folder = tempfile::tempdir().unwrap();
        let machine = folder.path().join("machine-id");
        for content in [None, Some("uninitialized\n"), Some(&*"0".repeat(32))] {
            if let Some(content) = content {
                std::fs::write(&machine, content).unwrap();
            }
            let id = DeviceId::read(&machine, folder.path());
            assert_eq!(id, DeviceId::read(&machine, folder.path()), "{content:?}");
        }
        let other = tempfile::tempdir().unwrap();
        assert_ne!(DeviceId::read(&machine, folder.path()), DeviceId::read(&machine, other.path()));
    }
}
