//! The device: what its parts are built from, and how each group of parts is started.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use moodring_camera::light::CameraLight;
use moodring_camera::{CameraHealth, CaptureLoop, Frames};
use moodring_config::{Config, Settings};
use moodring_contract::{Mood, State, SwitchPosition};
use moodring_hardware::board::Board;
use moodring_hardware::board::thermal::{self, Sensors, ThermalGovernor};
use moodring_hardware::panel::PanelChannels;
use moodring_hardware::{camera_light, panel};
use moodring_lessons::LessonChannels;
use moodring_runtime::{
    Backoff, CommandSender, DeviceEvents, Health, Moods, StatusBoard, Stop, Supervisor, Telemetry,
};
use moodring_vision::{Observation, Vision, VisionLoop};
use tokio::sync::{mpsc, watch};

use super::{EVENT_TIMEOUT, MAX_LESSON_COMMANDS, MAX_OBSERVATIONS, Options, Recording, camera_source};
use crate::control::{self, Control, PersistedPause, StoreAttempt, console};
use crate::overlay::{self, Overlays};
use crate::reload::{self, Reload, ReloadHandle};
use crate::setup::{self, OnSaved, SetupFiles};

/// What every part of the device is built from; detected and created once.
pub(super) struct Device<'a> {
    pub(super) config: &'a Config,
    pub(super) board: Board,
    pub(super) status: StatusBoard,
    pub(super) supervisor: Supervisor,
    pub(super) stop: Stop,
    /// Whether the device stops in order to restart.
    pub(super) restart: Arc<AtomicBool>,
}

