//! Requests to erase the messages about deleted lessons: one empty file for each lesson, named by the time of its begin.
//!
//! The page, the console and retention delete lessons, in the device's process or in another one; the device erases what
//! waits in its spools, at once or at its next start. The files live in `storage.directory`.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jiff::Timestamp;

use crate::atomic_file;

/// Name of the folder in `storage.directory`.
const FOLDER: &str = "deleted-lessons";
/// Maximum number of requests. More wait only where nothing is published, so that there is nothing to erase.
const MAX_REQUESTS: usize = 1000;

/// Requests that the messages about the lesson that began at `lesson` are erased.
///
/// # Errors
/// The request cannot be stored.
pub fn request(storage: &Path, lesson: Timestamp) -> io::Result<()> {
    let folder = storage.join(FOLDER);
    if pending(storage).len() >= MAX_REQUESTS {
        return Ok(());
    }
    atomic_file::make_folder(&folder)?;
    // The service must be able to read and empty the folder, also if an administrator created it.
    let owner = storage.metadata()?;
    let _ = std::os::unix::fs::chown(&folder, Some(owner.uid()), Some(owner.gid()));
    atomic_file::write(&folder.join(lesson.as_millisecond().to_string()), b"")
}

/// The lessons whose messages are to be erased.
pub fn pending(storage: &Path) -> Vec<Timestamp> {
    let Ok(files) = std::fs::read_dir(storage.join(FOLDER)) else { return Vec::new() };
    let lesson = |file: io::Result<std::fs::DirEntry>| {
        let milliseconds = file.ok()?.file_name().to_str()?.parse().ok()?;
        Timestamp::from_millisecond(milliseconds).ok()
    };
    files.take(MAX_REQUESTS).filter_map(lesson).collect()
}

/// The messages about `lesson` are erased everywhere.
pub fn done(storage: &Path, lesson: Timestamp) {
    // A request that stays is carried out again, which changes nothing.
    let _ = std::fs::remove_file(storage.join(FOLDER).join(lesson.as_millisecond().to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_wait_until_they_are_done() {
        let storage = tempfile::tempdir().unwrap();
        let lessons = ["2026-11-23T08:00:00.123Z", "1969-12-31T23:00:00Z"].map(|text| text.parse().unwrap());
        assert!(pending(storage.path()).is_empty());
        for lesson in lessons {
            request(storage.path(), lesson).unwrap();
            request(storage.path(), lesson).unwrap();
        }
        std::fs::write(storage.path().join(FOLDER).join("something else"), "").unwrap();
        let mut waiting = pending(storage.path());
        waiting.sort();
        assert_eq!(waiting, [lessons[1], lessons[0]]);
        done(storage.path(), lessons[0]);
        assert_eq!(pending(storage.path()), [lessons[1]]);
    }
}
