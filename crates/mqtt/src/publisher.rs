//! The publisher's task: opens one connection after another. `session` runs each of them.

mod session;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use moodring_config::{BrokerKind, Protocol};
use moodring_contract::Topics;
use moodring_contract::payload::{Absence, Presence};
use moodring_runtime::{Backoff, CommandSender, Health, Moods, StatusBoard, Stop, random_share};

use crate::access::Access;
use crate::client::{self, LinkError, Settings};
use crate::command::CommandHandler;
use crate::discovery;
use crate::messages::status;
use crate::outbox::Outbox;
use crate::overlays::OverlayInbox;
use crate::own_status::OwnStatus;
use crate::retained_topics::RetainedTopics;
use crate::secrets::Secrets;
use crate::spool::Spool;
use crate::suspects::STABLE_AFTER;
use crate::target::{Address, Target};
use crate::vitals::Sampler;
use session::{End, Session};

#[cfg(test)]
pub(super) use session::{DISCONNECT_TIMEOUT, RECEIPT_TIMEOUT};

/// Timeout of an attempt to connect, with both versions of the protocol.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(12);
/// Where the broker does not support MQTT 5, it is tried again after this time: the broker may be a newer one then.
const FALLBACK_FOR: Duration = Duration::from_secs(3600);

/// Publishes the data of one device to a broker. The methods after [`Publisher::new`] add optional parts.
pub struct Publisher {
    target: Target,
    topics: Topics,
    moods: Moods,
    spool: Spool,
    health: Arc<Health>,
    secrets: Secrets,
    sampler: Option<Sampler>,
    commands: Option<CommandHandler>,
    overlays: Option<OverlayInbox>,
    retained: RetainedTopics,
    access: Access,
    reconnects: u64,
    /// The broker supports only MQTT 3.1.1, as seen at this time.
    fell_back_at: Option<Instant>,
    stop: Stop,
}

impl Publisher {
    /// Publishes `moods` and the entries of `spool` to `target`, once it [runs](Publisher::run), until `stop` is
    /// requested.
    pub fn new(target: Target, moods: Moods, spool: Spool, stop: Stop) -> Self {
        Self {
            topics: Topics::of(&target.room.site, &target.room.name),
            access: Access::new(&target, &StatusBoard::default()),
            target,
            moods,
            spool,
            health: Arc::new(Health::new("mqtt")),
            secrets: Secrets::detect(),
            sampler: None,
            commands: None,
            overlays: None,
            retained: RetainedTopics::in_memory(),
            reconnects: 0,
            fell_back_at: None,
            stop,
        }
    }

    /// Also publishes the device's health, measured by `sampler`.
    #[must_use]
    pub fn reporting(self, sampler: Sampler) -> Self {
        Self { sampler: Some(sampler), ..self }
    }

    /// Sends commands from the broker to `commands`, unless the configuration disables commands.
    #[must_use]
    pub(crate) fn accepting(self, commands: CommandSender) -> Self {
        let commands = self.target.config.commands.then(|| CommandHandler::new(commands));
        Self { commands, ..self }
    }

    /// Passes configuration overlays from the broker to `inbox`.
    #[must_use]
    pub(crate) fn overlaid(self, inbox: Option<OverlayInbox>) -> Self {
        Self { overlays: inbox, ..self }
    }

    /// Stores the topics of retained messages in the folder `storage`, so that they can be deleted later.
    #[must_use]
    pub(crate) fn remembering(self, storage: &Path, board: StatusBoard) -> Self {
        Self { retained: RetainedTopics::open(storage, board), ..self }
    }

    /// Reports the state of the connection on `health` instead of its own one, and lists what the broker does not accept
    /// on `board`.
    #[must_use]
    pub(crate) fn shown_by(self, health: Arc<Health>, board: &StatusBoard) -> Self {
        Self { health, access: Access::new(&self.target, board), ..self }
    }

    /// The state of the connection.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// The topics on which this device publishes retained messages now.
    fn current_topics(&self) -> Vec<String> {
        let health = self.sampler.is_some().then(|| self.topics.health());
        let discovery = self.announcement_topic();
        [self.topics.status(), self.topics.mood()].into_iter().chain(health).chain(discovery).collect()
    }

    /// The topic of the announcement to Home Assistant, if it is enabled.
    fn announcement_topic(&self) -> Option<String> {
        let Target { config, device, .. } = &self.target;
        config.discovery.then(|| discovery::topic(config, device.as_str()))
    }
}

