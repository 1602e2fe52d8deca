//! The composition root: builds every part in order, starts it, waits for the end.
//!
//! Threads: `camera` (always drains the driver), `vision` (takes the newest frame), those of display and
//! lights; one current-thread tokio runtime on the calling thread for mood, MQTT and web.

mod happenings;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::info;

use crate::aim::{self, Aim};
use crate::board::thermal::{self, Climate, Governor, Sensors};
use crate::board::{Board, Machine};
use crate::camera::file::FileSource;
use crate::camera::light::CameraLight;
use crate::camera::simulator::SimulatorSource;
use crate::camera::v4l2::V4l2Source;
use crate::camera::{BackOff, CameraHealth, CameraSource, CameraState, CaptureLoop, Frames, Switch};
use crate::config::{CameraKind, Config, Settings};
use crate::control::{self, Control, Kept, Pairing, console};
use crate::mood::lesson::{self, Timetable};
use crate::mood::usual::store::{Keeper, Store};
use crate::mood::{self, Aggregator, Mood, State};
use crate::outputs::web::setup::{Afterwards, Desk};
use crate::outputs::{self, Bulletin, Events, mqtt};
use crate::overlay::{self, Overlays};
use crate::panel;
use crate::reload::{self, Asking, Reload};
use crate::setup::SetUp;
use crate::supervisor::{self, Counters, Stop, Supervisor};
use crate::vision::model_card::{Cards, ModelCard, Task};
use crate::vision::{self, Vision};

/// Observations that may wait for the mood; more are dropped and counted.
const OBSERVATIONS_WAITING: usize = 8;
/// Commands about lessons that may wait.
const COMMANDS_WAITING: usize = 4;
/// Records of lessons that may wait to be told.
const RECORDS_WAITING: usize = 64;
/// An event is in the spool after this long.
const EVENT_PATIENCE: Duration = Duration::from_millis(200);
/// What the parts get for stopping, all together.
const STOP_PATIENCE: Duration = Duration::from_millis(900);

/// How long the daemon runs, and what of it outlives it.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Stop by itself after this long; `None` runs until a signal.
    pub run_for: Option<Duration>,
    /// Begins as if nobody ever paused it, and leaves no trace of a pause: a demo.
    pub forget_pauses: bool,
    /// What the administrator lays over the configuration, where that is allowed.
    pub overlays: Option<Overlays>,
    /// How the configuration is read again, where that is possible.
    pub reload: Option<Reload>,
}

/// Where the running daemon can be reached.
#[derive(Debug, Clone)]
pub struct Places {
    /// Address of the page, if it is served.
    pub web: Option<SocketAddr>,
    /// The broker that is published to, if there is one.
    pub mqtt: Option<mqtt::Address>,
    /// Pauses and resumes, begins and ends lessons.
    pub control: Control,
}

/// What a finished run amounted to.
#[derive(Debug, Clone)]
pub struct Report {
    /// Moods that were handed to the outputs.
    pub moods: u64,
    /// The last mood whose state was `live`.
    pub last_live: Option<Arc<Mood>>,
    /// It ended to be started anew, with another configuration.
    pub begins_anew: bool,
}

/// Runs until a signal, the limit or the failure of a part; `started` is called once everything runs.
///
/// # Errors
/// A part cannot be built (models, engine, threads) or failed for good while running. A camera, broker or
/// display that is away is no error: they are waited for.
pub fn run(config: &Config, limits: &Limits, started: impl FnOnce(&Places)) -> anyhow::Result<Report> {
    // First, because a mistake in a timetable is told at once, and networks take a while to load.
    let recording = Recording::prepare(config)?;
    let vision = Vision::new(config).context("vision cannot start")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no asynchronous runtime can be had from the system")?;
    let result = runtime.block_on(serve(config, limits, started, vision, recording, Stop::default()));
    // Looking up a broker's name cannot be cancelled and may take minutes.
    runtime.shutdown_timeout(Duration::ZERO);
    result
}

