//! Executes all commands: `button · page · broker · signals · console ──Command──▶ Control ──▶ camera, lessons, status`.
//!
//! The privacy switch overrides every command. While it is closed, no source can resume the device. Opening it does not
//! undo a pause by command.

pub mod console;
mod persisted;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moodring_camera::CameraSwitch;
use moodring_config::{Config, Room};
use moodring_contract::{
    Command, CommandSource, DIM_DURATION, LessonCommand, Refusal, Sensitivity, SwitchPosition,
};
use moodring_runtime::{
    Answer, CameraPreview, CommandRequests, PREVIEW_DURATION, Pairing, Resets, StatusBoard, Stop,
};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

pub use persisted::{PersistedPause, StoreAttempt, persist, store_paused};

/// Maximum number of commands that wait until their effect is on the disk.
const MAX_UNSTORED: usize = 64;

/// Executes commands on the running device. Clones share it.
#[derive(Debug, Clone)]
pub struct Control(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    camera: Arc<CameraSwitch>,
    pause: Mutex<Pause>,
    /// Whether the device is paused, by command or by the switch.
    paused: watch::Sender<bool>,
    /// Whether the device was paused by command. This state must survive a power cut.
    paused_by_command: watch::Sender<bool>,
    /// Requests to store `paused_by_command`.
    store: watch::Sender<bool>,
    /// Counts how often a lesson began or ended, or a pause began. Tracking of people restarts at each of these.
    resets: watch::Sender<Resets>,
    sensitivity: watch::Sender<Sensitivity>,
    pairing: Pairing,
    preview: CameraPreview,
    aiming_enabled: bool,
    lessons: Option<mpsc::Sender<LessonCommand>>,
    board: StatusBoard,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    by_hand: bool,
    switch: SwitchPosition,
}

impl Pause {
    fn is_paused(self) -> bool {
        self.by_hand || self.switch == SwitchPosition::Closed
    }
}

impl Control {
    /// The control of a device that starts. The device is paused if the `persisted` state or the configuration says
    /// so. A switch that was not read yet counts as closed. `lessons` receives lesson commands; `None`: lessons are
    /// not recorded. The device's status is published on `board`.
    pub fn new(
        config: &Config,
        persisted: &PersistedPause,
        lessons: Option<mpsc::Sender<LessonCommand>>,
        board: StatusBoard,
    ) -> Self {
        let privacy = &config.privacy;
        let switch = if privacy.switch.enabled { SwitchPosition::Closed } else { SwitchPosition::Open };
        let by_hand = match persisted {
            PersistedPause::Nothing | PersistedPause::Running => privacy.start_paused,
            PersistedPause::Paused => true,
            PersistedPause::Unreadable { path, reason } => {
                warn!(
                    path = %path.display(),
                    reason,
                    "the stored pause state cannot be read: paused until resumed by command"
                );
                true
            }
        };
        let pause = Pause { by_hand, switch };
        let camera = Arc::new(CameraSwitch::default());
        if pause.is_paused() {
            camera.pause();
        }
        if by_hand {
            info!(start_paused = privacy.start_paused, "starts paused");
        }
        let requires_code = config.web.enabled && !config.web.listen.ip().is_loopback();
        board.update(|status| {
            (status.paused_by_command, status.switch) = (by_hand, switch);
            status.records_lessons = lessons.is_some();
            status.is_new = config.room == Room::default();
        });
        Self(Arc::new(Inner {
            camera,
            pause: Mutex::new(pause),
            paused: watch::Sender::new(pause.is_paused()),
            paused_by_command: watch::Sender::new(by_hand),
            store: watch::Sender::new(by_hand),
            resets: watch::Sender::default(),
            sensitivity: watch::Sender::default(),
            pairing: Pairing::new(requires_code, Duration::from_secs_f64(config.button.pairing_s)),
            preview: CameraPreview::default(),
            aiming_enabled: privacy.aiming,
            lessons,
            board,
        }))
    }

    /// The switch that closes and opens the camera.
    pub fn camera(&self) -> &Arc<CameraSwitch> {
        &self.0.camera
    }

    /// Whether the device is paused.
    pub fn paused(&self) -> watch::Receiver<bool> {
        self.0.paused.subscribe()
    }

    /// Whether the device was paused by command. This state must survive a power cut.
    pub fn paused_by_command(&self) -> watch::Receiver<bool> {
        self.0.paused_by_command.subscribe()
    }

    /// Requests to store whether the device was paused by command.
    pub fn store_requests(&self) -> watch::Receiver<bool> {
        self.0.store.subscribe()
    }

    /// Counts resets: the control counts each begin of a pause, the lesson recorder each begin and end of a lesson.
    pub fn resets(&self) -> &watch::Sender<Resets> {
        &self.0.resets
    }

