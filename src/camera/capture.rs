//! The camera thread: `CameraSource ──Frame──▶ Latest`, for ever.
//!
//! A camera that fails is dropped and opened again after a growing pause, whatever the failure was: cables,
//! hubs and files come back. It is said once when it goes and once when it is back.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::light::{CameraLight, Shine};
use super::{Camera, CameraError, CameraSource, Frames};
use crate::aim::Aim;
use crate::supervisor::{Counters, Heartbeat, Stop};

/// Turns the camera off and on while the program runs. Off means closed: its light goes out.
#[derive(Debug)]
pub struct Switch {
    on: Mutex<bool>,
    changed: Condvar,
}

impl Default for Switch {
    fn default() -> Self {
        Self { on: Mutex::new(true), changed: Condvar::new() }
    }
}

impl Switch {
    /// Closes the camera as soon as the picture is done that is being taken; that one is not handed on.
    pub fn pause(&self) {
        *self.lock() = false;
    }

    /// Opens the camera again.
    pub fn resume(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    /// Whether the camera may be open.
    pub fn is_on(&self) -> bool {
        *self.lock()
    }

    /// Waits at most `timeout` to be turned on; true if it is.
    fn wait_until_on(&self, timeout: Duration) -> bool {
        let (on, _) = self
            .changed
            .wait_timeout_while(self.lock(), timeout, |on| !*on)
            .unwrap_or_else(PoisonError::into_inner);
        *on
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.on.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the camera is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CameraState {
    /// No picture came yet.
    #[default]
    Starting,
    /// Pictures come.
    Streaming,
    /// It is closed because the [`Switch`] is off.
    Paused,
    /// It failed and will be opened again; why.
    Away(String),
}

/// How the camera is doing; how much it did is in [`Counters`].
#[derive(Debug, Default)]
pub struct CameraHealth {
    state: watch::Sender<CameraState>,
}

impl CameraHealth {
    /// What the camera is doing now.
    pub fn state(&self) -> CameraState {
        self.state.borrow().clone()
    }

    /// What the camera is doing, from now on.
    pub fn subscribe(&self) -> watch::Receiver<CameraState> {
        self.state.subscribe()
    }

    /// Sets the state; true if it is another than before.
    fn enter(&self, state: CameraState) -> bool {
        self.state.send_if_modified(|current| {
            let changed = *current != state;
            *current = state;
            changed
        })
    }
}

/// Pauses between attempts: each twice as long as the one before, up to a limit, and scattered so that the
/// cameras of a hundred rooms do not come back in step.
#[derive(Debug, Clone, PartialEq)]
pub struct BackOff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Default for BackOff {
    /// From a quarter of a second (a cable that was touched) up to ten (a camera in the cupboard).
    fn default() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(10))
    }
}

impl BackOff {
    /// Begins at `shortest` and grows to `longest`.
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, next: shortest.min(longest) }
    }

    /// How long to wait after one more failure: of the present length the part from one half (`jitter` 0)
    /// to the whole (`jitter` 1).
    pub fn after_failure(&mut self, jitter: f64) -> Duration {
        let present = self.next;
        self.next = present.saturating_mul(2).min(self.longest);
        present.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }

    /// To be called after success: the next failure waits for the shortest time again.
    pub fn reset(&mut self) {
        self.next = self.shortest.min(self.longest);
    }
}

/// The camera thread's work and what it shares with the other threads.
#[derive(Debug, Clone, Copy)]
pub struct CaptureLoop<'a> {
    /// Where the pictures go.
    pub frames: &'a Frames,
    /// What is told about the camera.
    pub health: &'a CameraHealth,
    /// Whether the camera may be open.
    pub switch: &'a Switch,
    /// Whether somebody may look through the camera: then its light blinks.
    pub aim: &'a Aim,
    /// What is counted.
    pub counters: &'a Counters,
    /// Beaten for every picture and every attempt to open.
    pub heartbeat: &'a Heartbeat,
    /// When to end.
    pub stop: &'a Stop,
}

impl CaptureLoop<'_> {
    /// Takes pictures from `source` until the stop is requested; `light` is on exactly while it is open.
    pub fn run(&self, source: &mut dyn CameraSource, light: &mut CameraLight, mut back_off: BackOff) {
        /// How soon a request to stop is seen while the camera is switched off.
        const GLANCE: Duration = Duration::from_millis(250);
        while !self.stop.is_requested() {
            self.heartbeat.beat();
            if !self.switch.wait_until_on(GLANCE) {
                // It is dark already, unless a run that was killed left it on.
                light.put_out();
                if self.health.enter(CameraState::Paused) {
                    tracing::info!("camera closed: paused");
                }
                continue;
            }
            let Err(error) = self.stream(source, light, &mut back_off) else { continue };
            if self.stop.is_requested() {
                break;
            }
            if report(&error, self.health) {
                self.counters.camera_losses.increment();
            }
            // Whether it is scattered well matters little, so no generator of random numbers is brought in.
            let jitter = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
            self.stop.wait(back_off.after_failure(jitter));
        }
    }

    /// Opens the camera and takes pictures until it fails (`Err`), or until it is switched off or to stop
    /// (`Ok`).
    fn stream(
        &self,
        source: &mut dyn CameraSource,
        light: &mut CameraLight,
        back_off: &mut BackOff,
    ) -> Result<(), CameraError> {
        /// How long the camera may be open beside a light that has failed.
        const CONFIRM_EVERY: Duration = Duration::from_secs(1);
        /// Once a second: seen by everybody, and slower than what harms.
        const BLINK_EVERY: Duration = Duration::from_millis(500);
        // The order is the point: variables are dropped last first, so the camera closes before the light goes out.
        let mut lit = light.light_up()?;
        let mut camera: Box<dyn Camera> = source.open()?;
        let (mut confirmed_at, mut shine) = (None, Shine::On);
        while self.switch.is_on() && !self.stop.is_requested() {
            self.heartbeat.beat();
            let frame = camera.capture(self.frames.buffer())?;
            if !self.switch.is_on() {
                break;
            }
            let blinks = self.aim.until(Instant::now()).is_some();
            let every = if blinks { BLINK_EVERY } else { CONFIRM_EVERY };
            let due = frame.captured_at >= *confirmed_at.get_or_insert(frame.captured_at) + every;
            // The dark half of a blink does not outlast the blinking.
            if due || (!blinks && shine == Shine::Off) {
                shine = if blinks && shine == Shine::On { Shine::Off } else { Shine::On };
                lit.confirm(shine)?;
                confirmed_at = Some(frame.captured_at);
            }
            self.counters.frames_captured.increment();
            if self.health.enter(CameraState::Streaming) {
                tracing::info!(format = ?frame.format, size = %frame.size, "camera streams");
            }
            back_off.reset();
            if self.frames.put(frame) {
                self.counters.frames_replaced.increment();
            }
        }
        Ok(())
    }
}

/// Warns once when the camera goes. A cable that is pulled out gives two or three reasons one after the other, so another
/// reason while it stays away is news, but no warning; the same again and again goes to the debug log. True if the camera
/// streamed until now.
fn report(error: &CameraError, health: &CameraHealth) -> bool {
    let reason = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let before = health.state();
    let is_new = health.enter(CameraState::Away(reason.clone()));
    match before {
        CameraState::Away(_) if is_new => tracing::info!(%reason, "camera still away, for another reason"),
        CameraState::Away(_) => tracing::debug!(%reason, "camera still away"),
        _ => tracing::warn!(%reason, "camera away, will be opened again"),
    }
    before == CameraState::Streaming
}

#[cfg(test)]
mod tests;
