//! The signing key and the list of paired phones: two small files in the storage folder, readable by their owner only.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cookie::Key;
use super::{MAX_PAIRED, PAIRED_FOR, Role};
use moodring_runtime::state_file;

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
    /// End of a teacher's pairing, in seconds since 1970 (UTC).
    pub(super) until_s: i64,
}

impl Paired {
    /// Whether the pairing is valid at `now`. That of an administrator does not end by the clock: a clock that is ahead
    /// would leave the device without one.
    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        self.role == Role::Administrator || now.as_second() < self.until_s
    }
}

/// `paired` with the phone `id`, which pairs at `now`, as the last one. It becomes administrator if there is none; only
/// signing out gives that role up. If the list is full, a teacher's phone is removed: one whose pairing has ended, else
/// the one that was paired first. Otherwise nothing is removed, because the clock may be wrong.
pub(super) fn with_phone(paired: &[Paired], id: &str, now: Timestamp) -> Vec<Paired> {
    let mut paired = paired.to_vec();
    if paired.len() >= MAX_PAIRED {
        let ended = paired.iter().position(|paired| !paired.is_valid(now));
        let teacher = || paired.iter().position(|paired| paired.role == Role::Teacher);
        if let Some(removed) = ended.or_else(teacher) {
            paired.remove(removed);
        }
    }
    let has_administrator = paired.iter().any(|paired| paired.role == Role::Administrator);
    let role = if has_administrator { Role::Teacher } else { Role::Administrator };
    paired.push(Paired { id: id.to_owned(), role, until_s: (now + PAIRED_FOR).as_second() });
    paired
}

/// The signing key in `directory`, if there is one.
pub(super) fn key(directory: &Path) -> io::Result<Option<Key>> {
    let Some(bytes) = state_file::read(&directory.join(KEY_FILE), MAX_BYTES)? else { return Ok(None) };
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| {
        io::Error::other("page.key is not a key of moodring; delete it, then pair all phones again")
    })?;
    Ok(Some(Key::of(bytes)))
}

/// Generates the signing key and stores it in `directory`.
pub(super) fn new_key(directory: &Path) -> io::Result<Key> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    state_file::write_with_copy(&directory.join(KEY_FILE), &bytes)?;
    Ok(Key::of(bytes))
}

/// The stored list of paired phones.
pub(super) fn read(directory: &Path) -> io::Result<Vec<Paired>> {
    let Some(bytes) = state_file::read(&directory.join(LIST_FILE), MAX_BYTES)? else {
        return Ok(Vec::new());
    };
    let mut paired: Vec<Paired> = serde_json::from_slice(&bytes)?;
    paired.truncate(MAX_PAIRED);
    Ok(paired)
}

/// Stores the list of paired phones.
pub(super) fn write(directory: &Path, paired: &[Paired]) -> io::Result<()> {
    state_file::write_with_copy(&directory.join(LIST_FILE), &serde_json::to_vec(paired)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn paired_in_turn(count: usize, now: Timestamp) -> Vec<Paired> {
        (0..count).fold(Vec::new(), |paired, id| with_phone(&paired, &id.to_string(), now))
    }

    fn administrators(paired: &[Paired]) -> Vec<&str> {
        let of_role = paired.iter().filter(|paired| paired.role == Role::Administrator);
        of_role.map(|paired| paired.id.as_str()).collect()
    }

    #[test]
    fn further_phones_never_remove_the_administrator() {
        let now = Timestamp::UNIX_EPOCH;
        let paired = paired_in_turn(4 * MAX_PAIRED, now);
        assert_eq!((paired.len(), administrators(&paired)), (MAX_PAIRED, vec!["0"]));
        assert_eq!(paired[1].id, "151", "the teachers who were paired first were removed");
    }

    #[test]
    fn a_clock_that_is_ahead_gives_nobody_the_role_and_removes_nobody() {
        let now = Timestamp::UNIX_EPOCH;
        let paired = paired_in_turn(3, now);
        let ahead = now + jiff::SignedDuration::from_hours(24 * 91);
        assert!(paired[0].is_valid(ahead) && !paired[1].is_valid(ahead) && paired[1].is_valid(now));
        let paired = with_phone(&paired, "new", ahead);
        assert_eq!((paired.len(), administrators(&paired)), (4, vec!["0"]));
        // In a full list, ended pairings are removed before valid ones.
        let full = paired_in_turn(MAX_PAIRED - 1, ahead);
        let full = [&full[..1], &paired[1..2], &full[1..]].concat();
        let full = with_phone(&full, "new", ahead);
        assert_eq!((full.len(), full[1].id.as_str(), full[1].until_s), (MAX_PAIRED, "1", full[2].until_s));
    }

    #[test]
    fn after_the_administrator_has_signed_out_the_next_phone_has_the_role() {
        let now = Timestamp::UNIX_EPOCH;
        let paired = with_phone(&paired_in_turn(3, now)[1..], "next", now);
        assert_eq!(administrators(&paired), ["next"]);
    }

    #[test]
    fn key_and_list_are_stored_readable_by_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("state");
        assert!(key(&directory).unwrap().is_none());
        let generated = new_key(&directory).unwrap();
        let claim = super::super::cookie::Claim { id: "ab".into(), until_s: 1 };
        let stored = key(&directory).unwrap().unwrap();
        assert_eq!(stored.verify(&generated.sign(&claim)), Some(claim));
        let paired = vec![Paired { id: "ab".into(), role: Role::Administrator, until_s: 1 }];
        write(&directory, &paired).unwrap();
        assert_eq!(read(&directory).unwrap(), paired);
        for name in [KEY_FILE, LIST_FILE] {
            let mode = std::fs::metadata(directory.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let bytes = std::fs::read(directory.join(KEY_FILE)).unwrap();
        assert!(bytes.len() > 32 && bytes.iter().any(|byte| *byte != bytes[0]), "a key is random");
        std::fs::write(directory.join(KEY_FILE), "short").unwrap();
        assert!(key(&directory).is_err(), "a foreign key file is refused");
    }
}
