//! What was set on the page, laid over the file: `FILE, setup.toml in the storage folder ──▶ Config`.
//!
//! Its one decision: a hardened service may not write below /etc, so what it writes is a file of its own with the same
//! keys, and only those that the page can set (docs/decisions/setup.md).

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use toml::{Table, Value};

use super::faults::{find, line_and_column};
use super::{Config, ConfigError, Fault, Storage};
use crate::private;

/// Keys that the page can set.
pub const ON_THE_PAGE: [&str; 24] = [
    "room.site",
    "room.name",
    "purpose.jurisdiction",
    "purpose.institution",
    "purpose.consent",
    "purpose.contact",
    "mood.mode",
    "mood.min_people",
    "camera.source",
    "camera.view",
    "camera.v4l2.device",
    "camera.v4l2.width",
    "camera.v4l2.height",
    "camera.v4l2.frames_per_s",
    "mqtt.broker",
    "mqtt.host",
    "mqtt.port",
    "mqtt.username",
    "mqtt.password_file",
    "mqtt.tls.enabled",
    "mqtt.tls.ca_file",
    "lessons.begin",
    "lessons.timetable",
    "lessons.time_zone",
];
/// A longer file is none of ours.
const MOST_BYTES: u64 = 64 * 1024;

/// Where what was set on the page lies, if it lies beside the file.
pub fn layer_of(storage: &Storage) -> PathBuf {
    storage.directory().join("setup.toml")
}

impl Config {
    /// This one below what was set on the page, where that is kept beside it.
    pub(super) fn with_layer(self) -> Result<Self, ConfigError> {
        let path = layer_of(&self.storage);
        let file = path.display().to_string();
        let fault =
            |message| ConfigError { file: file.clone(), faults: vec![Fault { position: None, message }] };
        match read(&path) {
            Ok(Some(text)) => self.below(&text, &file),
            Ok(None) => Ok(self),
            Err(error) => Err(fault(format!("cannot be read: {error}; it holds what was set on the page"))),
        }
    }

    /// This one with the keys of `text`, which is called `file`, laid over it.
    ///
    /// # Errors
    /// Every fault of the text, and of what comes out.
    pub fn below(&self, text: &str, file: &str) -> Result<Self, ConfigError> {
        let (table, _) = DeTable::parse_recoverable(text);
        let place = |key: &str| find(table.get_ref(), key).map(|offset| line_and_column(text, offset));
        let failed = |faults| ConfigError { file: file.to_owned(), faults };
        let Ok(over) = toml::from_str::<Table>(text) else { return Self::parse(text, file) };
        let mut keys = Vec::new();
        collect_keys(&over, "", &mut keys);
        let strange = keys.into_iter().filter(|key| !ON_THE_PAGE.contains(&key.as_str()));
        let strange: Vec<_> = strange
            .map(|key| Fault {
                position: place(&key),
                message: format!("{key} cannot be set on the page; set it in the configuration file"),
            })
            .collect();
        if !strange.is_empty() {
            return Err(failed(strange));
        }
        let unwritable = |error: &dyn std::fmt::Display| {
            failed(vec![Fault { position: None, message: error.to_string() }])
        };
        let mut all = Table::try_from(self).map_err(|error| unwritable(&error))?;
        merge(&mut all, over);
        let all = toml::to_string(&all).map_err(|error| unwritable(&error))?;
        Self::parse(&all, file).map_err(|error| {
            // A value of the wrong type is found with its place in the text alone.
            if let Err(alone) = Self::parse(text, file) {
                return alone;
            }
            let placed = |fault: Fault| {
                let key = fault.message.split(' ').next().unwrap_or_default().to_owned();
                Fault { position: place(&key), ..fault }
            };
            failed(error.faults.into_iter().map(placed).collect())
        })
    }
}

/// The text of `path`, if there is one.
fn read(path: &Path) -> io::Result<Option<String>> {
    match private::read(path, MOST_BYTES) {
        Ok(bytes) => bytes.map(|bytes| String::from_utf8(bytes).map_err(io::Error::other)).transpose(),
        // Whoever may not look into the folder of the service sees its file alone; the service itself always may.
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The dotted keys of `table` that have values.
pub(crate) fn collect_keys(table: &Table, prefix: &str, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) if !inner.is_empty() => collect_keys(inner, &key, keys),
            _ => keys.push(key),
        }
    }
}

/// Lays `over` over `table`: tables grow together, everything else is replaced.
pub(crate) fn merge(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(known)), Value::Table(new)) => merge(known, new),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_set_on_the_page_lies_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("moodring.toml");
        let state = directory.path().join("state");
        std::fs::write(&file, format!("[storage]\ndirectory = {state:?}\n[room]\nsite = \"north\"\n"))
            .unwrap();
        assert_eq!(Config::load(&file).unwrap().room.name, "room-1");
        std::fs::create_dir(&state).unwrap();
        let write = |text: &str| std::fs::write(state.join("setup.toml"), text).unwrap();
        write("[room]\nname = \"7b\"\n");
        let config = Config::load(&file).unwrap();
        assert_eq!((config.room.site.as_str(), config.room.name.as_str()), ("north", "7b"));
        for (text, told) in [
            ("[room]\nname = \"a/b\"\n", "setup.toml:2:8: room.name"),
            ("[room]\nname = 7\n", "setup.toml:2:8: invalid type"),
            ("[web]\nlisten = \"0.0.0.0:80\"\n", "setup.toml:2:10: web.listen cannot be set on the page"),
            ("[mqtt]\nbroker = \"external\"\nhost = \"\"\n", "setup.toml:3:8: mqtt.host is needed"),
            ("[room", "setup.toml:1:"),
        ] {
            write(text);
            let refused = Config::load(&file).unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
