//! Stores whether the device was paused by command, in one small file in the state folder, across reboots and power
//! cuts.
//!
//! A file that cannot be read means paused. It is written atomically: after a power cut either the old or the new
//! file is there. A failed write is retried without end.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use moodring_config::Storage;
use moodring_runtime::{Health, Stop, state_file};

const SCHEMA: &str = "moodring.control/1";
const FILE_NAME: &str = "control.json";
/// A larger file was not written by this program.
const MAX_FILE_BYTES: u64 = 4096;
/// Pause between attempts to write the file: a storage card that returns does so within seconds.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// The file, as written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    paused: bool,
}

/// The pause state that the last run stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersistedPause {
    /// Nothing is stored: the device was never paused.
    Nothing,
    /// Paused by command.
    Paused,
    /// Resumed by command.
    Running,
    /// The file cannot be read, so the state is unknown.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
}

impl PersistedPause {
    /// Reads the stored state.
    pub fn read(storage: &Storage) -> Self {
        let path = path(storage);
        match read(&path) {
            Ok(Some(File { paused: true, .. })) => Self::Paused,
            Ok(Some(File { paused: false, .. })) => Self::Running,
            Ok(None) => Self::Nothing,
            Err(error) => Self::Unreadable { path, reason: error.to_string() },
        }
    }
}

/// Stores in `directory` that the device is paused: the safe replacement of a damaged file.
///
/// # Errors
/// The file cannot be written.
pub fn store_paused(directory: &Path) -> io::Result<()> {
    write(&directory.join(FILE_NAME), true)
}

fn path(storage: &Storage) -> PathBuf {
    storage.directory().join(FILE_NAME)
}

fn read(path: &Path) -> io::Result<Option<File>> {
    let Some(bytes) = state_file::read(path, MAX_FILE_BYTES)? else { return Ok(None) };
    let file: File = serde_json::from_slice(&bytes)?;
    if file.schema != SCHEMA {
        return Err(io::Error::other(format!("its schema is {:?}, not {SCHEMA}", file.schema)));
    }
    Ok(Some(file))
}

fn write(path: &Path, paused: bool) -> io::Result<()> {
    state_file::write(path, &serde_json::to_vec(&File { schema: SCHEMA.to_owned(), paused })?)
}

/// The newest attempt to store the pause state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreAttempt {
    /// The state.
    pub paused: bool,
    /// Whether it is on the disk.
    pub written: bool,
}

impl StoreAttempt {
    /// What the last run left on the disk.
    pub fn of(persisted: &PersistedPause) -> Self {
        Self {
            paused: matches!(persisted, PersistedPause::Paused | PersistedPause::Unreadable { .. }),
            written: !matches!(persisted, PersistedPause::Unreadable { .. }),
        }
    }
}

/// Stores the pause state whenever it is requested, until `stop` is requested. A request that arrives with the stop is
/// served, too. Each attempt is reported to `attempts`, a failure also to `health`; it is repeated.
///
/// # Errors
/// Never.
pub async fn persist(
    storage: Storage,
    mut requested: watch::Receiver<bool>,
    attempts: watch::Sender<StoreAttempt>,
    health: Health,
    stop: Stop,
) -> anyhow::Result<()> {
    let path = path(&storage);
    let mut pending = false;
    loop {
        let stopping = tokio::select! {
            // A request that arrives together with the stop must still be served.
            biased;
            changed = requested.changed() => {
                pending |= changed.is_ok();
                changed.is_err()
            }
            _ = stop.requested() => true,
            _ = tokio::time::sleep(RETRY_AFTER), if pending => false,
        };
        if pending {
            let paused = *requested.borrow_and_update();
            match write_blocking(path.clone(), paused).await {
                Ok(()) => health.works(),
                Err(error) => health.failed(&format!(
                    "a restart would undo the pause or its end: {} cannot be written ({error}); make space there, or make \
                     it writable",
                    path.display()
                )),
            }
            pending = health.problem().is_some();
            attempts.send_replace(StoreAttempt { paused, written: !pending });
        }
        if stopping {
            return Ok(());
        }
    }
}

