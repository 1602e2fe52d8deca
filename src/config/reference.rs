//! The reference of the configuration, made from the types: their doc comments, defaults and choices.
//!
//! `docs/reference/configuration.md` and `moodring check --print-defaults` both come from here, so neither can be wrong.

use std::fmt::Write;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;

/// One key of a section.
struct Key {
    name: String,
    description: String,
    /// As TOML; `None` where the key is absent by default.
    default: Option<String>,
}

/// One `[section]` of the file, or one `[[section]]` that may be given several times.
struct Section {
    path: String,
    repeats: bool,
    description: String,
    keys: Vec<Key>,
}

impl Section {
    /// As its header stands in the file.
    fn header(&self) -> String {
        if self.repeats { format!("[[{}]]", self.path) } else { format!("[{}]", self.path) }
    }
}

/// A complete configuration file with every key at its default, each explained by a comment.
pub fn annotated_defaults() -> String {
    let mut text = String::from(
        "# Configuration of moodring: every key, at its default. An empty file means the same.\n\
         # `moodring check --config FILE` tells what is wrong with a file.\n",
    );
    for section in sections() {
        // Nothing repeats by default, so all of it is a comment.
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

/// What `crate::reload` does; its tests hold the list of what is taken over.
const A_CHANGED_FILE: &str = "
## A changed file

`systemctl reload moodring`, or SIGHUP to `moodring run`, reads the file again and checks it whole, as `moodring check --run` does, with its timetable,
its calendar and the cards of its networks. **A file with a fault changes nothing**; every fault is told with file, line and key, by `systemctl reload`
itself, in the log, and as the event `configuration_refused`.

| changed | then |
|---|---|
| `night`, `word`, `pace`, `zone`, `log`, `lights.brightness`, `display.brightness`, `.glance_s` and `.detail_s`, `lessons` but for `enabled`, `time_zone` and `report` | holds at once; a lesson under way goes on |
| anything else, with a service manager (`NOTIFY_SOCKET`) | the device ends in order with exit code 75 and is started anew after some seconds, as with an overlay; then all of it holds, and a lesson under way goes on |
| anything else, without one | the first row holds at once; the rest keeps its running value until the next start, and the log names it: `needs_restart=\"room.name\"` |
";

/// The page `docs/reference/configuration.md`.
pub fn reference() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         One TOML file, named with `--config`. Every key has a default; an empty file is valid. Unknown keys are \
         faults. `moodring check --config FILE` reports every fault at once with line and column, \
         `moodring check --print-defaults` writes a commented file to start from.\n\n\
         This page is made from the code: `MOODRING_BLESS=1 cargo test config::reference`.\n",
    );
    text.push_str(A_CHANGED_FILE);
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
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    let defaults = serde_json::to_value(Config::default()).unwrap_or(Value::Null);
    let mut sections = Vec::new();
    collect("", false, &schema, &defaults, &mut sections);
    sections
}

/// Adds the sections below `schema`, which stands at the dotted `path` once, or as often as one likes.
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

/// The doc comment on one line.
fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

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
    fn the_annotated_defaults_are_the_defaults() {
        let text = annotated_defaults();
        assert_eq!(Config::parse(&text, "defaults").unwrap(), Config::default(), "{text}");
    }

    #[test]
    fn every_key_is_explained() {
        for section in sections() {
            assert!(!section.description.is_empty(), "[{}]", section.path);
            for key in section.keys {
                assert!(!key.description.is_empty(), "{}.{}", section.path, key.name);
            }
        }
    }

    #[test]
    fn the_page_in_docs_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/configuration.md");
        if std::env::var_os("MOODRING_BLESS").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == reference(), "renew it: MOODRING_BLESS=1 cargo test config::reference");
    }
}
