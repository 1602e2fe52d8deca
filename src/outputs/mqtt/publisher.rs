//! The publisher's task: one connection after another, and on each what the outbox says.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until};

use super::client::{self, Event, Link, LinkError, Message, Received, Sender, Settings};
use super::outbox::{Answer, Item, Outbox, Parcel};
use super::payload::{
    Absence, EVENT_SCHEMA, HEALTH_SCHEMA, HealthReport, LESSON_SCHEMA, MINUTE_SCHEMA, Place, Presence,
    REPLY_SCHEMA, Reply, STATUS_SCHEMA, Status, json,
};
use super::{Address, Publisher, Topics};
use crate::mood;
use crate::outputs::backoff::{self, Backoff};
use crate::outputs::spool::{Entry, Kind};
use crate::overlay::{Arrival, Scope};

/// The farewell may take this long, whatever the broker does.
pub(super) const FAREWELL: Duration = Duration::from_millis(500);
/// Without a receipt for this long while one is due, the connection is given up.
pub(super) const RECEIPT_TIMEOUT: Duration = Duration::from_secs(10);
/// MQTT 5: a mood is published at least once a minute (`mood.publish_every_s`), so one of two minutes ago is from a
/// device that is gone, and must not look like the class of now.
const MOOD_EXPIRY: Duration = Duration::from_secs(120);
/// MQTT 5: health that did not come three times is none.
const HEALTH_EXPIRY_TIMES: u32 = 3;
/// MQTT 5: a subscriber that was away for a month has other means.
const SPOOLED_EXPIRY: Duration = Duration::from_secs(30 * 24 * 3600);
/// MQTT 5: who asked does not wait longer.
const REPLY_EXPIRY: Duration = Duration::from_secs(60);

/// Whose rules Home Assistant's message keeps to.
const DISCOVERY_SCHEMA: &str = "homeassistant.device/2026.11";

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
    /// When the broker's next receipt, or the farewell, is overdue.
    deadline: Instant,
    health_at: Instant,
    /// Subscriptions that the broker has not answered. Nothing is told before: who reads `online` may send a command at
    /// once, and it must be heard.
    subscribing: u32,
    stopping: bool,
}

impl Session {
    fn lived(&self) -> Duration {
        self.connected_at.map_or(Duration::ZERO, |at| at.elapsed())
    }
}

