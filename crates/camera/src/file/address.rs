//! Addresses of cameras and streams (`rtsp://…`), and how messages name them.
//!
//! User, password, path and query may each hold a secret (`?user=admin&pwd=…`, `/user=admin_password=…`, a token as a
//! path). Messages go to the log, the broker and the health page, so they name scheme and host only.

use std::path::Path;

/// Whether `input` is an address (`scheme://…`) and not a file.
pub(super) fn is_address(input: &Path) -> bool {
    scheme(&input.to_string_lossy()).is_some()
}

/// Scheme and rest of an address.
fn scheme(text: &str) -> Option<(&str, &str)> {
    text.split_once("://").filter(|(scheme, _)| {
        !scheme.is_empty()
            && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+.-".contains(letter))
    })
}

/// The name of a file or address for messages: of an address only scheme, host and port.
pub fn display_name(input: &Path) -> String {
    let text = input.to_string_lossy();
    match scheme(&text) {
        Some((scheme, rest)) => format!("{scheme}://{}", host(rest).unwrap_or("…")),
        None => text.into_owned(),
    }
}

/// Host and port of an address without its scheme. `None` if they cannot be told from a password with certainty.
fn host(rest: &str) -> Option<&str> {
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = &rest[..end];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, ""),
    };
    let is_name = |letter: char| letter.is_alphanumeric() || "-._[]:%".contains(letter);
    // A password may contain a slash: `rtsp://user:pass/word@host`.
    let ambiguous = !authority.contains('@') && rest[end..].split(['?', '#']).next()?.contains('@');
    let is_host =
        !name.is_empty() && name.chars().all(is_name) && port.chars().all(|digit| digit.is_ascii_digit());
    (is_host && !ambiguous).then_some(host)
}

/// Replaces in a message everything that may be a secret of the address `input`: other addresses are shortened to
/// scheme and host, and parts of this one are left out.
pub(super) fn without_secrets(message: &str, input: &Path) -> String {
    let mut text = String::new();
    for (index, word) in message.split(' ').enumerate() {
        if index > 0 {
            text.push(' ');
        }
        let inner = word.trim_matches(['\'', '"', '(', ')', ',', ';']);
        match scheme(inner) {
            Some(_) => text += &word.replace(inner, &display_name(Path::new(inner))),
            None => text += word,
        }
    }
    let address = input.to_string_lossy();
    let Some((_, rest)) = scheme(&address) else { return text };
    let shown = host(rest).unwrap_or_default();
    let parts = rest.split(['/', '?', '&', '=', '@', '#', ':', ';', '_', '\\']);
    for part in parts.filter(|part| part.len() >= 3 && !shown.contains(part)) {
        text = text.replace(part, "…");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_distinguished_from_files() {
        assert!(is_address(Path::new("rtsp://camera/stream")));
        assert!(!is_address(Path::new("lesson 1: maths.mp4")));
        assert!(!is_address(Path::new("/tmp/a://b")));
        assert_eq!(display_name(Path::new("/home/a@b/c.mp4")), "/home/a@b/c.mp4");
    }

    #[test]
    fn no_part_of_an_address_that_may_be_a_secret_is_shown() {
        for (address, shown) in [
            ("rtsp://me:p@ss@camera:554/a@b", "rtsp://camera:554"),
            ("http://127.0.0.1:9/video.cgi?user=admin&pwd=hunter2", "http://127.0.0.1:9"),
            ("http://camera?pwd=hunter2", "http://camera"),
            ("http://camera#hunter2", "http://camera"),
            ("rtsp://camera:554/user=admin_password=hunter2_channel=1", "rtsp://camera:554"),
            ("https://camera/live/hunter2", "https://camera"),
            ("rtsp://me:hunter2/x@camera/live", "rtsp://…"),
            ("rtsp://me:hunter2", "rtsp://…"),
            ("rtsp://me:hunter2?x@camera", "rtsp://…"),
            ("rtsp://me:hunter2@[fe80::1]:554/live", "rtsp://[fe80::1]:554"),
            ("rtsp://[fe80::1]/hunter2", "rtsp://[fe80::1]"),
        ] {
            assert_eq!(display_name(Path::new(address)), shown);
        }
    }

    #[test]
    fn messages_of_ffmpeg_keep_no_secret() {
        let input = Path::new("http://me:hunter2@cam/video.cgi?pwd=hunter3");
        for (message, expected) in [
            (
                "Impossible to open 'http://me:hunter2@cam/video.cgi?pwd=hunter3'",
                "Impossible to open 'http://cam'",
            ),
            (
                "Connection to tcp://10.0.0.7:80?token=hunter9 failed",
                "Connection to tcp://10.0.0.7:80 failed",
            ),
            ("unexpected reply to hunter2, hunter3", "unexpected reply to …, …"),
            ("Connection refused", "Connection refused"),
        ] {
            assert_eq!(without_secrets(message, input), expected);
        }
    }
}
