//! Whether the device was paused by hand, over reboots and power cuts: one tiny file in the state folder.
//!
//! Its one decision: what cannot be read means paused. The file is written beside the old one, brought to the disk and
//! moved over it, so that a power cut leaves one of the two; a disk that fails is tried again for ever.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::Storage;
use crate::private;
use crate::supervisor::Stop;

const SCHEMA: &str = "moodring.control/1";
/// A larger file is not one of ours.
const MOST_BYTES: u64 = 4096;
/// A file that could not be written is tried again after this long: a card that comes back does so within seconds.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// The file, as written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    paused: bool,
}

/// How the device was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Nobody ever paused it.
    Nothing,
    /// Paused by hand.
    Paused,
    /// Resumed by hand.
    Running,
    /// There is something that cannot be read: nobody knows.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Kept {
    /// Reads how the device was left.
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
    let Some(bytes) = private::read(path, MOST_BYTES)? else { return Ok(None) };
    let file: File = serde_json::from_slice(&bytes)?;
    if file.schema != SCHEMA {
        return Err(io::Error::other(format!("it is {:?}, not {SCHEMA}", file.schema)));
    }
    Ok(Some(file))
}

fn write(path: &Path, paused: bool) -> io::Result<()> {
    private::write(path, &serde_json::to_vec(&File { schema: SCHEMA.to_owned(), paused })?)
}

/// Keeps every change of `paused_by_hand` until `stop` is requested; the last one is written even then.
pub async fn keep(storage: Storage, mut paused_by_hand: watch::Receiver<bool>, stop: Stop) {
    let path = path(&storage);
    let (mut owed, mut failing) = (false, false);
    loop {
        let stopping = tokio::select! {
            // A change that came with the stop is still to be written.
            biased;
            changed = paused_by_hand.changed() => {
                owed |= changed.is_ok();
                changed.is_err()
            }
            _ = stop.requested() => true,
            _ = tokio::time::sleep(TRY_AGAIN), if owed => false,
        };
        if owed {
            let paused = *paused_by_hand.borrow_and_update();
            owed = !tell(&path, write_beside(path.clone(), paused).await, &mut failing);
        }
        if stopping {
            return;
        }
    }
}

/// A disk may take its time; nobody else need wait for it.
async fn write_beside(path: PathBuf, paused: bool) -> io::Result<()> {
    let written = tokio::task::spawn_blocking(move || write(&path, paused)).await;
    written.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Says once that it fails and once that it works again; true if it was written.
fn tell(path: &Path, written: io::Result<()>, failing: &mut bool) -> bool {
    match written {
        Ok(()) => {
            if std::mem::take(failing) {
                info!("whether it is paused is kept again");
            }
            true
        }
        Err(error) => {
            if !std::mem::replace(failing, true) {
                warn!(
                    path = %path.display(), %error,
                    "whether it is paused is not kept over a reboot until this is mended (storage.directory)"
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
    fn what_was_written_is_read_and_what_is_broken_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let storage = storage(directory.path());
        assert_eq!(Kept::read(&storage), Kept::Nothing);
        for (paused, kept) in [(true, Kept::Paused), (false, Kept::Running)] {
            write(&path(&storage), paused).unwrap();
            assert_eq!(Kept::read(&storage), kept);
        }
        let too_long = format!("{{\"schema\":\"{SCHEMA}\",\"paused\":false{}}}", " ".repeat(8000));
        for broken in ["", "{", "{\"schema\":\"moodring.control/9\",\"paused\":false}", &too_long] {
            std::fs::write(path(&storage), broken).unwrap();
            let kept = Kept::read(&storage);
            assert!(matches!(kept, Kept::Unreadable { .. }), "{broken}: {kept:?}");
        }
        std::fs::remove_file(path(&storage)).unwrap();
        std::fs::create_dir(path(&storage)).unwrap();
        assert!(matches!(Kept::read(&storage), Kept::Unreadable { .. }));
    }

    #[test]
    fn a_power_cut_between_two_steps_leaves_the_old_state() {
        let directory = tempfile::tempdir().unwrap();
        let storage = storage(directory.path());
        write(&path(&storage), true).unwrap();
        // What a cut leaves behind before the move: half of a new file.
        std::fs::write(path(&storage).with_extension("json.new"), "{\"sch").unwrap();
        assert_eq!(Kept::read(&storage), Kept::Paused);
        write(&path(&storage), false).unwrap();
        assert_eq!(Kept::read(&storage), Kept::Running);
    }

    #[tokio::test(start_paused = true)]
    async fn every_change_is_kept_the_last_one_even_at_the_stop() {
        let directory = tempfile::tempdir().unwrap();
        let (storage, stop) = (storage(directory.path()), Stop::default());
        let paused = watch::Sender::new(false);
        let task = tokio::spawn(keep(storage.clone(), paused.subscribe(), stop.clone()));
        tokio::task::yield_now().await;
        assert_eq!(Kept::read(&storage), Kept::Nothing, "nothing is written before somebody asks");
        paused.send_replace(true);
        stop.request();
        task.await.unwrap();
        assert_eq!(Kept::read(&storage), Kept::Paused);
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_fails_is_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let (storage, stop) = (storage(directory.path()), Stop::default());
        // A file where the folder should be.
        std::fs::write(&storage.directory, "").unwrap();
        let paused = watch::Sender::new(false);
        let task = tokio::spawn(keep(storage.clone(), paused.subscribe(), stop.clone()));
        paused.send_replace(true);
        tokio::time::sleep(TRY_AGAIN / 2).await;
        assert!(matches!(Kept::read(&storage), Kept::Unreadable { .. }));
        std::fs::remove_file(&storage.directory).unwrap();
        tokio::time::sleep(TRY_AGAIN * 2).await;
        assert_eq!(Kept::read(&storage), Kept::Paused);
        stop.request();
        task.await.unwrap();
    }
}
