//! Which device this is: a name that stays over reinstallation and tells nothing of the machine.
//!
//! As systemd's sd_id128_get_machine_app_specific(3) does it: HMAC-SHA-256 of a constant of ours, keyed with the
//! machine's id, which itself is never told. Where there is no machine's id, a random one is made and kept.

use std::fmt;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};
use tracing::warn;

use crate::private;

/// What the machine's id is bound to; another one would rename every device.
const APPLICATION: &[u8] = b"moodring.device/1";
/// Where Linux keeps the machine's id (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";
/// Name of the file in the storage folder that stands in for it.
const OWN_ID: &str = "device-id";
/// Digits of a machine's id.
const DIGITS: usize = 32;
/// Bytes of the digest that the name shows: with `moodring-` 23 characters, which every broker takes as client id.
const SHOWN: usize = 7;

/// The name of a device: `moodring-` and 14 hexadecimal digits. Also its MQTT client id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceId(String);

impl DeviceId {
    /// This machine's.
    pub fn here(storage: &Path) -> Self {
        Self::read(Path::new(MACHINE_ID), storage)
    }

    /// This machine's where nothing may be kept: without a machine's id it is another one at each start.
    pub fn in_passing() -> Self {
        Self::of(&digits(Path::new(MACHINE_ID)).unwrap_or_else(random))
    }

    fn read(machine_id: &Path, storage: &Path) -> Self {
        let id = digits(machine_id).or_else(|| digits(&storage.join(OWN_ID)));
        Self::of(&id.unwrap_or_else(|| make(storage)))
    }

    /// The device whose machine's id, or anything else that is its own, is `machine`.
    pub fn of(machine: &str) -> Self {
        let digest = hmac(machine.as_bytes(), APPLICATION);
        let suffix: String = digest.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
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

/// RFC 2104 with SHA-256, for keys of at most one block.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let padded =
        |pad: u8| -> [u8; BLOCK] { std::array::from_fn(|index| key.get(index).copied().unwrap_or(0) ^ pad) };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

/// The id in the first line of `path`; none if it is not there or is not one, such as `uninitialized`.
fn digits(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(64).read_to_string(&mut text).ok()?;
    let id = text.trim();
    let is_id = id.len() == DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && id.bytes().any(|byte| byte != b'0')).then(|| id.to_ascii_lowercase())
}

fn random() -> String {
    let mut bytes = [0; DIGITS / 2];
    if let Err(error) = getrandom::fill(&mut bytes) {
        warn!(%error, "no random numbers: this device's name is that of others without them");
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes an id and keeps it, if the disk lets it.
fn make(storage: &Path) -> String {
    let id = random();
    if let Err(error) = private::write(&storage.join(OWN_ID), format!("{id}\n").as_bytes()) {
        warn!(%error, "this device gets another name at each start (no machine-id, and storage.directory cannot be written)");
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn the_name_is_the_machine_s_and_does_not_tell_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let (machine, storage) = (folder.path().join("machine-id"), folder.path().join("state"));
        std::fs::write(&machine, "0123456789abcdef0123456789ABCDEF\n").unwrap();
        let id = DeviceId::read(&machine, &storage);
        let name = id.as_str();
        assert!(name.len() == 23 && name.starts_with("moodring-"), "{name}");
        assert!(name[9..].bytes().all(|byte| byte.is_ascii_hexdigit()) && !name.contains("0123"), "{name}");
        assert_eq!(id, DeviceId::read(&machine, &storage));
        assert!(!storage.exists(), "nothing is kept that need not be");
        std::fs::write(&machine, "fedcba98765432100123456789abcdef\n").unwrap();
        assert_ne!(id, DeviceId::read(&machine, &storage));
    }

    #[test]
    fn without_a_machine_s_id_one_is_made_once() {
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
