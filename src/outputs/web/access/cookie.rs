//! The cookie: a number and an end, signed with the device's key (HMAC-SHA256).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a number that nobody guesses.
const ID_BYTES: usize = 16;
/// Nothing that this program signs is longer.
const MOST_LENGTH: usize = 160;

/// What a cookie says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// Number of the phone in the list.
    pub(super) id: String,
    /// Seconds since 1970 (UTC) until which it holds.
    pub(super) until_s: i64,
}

/// The device's key.
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) const fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A key of 32 bytes suits HMAC-SHA256 as it is.
    fn mac(&self, what: &str, bytes: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(what.as_bytes());
        mac.update(bytes);
        Some(mac)
    }

    /// The cookie's value.
    pub(super) fn sign(&self, claim: &Claim) -> String {
        let text = format!("1.{}.{}", claim.id, claim.until_s);
        let mac = self.mac("session", text.as_bytes()).map(|mac| hex(&mac.finalize().into_bytes()));
        format!("{text}.{}", mac.unwrap_or_default())
    }

    /// What `value` says, if this key signed it; compared in constant time.
    pub(super) fn verify(&self, value: &str) -> Option<Claim> {
        if value.len() > MOST_LENGTH {
            return None;
        }
        let (text, signature) = value.rsplit_once('.')?;
        self.mac("session", text.as_bytes())?.verify_slice(&unhex(signature)?).ok()?;
        let (id, until) = text.strip_prefix("1.")?.split_once('.')?;
        Some(Claim { id: id.to_owned(), until_s: until.parse().ok()? })
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    pub(super) fn alike(&self, one: &[u8], other: &[u8]) -> bool {
        let Some((one, other)) = self.mac("code", one).zip(self.mac("code", other)) else { return false };
        one.verify_slice(&other.finalize().into_bytes()).is_ok()
    }
}

/// A number that nobody guesses.
///
/// # Errors
/// The system has no random numbers.
pub(super) fn fresh_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; ID_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lower-case hexadecimal, as [`hex`] writes it.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some((digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_key_signed_is_believed() {
        let key = Key::of([7; 32]);
        let claim = Claim { id: "ab".repeat(16), until_s: 1_800_000_000 };
        let value = key.sign(&claim);
        assert_eq!(key.verify(&value), Some(claim.clone()));
        assert_eq!(Key::of([8; 32]).verify(&value), None, "another device's");
        let (text, signature) = value.rsplit_once('.').unwrap();
        for forged in [
            String::new(),
            ".".into(),
            "...".into(),
            text.to_owned(),
            format!("{text}."),
            format!("{text}.{}", &signature[..62]),
            format!("{text}.{}", signature.to_uppercase()),
            format!("{text}.{}", "0".repeat(64)),
            value.replace("1800000000", "1900000000"),
            value.replacen("ab", "ac", 1),
            value.replacen("1.", "2.", 1),
            format!("{value}00"),
            "x".repeat(100_000),
        ] {
            assert_eq!(key.verify(&forged), None, "{forged:.100}");
        }
        // Every single letter counts.
        for index in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[index] ^= 1;
            assert_eq!(key.verify(std::str::from_utf8(&changed).unwrap()), None, "letter {index}");
        }
    }

    #[test]
    fn codes_are_alike_or_not() {
        let key = Key::of([7; 32]);
        assert!(
            key.alike(b"481516", b"481516") && !key.alike(b"481516", b"481517") && !key.alike(b"481516", b"")
        );
    }
}
