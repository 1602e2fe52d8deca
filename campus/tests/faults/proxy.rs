//! A network between device and broker that can go silent without closing anything: a black hole.
//!
//! Plain threads, two a connection. It also serves as the balancer in front of a cluster: each connection goes to the
//! next node that answers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// How often a thread looks whether the hole is still there.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The network.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    upstreams: Vec<u16>,
    next: AtomicUsize,
    black_hole: AtomicBool,
    over: AtomicBool,
}

impl Proxy {
    /// Forwards connections to `listener` to the ports `upstreams` of loopback, in turn.
    pub(crate) fn start(listener: TcpListener, upstreams: &[u16]) -> Self {
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            upstreams: upstreams.to_vec(),
            next: AtomicUsize::new(0),
            black_hole: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if theirs.is_over() {
                    return;
                }
                let state = Arc::clone(&theirs);
                std::thread::spawn(move || state.connection(client));
            }
        });
        Self { port, state }
    }

    /// Nothing gets through any more, and no connection is closed.
    pub(crate) fn black_hole(&self, there: bool) {
        self.state.black_hole.store(there, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
        // Wakes the listener's thread.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl State {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn is_silent(&self) -> bool {
        self.black_hole.load(Ordering::Relaxed) && !self.is_over()
    }

    fn wait_while_silent(&self) {
        while self.is_silent() {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn connection(self: Arc<Self>, client: TcpStream) {
        if self.is_silent() {
            self.wait_while_silent();
            // In a real hole this connection was never made, so what its client has given up must not come to life.
            if has_given_up(&client) {
                return;
            }
        }
        let Some(server) = self.connect() else { return };
        let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else { return };
        let other = Arc::clone(&self);
        std::thread::spawn(move || other.forward(from_server, client));
        self.forward(from_client, server);
    }

    /// The next upstream that answers.
    fn connect(&self) -> Option<TcpStream> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..self.upstreams.len()).find_map(|further| {
            let port = self.upstreams[(first + further) % self.upstreams.len()];
            TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), CONNECT_TIMEOUT).ok()
        })
    }

    fn forward(&self, mut from: TcpStream, mut to: TcpStream) {
        let _ = from.set_read_timeout(Some(LOOK_EVERY * 4));
        let mut chunk = [0; 16 * 1024];
        while !self.is_over() {
            self.wait_while_silent();
            match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => {
                    self.wait_while_silent();
                    if to.write_all(&chunk[..read]).is_err() {
                        break;
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}

/// Whether the other side has closed, even if there is still something to read.
fn has_given_up(client: &TcpStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(client, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && !fds[0].revents().is_empty()
}
