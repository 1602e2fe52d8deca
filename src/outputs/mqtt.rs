//! Tells the mood to a broker: `moodring/<site>/<room>/mood` and `…/status`, both retained, QoS 1.
//!
//! One task keeps a connection for ever. Each connection is new, sends `online` and the newest mood first,
//! and waits in front of the next attempt with full jitter. The newest mood wins; nothing is queued, since a
//! mood of a minute ago is of no use to a dashboard. docs/mqtt.md describes what is sent.

mod backoff;
mod client;
mod outbox;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::config;
use crate::outputs::{Health, Moods};
use crate::supervisor::Stop;
use backoff::Backoff;
use client::{Event, Link, LinkError, Message, Sender, Settings};
use outbox::{Outbox, Parcel};

/// Name and version of the status payload's schema.
pub const STATUS_SCHEMA: &str = "moodring.status/1";

/// The farewell may take this long, whatever the broker does.
const FAREWELL: Duration = Duration::from_millis(500);
/// Without the broker's receipt for this long, the connection is given up.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(10);
/// More of a password file is not read.
const MOST_PASSWORD_BYTES: u64 = 4096;

/// Payload of the status topic.
#[derive(Debug, Clone, Serialize)]
struct Status<'a> {
    schema: &'static str,
    status: &'static str,
    /// `null` while online, else `stopped` or `lost`.
    reason: Option<&'static str>,
    site: &'a str,
    room: &'a str,
    version: &'static str,
}

/// Topics of one room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// Where moods are published.
    pub mood: String,
    /// Where `online` and `offline` are published.
    pub status: String,
}

impl Topics {
    /// The topics of `room`, whose names the configuration has checked to be single topic levels.
    pub fn of(room: &config::Room) -> Self {
        let level = |leaf| format!("moodring/{}/{}/{leaf}", room.site, room.name);
        Self { mood: level("mood"), status: level("status") }
    }
}

/// Where the broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// The task's parts.
pub(super) struct Publisher {
    pub(super) address: Address,
    pub(super) room: config::Room,
    pub(super) config: config::Mqtt,
    pub(super) moods: Moods,
    pub(super) health: Arc<Health>,
    pub(super) stop: Stop,
}

/// How a connection ended.
enum End {
    Stopped,
    Lost { error: LinkError, lived: Duration },
}