impl Publisher {
    /// Publishes until the stop is requested, then publishes `offline`.
    pub async fn run(mut self) {
        let longest = Duration::from_secs(self.target.config.reconnect_within_s.into());
        // The first ceiling is half of the last, so that devices that lose their broker at the same moment reconnect
        // spread over that span.
        let mut backoff = Backoff::new(longest / 2, longest).with_full_jitter().stable_after(STABLE_AFTER);
        loop {
            let lived = match self.settings() {
                Ok(settings) => match self.connection(settings).await {
                    End::Stopped => return,
                    End::Lost { mut error, lived } => {
                        if matches!(error, LinkError::Lost(_)) && self.access.is_displaced() {
                            error = LinkError::TakenOver;
                        }
                        self.health.failed_as(error.kind(), &self.advice(&error));
                        lived
                    }
                },
                Err(problem) => {
                    self.health.failed(&problem);
                    Duration::ZERO
                }
            };
            let wait = backoff.after_loss(lived, random_share());
            tokio::select! {
                () = self.stop.requested() => return,
                () = sleep(wait) => {}
            }
        }
    }

    /// Opens one connection and runs it until it ends.
    async fn connection(&mut self, settings: Settings) -> End {
        // Messages without a receipt on the last connection are due again.
        self.spool.rewind();
        self.health.attempts.increment();
        let wanted = settings.protocol;
        let connecting = timeout(CONNECT_TIMEOUT, client::connect(settings));
        let connection = tokio::select! {
            // Without a connection there is no `offline` to send.
            () = self.stop.requested() => return End::Stopped,
            connected = connecting => match connected.unwrap_or(Err(LinkError::Timeout)) {
                Ok(connection) => connection,
                Err(error) => {
                    self.access.not_connected();
                    return End::Lost { error, lived: Duration::ZERO };
                }
            },
        };
        if connection.protocol != wanted {
            tracing::info!("the broker does not support MQTT 5: MQTT 3.1.1 is used");
            self.fell_back_at = Some(Instant::now());
        }
        let trusts_receipts =
            connection.protocol == Protocol::V5 || self.target.config.broker == BrokerKind::Embedded;
        let online = status(&self.topics, self.target.place(), Presence::Online, None);
        let own = OwnStatus::new(online.payload.to_vec(), self.target.device.as_str());
        let outbox = Outbox::new(self.access.is_careful());
        let (sender, mut link) = (connection.sender, connection.link);
        let mut session = Session::new(sender, connection.limits, outbox, own, trusts_receipts);
        let end = self.converse(&mut session, &mut link).await;
        self.spool.set_online(false);
        if let End::Lost { error, lived } = &end {
            self.access.lost(error, *lived, session.unanswered(link.is_discarding()));
        }
        end
    }

    /// Settings of a connection. Secrets are read again each time, so a corrected file needs no restart.
    fn settings(&self) -> Result<Settings, String> {
        let config = &self.target.config;
        let place = self.target.place();
        Ok(Settings {
            protocol: self.protocol(),
            host: self.target.address.host.clone(),
            port: self.target.address.port,
            client_id: self.target.device.to_string(),
            credentials: self.secrets.login(config)?,
            tls: self.secrets.tls(config)?,
            keep_alive: Duration::from_secs(config.keep_alive_s.into()),
            will: Some(status(&self.topics, place, Presence::Offline, Some(Absence::Lost))),
        })
    }

    fn protocol(&self) -> Protocol {
        let fell_back = self.fell_back_at.is_some_and(|at| at.elapsed() < FALLBACK_FOR);
        if fell_back { Protocol::V4 } else { self.target.protocol() }
    }

    /// The problem, its place and its remedy, in one line.
    fn advice(&self, error: &LinkError) -> String {
        let Address { host, port } = &self.target.address;
        let remedy = match error {
            LinkError::Credentials if self.target.config.username.is_empty() => {
                "set mqtt.username and mqtt.password_file"
            }
            LinkError::Credentials => "correct mqtt.username or the first line of mqtt.password_file",
            LinkError::NothingListens => "start the broker, or correct mqtt.host and mqtt.port",
            // The text of the fault names its remedy.
            LinkError::Tls(_) => return format!("MQTT broker at {host}:{port}: {error}"),
            LinkError::Unreachable(_) | LinkError::Timeout => "look at mqtt.host, mqtt.port and the network",
            LinkError::NoAnswer { encrypted: true } => {
                "it may want a certificate of this device (mqtt.tls.certificate_file); look at its log"
            }
            LinkError::NoAnswer { encrypted: false } => {
                "if its port is one with TLS, set mqtt.tls.enabled = true; otherwise look at its log"
            }
            LinkError::TakenOver => {
                "if another device is a copy of this one, empty its /etc/machine-id and restart it"
            }
            LinkError::TooLarge => "raise the limit in its configuration (max_packet_size)",
            LinkError::Version => "set mqtt.protocol = 4, or use a broker with MQTT 3.1.1",
            LinkError::Refused(_) | LinkError::Ended(_) => "look at the broker's log",
            LinkError::Lost(_) => "connecting again",
        };
        format!("MQTT broker at {host}:{port}: {error}; {remedy}")
    }
}
