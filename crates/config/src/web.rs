//! `[web]`: the web page and the API, and access to them.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::FaultCollector;

/// Web page and API.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Whether the web page and the API are served.
    pub enabled: bool,
    /// Address and port to listen on. With a loopback address every user of the device itself has access. With the
    /// device's address in the LAN, phones must be paired first (docs/reference/web.md).
    pub listen: SocketAddr,
    /// Whether the page is served over HTTPS: `auto`, `on` or `off`. `auto`: HTTPS in the LAN, HTTP on loopback. Use
    /// `off` in the LAN only behind a reverse proxy that has its own certificate.
    pub https: Https,
    /// Whether the device announces the name `moodring-<room>.local` in the LAN (multicast DNS).
    pub announce: bool,
    /// Further names of the page: those under which reverse proxies serve it. Requests and changes from other names are
    /// refused.
    pub names: Vec<String>,
    /// Path below which a reverse proxy serves the page, such as `/b-214`; the proxy removes it from each request. Needed
    /// where one proxy serves several devices, so that each browser keeps their cookies apart.
    pub path_prefix: String,
    /// File with the certificate chain for HTTPS, PEM. Empty: the device creates a self-signed certificate, which each
    /// browser asks about once.
    pub certificate_file: PathBuf,
    /// File with the private key of the certificate, PEM. The user of the service must be able to read it.
    pub certificate_key_file: PathBuf,
    /// Access to `/metrics` and `/healthz` in the LAN: `paired` (paired phones only), `token` (clients that send the
    /// token) or `open` (everybody).
    pub metrics: MetricsPolicy,
    /// File with the token for `metrics = "token"`, at least 16 characters. Clients send it in the header
    /// `Authorization: Bearer …`.
    pub metrics_token_file: PathBuf,
}

/// Whether the page is served over HTTPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Https {
    /// HTTPS in the LAN, HTTP on loopback.
    Auto,
    /// Always HTTPS.
    On,
    /// Always HTTP.
    Off,
}

/// Access to `/metrics` and `/healthz` in the LAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MetricsPolicy {
    /// Paired phones only.
    Paired,
    /// Clients that send the token.
    Token,
    /// Everybody.
    Open,
}

/// Maximum number of further names.
const MAX_NAMES: usize = 16;

fn is_host_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

fn is_path_prefix(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    path.len() <= 128
        && path.strip_prefix('/').is_some_and(|path| {
            path.split('/').all(|level| !matches!(level, "" | "." | "..") && level.bytes().all(is_plain))
        })
}

impl Default for Web {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            https: Https::Auto,
            announce: true,
            names: Vec::new(),
            path_prefix: String::new(),
            certificate_file: PathBuf::new(),
            certificate_key_file: PathBuf::new(),
            metrics: MetricsPolicy::Paired,
            metrics_token_file: PathBuf::new(),
        }
    }
}

impl Web {
    /// Whether the page is served over HTTPS at the configured address.
    pub fn is_https(&self) -> bool {
        match self.https {
            Https::Auto => !self.listen.ip().is_loopback(),
            Https::On => true,
            Https::Off => false,
        }
    }

    /// Address of the page in the network; `None` if it is served to this machine only, or not at all.
    pub fn url(&self) -> Option<String> {
        let scheme = if self.is_https() { "https" } else { "http" };
        let is_in_network = self.enabled && !self.listen.ip().is_loopback();
        is_in_network.then(|| format!("{scheme}://{}/", self.listen))
    }

    pub(super) fn check(&self, faults: &mut FaultCollector) {
        if self.listen.ip().is_unspecified() {
            faults.add(
                "web.listen",
                "must be one address, not all addresses: 127.0.0.1:8080, or this machine's address in the LAN, \
                 such as 192.168.1.20:8080",
            );
        }
        for (index, name) in self.names.iter().enumerate().filter(|(_, name)| !is_host_name(name)) {
            faults.add(
                format!("web.names[{index}]"),
                format!("{name:?} must be a host name without scheme and port, such as \"moodring.school.example\""),
            );
        }
        if self.listen.ip().is_loopback() && !self.names.is_empty() {
            faults.add(
                "web.names",
                "needs web.listen on the device's address in the LAN: on loopback there is no pairing, so proxies are refused",
            );
        }
        if self.names.len() > MAX_NAMES {
            faults.add("web.names", format!("has {} names; the maximum is {MAX_NAMES}", self.names.len()));
        }
        if !self.path_prefix.is_empty() && !is_path_prefix(&self.path_prefix) {
            faults.add(
                "web.path_prefix",
                "must begin with / and not end with it, and contain letters, digits, -, _, . and / only: \"/b-214\"",
            );
        }
        let (chain, key) = (&self.certificate_file, &self.certificate_key_file);
        if chain.as_os_str().is_empty() != key.as_os_str().is_empty() {
            faults.add(
                if key.as_os_str().is_empty() { "web.certificate_key_file" } else { "web.certificate_file" },
                "is needed: set both web.certificate_file and web.certificate_key_file, or neither",
            );
        }
        if self.metrics == MetricsPolicy::Token && self.metrics_token_file.as_os_str().is_empty() {
            faults.add("web.metrics_token_file", "is needed if web.metrics is \"token\"");
        }
    }
}
