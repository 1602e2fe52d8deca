//! `[[webhook]]`: servers that get messages over HTTP, for schools without a broker.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::FaultCollector;

/// Each webhook has its own task and spool. A school needs one.
const MAX_WEBHOOKS: usize = 4;
/// Longest name in bytes.
const MAX_NAME: usize = 32;

/// A server to which the device posts signed messages over HTTP. The section may be repeated, at most 4 times.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    /// Name in the log and in the storage folder: 1 to 32 lower-case letters, digits and `-`, different for each
    /// webhook.
    pub name: String,
    /// Address to which messages are posted: `https://…`. `http://` is allowed only for this machine itself.
    pub url: String,
    /// Kinds of messages that are posted: `event` (of the device), `lesson` (begin, and end with a summary), `minute`
    /// (one minute of a lesson). At least one.
    pub messages: Vec<Message>,
    /// File whose first line is the secret for signing messages, at least 16 characters. Empty: the credential
    /// `webhook-NAME` of the service.
    pub secret_file: PathBuf,
    /// PEM file with the certificate authorities for the server's certificate. Empty: the authorities that the system
    /// trusts.
    pub ca_file: PathBuf,
    /// Longest time in seconds for the server to answer, 1 to 60.
    pub timeout_s: f64,
    /// Longest random wait in seconds before a failed message is posted again, 1 to 3600. The first wait is at most
    /// half of it.
    pub retry_within_s: f64,
    /// Largest number of messages that wait while the server cannot be reached, 10 to 100000. The oldest are dropped
    /// first.
    pub spool_entries: u32,
}

/// Kinds of messages; the names are those of the MQTT topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Message {
    /// An event of the device.
    Event,
    /// The begin or the end of a lesson.
    Lesson,
    /// One minute of a lesson.
    Minute,
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: String::new(),
            messages: vec![Message::Event, Message::Lesson],
            secret_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            timeout_s: 10.0,
            retry_within_s: 60.0,
            spool_entries: 2000,
        }
    }
}

/// All checks of `webhooks` that the types cannot express.
pub(super) fn check(webhooks: &[Webhook], faults: &mut FaultCollector) {
    if webhooks.len() > MAX_WEBHOOKS {
        let message =
            format!("is given {} times, but at most {MAX_WEBHOOKS} webhooks are allowed", webhooks.len());
        faults.add("webhook", message);
    }
    for (index, webhook) in webhooks.iter().enumerate() {
        let key = |key: &str| format!("webhook.{index}.{key}");
        if !is_name(&webhook.name) {
            let message = format!(
                "is {:?}, but must be 1 to {MAX_NAME} lower-case letters, digits and -",
                webhook.name
            );
            faults.add(key("name"), message);
        } else if webhooks[..index].iter().any(|other| other.name == webhook.name) {
            faults.add(key("name"), format!("is {:?}, but another webhook has the same name", webhook.name));
        }
        if let Some(fault) = url_fault(&webhook.url) {
            faults.add(key("url"), format!("is {:?}, {fault}", webhook.url));
        }
        if webhook.messages.is_empty() {
            faults.add(key("messages"), "is empty, but must name at least one of event, lesson, minute");
        }
        faults.range(key("timeout_s"), webhook.timeout_s, 1.0, 60.0);
        faults.range(key("retry_within_s"), webhook.retry_within_s, 1.0, 3600.0);
        faults.range(key("spool_entries"), f64::from(webhook.spool_entries), 10.0, 100_000.0);
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |letter: u8| matches!(letter, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed)
}

/// The fault of a URL, as the rest of a sentence.
fn url_fault(url: &str) -> Option<&'static str> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { authority }
    });
    let is_this_machine = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match scheme {
        _ if url.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') => {
            Some("but must not contain spaces or control characters")
        }
        _ if authority.contains('@') => Some("but must not contain a user name or password"),
        "https" if !host.is_empty() => None,
        "http" if is_this_machine => None,
        "http" => Some("but data of a class must be encrypted in a network: use https://"),
        _ => Some("but must be a URL such as \"https://school.example/moodring\""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn errors(text: &str) -> String {
        Config::parse(text, "x.toml").map_err(|error| error.to_string()).err().unwrap_or_default()
    }

    #[test]
    fn a_url_is_encrypted_or_leads_to_this_machine() {
        let with = |url: &str| errors(&format!("[[webhook]]\nname = \"school\"\nurl = \"{url}\"\n"));
        for fine in
            ["https://school.example/m?x=1", "http://localhost:9000/", "http://[::1]:9000", "https://a:8443"]
        {
            assert_eq!(with(fine), "", "{fine}");
        }
        for (url, message) in [
            (
                "http://school.example/",
                "x.toml:3:7: webhook.0.url is \"http://school.example/\", but data of a class",
            ),
            ("ftp://x", "but must be a URL"),
            ("", "but must be a URL"),
            ("https://me:secret@school.example/", "must not contain a user name or password"),
            ("https:///x", "but must be a URL"),
            ("http://localhost.example/", "use https://"),
        ] {
            assert!(with(url).contains(message), "{url}: {}", with(url));
        }
    }

    #[test]
    fn names_are_simple_and_unique() {
        let one = "[[webhook]]\nname = \"a\"\nurl = \"https://x.example\"\n";
        assert!(
            errors(&format!("{one}{one}"))
                .contains("webhook.1.name is \"a\", but another webhook has the same name")
        );
        assert!(errors(&one.replace("\"a\"", "\"../a\"")).contains("must be 1 to 32 lower-case letters"));
        assert!(errors(&one.repeat(5)).contains("at most 4 webhooks are allowed"));
        assert!(errors(&format!("{one}messages = []\n")).contains("must name at least one"));
        assert!(errors(&format!("{one}timeout_s = 0\n")).contains("must be from 1 to 60"));
    }
}
