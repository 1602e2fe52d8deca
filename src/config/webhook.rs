//! `[[webhook]]`: who is told by HTTP what happens, for schools without a broker.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::faults::Complaints;

/// Each has a task and a spool of its own; a school needs one.
const MOST_WEBHOOKS: usize = 4;
const MOST_NAME: usize = 32;

/// An address that is told by HTTP, in signed messages, what happens. May be given several times.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    /// What it is called in the log and in the storage folder: small letters, digits and `-`, at most 32.
    pub name: String,
    /// Where messages are posted: `https://…`; `http://` only to this machine itself.
    pub url: String,
    /// Which are posted: `event` (of the device), `lesson` (begin, and end with its summary), `minute` (of a lesson).
    pub messages: Vec<Message>,
    /// File whose first line is the secret that messages are signed with, at least 16 characters. Empty: the service's
    /// credential `webhook-NAME`.
    pub secret_file: PathBuf,
    /// PEM file of the authorities that may vouch for the server. Empty: those that the system trusts.
    pub ca_file: PathBuf,
    /// The server must answer within this long, 1 to 60.
    pub timeout_s: f64,
    /// A server that did not take a message is asked again within this long, at random, the first time within half of
    /// it, 1 to 3600.
    pub retry_within_s: f64,
    /// Messages that may wait while the server is away, 10 to 100000; the oldest are dropped first.
    pub spool_entries: u32,
}

/// A kind of message, named as its topic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Message {
    /// Something happened to the device.
    Event,
    /// A lesson began or ended.
    Lesson,
    /// A minute of a lesson.
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

/// Complains about everything that types cannot say of `webhooks`.
pub(super) fn check(webhooks: &[Webhook], complaints: &mut Complaints) {
    if webhooks.len() > MOST_WEBHOOKS {
        let message = format!("is given {} times, at most {MOST_WEBHOOKS} are possible", webhooks.len());
        complaints.add("webhook", message);
    }
    for (index, webhook) in webhooks.iter().enumerate() {
        let key = |key: &str| format!("webhook.{index}.{key}");
        if !is_name(&webhook.name) {
            let message =
                format!("is {:?}, but must be 1 to {MOST_NAME} small letters, digits and -", webhook.name);
            complaints.add(key("name"), message);
        } else if webhooks[..index].iter().any(|other| other.name == webhook.name) {
            complaints.add(key("name"), format!("is {:?}, as is that of another webhook", webhook.name));
        }
        if let Some(fault) = url_fault(&webhook.url) {
            complaints.add(key("url"), format!("is {:?}, {fault}", webhook.url));
        }
        if webhook.messages.is_empty() {
            complaints.add(key("messages"), "is empty, but must name at least one of event, lesson, minute");
        }
        complaints.range(key("timeout_s"), webhook.timeout_s, 1.0, 60.0);
        complaints.range(key("retry_within_s"), webhook.retry_within_s, 1.0, 3600.0);
        complaints.range(key("spool_entries"), f64::from(webhook.spool_entries), 10.0, 100_000.0);
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |letter: u8| matches!(letter, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=MOST_NAME).contains(&name.len()) && name.bytes().all(allowed)
}

/// What is wrong with an address, as the rest of a sentence.
fn url_fault(url: &str) -> Option<&'static str> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { authority }
    });
    let is_own = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match scheme {
        _ if url.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') => Some("which holds a space"),
        _ if authority.contains('@') => Some("but a password does not belong into this file"),
        "https" if !host.is_empty() => None,
        "http" if is_own => None,
        "http" => Some("but figures of a class must not cross a network in the clear: use https://"),
        _ => Some("but must be an address such as \"https://school.example/moodring\""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn told(text: &str) -> String {
        Config::parse(text, "x.toml").map_err(|error| error.to_string()).err().unwrap_or_default()
    }

    #[test]
    fn an_address_is_encrypted_or_this_machine_s_own() {
        let with = |url: &str| told(&format!("[[webhook]]\nname = \"school\"\nurl = \"{url}\"\n"));
        for fine in
            ["https://school.example/m?x=1", "http://localhost:9000/", "http://[::1]:9000", "https://a:8443"]
        {
            assert_eq!(with(fine), "", "{fine}");
        }
        for (url, message) in [
            (
                "http://school.example/",
                "x.toml:3:7: webhook.0.url is \"http://school.example/\", but figures of a class",
            ),
            ("ftp://x", "but must be an address"),
            ("", "but must be an address"),
            ("https://me:secret@school.example/", "a password does not belong"),
            ("https:///x", "but must be an address"),
            ("http://localhost.example/", "use https://"),
        ] {
            assert!(with(url).contains(message), "{url}: {}", with(url));
        }
    }

    #[test]
    fn names_are_plain_and_different() {
        let one = "[[webhook]]\nname = \"a\"\nurl = \"https://x.example\"\n";
        assert!(
            told(&format!("{one}{one}")).contains("webhook.1.name is \"a\", as is that of another webhook")
        );
        assert!(told(&one.replace("\"a\"", "\"../a\"")).contains("must be 1 to 32 small letters"));
        assert!(told(&one.repeat(5)).contains("at most 4 are possible"));
        assert!(told(&format!("{one}messages = []\n")).contains("must name at least one"));
        assert!(told(&format!("{one}timeout_s = 0\n")).contains("must be from 1 to 60"));
    }
}
