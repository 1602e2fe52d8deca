//! The only place that knows the MQTT library, so that it can be exchanged (docs/decisions/mqtt-client.md).
//!
//! A connection is made once and never made again by itself: whoever uses it opens a new one after a loss.
//! So nothing from before the loss can linger in the library's queues. The library has one crate for each version of the
//! protocol; `v4` and `v5` make both look alike.

mod v4;
mod v5;

use std::sync::Arc;
use std::time::Duration;

pub(super) use rumqttc_v5::tokio_rustls::rustls;

use crate::config::Protocol;

/// Room in the library's queue: more than is ever in flight, and the farewell.
const QUEUE: usize = 32;
/// A packet larger than this is refused in both directions; the largest payload, discovery, has about 9 kB.
const MOST_BYTES: u32 = 64 * 1024;
/// Seconds until a connection attempt is given up.
const CONNECT_TIMEOUT_S: u64 = 5;
/// MQTT 5: seconds for which the broker holds the last will back, and the session that this needs (section 3.1.3.2.2).
const WILL_DELAY_S: u32 = 10;

/// A message with at-least-once delivery; this program sends no other kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Arc<[u8]>,
    /// Whether the broker keeps it for those who come later.
    pub(super) retain: bool,
    /// MQTT 5: after this long nobody should get it any more.
    pub(super) expires_after: Option<Duration>,
    /// MQTT 5: name and version of the payload's schema.
    pub(super) schema: &'static str,
    /// MQTT 5: what the asker wants back.
    pub(super) correlation: Option<Vec<u8>>,
}

/// Whom to connect to, as whom, and what is left behind.
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
    /// What the broker tells when the connection ends without a farewell.
    pub(super) will: Option<Message>,
}

/// What happens on a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The broker has let us in.
    Connected,
    /// The message that was handed in first of those not yet sent is on its way under this number.
    Sent(u16),
    /// The broker has the message of this number.
    Acknowledged(u16),
    /// MQTT 5: the broker does not take the message of this number, and why.
    Refused(u16, String),
    /// The broker lets us listen.
    Subscribed,
    /// The broker does not let us listen, and why.
    NotSubscribed(String),
    /// Somebody sent us something.
    Received(Received),
    /// Our farewell was written out.
    Closed,
    /// Signs of life.
    Other,
}

/// A message from the broker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// It is an old one that the broker kept.
    pub(super) retained: bool,
    /// MQTT 5: what the sender wants back.
    pub(super) correlation: Option<Vec<u8>>,
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
    #[error("the connection is not safe: {0}")]
    Tls(String),
    #[error("does not answer in time")]
    Timeout,
    #[error("connection lost: {0}")]
    Lost(String),
}

/// Where messages are handed in; never blocks.
#[derive(Debug)]
pub(super) enum Sender {
    V4(v4::Sender),
    V5(v5::Sender),
}

/// The connection itself: works only while [`Link::next`] is awaited.
pub(super) enum Link {
    V4(Box<v4::Link>),
    V5(Box<v5::Link>),
}

/// Prepares a connection; it is made by the first [`Link::next`].
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
    /// Hands in `message`; false if the library's queue is full or closed.
    pub(super) fn publish(&self, message: Message) -> bool {
        match self {
            Self::V4(sender) => sender.publish(message),
            Self::V5(sender) => sender.publish(message),
        }
    }

    /// Asks for what is published on `filter`; false if the library's queue is full or closed.
    pub(super) fn subscribe(&self, filter: &str) -> bool {
        match self {
            Self::V4(sender) => sender.subscribe(filter),
            Self::V5(sender) => sender.subscribe(filter),
        }
    }

    /// Asks for the farewell, after which the broker does not send the last will.
    pub(super) fn disconnect(&self) -> bool {
        match self {
            Self::V4(sender) => sender.disconnect(),
            Self::V5(sender) => sender.disconnect(),
        }
    }
}

impl Link {
    /// Waits for what happens next.
    ///
    /// # Errors
    /// The connection could not be made, or it is lost; this link is of no more use.
    pub(super) async fn next(&mut self) -> Result<Event, LinkError> {
        match self {
            Self::V4(link) => link.next().await,
            Self::V5(link) => link.next().await,
        }
    }
}

/// Anything else that ended a connection, or made none.
fn explain_text(text: String, connected: bool) -> LinkError {
    // What a broker thinks of our certificate comes after the handshake (TLS 1.3), wrapped too deep to be told by type.
    match text.split_once("received fatal alert: ") {
        Some((_, alert)) => LinkError::Tls(format!("the broker does not trust this device: {alert}")),
        None if connected => LinkError::Lost(text),
        None => LinkError::Unreachable(text),
    }
}

/// What an error of the system means before (`connected = false`) and during a connection.
fn explain_io(error: &std::io::Error, connected: bool) -> LinkError {
    use std::io::ErrorKind;
    match error.kind() {
        _ if connected => explain_text(error.to_string(), connected),
        ErrorKind::ConnectionRefused => LinkError::NothingListens,
        ErrorKind::TimedOut => LinkError::Timeout,
        // The library wraps what rustls says of a certificate in an error of the system.
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
    fn what_went_wrong_is_told_by_what_mends_it() {
        let refused = Error::from(ErrorKind::ConnectionRefused);
        assert!(matches!(explain_io(&refused, false), LinkError::NothingListens));
        let cut = Error::from(ErrorKind::ConnectionReset);
        assert!(matches!(explain_io(&cut, true), LinkError::Lost(_)));
        let alert = "state: deserialization: IO: received fatal alert: CertificateRequired";
        let told = explain_text(alert.to_owned(), false).to_string();
        assert_eq!(
            told,
            "the connection is not safe: the broker does not trust this device: CertificateRequired"
        );
        let stranger = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let told = explain_io(&Error::new(ErrorKind::InvalidData, stranger), false);
        assert!(matches!(told, LinkError::Tls(_)), "{told}");
        let asked_for_ours = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
        let told = explain_io(&Error::new(ErrorKind::InvalidData, asked_for_ours), true).to_string();
        assert!(told.contains("does not trust this device"), "{told}");
    }
}
