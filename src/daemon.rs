//! The composition root: builds every part, starts it under the supervisor, and waits for the end.
//!
//! Threads: `camera` (always drains the driver), `vision` (takes the newest frame), one each for display, lights,
//! button, switch and watchdog. Everything else runs on one current-thread tokio runtime on the calling thread.

mod device;
mod device_events;
mod outputs;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::Timestamp;
use moodring_camera::file::FileSource;
use moodring_camera::simulator::SimulatorSource;
use moodring_camera::v4l2::V4l2Source;
use moodring_camera::{CameraHealth, CameraSource};
use moodring_config::{CameraKind, Config};
use moodring_contract::Mood;
use moodring_contract::payload::Models;
use moodring_hardware::board::{Board, Machine};
use moodring_lessons::{Disk, LessonChannels, Timetable};
use moodring_mood::baseline::store::{BaselineKeeper, BaselineStore};
use moodring_mood::{Aggregator, Controls, PublicationRecord, Stores};
use moodring_runtime::{
    DeviceEvents, Health, StatusBoard, Stop, Supervisor, Telemetry, stop_on_signal, watchdog,
};
use moodring_vision::Vision;
use moodring_vision::model_card::{Cards, ModelCard, Task};
use tokio::sync::{mpsc, watch};
use tracing::info;

use crate::overlay::Overlays;
use crate::reload::Reload;
use device::Device;
use outputs::OutputSources;

/// Capacity of the queue from vision to mood; further observations are dropped and counted.
const MAX_OBSERVATIONS: usize = 8;
/// Capacity of the queue of lesson commands.
const MAX_LESSON_COMMANDS: usize = 4;
/// Capacity of the queue of lesson records for the spool.
const MAX_RECORDS: usize = 64;
/// Time that an event needs to reach the spool before a restart.
const EVENT_TIMEOUT: Duration = Duration::from_millis(200);
/// Time for all parts together to stop.
const STOP_TIMEOUT: Duration = Duration::from_millis(900);

/// Options of a run of the daemon.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Stops after this time; `None`: runs until a signal.
    pub run_for: Option<Duration>,
    /// Neither reads nor stores the pause state, and opens no console. For a demo.
    pub ephemeral: bool,
    /// The administrator's overlays; `None`: overlays are not enabled.
    pub overlays: Option<Overlays>,
    /// How the configuration is reloaded; `None`: it cannot be reloaded.
    pub reload: Option<Reload>,
    /// What people must be told about damaged files of the storage folder.
    pub reports: Vec<String>,
}

/// Addresses of the running daemon.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// Address of the page, if it is served.
    pub web: Option<SocketAddr>,
    /// The broker to which the daemon publishes, if there is one.
    pub mqtt: Option<moodring_mqtt::Address>,
}

/// Summary of a finished run.
#[derive(Debug, Clone)]
pub struct Report {
    /// Moods that were handed to the outputs.
    pub moods: u64,
    /// The last mood whose state was `live`.
    pub last_live: Option<Arc<Mood>>,
    /// The run ended in order to restart with another configuration.
    pub restart: bool,
}

/// Runs until a signal, the time limit or the failure of a part. Calls `started` when everything runs.
///
/// # Errors
/// A part cannot be built (models, engine, threads) or failed while running. A missing camera, broker or display is
/// not an error: the connection is retried until it succeeds.
pub fn run(config: &Config, options: &Options, started: impl FnOnce(&Endpoints)) -> anyhow::Result<Report> {
    // First, so that a mistake in a timetable is reported before the slow loading of the networks.
    let recording = Recording::prepare(config)?;
    let vision = Vision::new(config).context("vision cannot start")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let result = runtime.block_on(serve(config, options, started, vision, recording));
    // A lookup of the broker's name cannot be cancelled and may take minutes: do not wait for it.
    runtime.shutdown_timeout(Duration::ZERO);
    result
}

