//! Setting the device up on its page: `answers ──▶ the same TOML, edited ──▶ checked ──▶ difference ──▶ file`.
//!
//! Its one decision: it edits the file that an administrator edits, comments and order kept, where the program may
//! write it; where it may not, as in the hardened service, a file of the same keys in the storage folder, which lies
//! over the other (docs/decisions/setup.md). What `moodring check --run` refuses is not written.

mod difference;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toml_edit::{DocumentMut, Item, TableLike};

use crate::config::{Config, ConfigError, ON_THE_PAGE, layer_of};
use crate::law::{self, Refusal};
use crate::{private, reload};

pub use difference::{Change, Line, difference};

/// What a new file in the storage folder begins with.
const HEADER: &str = "# Set on the page of the device (/setup); lies over its configuration file, and may be edited or deleted.\n";
/// Letters of an answer at most; the longest is how people agreed.
const MOST_LETTERS: usize = 1000;
/// As in the configuration.
const MOST_LESSONS: usize = 100;

/// What somebody wishes on the page.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wishes {
    /// Values by dotted key; null: none.
    pub values: BTreeMap<String, serde_json::Value>,
    /// A new password for the broker; empty: the one that is kept.
    #[serde(default)]
    pub password: String,
}

/// What cannot be, and at which field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldFault {
    /// Its dotted key; empty where it is about no field of the page.
    pub key: String,
    /// As `moodring check` tells it.
    pub message: String,
}

impl FieldFault {
    fn of(key: &str, message: impl ToString) -> Self {
        Self { key: key.to_owned(), message: message.to_string() }
    }
}

/// The configuration as it would be.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The file that would be written.
    pub target: PathBuf,
    /// What it holds now.
    pub before: String,
    /// What it would hold.
    pub after: String,
    /// What would hold on the device.
    pub config: Config,
}

