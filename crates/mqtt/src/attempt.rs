//! Tries one connection to a broker, to find out whether it accepts this device; publishes nothing.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use crate::client::{self, Connection, Event, LinkError, Settings};
use crate::secrets::Secrets;
use moodring_config::Mqtt;
use moodring_runtime::DeviceId;

/// Timeout of the whole attempt, with name resolution; shorter than the timeout of the page.
const TIMEOUT: Duration = Duration::from_secs(8);

/// Why no connection was made, by remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// No server listens at host and port.
    NothingListens,
    /// The user name or the password is wrong.
    Credentials,
    /// The encrypted connection cannot be trusted, or the broker does not encrypt.
    Tls,
    /// The broker does not answer in time.
    Timeout,
    /// The name cannot be resolved, or there is no route.
    Unreachable,
    /// The service manager forbids this process to connect to the address.
    Forbidden,
    /// The broker refuses this client.
    Refused,
}

/// Whether a password for the broker of `config` is stored, in a file or as the service's credential.
pub fn stores_password(config: &Mqtt) -> bool {
    Secrets::detect().stores_password(config)
}

/// Connects to the broker of `config` as `device` would, with `password` or, if that is empty, the stored one.
///
/// # Errors
/// Why no connection was made, and the message of the broker or the operating system.
pub async fn attempt(config: &Mqtt, password: &str, device: &DeviceId) -> Result<(), (Obstacle, String)> {
    let unreadable = |problem: String| (Obstacle::Credentials, problem);
    let secrets = Secrets::detect();
    let credentials = if password.is_empty() || config.username.is_empty() {
        secrets.login(config).map_err(unreadable)?
    } else {
        Some((config.username.clone(), password.to_owned()))
    };
    let settings = Settings {
        protocol: config.protocol,
        host: config.host.clone(),
        port: config.port,
        // Not the device's own id: the broker would disconnect the device if it runs.
        client_id: format!("{device}-t"),
        credentials,
        tls: secrets.tls(config).map_err(|problem| (Obstacle::Tls, problem))?,
        keep_alive: TIMEOUT,
        will: None,
    };
    match timeout(TIMEOUT, connect(settings)).await {
        Ok(result) => result.map_err(|error| (obstacle(&error), error.to_string())),
        Err(_) => Err((Obstacle::Timeout, LinkError::Timeout.to_string())),
    }
}

async fn connect(settings: Settings) -> Result<(), LinkError> {
    let Connection { sender, mut link, .. } = client::connect(settings).await?;
    // A failed disconnection does not matter: the broker has accepted the device.
    if sender.disconnect() {
        let _ = timeout(Duration::from_millis(500), async {
            while link.next().await? != Event::Closed {}
            Ok::<_, LinkError>(())
        })
        .await;
    }
    Ok(())
}

fn obstacle(error: &LinkError) -> Obstacle {
    match error {
        LinkError::Credentials => Obstacle::Credentials,
        LinkError::Refused(_) | LinkError::Version | LinkError::Ended(_) => Obstacle::Refused,
        LinkError::NothingListens => Obstacle::NothingListens,
        LinkError::Tls(_) => Obstacle::Tls,
        LinkError::Timeout => Obstacle::Timeout,
        LinkError::Unreachable(cause) if cause.contains("not permitted") => Obstacle::Forbidden,
        LinkError::Unreachable(_)
        | LinkError::NoAnswer { .. }
        | LinkError::TakenOver
        | LinkError::TooLarge
        | LinkError::Lost(_) => Obstacle::Unreachable,
    }
}
