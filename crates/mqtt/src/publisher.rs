//! The publisher's task: opens one connection after another and sends on each what the outbox decides.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until};

use moodring_contract::payload::{Absence, HealthReport, HealthSchema, Place, Presence};
use moodring_contract::{MoodSchema, OverlayScope, Topics};
use moodring_runtime::{Backoff, CommandSender, Health, Moods, Stop, random_share};

use crate::client::{self, Event, Link, LinkError, Message, Received, Sender, Settings};
use crate::command::CommandHandler;
use crate::discovery::Discovery;
use crate::encoder::json;
use crate::messages::{reply, retained, spooled, status};
use crate::outbox::{Answer, InFlight, Item, Outbox};
use crate::overlays::{OverlayArrival, OverlayInbox};
use crate::secrets::Secrets;
use crate::spool::Spool;
use crate::target::{Address, Target};
use crate::vitals::Sampler;

/// Maximum time for sending `offline` and disconnecting.
pub(super) const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// The connection is closed if an expected receipt takes longer.
pub(super) const RECEIPT_TIMEOUT: Duration = Duration::from_secs(10);
/// MQTT 5: a mood is published at least once a minute (`mood.publish_every_s`), so one of two minutes ago is from an
/// offline device and must not be shown as current.
const MOOD_EXPIRY: Duration = Duration::from_secs(120);
/// MQTT 5: the retained health expires after this many intervals.
const HEALTH_EXPIRY_TIMES: u32 = 3;

/// Schema id of the announcement to Home Assistant.
const DISCOVERY_SCHEMA: &str = "homeassistant.device/2026.11";

/// A connection of at least this duration resets the backoff. The first ceiling is half of the last, so that devices
/// that lose their broker at the same moment reconnect spread over that span.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// How a connection ended.
enum End {
    Stopped,
    Lost { error: LinkError, lived: Duration },
}

/// One connection.
struct Session {
    sender: Sender,
    outbox: Outbox,
    connected_at: Option<Instant>,
    /// Deadline of the broker's next receipt, or of the disconnection.
    deadline: Instant,
    health_at: Instant,
    /// Number of subscriptions that the broker has not answered. Nothing is published before: a client that reads
    /// `online` may send a command immediately.
    subscribing: u32,
    stopping: bool,
}

impl Session {
    fn lived(&self) -> Duration {
        self.connected_at.map_or(Duration::ZERO, |at| at.elapsed())
    }
}

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
    discovery: Discovery,
    reconnects: u64,
    stop: Stop,
}

