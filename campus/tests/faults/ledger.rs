//! The keys that devices spooled, that are on their disks, and that arrived: they must agree.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

/// Identifies a spooled message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) device: String,
    pub(crate) spool: String,
    pub(crate) sequence: u64,
}

impl Key {
    /// That of a payload.
    pub(crate) fn of(payload: &Value) -> Self {
        let text = |name: &str| payload[name].as_str().unwrap().to_owned();
        Self { device: text("device"), spool: text("spool"), sequence: payload["sequence"].as_u64().unwrap() }
    }
}

/// The journal: each key, and when it was given in milliseconds since 1970.
pub(crate) fn journal(path: &Path) -> HashMap<Key, i64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The process may have been killed within its last line.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap().to_owned();
            let key = Key { device: word(), spool: word(), sequence: word().parse().unwrap() };
            (key, word().parse().unwrap())
        })
        .collect()
}

/// The keys of the messages in the spools below `storage`, whose devices do not run.
pub(crate) fn on_disk(storage: &Path) -> HashSet<Key> {
    let mut keys = HashSet::new();
    for folder in std::fs::read_dir(storage).unwrap() {
        let file = folder.unwrap().path().join("spool.sqlite");
        if !file.exists() {
            continue;
        }
        let connection = rusqlite::Connection::open(file).unwrap();
        let mut statement = connection.prepare("SELECT payload FROM entry").unwrap();
        let payloads = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        keys.extend(payloads.map(|payload| Key::of(&serde_json::from_slice(&payload.unwrap()).unwrap())));
    }
    keys
}
