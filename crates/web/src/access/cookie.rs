//! The session cookie: a random number and an end, signed with the device's key (HMAC-SHA256).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Length of a cookie's random number, in bytes.
const ID_BYTES: usize = 16;
/// Maximum length of a signed cookie, in bytes.
const MAX_LENGTH: usize = 160;

/// Content of a cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// Number of the phone in the list of paired phones.
    pub(super) id: String,
    /// End of its validity, in seconds since 1970 (UTC).
    pub(super) until_s: i64,
}

/// The device's signing key.
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) const fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// HMAC-SHA256 of `bytes`; `purpose` keeps signatures of different uses apart.
    fn mac(&self, purpose: &str, bytes: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(purpose.as_bytes());
        mac.update(bytes);
        Some(mac)
    }

    /// The cookie's value for `claim`.
    pub(super) fn sign(&self, claim: &Claim) -> String {
        let text = format!("1.{}.{}", claim.id, claim.until_s);
        let mac = self.mac("session", text.as_bytes()).map(|mac| hex(&mac.finalize().into_bytes()));
        format!("{text}.{}", mac.unwrap_or_default())
    }

    /// The content of `value` if this key signed it; the signature is compared in constant time.
    pub(super) fn verify(&self, value: &str) -> Option<Claim> {
        if value.len() > MAX_LENGTH {
            return None;
        }
        let (text, signature) = value.rsplit_once('.')?;
        self.mac("session", text.as_bytes())?.verify_slice(&unhex(signature)?).ok()?;
        let (id, until) = text.strip_prefix("1.")?.split_once('.')?;
        Some(Claim { id: id.to_owned(), until_s: until.parse().ok()? })
    }

    /// Whether both are equal, compared in constant time.
    pub(super) fn is_equal(&self, one: &[u8], other: &[u8]) -> bool {
        let Some((one, other)) = self.mac("code", one).zip(self.mac("code", other)) else { return false };
        one.verify_slice(&other.finalize().into_bytes()).is_ok()
    }
}

/// A random number for a new cookie, in hexadecimal.
///
/// # Errors
/// The system has no random numbers.
pub(super) fn fresh_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; ID_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    moodring_runtime::hex(bytes)
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
    fn only_cookies_signed_by_this_key_are_accepted() {
        let key = Key::of([7; 32]);
        let claim = Claim { id: "ab".repeat(16), until_s: 1_800_000_000 };
        let value = key.sign(&claim);
        assert_eq!(key.verify(&value), Some(claim.clone()));
        assert_eq!(Key::of([8; 32]).verify(&value), None, "signed by another device");
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
        // The signature covers every character.
        for index in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[index] ^= 1;
            assert_eq!(key.verify(std::str::from_utf8(&changed).unwrap()), None, "letter {index}");
        }
    }

    #[test]
    fn codes_are_compared() {
        let key = Key::of([7; 32]);
        assert!(
            key.is_equal(b"481516", b"481516")
                && !key.is_equal(b"481516", b"481517")
                && !key.is_equal(b"481516", b"")
        );
    }
}
