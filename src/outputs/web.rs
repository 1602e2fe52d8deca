//! The page and the API: the teacher's glance and buttons, lessons afterwards, the dashboard's numbers.
//!
//! Everything is bounded: connections, listeners to events, header sizes and times. On loopback it is open to who sits at
//! the device, in the LAN to phones that were paired; requests must name this machine in `Host`, so that a page from
//! elsewhere cannot read the mood by pointing its own name here (DNS rebinding).

mod access;
mod aim;
mod announce;
mod commands;
mod files;
mod guard;
pub(super) mod lessons;
mod messages;
mod metrics;
mod private;
mod routes;
mod tls;
mod trend;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::config::{self, Zone};
use crate::control::Control;
use crate::mood::State;
use crate::outputs::{Bulletin, Health, Known, Moods, Situations};
use crate::supervisor::Stop;
use trend::Trend;

/// Connections beyond these wait until one ends.
const MOST_CONNECTIONS: usize = 64;
/// Listeners to events beyond these are sent away with 503.
const MOST_LISTENERS: usize = 32;
/// A request's head must come within this time and size.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const MOST_HEAD_BYTES: usize = 16 * 1024;
/// First byte of a TLS connection (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// A taken port is tried again this often.
const LISTEN_EVERY: Duration = Duration::from_secs(5);

/// The task's parts.
pub(super) struct Web {
    pub(super) config: config::Web,
    /// Name of the room, of which the page has its name in the LAN.
    pub(super) room: String,
    pub(super) moods: Moods,
    /// What the displays show, the code for pairing among it.
    pub(super) bulletin: Bulletin,
    /// Where key and list of paired phones are kept.
    pub(super) storage: PathBuf,
    /// How often a new mood is due.
    pub(super) mood_every: Duration,
    pub(super) known: Known,
    /// What somebody asks for on the page is carried out by; without it the page only tells.
    pub(super) control: Option<Control>,
    /// The zones of the configuration, from which drawing new ones begins.
    pub(super) zones: Vec<Zone>,
    /// The lessons that were recorded, where they are.
    pub(super) archive: Option<lessons::Archive>,
    pub(super) health: Arc<Health>,
    pub(super) all_health: Vec<Arc<Health>>,
    pub(super) stop: Stop,
}

/// What requests are answered from.
struct Shared {
    moods: Moods,
    situations: Situations,
    known: Known,
    control: Option<Control>,
    outputs: Vec<Arc<Health>>,
    trend: Mutex<Trend>,
    listeners: Arc<Semaphore>,
    progress: Mutex<Instant>,
    /// Without a new mood for this long the process is stuck.
    stuck_after: Duration,
}

impl Web {
    /// Opens the port. None if that is not possible now; then it was told.
    pub(super) async fn listen(&self) -> Option<TcpListener> {
        match TcpListener::bind(self.config.listen).await {
            Ok(listener) => {
                self.health.works();
                Some(listener)
            }
            Err(error) => {
                let listen = self.config.listen;
                self.health.failed(&format!(
                    "the page cannot listen on {listen}: {error}; free that port or mend web.listen"
                ));
                None
            }
        }
    }

    /// Who may: on loopback everybody, else who is paired.
    fn access(&self) -> std::io::Result<Option<Arc<access::Access>>> {
        if self.config.listen.ip().is_loopback() {
            return Ok(None);
        }
        let numbers = access::Numbers::of(&self.config)?;
        let (storage, bulletin) = (self.storage.clone(), self.bulletin.clone());
        access::Access::open(storage, bulletin, self.config.is_https(), numbers)
            .map(|access| Some(Arc::new(access)))
    }

    /// Whether the page has a name of its own in the LAN.
    fn is_named(&self) -> bool {
        self.config.announce && !self.config.listen.ip().is_loopback()
    }

    /// Tells the LAN the page's name. Without it the page is reached by address.
    fn announced(&self, listener: Option<&TcpListener>) -> Option<announce::Announcement> {
        let address = listener.and_then(|listener| listener.local_addr().ok()).unwrap_or(self.config.listen);
        if !self.is_named() || address.ip().is_unspecified() {
            return None;
        }
        let name = announce::name(&self.room);
        match announce::Announcement::start(&self.room, address, self.config.is_https()) {
            Ok(announcement) => {
                tracing::info!("the page is called {name} in the LAN");
                Some(announcement)
            }
            Err(error) => {
                tracing::warn!(
                    "the page cannot be called {name} in the LAN: {error}; let the service reach 224.0.0.251, or set web.announce = false"
                );
                None
            }
        }
    }

    /// How connections are answered.
    fn door(&self, router: axum::Router, names: &Arc<guard::Names>) -> Result<Door, String> {
        if !self.config.is_https() {
            return Ok(Door { router, https: None });
        }
        let acceptor = tls::acceptor(&self.config, &self.storage, names.all(), Timestamp::now())?;
        let elsewhere = axum::Router::new().fallback(guard::to_https).with_state(Arc::clone(names));
        Ok(Door { router, https: Some((acceptor, elsewhere)) })
    }

