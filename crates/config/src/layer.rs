//! Applies the settings of the set-up page on top of the file: `FILE, setup.toml in the storage folder ──▶ Config`.
//!
//! The page writes its settings to a separate file, because a hardened service may not write to /etc. That file has the
//! same keys, but only those in [`PAGE_KEYS`] and [`PASSWORD_FILE`] (docs/decisions/setup.md).

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use toml::{Table, Value};

use super::parse::{find, line_and_column};
use super::{Config, ConfigError, Fault, Storage};
use moodring_runtime::{atomic_file, text_file};

/// Keys that the form of the set-up page can set. No file is among them: the first line of any file that the service can
/// read could otherwise be sent to any host as the broker's password.
pub const PAGE_KEYS: [&str; 22] = [
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
    "mqtt.tls.enabled",
    "lessons.begin",
    "lessons.timetable",
    "clock.time_zone",
];
/// Key that the device itself sets when it stores a password that was typed on the page.
pub const PASSWORD_FILE: &str = "mqtt.password_file";
/// A larger file was not written by the set-up page and is refused.
const MAX_BYTES: u64 = 64 * 1024;

/// Path of the file with the settings of the set-up page.
pub fn setup_file_path(storage: &Storage) -> PathBuf {
    storage.directory().join("setup.toml")
}

impl Config {
    /// This configuration with the settings of the set-up page on top, if there are any.
    ///
    /// # Errors
    /// Every fault of the file and of the result, or that the file cannot be read.
    pub(super) fn with_setup_file(self) -> Result<Self, ConfigError> {
        let path = setup_file_path(&self.storage);
        let file = path.display().to_string();
        match read(&path) {
            Ok(Some(text)) => self.with_page_settings(&text, &file),
            Ok(None) => Ok(self),
            Err(error) => {
                let message = format!("cannot be read: {error}; it holds the settings of the set-up page");
                Err(ConfigError::of_file(&file, message))
            }
        }
    }

    /// This configuration with the keys of `text` on top. `file` is the file name in error messages.
    ///
    /// # Errors
    /// Every fault of the text and of the result. A key that is neither in [`PAGE_KEYS`] nor [`PASSWORD_FILE`] is a
    /// fault.
    pub fn with_page_settings(&self, text: &str, file: &str) -> Result<Self, ConfigError> {
        let (table, _) = DeTable::parse_recoverable(text);
        let position = |key: &str| find(table.get_ref(), key).map(|offset| line_and_column(text, offset));
        let failed = |faults| ConfigError { file: file.to_owned(), faults };
        let Ok(over) = toml::from_str::<Table>(text) else { return Self::parse(text, file) };
        let mut keys = Vec::new();
        collect_keys(&over, "", &mut keys);
        let refused =
            keys.into_iter().filter(|key| !PAGE_KEYS.contains(&key.as_str()) && key != PASSWORD_FILE);
        let refused: Vec<_> = refused
            .map(|key| Fault {
                position: position(&key),
                message: format!("{key} cannot be set on the page; set it in the configuration file"),
                key,
            })
            .collect();
        if !refused.is_empty() {
            return Err(failed(refused));
        }
        let unwritable = |error: &dyn std::fmt::Display| ConfigError::of_file(file, error.to_string());
        let mut all = Table::try_from(self).map_err(|error| unwritable(&error))?;
        merge(&mut all, over);
        let all = toml::to_string(&all).map_err(|error| unwritable(&error))?;
        Self::parse(&all, file).map_err(|error| {
            // A value of the wrong type has a position only if the text is parsed alone.
            if let Err(alone) = Self::parse(text, file) {
                return alone;
            }
            let placed = |fault: Fault| Fault { position: position(&fault.key), ..fault };
            failed(error.faults.into_iter().map(placed).collect())
        })
    }
}

/// The text of the file at `path`; `None` if there is no such file.
fn read(path: &Path) -> io::Result<Option<String>> {
    match atomic_file::read(path, MAX_BYTES) {
        Ok(bytes) => bytes.map(|bytes| text_file::decode(bytes).map_err(io::Error::other)).transpose(),
        // A user without access to the folder of the service gets the configuration file alone. The service has access.
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Appends the dotted keys of all values in `table` to `keys`.
pub fn collect_keys(table: &Table, prefix: &str, keys: &mut Vec<String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) if !inner.is_empty() => collect_keys(inner, &key, keys),
            _ => keys.push(key),
        }
    }
}

/// Merges `over` into `table`: tables are merged key by key, every other value is replaced.
pub fn merge(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(existing)), Value::Table(new)) => merge(existing, new),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_the_page_override_the_file() {
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
        for (text, expected) in [
            ("[room]\nname = \"a/b\"\n", "setup.toml:2:8: room.name"),
            ("[room]\nname = 7\n", "setup.toml:2:8: the value is 7, but must be text in quotes"),
            ("[web]\nlisten = \"0.0.0.0:80\"\n", "setup.toml:2:10: web.listen cannot be set on the page"),
            ("[mqtt.tls]\nca_file = \"/x\"\n", "setup.toml:2:11: mqtt.tls.ca_file cannot be set on the page"),
            ("[mqtt]\nbroker = \"external\"\nhost = \"\"\n", "setup.toml:3:8: mqtt.host is needed"),
            ("[room", "setup.toml:1:"),
        ] {
            write(text);
            let refused = Config::load(&file).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
