//! The page and the API: the teacher's glance and buttons, lessons afterwards, the dashboard's numbers.
//!
//! Everything is bounded: connections, listeners to events, header sizes and times. On loopback it is open to who sits at
//! the device, in the LAN to phones that were paired; requests must name this machine in `Host`, so that a page from
//! elsewhere cannot read the mood by pointing its own name here (DNS rebinding).

mod access;
mod aim;
mod announce;
mod attention;
mod commands;
mod door;
mod files;
mod guard;
pub(super) mod lessons;
mod messages;
mod metrics;
mod openapi;
mod routes;
pub mod setup;
mod tls;
mod trend;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::config::{self, Zone};
use crate::control::Control;
use crate::mood::State;
use crate::outputs::{Bulletin, Health, Known, Moods, Situations};
use crate::supervisor::Stop;
use door::Door;
use trend::Trend;

/// Listeners to events beyond these are sent away with 503: more than anybody has phones in a room, and few enough that they
/// cost vision nothing to speak of (`make page-load`).
const MOST_LISTENERS: usize = 256;
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
    /// Where help may be needed, if that is looked for.
    pub(super) attention: Option<attention::Places>,
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
    attention: Option<attention::Places>,
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
            attention: self.attention.clone(),
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
        let setup = self.setup.clone().map(setup::router).unwrap_or_default();
        let rest = files.merge(commands).merge(lessons).merge(aim).merge(setup);
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
        let error = door.accept(listener).await;
        self.health.failed(&format!("the page cannot take connections: {error}"));
        tokio::time::sleep(Duration::from_millis(100)).await;
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
    let (saved, mut is_saved) = watch::channel(false);
    let desk = setup::Desk { setup: files, afterwards: setup::Afterwards::Begin(saved) };
    let rest = files::router(pages).merge(setup::router(desk));
    let names = Arc::new(guard::Names::of(address.ip(), None));
    let door = Door { router: routes::set_up_only(rest, names), https: None };
    loop {
        tokio::select! {
            () = stop.requested() => return Ok(false),
            _ = is_saved.wait_for(|saved| *saved) => break,
            error = door.accept(&listener) => {
                tracing::warn!("the page cannot take connections: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // Time for the answer to be sent.
    let _ = tokio::time::timeout(Duration::from_millis(300), door.accept(&listener)).await;
    Ok(true)
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
