//! Ed25519 signatures (RFC 8032), with the library that also does TLS.

use std::path::Path;

use anyhow::{Context, anyhow};
use moodring_runtime::hex;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// The key that verifies signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// From 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text)?.try_into().ok().map(Self)
    }

    /// Whether the owner of the private key signed `message`; `signature` in hexadecimal.
    pub fn has_signed(&self, message: &[u8], signature: &str) -> bool {
        let Some(signature) = unhex(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, &signature).is_ok()
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// The key that signs overlays. It stays with the administrator.
pub struct PrivateKey(Ed25519KeyPair);

impl PrivateKey {
    /// Makes a key and writes it to a new file that only its owner may read (PKCS#8, RFC 8410).
    ///
    /// # Errors
    /// The file exists already, or cannot be written.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| anyhow!("the system has no random numbers"))?;
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let written = file.and_then(|mut file| {
            file.write_all(document.as_ref())?;
            file.sync_all()
        });
        written.with_context(|| format!("{} cannot be written as a new file", path.display()))?;
        Self::of(document.as_ref(), path)
    }

    /// Reads a key that [`PrivateKey::create`] wrote.
    ///
    /// # Errors
    /// The file cannot be read, or contains no such key.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Self::of(&bytes, path)
    }

    fn of(document: &[u8], path: &Path) -> anyhow::Result<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(document);
        pair.map(Self)
            .map_err(|error| anyhow!("{} contains no key of `moodring overlay key`: {error}", path.display()))
    }

    /// The public key, which is configured on the devices.
    pub fn public(&self) -> Option<PublicKey> {
        self.0.public_key().as_ref().try_into().ok().map(PublicKey)
    }

    /// The signature of `message`, in hexadecimal.
    pub fn sign(&self, message: &[u8]) -> String {
        hex(self.0.sign(message).as_ref())
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || digits.len() > 256 {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    // from_str_radix would accept a sign.
    digits.iter().all(u8::is_ascii_hexdigit).then(|| digits.chunks(2).map(byte).collect())?
}