async fn serve(
    config: &Config,
    limits: &Limits,
    started: impl FnOnce(&Places),
    vision: Vision,
    recording: Option<Recording>,
    stop: Stop,
) -> anyhow::Result<Report> {
    let counters = Arc::new(Counters::default());
    let (observations, observed) = mpsc::channel(OBSERVATIONS_WAITING);
    let (usual, baseline) =
        config.usual.enabled.then(|| Keeper::open(Store::new(config), Instant::now())).unzip();
    // Before anything may open the camera.
    let (control, commands) = take_control(config, limits, recording.is_some());
    let keeper = (!limits.forget_pauses)
        .then(|| tokio::spawn(control::keep(config.storage.clone(), control.paused_by_hand(), stop.clone())));
    let mut paused = control.paused();
    let mut aggregator = Aggregator::of(config)
        .context("the mood cannot be estimated")?
        .in_room(config, baseline.unwrap_or_default());
    aggregator.set_paused(*paused.borrow_and_update(), Instant::now());
    let (mood_sender, moods) = watch::channel(Arc::new(aggregator.mood(Instant::now(), Timestamp::now())));

    let climate = Arc::new(Climate::default());
    tokio::spawn(keep_cool(config.clone(), Arc::clone(&climate), stop.clone()));
    let camera_health = Arc::new(CameraHealth::default());
    let known = outputs::Known {
        counters: Arc::clone(&counters),
        climate: Arc::clone(&climate),
        camera: Some(camera_health.subscribe()),
        models: models(config),
    };
    let (records_sender, records) = mpsc::channel(RECORDS_WAITING);
    let (events, happened) = Events::channel();
    let (holding, settings) = watch::channel(Arc::new(config.clone()));
    let (rereads, setup) =
        limits.reload.clone().map(|reload| reread(reload, holding, &events, &stop)).unzip();
    let (overlaid, overlays) =
        limits.overlays.clone().map(|overlays| hear_overlays(overlays, &events, &stop)).unzip();
    tokio::spawn(happenings::tell(events, watched(&control, &camera_health, &climate), stop.clone()));
    let sources = outputs::Sources {
        moods: moods.clone(),
        settings: Some(settings.clone()),
        known,
        control: Some(control.clone()),
        records,
        events: happened,
        attention: config.attention.enabled.then(|| aggregator.attention()),
        setup,
        overlays,
    };
    let mut outputs = outputs::start(config, sources, &stop).await?;
    let mut supervisor = Supervisor::new(stop.clone());
    tokio::spawn(tell_of_camera(camera_health.subscribe(), outputs.bulletin.clone()));
    let shared = Shared {
        switch: Arc::clone(control.camera()),
        health: camera_health,
        begun_anew: control.anew().subscribe(),
        climate: Arc::clone(&climate),
        aim: control.aim().clone(),
        settings: settings.clone(),
    };
    panel::start(&mut supervisor, config, &control, &outputs.bulletin)?;
    see(&mut supervisor, config, vision, observations, shared, &counters)?;

    let lines = lesson::Lines {
        moods: moods.clone(),
        commands,
        anew: control.anew().clone(),
        records: outputs.tells_lessons.then_some(records_sender),
        settings: settings.clone(),
        lesson_now: control.lesson_now().clone(),
    };
    let recorder = recording.map(|recording| recording.start(config, lines, &stop));
    let controls = mood::Controls {
        paused,
        begun_anew: control.anew().subscribe(),
        sensitivity: control.sensitivity(),
        settings,
    };
    let mood = tokio::spawn(mood::run(aggregator, observed, controls, mood_sender, usual, stop.clone()));
    let watcher = tokio::spawn(last_live(moods, Arc::clone(&counters)));
    tokio::spawn(supervisor::stop_on_signal(stop.clone()));
    tokio::spawn(control.clone().obey_signals());
    tokio::spawn(control.aim().clone().keep_time());
    tokio::spawn(show_aiming(control.aim().changes(), outputs.bulletin.clone()));
    // What leaves no trace of a pause needs no console either: it has no state folder of its own.
    let console = (!limits.forget_pauses)
        .then(|| tokio::spawn(console::attend(control.clone(), config.storage.clone(), stop.clone())));
    tokio::spawn(show_pairing(control.pairing(), outputs.bulletin.clone()));
    tokio::spawn(show_identity(control.identifying(), outputs.bulletin.clone()));
    tokio::spawn(dim(control.dimmed(), outputs.bulletin.clone()));
    let manager = tokio::spawn(supervisor::notify_service_manager(supervisor.heartbeats(), stop.clone()));
    tokio::spawn(log_counters(Arc::clone(&counters), climate, stop.clone()));
    started(&Places { web: outputs.web, mqtt: outputs.mqtt.clone(), control });

    match limits.run_for {
        // A limit is not a signal: reaching it is how such a run ends.
        Some(limit) => drop(tokio::time::timeout(limit, stop.requested()).await),
        None => stop.requested().await,
    }
    stop.request();
    let deadline = Instant::now() + STOP_PATIENCE;
    if !outputs.ended(STOP_PATIENCE).await {
        tracing::warn!("an output did not stop in time and is left behind");
    }
    let result = supervisor.join(deadline.saturating_duration_since(Instant::now()));
    let _ = (mood.await, manager.await);
    // What was asked last is kept, the minute that was under way is written; a disk that hangs costs only that.
    for writer in keeper.into_iter().chain(recorder).chain(console) {
        let left = deadline.saturating_duration_since(Instant::now());
        drop(tokio::time::timeout(left, writer).await);
    }
    let last_live = watcher.await.unwrap_or_default();
    let mut begins_anew = false;
    for task in overlaid.into_iter().chain(rereads) {
        begins_anew |= task.await.unwrap_or_default();
    }
    result.map(|()| Report { moods: counters.moods.get(), last_live, begins_anew })
}

