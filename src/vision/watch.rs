//! The vision thread: takes the newest frame, observes it, hands the observation on.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tracing::{info, trace, warn};

use super::Observation;
use super::observer::{Vision, VisionError};
use crate::board::thermal::Climate;
use crate::camera::Frames;
use crate::config::Settings;
use crate::latest::Taken;
use crate::supervisor::{Counters, Heartbeat, Stop};

/// Longest wait for a frame before looking after the heartbeat and the request to stop.
const PATIENCE: Duration = Duration::from_millis(250);

/// The vision thread's work and what it shares with the other threads.
#[derive(Debug)]
pub struct WatchLoop<'a> {
    /// Where the pictures come from.
    pub frames: &'a Frames,
    /// Where the observations go.
    pub observations: mpsc::Sender<Observation>,
    /// A picture is observed at most once in this time.
    pub every: Duration,
    /// How much slower to work where it is warm.
    pub climate: &'a Climate,
    /// Changes whenever nobody may be known from before: a lesson begins or ends, or a pause does.
    pub begun_anew: watch::Receiver<u64>,
    /// The configuration as it changes.
    pub settings: Settings,
    /// What is counted.
    pub counters: &'a Counters,
    /// Beaten for every picture, and while there is none.
    pub heartbeat: &'a Heartbeat,
    /// When to end.
    pub stop: &'a Stop,
}

impl WatchLoop<'_> {
    /// Observes the newest frame until the stop is requested. An observation that the mood cannot take at once
    /// is dropped and counted; a broken frame is skipped.
    ///
    /// # Errors
    /// The inference engine fails: only a new start can help.
    pub fn run(mut self, vision: &mut Vision) -> anyhow::Result<()> {
        let (mut broken, mut delegated) = (false, None);
        while !self.stop.is_requested() {
            self.heartbeat.beat();
            let begun = Instant::now();
            let taken = self.frames.take(PATIENCE);
            // After the wait: who begins anew while a picture is awaited means that picture, too.
            if self.begun_anew.has_changed().unwrap_or(false) {
                self.begun_anew.mark_unchanged();
                vision.forget();
            }
            if self.settings.has_changed().unwrap_or(false) {
                vision.set_zones(&self.settings.borrow_and_update().zone);
            }
            let frame = match taken {
                Taken::Value(frame) => frame,
                Taken::Timeout => continue,
                Taken::Closed => return Ok(()),
            };
            let read_since = Instant::now();
            match vision.observe(&frame) {
                Ok(observation) => {
                    if std::mem::take(&mut broken) {
                        info!("pictures can be read again");
                    }
                    self.counters.cycle_time.tell(read_since.elapsed());
                    count(vision, self.counters);
                    let works = vision.delegation().fault().is_none();
                    if delegated.replace(works) != Some(works) {
                        self.counters.engine.tell(vision.delegation().state());
                    }
                    trace!(sequence = frame.sequence, heads = observation.people.len(), "observed");
                    if self.observations.try_send(observation).is_err() {
                        self.counters.observations_dropped.increment();
                    }
                }
                Err(error @ VisionError::Engine(_)) => return Err(error.into()),
                Err(error) => {
                    self.counters.frames_broken.increment();
                    if !std::mem::replace(&mut broken, true) {
                        warn!("a picture cannot be read and is skipped: {error}");
                    }
                }
            }
            self.frames.give_back(frame);
            let busy = begun.elapsed();
            pause(begun + cycle(self.every, busy, self.climate.slowdown()), self.heartbeat, self.stop);
        }
        Ok(())
    }
}

fn count(vision: &Vision, counters: &Counters) {
    let stages = vision.stages();
    counters.cycles.increment();
    counters.heads_found.add(stages.heads as u64);
    counters.faces_read.add(stages.faces_read as u64);
}

/// How long a cycle lasts that was `busy` for so long. A board on which it is busy all the time is slowed down too:
/// what counts is the share of the time in which it works.
fn cycle(every: Duration, busy: Duration, slowdown: f64) -> Duration {
    every.max(busy).mul_f64(slowdown)
}

/// Waits until `due`; its heart beats meanwhile, for a cycle may be a minute.
fn pause(due: Instant, heartbeat: &Heartbeat, stop: &Stop) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() || stop.wait(left.min(PATIENCE)) {
            return;
        }
        heartbeat.beat();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_board_rests_also_when_it_is_busy_all_the_time() {
        let (every, short, long) =
            (Duration::from_millis(500), Duration::from_millis(200), Duration::from_secs(2));
        assert_eq!(cycle(every, short, 1.0), every);
        assert_eq!(cycle(every, long, 1.0), long, "nothing but the next picture is awaited");
        assert_eq!(cycle(every, short, 4.0), Duration::from_secs(2));
        assert_eq!(cycle(every, long, 4.0), Duration::from_secs(8));
    }
}
