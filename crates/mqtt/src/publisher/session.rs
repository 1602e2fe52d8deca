//! One connection: subscribes, sends what the outbox decides, and reads what arrives.

mod inbound;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use moodring_contract::payload::{Absence, HealthReport, HealthSchema, Place, Presence};
use moodring_contract::{MoodSchema, OverlayScope};

use crate::access::Unanswered;
use crate::client::{Event, Limits, Link, LinkError, Message, Sender};
use crate::discovery;
use crate::encoder::json;
use crate::holds::{Lane, Reason};
use crate::messages::{reply, retained, spooled, status};
use crate::outbox::{InFlight, Item, Outbox, Retained};
use crate::own_status::OwnStatus;
use crate::suspects::{STABLE_AFTER, Suspect};
use crate::target::Address;

use super::Publisher;

/// Maximum time for sending `offline` and disconnecting.
pub(crate) const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// The connection is closed if an expected receipt takes longer.
pub(crate) const RECEIPT_TIMEOUT: Duration = Duration::from_secs(10);
/// MQTT 5: for this time after a connection a message without a subscriber counts as not delivered. After a restart of
/// the broker its subscribers need a while to come back.
const SUBSCRIBERS_RETURN_WITHIN: Duration = Duration::from_secs(300);
/// MQTT 5: a mood is published at least once a minute (`mood.publish_every_s`), so one of two minutes ago is from an
/// offline device and must not be shown as current.
const MOOD_EXPIRY: Duration = Duration::from_secs(120);
/// MQTT 5: the retained health expires after this many intervals.
const HEALTH_EXPIRY_TIMES: u32 = 3;
/// Upper bound for what a packet has beside topic and payload: the fixed header and the properties.
const PACKET_OVERHEAD: usize = 256;
/// Schema id of the announcement to Home Assistant.
const DISCOVERY_SCHEMA: &str = "homeassistant.device/2026.11";

/// How a connection ended.
pub(super) enum End {
    Stopped,
    Lost { error: LinkError, lived: Duration },
}

/// One connection.
pub(super) struct Session {
    sender: Sender,
    limits: Limits,
    outbox: Outbox,
    connected_at: Instant,
    /// Deadline of the broker's next receipt, or of the disconnection.
    deadline: Instant,
    /// When status and health are due.
    report_at: Instant,
    /// Filters to which the device has not subscribed yet. Nothing is published before: a client that reads `online` may
    /// send a command immediately.
    filters: VecDeque<String>,
    /// The subscription that the broker has not answered yet.
    subscribing: Option<String>,
    /// All filters of this connection.
    all_filters: Vec<String>,
    own: OwnStatus,
    /// Whether a receipt means that the broker has accepted the message. With MQTT 3.1.1 that is shown by the own status
    /// only, if it is read back.
    trusts_receipts: bool,
    /// Whether entries of the spool may be sent.
    is_trusted: bool,
    /// Topic of the last message that was far too large.
    large_topic: Option<String>,
    works: bool,
    stopping: bool,
}

impl Session {
    /// A session that subscribes to nothing yet.
    pub(super) fn new(
        sender: Sender,
        limits: Limits,
        outbox: Outbox,
        own: OwnStatus,
        trusts_receipts: bool,
    ) -> Self {
        let now = Instant::now();
        Self {
            sender,
            limits,
            outbox,
            connected_at: now,
            deadline: now + RECEIPT_TIMEOUT,
            report_at: now,
            filters: VecDeque::new(),
            subscribing: None,
            all_filters: Vec::new(),
            own,
            trusts_receipts,
            is_trusted: trusts_receipts,
            large_topic: None,
            works: false,
            stopping: false,
        }
    }

    /// The filter that a message on `topic` matches.
    fn filter_of(&self, topic: &str) -> String {
        let parent =
            |filter: &&String| filter.strip_suffix('+').is_some_and(|begin| topic.starts_with(begin));
        let exact = self.all_filters.iter().find(|filter| *filter == topic);
        exact.or_else(|| self.all_filters.iter().find(parent)).cloned().unwrap_or_else(|| topic.to_owned())
    }

