//! Why a connection failed or was lost, by what mends it.

use std::io::{self, ErrorKind};

/// Why a connection failed or was lost.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the broker does not accept the user name or the password")]
    Credentials,
    #[error("the broker refuses this client: {0}")]
    Refused(&'static str),
    #[error("the broker does not support this version of MQTT")]
    Version,
    #[error("nothing listens there")]
    NothingListens,
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The fault with its remedy.
    #[error("the connection is not safe: {0}")]
    Tls(String),
    #[error("does not answer in time")]
    Timeout,
    /// The connection was closed before the broker accepted or refused it.
    #[error("closes the connection without an answer")]
    NoAnswer { encrypted: bool },
    #[error("another client seems to have the name of this device")]
    TakenOver,
    #[error("the broker does not take packets of this size")]
    TooLarge,
    #[error("the broker ends the connection: {0}")]
    Ended(&'static str),
    #[error("connection lost: {0}")]
    Lost(String),
}

impl LinkError {
    /// Identifies faults of one kind, whose texts may differ.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Refused(_) => "refused",
            Self::Version => "version",
            Self::NothingListens => "nothing listens",
            Self::Unreachable(_) => "unreachable",
            Self::Tls(_) => "tls",
            Self::Timeout => "timeout",
            Self::NoAnswer { .. } => "no answer",
            Self::TakenOver => "taken over",
            Self::TooLarge => "too large",
            Self::Ended(_) => "ended",
            Self::Lost(_) => "lost",
        }
    }

    /// The fault of an I/O error before (`connected = false`) and during a connection.
    pub(super) fn of_io(error: &io::Error, connected: bool, encrypted: bool) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::NothingListens,
            ErrorKind::TimedOut => Self::Timeout,
            kind if connected => Self::Lost(plain(kind).to_owned()),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
                Self::NoAnswer { encrypted }
            }
            // The text of the operating system or of the resolver.
            _ => Self::Unreachable(error.to_string()),
        }
    }

    /// The fault of a connection that the broker closed without a reason.
    pub(super) fn closed(connected: bool, encrypted: bool) -> Self {
        if connected { Self::Lost("the broker closed it".to_owned()) } else { Self::NoAnswer { encrypted } }
    }
}

/// Words for the ways in which a connection breaks; the texts of the system contain numbers and names that vary.
const fn plain(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
            "the broker closed it"
        }
        ErrorKind::BrokenPipe => "it broke while sending",
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            "the network is gone"
        }
        _ => "it broke",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_errors_are_classified_by_their_remedy() {
        let of = |kind: ErrorKind, connected| LinkError::of_io(&kind.into(), connected, false).kind();
        assert_eq!(of(ErrorKind::ConnectionRefused, false), "nothing listens");
        assert_eq!(of(ErrorKind::ConnectionReset, false), "no answer");
        assert_eq!(of(ErrorKind::ConnectionReset, true), "lost");
        assert_eq!(of(ErrorKind::TimedOut, true), "timeout");
    }
}