impl Publisher {
    /// Publishes until the stop is requested, and says `offline` then.
    pub async fn run(mut self) {
        let longest = Duration::from_secs(self.target.config.reconnect_within_s.into());
        let mut backoff = Backoff::new(longest);
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
        // What the last connection did not get a receipt for is due again.
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
                    let parcel = session.outbox.answered(number);
                    self.acknowledged(session, parcel);
                    if parcel == Some(Parcel::Offline) && !session.sender.disconnect() {
                        return End::Stopped;
                    }
                }
                Event::Refused(number, reason) => self.refused(session, number, &reason),
                Event::Subscribed => session.subscribing = session.subscribing.saturating_sub(1),
                Event::NotSubscribed(reason) => {
                    session.subscribing = session.subscribing.saturating_sub(1);
                    tracing::warn!(
                        reason,
                        "the broker lets nobody send commands to this device; look at its ACL"
                    );
                }
                Event::Received(message) => self.received(session, &message),
                Event::Closed => return End::Stopped,
                Event::Other => {}
            }
            self.send_due(session);
        }
    }

    /// Waits for what the link says next, and hands it what becomes due meanwhile. The library's future
    /// is never dropped half-way: it may hold a half-read packet. None: the time for it is over.
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
                    // Without a connection there is nobody to take leave of.
                    session.connected_at?;
                    session.stopping = true;
                    session.outbox.stop();
                    self.send_due(session);
                    session.deadline = Instant::now() + FAREWELL;
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
        let commands = self.obedience.is_some().then(|| self.topics.command("+"));
        let birth = self.discovery.birth_topic().map(str::to_owned);
        let overlaid =
            self.overlays.is_some().then(|| Scope::ALL.map(|scope| scope.topic(&self.target.room)));
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

    fn acknowledged(&mut self, session: &mut Session, parcel: Option<Parcel>) {
        // Any receipt shows that the broker is there.
        if !session.stopping {
            session.deadline = Instant::now() + RECEIPT_TIMEOUT;
        }
        match parcel {
            Some(Parcel::Online) => self.reconnects += 1,
            Some(Parcel::Mood) => self.health.published.increment(),
            Some(Parcel::Spooled(ordinal)) => self.spool.acknowledged(ordinal),
            Some(Parcel::Discovery) if self.discovery.was_told() => session.outbox.discovery_is_due(),
            _ => {}
        }
    }

    /// MQTT 5: what the broker does not take. An entry of the spool stays, to be tried on the next connection.
    fn refused(&mut self, session: &mut Session, number: u16, reason: &str) {
        let parcel = session.outbox.answered(number);
        self.health.errors.increment();
        if matches!(parcel, Some(Parcel::Spooled(_))) {
            session.outbox.hold_spool();
        }
        tracing::warn!(?parcel, reason, "the broker does not take this; look at its ACL");
    }

    fn received(&mut self, session: &mut Session, message: &Received) {
        if self.discovery.is_birth(message.retained, &message.topic, &message.payload) {
            session.outbox.discovery_is_due();
        }
        if let Some(inbox) = &self.overlays {
            let scope = Scope::ALL.into_iter().find(|scope| scope.topic(&self.target.room) == message.topic);
            scope
                .into_iter()
                .for_each(|scope| inbox.put(Arrival { scope, message: message.payload.clone() }));
        }
        let command = self.topics.command_of(&message.topic);
        if let (Some(command), Some(obedience)) = (command, &mut self.obedience) {
            let outcome = obedience.obey(command, message, std::time::Instant::now());
            session.outbox.answer(Answer { outcome, correlation: message.correlation.clone() });
        }
    }

    /// Hands to the library what is due, as far as there is room.
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
        let place = Place::new(&self.target.room, &self.target.device);
        match item {
            Item::Online => status(&self.topics, place, Presence::Online, None),
            Item::Offline => status(&self.topics, place, Presence::Offline, Some(Absence::Stopped)),
            Item::Mood => {
                // Seen only now that it is sent: a mood that comes in between must still wake this task.
                let newest = self.moods.borrow_and_update().clone();
                retained(self.topics.mood(), mood::SCHEMA, json(&*newest), Some(MOOD_EXPIRY))
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
            schema: HEALTH_SCHEMA,
            place,
            at: Timestamp::now(),
            version: env!("CARGO_PKG_VERSION"),
            vitals: self.sampler.as_mut().map(|sampler| sampler.sample()).unwrap_or_default(),
            spool: self.spool.figures().into(),
            reconnects: self.reconnects.saturating_sub(1),
        };
        let expiry = self.health_every() * HEALTH_EXPIRY_TIMES;
        retained(self.topics.health(), HEALTH_SCHEMA, json(&report), Some(expiry))
    }

    /// What a connection needs. Secrets are read anew each time, so that mending a file is enough.
    fn settings(&self) -> Result<Settings, String> {
        let config = &self.target.config;
        let place = Place::new(&self.target.room, &self.target.device);
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

    /// What is wrong, where, and how to mend it, in one line.
    fn advice(&self, error: &LinkError) -> String {
        let Address { host, port } = &self.target.address;
        let mend = match error {
            LinkError::Credentials if self.target.config.username.is_empty() => {
                "set mqtt.username and mqtt.password_file"
            }
            LinkError::Credentials => "mend mqtt.username or the first line of mqtt.password_file",
            LinkError::NothingListens => "start the broker, or mend mqtt.host and mqtt.port",
            LinkError::Tls(_) => {
                "look at mqtt.tls.ca_file, and whether mqtt.host is the name in the broker's certificate"
            }
            LinkError::Unreachable(_) | LinkError::Timeout => "look at mqtt.host, mqtt.port and the network",
            LinkError::Refused(_) => "look at the broker's log",
            LinkError::Lost(_) => "connecting again",
        };
        format!("MQTT broker at {host}:{port}: {error}; {mend}")
    }
}

pub(super) fn retained(
    topic: String,
    schema: &'static str,
    payload: Vec<u8>,
    expires_after: Option<Duration>,
) -> Message {
    Message { topic, payload: payload.into(), retain: true, expires_after, schema, correlation: None }
}

fn status(topics: &Topics, place: Place, status: Presence, reason: Option<Absence>) -> Message {
    let version = env!("CARGO_PKG_VERSION");
    let payload = Status { schema: STATUS_SCHEMA, status, reason, place, version };
    retained(topics.status(), STATUS_SCHEMA, json(&payload), None)
}

fn reply(topics: &Topics, place: Place, answer: Answer) -> Message {
    let Answer { outcome, correlation } = answer;
    let (ok, at) = (outcome.error.is_none(), Timestamp::now());
    let (command, id, error) = (outcome.command, outcome.id, outcome.error);
    let payload = json(&Reply { schema: REPLY_SCHEMA, place, at, command, id, ok, error });
    let expires_after = Some(REPLY_EXPIRY);
    Message { retain: false, correlation, ..retained(topics.reply(), REPLY_SCHEMA, payload, expires_after) }
}

fn spooled(topics: &Topics, entry: Entry) -> Message {
    let schema = match entry.kind {
        Kind::Minute => MINUTE_SCHEMA,
        Kind::Lesson => LESSON_SCHEMA,
        Kind::Event => EVENT_SCHEMA,
    };
    Message {
        topic: topics.spooled(entry.kind),
        payload: Arc::clone(&entry.payload),
        retain: false,
        expires_after: Some(SPOOLED_EXPIRY),
        schema,
        correlation: None,
    }
}