impl Publisher {
    /// Publishes `moods` and the entries of `spool` to `target`, once it [runs](Publisher::run), until `stop` is
    /// requested.
    pub fn new(target: Target, moods: Moods, spool: Spool, stop: Stop) -> Self {
        Self {
            topics: Topics::of(&target.room.site, &target.room.name),
            discovery: Discovery::new(&target.config, &target.device, None),
            target,
            moods,
            spool,
            health: Arc::new(Health::new("mqtt")),
            secrets: Secrets::detect(),
            sampler: None,
            commands: None,
            overlays: None,
            reconnects: 0,
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

    /// Stores the topic of the announcement to Home Assistant in the folder `storage`, so that it can be removed later.
    #[must_use]
    pub(crate) fn remembering(self, storage: PathBuf) -> Self {
        let discovery = Discovery::new(&self.target.config, &self.target.device, Some(storage));
        Self { discovery, ..self }
    }

    /// Reports its state on `health` instead of its own one.
    #[must_use]
    pub(crate) fn shown_by(self, health: Arc<Health>) -> Self {
        Self { health, ..self }
    }

    /// The state of the connection.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }
}

impl Publisher {
    /// Publishes until the stop is requested, then publishes `offline`.
    pub async fn run(mut self) {
        let longest = Duration::from_secs(self.target.config.reconnect_within_s.into());
        let mut backoff = Backoff::new(longest / 2, longest).with_full_jitter().stable_after(STABLE_AFTER);
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
            let wait = backoff.after_loss(lived, random_share());
            tokio::select! {
                () = self.stop.requested() => return,
                () = sleep(wait) => {}
            }
        }
    }

    /// Runs one connection until it ends.
    async fn connection(&mut self, settings: Settings) -> End {
        // Messages without a receipt on the last connection are due again.
        self.spool.rewind();
        self.health.attempts.increment();
        let (sender, mut link) = match client::open(settings) {
            Ok(opened) => opened,
            Err(error) => return End::Lost { error, lived: Duration::ZERO },
        };
        let now = Instant::now();
        let (outbox, deadline) = (Outbox::default(), now + RECEIPT_TIMEOUT);
        let mut session = Session {
            sender,
            outbox,
            connected_at: None,
            deadline,
            health_at: now,
            subscribing: 0,
            stopping: false,
        };
        let end = self.converse(&mut session, &mut link).await;
        self.spool.set_online(false);
        end
    }

    async fn converse(&mut self, session: &mut Session, link: &mut Link) -> End {
        loop {
            let event = match self.next_event(session, link).await {
                Some(Ok(event)) => event,
                Some(Err(_)) | None if self.stop.is_requested() => return End::Stopped,
                Some(Err(error)) => return End::Lost { error, lived: session.lived() },
                None => return End::Lost { error: LinkError::Timeout, lived: session.lived() },
            };
            match event {
                Event::Connected => self.connected(session),
                Event::Sent(number) => session.outbox.sent(number),
                Event::Acknowledged(number) => {
                    let in_flight = session.outbox.answered(number);
                    self.acknowledged(session, in_flight);
                    if in_flight == Some(InFlight::Offline) && !session.sender.disconnect() {
                        return End::Stopped;
                    }
                }
                Event::Refused(number, reason) => self.refused(session, number, &reason),
                Event::Subscribed => session.subscribing = session.subscribing.saturating_sub(1),
                Event::NotSubscribed(reason) => {
                    session.subscribing = session.subscribing.saturating_sub(1);
                    tracing::warn!(reason, "the broker refuses the subscription to commands; check its ACL");
                }
                Event::Received(message) => self.received(session, &message).await,
                Event::Closed => return End::Stopped,
                Event::Other => {}
            }
            self.send_due(session);
        }
    }

    /// Waits for the next event of the link, and sends messages that become due meanwhile. The library's future is
    /// never dropped before it completes: it may hold a partly read packet. `None`: the deadline has passed.
    async fn next_event(
        &mut self,
        session: &mut Session,
        link: &mut Link,
    ) -> Option<Result<Event, LinkError>> {
        let (stop, spool) = (self.stop.clone(), self.spool.clone());
        let reports = self.sampler.is_some();
        let mut link_event = pin!(link.next());
        loop {
            let connected = session.connected_at.is_some();
            let waiting = session.stopping || session.subscribing > 0 || session.outbox.is_waiting();
            tokio::select! {
                event = &mut link_event => return Some(event),
                () = stop.requested(), if !session.stopping => {
                    // Without a connection there is no `offline` to send.
                    session.connected_at?;
                    session.stopping = true;
                    session.outbox.stop();
                    self.send_due(session);
                    session.deadline = Instant::now() + DISCONNECT_TIMEOUT;
                }
                Ok(()) = self.moods.changed(), if !session.stopping => {
                    session.outbox.mood_changed();
                    self.send_due(session);
                }
                () = spool.grown(), if connected && !session.stopping => self.send_due(session),
                () = sleep_until(session.health_at), if reports && connected && !session.stopping => {
                    session.health_at = Instant::now() + self.health_every();
                    session.outbox.health_is_due();
                    self.send_due(session);
                }
                () = sleep_until(session.deadline), if waiting => return None,
            }
        }
    }

    fn health_every(&self) -> Duration {
        Duration::from_secs(self.target.config.health_every_s.into())
    }

    fn connected(&mut self, session: &mut Session) {
        let Address { host, port } = &self.target.address;
        tracing::info!(host, port, "connected to the broker");
        session.connected_at = Some(Instant::now());
        session.health_at = Instant::now();
        session.deadline = Instant::now() + RECEIPT_TIMEOUT;
        session.outbox.connected();
        let commands = self.commands.is_some().then(|| self.topics.command("+"));
        let birth = self.discovery.birth_topic().map(str::to_owned);
        let overlaid =
            self.overlays.is_some().then(|| OverlayScope::ALL.map(|scope| self.overlay_topic(scope)));
        for filter in commands.into_iter().chain(birth).chain(overlaid.into_iter().flatten()) {
            session.subscribing += u32::from(session.sender.subscribe(&filter));
        }
        if self.discovery.is_due() {
            session.outbox.discovery_is_due();
        }
        self.spool.set_online(true);
        self.health.connections.increment();
        self.health.works();
    }

    fn acknowledged(&mut self, session: &mut Session, in_flight: Option<InFlight>) {
        // Any receipt shows that the broker responds.
        if !session.stopping {
            session.deadline = Instant::now() + RECEIPT_TIMEOUT;
        }
        match in_flight {
            Some(InFlight::Online) => self.reconnects += 1,
            Some(InFlight::Mood) => self.health.published.increment(),
            Some(InFlight::Spooled(ordinal)) => self.spool.acknowledged(ordinal),
            Some(InFlight::Discovery) if self.discovery.acknowledged() => session.outbox.discovery_is_due(),
            _ => {}
        }
    }

    /// MQTT 5: the broker refuses a message. An entry of the spool stays and is sent again on the next connection.
    fn refused(&mut self, session: &mut Session, number: u16, reason: &str) {
        let in_flight = session.outbox.answered(number);
        self.health.errors.increment();
        if matches!(in_flight, Some(InFlight::Spooled(_))) {
            session.outbox.hold_spool();
        }
        tracing::warn!(?in_flight, reason, "the broker refuses this message; check its ACL");
    }

    fn overlay_topic(&self, scope: OverlayScope) -> String {
        scope.topic(&self.target.room.site, &self.target.room.name)
    }

    async fn received(&mut self, session: &mut Session, message: &Received) {
        if self.discovery.is_birth(message.retained, &message.topic, &message.payload) {
            session.outbox.discovery_is_due();
        }
        if let Some(inbox) = &self.overlays {
            let scope =
                OverlayScope::ALL.into_iter().find(|scope| self.overlay_topic(*scope) == message.topic);
            scope
                .into_iter()
                .for_each(|scope| inbox.put(OverlayArrival { scope, message: message.payload.clone() }));
        }
        let command = self.topics.command_of(&message.topic);
        if let (Some(command), Some(commands)) = (command, &mut self.commands) {
            let outcome = commands.handle(command, message, std::time::Instant::now()).await;
            session.outbox.answer(Answer { outcome, correlation: message.correlation.clone() });
        }
    }

    /// Passes due messages to the library while there is room.
    fn send_due(&mut self, session: &mut Session) {
        if session.connected_at.is_none() || session.subscribing > 0 {
            return;
        }
        loop {
            let idle = !session.outbox.is_waiting();
            let Some(item) = session.outbox.take(&self.spool) else { return };
            if idle && !session.stopping {
                session.deadline = Instant::now() + RECEIPT_TIMEOUT;
            }
            let message = self.message(item);
            if !session.sender.publish(message) {
                // Impossible while the window is smaller than the library's queue. An entry of the spool waits for the
                // next connection.
                session.outbox.was_not_handed();
                self.health.errors.increment();
                return;
            }
        }
    }

    fn message(&mut self, item: Item) -> Message {
        let place = self.target.place();
        match item {
            Item::Online => status(&self.topics, place, Presence::Online, None),
            Item::Offline => status(&self.topics, place, Presence::Offline, Some(Absence::Stopped)),
            Item::Mood => {
                // Marked as seen only now: a mood that arrives in between must still wake this task.
                let newest = self.moods.borrow_and_update().clone();
                retained(self.topics.mood(), MoodSchema::ID, json(&*newest), Some(MOOD_EXPIRY))
            }
            Item::Health => self.health_report(place),
            Item::Discovery => {
                let (topic, payload) = self.discovery.message(&self.target, &self.topics);
                retained(topic, DISCOVERY_SCHEMA, payload, None)
            }
            Item::Reply(answer) => reply(&self.topics, place, answer),
            Item::Spooled(entry) => spooled(&self.topics, entry),
        }
    }

    fn health_report(&mut self, place: Place) -> Message {
        let report = HealthReport {
            schema: HealthSchema,
            place,
            at: Timestamp::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            vitals: self.sampler.as_mut().map(|sampler| sampler.sample()).unwrap_or_default(),
            spool: self.spool.metrics(),
            reconnects: self.reconnects.saturating_sub(1),
        };
        let expiry = self.health_every() * HEALTH_EXPIRY_TIMES;
        retained(self.topics.health(), HealthSchema::ID, json(&report), Some(expiry))
    }

    /// Settings of a connection. Secrets are read again each time, so a corrected file needs no restart.
    fn settings(&self) -> Result<Settings, String> {
        let config = &self.target.config;
        let place = self.target.place();
        Ok(Settings {
            protocol: config.protocol,
            host: self.target.address.host.clone(),
            port: self.target.address.port,
            client_id: self.target.device.to_string(),
            credentials: self.secrets.login(config)?,
            tls: self.secrets.tls(config)?,
            keep_alive: Duration::from_secs(config.keep_alive_s.into()),
            will: Some(status(&self.topics, place, Presence::Offline, Some(Absence::Lost))),
        })
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
            LinkError::Tls(_) => {
                "look at mqtt.tls.ca_file, and whether mqtt.host is the name in the broker's certificate"
            }
            LinkError::Unreachable(_) | LinkError::Timeout => "look at mqtt.host, mqtt.port and the network",
            LinkError::Refused(_) => "look at the broker's log",
            LinkError::Lost(_) => "connecting again",
        };
        format!("MQTT broker at {host}:{port}: {error}; {remedy}")
    }
}
