//! Everything that shows or tells the mood: `mood ──Mood──▶ outputs`. Outputs see nothing but [`Mood`].
//!
//! [`start`] starts what the configuration asks for. Each output takes the newest mood from a watch, in a
//! task (mqtt, web) or a thread (display, lights). None waits for another: one that fails says so once,
//! backs off and comes back.

mod backoff;
pub mod broker;
pub mod discovery;
pub mod display;
mod events;
mod feed;
mod health;
pub mod lights;
pub mod mqtt;
mod process;
#[cfg(test)]
mod samples;
mod situation;
pub mod spool;
mod terminal;
mod told;
pub mod web;
mod webhook;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};

pub use events::{DeviceEvent, EventKind, Events};
pub use health::Health;
pub use mqtt::payload::Models;
pub(crate) use process::resident_bytes;
pub use situation::{Bulletin, CAMERA, Situation, Situations};

use crate::board::thermal::Climate;
use crate::board::{Board, Machine};
use crate::camera::{BackOff, CameraState};
use crate::config::{Config, DisplayKind, LightsKind, Settings};
use crate::control::Control;
use crate::mood::lesson::Record;
use crate::mood::{Attention, Mood};
use crate::overlay;
use crate::supervisor::{Counters, Stop};
use broker::BrokerError;
use terminal::Terminal;
use told::Told;

/// The newest mood; at first one in the state `starting`.
pub type Moods = watch::Receiver<Arc<Mood>>;

/// Why the outputs could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The embedded broker does not run.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// A thread could not be started.
    #[error("the thread {name} cannot be started: {source}")]
    Thread {
        /// Which one.
        name: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// The outputs that were started. Dropping it does not stop them: the stop does.
#[derive(Debug)]
pub struct Outputs {
    /// Broker that the moods are told to, if they are.
    pub mqtt: Option<mqtt::Address>,
    /// Where the page is, if it is served. None also while its port is taken; [`Health::problem`] says so.
    pub web: Option<SocketAddr>,
    /// Whether anybody is told of lessons.
    pub tells_lessons: bool,
    /// One for each output that was started.
    pub health: Vec<Arc<Health>>,
    /// Where other parts tell how they are, for the displays.
    pub bulletin: Bulletin,
    /// Ends when the last output has dropped its sender.
    running: mpsc::Receiver<std::convert::Infallible>,
}

impl Outputs {
    /// Waits until every output has ended, at most for `timeout`; false if one is still running.
    ///
    /// To be called after the stop was requested. Within 0.5 s `offline` is published and the display and the
    /// lights are dark, unless a device hangs.
    pub async fn ended(&mut self, timeout: Duration) -> bool {
        tokio::time::timeout(timeout, self.running.recv()).await.is_ok()
    }

    /// The health of the output called `name`: `mqtt`, `webhook`, `web`, `display` or `lights`.
    pub fn health_of(&self, name: &str) -> Option<&Arc<Health>> {
        self.health.iter().find(|health| health.name() == name)
    }
}

/// What the outputs may tell of the device beside the mood.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// What the parts count.
    pub counters: Arc<Counters>,
    /// How warm it is.
    pub climate: Arc<Climate>,
    /// What the camera is doing.
    pub camera: Option<watch::Receiver<CameraState>>,
    /// Versions of the networks.
    pub models: Models,
}

/// What the outputs get from the rest of the device.
#[derive(Debug)]
pub struct Sources {
    /// The newest mood.
    pub moods: Moods,
    /// The configuration as it changes; without it the one of the start holds on.
    pub settings: Option<Settings>,
    /// What may be told of the device.
    pub known: Known,
    /// What commands from the page and the broker are carried out by.
    pub control: Option<Control>,
    /// What happens to lessons.
    pub records: mpsc::Receiver<Record>,
    /// What happens to the device.
    pub events: mpsc::Receiver<DeviceEvent>,
    /// Where help may be needed, if that is looked for. For the page alone.
    pub attention: Option<watch::Receiver<Arc<Attention>>>,
    /// How the device is set up on its page, where that is possible.
    pub setup: Option<web::setup::Desk>,
    /// Where settings go that the administrator lays over the configuration, if they are wanted.
    pub overlays: Option<overlay::Inbox>,
}

impl Sources {
    /// Nothing but moods.
    pub fn of(moods: Moods) -> Self {
        let (records, events) = (mpsc::channel(1).1, mpsc::channel(1).1);
        Self {
            moods,
            settings: None,
            known: Known::default(),
            control: None,
            records,
            events,
            attention: None,
            setup: None,
            overlays: None,
        }
    }
}