impl Publisher {
    /// Publishes until the stop is requested, and says `offline` then.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let lived = match self.settings() {
                Ok(settings) => match self.connection(settings).await {
                    End::Stopped => return,
                    End::Lost { error, lived } => {
                        self.health.failed(&self.advice(&error));
                        lived
                    }
                },
                Err(problem) => {
                    self.health.failed(&problem);
                    Duration::ZERO
                }
            };
            let wait = backoff.after_loss(lived, backoff::random());
            tokio::select! {
                () = self.stop.requested() => return,
                () = sleep(wait) => {}
            }
        }
    }

    /// One connection from its beginning to its end.
    async fn connection(&mut self, settings: Settings) -> End {
        let (sender, mut link) = client::open(settings);
        let mut outbox = Outbox::default();
        let mut connected_at = None;
        let mut deadline = Instant::now() + RECEIPT_TIMEOUT;
        loop {
            let event =
                match self.next_event(&sender, &mut link, &mut outbox, connected_at, &mut deadline).await {
                    Some(Ok(event)) => event,
                    Some(Err(_)) | None if self.stop.is_requested() => return End::Stopped,
                    Some(Err(error)) => return End::Lost { error, lived: lived(connected_at) },
                    None => return End::Lost { error: LinkError::Timeout, lived: lived(connected_at) },
                };
            match event {
                Event::Connected => {
                    connected_at = Some(Instant::now());
                    outbox.connected();
                    let Address { host, port } = &self.address;
                    tracing::info!(host, port, "connected to the broker");
                    self.health.works();
                }
                Event::Acknowledged => match outbox.acknowledged() {
                    Some(Parcel::Mood) => self.health.published.increment(),
                    Some(Parcel::Offline) if !sender.disconnect() => return End::Stopped,
                    _ => {}
                },
                Event::Closed => return End::Stopped,
                Event::Other => {}
            }
            if connected_at.is_some() {
                self.send_next(&sender, &mut outbox, &mut deadline);
            }
        }
    }

    /// Waits for what the link says next, and hands it new moods and the stop meanwhile. The library's future
    /// is never dropped half-way: it may hold a half-read packet. None: the time for it is over.
    async fn next_event(
        &mut self,
        sender: &Sender,
        link: &mut Link,
        outbox: &mut Outbox,
        connected_at: Option<Instant>,
        deadline: &mut Instant,
    ) -> Option<Result<Event, LinkError>> {
        let stop = self.stop.clone();
        let mut stop_seen = outbox.is_stopping();
        let mut link_event = pin!(link.next());
        loop {
            tokio::select! {
                event = &mut link_event => return Some(event),
                () = stop.requested(), if !stop_seen => {
                    // Without a connection there is nobody to take leave of.
                    connected_at?;
                    stop_seen = true;
                    outbox.stop();
                    self.send_next(sender, outbox, deadline);
                    *deadline = Instant::now() + FAREWELL;
                }
                Ok(()) = self.moods.changed(), if !stop_seen => {
                    outbox.mood_changed();
                    if connected_at.is_some() {
                        self.send_next(sender, outbox, deadline);
                    }
                }
                () = sleep_until(*deadline), if stop_seen || outbox.is_waiting() => return None,
            }
        }
    }

    /// Hands the next message to the library, if one is due.
    fn send_next(&mut self, sender: &Sender, outbox: &mut Outbox, deadline: &mut Instant) {
        let Some(parcel) = outbox.take() else { return };
        let topics = Topics::of(&self.room);
        let message = match parcel {
            Parcel::Online => status(&self.room, "online", None),
            Parcel::Offline => status(&self.room, "offline", Some("stopped")),
            Parcel::Mood => {
                // Seen only now that it is sent: a mood that comes in between must still wake this task.
                let newest = self.moods.borrow_and_update().clone();
                Message { topic: topics.mood, payload: json(&*newest) }
            }
        };
        if !sender.publish(message) {
            // Impossible while one message is in flight at most; the receipt's timeout heals it.
            self.health.errors.increment();
        }
        if parcel != Parcel::Offline {
            *deadline = Instant::now() + RECEIPT_TIMEOUT;
        }
    }

    /// What a connection needs. The password is read anew each time, so that mending the file is enough.
    fn settings(&self) -> Result<Settings, String> {
        let config = &self.config;
        let external = config.broker == config::BrokerKind::External;
        let credentials = match config.username.as_str() {
            "" => None,
            _ if !external => None,
            name if config.password_file.as_os_str().is_empty() => Some((name.to_owned(), String::new())),
            name => Some((name.to_owned(), first_line(&config.password_file)?)),
        };
        Ok(Settings {
            host: self.address.host.clone(),
            port: self.address.port,
            client_id: client_id(&self.room),
            credentials,
            keep_alive: Duration::from_secs(config.keep_alive_s.into()),
            will: status(&self.room, "offline", Some("lost")),
        })
    }

    /// What is wrong, where, and how to mend it, in one line.
    fn advice(&self, error: &LinkError) -> String {
        let Address { host, port } = &self.address;
        let mend = match error {
            LinkError::Credentials if self.config.username.is_empty() => {
                "set mqtt.username and mqtt.password_file"
            }
            LinkError::Credentials => "mend mqtt.username or the first line of mqtt.password_file",
            LinkError::NothingListens => "start the broker, or mend mqtt.host and mqtt.port",
            LinkError::Unreachable(_) | LinkError::Timeout => "look at mqtt.host, mqtt.port and the network",
            LinkError::Refused(_) => "look at the broker's log",
            LinkError::Lost(_) => "connecting again",
        };
        format!("MQTT broker at {host}:{port}: {error}; {mend}")
    }
}

fn lived(connected_at: Option<Instant>) -> Duration {
    connected_at.map_or(Duration::ZERO, |at| at.elapsed())
}

fn status(room: &config::Room, status: &'static str, reason: Option<&'static str>) -> Message {
    let (site, room_name) = (room.site.as_str(), room.name.as_str());
    let version = env!("CARGO_PKG_VERSION");
    let payload = Status { schema: STATUS_SCHEMA, status, reason, site, room: room_name, version };
    Message { topic: Topics::of(room).status, payload: json(&payload) }
}

/// Strings and numbers only: serialising cannot fail. An empty payload would delete the retained message.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// 23 characters that every broker accepts, the same after each restart of this room's device: so a broker
/// that still believes in the connection from before a power cut ends it, and sends its last will, before
/// the new one says `online`.
fn client_id(room: &config::Room) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(format!("{}/{}", room.site, room.name));
    let suffix: String = digest.iter().take(7).map(|byte| format!("{byte:02x}")).collect();
    format!("moodring-{suffix}")
}

fn first_line(path: &Path) -> Result<String, String> {
    let problem = |error| format!("mqtt.password_file {} cannot be read: {error}", path.display());
    let file = std::fs::File::open(path).map_err(problem)?;
    let mut line = String::new();
    BufReader::new(file.take(MOST_PASSWORD_BYTES)).read_line(&mut line).map_err(problem)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests;