impl Draft {
    /// Names what the file holds now, so that nobody overwrites what somebody else wrote meanwhile.
    pub fn digest(&self) -> String {
        Sha256::digest(&self.before).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The files of one device.
#[derive(Debug, Clone)]
pub struct SetUp {
    /// As named with `--config`.
    pub file: PathBuf,
}

/// The files as they are now.
struct Found {
    base: Config,
    text: String,
    layer: PathBuf,
    /// The text of the layer, if there is one.
    laid: Option<String>,
    current: Config,
}

impl SetUp {
    /// The configuration of the files as they are now.
    ///
    /// # Errors
    /// They are faulty or cannot be read.
    pub fn current(&self) -> Result<Config, ConfigError> {
        Config::load(&self.file)
    }

    /// The file that would be written now.
    ///
    /// # Errors
    /// As [`SetUp::current`].
    pub fn target(&self) -> Result<PathBuf, ConfigError> {
        self.found().map(|found| self.target_of(&found).to_owned())
    }

    fn found(&self) -> Result<Found, ConfigError> {
        let name = self.file.display().to_string();
        let current = self.current()?;
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let base = Config::parse(&text, &name)?;
        let layer = layer_of(&base.storage);
        let laid = std::fs::read_to_string(&layer).ok();
        Ok(Found { base, text, layer, laid, current })
    }

    fn target_of<'a>(&'a self, found: &'a Found) -> &'a Path {
        // Opened, not written: it tells of read-only file systems too.
        let writable = || std::fs::OpenOptions::new().append(true).open(&self.file).is_ok();
        if found.laid.is_none() && writable() { &self.file } else { &found.layer }
    }

    /// The configuration with `wishes`.
    ///
    /// # Errors
    /// Everything that stands against it, each at its field.
    pub fn draft(&self, wishes: &Wishes) -> Result<Draft, Vec<FieldFault>> {
        let found = self.found().map_err(faults)?;
        let target = self.target_of(&found).to_owned();
        let in_file = target == self.file;
        let before = if in_file { found.text.clone() } else { found.laid.clone().unwrap_or_default() };
        let start = if in_file || found.laid.is_some() { before.clone() } else { HEADER.to_owned() };
        let mut document: DocumentMut = start.parse().map_err(|error| vec![FieldFault::of("", error)])?;
        let mut values = wishes.values.clone();
        if !wishes.password.is_empty() {
            let path = password_file(&found.base);
            values.insert("mqtt.password_file".to_owned(), path.display().to_string().into());
        }
        edit(&mut document, &values, &found.current, &wishes.password)?;
        let after = document.to_string();
        let name = target.display().to_string();
        let config = if in_file { Config::parse(&after, &name) } else { found.base.below(&after, &name) };
        let config = config.map_err(faults)?;
        permit(&config)?;
        Ok(Draft { target, before, after, config })
    }

    /// Writes what `draft` says, and `password` to a file of its own.
    ///
    /// # Errors
    /// A file cannot be written; then the configuration is as it was.
    pub fn save(&self, draft: &Draft, password: &str) -> io::Result<()> {
        if !password.is_empty() {
            private::write(&password_file(&draft.config), format!("{password}\n").as_bytes())?;
        }
        let mode = std::fs::metadata(&draft.target).map_or(0o600, |found| found.permissions().mode() & 0o777);
        private::write_as(&draft.target, draft.after.as_bytes(), mode)
    }
}

fn password_file(config: &Config) -> PathBuf {
    config.storage.directory().join("mqtt-password")
}

/// What `moodring run` would refuse.
fn permit(config: &Config) -> Result<(), Vec<FieldFault>> {
    law::permit(config).map_err(|refusal| match &refusal {
        Refusal::Undeclared { missing } => missing.iter().map(|key| FieldFault::of(key, &refusal)).collect(),
        Refusal::Prohibited { .. } => vec![FieldFault::of("mood.mode", &refusal)],
    })?;
    reload::permitted(config).map_err(|told| vec![FieldFault::of(&field_of(&told), &told)])
}

fn faults(error: ConfigError) -> Vec<FieldFault> {
    let fault = |fault: &crate::config::Fault| FieldFault::of(&field_of(&fault.message), &fault.message);
    error.faults.iter().map(fault).collect()
}

/// The field that a complaint is about: it begins with the key.
fn field_of(message: &str) -> String {
    let key = message.split([' ', ',']).next().unwrap_or_default();
    ON_THE_PAGE.into_iter().find(|known| *known == key).unwrap_or_default().to_owned()
}

/// Sets in `document` what differs from `current`.
fn edit(
    document: &mut DocumentMut,
    values: &BTreeMap<String, serde_json::Value>,
    current: &Config,
    password: &str,
) -> Result<(), Vec<FieldFault>> {
    let mut refused = Vec::new();
    if password.chars().any(char::is_control) || password.chars().count() > MOST_LETTERS {
        refused.push(FieldFault::of("mqtt.password_file", "a password is one line of at most 1000 letters"));
    }
    let held = serde_json::to_value(current).unwrap_or_default();
    for (key, value) in values {
        if !ON_THE_PAGE.contains(&key.as_str()) {
            refused.push(FieldFault::of("", format!("{key} cannot be set on the page")));
            continue;
        }
        let pointer = format!("/{}", key.replace('.', "/"));
        if held.pointer(&pointer).unwrap_or(&serde_json::Value::Null) == value {
            continue;
        }
        if held.pointer(&pointer).is_some_and(serde_json::Value::is_number) && !value.is_number() {
            refused.push(FieldFault::of(key, format!("{key} must be a whole number")));
            continue;
        }
        match item(value) {
            Ok(item) => set(document, key, item),
            Err(problem) => refused.push(FieldFault::of(key, format!("{key} {problem}"))),
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(refused) }
}

/// `value` as TOML; an absent one is none.
fn item(value: &serde_json::Value) -> Result<Item, String> {
    use serde_json::Value;
    Ok(match value {
        Value::Null => Item::None,
        Value::Bool(value) => toml_edit::value(*value),
        Value::Number(number) => toml_edit::value(number.as_i64().ok_or("must be a whole number")?),
        Value::String(text) if text.chars().any(char::is_control) || text.chars().count() > MOST_LETTERS => {
            return Err("must be one line of at most 1000 letters".into());
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

/// One lesson a line.
fn timetable(lessons: &[serde_json::Value]) -> Result<Item, String> {
    if lessons.len() > MOST_LESSONS {
        return Err(format!("may have {MOST_LESSONS} lessons at most"));
    }
    let mut array = toml_edit::Array::new();
    for lesson in lessons {
        let Lesson { begin, minutes, title } =
            Lesson::deserialize(lesson).map_err(|error| format!("has a lesson that is none: {error}"))?;
        if [&begin, &title].iter().any(|text| text.chars().any(char::is_control) || text.len() > MOST_LETTERS)
        {
            return Err("has a lesson with letters that cannot be printed".into());
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

/// Sets the dotted `key`; comments beside an old value stay.
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
        // What is no table here was refused when the file was read.
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