    /// How quickly the mood word follows the class.
    pub fn sensitivity(&self) -> watch::Receiver<Sensitivity> {
        self.0.sensitivity.subscribe()
    }

    /// The pairing offers and their codes.
    pub fn pairing(&self) -> &Pairing {
        &self.0.pairing
    }

    /// The picture that is shown while the camera is aimed.
    pub fn preview(&self) -> &CameraPreview {
        &self.0.preview
    }

    /// Executes `command`.
    ///
    /// # Errors
    /// The reason for the refusal. A refused command changes nothing.
    pub fn execute(&self, command: Command, source: CommandSource) -> Result<(), Refusal> {
        let now = Instant::now();
        match command {
            Command::Pause => {
                self.pause(&mut self.lock(), source);
                Ok(())
            }
            Command::Resume => self.resume(&mut self.lock(), source),
            Command::TogglePause => {
                let mut pause = self.lock();
                if pause.is_paused() {
                    return self.resume(&mut pause, source);
                }
                self.pause(&mut pause, source);
                Ok(())
            }
            Command::Lesson(command) => {
                let lessons = self.0.lessons.as_ref().ok_or(Refusal::NoLessons)?;
                info!(?source, ?command, "lesson command");
                lessons.try_send(command).map_err(|_| Refusal::Busy)
            }
            Command::Identify(duration) => {
                info!(?source, "identifies itself on display and lights");
                self.0.board.update(|status| status.identify_until = Some(now + duration));
                Ok(())
            }
            Command::Dim(dim) => {
                info!(?source, dim, "night mode");
                self.0.board.update(|status| status.dim_until = dim.then(|| now + DIM_DURATION));
                Ok(())
            }
            Command::SetSensitivity(sensitivity) => {
                if set(&self.0.sensitivity, sensitivity) {
                    info!(?source, ?sensitivity, "sensitivity of the mood word changed");
                    self.0.board.update(|status| status.sensitivity = sensitivity);
                }
                Ok(())
            }
            Command::OfferPairing => self.offer_pairing(now, source),
            Command::OfferPreview => self.offer_aiming(now, source),
            Command::EndPreview => {
                if self.0.preview.until(now).is_some() {
                    info!(?source, "aiming ended");
                }
                self.0.preview.end();
                Ok(())
            }
        }
    }

    /// Applies the position of the privacy switch. Called when it was moved, or read for the first time.
    pub fn set_switch(&self, position: SwitchPosition) {
        let mut pause = self.lock();
        if pause.switch != position {
            info!(?position, paused_by_command = pause.by_hand, "privacy switch");
        }
        pause.switch = position;
        self.apply(*pause);
    }

    /// Executes commands as they arrive, follows the privacy switch, and ends aiming when its time is over, until
    /// `stop` is requested. A command that changes the pause takes effect at once, and is answered when it is on the disk,
    /// as `attempts` reports; without `attempts` nothing is stored.
    ///
    /// # Errors
    /// Never. All command sources live as long as the device.
    pub async fn run(
        self,
        mut requests: CommandRequests,
        mut switch: watch::Receiver<SwitchPosition>,
        mut attempts: Option<watch::Receiver<StoreAttempt>>,
        stop: Stop,
    ) -> anyhow::Result<()> {
        let mut unstored = Vec::new();
        let mut preview = self.0.preview.changes();
        let keep_time = self.0.preview.clone().keep_time();
        tokio::pin!(keep_time);
        loop {
            tokio::select! {
                // The switch first: a command that was sent after the switch closed must be refused.
                biased;
                () = stop.requested() => return Ok(()),
                Ok(()) = switch.changed() => {
                    let position = *switch.borrow_and_update();
                    self.set_switch(position);
                }
                Ok(attempt) = next_attempt(&mut attempts) => self.answer_stored(&mut unstored, attempt),
                Some(request) = requests.recv() => {
                    let ((command, source), answer) = request.into_parts();
                    let changes_pause =
                        matches!(command, Command::Pause | Command::Resume | Command::TogglePause);
                    let result = self.execute(command, source);
                    let paused = *self.0.paused_by_command.borrow();
                    let is_stored = attempts.as_ref().is_none_or(|attempts| {
                        *attempts.borrow() == StoreAttempt { paused, written: true }
                    });
                    if result.is_err() || is_stored || !changes_pause {
                        answer.send(result);
                    } else if unstored.len() < MAX_UNSTORED {
                        unstored.push((paused, answer));
                        self.0.store.send_replace(paused);
                    } else {
                        answer.send(Err(Refusal::NotStored));
                    }
                }
                Some(until) = preview.next() => {
                    self.0.board.update(|status| status.preview_until = until);
                }
                () = &mut keep_time => {}
            }
        }
    }

