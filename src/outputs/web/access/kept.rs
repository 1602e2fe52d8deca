//! Key and list of the paired phones: two small files in the storage folder that only their owner can read.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cookie::Key;
use super::{MOST_PAIRED, Role};
use crate::private;

const KEY_FILE: &str = "page.key";
const LIST_FILE: &str = "paired.json";
/// A larger file is not one of ours.
const MOST_BYTES: u64 = 64 * 1024;

/// A phone that may use the page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paired {
    /// Number in its cookie.
    pub(super) id: String,
    pub(super) role: Role,
    /// Seconds since 1970 (UTC) until which it may.
    pub(super) until_s: i64,
}

/// The key in `directory`; a new one where there is none.
pub(super) fn key(directory: &Path) -> io::Result<Key> {
    if let Some(bytes) = private::read(&directory.join(KEY_FILE), MOST_BYTES)? {
        let bytes = <[u8; 32]>::try_from(bytes)
            .map_err(|_| io::Error::other("page.key is none of ours; delete it"))?;
        return Ok(Key::of(bytes));
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    private::write(&directory.join(KEY_FILE), &bytes)?;
    Ok(Key::of(bytes))
}

/// Who is paired, as it was left.
pub(super) fn read(directory: &Path) -> io::Result<Vec<Paired>> {
    let Some(bytes) = private::read(&directory.join(LIST_FILE), MOST_BYTES)? else { return Ok(Vec::new()) };
    let mut paired: Vec<Paired> = serde_json::from_slice(&bytes)?;
    paired.truncate(MOST_PAIRED);
    Ok(paired)
}

/// Keeps who is paired.
pub(super) fn write(directory: &Path, paired: &[Paired]) -> io::Result<()> {
    private::write(&directory.join(LIST_FILE), &serde_json::to_vec(paired)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn key_and_list_stay_and_only_their_owner_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("state");
        let made = key(&directory).unwrap();
        assert!(key(&directory).unwrap().alike(b"a", b"a") && made.alike(b"a", b"a"));
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
        assert!(key(&directory).is_err(), "nobody gets in by a key that is not ours");
    }
}
