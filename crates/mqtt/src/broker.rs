//! A small MQTT broker inside the process, for the demo, for tests and for single rooms. Loopback only.
//!
//! rumqttd cannot be stopped: its threads end with the process. Retained messages are in memory only. Its console and
//! its metrics server are never started. It sometimes drops a client that connects while another disconnects; clients
//! reconnect.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use moodring_runtime::{Heartbeat, Stop, Supervisor};
use rumqttd::{ConnectionSettings, RouterConfig, ServerSettings};

/// Number of attempts to open a free port: another process may take a port between finding and opening it.
const PORT_ATTEMPTS: usize = 5;
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Interval between attempts to connect to a starting broker.
const PROBE_EVERY: Duration = Duration::from_millis(10);
/// Interval at which the end of the broker and the request to stop are checked.
const WATCH_EVERY: Duration = Duration::from_millis(100);

/// Maximum number of clients; more are refused. High on purpose: rumqttd 0.20 poisons its own lock when a refused
/// client reconnects.
const MAX_CONNECTIONS: usize = 256;
const MAX_PAYLOAD_BYTES: usize = 64 * 1024;
const MAX_IN_FLIGHT: usize = 100;
/// Size of each of the two segments of a topic's log, in bytes.
const SEGMENT_BYTES: usize = 256 * 1024;

/// A CONNECT packet of MQTT 3.1.1, client id `probe`, clean session (section 3.1 of the standard).
const CONNECT: &[u8] = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x05\x00\x05probe";

/// Why the embedded broker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The port is taken or may not be opened.
    #[error(
        "the embedded broker cannot listen on 127.0.0.1:{port}: {source}; change mqtt.port (0: any free one)"
    )]
    Port {
        /// The requested port.
        port: u16,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A thread could not be started.
    #[error("the embedded broker's thread cannot be started: {0}")]
    Thread(std::io::Error),
    /// The part that monitors the broker could not be started.
    #[error("{0:#}")]
    Watch(anyhow::Error),
    /// It was started but does not answer.
    #[error("the embedded broker on 127.0.0.1:{0} does not answer")]
    Silent(u16),
}

/// A running broker on loopback.
#[derive(Debug)]
pub struct Broker {
    /// TCP port on 127.0.0.1.
    pub port: u16,
    /// Disconnected when the thread of the broker has ended.
    has_ended: mpsc::Receiver<()>,
}

impl Broker {
    /// Starts a broker on `port` of loopback (0: any free one) and waits until it accepts clients.
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
        // The broker does not report a port that it cannot open, so the port is opened here first.
        let port = TcpListener::bind(address)
            .and_then(|listener| listener.local_addr())
            .map_err(|source| BrokerError::Port { port: wanted, source })?
            .port();
        let (ended, has_ended) = mpsc::channel::<()>();
        std::thread::Builder::new()
            .name("broker".into())
            .spawn(move || {
                // Dropped at the end of the thread, also after a panic.
                let _ended = ended;
                if let Err(error) = rumqttd::Broker::new(settings(port)).start() {
                    tracing::error!(%error, "the embedded broker has ended");
                }
            })
            .map_err(BrokerError::Thread)?;
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if accepts_clients(port) {
                return Ok(Self { port, has_ended });
            }
            if has_ended.recv_timeout(PROBE_EVERY) == Err(mpsc::RecvTimeoutError::Disconnected) {
                break;
            }
        }
        Err(BrokerError::Silent(port))
    }

    /// Starts the part `broker`, which fails when the broker ends. It cannot be stopped itself: its threads end with
    /// the process.
    ///
    /// # Errors
    /// The operating system cannot create the thread.
    pub fn watch(self, supervisor: &Supervisor) -> Result<(), BrokerError> {
        let watch = move |heartbeat: &Heartbeat, stop: &Stop| {
            while !stop.is_requested() {
                match self.has_ended.recv_timeout(WATCH_EVERY) {
                    Err(mpsc::RecvTimeoutError::Timeout) => heartbeat.beat(),
                    _ => anyhow::bail!("the embedded broker on 127.0.0.1:{} has ended", self.port),
                }
            }
            Ok(())
        };
        supervisor.thread("broker", watch).map_err(BrokerError::Watch)
    }
}

fn settings(port: u16) -> rumqttd::Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 5000,
        max_payload_size: MAX_PAYLOAD_BYTES,
        max_inflight_count: MAX_IN_FLIGHT,
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
            max_connections: MAX_CONNECTIONS,
            max_outgoing_packet_count: 200,
            max_segment_size: SEGMENT_BYTES,
            max_segment_count: 2,
            ..RouterConfig::default()
        },
        v4: Some(HashMap::from([("moodring".to_owned(), server)])),
        ..rumqttd::Config::default()
    }
}

/// Whether an MQTT broker on `port` of loopback accepts a client.
pub(super) fn accepts_clients(port: u16) -> bool {
    let try_it = || -> std::io::Result<bool> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, READY_WITHIN)?;
        stream.set_read_timeout(Some(READY_WITHIN))?;
        stream.write_all(CONNECT)?;
        let mut connack = [0; 4];
        stream.read_exact(&mut connack)?;
        // Without DISCONNECT: rumqttd 0.20 removes a connection that disconnects twice, and the second removal hits
        // the client that has its slot by then. CONNACK, two more bytes, any session flag, accepted (section 3.2).
        Ok(connack[0] == 0x20 && connack[1] == 2 && connack[3] == 0)
    };
    try_it().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_free_port_is_found_and_a_taken_one_is_reported() {
        let broker = Broker::start(0).unwrap();
        assert!(broker.port != 0 && accepts_clients(broker.port));
        let error = Broker::start(broker.port).unwrap_err();
        assert!(matches!(error, BrokerError::Port { .. }), "{error}");
        assert!(error.to_string().contains("mqtt.port"), "{error}");
    }
}
