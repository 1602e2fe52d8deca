//! Persists the baseline of a room across restarts: one small JSON file in the state folder.
//!
//! The file is replaced atomically, so that a power cut leaves the old or the new one, and at most every few minutes.
//! A file that disappeared was reset by the administrator: the running daemon then deletes what it learned.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::Baseline;
use moodring_config::{Config, Room};
use moodring_runtime::state_file;

/// Minimum interval between two writes.
const SAVE_EVERY: Duration = Duration::from_secs(300);
/// Maximum size of the file in bytes; a larger file was not written by this program.
const MAX_BYTES: u64 = 64 * 1024;
const SCHEMA: &str = "moodring.baseline/1";

/// Content of the file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    site: String,
    room: String,
    baseline: Baseline,
}

/// The file with the baseline of one room.
#[derive(Debug, Clone)]
pub struct BaselineStore {
    path: PathBuf,
    room: Room,
}

impl BaselineStore {
    /// The store in `storage.directory` of `config`. Creates no file.
    pub fn new(config: &Config) -> Self {
        Self { path: config.storage.directory().join("baseline.json"), room: config.room.clone() }
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the baseline of this room; `None` without a file and for a file of another room.
    ///
    /// # Errors
    /// The file cannot be read, or is not a valid baseline.
    pub fn load(&self) -> io::Result<Option<Baseline>> {
        let Some(bytes) = state_file::read(&self.path, MAX_BYTES)? else { return Ok(None) };
        let file: File = serde_json::from_slice(&bytes)?;
        if file.schema != SCHEMA || !file.baseline.is_sound() {
            return Err(io::Error::other(format!("the file is not a valid {SCHEMA} document")));
        }
        Ok((file.site == self.room.site && file.room == self.room.name).then_some(file.baseline))
    }

    /// Replaces the file with `baseline`, atomically.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn save(&self, baseline: &Baseline) -> io::Result<()> {
        let file = File {
            schema: SCHEMA.to_owned(),
            site: self.room.site.clone(),
            room: self.room.name.clone(),
            baseline: baseline.clone(),
        };
        state_file::write(&self.path, &serde_json::to_vec_pretty(&file)?)
    }

    /// Removes the file. Returns whether it existed.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn reset(&self) -> io::Result<bool> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Decides when the baseline is saved, saves it, and detects that the file was removed.
#[derive(Debug)]
pub struct BaselineKeeper {
    store: BaselineStore,
    checked_at: Instant,
    saved_minutes: f64,
    /// Whether the file existed at the last check.
    exists: bool,
}

/// Result of a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SaveOutcome {
    /// The file holds the baseline, or writing failed and is tried again at the next save.
    Present,
    /// The file was removed by hand: the caller must reset its baseline.
    Removed,
}

impl BaselineKeeper {
    /// Opens the file and returns its baseline with the keeper. A file that cannot be used is logged and overwritten by
    /// the next save; the baseline is empty then.
    pub fn open(store: BaselineStore, now: Instant) -> (Self, Baseline) {
        let found = store.load().unwrap_or_else(|error| {
            warn!(path = %store.path.display(), %error, "baseline file is unusable; the baseline starts empty");
            None
        });
        let exists = store.path.exists();
        let baseline = found.unwrap_or_default();
        (Self { store, checked_at: now, saved_minutes: baseline.minutes(), exists }, baseline)
    }

    /// Whether `baseline` should be saved at `now`. A `last` call, before shutdown, does not wait for the interval.
    pub(crate) fn is_due(&self, now: Instant, baseline: &Baseline, last: bool) -> bool {
        let due = last || now.saturating_duration_since(self.checked_at) >= SAVE_EVERY;
        // Less than one new minute is not worth a write.
        due && baseline.minutes() - self.saved_minutes >= 1.0
    }