/// Starts the outputs that `config` asks for, on the tokio runtime in which this is awaited.
///
/// They run until `stop` is requested; wait for their end with [`Outputs::ended`]. Everything that can heal
/// by itself (a broker that is away, a port that is taken, a screen that does not answer) is not an error
/// here: it is told once, shown in [`Outputs::health`] and tried again.
///
/// # Errors
/// The embedded broker cannot listen, or a thread cannot be started.
pub async fn start(config: &Config, sources: Sources, stop: &Stop) -> Result<Outputs, StartError> {
    let (alive, running) = mpsc::channel(1);
    let bulletin = Bulletin::default();
    let Sources { moods, settings, known, control, records, events, attention, setup, overlays } = sources;
    let mut starter = Starter {
        moods,
        settings: settings.unwrap_or_else(|| config.for_ever()),
        stop: stop.clone(),
        health: Vec::new(),
        bulletin: bulletin.clone(),
        alive,
    };
    let mqtt = told::broker(config)?;
    let told = Told { known: known.clone(), control: control.clone(), records, events, overlays };
    let tells_lessons = starter.tell(config, mqtt.clone(), told);
    let terminal = Arc::new(Terminal::default());
    let board = Board::of(&config.board, &Machine::here());
    starter.display(config, &board, &terminal)?;
    starter.lights(config, &board, &terminal)?;
    // Last, because it tells about the others.
    let web = starter.web(config, known, control, attention, setup).await;
    if let Some(page) = web {
        bulletin.page_is_at(page);
    }
    Ok(Outputs { mqtt, web, tells_lessons, health: starter.health, bulletin, running })
}

/// What every output gets.
struct Starter {
    moods: Moods,
    settings: Settings,
    stop: Stop,
    health: Vec<Arc<Health>>,
    bulletin: Bulletin,
    alive: mpsc::Sender<std::convert::Infallible>,
}

impl Starter {
    fn new_health(&mut self, name: &'static str) -> Arc<Health> {
        let health = Arc::new(Health::shown_on(self.bulletin.clone(), name));
        self.health.push(Arc::clone(&health));
        health
    }

    fn task(&self, task: impl Future<Output = ()> + Send + 'static) {
        let alive = self.alive.clone();
        tokio::spawn(async move {
            task.await;
            drop(alive);
        });
    }

    fn thread(&self, name: &'static str, body: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
        let alive = self.alive.clone();
        let thread = move || {
            let _alive = alive;
            let _span = tracing::info_span!("output", name).entered();
            body();
        };
        let builder = std::thread::Builder::new().name(name.into());
        builder.spawn(thread).map(drop).map_err(|source| StartError::Thread { name, source })
    }

    fn display(
        &mut self,
        config: &Config,
        board: &Board,
        terminal: &Arc<Terminal>,
    ) -> Result<(), StartError> {
        if config.display.kind == DisplayKind::Off {
            return Ok(());
        }
        let health = self.new_health("display");
        let screen = match display::screen(config, board, terminal) {
            Ok(Some(screen)) => screen,
            Ok(None) => return Ok(()),
            Err(problem) => {
                health.failed(&problem);
                return Ok(());
            }
        };
        let sources = display::Sources {
            moods: self.moods.clone(),
            situations: self.bulletin.subscribe(),
            settings: self.settings.clone(),
            // A zone that is not known was told when the configuration was read.
            zone: config.lessons.zone().unwrap_or(TimeZone::UTC),
        };
        let stop = self.stop.clone();
        self.thread("display", move || display::run(screen, &sources, &health, &stop))
    }

    fn lights(&mut self, config: &Config, board: &Board, terminal: &Arc<Terminal>) -> Result<(), StartError> {
        if config.lights.kind == LightsKind::Off {
            return Ok(());
        }
        let health = self.new_health("lights");
        let open = lights::opener(config.lights.clone(), board.clone(), Arc::clone(terminal));
        let brightness = lights::Brightness {
            settings: self.settings.clone(),
            // A zone that is not known was a fault of the configuration.
            zone: config.lessons.zone().unwrap_or(TimeZone::UTC),
        };
        let (moods, situations, stop) = (self.moods.clone(), self.bulletin.subscribe(), self.stop.clone());
        self.thread("lights", move || {
            let (moods, situations, health, stop) = (&moods, &situations, &health, &stop);
            lights::LightLoop { open, brightness, moods, situations, health, stop }.run(BackOff::default());
        })
    }

    async fn web(
        &mut self,
        config: &Config,
        known: Known,
        control: Option<Control>,
        attention: Option<watch::Receiver<Arc<Attention>>>,
        setup: Option<web::setup::Desk>,
    ) -> Option<SocketAddr> {
        if !config.web.enabled {
            return None;
        }
        let health = self.new_health("web");
        // A zone that is not known was told when the configuration was read.
        let zone = config.lessons.zone().unwrap_or(TimeZone::UTC);
        let directory = config.storage.directory();
        let page = web::Web {
            config: config.web.clone(),
            room: config.room.name.clone(),
            moods: self.moods.clone(),
            bulletin: self.bulletin.clone(),
            storage: directory.clone(),
            mood_every: Duration::from_secs_f64(config.mood.publish_every_s.clamp(0.2, 60.0)),
            known,
            control,
            zones: config.zone.clone(),
            attention,
            setup,
            archive: config.lessons.enabled.then_some(web::lessons::Archive { directory, zone }),
            health,
            all_health: self.health.clone(),
            stop: self.stop.clone(),
        };
        let listener = page.listen().await;
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        self.task(page.run(listener));
        address
    }
}

#[cfg(test)]
mod tests;
