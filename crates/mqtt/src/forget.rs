//! Deletes the retained messages of a device: an empty retained message deletes the previous one.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use moodring_contract::Topics;

use crate::client::{self, Event, LinkError, Message, Settings};
use crate::discovery;
use crate::secrets::Secrets;
use crate::target::Target;

/// Timeout of the whole operation.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Why the retained messages were not deleted.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// Password or certificates cannot be read.
    #[error("{0}")]
    Secrets(String),
    /// The connection failed or was lost.
    #[error("{0}")]
    Connection(String),
    /// The broker refuses one of the messages.
    #[error("the broker refuses it: {0}")]
    Refused(String),
    /// The broker does not answer in time.
    #[error("the broker does not answer in time")]
    Timeout,
}

impl From<LinkError> for ForgetError {
    fn from(error: LinkError) -> Self {
        Self::Connection(error.to_string())
    }
}

/// Deletes the retained messages of the device at the broker of `target`: mood, status, health, and the announcement to
/// Home Assistant. Returns their topics. A running device publishes them again: stop it first.
///
/// # Errors
/// See [`ForgetError`].
pub async fn forget(target: &Target) -> Result<Vec<String>, ForgetError> {
    let (topics, secrets) = (Topics::of(&target.room.site, &target.room.name), Secrets::detect());
    let all =
        [topics.mood(), topics.status(), topics.health(), discovery::topic(&target.config, &target.device)];
    let settings = Settings {
        protocol: target.config.protocol,
        host: target.address.host.clone(),
        port: target.address.port,
        // Not the device's own id: the broker would disconnect the device if it still runs.
        client_id: format!("{}-f", target.device),
        credentials: secrets.login(&target.config).map_err(ForgetError::Secrets)?,
        tls: secrets.tls(&target.config).map_err(ForgetError::Secrets)?,
        keep_alive: TIMEOUT,
        will: None,
    };
    let deleting = delete(settings, &all);
    match timeout_at(Instant::now() + TIMEOUT, deleting).await {
        Ok(result) => result.map(|()| all.to_vec()),
        Err(_) => Err(ForgetError::Timeout),
    }
}

async fn delete(settings: Settings, topics: &[String]) -> Result<(), ForgetError> {
    let (sender, mut link) = client::open(settings)?;
    let mut left = topics.len();
    loop {
        match link.next().await {
            Ok(Event::Connected) => {
                for topic in topics {
                    sender.publish(Message {
                        topic: topic.clone(),
                        payload: Vec::new().into(),
                        retain: true,
                        expires_after: None,
                        schema: "",
                        correlation: None,
                    });
                }
            }
            Ok(Event::Acknowledged(_)) => {
                left -= 1;
                if left == 0 && !sender.disconnect() {
                    return Ok(());
                }
            }
            Ok(Event::Refused(_, reason)) => return Err(ForgetError::Refused(reason)),
            Ok(Event::Closed) => return Ok(()),
            Ok(_) => {}
            Err(_) if left == 0 => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