    /// What waits for an answer at the loss of the connection. `discarding`: a message that is too large is arriving.
    pub(super) fn unanswered(&self, discarding: bool) -> Unanswered {
        let large = self.large_topic.as_ref().filter(|_| discarding);
        let filter = self.subscribing.clone().map(Suspect::Filter);
        let message = || self.outbox.alone_in_flight().map(|message| Suspect::Lane(message.lane()));
        match large {
            Some(topic) => Unanswered::Large(self.filter_of(topic)),
            None if self.is_idle() => Unanswered::Nothing,
            None => filter.or_else(message).map_or(Unanswered::Several, Unanswered::One),
        }
    }

    /// Whether nothing waits for an answer.
    fn is_idle(&self) -> bool {
        self.subscribing.is_none() && !self.outbox.is_waiting()
    }

    /// Subscribes to the next filter, if there is one and the last one was answered.
    fn subscribe_next(&mut self) {
        while self.subscribing.is_none() {
            let Some(filter) = self.filters.pop_front() else { return };
            self.subscribing = self.sender.subscribe(&filter).then_some(filter);
        }
    }
}

impl Publisher {
    /// Runs a connection until it ends.
    pub(super) async fn converse(&mut self, session: &mut Session, link: &mut Link) -> End {
        self.begin(session);
        loop {
            let event = match self.next_event(session, link).await {
                Some(Ok(event)) => event,
                Some(Err(_)) | None if self.stop.is_requested() => return End::Stopped,
                Some(Err(error)) => return End::Lost { error, lived: session.connected_at.elapsed() },
                None => {
                    return End::Lost { error: LinkError::Timeout, lived: session.connected_at.elapsed() };
                }
            };
            match event {
                Event::Sent(number) => session.outbox.sent(number),
                Event::Acknowledged(number) => {
                    if self.acknowledged(session, number, true) == ControlFlow::Break(()) {
                        return End::Stopped;
                    }
                }
                Event::NoSubscriber(number) => {
                    if self.acknowledged(session, number, false) == ControlFlow::Break(()) {
                        return End::Stopped;
                    }
                }
                Event::Refused(number, reason) => self.refused(session, number, reason),
                Event::Subscribed => self.subscribed(session, None),
                Event::NotSubscribed(reason) => self.subscribed(session, Some(reason)),
                Event::Received(message) => self.received(session, &message).await,
                Event::Closed => return End::Stopped,
                Event::Connected(_) | Event::Other => {}
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
        let mut link_event = pin!(link.next());
        loop {
            let waiting = session.stopping || !session.is_idle();
            let retry_at = self.retry_at(session);
            tokio::select! {
                event = &mut link_event => return Some(event),
                () = stop.requested(), if !session.stopping => {
                    session.stopping = true;
                    session.outbox.stop();
                    self.send_due(session);
                    session.deadline = Instant::now() + DISCONNECT_TIMEOUT;
                }
                Ok(()) = self.moods.changed(), if !session.stopping => {
                    session.outbox.set_due(Lane::Mood);
                    self.send_due(session);
                }
                () = spool.grown(), if !session.stopping => self.send_due(session),
                () = sleep_until(session.report_at), if !session.stopping => {
                    self.report_is_due(session);
                    self.send_due(session);
                }
                () = sleep_until(retry_at.unwrap_or_else(Instant::now)), if retry_at.is_some() => {
                    self.check_read_back(session);
                    self.send_due(session);
                }
                () = sleep_until(session.deadline), if waiting => return None,
            }
        }
    }

    /// When a held message is due for another attempt, or the own status counts as lost.
    fn retry_at(&self, session: &Session) -> Option<Instant> {
        let held = self.access.holds.next_attempt(Instant::now());
        [held, session.own.missing_at()].into_iter().flatten().min()
    }

    fn health_every(&self) -> Duration {
        Duration::from_secs(self.target.config.health_every_s.into())
    }

    /// The broker has accepted the connection.
    fn begin(&mut self, session: &mut Session) {
        self.health.connections.increment();
        self.spool.set_online(true);
        let commands = self.commands.is_some().then(|| self.topics.command("+"));
        let birth = self.target.config.discovery.then(|| discovery::BIRTH_TOPIC.to_owned());
        let overlays =
            self.overlays.as_ref().map(|_| OverlayScope::ALL.map(|scope| self.overlay_topic(scope)));
        let others = commands.into_iter().chain(birth).chain(overlays.into_iter().flatten());
        session.all_filters = [self.topics.status()].into_iter().chain(others).collect();
        let left = session.all_filters.iter().filter(|filter| !self.access.leaves_out(filter));
        session.filters = left.cloned().collect();
        session.subscribe_next();
        let current = self.current_topics();
        self.retained.set_current(current);
        if self.retained.former().is_some() {
            session.outbox.set_due(Lane::Clearing);
        }
        self.report_is_due(session);
        if self.target.config.discovery {
            session.outbox.set_due(Lane::Discovery);
        }
        self.send_due(session);
    }

    fn subscribed(&mut self, session: &mut Session, refusal: Option<&'static str>) {
        if let Some(filter) = session.subscribing.take() {
            self.access.subscribed(&filter, refusal);
        }
        session.deadline = Instant::now() + RECEIPT_TIMEOUT;
        session.subscribe_next();
    }

    /// Status and health are due.
    fn report_is_due(&mut self, session: &mut Session) {
        session.report_at = Instant::now() + self.health_every();
        if session.connected_at.elapsed() >= STABLE_AFTER {
            session.outbox.widen();
        }
        session.own.tick();
        self.access.check_other_device(false);
        session.outbox.set_due(Lane::Status);
        if self.sampler.is_some() {
            session.outbox.set_due(Lane::Health);
        }
    }

    /// Holds the entries of the spool if the own status was acknowledged, but not read back.
    fn check_read_back(&mut self, session: &mut Session) {
        if session.own.take_missing(Instant::now()) && !session.trusts_receipts {
            session.is_trusted = false;
            self.access.hold(Lane::Status, Reason::NotReadBack);
            session.outbox.set_due(Lane::Status);
        }
    }

    /// The broker has acknowledged a message; with MQTT 5 it tells whether there is a subscriber. Breaks if the connection
    /// is to be closed and cannot be closed in order.
    fn acknowledged(&mut self, session: &mut Session, number: u16, has_subscriber: bool) -> ControlFlow<()> {
        // Any receipt shows that the broker responds.
        if !session.stopping {
            session.deadline = Instant::now() + RECEIPT_TIMEOUT;
        }
        if !std::mem::replace(&mut session.works, true) {
            self.reconnects += 1;
            if self.reconnects == 1 {
                let Address { host, port } = &self.target.address;
                tracing::info!(host, port, "connected to the broker");
            }
            self.health.works();
        }
        let Some(in_flight) = session.outbox.answered(number) else { return ControlFlow::Continue(()) };
        self.access.answered(in_flight.lane());
        if in_flight.lane() != Lane::Status || session.trusts_receipts {
            self.access.accepted(in_flight.lane());
        }
        match in_flight {
            InFlight::Retained(Retained::Online) => session.own.acknowledged(Instant::now()),
            InFlight::Retained(Retained::Mood) => self.health.published.increment(),
            // After a restart of the broker that is not a delivery.
            InFlight::Spooled(kind, ordinal)
                if !has_subscriber && session.connected_at.elapsed() < SUBSCRIBERS_RETURN_WITHIN =>
            {
                self.spool.release(ordinal);
                self.access.hold(Lane::Spooled(kind), Reason::NoSubscriber);
            }
            InFlight::Spooled(_, ordinal) => self.spool.acknowledged(ordinal),
            InFlight::Retained(Retained::Clearing) => self.cleared(session),
            InFlight::Retained(Retained::Offline) if !session.sender.disconnect() => {
                return ControlFlow::Break(());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    /// The retained message on the oldest former topic was deleted.
    fn cleared(&mut self, session: &mut Session) {
        if let Some(former) = self.retained.former().map(str::to_owned) {
            tracing::info!(topic = former, "the retained message on a former topic was deleted");
            self.retained.deleted(&former);
        }
        if self.retained.former().is_some() {
            session.outbox.set_due(Lane::Clearing);
        }
    }

    /// MQTT 5: the broker refuses a message. It is due again when its lane is.
    fn refused(&mut self, session: &mut Session, number: u16, reason: &'static str) {
        self.health.errors.increment();
        if let Some(in_flight) = session.outbox.answered(number) {
            self.access.answered(in_flight.lane());
            self.hold(session, in_flight, Reason::Refused(reason));
        }
    }

    /// Holds the lane of a message that was not accepted; the message stays due.
    fn hold(&mut self, session: &mut Session, in_flight: InFlight, reason: Reason) {
        session.outbox.set_due(in_flight.lane());
        if let InFlight::Spooled(_, ordinal) = in_flight {
            self.spool.release(ordinal);
        }
        self.access.hold(in_flight.lane(), reason);
    }

    /// Passes due messages to the library while there is room.
    fn send_due(&mut self, session: &mut Session) {
        if session.subscribing.is_some() {
            return;
        }
        while let Some(item) = self.next_item(session) {
            let in_flight = item.in_flight();
            let mut message = self.message(item);
            message.retain &= session.limits.retains;
            let bytes = message.topic.len() + message.payload.len() + PACKET_OVERHEAD;
            if bytes > session.limits.packet_bytes as usize {
                session.outbox.was_not_handed();
                self.hold(session, in_flight, Reason::TooLarge(session.limits.packet_bytes));
            } else if !session.sender.publish(message) {
                // Impossible while the window is smaller than the library's queue. An entry of the spool waits for the
                // next connection.
                session.outbox.was_not_handed();
                self.health.errors.increment();
                return;
            } else if in_flight == InFlight::Retained(Retained::Online) {
                session.own.sent();
            }
        }
    }

    /// The message to send now; it counts as passed to the library.
    fn next_item(&mut self, session: &mut Session) -> Option<Item> {
        let idle = !session.outbox.is_waiting();
        let now = Instant::now();
        let holds = &self.access.holds;
        let clears = !holds.is_held(Lane::Clearing, now) && self.retained.former().is_some();
        let trusted = session.is_trusted;
        let is_open = |lane: Lane| match lane {
            Lane::Spooled(_) if !trusted => false,
            // Home Assistant must forget the device on its former topic first.
            Lane::Discovery if clears => false,
            _ => !holds.is_held(lane, now),
        };
        let item = session.outbox.take(&self.spool, &is_open);
        if item.is_some() && idle && !session.stopping {
            session.deadline = now + RECEIPT_TIMEOUT;
        }
        item
    }

    fn message(&mut self, item: Item) -> Message {
        let place = self.target.place();
        match item {
            Item::Retained(message) => self.retained_message(message, place),
            Item::Reply(answer) => reply(&self.topics, place, answer),
            Item::Spooled(entry) => spooled(&self.topics, entry),
        }
    }

    fn retained_message(&mut self, message: Retained, place: Place) -> Message {
        match message {
            Retained::Online => status(&self.topics, place, Presence::Online, None),
            Retained::Offline => status(&self.topics, place, Presence::Offline, Some(Absence::Stopped)),
            Retained::Mood => {
                // Marked as seen only now: a mood that arrives in between must still wake this task.
                let newest = self.moods.borrow_and_update().clone();
                retained(self.topics.mood(), MoodSchema::ID, json(&*newest), Some(MOOD_EXPIRY))
            }
            Retained::Health => self.health_report(place),
            Retained::Discovery => {
                let topic = discovery::topic(&self.target.config, self.target.device.as_str());
                let announcement = discovery::announcement(&self.target, &self.topics);
                retained(topic, DISCOVERY_SCHEMA, announcement.to_string().into_bytes(), None)
            }
            Retained::Clearing => {
                let former = self.retained.former().unwrap_or_default().to_owned();
                retained(former, "", Vec::new(), None)
            }
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
}
