//! One connection to a broker, to learn whether it lets this device in: nothing is sent, nothing is left behind.

use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use super::client::{self, Event, LinkError, Settings};
use super::secrets::Secrets;
use crate::config::Mqtt;
use crate::device::DeviceId;

/// All of it, looking up the name too, must be done within this long: less than a page waits.
const PATIENCE: Duration = Duration::from_secs(8);

/// Why a broker was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::outputs) enum Obstacle {
    /// Nothing listens at host and port.
    NothingListens,
    /// The user name or the password is not the right one.
    Credentials,
    /// The encrypted connection cannot be trusted, or is none.
    Tls,
    /// It does not answer in time.
    Timeout,
    /// The name or the network leads nowhere.
    Unreachable,
    /// This machine may not reach it: the service manager stands before it.
    Forbidden,
    /// The broker does not want this client.
    Refused,
}

/// Connects to the broker of `config` as `device` would, with `password` or the one that is kept.
///
/// # Errors
/// What stands against it, and the words of whoever said so.
pub(in crate::outputs) async fn attempt(
    config: &Mqtt,
    password: &str,
    device: &DeviceId,
) -> Result<(), (Obstacle, String)> {
    let unreadable = |problem: String| (Obstacle::Credentials, problem);
    let secrets = Secrets::here();
    let credentials = if password.is_empty() || config.username.is_empty() {
        secrets.login(config).map_err(unreadable)?
    } else {
        Some((config.username.clone(), password.to_owned()))
    };
    let settings = Settings {
        protocol: config.protocol,
        host: config.host.clone(),
        port: config.port,
        // Another id than the device's, which would push it out if it runs.
        client_id: format!("{device}-t"),
        credentials,
        tls: secrets.tls(config).map_err(|problem| (Obstacle::Tls, problem))?,
        keep_alive: PATIENCE,
        will: None,
    };
    match timeout(PATIENCE, connect(settings)).await {
        Ok(result) => result.map_err(|error| (obstacle(&error), error.to_string())),
        Err(_) => Err((Obstacle::Timeout, LinkError::Timeout.to_string())),
    }
}

async fn connect(settings: Settings) -> Result<(), LinkError> {
    let (sender, mut link) = client::open(settings)?;
    while link.next().await? != Event::Connected {}
    // The farewell; whether it arrives says nothing about the broker.
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
        LinkError::Refused(_) => Obstacle::Refused,
        LinkError::NothingListens => Obstacle::NothingListens,
        LinkError::Tls(_) => Obstacle::Tls,
        LinkError::Timeout => Obstacle::Timeout,
        LinkError::Unreachable(told) if told.contains("not permitted") => Obstacle::Forbidden,
        // A broker that speaks TLS hangs up on who does not, and the other way round.
        LinkError::Unreachable(_) | LinkError::Lost(_) => Obstacle::Unreachable,
    }
}
