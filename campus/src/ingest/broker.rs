//! The only place of the campus that knows the MQTT library, so that it can be exchanged.
//!
//! MQTT 3.1.1 (all that NATS speaks), a persistent session, QoS 1, and acknowledgements by hand. A connection is made
//! once and never again by itself, so that no acknowledgement of an old connection can hit a message of a new one:
//! packet numbers start at 1 on each.

use std::borrow::Cow;
use std::sync::Arc;

use rumqttc_v4::{
    AckMode, AsyncClient, ConnectReturnCode, ConnectionError, Event as RawEvent, EventLoop, MqttOptions,
    NetworkOptions, Outgoing, Packet, Publish, QoS, SubscribeFilter, SubscribeReasonCode, TlsConfiguration,
    TlsError, Transport,
};
use rustls::ClientConfig;

/// Messages read ahead. Some brokers send a whole backlog whatever their limit of unacknowledged messages (Mosquitto 2.0.11
/// after a client's return); then the connection is read no faster than the database writes.
pub(super) const MAX_READ_AHEAD: usize = 4096;
/// Room in the library's queue of requests: acknowledgements of everything that is read ahead, so that the task that reads
/// the link may wait for the one that acknowledges.
const QUEUE: usize = 2 * MAX_READ_AHEAD;
/// A packet larger than this ends the connection; what is larger than a message of the contract is rejected before.
const MAX_BYTES: usize = 256 * 1024;
const CONNECT_TIMEOUT_S: u64 = 5;
const KEEP_ALIVE_S: u16 = 30;

/// User name and password.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password; may be empty.
    pub password: String,
}

/// The broker, and how to log in.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) client_id: String,
    pub(super) credentials: Option<Credentials>,
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// A message, which the broker keeps until [`Sender::acknowledge`].
#[derive(Debug)]
pub(super) struct Delivery(Publish);

impl Delivery {
    pub(super) fn topic(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0.topic)
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.0.payload
    }
}

/// What happens on a connection.
#[derive(Debug)]
pub(super) enum Event {
    /// The broker accepted the connection; whether it had kept our session.
    Connected { session_kept: bool },
    /// The broker has taken the subscriptions.
    Subscribed,
    /// A message.
    Delivery(Delivery),
    /// Our disconnection was written out.
    Closed,
    /// Signs of life.
    Other,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error(
        "does not accept the user name or the password; correct --username or the first line of --password-file"
    )]
    Credentials,
    #[error("refuses this client ({0}); look at the broker's log")]
    Refused(String),
    #[error("refuses the subscription; allow this user to read moodring/# (campus/README.md)")]
    Subscription,
    #[error("nothing listens there; start the broker, or correct --broker")]
    NothingListens,
    #[error("shows no certificate that can be trusted: {0}; correct --ca or the broker's certificate")]
    Tls(String),
    #[error("cannot be reached: {0}; look at --broker and the network")]
    Unreachable(String),
    #[error("connection lost: {0}; connecting again")]
    Lost(String),
}

/// Where requests are handed in. They wait while the queue is full, which ends as long as somebody reads the [`Link`],
/// and fail once the link is gone.
#[derive(Debug)]
pub(super) struct Sender(AsyncClient);

/// The connection itself: works only while [`Link::next`] is awaited, and must not be dropped half-way.
pub(super) struct Link {
    events: EventLoop,
    connected: bool,
}

/// Prepares a connection; it is made by the first [`Link::next`].
///
/// # Errors
/// The settings contradict each other.
pub(super) fn open(settings: Settings) -> Result<(Sender, Link), LinkError> {
    let mut options = MqttOptions::new(settings.client_id, (settings.host, settings.port));
    options
        .set_keep_alive(KEEP_ALIVE_S)
        .set_max_packet_size(MAX_BYTES, MAX_BYTES)
        .set_clean_session(false)
        .set_ack_mode(AckMode::Manual);
    if let Some(tls) = settings.tls {
        options.set_transport(Transport::Tls(TlsConfiguration::Rustls(tls)));
    }
    if let Some(Credentials { username, password }) = settings.credentials {
        options.set_credentials(username, password);
    }
    let (client, mut events) = AsyncClient::builder(options)
        .capacity(QUEUE)
        .try_build()
        .map_err(|error| LinkError::Unreachable(error.to_string()))?;
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT_TIMEOUT_S);
    events.set_network_options(network);
    Ok((Sender(client), Link { events, connected: false }))
}

impl Sender {
    /// Subscribes to all of `filters` with QoS 1.
    pub(super) async fn subscribe(&self, filters: impl IntoIterator<Item = String>) -> bool {
        let filters = filters.into_iter().map(|path| SubscribeFilter::new(path, QoS::AtLeastOnce));
        self.0.subscribe_many(filters).await.is_ok()
    }

    /// The broker may forget the message. False where the connection is gone: then it will send it again.
    pub(super) async fn acknowledge(&self, delivery: &Delivery) -> bool {
        self.0.ack(&delivery.0).await.is_ok()
    }

    /// Disconnects; the broker keeps the session.
    pub(super) async fn disconnect(&self) -> bool {
        self.0.disconnect().await.is_ok()
    }
}

impl Link {
    /// Waits for what happens next.
    ///
    /// # Errors
    /// The connection could not be made, or it is lost; this link is of no more use.
    pub(super) async fn next(&mut self) -> Result<Event, LinkError> {
        match self.events.poll().await {
            Ok(RawEvent::Incoming(Packet::ConnAck(answer))) => {
                self.connected = true;
                Ok(Event::Connected { session_kept: answer.session_present })
            }
            Ok(RawEvent::Incoming(Packet::Publish(publish))) => Ok(Event::Delivery(Delivery(publish))),
            Ok(RawEvent::Incoming(Packet::SubAck(answer))) => {
                let refused = answer.return_codes.contains(&SubscribeReasonCode::Failure);
                if refused { Err(LinkError::Subscription) } else { Ok(Event::Subscribed) }
            }
            Ok(RawEvent::Outgoing(Outgoing::Disconnect)) => Ok(Event::Closed),
            Ok(_) => Ok(Event::Other),
            Err(error) => Err(self.explain(error)),
        }
    }

    fn explain(&self, error: ConnectionError) -> LinkError {
        match error {
            ConnectionError::ConnectionRefused(
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
            ) => LinkError::Credentials,
            ConnectionError::ConnectionRefused(code) => LinkError::Refused(format!("{code:?}")),
            other if self.connected => LinkError::Lost(other.to_string()),
            ConnectionError::Io(error) | ConnectionError::Tls(TlsError::Io(error)) => explain_io(&error),
            ConnectionError::Tls(error) => LinkError::Tls(error.to_string()),
            other => LinkError::Unreachable(other.to_string()),
        }
    }
}

fn explain_io(error: &std::io::Error) -> LinkError {
    if error.kind() == std::io::ErrorKind::ConnectionRefused {
        return LinkError::NothingListens;
    }
    // The library wraps what rustls says of a certificate in an error of the system.
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(fault) => LinkError::Tls(fault.to_string()),
        None => LinkError::Unreachable(error.to_string()),
    }
}
