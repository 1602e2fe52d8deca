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
use tracing::{info, warn};

use moodring_config::Storage;
use moodring_runtime::Stop;
use moodring_runtime::atomic_file;

const SCHEMA: &str = "moodring.control/1";
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

fn path(storage: &Storage) -> PathBuf {
    storage.directory().join("control.json")
}

fn read(path: &Path) -> io::Result<Option<File>> {
    let Some(bytes) = atomic_file::read(path, MAX_FILE_BYTES)? else { return Ok(None) };
    let file: File = serde_json::from_slice(&bytes)?;
    if file.schema != SCHEMA {
        return Err(io::Error::other(format!("its schema is {:?}, not {SCHEMA}", file.schema)));
    }
    Ok(Some(file))
}

fn write(path: &Path, paused: bool) -> io::Result<()> {
    atomic_file::write(path, &serde_json::to_vec(&File { schema: SCHEMA.to_owned(), paused })?)
}

/// Stores every change of `paused_by_command` until `stop` is requested. A change that arrives with the stop is stored
/// too.
///
/// # Errors
/// Never. A failed write is logged and retried.
pub async fn persist(
    storage: Storage,
    mut paused_by_command: watch::Receiver<bool>,
    stop: Stop,
) -> anyhow::Result<()> {
    let path = path(&storage);
    let (mut pending, mut failing) = (false, false);
    loop {
        let stopping = tokio::select! {
            // A change that arrives together with the stop must still be written.
            biased;
            changed = paused_by_command.changed() => {
                pending |= changed.is_ok();
                changed.is_err()
            }
            _ = stop.requested() => true,
            _ = tokio::time::sleep(RETRY_AFTER), if pending => false,
        };
        if pending {
            let paused = *paused_by_command.borrow_and_update();
            pending = !log_result(&path, write_blocking(path.clone(), paused).await, &mut failing);
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

/// Logs the first failure and the recovery, once each. True: the file was written.
fn log_result(path: &Path, written: io::Result<()>, failing: &mut bool) -> bool {
    match written {
        Ok(()) => {
            if std::mem::take(failing) {
                info!("the pause state is stored again");
            }
            true
        }
        Err(error) => {
            if !std::mem::replace(failing, true) {
                warn!(
                    path = %path.display(), %error,
                    "the pause state cannot be stored and is lost at a reboot; check storage.directory"
                );
            }
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            std::fs::write(path(&storage), broken).unwrap();
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
        let paused = watch::Sender::new(false);
        let task = tokio::spawn(persist(storage.clone(), paused.subscribe(), stop.clone()));
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
        let paused = watch::Sender::new(false);
        let task = tokio::spawn(persist(storage.clone(), paused.subscribe(), stop.clone()));
        paused.send_replace(true);
        tokio::time::sleep(RETRY_AFTER / 2).await;
        assert!(matches!(PersistedPause::read(&storage), PersistedPause::Unreadable { .. }));
        std::fs::remove_file(&storage.directory).unwrap();
        tokio::time::sleep(RETRY_AFTER * 2).await;
        assert_eq!(PersistedPause::read(&storage), PersistedPause::Paused);
        stop.request();
        task.await.unwrap().unwrap();
    }
}
