//! The page and its API: current mood and buttons for the teacher, recorded lessons, metrics for dashboards.
//!
//! ```text
//! Mood, DeviceStatus ──▶ page, events, metrics      page ──Command──▶ daemon      page ──SetupRequest──▶ daemon
//! ```
//!
//! # Invariants
//! - It cannot name a frame or a person: it does not depend on camera or vision. The one picture that it serves is the
//!   pixelated one of [`CameraPreview`], while aiming is offered.
//! - Every route is declared with the role that it requires. A route without a declared role is refused: in the LAN to
//!   everybody, on loopback to accounts that may not become root.
//! - Everything is bounded: connections and event listeners, in total and for each client; size and duration of request
//!   heads and bodies; the time in which a client must read its answers.
//! - Requests must name this machine in `Host`, so that a foreign page cannot read the mood by pointing its own name at
//!   this address (DNS rebinding).

mod access;
mod announce;
mod attention;
mod commands;
mod connections;
mod endpoints;
mod files;
mod guard;
mod http_listener;
mod lessons;
mod listeners;
mod local_account;
mod messages;
mod metrics;
mod openapi;
mod preview;
mod routes;
pub mod setup;
mod tls;
mod trend;
mod write_timeout;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use moodring_config as config;
use moodring_config::Zone;
use moodring_contract::{Mood, State};
use moodring_runtime::{
    CameraPreview, CommandSender, DeviceStatus, Health, Moods, Pairing, StatusUpdates, Stop, Telemetry,
};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use attention::AttentionUpdates;
pub use lessons::Archive;

use commands::Controls;
use connections::{Audience, Connections};
use endpoints::Endpoints;
use http_listener::HttpListener;
use listeners::Listeners;
use setup::SetupService;
use trend::Trend;

/// Maximum number of event listeners; further ones get status 503. More than there are phones in a room, and few enough
/// that they cost vision nothing measurable (`make page-load`).
const MAX_LISTENERS: usize = 256;
/// Interval between attempts to serve the page, and to open a port that is in use.
const LISTEN_RETRY_EVERY: Duration = Duration::from_secs(5);

/// Draws the current picture of the display on the wall as PNG.
pub type DisplayImage = Arc<dyn Fn(&Mood, &DeviceStatus) -> Result<Vec<u8>, String> + Send + Sync>;

/// The web output: what the page serves, and from which sources.
pub struct Web {
    /// Section `web` of the configuration.
    pub config: config::Web,
    /// Name of the room; the page's host name in the LAN is derived from it.
    pub room: String,
    /// The newest mood.
    pub moods: Moods,
    /// The newest status of the device.
    pub updates: StatusUpdates,
    /// Pairing offers and their codes.
    pub pairing: Pairing,
    /// Folder of the signing key, the list of paired phones and the generated certificate.
    pub storage: PathBuf,
    /// Interval at which a new mood is due.
    pub mood_every: Duration,
    /// Counters and readings for `/metrics` and `/healthz`.
    pub telemetry: Telemetry,
    /// Executes commands from the page; without it the page is read-only.
    pub commands: Option<CommandSender>,
    /// The pixelated picture for aiming the camera, while aiming is offered.
    pub preview: CameraPreview,
    /// The configured zones, which the zone editor starts from.
    pub zones: Vec<Zone>,
    /// AttentionUpdates where help may be needed, if `attention.enabled`.
    pub attention: Option<AttentionUpdates>,
    /// The set-up service, if the device has a configuration file that can be written.
    pub setup: Option<SetupService>,
    /// The recorded lessons, if lessons are recorded.
    pub archive: Option<Archive>,
    /// Draws `/display.png`.
    pub display_image: Option<DisplayImage>,
    /// Health of the page itself.
    pub health: Arc<Health>,
    /// Health of all outputs.
    pub all_health: Vec<Arc<Health>>,
    /// Requested when the device stops.
    pub stop: Stop,
}

/// State that the read-only routes share.
struct Shared {
    moods: Moods,
    updates: StatusUpdates,
    telemetry: Telemetry,
    has_controls: bool,
    attention: Option<AttentionUpdates>,
    display_image: Option<DisplayImage>,
    outputs: Vec<Arc<Health>>,
    trend: Mutex<Trend>,
    listeners: Arc<Listeners>,
    progress: Mutex<Instant>,
    /// Without a new mood for this long `/healthz` reports the process as stuck.
    stuck_after: Duration,
}

impl Web {
    /// Opens the port. `None` if that fails; the problem is then in `health`.
    pub async fn listen(&self) -> Option<TcpListener> {
        match TcpListener::bind(self.config.listen).await {
            Ok(listener) => {
                self.health.works();
                Some(listener)
            }
            Err(error) => {
                let listen = self.config.listen;
                self.health.failed(&format!(
                    "the page cannot listen on {listen}: {error}; free that port or change web.listen"
                ));
                None
            }
        }
    }

    /// The access check in the LAN; `None` on loopback, where the account of the client is checked.
    fn access(&self) -> std::io::Result<Option<Arc<access::Access>>> {
        if self.config.listen.ip().is_loopback() {
            return Ok(None);
        }
        let access = access::Access::open(self.storage.clone(), self.pairing.clone(), &self.config)?;
        Ok(Some(Arc::new(access)))
    }

    /// Whether the page has a name of its own in the LAN.
    fn is_named(&self) -> bool {
        self.config.announce && !self.config.listen.ip().is_loopback()
    }

