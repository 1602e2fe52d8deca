//! Posts messages to a server by HTTP: `spool ──POST──▶ the address of [[webhook]]`, for schools without a broker.
//!
//! It sends the same payloads as MQTT, one at a time, from its own spool. An entry is deleted only after the server
//! has accepted it. docs/guide/webhooks.md describes what is sent, and how a server checks it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use tokio::time::{Instant, sleep};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use moodring_config as config;
use moodring_config::Message;
use moodring_runtime::{Backoff, Health, Stop, random_share};

use crate::secrets::{Secrets, certificates, first_line};
use crate::spool::{Entry, Kind, Spool};

/// Header with the time of sending, and the signature over time and body.
const SIGNATURE: &str = "Moodring-Signature";
/// Minimum length of the secret; a shorter one can be guessed.
const MIN_SECRET: usize = 16;
/// Status codes that refuse a message permanently. After any other failure the message is sent again.
const NEVER: [u16; 3] = [400, 413, 422];

/// Folder of the spool of `webhook` within the storage folder.
pub(super) fn folder(storage: &Path, webhook: &config::Webhook) -> PathBuf {
    storage.join("webhooks").join(&webhook.name)
}

/// The kinds of messages that `webhook` is configured for.
pub(super) fn kinds(webhook: &config::Webhook) -> Vec<Kind> {
    let kind = |message: &Message| match message {
        Message::Event => Kind::Event,
        Message::Lesson => Kind::Lesson,
        Message::Minute => Kind::Minute,
    };
    webhook.messages.iter().map(kind).collect()
}

/// Wait after a failure: full jitter, because many devices share the server.
fn backoff(max: Duration) -> Backoff {
    Backoff::new(max / 2, max).with_full_jitter().stable_after(Duration::from_secs(60))
}

/// One server.
pub(super) struct Webhook {
    config: config::Webhook,
    spool: Spool,
    health: Arc<Health>,
    secrets: Secrets,
    stop: Stop,
}

/// Result of posting a message.
enum Outcome {
    Taken,
    /// The server refuses the message permanently.
    Refused(String),
    /// The message must be sent again later.
    Failed(String),
}

impl Webhook {
    /// Posts the entries of `spool` to the server of `config`, once it [runs](Webhook::run), until `stop` is requested.
    pub(super) fn new(config: config::Webhook, spool: Spool, health: Arc<Health>, stop: Stop) -> Self {
        Self { config, spool, health, secrets: Secrets::detect(), stop }
    }

    /// Posts one message after the other until the stop. A message that is being posted then is sent again after the
    /// next start.
    pub(super) async fn run(self) {
        let mut backoff = backoff(seconds(self.config.retry_within_s));
        let mut works_since = None;
        loop {
            let Some(entry) = self.spool.next() else {
                tokio::select! {
                    () = self.stop.requested() => return,
                    () = self.spool.grown() => continue,
                }
            };
            let outcome = tokio::select! {
                () = self.stop.requested() => return,
                outcome = self.post(&entry) => outcome,
            };
            match outcome {
                Outcome::Taken => {
                    works_since.get_or_insert_with(Instant::now);
                    self.health.works();
                    self.health.published.increment();
                }
                Outcome::Refused(answer) => {
                    let (name, bytes) = (&self.config.name, entry.payload.len());
                    tracing::warn!(
                        name,
                        answer,
                        bytes,
                        "the server refuses a message for good: it is dropped"
                    );
                    self.health.errors.increment();
                }
                Outcome::Failed(problem) => {
                    self.spool.set_online(false);
                    self.spool.rewind();
                    self.health
                        .failed(&format!("webhook {} at {}: {problem}", self.config.name, self.config.url));
                    let lived = works_since.take().map_or(Duration::ZERO, |since: Instant| since.elapsed());
                    tokio::select! {
                        () = self.stop.requested() => return,
                        () = sleep(backoff.after_loss(lived, random_share())) => continue,
                    }
                }
            }
            self.spool.acknowledged(entry.ordinal);
            self.spool.set_online(true);
        }
    }

    /// Posts one message. The secret and the certificates are read again each time, so that a corrected file needs no
    /// restart.
    async fn post(&self, entry: &Entry) -> Outcome {
        let prepared = self.secret().and_then(|secret| Ok((secret, self.agent()?)));
        let (secret, agent) = match prepared {
            Ok(prepared) => prepared,
            Err(problem) => return Outcome::Failed(problem),
        };
        let (url, body) = (self.config.url.clone(), Arc::clone(&entry.payload));
        let signature = sign(&secret, Timestamp::now(), &body);
        // The library blocks; its timeout ends the thread, also after the stop.
        let posting = tokio::task::spawn_blocking(move || {
            let request =
                agent.post(&url).header("Content-Type", "application/json").header(SIGNATURE, &signature);
            request.send(&body[..]).map(|answer| answer.status().as_u16())
        });
        match posting.await {
            Ok(Ok(200..=299)) => Outcome::Taken,
            Ok(Ok(status)) if NEVER.contains(&status) => Outcome::Refused(status.to_string()),
            Ok(Ok(status)) => Outcome::Failed(format!("the server answers {status}; {}", advice(status))),
            Ok(Err(error)) => {
                Outcome::Failed(format!("{error}; look at its url, the network and the server's log"))
            }
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    fn secret(&self) -> Result<String, String> {
        let (key, credential) =
            (format!("webhook.{}.secret_file", self.config.name), format!("webhook-{}", self.config.name));
        let Some((key, path)) = self.secrets.path(&key, &self.config.secret_file, &credential) else {
            return Err(format!(
                "messages cannot be signed: set secret_file, or the credential {credential}"
            ));
        };
        let secret = first_line(key, &path)?;
        if secret.len() < MIN_SECRET {
            return Err(format!("{key} {} holds fewer than {MIN_SECRET} characters", path.display()));
        }
        Ok(secret)
    }

    fn agent(&self) -> Result<ureq::Agent, String> {
        let found = if self.config.ca_file.as_os_str().is_empty() {
            rustls_native_certs::load_native_certs().certs
        } else {
            certificates(&format!("webhook.{}.ca_file", self.config.name), &self.config.ca_file)?
        };
        let roots: Vec<_> = found.iter().map(|found| Certificate::from_der(found).to_owned()).collect();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let timeout = seconds(self.config.timeout_s);
        let settings = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            // A message is sent to the configured address only.
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("moodring/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        Ok(settings.into())
    }
}

/// A duration that the configuration has checked.
fn seconds(checked: f64) -> Duration {
    Duration::try_from_secs_f64(checked).unwrap_or_default()
}

/// The result for an answer other than success.
fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => "set url to where it leads",
        401 | 403 => "the server and secret_file must hold the same secret",
        404 | 410 => "look at url",
        _ => "look at the server's log",
    }
}

/// `t=<seconds since 1970>,v1=<hex of HMAC-SHA256 over "<t>.<body>">` (RFC 2104): the time is signed too, so that an
/// old message cannot be replayed.
fn sign(secret: &str, at: Timestamp, body: &[u8]) -> String {
    let seconds = at.as_second();
    // HMAC accepts keys of any length (RFC 2104, section 3).
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let digest = moodring_runtime::hex(&mac.finalize().into_bytes());
    format!("t={seconds},v1={digest}")
}

#[cfg(test)]
mod tests;