/// Takes overlays as they arrive, and stops everything when one is to hold: then the device begins anew.
fn hear_overlays(overlays: Overlays, events: &Events, stop: &Stop) -> (JoinHandle<bool>, overlay::Inbox) {
    let (inbox, arrivals) = overlay::Inbox::channel();
    let (events, stop) = (events.clone(), stop.clone());
    let task = tokio::spawn(async move {
        let begins_anew = overlay::obey(overlays, arrivals, events, stop.clone()).await;
        if begins_anew {
            // Time for the event to be spooled.
            tokio::time::sleep(EVENT_PATIENCE).await;
            stop.request();
        }
        begins_anew
    });
    (task, inbox)
}

/// Reads the configuration again when asked, and stops everything when it needs a new start.
fn reread(
    reload: Reload,
    holding: watch::Sender<Arc<Config>>,
    events: &Events,
    stop: &Stop,
) -> (JoinHandle<bool>, Desk) {
    let (asking, asked) = Asking::channel();
    let desk = Desk { setup: SetUp { file: reload.file.clone() }, afterwards: Afterwards::Reload(asking) };
    let (events, stop) = (events.clone(), stop.clone());
    let task = tokio::spawn(async move {
        let begins_anew = reload::obey(reload, holding, asked, events, stop.clone()).await;
        if begins_anew {
            // Time for the event to be spooled.
            tokio::time::sleep(EVENT_PATIENCE).await;
            stop.request();
        }
        begins_anew
    });
    (task, desk)
}

/// What recording lessons needs, made before anything runs.
struct Recording {
    timetable: Timetable,
    disk: lesson::Disk,
}

impl Recording {
    /// `None` where lessons are not recorded.
    fn prepare(config: &Config) -> anyhow::Result<Option<Self>> {
        if !config.lessons.enabled {
            return Ok(None);
        }
        let timetable = Timetable::new(&config.lessons)?;
        let disk = lesson::Disk::new(config).context("lessons.time_zone")?;
        Ok(Some(Self { timetable, disk }))
    }

    fn start(self, config: &Config, lines: lesson::Lines, stop: &Stop) -> JoinHandle<()> {
        let Self { timetable, disk } = self;
        tokio::spawn(lesson::run(config.clone(), timetable, disk, lines, stop.clone()))
    }
}

/// What of the device the administrator hears of when it changes.
fn watched(control: &Control, camera: &CameraHealth, climate: &Arc<Climate>) -> happenings::Watched {
    happenings::Watched {
        camera: camera.subscribe(),
        paused_by_hand: control.paused_by_hand(),
        switch: control.switched(),
        climate: Arc::clone(climate),
    }
}

/// Versions of the networks that are loaded, as their cards say.
fn models(config: &Config) -> outputs::Models {
    let cards = Cards::of(config);
    let version = |path: &Path, task| ModelCard::read(path, task).ok().map(|card| card.version);
    outputs::Models {
        heads: version(&cards.heads, Task::Heads),
        expression: cards.expression.and_then(|path| version(&path, Task::Expression)),
    }
}

/// The handle by which the device is controlled, as it was left; and where commands about lessons arrive.
fn take_control(
    config: &Config,
    limits: &Limits,
    records_lessons: bool,
) -> (Control, mpsc::Receiver<lesson::Command>) {
    let kept = if limits.forget_pauses { Kept::Nothing } else { Kept::read(&config.storage) };
    let (sender, commands) = mpsc::channel(COMMANDS_WAITING);
    (Control::new(config, &kept, records_lessons.then_some(sender)), commands)
}

/// Shows the page for pairing on the displays whenever somebody asks for it.
async fn show_pairing(mut offers: watch::Receiver<Option<Pairing>>, bulletin: Bulletin) {
    while offers.changed().await.is_ok() {
        bulletin.offer_pairing(offers.borrow_and_update().clone());
    }
}

/// Shows on lights and displays which device this is whenever somebody asks for it.
async fn show_identity(mut until: watch::Receiver<Option<Instant>>, bulletin: Bulletin) {
    while until.changed().await.is_ok() {
        bulletin.identify(*until.borrow_and_update());
    }
}

/// Shows on the displays that somebody may look through the camera.
async fn show_aiming(mut changes: aim::Changes, bulletin: Bulletin) {
    while let Some(until) = changes.next().await {
        bulletin.aim(until);
    }
}

