//! Deletes the retained messages of a device: an empty retained message deletes the previous one.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use moodring_contract::Topics;
use moodring_runtime::StatusBoard;

use crate::client::{self, Connection, Event, LinkError, Settings};
use crate::discovery;
use crate::messages::retained;
use crate::retained_topics::RetainedTopics;
use crate::secrets::Secrets;
use crate::target::Target;

/// Timeout of the whole operation.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Number of deletions in flight: fewer than any broker takes.
const WINDOW: usize = 8;

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
    Refused(&'static str),
    /// The broker does not answer in time.
    #[error("the broker does not answer in time")]
    Timeout,
}

impl From<LinkError> for ForgetError {
    fn from(error: LinkError) -> Self {
        Self::Connection(error.to_string())
    }
}

/// Whose retained messages are deleted.
#[derive(Debug, Clone, Copy)]
pub enum Forgotten<'a> {
    /// This device's: of its room, and those that it has published before, which are remembered in this folder.
    ThisDevice {
        /// `storage.directory`.
        storage: &'a Path,
    },
    /// Those of a room of the same site and of a device's announcement to Home Assistant.
    Other {
        /// The former name of a room.
        room: Option<&'a str>,
        /// The name of a device that no longer exists.
        device: Option<&'a str>,
    },
}

/// Deletes the retained messages of `whom` at the broker of `target`: mood, status, health, and the announcement to Home
/// Assistant. Returns their topics. A running device publishes them again: stop it first.
///
/// # Errors
/// See [`ForgetError`].
pub async fn forget(target: &Target, whom: Forgotten<'_>) -> Result<Vec<String>, ForgetError> {
    let mut remembered = match whom {
        Forgotten::ThisDevice { storage } => RetainedTopics::open(storage, StatusBoard::default()),
        Forgotten::Other { .. } => RetainedTopics::in_memory(),
    };
    let topics = topics(target, whom, &remembered);
    let secrets = Secrets::detect();
    let settings = Settings {
        protocol: target.protocol(),
        host: target.address.host.clone(),
        port: target.address.port,
        // Not the device's own id: the broker would disconnect the device if it still runs.
        client_id: format!("{}-f", target.device),
        credentials: secrets.login(&target.config).map_err(ForgetError::Secrets)?,
        tls: secrets.tls(&target.config).map_err(ForgetError::Secrets)?,
        keep_alive: TIMEOUT,
        will: None,
    };
    match timeout_at(Instant::now() + TIMEOUT, delete(settings, &topics)).await {
        Ok(result) => result?,
        Err(_) => return Err(ForgetError::Timeout),
    }
    topics.iter().for_each(|topic| remembered.deleted(topic));
    Ok(topics)
}

fn topics(target: &Target, whom: Forgotten<'_>, remembered: &RetainedTopics) -> Vec<String> {
    let of_room = |room: &str| {
        let topics = Topics::of(&target.room.site, room);
        [topics.mood(), topics.status(), topics.health()]
    };
    let all: BTreeSet<String> = match whom {
        Forgotten::ThisDevice { .. } => of_room(&target.room.name)
            .into_iter()
            .chain([discovery::topic(&target.config, target.device.as_str())])
            .chain(remembered.all().iter().cloned())
            .collect(),
        Forgotten::Other { room, device } => {
            let announcement = device.map(|device| discovery::topic(&target.config, device));
            room.map(of_room).into_iter().flatten().chain(announcement).collect()
        }
    };
    all.into_iter().collect()
}

async fn delete(settings: Settings, topics: &[String]) -> Result<(), ForgetError> {
    let Connection { sender, mut link, .. } = client::connect(settings).await?;
    let publish = |topic: &String| sender.publish(retained(topic.clone(), "", Vec::new(), None));
    let mut waiting = topics.iter();
    waiting.by_ref().take(WINDOW).for_each(|topic| _ = publish(topic));
    let mut left = topics.len();
    loop {
        match link.next().await {
            Ok(Event::Acknowledged(_) | Event::NoSubscriber(_)) => {
                left -= 1;
                waiting.next().map(publish);
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
