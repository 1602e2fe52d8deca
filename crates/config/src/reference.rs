//! Generates the reference of the configuration from the types: their doc comments and defaults.
//!
//! `docs/reference/configuration.md` and `moodring check --print-defaults` both come from here, so they always match
//! the code.

use std::fmt::Write;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;

/// One key of a section.
struct Key {
    name: String,
    description: String,
    /// Default value as TOML; `None` if the key is not set by default.
    default: Option<String>,
}

/// One `[section]` of the file, or one `[[section]]` that may be repeated.
struct Section {
    path: String,
    repeats: bool,
    description: String,
    keys: Vec<Key>,
}

impl Section {
    /// The section header as it is written in the file.
    fn header(&self) -> String {
        if self.repeats { format!("[[{}]]", self.path) } else { format!("[{}]", self.path) }
    }
}

/// A complete configuration file with every key at its default value and a comment for each key.
pub fn annotated_defaults() -> String {
    let mut text = String::from(
        "# Configuration of moodring: every key with its default value. An empty file has the same effect.\n\
         # `moodring check --config FILE` reports all faults of a file.\n",
    );
    for section in sections() {
        // A repeated section has no default, so the whole section is a comment.
        let mark = if section.repeats { "#" } else { "" };
        let _ = writeln!(text, "\n# {}\n{mark}{}", section.description, section.header());
        for key in section.keys {
            for line in wrap(&key.description, 100) {
                let _ = writeln!(text, "# {line}");
            }
            let _ = match key.default {
                Some(default) => writeln!(text, "{} = {default}", key.name),
                None => writeln!(text, "#{} =", key.name),
            };
        }
    }
    text
}

/// Describes `moodring::reload`, which applies [`live_keys`] at once.
fn changed_file() -> String {
    let live: Vec<_> = live_keys().iter().map(|key| format!("`{key}`")).collect();
    format!(
        "
## A changed file

`systemctl reload moodring`, or SIGHUP to `moodring run`, reads the file again and checks all of it as `moodring check --run` does, including the
timetable, the calendar and the model cards. **A file with a fault changes nothing.** Every fault is reported with file, line and key: in the output of
`systemctl reload`, in the log, and as the event `configuration_refused`.

| changed key | effect |
|---|---|
| {} | applies at once; a running lesson continues |
| any other key, with a service manager (`NOTIFY_SOCKET`) | the device stops in order with exit code 75, and the service manager restarts it after some seconds, as with an overlay; then all keys apply, and a running lesson continues |
| any other key, without a service manager | the keys of the first row apply at once; the other keys keep their current value until the next start, and the log names them: `needs_restart=\"room.name\"` |
",
        live.join(", ")
    )
}

/// Dotted sections and keys that the running device takes over when the file is read again. They are declared with
/// `x-live` at the field; every other key needs a restart.
pub fn live_keys() -> Vec<String> {
    let mut keys = Vec::new();
    collect_live("", &schema(), &mut keys);
    keys
}

fn collect_live(path: &str, schema: &Value, keys: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if property["x-live"] == true {
            keys.push(path);
        } else {
            collect_live(&path, property, keys);
        }
    }
}

fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}

/// The text of the page `docs/reference/configuration.md`.
pub fn reference() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         One TOML file, named with `--config`. Every key has a default; an empty file is valid. Unknown keys are \
         faults. `moodring check --config FILE` reports all faults in one run, with line and column. \
         `moodring check --print-defaults` prints a file with every key and a comment for each.\n\n\
         This page is generated from the code: `MOODRING_BLESS=1 cargo test -p moodring-config reference`.\n",
    );
    text.push_str(&changed_file());
    for section in sections() {
        let _ = writeln!(text, "\n## `{}`\n\n{}\n", section.header(), section.description);
        if !section.keys.is_empty() {
            text.push_str("| key | default | meaning |\n|---|---|---|\n");
        }
        for key in section.keys {
            let default = key.default.map_or_else(|| "none".to_owned(), |default| format!("`{default}`"));
            let _ = writeln!(text, "| `{}` | {default} | {} |", key.name, key.description);
        }
    }
    text
}

fn sections() -> Vec<Section> {
    let schema = schema();
    let defaults = serde_json::to_value(Config::default()).unwrap_or(Value::Null);
    let mut sections = Vec::new();
    collect("", false, &schema, &defaults, &mut sections);
    sections
}

/// Appends the section at the dotted `path`, which `schema` describes, and all sections inside it. `repeats`: the
/// section may be given several times.
fn collect(path: &str, repeats: bool, schema: &Value, defaults: &Value, sections: &mut Vec<Section>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    let mut keys = Vec::new();
    let mut tables = Vec::new();
    for (name, property) in properties {
        let default = &defaults[name];
        let items = &property["items"];
        if default.is_object() {
            tables.push((name, property, default, false));
        } else if items["properties"].is_object() {
            tables.push((name, items, &Value::Null, true));
        } else {
            keys.push(Key { name: name.clone(), description: description(property), default: toml(default) });
        }
    }
    if !path.is_empty() {
        sections.push(Section { path: path.to_owned(), repeats, description: description(schema), keys });
    }
    for (name, property, default, repeats) in tables {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(&path, repeats, property, default, sections);
    }
}

/// The doc comment as one line.
fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A JSON value of a default as TOML.
fn toml(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotated_defaults_equal_the_defaults() {
        let text = annotated_defaults();
        assert_eq!(Config::parse(&text, "defaults").unwrap(), Config::default(), "{text}");
    }

    #[test]
    fn every_key_has_a_description() {
        for section in sections() {
            assert!(!section.description.is_empty(), "[{}]", section.path);
            for key in section.keys {
                assert!(!key.description.is_empty(), "{}.{}", section.path, key.name);
            }
        }
    }

    #[test]
    fn the_page_in_docs_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/configuration.md");
        if std::env::var_os("MOODRING_BLESS").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == reference(),
            "regenerate it: MOODRING_BLESS=1 cargo test -p moodring-config reference"
        );
    }
}
