//! The camera thread: `CameraSource ──Frame──▶ Frames`, until the stop is requested.
//!
//! After any failure the camera is dropped and opened again after a growing pause, because cables, hubs and files can
//! return. Only a camera that delivers pictures for a while ends the growth. Each reason of a loss is logged once, until
//! then.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::light::{CameraLight, LightState};
use super::{Camera, CameraError, CameraSource, Frames};
use moodring_runtime::{Backoff, CameraPreview, CameraState, Counters, Heartbeat, Stop, random_share};

/// Turns the camera off and on while the program runs. Off means that the camera is closed and its light is off.
#[derive(Debug)]
pub struct CameraSwitch {
    on: Mutex<bool>,
    changed: Condvar,
}

impl Default for CameraSwitch {
    fn default() -> Self {
        Self { on: Mutex::new(true), changed: Condvar::new() }
    }
}

impl CameraSwitch {
    /// Closes the camera after the picture that is being captured. That picture is discarded.
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

    /// Waits at most `timeout` until the switch is on. Returns whether it is on.
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

/// State of the camera. Its counters are in [`Counters`].
#[derive(Debug, Default)]
pub struct CameraHealth {
    state: watch::Sender<CameraState>,
}

impl CameraHealth {
    /// The current state.
    pub fn state(&self) -> CameraState {
        self.state.borrow().clone()
    }

    /// A channel with the current state and all later ones.
    pub fn subscribe(&self) -> watch::Receiver<CameraState> {
        self.state.subscribe()
    }

    /// Sets the state. Returns true if it has changed.
    fn enter(&self, state: CameraState) -> bool {
        self.state.send_if_modified(|current| {
            let changed = *current != state;
            *current = state;
            changed
        })
    }
}

/// The camera thread's work and what it shares with the other threads.
#[derive(Debug, Clone, Copy)]
pub struct CaptureLoop<'a> {
    /// Mailbox for the pictures.
    pub frames: &'a Frames,
    /// State of the camera, written by the loop.
    pub health: &'a CameraHealth,
    /// Whether the camera may be open.
    pub switch: &'a CameraSwitch,
    /// While the camera preview is offered, the light blinks.
    pub preview: &'a CameraPreview,
    /// Counters of the device.
    pub counters: &'a Counters,
    /// Gets a beat for every picture and every attempt to open the camera.
    pub heartbeat: &'a Heartbeat,
    /// Request to stop.
    pub stop: &'a Stop,
}

impl CaptureLoop<'_> {
    /// Captures pictures from `source` until the stop is requested. `light` is on exactly while the camera is open.
    pub fn run(&self, source: &mut dyn CameraSource, light: &mut CameraLight, mut backoff: Backoff) {
        /// Time between two checks for a request to stop while the camera is switched off.
        const STOP_CHECK_EVERY: Duration = Duration::from_millis(250);
        let mut losses = Losses::default();
        while !self.stop.is_requested() {
            self.heartbeat.beat();
            if !self.switch.wait_until_on(STOP_CHECK_EVERY) {
                // The light is off already, unless a killed process left it on.
                light.ensure_off();
                if self.health.enter(CameraState::Paused) {
                    tracing::info!("camera closed: paused");
                }
                continue;
            }
            let Err(error) = self.stream(source, light, &mut backoff, &mut losses) else { continue };
            if self.stop.is_requested() {
                break;
            }
            let reason = reason(&error);
            losses.report(&reason);
            if self.health.state() == CameraState::Streaming {
                self.counters.camera_losses.increment();
            }
            self.health.enter(CameraState::Away(reason));
            self.stop.wait(backoff.after_failure(random_share()));
        }
    }

    /// Opens the camera and captures pictures until it fails (`Err`), or until it is switched off or the stop is
    /// requested (`Ok`).
    fn stream(
        &self,
        source: &mut dyn CameraSource,
        light: &mut CameraLight,
        backoff: &mut Backoff,
        losses: &mut Losses,
    ) -> Result<(), CameraError> {
        /// A camera that delivers pictures for this long works.
        const STABLE_AFTER: Duration = Duration::from_secs(10);
        /// Longest time for which the camera may be open after its light has failed.
        const LIGHT_CHECK_EVERY: Duration = Duration::from_secs(1);
        /// One blink per second: easy to see, and slower than flicker that is harmful to people.
        const BLINK_EVERY: Duration = Duration::from_millis(500);
        // Order matters: variables are dropped in reverse order, so the camera is closed before the light is switched
        // off.
        let mut light_guard = light.switch_on()?;
        let mut camera: Box<dyn Camera> = source.open()?;
        let (mut light_set_at, mut light_state) = (None, LightState::On);
        let mut first_picture_at = None;
        while self.switch.is_on() && !self.stop.is_requested() {
            self.heartbeat.beat();
            let frame = camera.capture(self.frames.buffer())?;
            if !self.switch.is_on() {
                break;
            }
            let blinks = self.preview.until(Instant::now()).is_some();
            let every = if blinks { BLINK_EVERY } else { LIGHT_CHECK_EVERY };
            let due = frame.captured_at >= *light_set_at.get_or_insert(frame.captured_at) + every;
            // When blinking ends, the light is switched on at once.
            if due || (!blinks && light_state == LightState::Off) {
                light_state =
                    if blinks && light_state == LightState::On { LightState::Off } else { LightState::On };
                light_guard.set(light_state)?;
                light_set_at = Some(frame.captured_at);
            }
            self.counters.frames_captured.increment();
            if self.health.enter(CameraState::Streaming) && losses.last_is_logged() {
                tracing::info!(format = ?frame.format, size = %frame.size, "camera streams");
            }
            let since = *first_picture_at.get_or_insert(frame.captured_at);
            if frame.captured_at.saturating_duration_since(since) >= STABLE_AFTER {
                backoff.reset();
                losses.end();
            }
            if self.frames.put(frame) {
                self.counters.frames_replaced.increment();
            }
        }
        Ok(())
    }
}

/// The losses of the camera since it last worked for a while.
#[derive(Debug, Default)]
struct Losses {
    count: u64,
    /// Reasons that were logged.
    reasons: Vec<String>,
    /// Whether the last loss was not logged, because its reason is known.
    is_silent: bool,
}

impl Losses {
    /// Logs a loss, unless the same reason was logged before. A pulled cable causes two or three reasons in a row, so
    /// only the first is a warning.
    fn report(&mut self, reason: &str) {
        /// More reasons differ only in details.
        const MAX_REASONS: usize = 8;
        self.count += 1;
        self.is_silent =
            self.reasons.len() == MAX_REASONS || self.reasons.iter().any(|known| known == reason);
        if self.is_silent {
            tracing::debug!(reason, losses = self.count, "camera away again");
        } else if self.reasons.is_empty() {
            tracing::warn!(reason, "camera away, will be opened again");
        } else {
            tracing::info!(reason, "camera still away, for another reason");
        }
        if !self.is_silent {
            self.reasons.push(reason.to_owned());
        }
    }

    fn last_is_logged(&self) -> bool {
        !self.is_silent
    }

    /// The camera works.
    fn end(&mut self) {
        if self.is_silent {
            tracing::info!(losses = self.count, "camera streams again without interruption");
        }
        *self = Self::default();
    }
}

/// The message of an error with its cause.
fn reason(error: &CameraError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod light_tests;
#[cfg(test)]
mod tests;