/// Writes on a blocking thread: a slow disk must not delay other tasks.
async fn write_blocking(path: PathBuf, paused: bool) -> io::Result<()> {
    let written = tokio::task::spawn_blocking(move || write(&path, paused)).await;
    written.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts() -> watch::Sender<StoreAttempt> {
        watch::Sender::new(StoreAttempt::of(&PersistedPause::Nothing))
    }

    fn persist_pause(
        storage: &Storage,
        paused: &watch::Sender<bool>,
        attempts: &watch::Sender<StoreAttempt>,
        stop: &Stop,
    ) -> impl Future<Output = anyhow::Result<()>> + use<> {
        persist(storage.clone(), paused.subscribe(), attempts.clone(), Health::new("pause"), stop.clone())
    }

    fn storage(directory: &Path) -> Storage {
        Storage { directory: directory.join("state") }
    }

    #[test]
    fn a_stored_state_is_read_and_a_broken_file_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        let storage = storage(directory.path());
        assert_eq!(PersistedPause::read(&storage), PersistedPause::Nothing);
        for (paused, stored) in [(true, PersistedPause::Paused), (false, PersistedPause::Running)] {
            write(&path(&storage), paused).unwrap();
            assert_eq!(PersistedPause::read(&storage), stored);
        }
        let too_long = format!("{{\"schema\":\"{SCHEMA}\",\"paused\":false{}}}", " ".repeat(8000));
        for broken in ["", "{", "{\"schema\":\"moodring.control/9\",\"paused\":false}", &too_long] {
            state_file::write(&path(&storage), broken.as_bytes()).unwrap();
            let stored = PersistedPause::read(&storage);
            assert!(matches!(stored, PersistedPause::Unreadable { .. }), "{broken}: {stored:?}");
        }
        std::fs::remove_file(path(&storage)).unwrap();
        std::fs::create_dir(path(&storage)).unwrap();
        assert!(matches!(PersistedPause::read(&storage), PersistedPause::Unreadable { .. }));
    }

    #[test]
    fn a_power_cut_between_two_steps_leaves_the_old_state() {
        let directory = tempfile::tempdir().unwrap();
        let storage = storage(directory.path());
        write(&path(&storage), true).unwrap();
        // A power cut before the move leaves half of a new file.
        std::fs::write(path(&storage).with_extension("json.new"), "{\"sch").unwrap();
        assert_eq!(PersistedPause::read(&storage), PersistedPause::Paused);
        write(&path(&storage), false).unwrap();
        assert_eq!(PersistedPause::read(&storage), PersistedPause::Running);
    }

    #[tokio::test(start_paused = true)]
    async fn every_change_is_stored_even_one_at_the_stop() {
        let directory = tempfile::tempdir().unwrap();
        let (storage, stop) = (storage(directory.path()), Stop::default());
        let (paused, attempts) = (watch::Sender::new(false), attempts());
        let task = tokio::spawn(persist_pause(&storage, &paused, &attempts, &stop));
        tokio::task::yield_now().await;
        assert_eq!(
            PersistedPause::read(&storage),
            PersistedPause::Nothing,
            "nothing is written before the first change"
        );
        paused.send_replace(true);
        stop.request();
        task.await.unwrap().unwrap();
        assert_eq!(PersistedPause::read(&storage), PersistedPause::Paused);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_write_is_retried() {
        let directory = tempfile::tempdir().unwrap();
        let (storage, stop) = (storage(directory.path()), Stop::default());
        // A file where the folder should be.
        std::fs::write(&storage.directory, "").unwrap();
        let (paused, attempts) = (watch::Sender::new(false), attempts());
        let task = tokio::spawn(persist_pause(&storage, &paused, &attempts, &stop));
        paused.send_replace(true);
        tokio::time::sleep(RETRY_AFTER / 2).await;
        assert!(matches!(PersistedPause::read(&storage), PersistedPause::Unreadable { .. }));
        let mut reported = attempts.subscribe();
        assert_eq!(*reported.borrow_and_update(), StoreAttempt { paused: true, written: false });
        std::fs::remove_file(&storage.directory).unwrap();
        reported.wait_for(|attempt| attempt.written).await.unwrap();
        assert_eq!(PersistedPause::read(&storage), PersistedPause::Paused);
        stop.request();
        task.await.unwrap().unwrap();
    }
}
