//! Sets the device up from its page: `form ──▶ edited TOML ──▶ check ──▶ difference ──▶ file`.
//!
//! If the program may write the administrator's configuration file, it edits that file and preserves comments and
//! order. If not, as in the hardened service, it edits a file with the same keys in the storage folder, which
//! overrides the other (docs/decisions/setup.md). A configuration that `moodring check --run` refuses is not written.

mod difference;
mod recover;
mod service;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use toml_edit::{DocumentMut, Item, TableLike};

use moodring_config::{Config, ConfigError, Fault, PAGE_KEYS, PASSWORD_FILE, setup_file_path};

use crate::reload;
use moodring_mqtt::attempt;
use moodring_runtime::atomic_file;

use moodring_web::setup::{FieldFault, SetupForm};

pub use difference::{Change, Line, difference};
pub use recover::recover;
pub use service::{OnSaved, serve};

/// The first line of a new file in the storage folder.
const HEADER: &str = "# Set on the page of the device (/setup). It overrides the configuration file and may be edited or deleted.\n";
/// Longest value of a field, in characters; the longest in practice is how people agreed.
const MAX_CHARACTERS: usize = 1000;
/// Files of passwords that were typed on the page, in the storage folder. They take turns: if the configuration cannot be
/// written after the password, the present broker does not get the password of the new one.
const PASSWORD_FILES: [&str; 2] = ["mqtt-password", "mqtt-password-2"];
/// The camera. It is the only path among the keys of the page, and must name a camera.
const CAMERA: &str = "camera.v4l2.device";
/// Most lessons of a timetable, as in the configuration.
const MAX_LESSONS: usize = 100;

fn fault(key: &str, message: impl ToString) -> FieldFault {
    FieldFault { key: key.to_owned(), message: message.to_string() }
}

/// A checked change of the configuration that is not written yet.
#[derive(Debug, Clone)]
pub struct ConfigDraft {
    /// The file to write.
    pub target: PathBuf,
    /// Its present text.
    pub before: String,
    /// Its new text.
    pub after: String,
    /// The resulting configuration of the device.
    pub config: Config,
}

impl ConfigDraft {
    /// SHA-256 of the present text, in hexadecimal. It detects a change by somebody else between check and save.
    pub fn digest(&self) -> String {
        moodring_runtime::hex(&Sha256::digest(&self.before))
    }
}

/// The files of one device.
#[derive(Debug, Clone)]
pub struct SetupFiles {
    /// The configuration file that `--config` names.
    pub file: PathBuf,
}

/// The present files of the device.
struct Found {
    base: Config,
    text: String,
    layer: PathBuf,
    /// The text of the set-up file in the storage folder, if there is one.
    layer_text: Option<String>,
    current: Config,
}

impl SetupFiles {
    /// The present configuration.
    ///
    /// # Errors
    /// The files are faulty or cannot be read.
    pub fn current(&self) -> Result<Config, ConfigError> {
        Config::load(&self.file)
    }

    /// The file that a save would write.
    ///
    /// # Errors
    /// As [`SetupFiles::current`].
    pub fn target(&self) -> Result<PathBuf, ConfigError> {
        self.found().map(|found| self.target_of(&found).to_owned())
    }

    fn found(&self) -> Result<Found, ConfigError> {
        let name = self.file.display().to_string();
        let current = self.current()?;
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let base = Config::parse(&text, &name)?;
        let layer = setup_file_path(&base.storage);
        let layer_text = std::fs::read_to_string(&layer).ok();
        Ok(Found { base, text, layer, layer_text, current })
    }

    fn target_of<'a>(&'a self, found: &'a Found) -> &'a Path {
        // Opening for append also detects a read-only file system, and writes nothing.
        let writable = || std::fs::OpenOptions::new().append(true).open(&self.file).is_ok();
        if found.layer_text.is_none() && writable() { &self.file } else { &found.layer }
    }