/// Dims lights and displays whenever somebody asks for it.
async fn dim(mut until: watch::Receiver<Option<Instant>>, bulletin: Bulletin) {
    while until.changed().await.is_ok() {
        bulletin.dim(*until.borrow_and_update());
    }
}

/// What others share with the threads `camera` and `vision`.
struct Shared {
    switch: Arc<Switch>,
    health: Arc<CameraHealth>,
    /// Changes whenever nobody may be known from before.
    begun_anew: watch::Receiver<u64>,
    climate: Arc<Climate>,
    aim: Aim,
    settings: Settings,
}

/// Watches how warm the board is, and lets vision work slower in time.
async fn keep_cool(config: Config, climate: Arc<Climate>, stop: Stop) {
    let board = Board::of(&config.board, &Machine::here());
    let limits = thermal::Limits::new(&config.thermal, board.kind);
    let governor = config.thermal.enabled.then(|| Governor::new(limits));
    let sensors = Sensors::new(board.machine().clone(), board.thermal_zones);
    thermal::watch(sensors, governor, &climate, &stop).await;
}

/// Tells the displays when the camera is away and when it is back, until the camera thread has ended.
async fn tell_of_camera(mut states: watch::Receiver<CameraState>, bulletin: Bulletin) {
    while states.changed().await.is_ok() {
        match &*states.borrow_and_update() {
            CameraState::Away(reason) => bulletin.fails(outputs::CAMERA, reason),
            CameraState::Starting | CameraState::Streaming | CameraState::Paused => {
                bulletin.works(outputs::CAMERA);
            }
        }
    }
}

/// Starts the two threads from camera to observation.
fn see(
    supervisor: &mut Supervisor,
    config: &Config,
    vision: Vision,
    observations: mpsc::Sender<vision::Observation>,
    shared: Shared,
    counters: &Arc<Counters>,
) -> anyhow::Result<()> {
    let Shared { switch, health, begun_anew, climate, aim, settings } = shared;
    let mut vision = vision.aimed_by(aim.clone());
    let frames = Arc::new(Frames::default());
    supervisor.spawn("camera", {
        let (frames, counters) = (Arc::clone(&frames), Arc::clone(counters));
        let config = config.clone();
        move |heartbeat, stop| {
            let mut source = camera_source(&config, stop);
            let capture = CaptureLoop {
                frames: &frames,
                health: &health,
                switch: &switch,
                aim: &aim,
                counters: &counters,
                heartbeat,
                stop,
            };
            let board = Board::of(&config.board, &Machine::here());
            let mut light = CameraLight::of(&config.camera.light, &board);
            capture.run(source.as_mut(), &mut light, BackOff::default());
            Ok(())
        }
    })?;
    supervisor.spawn("vision", {
        let counters = Arc::clone(counters);
        let every = Duration::from_secs_f64(config.vision.cycle_every_s);
        move |heartbeat, stop| {
            let (frames, counters, climate) = (&frames, &counters, &climate);
            vision::WatchLoop {
                frames,
                observations,
                every,
                climate,
                begun_anew,
                settings,
                counters,
                heartbeat,
                stop,
            }
            .run(&mut vision)
        }
    })
}

/// The camera that the configuration names.
fn camera_source(config: &Config, stop: &Stop) -> Box<dyn CameraSource> {
    match config.camera.source {
        CameraKind::V4l2 => Box::new(V4l2Source::new(&config.camera.v4l2)),
        CameraKind::File => Box::new(FileSource::new(&config.camera.file, stop)),
        CameraKind::Simulator => {
            Box::new(SimulatorSource::new(&config.camera.simulator).with_view(config.camera.view))
        }
    }
}

/// Counts the moods and keeps the last live one, until the sender is gone.
async fn last_live(mut moods: outputs::Moods, counters: Arc<Counters>) -> Option<Arc<Mood>> {
    let mut last = None;
    while moods.changed().await.is_ok() {
        let mood = Arc::clone(&moods.borrow_and_update());
        counters.moods.increment();
        if mood.state == State::Live {
            last = Some(mood);
        }
    }
    last
}

/// One line of counters a minute.
async fn log_counters(counters: Arc<Counters>, climate: Arc<Climate>, stop: Stop) {
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    minute.tick().await;
    loop {
        tokio::select! {
            _ = stop.requested() => return,
            _ = minute.tick() => info!(
                frames = counters.frames_captured.get(),
                replaced = counters.frames_replaced.get(),
                camera_losses = counters.camera_losses.get(),
                cycles = counters.cycles.get(),
                faces_read = counters.faces_read.get(),
                dropped = counters.observations_dropped.get(),
                moods = counters.moods.get(),
                celsius = climate.celsius(),
                "counters"
            ),
        }
    }
}
