//! The only module that uses the MQTT library, so that it can be replaced (docs/decisions/mqtt-client.md).
//!
//! A link does not reconnect by itself: after a loss its user opens a new one, so the library's queues never hold
//! messages from before the loss. The library has one crate for each version of the protocol; `v4` and `v5` give both
//! the same interface.

mod v4;
mod v5;

use std::sync::Arc;
use std::time::Duration;

pub(super) use rumqttc_v5::tokio_rustls::rustls;

use moodring_config::Protocol;

/// Capacity of the library's queue: more than the messages in flight and the disconnection.
const QUEUE: usize = 32;
/// A packet larger than this is refused in both directions; the largest payload, discovery, has about 9 kB.
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
    Connected,
    /// The oldest message that was passed in and not sent yet is in flight with this packet id.
    Sent(u16),
    /// The broker has acknowledged the message with this packet id.
    Acknowledged(u16),
    /// MQTT 5: the broker refuses the message with this packet id, for this reason.
    Refused(u16, String),
    /// The broker accepted a subscription.
    Subscribed,
    /// The broker refused a subscription, for this reason.
    NotSubscribed(String),
    /// A message arrived.
    Received(Received),
    /// DISCONNECT was sent.
    Closed,
    /// Anything else, such as a ping.
    Other,
}

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

/// Why a connection failed or was lost.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("the broker does not accept the user name or the password")]
    Credentials,
    #[error("the broker refuses this client: {0}")]
    Refused(String),
    #[error("nothing listens there")]
    NothingListens,
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("the connection is not safe: {0}")]
    Tls(String),
    #[error("does not answer in time")]
    Timeout,
    #[error("connection lost: {0}")]
    Lost(String),
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

/// Prepares a connection; the first [`Link::next`] opens it.
///
/// # Errors
/// The settings contradict each other.
pub(super) fn open(settings: Settings) -> Result<(Sender, Link), LinkError> {
    Ok(match settings.protocol {
        Protocol::V4 => {
            let (sender, link) = v4::open(settings)?;
            (Sender::V4(sender), Link::V4(Box::new(link)))
        }
        Protocol::V5 => {
            let (sender, link) = v5::open(settings)?;
            (Sender::V5(sender), Link::V5(Box::new(link)))
        }
    })
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
    /// The connection could not be opened, or it is lost; the link cannot be used again.
    pub(super) async fn next(&mut self) -> Result<Event, LinkError> {
        match self {
            Self::V4(link) => link.next().await,
            Self::V5(link) => link.next().await,
        }
    }
}

/// Classifies any other error of a connection.
fn explain_text(text: String, connected: bool) -> LinkError {
    // A broker that refuses our certificate reports it after the handshake (TLS 1.3), wrapped too deep to find it by
    // type.
    match text.split_once("received fatal alert: ") {
        Some((_, alert)) => LinkError::Tls(format!("the broker does not trust this device: {alert}")),
        None if connected => LinkError::Lost(text),
        None => LinkError::Unreachable(text),
    }
}

/// Classifies an I/O error before (`connected = false`) and during a connection.
fn explain_io(error: &std::io::Error, connected: bool) -> LinkError {
    use std::io::ErrorKind;
    match error.kind() {
        _ if connected => explain_text(error.to_string(), connected),
        ErrorKind::ConnectionRefused => LinkError::NothingListens,
        ErrorKind::TimedOut => LinkError::Timeout,
        // The library wraps a certificate error of rustls in an I/O error.
        _ => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(_)) | None => explain_text(error.to_string(), connected),
            Some(fault) => LinkError::Tls(fault.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn errors_are_classified_by_their_remedy() {
        let refused = Error::from(ErrorKind::ConnectionRefused);
        assert!(matches!(explain_io(&refused, false), LinkError::NothingListens));
        let cut = Error::from(ErrorKind::ConnectionReset);
        assert!(matches!(explain_io(&cut, true), LinkError::Lost(_)));
        let alert = "state: deserialization: IO: received fatal alert: CertificateRequired";
        let explained = explain_text(alert.to_owned(), false).to_string();
        assert_eq!(
            explained,
            "the connection is not safe: the broker does not trust this device: CertificateRequired"
        );
        let stranger = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let explained = explain_io(&Error::new(ErrorKind::InvalidData, stranger), false);
        assert!(matches!(explained, LinkError::Tls(_)), "{explained}");
        let asked_for_ours = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
        let explained = explain_io(&Error::new(ErrorKind::InvalidData, asked_for_ours), true).to_string();
        assert!(explained.contains("does not trust this device"), "{explained}");
    }
}
