//! The page and the API: the teacher's glance and buttons, lessons afterwards, the dashboard's numbers.
//!
//! Everything is bounded: connections, listeners to events, header sizes and times. On loopback it is open to who sits at
//! the device, in the LAN to phones that were paired; requests must name this machine in `Host`, so that a page from
//! elsewhere cannot read the mood by pointing its own name here (DNS rebinding).

mod access;
mod commands;
mod files;
mod guard;
pub(super) mod lessons;
mod messages;
mod metrics;
mod routes;
pub mod setup;
mod trend;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

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
/// A taken port is tried again this often.
const LISTEN_EVERY: Duration = Duration::from_secs(5);

/// The task's parts.
pub(super) struct Web {
    pub(super) listen: SocketAddr,
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
    /// How the device is set up, where that is possible here.
    pub(super) setup: Option<setup::Desk>,
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
        match TcpListener::bind(self.listen).await {
            Ok(listener) => {
                self.health.works();
                Some(listener)
            }
            Err(error) => {
                let listen = self.listen;
                self.health.failed(&format!(
                    "the page cannot listen on {listen}: {error}; free that port or mend web.listen"
                ));
                None
            }
        }
    }

    /// Who may: on loopback everybody, else who is paired.
    fn access(&self) -> std::io::Result<Option<Arc<access::Access>>> {
        if self.listen.ip().is_loopback() {
            return Ok(None);
        }
        access::Access::open(self.storage.clone(), self.bulletin.clone()).map(|access| Some(Arc::new(access)))
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
        let setup = self.setup.clone().map(setup::router).unwrap_or_default();
        let rest = files.merge(commands).merge(lessons).merge(setup);
        let access = match self.access() {
            Ok(access) => access,
            // Nobody gets in by a list that cannot be read.
            Err(error) => return self.health.failed(&format!("the page is not served: {error}")),
        };
        let router = routes::router(Arc::clone(&shared), rest, access, guard::Names::of(self.listen.ip()));
        let serve = async {
            loop {
                match listener.take() {
                    Some(listener) => self.accept(&listener, &router).await,
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
    async fn accept(&self, listener: &TcpListener, router: &axum::Router) {
        let error = accept(listener, router).await;
        self.health.failed(&format!("the page cannot take connections: {error}"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Answers connections until accepting fails.
async fn accept(listener: &TcpListener, router: &axum::Router) -> std::io::Error {
    // Dropped with this future at the stop, which ends every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(answer(stream, access::Peer(peer.ip()), router.clone()));
                }
                Err(error) => return error,
            },
        }
    }
}

/// Serves nothing but the set-up, on loopback at `port`, until something was saved or `stop` is requested. True: saved.
///
/// # Errors
/// The page cannot listen there, or cannot be made.
pub async fn set_up(port: u16, files: crate::setup::SetUp, stop: &Stop) -> std::io::Result<bool> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    tracing::info!(page = %format_args!("http://{address}/setup"), "waits to be set up; no camera is opened");
    let pages = files::Pages::new().map_err(std::io::Error::other)?;
    let (saved, mut is_saved) = tokio::sync::watch::channel(false);
    let desk = setup::Desk { setup: files, afterwards: setup::Afterwards::Begin(saved) };
    let rest = files::router(pages).merge(setup::router(desk));
    let router = routes::set_up_only(rest, guard::Names::of(address.ip()));
    loop {
        tokio::select! {
            () = stop.requested() => return Ok(false),
            _ = is_saved.wait_for(|saved| *saved) => break,
            error = accept(&listener, &router) => {
                tracing::warn!("the page cannot take connections: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // Time for the answer to be sent.
    let _ = tokio::time::timeout(Duration::from_millis(300), accept(&listener, &router)).await;
    Ok(true)
}

/// Serves one connection to its end. What goes wrong on it is the other side's business.
async fn answer(stream: TcpStream, peer: access::Peer, router: axum::Router) {
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
