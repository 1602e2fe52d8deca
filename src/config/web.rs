//! `[web]`: the page and the API, and who may see them.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::faults::Complaints;

/// The page and the API.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Whether the page is served.
    pub enabled: bool,
    /// Address and port to listen on. On loopback the page is open to who sits at the device; with the device's address
    /// in the LAN phones must be paired first (docs/reference/web.md).
    pub listen: SocketAddr,
    /// Whether the page is served by HTTPS. `auto`: in the LAN, not on loopback. `off` in the LAN is for a reverse
    /// proxy with a certificate of its own.
    pub https: Https,
    /// Whether the page is called `moodring-<room>.local` in the LAN (multicast DNS).
    pub announce: bool,
    /// Certificate chain for HTTPS, PEM. Empty: the device makes one itself, which browsers ask about once.
    pub certificate_file: PathBuf,
    /// Its private key, PEM; read as the service's user.
    pub certificate_key_file: PathBuf,
    /// Who may read `/metrics` and `/healthz` in the LAN: `paired` phones only, whoever brings the `token`, or
    /// everybody (`open`).
    pub metrics: Metrics,
    /// File with the token for `metrics = "token"`, at least 16 letters; sent as `Authorization: Bearer …`.
    pub metrics_token_file: PathBuf,
}

/// Whether the page is served by HTTPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Https {
    /// In the LAN.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Who may read the numbers in the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Metrics {
    /// Paired phones.
    Paired,
    /// Whoever brings the token.
    Token,
    /// Everybody.
    Open,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            https: Https::Auto,
            announce: true,
            certificate_file: PathBuf::new(),
            certificate_key_file: PathBuf::new(),
            metrics: Metrics::Paired,
            metrics_token_file: PathBuf::new(),
        }
    }
}

impl Web {
    /// Whether the page is served by HTTPS.
    pub fn is_https(&self) -> bool {
        match self.https {
            Https::Auto => !self.listen.ip().is_loopback(),
            Https::On => true,
            Https::Off => false,
        }
    }

    pub(super) fn check(&self, complaints: &mut Complaints) {
        if self.listen.ip().is_unspecified() {
            complaints.add(
                "web.listen",
                "must be one address, not all: 127.0.0.1:8080, or that of this machine in the LAN, such as 192.168.1.20:8080",
            );
        }
        let (chain, key) = (&self.certificate_file, &self.certificate_key_file);
        if chain.as_os_str().is_empty() != key.as_os_str().is_empty() {
            complaints.add(
                if key.as_os_str().is_empty() { "web.certificate_key_file" } else { "web.certificate_file" },
                "certificate_file and certificate_key_file go together: give both, or neither",
            );
        }
        if self.metrics == Metrics::Token && self.metrics_token_file.as_os_str().is_empty() {
            complaints.add("web.metrics_token_file", "is needed with metrics = \"token\"");
        }
    }
}