async fn serve(
    config: &Config,
    options: &Options,
    started: impl FnOnce(&Endpoints),
    vision: Vision,
    recording: Option<Recording>,
) -> anyhow::Result<Report> {
    let stop = Stop::default();
    let supervisor =
        Supervisor::new(stop.clone()).with_injected_panic(config.camera.simulator.panic_in.clone());
    supervisor.task("signals", stop_on_signal(stop.clone()));
    let device = Device {
        config,
        board: Board::of(&config.board, &Machine::detect()),
        status: StatusBoard::default(),
        supervisor,
        stop,
        restart: Arc::default(),
    };
    if !options.reports.is_empty() {
        device.status.fails("storage", &options.reports.join("; "));
    }
    let telemetry = Telemetry::new(&device.status, models(config));
    let (events, reported) = DeviceEvents::channel();
    let (settings_sender, settings) = watch::channel(Arc::new(config.clone()));

    // Before any part can open the camera, so that a stored pause is in effect.
    let (control, commands, lesson_commands) = device.control(options, recording.is_some());
    let (baseline_keeper, baseline) = config
        .baseline
        .enabled
        .then(|| BaselineKeeper::open(BaselineStore::new(config), Instant::now()))
        .unzip();
    let mut paused = control.paused();
    let mut aggregator = Aggregator::from_config(config)
        .context("the mood cannot be estimated")?
        .with_baseline(config, baseline.unwrap_or_default());
    // A demo shows people who do not exist, and stores nothing.
    let publication = (!options.ephemeral)
        .then(|| PublicationRecord::open(config, Health::on_board(device.status.clone(), "disclosure")));
    if let Some((_, withheld)) = &publication {
        aggregator = aggregator.published_from(Instant::now(), *withheld);
    }
    let stores = Stores { baseline: baseline_keeper, publication: publication.map(|(record, _)| record) };
    aggregator.set_paused(*paused.borrow_and_update(), Instant::now());
    let (mood_sender, moods) = watch::channel(Arc::new(aggregator.mood(Instant::now(), Timestamp::now())));

    let camera_health = Arc::new(CameraHealth::default());
    device.start_thermal_watch(&telemetry);
    let setup = options.reload.clone().map(|reload| device.reload(reload, settings_sender, &events));
    let overlays = options.overlays.clone().map(|overlays| device.overlays(overlays, &events));
    let event_sources = device_events::EventSources {
        camera: camera_health.subscribe(),
        paused_by_command: control.paused_by_command(),
        status: device.status.clone(),
        thermal: Arc::clone(&telemetry.thermal),
    };
    let report_events = device_events::report(events, event_sources, device.stop.clone());
    device.supervisor.task("device-events", report_events);

    let (records_sender, records) = mpsc::channel(MAX_RECORDS);
    let sources = OutputSources {
        moods: moods.clone(),
        settings: settings.clone(),
        telemetry: telemetry.clone(),
        commands,
        pairing: control.pairing().clone(),
        preview: control.preview().clone(),
        records,
        events: reported,
        attention: config.attention.enabled.then(|| aggregator.attention()),
        setup,
        overlays,
    };
    let outputs = outputs::start(config, &device.board, &device.status, sources, &device.supervisor).await?;

    let observations = device.start_vision(vision, &control, &telemetry, camera_health, &settings)?;
    // The spools are closed when no record can come any more, so an unused sender must not outlive this.
    let records = outputs.receives_records.then_some(records_sender).filter(|_| recording.is_some());
    if let Some(recording) = recording {
        let channels = LessonChannels {
            moods: moods.clone(),
            commands: lesson_commands,
            resets: control.resets().clone(),
            records,
            settings: settings.clone(),
            board: device.status.clone(),
        };
        device.recorder(recording, channels);
    }
    let controls = Controls {
        paused,
        resets: control.resets().subscribe(),
        sensitivity: control.sensitivity(),
        settings,
    };
    let stop = device.stop.clone();
    device.supervisor.task("mood", async move {
        moodring_mood::run(aggregator, observations, controls, mood_sender, stores, stop).await;
        Ok(())
    });
    let last_live = device.count_moods(moods, &telemetry);
    device.supervisor.task("counters", log_counters(telemetry.clone(), device.stop.clone()));
    watchdog::start(&device.supervisor)?;
    started(&Endpoints { web: outputs.web, mqtt: outputs.mqtt });

    match options.run_for {
        // Reaching the limit is the normal end of such a run.
        Some(limit) => drop(tokio::time::timeout(limit, device.stop.requested()).await),
        None => device.stop.requested().await,
    }
    device.supervisor.join(STOP_TIMEOUT).await?;
    let last_live = last_live.borrow().clone();
    Ok(Report {
        moods: telemetry.counters.moods.get(),
        last_live,
        restart: device.restart.load(Ordering::Relaxed),
    })
}

/// What the lesson recorder needs; created before any part runs.
struct Recording {
    timetable: Timetable,
    disk: Disk,
}

impl Recording {
    /// `None`: lessons are not recorded.
    fn prepare(config: &Config) -> anyhow::Result<Option<Self>> {
        if !config.lessons.enabled {
            return Ok(None);
        }
        let timetable = Timetable::new(&config.lessons, &config.clock.zone())?;
        let disk = Disk::new(config);
        Ok(Some(Self { timetable, disk }))
    }
}

/// Versions of the loaded networks, from their model cards.
fn models(config: &Config) -> Models {
    let cards = Cards::of(config);
    let version = |path: &Path, task| ModelCard::read(path, task).ok().map(|card| card.version);
    Models {
        heads: version(&cards.heads, Task::Heads),
        expression: cards.expression.and_then(|path| version(&path, Task::Expression)),
    }
}

/// The camera source that the configuration selects.
pub(crate) fn camera_source(config: &moodring_config::Camera, stop: &Stop) -> Box<dyn CameraSource> {
    match config.source {
        CameraKind::V4l2 => Box::new(V4l2Source::new(&config.v4l2)),
        CameraKind::File => Box::new(FileSource::new(&config.file, stop)),
        CameraKind::Simulator => Box::new(SimulatorSource::new(&config.simulator).with_view(config.view)),
    }
}

/// Logs the counters once a minute.
async fn log_counters(telemetry: Telemetry, stop: Stop) -> anyhow::Result<()> {
    let Telemetry { counters, thermal, .. } = telemetry;
    let mut minute = tokio::time::interval(Duration::from_secs(60));
    minute.tick().await;
    loop {
        tokio::select! {
            () = stop.requested() => return Ok(()),
            _ = minute.tick() => info!(
                frames = counters.frames_captured.get(),
                replaced = counters.frames_replaced.get(),
                camera_losses = counters.camera_losses.get(),
                cycles = counters.cycles.get(),
                faces_read = counters.faces_read.get(),
                dropped = counters.observations_dropped.get(),
                moods = counters.moods.get(),
                celsius = thermal.celsius(),
                "counters"
            ),
        }
    }
}
