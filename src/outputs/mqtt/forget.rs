//! Takes back what a broker keeps of a device: empty retained messages delete retained messages.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::client::{self, Event, Message, Settings};
use super::secrets::Secrets;
use super::{Target, Topics};
use crate::outputs::discovery;

/// All of it must be done within this long.
const PATIENCE: Duration = Duration::from_secs(15);

/// Deletes what the broker at `target` keeps of the device: mood, status, health, and what Home Assistant was told.
/// Returns the topics. A device that runs meanwhile publishes them again: stop it first.
///
/// # Errors
/// The broker cannot be reached or does not take it; one line that says why.
pub async fn forget(target: &Target) -> Result<Vec<String>, String> {
    let (topics, secrets) = (Topics::of(&target.room), Secrets::here());
    let all =
        [topics.mood(), topics.status(), topics.health(), discovery::topic(&target.config, &target.device)];
    let settings = Settings {
        protocol: target.config.protocol,
        host: target.address.host.clone(),
        port: target.address.port,
        // Another id than the device's, which would push it out if it still ran.
        client_id: format!("{}-f", target.device),
        credentials: secrets.login(&target.config)?,
        tls: secrets.tls(&target.config)?,
        keep_alive: PATIENCE,
        will: None,
    };
    let deleting = delete(settings, &all);
    match timeout_at(Instant::now() + PATIENCE, deleting).await {
        Ok(result) => result.map(|()| all.to_vec()),
        Err(_) => Err("the broker does not answer in time".to_owned()),
    }
}

async fn delete(settings: Settings, topics: &[String]) -> Result<(), String> {
    let (sender, mut link) = client::open(settings).map_err(|error| error.to_string())?;
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
            Ok(Event::Refused(_, reason)) => return Err(format!("the broker does not take it: {reason}")),
            Ok(Event::Closed) => return Ok(()),
            Ok(_) => {}
            Err(_) if left == 0 => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
    }
}
