//! The vision thread: takes the newest frame, observes it, hands the observation on.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{info, trace, warn};

use super::Observation;
use super::observer::{Vision, VisionError};
use crate::camera::Frames;
use crate::latest::Taken;
use crate::supervisor::{Counters, Heartbeat, Stop};

/// Longest wait for a frame before looking after the heartbeat and the request to stop.
const PATIENCE: Duration = Duration::from_millis(250);

/// Observes the newest frame at most once `every` so often, until `stop` is requested. An observation that
/// the mood cannot take at once is dropped and counted; a broken frame is skipped.
///
/// # Errors
/// The inference engine fails: only a new start can help.
pub fn run(
    vision: &mut Vision,
    frames: &Frames,
    observations: &mpsc::Sender<Observation>,
    every: Duration,
    heartbeat: &Heartbeat,
    counters: &Counters,
    stop: &Stop,
) -> anyhow::Result<()> {
    let mut broken = false;
    while !stop.is_requested() {
        heartbeat.beat();
        let begun = Instant::now();
        let frame = match frames.take(PATIENCE) {
            Taken::Value(frame) => frame,
            Taken::Timeout => continue,
            Taken::Closed => return Ok(()),
        };
        match vision.observe(&frame) {
            Ok(observation) => {
                if std::mem::take(&mut broken) {
                    info!("pictures can be read again");
                }
                count(vision, counters);
                trace!(sequence = frame.sequence, heads = observation.people.len(), "observed");
                if observations.try_send(observation).is_err() {
                    counters.observations_dropped.increment();
                }
            }
            Err(error @ VisionError::Engine(_)) => return Err(error.into()),
            Err(error) => {
                counters.frames_broken.increment();
                if !std::mem::replace(&mut broken, true) {
                    warn!("a picture cannot be read and is skipped: {error}");
                }
            }
        }
        frames.give_back(frame);
        pause(begun + every, heartbeat, stop);
    }
    Ok(())
}

fn count(vision: &Vision, counters: &Counters) {
    let stages = vision.stages();
    counters.cycles.increment();
    counters.heads_found.add(stages.heads as u64);
    counters.faces_read.add(stages.faces_read as u64);
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