    /// Announces the page's name in the LAN. Without it the page is reached by address only.
    fn announce(&self, listener: Option<&TcpListener>) -> Option<announce::Announcement> {
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

    /// The acceptor of connections, by HTTP or HTTPS.
    fn http_listener(&self, router: axum::Router, names: &Arc<guard::Names>) -> Result<HttpListener, String> {
        let is_loopback = self.config.listen.ip().is_loopback();
        let connections = Connections::new(if is_loopback { Audience::Loopback } else { Audience::Lan });
        if !self.config.is_https() {
            return Ok(HttpListener { router, https: None, connections });
        }
        let acceptor = tls::acceptor(&self.config, &self.storage, names.all(), Timestamp::now())?;
        let elsewhere = axum::Router::new().fallback(guard::to_https).with_state(Arc::clone(names));
        Ok(HttpListener { router, https: Some((acceptor, elsewhere)), connections })
    }

    fn shared(&self) -> Shared {
        Shared {
            moods: self.moods.clone(),
            updates: self.updates.clone(),
            telemetry: self.telemetry.clone(),
            has_controls: self.commands.is_some(),
            attention: self.attention.clone(),
            display_image: self.display_image.clone(),
            outputs: self.all_health.clone(),
            trend: Mutex::default(),
            listeners: Arc::default(),
            progress: Mutex::new(Instant::now()),
            stuck_after: self.mood_every * 3 + Duration::from_secs(10),
        }
    }

    /// All routes but those of pairing.
    fn endpoints(&self, shared: Arc<Shared>) -> Result<Endpoints, files::PageError> {
        let files = files::endpoints(files::Pages::new()?);
        let mut endpoints = files.merge(routes::endpoints(shared));
        if let Some(commands) = self.commands.clone() {
            let preview = preview::endpoints(self.preview.clone(), commands.clone(), self.zones.clone());
            let controls = Controls { commands, status: self.updates.clone() };
            endpoints = endpoints.merge(commands::endpoints(controls)).merge(preview);
        }
        if let Some(archive) = self.archive.clone() {
            endpoints = endpoints.merge(lessons::endpoints(archive));
        }
        if let Some(setup) = self.setup.clone() {
            endpoints = endpoints.merge(setup::endpoints(setup));
        }
        Ok(endpoints)
    }

    /// Serves until the stop is requested.
    pub async fn run(self, mut listener: Option<TcpListener>) {
        let shared = Arc::new(self.shared());
        let Some(http) = self.served(&shared, listener.is_some()).await else { return };
        let _announcement = self.announce(listener.as_ref());
        let serve = async {
            loop {
                match listener.take() {
                    Some(listener) => self.accept(&listener, &http).await,
                    None => tokio::time::sleep(LISTEN_RETRY_EVERY).await,
                }
                listener = self.listen().await;
            }
        };
        tokio::select! {
            () = self.stop.requested() => {}
            () = follow_moods(&shared, &self.health) => self.stop.requested().await,
            () = serve => {}
        }
    }

    /// What serves the page. A file that it needs and that cannot be read or written, such as the list of paired phones, is
    /// tried again: nobody is let in until then. `None`: the stop was requested.
    async fn served(&self, shared: &Arc<Shared>, listens: bool) -> Option<HttpListener> {
        loop {
            match self.try_served(Arc::clone(shared)) {
                Ok(http) => {
                    if listens {
                        self.health.works();
                    }
                    return Some(http);
                }
                Err(problem) => self.health.failed(&format!("the page is not served: {problem}")),
            }
            tokio::select! {
                () = self.stop.requested() => return None,
                () = tokio::time::sleep(LISTEN_RETRY_EVERY) => {}
            }
        }
    }

    fn try_served(&self, shared: Arc<Shared>) -> Result<HttpListener, String> {
        let endpoints = self.endpoints(shared).map_err(|error| error.to_string())?;
        let access = self.access().map_err(|error| error.to_string())?;
        let named = self.is_named().then(|| announce::name(&self.room));
        let names = Arc::new(guard::Names::of(self.config.listen.ip(), named, &self.config.names));
        let router = routes::router(endpoints, access, Arc::clone(&names));
        self.http_listener(router, &names)
    }

    /// Serves connections until accepting fails.
    async fn accept(&self, listener: &TcpListener, http: &HttpListener) {
        let error = http.accept(listener).await;
        self.health.failed(&format!("the page cannot accept connections: {error}"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Serves only the set-up page, on loopback at `port`, until `saved` turns true or `stop` is requested. Returns whether
/// it was saved.
///
/// # Errors
/// The port cannot be opened, or the pages cannot be built.
pub async fn set_up(
    port: u16,
    service: SetupService,
    mut saved: watch::Receiver<bool>,
    stop: &Stop,
) -> std::io::Result<bool> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).await?;
    let address = listener.local_addr()?;
    tracing::info!(page = %format_args!("http://{address}/setup"), "waiting for set-up; no camera is opened");
    let pages = files::Pages::new().map_err(std::io::Error::other)?;
    let endpoints = files::endpoints(pages).merge(setup::endpoints(service));
    let names = Arc::new(guard::Names::of(address.ip(), None, &[]));
    let router = routes::set_up_only(endpoints, names);
    let http = HttpListener { router, https: None, connections: Connections::new(Audience::Loopback) };
    loop {
        tokio::select! {
            () = stop.requested() => return Ok(false),
            _ = saved.wait_for(|saved| *saved) => break,
            error = http.accept(&listener) => {
                tracing::warn!("the page cannot accept connections: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // Leaves time to send the answer of the save request.
    let _ = tokio::time::timeout(Duration::from_millis(300), http.accept(&listener)).await;
    Ok(true)
}

/// Adds each mood to the trend and notes when it came, until the sender of moods is dropped.
async fn follow_moods(shared: &Shared, health: &Health) {
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

/// Name of a state, as in the mood payload.
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
