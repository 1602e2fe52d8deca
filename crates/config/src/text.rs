//! Mistakes that people make in the text of a configuration, and the parser's messages in plain words.

use toml::de::{DeTable, DeValue};

/// The types of the program and what a person calls them.
const TYPES: [(&str, &str); 19] = [
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number that is not negative"),
    ("usize", "a whole number that is not negative"),
    ("i64", "a whole number"),
    ("f32", "a number"),
    ("f64", "a number"),
    ("floating point", "a number"),
    ("a boolean", "true or false"),
    ("boolean", "the value"),
    ("a string", "text in quotes"),
    ("path string", "a path in quotes"),
    ("socket address", "an address and a port such as \"192.0.2.7:8080\""),
    ("a sequence", "a list in square brackets"),
    ("sequence", "a list"),
    ("a map", "a table"),
    ("map", "a table"),
    ("integer", "the number"),
];

/// The parser's `message` without the names of Rust types.
pub(super) fn plain(message: &str) -> String {
    let message = message.replace('\n', " ");
    let Some((found, expected)) =
        message.strip_prefix("invalid ").and_then(|rest| rest.split_once(", expected "))
    else {
        return unknown(&message);
    };
    let found = found.trim_start_matches("type: ").trim_start_matches("value: ").replace('`', "");
    let kinds = ["integer", "floating point", "boolean", "string", "sequence", "map", "unit"];
    let kind = kinds.into_iter().find(|kind| found.starts_with(kind));
    let value = kind.map_or(found.as_str(), |kind| found[kind.len()..].trim());
    let value = match kind {
        Some("sequence") => "a list",
        Some("map") => "a table",
        _ => value,
    };
    let name = |expected: &str| {
        TYPES.into_iter().find(|(name, _)| *name == expected).map(|(_, words)| words.to_owned())
    };
    let expected = name(expected).unwrap_or_else(|| match expected.split_once(' ') {
        Some(("struct" | "enum", _)) => "a table or one of its values".into(),
        _ => expected.replace('`', "\""),
    });
    format!("the value is {value}, but must be {expected}")
}

/// The message about an unknown or missing name, in plain words.
fn unknown(message: &str) -> String {
    message.replace("missing field", "missing key").replace("unknown variant", "unknown value")
}

/// Faults of the text values in `table`: key, offset and what is wrong. `prefix` is the key of the table.
pub(super) fn faults(table: &DeTable<'_>, prefix: &str, found: &mut Vec<(usize, String, String)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        check(value.get_ref(), value.span().start, &key, found);
    }
}

fn check(value: &DeValue<'_>, offset: usize, key: &str, found: &mut Vec<(usize, String, String)>) {
    match value {
        DeValue::Table(inner) => faults(inner, key, found),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(item.get_ref(), item.span().start, &format!("{key}.{index}"), found);
            }
        }
        DeValue::String(text) => {
            let problem = if text.trim() != text.as_ref() {
                "begins or ends with a blank; remove it"
            } else if text.contains("${") {
                "contains a variable, but variables are not replaced here; write the value itself, and secrets into a \
                 file of their own"
            } else {
                return;
            };
            found.push((offset, key.to_owned(), format!("{key} is {text:?}, which {problem}")));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    fn refusal(text: &str) -> String {
        Config::parse(text, "x.toml").unwrap_err().to_string()
    }

    #[test]
    fn messages_name_no_types_of_the_program() {
        for (text, expected) in [
            (
                "[mqtt]\nport = \"1883\"\n",
                "x.toml:2:8: the value is \"1883\", but must be a whole number from 0 to 65535",
            ),
            ("[mqtt]\nport = 70000\n", "the value is 70000, but must be a whole number from 0 to 65535"),
            ("[mqtt]\nport = 1.5\n", "the value is 1.5, but must be a whole number from 0 to 65535"),
            ("[mqtt]\nhost = 7\n", "the value is 7, but must be text in quotes"),
            ("[mqtt]\nhost = [\"a\"]\n", "the value is a list, but must be text in quotes"),
            ("[mqtt]\ndiscovery = \"yes\"\n", "the value is \"yes\", but must be true or false"),
            ("[night]\nlights = \"low\"\n", "the value is \"low\", but must be a number"),
            ("[mqtt]\ntls = true\n", "but must be a table"),
            ("[storage]\ndirectory = 7\n", "but must be a path in quotes"),
            ("lessons.timetable = 7\n", "but must be a list in square brackets"),
            ("lessons.timetable = [{ minutes = 45 }]\n", "missing key `begin`"),
            ("[camera]\nsource = \"vhs\"\n", "unknown value `vhs`, expected one of `v4l2`"),
            ("[web]\nlisten = \"8080\"\n", "address"),
        ] {
            let message = refusal(text);
            assert!(message.contains(expected), "{text}: {message}");
            for word in [
                "u16",
                "u32",
                "f64",
                "usize",
                "struct",
                "sequence",
                "boolean",
                "variant",
                "field",
                "SocketAddr",
            ] {
                assert!(!message.contains(word), "{text}: {message}");
            }
        }
    }

    #[test]
    fn blanks_at_the_ends_and_variables_are_found_in_every_text() {
        let text = "[room]\nname = \"b-214 \"\n[mqtt]\nusername = \"${USER}\"\n[[webhook]]\nname = \"x\"\n\
                    url = \" https://example.org\"\nsecret_file = \"${CREDENTIALS_DIRECTORY}/x\"\n";
        let message = refusal(text);
        for expected in [
            "x.toml:2:8: room.name is \"b-214 \", which begins or ends with a blank",
            "x.toml:4:12: mqtt.username is \"${USER}\", which contains a variable",
            "x.toml:7:7: webhook.0.url is",
            "x.toml:8:15: webhook.0.secret_file is",
        ] {
            assert!(message.contains(expected), "{message}");
        }
    }
}
