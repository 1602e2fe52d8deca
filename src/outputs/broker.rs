//! A small MQTT broker inside the process, for the demo, for tests and for single rooms. Loopback only.
//!
//! rumqttd has no way to be stopped: its threads end with the process. It keeps retained messages in memory
//! only. Its console and its metrics server are never started. Now and then it drops a client that connects in
//! the moment in which another takes leave: clients have to connect again, as they must anyway.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rumqttd::{ConnectionSettings, RouterConfig, ServerSettings};

/// Belongs into the log filter: the broker tells of each client, and an ordinary disconnection as an error.
pub const LOG_DIRECTIVE: &str = "rumqttd=off";

/// Ports tried when any free one will do: another process may take a port between finding and opening it.
const PORT_ATTEMPTS: usize = 5;
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Between two attempts to reach a broker that is about to listen.
const PROBE_EVERY: Duration = Duration::from_millis(10);

/// More clients are turned away. High on purpose: rumqttd 0.20 poisons a lock of its own when a client that
/// was turned away comes back.
const MOST_CONNECTIONS: usize = 256;
const MOST_PAYLOAD_BYTES: usize = 64 * 1024;
const MOST_IN_FLIGHT: usize = 100;
/// The log of each topic is kept in two segments of this size.
const SEGMENT_BYTES: usize = 256 * 1024;

/// A CONNECT packet of MQTT 3.1.1, client id `probe`, clean session (section 3.1 of the standard).
const CONNECT: &[u8] = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x05\x00\x05probe";

/// Why there is no embedded broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The port is taken or may not be opened.
    #[error(
        "the embedded broker cannot listen on 127.0.0.1:{port}: {source}; mend mqtt.port (0: any free one)"
    )]
    Port {
        /// The port that was wanted.
        port: u16,
        /// Why not.
        source: std::io::Error,
    },
    /// A thread could not be started.
    #[error("the embedded broker's thread cannot be started: {0}")]
    Thread(std::io::Error),
    /// It was started but does not answer.
    #[error("the embedded broker on 127.0.0.1:{0} does not answer")]
    Silent(u16),
}

/// A running broker on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broker {
    /// TCP port on 127.0.0.1.
    pub port: u16,
}

impl Broker {
    /// Starts a broker on `port` of loopback (0: any free one) and waits until it answers.
    ///
    /// # Errors
    /// See [`BrokerError`].
    pub fn start(port: u16) -> Result<Self, BrokerError> {
        let attempts = if port == 0 { PORT_ATTEMPTS } else { 1 };
        let mut result = Err(BrokerError::Silent(port));
        for _ in 0..attempts {
            result = Self::start_once(port);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn start_once(wanted: u16) -> Result<Self, BrokerError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, wanted));
        // The broker only takes a port number, and says nothing if it cannot open it: so it is tried here.
        let port = TcpListener::bind(address)
            .and_then(|listener| listener.local_addr())
            .map_err(|source| BrokerError::Port { port: wanted, source })?
            .port();
        let (ended, has_ended) = mpsc::channel::<()>();
        std::thread::Builder::new()
            .name("broker".into())
            .spawn(move || {
                // Dropped at the end of the thread, however it comes.
                let _ended = ended;
                if let Err(error) = rumqttd::Broker::new(settings(port)).start() {
                    tracing::error!(%error, "the embedded broker has ended");
                }
            })
            .map_err(BrokerError::Thread)?;
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if answers(port) {
                return Ok(Self { port });
            }
            if has_ended.recv_timeout(PROBE_EVERY) == Err(mpsc::RecvTimeoutError::Disconnected) {
                break;
            }
        }
        Err(BrokerError::Silent(port))
    }
}

fn settings(port: u16) -> rumqttd::Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 5000,
        max_payload_size: MOST_PAYLOAD_BYTES,
        max_inflight_count: MOST_IN_FLIGHT,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings {
        name: "broker-v4".into(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        tls: None,
        next_connection_delay_ms: 1,
        connections,
    };
    rumqttd::Config {
        router: RouterConfig {
            max_connections: MOST_CONNECTIONS,
            max_outgoing_packet_count: 200,
            max_segment_size: SEGMENT_BYTES,
            max_segment_count: 2,
            ..RouterConfig::default()
        },
        v4: Some(HashMap::from([("moodring".to_owned(), server)])),
        ..rumqttd::Config::default()
    }
}

/// Whether an MQTT broker on `port` of loopback lets a client in.
pub(super) fn answers(port: u16) -> bool {
    let try_it = || -> std::io::Result<bool> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, READY_WITHIN)?;
        stream.set_read_timeout(Some(READY_WITHIN))?;
        stream.write_all(CONNECT)?;
        let mut connack = [0; 4];
        stream.read_exact(&mut connack)?;
        // No DISCONNECT: rumqttd 0.20 forgets a connection that takes leave twice, and the second time hits
        // whoever has got its place in the meantime.
        // CONNACK, two more bytes, any session flag, accepted (section 3.2).
        Ok(connack[0] == 0x20 && connack[1] == 2 && connack[3] == 0)
    };
    try_it().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_free_port_is_found_and_a_taken_one_is_told() {
        let broker = Broker::start(0).unwrap();
        assert!(broker.port != 0 && answers(broker.port));
        let error = Broker::start(broker.port).unwrap_err();
        assert!(matches!(error, BrokerError::Port { .. }), "{error}");
        assert!(error.to_string().contains("mqtt.port"), "{error}");
    }
}