impl Device<'_> {
    /// Starts the control with panel, console and signals. Returns it with the sender of commands and the receiver of
    /// lesson commands.
    pub(super) fn control(
        &self,
        options: &Options,
        records_lessons: bool,
    ) -> (Control, CommandSender, mpsc::Receiver<moodring_contract::LessonCommand>) {
        let (config, stop) = (self.config, &self.stop);
        let persisted =
            if options.ephemeral { PersistedPause::Nothing } else { PersistedPause::read(&config.storage) };
        let (lesson_sender, lesson_commands) = mpsc::channel(MAX_LESSON_COMMANDS);
        let lessons = records_lessons.then_some(lesson_sender);
        let control = Control::new(config, &persisted, lessons, self.status.clone());
        let (commands, requests) = CommandSender::channel();
        let switch = watch::Sender::new(SwitchPosition::Closed);
        let attempts = (!options.ephemeral).then(|| watch::Sender::new(StoreAttempt::of(&persisted)));
        let stored = attempts.as_ref().map(watch::Sender::subscribe);
        let run = control.clone().run(requests, switch.subscribe(), stored, stop.clone());
        self.supervisor.task("control", run);
        self.supervisor.task("user-signals", control::execute_signals(commands.clone(), stop.clone()));
        let channels =
            PanelChannels { commands: commands.clone(), switch, status_board: self.status.clone() };
        self.panel(&channels);
        if let Some(attempts) = attempts {
            let health = Health::on_board(self.status.clone(), "pause");
            let persist = control::persist(
                config.storage.clone(),
                control.store_requests(),
                attempts,
                health,
                stop.clone(),
            );
            self.supervisor.task("persisted-pause", persist);
            let console = console::serve(
                commands.clone(),
                control.pairing().clone(),
                config.storage.clone(),
                Health::on_board(self.status.clone(), "console"),
                stop.clone(),
            );
            self.supervisor.task_that_may_end("console", console);
        }
        (control, commands, lesson_commands)
    }

    fn panel(&self, channels: &PanelChannels) {
        if let Err(error) = panel::start(&self.supervisor, self.config, &self.board, channels) {
            self.status.fails("panel", &format!("{error:#}"));
        }
    }

    /// Starts the temperature watch, which slows vision down before the board gets too hot.
    pub(super) fn start_thermal_watch(&self, telemetry: &Telemetry) {
        let config = &self.config.thermal;
        let limits = thermal::Limits::new(config, self.board.kind);
        let governor = config.enabled.then(|| ThermalGovernor::new(limits));
        let sensors = Sensors::new(self.board.machine().clone(), self.board.thermal_zones.clone());
        let (state, stop) = (Arc::clone(&telemetry.thermal), self.stop.clone());
        self.supervisor.task("thermal", async move {
            thermal::watch(sensors, governor, &state, &stop).await;
            Ok(())
        });
    }

    /// Starts the tasks that reload the configuration on request and answer the set-up page. A change that needs a
    /// restart stops the device.
    pub(super) fn reload(
        &self,
        reload: Reload,
        settings: watch::Sender<Arc<Config>>,
        events: &DeviceEvents,
    ) -> moodring_web::setup::SetupService {
        let (handle, requests) = ReloadHandle::channel();
        let files = SetupFiles { file: reload.file.clone() };
        let (service, setup_requests) = moodring_web::setup::SetupService::channel();
        self.supervisor
            .task("setup", setup::serve(files, OnSaved::Reload(handle), setup_requests, self.stop.clone()));
        let run = reload::run(reload, settings, requests, events.clone(), self.stop.clone());
        self.supervisor.task("reload", self.restarting(run));
        service
    }

    /// Starts the task that checks and stores overlays. A new overlay stops the device, so that it restarts with it.
    pub(super) fn overlays(&self, overlays: Overlays, events: &DeviceEvents) -> moodring_mqtt::OverlayInbox {
        let (inbox, arrivals) = moodring_mqtt::OverlayInbox::channel();
        let run = overlay::run(overlays, arrivals, events.clone(), self.stop.clone());
        self.supervisor.task("overlays", self.restarting(run));
        inbox
    }

    /// Wraps `part`: if it returns true, the device restarts.
    fn restarting(
        &self,
        part: impl Future<Output = bool> + Send + 'static,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + 'static {
        let (restart, stop) = (Arc::clone(&self.restart), self.stop.clone());
        async move {
            if part.await {
                restart.store(true, Ordering::Relaxed);
                // The event must reach the spool first.
                tokio::time::sleep(EVENT_TIMEOUT).await;
                stop.request();
            } else {
                stop.requested().await;
            }
            Ok(())
        }
    }

    /// Starts the threads `camera` and `vision`. Returns the receiver of observations.
    pub(super) fn start_vision(
        &self,
        vision: Vision,
        control: &Control,
        telemetry: &Telemetry,
        health: Arc<CameraHealth>,
        settings: &Settings,
    ) -> anyhow::Result<mpsc::Receiver<Observation>> {
        let frames = Arc::new(Frames::default());
        let (sender, observations) = mpsc::channel(MAX_OBSERVATIONS);
        self.supervisor.thread("camera", {
            let (frames, counters) = (Arc::clone(&frames), Arc::clone(&telemetry.counters));
            let (switch, preview) = (Arc::clone(control.camera()), control.preview().clone());
            let (config, lamp) =
                (self.config.camera.clone(), camera_light::lamp(&self.config.camera.light, &self.board));
            move |heartbeat, stop| {
                let mut source = camera_source(&config, stop);
                let mut light =
                    lamp.map_or(CameraLight::none(), |lamp| CameraLight::new(lamp, config.light.required));
                let (frames, health, switch, preview, counters) =
                    (&*frames, &*health, &*switch, &preview, &*counters);
                CaptureLoop { frames, health, switch, preview, counters, heartbeat, stop }.run(
                    source.as_mut(),
                    &mut light,
                    Backoff::default(),
                );
                Ok(())
            }
        })?;
        self.supervisor.thread("vision", {
            let (counters, thermal) = (Arc::clone(&telemetry.counters), Arc::clone(&telemetry.thermal));
            let every = Duration::from_secs_f64(self.config.vision.cycle_every_s);
            let (resets, settings) = (control.resets().subscribe(), settings.clone());
            let mut vision = vision.with_preview(control.preview().clone());
            move |heartbeat, stop| {
                let (frames, counters, thermal, observations) = (&*frames, &*counters, &*thermal, sender);
                VisionLoop {
                    frames,
                    observations,
                    every,
                    thermal,
                    resets,
                    settings,
                    counters,
                    heartbeat,
                    stop,
                }
                .run(&mut vision)
            }
        })?;
        Ok(observations)
    }

    pub(super) fn recorder(&self, recording: Recording, channels: LessonChannels) {
        let Recording { timetable, disk } = recording;
        let (config, stop) = (self.config.clone(), self.stop.clone());
        self.supervisor.task("lessons", async move {
            moodring_lessons::run(config, timetable, disk, channels, stop).await;
            Ok(())
        });
    }

    /// Starts the task that counts moods. Returns the receiver of the last live one.
    pub(super) fn count_moods(
        &self,
        mut moods: Moods,
        telemetry: &Telemetry,
    ) -> watch::Receiver<Option<Arc<Mood>>> {
        let (sender, last) = watch::channel(None);
        let counters = Arc::clone(&telemetry.counters);
        self.supervisor.task_that_may_end("mood-count", async move {
            while moods.changed().await.is_ok() {
                let mood = Arc::clone(&moods.borrow_and_update());
                counters.moods.increment();
                if mood.state == State::Live {
                    sender.send_replace(Some(mood));
                }
            }
        });
        last
    }
}
