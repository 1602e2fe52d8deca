//! The only module that uses the MQTT library, so that it can be replaced (docs/decisions/mqtt-client.md).
//!
//! A link does not reconnect by itself: after a loss its user opens a new one, so the library's queues never hold
//! messages from before the loss. The library has one crate for each version of the protocol; `v4` and `v5` give both
//! the same interface, and both use the byte stream of `transport`.

mod link_error;
mod tls_fault;
mod transport;
mod v4;
mod v5;

use std::sync::Arc;
use std::time::Duration;

pub(super) use link_error::LinkError;
pub(super) use rumqttc_v5::tokio_rustls::rustls;

use moodring_config::Protocol;

/// Capacity of the library's queue: more than the messages in flight and the disconnection.
const QUEUE: usize = 32;
/// Largest packet in either direction. The largest payload sent, discovery, has about 9 kB. A larger packet from the
/// broker is shortened to this; none of the payloads that are read may be nearly as large.
const MAX_BYTES: u32 = 64 * 1024;
/// Timeout of a connection attempt, in seconds.
const CONNECT_TIMEOUT_S: u64 = 5;
/// MQTT 5: delay of the last will in seconds, and the expiry of the session, which the delay needs (section 3.1.3.2.2).
const WILL_DELAY_S: u32 = 10;

/// A message with at-least-once delivery; this program sends no other kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Arc<[u8]>,
    /// Whether the broker retains it for later subscribers.
    pub(super) retain: bool,
    /// MQTT 5: the broker does not deliver it after this time.
    pub(super) expires_after: Option<Duration>,
    /// MQTT 5: name and version of the payload's schema.
    pub(super) schema: &'static str,
    /// MQTT 5: correlation data of the command that this answers.
    pub(super) correlation: Option<Vec<u8>>,
}

/// The broker, the identity of this client, and its last will.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) protocol: Protocol,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) client_id: String,
    /// User name and password.
    pub(super) credentials: Option<(String, String)>,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) keep_alive: Duration,
    /// The message that the broker publishes when the connection ends without DISCONNECT.
    pub(super) will: Option<Message>,
}

/// An event of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The broker accepted the connection.
    Connected(Limits),
    /// The oldest message that was passed in and not sent yet is in flight with this packet id.
    Sent(u16),
    /// The broker has acknowledged the message with this packet id.
    Acknowledged(u16),
    /// MQTT 5: the broker has acknowledged the message with this packet id, but nobody has subscribed to it.
    NoSubscriber(u16),
    /// MQTT 5: the broker refuses the message with this packet id, for this reason.
    Refused(u16, &'static str),
    /// The broker accepted the oldest open subscription.
    Subscribed,
    /// The broker refused the oldest open subscription, for this reason.
    NotSubscribed(&'static str),
    /// A message arrived.
    Received(Received),
    /// DISCONNECT was sent.
    Closed,
    /// Anything else, such as a ping.
    Other,
}

/// What the broker accepts, as it says when it accepts the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Largest packet in bytes.
    pub(super) packet_bytes: u32,
    /// Whether it retains messages.
    pub(super) retains: bool,
}

/// Of a broker that names none.
const NO_LIMITS: Limits = Limits { packet_bytes: MAX_BYTES, retains: true };

/// A message from the broker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// Whether it is a retained message from before the subscription.
    pub(super) retained: bool,
    /// MQTT 5: correlation data, for the reply.
    pub(super) correlation: Option<Vec<u8>>,
}

/// Sends messages; never blocks.
#[derive(Debug)]
pub(super) enum Sender {
    V4(v4::Sender),
    V5(v5::Sender),
}

/// The connection. It makes progress only while [`Link::next`] is awaited.
pub(super) enum Link {
    V4(Box<v4::Link>),
    V5(Box<v5::Link>),
}

/// An open connection, and what its broker accepts.
pub(super) struct Connection {
    pub(super) sender: Sender,
    pub(super) link: Link,
    /// The version in use: MQTT 3.1.1 also if the broker does not support the configured MQTT 5.
    pub(super) protocol: Protocol,
    pub(super) limits: Limits,
}

/// Opens a connection. Where a broker does not support MQTT 5, opens one with MQTT 3.1.1.
///
/// # Errors
/// The broker cannot be reached, or refuses this client.
pub(super) async fn connect(settings: Settings) -> Result<Connection, LinkError> {
    let fallback =
        (settings.protocol == Protocol::V5).then(|| Settings { protocol: Protocol::V4, ..settings.clone() });
    match (connect_once(settings).await, fallback) {
        // Some brokers say that they do not support MQTT 5, others close the connection.
        (Err(LinkError::Version | LinkError::NoAnswer { .. }), Some(fallback)) => {
            connect_once(fallback).await
        }
        (connected, _) => connected,
    }
}

async fn connect_once(settings: Settings) -> Result<Connection, LinkError> {
    let protocol = settings.protocol;
    let (sender, mut link) = match protocol {
        Protocol::V4 => {
            let (sender, link) = v4::open(settings)?;
            (Sender::V4(sender), Link::V4(Box::new(link)))
        }
        Protocol::V5 => {
            let (sender, link) = v5::open(settings)?;
            (Sender::V5(sender), Link::V5(Box::new(link)))
        }
    };
    loop {
        if let Event::Connected(limits) = link.next().await? {
            return Ok(Connection { sender, link, protocol, limits });
        }
    }
}

impl Sender {
    /// Queues `message`; false if the library's queue is full or closed.
    pub(super) fn publish(&self, message: Message) -> bool {
        match self {
            Self::V4(sender) => sender.publish(message),
            Self::V5(sender) => sender.publish(message),
        }
    }

    /// Subscribes to `filter`; false if the library's queue is full or closed.
    pub(super) fn subscribe(&self, filter: &str) -> bool {
        match self {
            Self::V4(sender) => sender.subscribe(filter),
            Self::V5(sender) => sender.subscribe(filter),
        }
    }

    /// Queues DISCONNECT, after which the broker does not publish the last will; false if the library's queue is full
    /// or closed.
    pub(super) fn disconnect(&self) -> bool {
        match self {
            Self::V4(sender) => sender.disconnect(),
            Self::V5(sender) => sender.disconnect(),
        }
    }
}

impl Link {
    /// Waits for the next event.
    ///
    /// # Errors
    /// The connection is lost; the link cannot be used again.
    pub(super) async fn next(&mut self) -> Result<Event, LinkError> {
        match self {
            Self::V4(link) => link.next().await,
            Self::V5(link) => link.next().await,
        }
    }

    /// Whether the end of a packet that is too large is still arriving.
    pub(super) fn is_discarding(&self) -> bool {
        match self {
            Self::V4(link) => link.transport.is_discarding(),
            Self::V5(link) => link.transport.is_discarding(),
        }
    }
}
