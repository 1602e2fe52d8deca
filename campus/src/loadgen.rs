//! Many devices in one process, to try a broker with: `seed ──▶ class ──Mood──▶ Publisher × N ──▶ broker`.
//!
//! Its one decision: only the classes are simulated. Minutes, lessons and payloads are made by the device's own code, and
//! each device has a spool and a publisher of its own, so a broker gets the same traffic as from real devices.

mod class;
mod device;
mod journal;
mod open_files;
mod plan;
mod tally;

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

pub use journal::Journal;
pub use open_files::{FilesError, allow_files};
pub use plan::Plan;
pub use tally::{Attempts, Totals};

use moodring_runtime::Stop;
use tally::Tally;

/// More devices are not simulated by one process.
pub const MAX_DEVICES: u32 = 10_000;
/// How often connection attempts are counted: what shows whether they come all at once.
const COUNT_EVERY: Duration = Duration::from_millis(100);
/// Publishers disconnect within half a second; a disk may need longer for the last write.
const STOP_TIMEOUT: Duration = Duration::from_millis(1500);

/// Runs the devices until `stop` is requested. `report` gets the totals each second.
///
/// # Errors
/// The journal cannot be written.
pub async fn run(
    plan: &Plan,
    journal: Option<Journal>,
    stop: &Stop,
    report: impl Fn(&Totals),
) -> anyhow::Result<Totals> {
    let mut tasks = JoinSet::new();
    let mut tally = Tally::default();
    for index in 0..plan.devices {
        let device = device::Device::new(plan, index, journal.clone());
        tally.watch(device.watched());
        tasks.spawn(device.run(stop.clone()));
    }
    let mut counts = interval(COUNT_EVERY);
    counts.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut reported_s = 0;
    let failed = loop {
        tokio::select! {
            () = stop.requested() => break None,
            // No device ends before the stop, unless something is wrong with it.
            Some(ended) = tasks.join_next() => break Some(ended),
            _ = counts.tick() => tally.count_attempts(),
        }
        if tally.seconds() > reported_s {
            reported_s = tally.seconds();
            report(&tally.totals());
        }
    };
    stop.request();
    let leaving = async { while tasks.join_next().await.is_some() {} };
    tokio::select! {
        () = leaving => {}
        () = sleep(STOP_TIMEOUT) => tracing::warn!("not all devices have disconnected in time"),
    }
    tally.count_attempts();
    match failed {
        Some(ended) => ended?.map(|()| tally.totals()),
        None => Ok(tally.totals()),
    }
}

#[cfg(test)]
mod tests;
