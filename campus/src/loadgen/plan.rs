//! What is simulated, and the open files that it needs.

use std::path::PathBuf;
use std::time::Duration;

use moodring_config as config;
use moodring_mqtt::Address;

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
