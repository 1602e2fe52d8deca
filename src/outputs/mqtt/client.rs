//! The only place that knows the MQTT library, so that it can be exchanged.
//!
//! A connection is made once and never made again by itself: whoever uses it opens a new one after a loss.
//! So nothing from before the loss can linger in the library's queues.

use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event as RawEvent, EventLoop, LastWill, MqttOptions,
    NetworkOptions, Outgoing, Packet, QoS,
};

/// Room in the library's queue: offline, a mood and the farewell at the most.
const QUEUE: usize = 4;
/// A packet larger than this is refused in both directions; a mood has about 1.2 kB.
const MOST_BYTES: usize = 64 * 1024;

/// Seconds until a connection attempt is given up.
const CONNECT_TIMEOUT_S: u64 = 5;

/// A retained message with at-least-once delivery; this program sends no other kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
}

/// Whom to connect to, as whom, and what is left behind.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) client_id: String,
    /// User name and password.
    pub(super) credentials: Option<(String, String)>,
    pub(super) keep_alive: Duration,
    pub(super) will: Message,
}

/// What happens on a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The broker has let us in.
    Connected,
    /// The broker has the message that was sent last.
    Acknowledged,
    /// Our farewell was written out.
    Closed,
    /// Signs of life.
    Other,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("the broker wants another user name or password")]
    Credentials,
    #[error("the broker refuses this client: {0}")]
    Refused(String),
    #[error("nothing listens there")]
    NothingListens,
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("does not answer in time")]
    Timeout,
    #[error("connection lost: {0}")]
    Lost(String),
}

/// Where messages are handed in; never blocks.
#[derive(Debug)]
pub(super) struct Sender(AsyncClient);

/// The connection itself: works only while [`Link::next`] is awaited.
pub(super) struct Link {
    events: EventLoop,
    connected: bool,
}

/// Prepares a connection; it is made by the first [`Link::next`].
pub(super) fn open(settings: Settings) -> (Sender, Link) {
    let mut options = MqttOptions::new(settings.client_id, settings.host, settings.port);
    let will = settings.will;
    options
        .set_last_will(LastWill::new(will.topic, will.payload, QoS::AtLeastOnce, true))
        .set_keep_alive(settings.keep_alive)
        .set_max_packet_size(MOST_BYTES, MOST_BYTES)
        .set_clean_session(true);
    if let Some((username, password)) = settings.credentials {
        options.set_credentials(username, password);
    }
    let (client, mut events) = AsyncClient::new(options, QUEUE);
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(CONNECT_TIMEOUT_S);
    events.set_network_options(network);
    (Sender(client), Link { events, connected: false })
}

impl Sender {
    /// Hands in `message`; false if the library's queue is full or closed.
    pub(super) fn publish(&self, message: Message) -> bool {
        self.0.try_publish(message.topic, QoS::AtLeastOnce, true, message.payload).is_ok()
    }

    /// Asks for the farewell, after which the broker does not send the last will.
    pub(super) fn disconnect(&self) -> bool {
        self.0.try_disconnect().is_ok()
    }
}

impl Link {
    /// Waits for what happens next.
    ///
    /// # Errors
    /// The connection could not be made, or it is lost; this link is of no more use.
    pub(super) async fn next(&mut self) -> Result<Event, LinkError> {
        match self.events.poll().await {
            Ok(RawEvent::Incoming(Packet::ConnAck(_))) => {
                self.connected = true;
                Ok(Event::Connected)
            }
            Ok(RawEvent::Incoming(Packet::PubAck(_))) => Ok(Event::Acknowledged),
            Ok(RawEvent::Outgoing(Outgoing::Disconnect)) => Ok(Event::Closed),
            Ok(_) => Ok(Event::Other),
            Err(error) => Err(self.explain(error)),
        }
    }

    fn explain(&self, error: ConnectionError) -> LinkError {
        use std::io::ErrorKind;
        match error {
            ConnectionError::ConnectionRefused(
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
            ) => LinkError::Credentials,
            ConnectionError::ConnectionRefused(code) => LinkError::Refused(format!("{code:?}")),
            ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => LinkError::Timeout,
            other if self.connected => LinkError::Lost(other.to_string()),
            ConnectionError::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                LinkError::NothingListens
            }
            other => LinkError::Unreachable(other.to_string()),
        }
    }
}