    /// Answers the commands whose effect is on the disk, was replaced by a later command, or cannot be stored.
    fn answer_stored(&self, unstored: &mut Vec<Unstored>, attempt: StoreAttempt) {
        let now = *self.0.paused_by_command.borrow();
        for (paused, answer) in std::mem::take(unstored) {
            if !attempt.written {
                answer.send(Err(Refusal::NotStored));
            } else if paused == attempt.paused || paused != now {
                answer.send(Ok(()));
            } else {
                unstored.push((paused, answer));
            }
        }
    }

    fn offer_pairing(&self, now: Instant, source: CommandSource) -> Result<(), Refusal> {
        // On the console, only a code is of use. The button also makes the display show the page's address.
        if source == CommandSource::Console && !self.0.pairing.requires_code() {
            return Err(Refusal::NoPairing);
        }
        self.0.pairing.offer(now).map_err(|_| Refusal::NoRandomNumbers)?;
        info!(?source, "pairing is offered");
        Ok(())
    }

    /// Accepts only sources at the device: button and console.
    fn offer_aiming(&self, now: Instant, source: CommandSource) -> Result<(), Refusal> {
        if !self.0.aiming_enabled || !matches!(source, CommandSource::Button | CommandSource::Console) {
            return Err(Refusal::PreviewDisabled);
        }
        // The lock is held until the offer is made. A pause before the offer refuses it, a pause after it ends it.
        let pause = self.lock();
        if pause.is_paused() {
            return Err(Refusal::Paused);
        }
        self.0.preview.offer(now + PREVIEW_DURATION);
        info!(?source, "aiming is offered for ten minutes");
        Ok(())
    }

    fn pause(&self, pause: &mut Pause, source: CommandSource) {
        if !pause.by_hand {
            info!(?source, "paused");
        }
        pause.by_hand = true;
        self.apply(*pause);
    }

    fn resume(&self, pause: &mut Pause, source: CommandSource) -> Result<(), Refusal> {
        if pause.switch == SwitchPosition::Closed {
            return Err(Refusal::SwitchClosed);
        }
        if pause.by_hand {
            info!(?source, "resumed");
        }
        pause.by_hand = false;
        self.apply(*pause);
        Ok(())
    }

    /// Applies `pause` to camera, mood and status. The caller holds the lock, so that no other thread sees half of it.
    fn apply(&self, pause: Pause) {
        let paused = pause.is_paused();
        if paused {
            self.0.camera.pause();
            self.0.preview.end();
        }
        let changed = set(&self.0.paused, paused);
        set(&self.0.paused_by_command, pause.by_hand);
        self.0.board.update(|status| {
            (status.paused_by_command, status.switch) = (pause.by_hand, pause.switch);
        });
        if paused && changed {
            self.0.resets.send_modify(|resets| resets.pauses += 1);
        }
        if !paused {
            self.0.camera.resume();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pause> {
        self.0.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command that changed the pause to this state, and waits for its answer.
type Unstored = (bool, Answer<Result<(), Refusal>>);

/// The next attempt to store the pause; never where nothing is stored.
async fn next_attempt(
    attempts: &mut Option<watch::Receiver<StoreAttempt>>,
) -> Result<StoreAttempt, watch::error::RecvError> {
    let Some(attempts) = attempts else { return std::future::pending().await };
    attempts.changed().await.map(|()| *attempts.borrow_and_update())
}

/// Pauses on SIGUSR1, resumes on SIGUSR2, until `stop` is requested.
///
/// # Errors
/// The signals cannot be received.
pub async fn execute_signals(commands: moodring_runtime::CommandSender, stop: Stop) -> anyhow::Result<()> {
    use anyhow::Context as _;
    use tokio::signal::unix::{SignalKind, signal};
    let mut pause = signal(SignalKind::user_defined1()).context("SIGUSR1 cannot be received")?;
    let mut resume = signal(SignalKind::user_defined2()).context("SIGUSR2 cannot be received")?;
    loop {
        let command = tokio::select! {
            () = stop.requested() => return Ok(()),
            _ = pause.recv() => Command::Pause,
            _ = resume.recv() => Command::Resume,
        };
        if let Err(refusal) = commands.execute(command, CommandSource::Signal).await {
            info!(%refusal, "the command of a signal was refused");
        }
    }
}

/// Sets the value, and wakes receivers only if it changed. True: it changed.
fn set<T: PartialEq>(sender: &watch::Sender<T>, value: T) -> bool {
    sender.send_if_modified(|old| {
        let changed = *old != value;
        *old = value;
        changed
    })
}

#[cfg(test)]
mod tests;