    /// The present configuration changed by `form`.
    ///
    /// # Errors
    /// All faults, each with its field.
    pub fn draft(&self, form: &SetupForm) -> Result<ConfigDraft, Vec<FieldFault>> {
        let found = self.found().map_err(|error| field_faults(error.faults))?;
        let target = self.target_of(&found).to_owned();
        let in_file = target == self.file;
        let before = if in_file { found.text.clone() } else { found.layer_text.clone().unwrap_or_default() };
        let start = if in_file || found.layer_text.is_some() { before.clone() } else { HEADER.to_owned() };
        let mut document: DocumentMut = start.parse().map_err(|error| vec![fault("", error)])?;
        edit(&mut document, &form.values, &found.current, &form.password)?;
        if let Some(path) = changed_password_file(&found, form) {
            set(&mut document, PASSWORD_FILE, toml_edit::value(path.display().to_string()));
        }
        let after = document.to_string();
        let name = target.display().to_string();
        let config =
            if in_file { Config::parse(&after, &name) } else { found.base.with_page_settings(&after, &name) };
        let config = config.map_err(|error| field_faults(error.faults))?;
        reload::permitted(&config).map_err(field_faults)?;
        require_password(&found.current, &config, &form.password)?;
        Ok(ConfigDraft { target, before, after, config })
    }

    /// Writes `draft`, and `password` to its own file, which the present configuration does not name.
    ///
    /// # Errors
    /// A file cannot be written. The configuration is unchanged then.
    pub fn save(&self, draft: &ConfigDraft, password: &str) -> io::Result<()> {
        if !password.is_empty() {
            atomic_file::write(&draft.config.mqtt.password_file, format!("{password}\n").as_bytes())?;
        }
        let mode = std::fs::metadata(&draft.target).map_or(0o600, |found| found.permissions().mode() & 0o777);
        atomic_file::write_as(&draft.target, draft.after.as_bytes(), mode)
    }
}

/// The new value of [`PASSWORD_FILE`], which the device itself sets; `None`: it stays as it is.
fn changed_password_file(found: &Found, form: &SetupForm) -> Option<PathBuf> {
    let path = if !form.password.is_empty() {
        let [first, second] = PASSWORD_FILES.map(|name| found.base.storage.directory().join(name));
        if found.current.mqtt.password_file == first { second } else { first }
    } else if form.values.get("mqtt.username").is_some_and(|name| name.as_str() == Some("")) {
        // Without a user name no password is sent, so no file is named.
        PathBuf::new()
    } else {
        return None;
    };
    (path != found.current.mqtt.password_file).then_some(path)
}

/// Refuses a change that would send the stored password to another broker, as another user, or without encryption.
fn require_password(current: &Config, new: &Config, typed: &str) -> Result<(), Vec<FieldFault>> {
    let changed = new.mqtt.password_recipient_changes(&current.mqtt);
    if changed.is_empty() || !typed.is_empty() || !attempt::stores_password(&current.mqtt) {
        return Ok(());
    }
    let message = format!(
        "the stored password was meant for other values of {}; type the password for the new ones",
        changed.join(", ")
    );
    Err(vec![fault(PASSWORD_FILE, message)])
}

/// The faults as the page shows them. A fault of a key that the page cannot set is shown for the form as a whole.
fn field_faults(faults: Vec<Fault>) -> Vec<FieldFault> {
    let field = |fault: Fault| FieldFault {
        key: if PAGE_KEYS.contains(&fault.key.as_str()) { fault.key } else { String::new() },
        message: fault.message,
    };
    faults.into_iter().map(field).collect()
}

