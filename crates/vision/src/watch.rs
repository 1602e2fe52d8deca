//! The vision thread: takes the newest frame, runs one vision cycle and sends the observation to the mood task.
//!
//! A broken frame is skipped; a failure of the inference engine ends the thread. When no more frames come, as in a pause,
//! nothing of the last one stays in memory.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tracing::{trace, warn};

use super::Observation;
use super::cycle::VisionError;
use super::observer::Vision;
use moodring_camera::Frames;
use moodring_config::Settings;
use moodring_runtime::Taken;
use moodring_runtime::ThermalState;
use moodring_runtime::{Counters, Heartbeat, Resets, Stop, Throttle};

/// Maximum wait for a frame before the heartbeat and the stop request are handled.
const WAIT_TIMEOUT: Duration = Duration::from_millis(250);

/// Interval of log lines about frames that cannot be decoded: a bad cable damages some frames of many, for hours.
const LOG_BROKEN_EVERY: Duration = Duration::from_secs(600);
/// After this time without a frame, pictures are wiped from memory.
const WIPE_AFTER: Duration = Duration::from_secs(2);

/// The inputs and outputs of the vision thread.
#[derive(Debug)]
pub struct VisionLoop<'a> {
    /// Source of the frames.
    pub frames: &'a Frames,
    /// Destination of the observations.
    pub observations: mpsc::Sender<Observation>,
    /// Minimum time between the starts of two cycles.
    pub every: Duration,
    /// Slowdown factor of a warm device.
    pub thermal: &'a ThermalState,
    /// Begins of pauses, at which all seats are deleted.
    pub resets: watch::Receiver<Resets>,
    /// The live configuration.
    pub settings: Settings,
    /// Metrics of the cycles.
    pub counters: &'a Counters,
    /// Beats for each frame and while waiting for one.
    pub heartbeat: &'a Heartbeat,
    /// Request to end the thread.
    pub stop: &'a Stop,
}

impl VisionLoop<'_> {
    /// Processes the newest frame until a stop is requested or the frames end. An observation is dropped and
    /// counted when the channel is full; a broken frame is skipped and counted.
    ///
    /// # Errors
    /// When the inference engine fails; the process must restart.
    pub fn run(mut self, vision: &mut Vision) -> anyhow::Result<()> {
        let (mut broken, mut delegated) = (Throttle::new(LOG_BROKEN_EVERY), None);
        // When to wipe what the last frame left in memory.
        let mut wipe_at = None;
        let mut pauses = self.resets.borrow().pauses;
        while !self.stop.is_requested() {
            self.heartbeat.beat();
            let begun = Instant::now();
            let taken = self.frames.take(WAIT_TIMEOUT);
            // After the wait, because a reset requested during the wait also applies to the frame just taken.
            if self.resets.has_changed().unwrap_or(false) {
                let now = self.resets.borrow_and_update().pauses;
                if std::mem::replace(&mut pauses, now) != now {
                    vision.forget();
                }
            }
            if self.settings.has_changed().unwrap_or(false) {
                vision.set_zones(&self.settings.borrow_and_update().zone);
            }
            let frame = match taken {
                Taken::Value(frame) => frame,
                Taken::Timeout => {
                    if wipe_at.is_some_and(|at| at <= begun) {
                        vision.wipe()?;
                        self.frames.discard_spare();
                        wipe_at = None;
                    }
                    continue;
                }
                Taken::Closed => return Ok(()),
            };
            let observed_from = Instant::now();
            match vision.observe(&frame) {
                Ok(observation) => {
                    self.count(vision, observation.people.len(), observed_from.elapsed());
                    let works = vision.delegation().fault().is_none();
                    if delegated.replace(works) != Some(works) {
                        self.counters.engine.set(vision.delegation().state());
                    }
                    trace!(sequence = frame.sequence, "observed");
                    if self.observations.try_send(observation).is_err() {
                        self.counters.observations_dropped.increment();
                    }
                }
                Err(error @ VisionError::Engine(_)) => return Err(error.into()),
                Err(error) => {
                    self.counters.frames_broken.increment();
                    if let Some(unlogged) = broken.admit(begun) {
                        warn!(%error, unlogged, "frames cannot be decoded and are skipped");
                    }
                }
            }
            self.frames.give_back(frame);
            wipe_at = Some(Instant::now() + WIPE_AFTER);
            let busy = begun.elapsed();
            pause(begun + cycle(self.every, busy, self.thermal.slowdown()), self.heartbeat, self.stop);
        }
        Ok(())
    }

    /// Counts a cycle that took `elapsed`. What depends on the number of `people` stands still while they are fewer than
    /// are published.
    fn count(&self, vision: &Vision, people: usize, elapsed: Duration) {
        let (stages, counters) = (vision.stages(), self.counters);
        counters.cycles.increment();
        let least = self.settings.borrow().mood.min_people as usize;
        if people >= least && stages.heads >= least {
            counters.heads_found.add(stages.heads as u64);
            counters.faces_read.add(stages.faces_read as u64);
            counters.cycle_time.set(elapsed);
        }
    }
}

/// Duration of a cycle whose work took `busy`. The slowdown applies to the larger of `every` and `busy`, so that a
/// board that is always busy is slowed down, too.
fn cycle(every: Duration, busy: Duration, slowdown: f64) -> Duration {
    every.max(busy).mul_f64(slowdown)
}

/// Waits until `due` with a beating heart, because a cycle may last a minute.
fn pause(due: Instant, heartbeat: &Heartbeat, stop: &Stop) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() || stop.wait(left.min(WAIT_TIMEOUT)) {
            return;
        }
        heartbeat.beat();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_board_pauses_even_when_always_busy() {
        let (every, short, long) =
            (Duration::from_millis(500), Duration::from_millis(200), Duration::from_secs(2));
        assert_eq!(cycle(every, short, 1.0), every);
        assert_eq!(cycle(every, long, 1.0), long, "no pause beyond the work itself");
        assert_eq!(cycle(every, short, 4.0), Duration::from_secs(2));
        assert_eq!(cycle(every, long, 4.0), Duration::from_secs(8));
    }
}
