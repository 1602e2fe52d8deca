//! Keeps what is usual in a room over restarts: one small JSON file in the state folder.
//!
//! It is written beside the old one and moved over it, so that a power cut leaves one of the two, and at most
//! every few minutes. A file that is gone was reset: what was learned is forgotten with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::Baseline;
use crate::config::{Config, Room};
use crate::private;

/// It is written at most this often.
const SAVE_EVERY: Duration = Duration::from_secs(300);
/// A larger file is not one of ours.
const MOST_BYTES: u64 = 64 * 1024;
const SCHEMA: &str = "moodring.usual/1";

/// The file, as written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    site: String,
    room: String,
    baseline: Baseline,
}

/// Where what is usual in one room is kept.
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
    room: Room,
}

impl Store {
    /// The store that `config` names; nothing is created yet.
    pub fn new(config: &Config) -> Self {
        Self { path: config.storage.directory().join("usual.json"), room: config.room.clone() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was kept of this room; `None` without a file and for a file of another room.
    ///
    /// # Errors
    /// The file cannot be read, or is not one of ours.
    pub fn load(&self) -> io::Result<Option<Baseline>> {
        let length = match fs::metadata(&self.path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if length > MOST_BYTES {
            return Err(io::Error::other(format!("{length} bytes are more than it ever has")));
        }
        let file: File = serde_json::from_slice(&fs::read(&self.path)?)?;
        if file.schema != SCHEMA || !file.baseline.is_sound() {
            return Err(io::Error::other(format!("it does not hold what {SCHEMA} holds")));
        }
        Ok((file.site == self.room.site && file.room == self.room.name).then_some(file.baseline))
    }

    /// Writes `baseline` in the place of what is there.
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
        private::write(&self.path, &serde_json::to_vec_pretty(&file)?)
    }

    /// Forgets this room; tells whether there was anything.
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

/// Saves at times: what it does, and with which result, is seen by whoever drives it.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    looked_at: Instant,
    saved_minutes: f64,
    /// Whether the file was there when it was last looked at.
    there: bool,
}

/// What became of the file since it was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mood) enum Kept {
    /// It holds what was learned, or will at the next time.
    Here,
    /// It was removed by hand: what was learned is to be forgotten.
    Reset,
}

impl Keeper {
    /// A keeper and what it found. A file that cannot be used is told, and written anew by and by.
    pub fn open(store: Store, now: Instant) -> (Self, Baseline) {
        let found = store.load().unwrap_or_else(|error| {
            warn!(path = %store.path.display(), %error, "what is usual in this room is learned anew");
            None
        });
        let there = store.path.exists();
        let baseline = found.unwrap_or_default();
        (Self { store, looked_at: now, saved_minutes: baseline.minutes(), there }, baseline)
    }

    /// Whether `baseline` should be saved at `now`, or as the `last` thing that is done.
    pub(in crate::mood) fn is_due(&self, now: Instant, baseline: &Baseline, last: bool) -> bool {
        let due = last || now.saturating_duration_since(self.looked_at) >= SAVE_EVERY;
        // A minute is the least that is worth a write.
        due && baseline.minutes() - self.saved_minutes >= 1.0
    }

    /// Saves `baseline`, unless the file was removed since it was last there. Blocks while it writes.
    pub(in crate::mood) fn keep(&mut self, now: Instant, baseline: &Baseline) -> Kept {
        self.looked_at = now;
        if self.there && !self.store.path.exists() {
            (self.there, self.saved_minutes) = (false, 0.0);
            return Kept::Reset;
        }
        match self.store.save(baseline) {
            Ok(()) => (self.there, self.saved_minutes) = (true, baseline.minutes()),
            Err(error) => {
                warn!(path = %self.store.path.display(), %error, "what is usual in this room cannot be kept");
            }
        }
        Kept::Here
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::signals::{Figure, Figures, Level};
    use super::super::Usual;
    use super::*;
    use crate::config;

    fn config(folder: &Path) -> Config {
        let storage = config::Storage { directory: folder.join("state") };
        Config { storage, ..Config::default() }
    }

    fn learned(minutes: u64) -> Baseline {
        let mut usual = Usual::new(config::Usual::default(), Baseline::default());
        let mut figures = Figures::default();
        figures.set(Figure::Facing, Level::exact(0.7));
        usual.learn(&figures, Duration::from_secs(60 * minutes));
        usual.baseline().clone()
    }

    #[test]
    fn a_room_comes_back_after_a_restart_and_another_room_does_not_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        let store = Store::new(&config);
        assert_eq!(store.load().unwrap(), None);
        store.save(&learned(3)).unwrap();
        assert_eq!(store.load().unwrap(), Some(learned(3)));
        config.room.name = "room-2".into();
        assert_eq!(Store::new(&config).load().unwrap(), None);
        assert!(store.reset().unwrap() && !store.reset().unwrap());
    }

    #[test]
    fn a_damaged_file_is_learned_anew_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(&config(folder.path()));
        let sound = serde_json::to_string(&File {
            schema: SCHEMA.into(),
            site: "school".into(),
            room: "room-1".into(),
            baseline: learned(3),
        });
        let sound = sound.unwrap();
        fs::create_dir_all(store.path.parent().unwrap()).unwrap();
        let long = "x".repeat(MOST_BYTES as usize + 1);
        let spoilt = ["", "{", &long, &sound.replace("0.7", "7.0"), &sound.replace("facing", "name")];
        for text in spoilt {
            fs::write(&store.path, text).unwrap();
            assert!(store.load().is_err(), "{text:.80}");
            let start = Instant::now();
            let (mut keeper, found) = Keeper::open(store.clone(), start);
            assert_eq!(found, Baseline::default());
            assert_eq!(keeper.keep(start, &learned(2)), Kept::Here);
            assert_eq!(store.load().unwrap(), Some(learned(2)));
        }
    }

    #[test]
    fn it_is_written_every_few_minutes_and_at_the_end_and_a_reset_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(&config(folder.path()));
        let start = Instant::now();
        let (mut keeper, found) = Keeper::open(store.clone(), start);
        assert_eq!(found, Baseline::default());
        assert!(!keeper.is_due(start + SAVE_EVERY / 2, &learned(2), false), "too soon");
        assert!(!keeper.is_due(start + SAVE_EVERY, &found, true), "nothing new");
        assert!(keeper.is_due(start + SAVE_EVERY, &learned(5), false));
        keeper.keep(start + SAVE_EVERY, &learned(5));
        assert_eq!(store.load().unwrap(), Some(learned(5)));
        assert!(keeper.is_due(start + SAVE_EVERY, &learned(7), true), "the end");
        store.reset().unwrap();
        assert_eq!(keeper.keep(start + SAVE_EVERY * 3, &learned(12)), Kept::Reset);
        assert_eq!(store.load().unwrap(), None);
        // Learned anew after the reset.
        assert!(keeper.is_due(start + SAVE_EVERY * 4, &learned(4), false));
        assert_eq!(keeper.keep(start + SAVE_EVERY * 4, &learned(4)), Kept::Here);
        assert_eq!(store.load().unwrap(), Some(learned(4)));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_failure() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("state"), "a file").unwrap();
        let start = Instant::now();
        let (mut keeper, _) = Keeper::open(Store::new(&config(folder.path())), start);
        assert_eq!(keeper.keep(start + SAVE_EVERY, &learned(5)), Kept::Here);
    }
}