/// Sets in `document` the values that differ from `current`.
fn edit(
    document: &mut DocumentMut,
    values: &BTreeMap<String, serde_json::Value>,
    current: &Config,
    password: &str,
) -> Result<(), Vec<FieldFault>> {
    let mut refused = Vec::new();
    if password.chars().any(char::is_control) || password.chars().count() > MAX_CHARACTERS {
        refused.push(fault(PASSWORD_FILE, "a password is one line of at most 1000 characters"));
    }
    let present = serde_json::to_value(current).unwrap_or_default();
    for (key, value) in values {
        if !PAGE_KEYS.contains(&key.as_str()) {
            refused.push(fault("", format!("{key} cannot be set on the page")));
            continue;
        }
        let pointer = format!("/{}", key.replace('.', "/"));
        if present.pointer(&pointer).unwrap_or(&serde_json::Value::Null) == value {
            continue;
        }
        if present.pointer(&pointer).is_some_and(serde_json::Value::is_number) && !value.is_number() {
            refused.push(fault(key, format!("{key} must be a whole number")));
            continue;
        }
        if key == CAMERA && !value.as_str().is_some_and(is_camera) {
            let message = format!(
                "{key} must be a camera: /dev/video and its number, or its name in /dev/v4l/by-id or /dev/v4l/by-path; \
                 set any other path in the configuration file"
            );
            refused.push(fault(key, message));
            continue;
        }
        match item(value) {
            Ok(item) => set(document, key, item),
            Err(problem) => refused.push(fault(key, format!("{key} {problem}"))),
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(refused) }
}

/// Whether `path` is of the form in which the kernel and udev name cameras.
fn is_camera(path: &str) -> bool {
    let number = path.strip_prefix("/dev/video");
    let folders = ["/dev/v4l/by-id/", "/dev/v4l/by-path/"];
    let mut names = folders.into_iter().filter_map(|folder| path.strip_prefix(folder));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        || names.any(|name| !matches!(name, "" | "." | "..") && !name.contains('/'))
}

/// `value` as TOML; null becomes [`Item::None`].
fn item(value: &serde_json::Value) -> Result<Item, String> {
    use serde_json::Value;
    Ok(match value {
        Value::Null => Item::None,
        Value::Bool(value) => toml_edit::value(*value),
        Value::Number(number) => toml_edit::value(number.as_i64().ok_or("must be a whole number")?),
        Value::String(text)
            if text.chars().any(char::is_control) || text.chars().count() > MAX_CHARACTERS =>
        {
            return Err("must be one line of at most 1000 characters".into());
        }
        Value::String(text) => toml_edit::value(text.as_str()),
        Value::Array(lessons) => timetable(lessons)?,
        Value::Object(_) => return Err("cannot be a table".into()),
    })
}

/// A lesson of the timetable as the page sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lesson {
    begin: String,
    minutes: i64,
    title: String,
}

/// The timetable as TOML, one lesson a line.
fn timetable(lessons: &[serde_json::Value]) -> Result<Item, String> {
    if lessons.len() > MAX_LESSONS {
        return Err(format!("may have {MAX_LESSONS} lessons at most"));
    }
    let mut array = toml_edit::Array::new();
    for lesson in lessons {
        let Lesson { begin, minutes, title } =
            Lesson::deserialize(lesson).map_err(|error| format!("has an invalid lesson: {error}"))?;
        if [&begin, &title]
            .iter()
            .any(|text| text.chars().any(char::is_control) || text.len() > MAX_CHARACTERS)
        {
            return Err("has a lesson with control characters or with a text that is too long".into());
        }
        let mut row = toml_edit::InlineTable::new();
        row.insert("begin", begin.into());
        row.insert("minutes", minutes.into());
        row.insert("title", title.into());
        let mut row = toml_edit::Value::from(row);
        row.decor_mut().set_prefix("\n  ");
        array.push_formatted(row);
    }
    if !array.is_empty() {
        array.set_trailing("\n");
        array.set_trailing_comma(true);
    }
    Ok(toml_edit::value(array))
}

/// Sets the dotted `key`; the comments beside the old value stay.
fn set(document: &mut DocumentMut, key: &str, item: Item) {
    let mut parts: Vec<_> = key.split('.').collect();
    let Some(name) = parts.pop() else { return };
    let blank = if document.is_empty() { "" } else { "\n" };
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for part in parts {
        let entry = table.entry(part).or_insert_with(|| {
            let mut new = toml_edit::Table::new();
            new.set_implicit(true);
            new.decor_mut().set_prefix(blank);
            Item::Table(new)
        });
        // A value that is not a table here was refused when the file was read.
        let Some(inner) = entry.as_table_like_mut() else { return };
        table = inner;
    }
    match (table.get_mut(name).and_then(Item::as_value_mut), item) {
        (_, Item::None) => drop(table.remove(name)),
        (Some(old), Item::Value(mut new)) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        (_, new) => drop(table.insert(name, new)),
    }
}

#[cfg(test)]
mod tests;