    /// Serves until the stop is requested.
    pub(super) async fn run(self, mut listener: Option<TcpListener>) {
        let files = match files::Pages::new() {
            Ok(pages) => files::router(pages),
            Err(error) => return self.health.failed(&format!("the page cannot be made: {error}")),
        };
        let shared = Arc::new(Shared {
            moods: self.moods.clone(),
            situations: self.bulletin.subscribe(),
            known: self.known.clone(),
            control: self.control.clone(),
            outputs: self.all_health.clone(),
            trend: Mutex::default(),
            listeners: Arc::new(Semaphore::new(MOST_LISTENERS)),
            progress: Mutex::new(Instant::now()),
            stuck_after: self.mood_every * 3 + Duration::from_secs(10),
        });
        let commands = self.control.clone().map(commands::router).unwrap_or_default();
        let lessons = self.archive.clone().map(lessons::router).unwrap_or_default();
        let zones = self.zones.clone();
        let aim = self.control.clone().map(|control| aim::router(control, zones)).unwrap_or_default();
        let rest = files.merge(commands).merge(lessons).merge(aim);
        let access = match self.access() {
            Ok(access) => access,
            // Nobody gets in by a list that cannot be read.
            Err(error) => return self.health.failed(&format!("the page is not served: {error}")),
        };
        let named = self.is_named().then(|| announce::name(&self.room));
        let names = Arc::new(guard::Names::of(self.config.listen.ip(), named));
        let router = routes::router(Arc::clone(&shared), rest, access, Arc::clone(&names));
        let door = match self.door(router, &names) {
            Ok(door) => door,
            Err(problem) => return self.health.failed(&format!("the page is not served: {problem}")),
        };
        let _announced = self.announced(listener.as_ref());
        let serve = async {
            loop {
                match listener.take() {
                    Some(listener) => self.accept(&listener, &door).await,
                    None => tokio::time::sleep(LISTEN_EVERY).await,
                }
                listener = self.listen().await;
            }
        };
        tokio::select! {
            () = self.stop.requested() => {}
            () = remember(&shared, &self.health) => self.stop.requested().await,
            () = serve => {}
        }
    }

    /// Answers connections until accepting fails.
    async fn accept(&self, listener: &TcpListener, door: &Door) {
        // Dropped with this future at the stop, which ends every connection.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                    Ok((stream, peer)) => {
                        connections.spawn(door.clone().answer(stream, access::Peer(peer.ip())));
                    }
                    Err(error) => {
                        self.health.failed(&format!("the page cannot take connections: {error}"));
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        return;
                    }
                },
            }
        }
    }
}

/// How a connection is answered.
#[derive(Clone)]
struct Door {
    router: axum::Router,
    /// With HTTPS: how it is spoken, and what is said to those who do not.
    https: Option<(TlsAcceptor, axum::Router)>,
}

impl Door {
    /// Serves one connection to its end. What goes wrong on it is the other side's business.
    async fn answer(self, stream: TcpStream, peer: access::Peer) {
        let Some((acceptor, elsewhere)) = self.https else { return speak(stream, peer, self.router).await };
        let mut first = [0];
        match timeout(HEAD_TIMEOUT, stream.peek(&mut first)).await {
            Ok(Ok(1)) if first[0] == TLS_HANDSHAKE => {}
            Ok(Ok(1)) => return speak(stream, peer, elsewhere).await,
            _ => return,
        }
        match timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => speak(stream, peer, self.router).await,
            // A phone that does not trust the certificate yet ends here, each time that it asks its user.
            Ok(Err(error)) => tracing::debug!(%error, "a connection to the page did not come to HTTPS"),
            Err(_) => {}
        }
    }
}

/// HTTP on one connection.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: access::Peer,
    router: axum::Router,
) {
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request| {
        hyper::http::Request::extensions_mut(&mut request).insert(peer);
        hyper::service::Service::call(&router, request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MOST_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the page ended");
    }
}

/// Keeps the trend and the time of the newest mood, until no more moods can come.
async fn remember(shared: &Shared, health: &Health) {
    let mut moods = shared.moods.clone();
    loop {
        let newest = moods.borrow_and_update().clone();
        shared.trend.lock().unwrap_or_else(PoisonError::into_inner).add(&newest);
        *shared.progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        health.published.increment();
        if moods.changed().await.is_err() {
            return;
        }
    }
}

/// As in the payload.
const fn state_name(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Live => "live",
        State::Stale => "stale",
        State::TooFew => "too_few",
        State::Paused => "paused",
    }
}

#[cfg(test)]
mod tests;