    /// Saves `baseline`, unless the file was removed since the last check. Blocks while it writes.
    pub(crate) fn persist(&mut self, now: Instant, baseline: &Baseline) -> SaveOutcome {
        self.checked_at = now;
        if self.exists && !self.store.path.exists() {
            (self.exists, self.saved_minutes) = (false, 0.0);
            return SaveOutcome::Removed;
        }
        match self.store.save(baseline) {
            Ok(()) => (self.exists, self.saved_minutes) = (true, baseline.minutes()),
            Err(error) => {
                warn!(path = %self.store.path.display(), %error, "baseline of the room cannot be saved");
            }
        }
        SaveOutcome::Present
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::signals::{Metric, Metrics};
    use super::super::RoomBaseline;
    use super::*;
    use moodring_config as config;
    use moodring_contract::Level;

    fn config(folder: &Path) -> Config {
        let storage = config::Storage { directory: folder.join("state") };
        Config { storage, ..Config::default() }
    }

    fn learned(minutes: u64) -> Baseline {
        let mut baseline = RoomBaseline::new(config::Baseline::default(), Baseline::default());
        let mut metrics = Metrics::default();
        metrics.set(Metric::Facing, Level::exact(0.7));
        baseline.learn(&metrics, Duration::from_secs(60 * minutes));
        baseline.learned().clone()
    }

    #[test]
    fn baseline_survives_a_restart_and_is_not_loaded_for_another_room() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        let store = BaselineStore::new(&config);
        assert_eq!(store.load().unwrap(), None);
        store.save(&learned(3)).unwrap();
        assert_eq!(store.load().unwrap(), Some(learned(3)));
        config.room.name = "room-2".into();
        assert_eq!(BaselineStore::new(&config).load().unwrap(), None);
        assert!(store.reset().unwrap() && !store.reset().unwrap());
    }

    #[test]
    fn damaged_file_is_ignored_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let store = BaselineStore::new(&config(folder.path()));
        let sound = serde_json::to_string(&File {
            schema: SCHEMA.into(),
            site: "school".into(),
            room: "room-1".into(),
            baseline: learned(3),
        });
        let sound = sound.unwrap();
        fs::create_dir_all(store.path.parent().unwrap()).unwrap();
        let long = "x".repeat(MAX_BYTES as usize + 1);
        let damaged = ["", "{", &long, &sound.replace("0.7", "7.0"), &sound.replace("facing", "name")];
        for text in damaged {
            state_file::write(&store.path, text.as_bytes()).unwrap();
            assert!(store.load().is_err(), "{text:.80}");
            let start = Instant::now();
            let (mut keeper, found) = BaselineKeeper::open(store.clone(), start);
            assert_eq!(found, Baseline::default());
            assert_eq!(keeper.persist(start, &learned(2)), SaveOutcome::Present);
            assert_eq!(store.load().unwrap(), Some(learned(2)));
        }
    }

    #[test]
    fn file_is_written_at_the_interval_and_at_the_end_and_a_reset_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let store = BaselineStore::new(&config(folder.path()));
        let start = Instant::now();
        let (mut keeper, found) = BaselineKeeper::open(store.clone(), start);
        assert_eq!(found, Baseline::default());
        assert!(!keeper.is_due(start + SAVE_EVERY / 2, &learned(2), false), "too soon");
        assert!(!keeper.is_due(start + SAVE_EVERY, &found, true), "no new minutes");
        assert!(keeper.is_due(start + SAVE_EVERY, &learned(5), false));
        keeper.persist(start + SAVE_EVERY, &learned(5));
        assert_eq!(store.load().unwrap(), Some(learned(5)));
        assert!(keeper.is_due(start + SAVE_EVERY, &learned(7), true), "last call");
        store.reset().unwrap();
        assert_eq!(keeper.persist(start + SAVE_EVERY * 3, &learned(12)), SaveOutcome::Removed);
        assert_eq!(store.load().unwrap(), None);
        // The baseline that was learned after the reset.
        assert!(keeper.is_due(start + SAVE_EVERY * 4, &learned(4), false));
        assert_eq!(keeper.persist(start + SAVE_EVERY * 4, &learned(4)), SaveOutcome::Present);
        assert_eq!(store.load().unwrap(), Some(learned(4)));
    }

    #[test]
    fn unwritable_folder_is_not_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("state"), "a file").unwrap();
        let start = Instant::now();
        let (mut keeper, _) = BaselineKeeper::open(BaselineStore::new(&config(folder.path())), start);
        assert_eq!(keeper.persist(start + SAVE_EVERY, &learned(5)), SaveOutcome::Present);
    }
}
