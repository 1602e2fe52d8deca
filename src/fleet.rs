//! Many devices in one process, to try a broker with: `seed ──▶ class ──Mood──▶ Publisher × N ──▶ broker`.
//!
//! Its one decision: only the classes are simulated. Moods, minutes and lessons are made by the code that makes them
//! on the wall, and each device has a spool and a publisher of its own, so a broker meets what it will meet.

mod class;
mod device;
mod journal;
mod open_files;
mod tally;

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

pub use journal::Journal;
pub use open_files::{FilesError, allow_files};
pub use tally::{Attempts, Totals};

use crate::config;
use crate::outputs::mqtt::Address;
use crate::supervisor::Stop;
use tally::Tally;

/// More devices are not simulated by one process.
pub const MOST_DEVICES: u32 = 10_000;
/// How often connection attempts are counted: what tells a herd from a spread.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Publishers take leave within half a second; a disk may need longer for the last write.
const LEAVE_WITHIN: Duration = Duration::from_millis(1500);
/// Files that the process has open beside those of its devices.
const OTHER_FILES: u64 = 64;
/// Files of a device: a connection, and with a spool on the disk SQLite's database, log and index.
const FILES: (u64, u64) = (1, 3);

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many devices.
    pub devices: u32,
    /// Campus or school that they belong to.
    pub site: String,
    /// The broker.
    pub address: Address,
    /// How they connect.
    pub mqtt: config::Mqtt,
    /// Time between two moods of a device.
    pub mood_every: Duration,
    /// Time between two minutes of a lesson; shorter than a minute is fast motion.
    pub minute_every: Duration,
    /// Folder of the spools, one folder for each device; in memory without.
    pub storage: Option<PathBuf>,
    /// Other seeds are other devices with other classes.
    pub seed: u64,
}

impl Plan {
    /// Files that have to be open at the same time.
    pub fn open_files(&self) -> u64 {
        let each = FILES.0 + if self.storage.is_some() { FILES.1 } else { 0 };
        u64::from(self.devices) * each + OTHER_FILES
    }
}

/// Runs the devices until `stop` is requested. Each second `tell` hears how they are.
///
/// # Errors
/// The journal cannot be written.
pub async fn run(
    plan: &Plan,
    journal: Option<Journal>,
    stop: &Stop,
    tell: impl Fn(&Totals),
) -> anyhow::Result<Totals> {
    let mut tasks = JoinSet::new();
    let mut tally = Tally::default();
    for index in 0..plan.devices {
        let device = device::Device::new(plan, index, journal.clone());
        tally.watch(device.watched());
        tasks.spawn(device.run(stop.clone()));
    }
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut told = 0;
    let failed = loop {
        tokio::select! {
            () = stop.requested() => break None,
            // No device ends before the stop, unless something is wrong with it.
            Some(ended) = tasks.join_next() => break Some(ended),
            _ = looks.tick() => tally.look(),
        }
        if tally.seconds() > told {
            told = tally.seconds();
            tell(&tally.totals());
        }
    };
    stop.request();
    let leaving = async { while tasks.join_next().await.is_some() {} };
    tokio::select! {
        () = leaving => {}
        () = sleep(LEAVE_WITHIN) => tracing::warn!("not all devices have taken leave in time"),
    }
    tally.look();
    match failed {
        Some(ended) => ended?.map(|()| tally.totals()),
        None => Ok(tally.totals()),
    }
}

#[cfg(test)]
mod tests;
