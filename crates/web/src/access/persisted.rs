//! The signing key and the list of paired phones: two small files in the storage folder, readable by their owner only.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cookie::Key;
use super::{MAX_PAIRED, Role};
use moodring_runtime::atomic_file;

const KEY_FILE: &str = "page.key";
const LIST_FILE: &str = "paired.json";
/// A larger file was not written by this program.
const MAX_BYTES: u64 = 64 * 1024;

/// A paired phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paired {
    /// Number in its cookie, in hexadecimal.
    pub(super) id: String,
    pub(super) role: Role,
    /// End of the pairing, in seconds since 1970 (UTC).
    pub(super) until_s: i64,
}

/// The signing key in `directory`; generates one if there is none.
pub(super) fn key(directory: &Path) -> io::Result<Key> {
    if let Some(bytes) = atomic_file::read(&directory.join(KEY_FILE), MAX_BYTES)? {
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| {
            io::Error::other("page.key is not a key of moodring; delete it, then pair all phones again")
        })?;
        return Ok(Key::of(bytes));
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    atomic_file::write(&directory.join(KEY_FILE), &bytes)?;
    Ok(Key::of(bytes))
}

/// The stored list of paired phones.
pub(super) fn read(directory: &Path) -> io::Result<Vec<Paired>> {
    let Some(bytes) = atomic_file::read(&directory.join(LIST_FILE), MAX_BYTES)? else {
        return Ok(Vec::new());
    };
    let mut paired: Vec<Paired> = serde_json::from_slice(&bytes)?;
    paired.truncate(MAX_PAIRED);
    Ok(paired)
}

/// Stores the list of paired phones.
pub(super) fn write(directory: &Path, paired: &[Paired]) -> io::Result<()> {
    atomic_file::write(&directory.join(LIST_FILE), &serde_json::to_vec(paired)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn key_and_list_are_stored_readable_by_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("state");
        let generated = key(&directory).unwrap();
        assert!(key(&directory).unwrap().is_equal(b"a", b"a") && generated.is_equal(b"a", b"a"));
        let paired = vec![Paired { id: "ab".into(), role: Role::Administrator, until_s: 1 }];
        write(&directory, &paired).unwrap();
        assert_eq!(read(&directory).unwrap(), paired);
        for name in [KEY_FILE, LIST_FILE] {
            let mode = std::fs::metadata(directory.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let bytes = std::fs::read(directory.join(KEY_FILE)).unwrap();
        assert!(bytes.len() == 32 && bytes.iter().any(|byte| *byte != bytes[0]), "a key is random");
        std::fs::write(directory.join(KEY_FILE), "short").unwrap();
        assert!(key(&directory).is_err(), "a foreign key file is refused");
    }
}
