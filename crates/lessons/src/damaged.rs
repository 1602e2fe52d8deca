//! Damaged databases: how one is noticed, set aside, and deleted after the time for which lessons are kept.

use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use tracing::{info, warn};

use super::schema::FILE_NAME;
use super::store_error::StoreError;
use moodring_runtime::state_file;

/// Checks the structure of the SQLite database `path`, without changing it.
///
/// # Errors
/// It is damaged, emptied, no database, or cannot be read.
pub fn check(path: &Path) -> Result<(), String> {
    // SQLite takes an empty file for a new database.
    match std::fs::File::open(path).and_then(|file| file.metadata()) {
        Ok(data) if !data.is_file() => return Err("it is no file".into()),
        Ok(data) if data.len() == 0 => return Err("it is empty".into()),
        Ok(_) => {}
        Err(error) => return Err(error.to_string()),
    }
    let check = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
    };
    match check() {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(found),
        Err(error) if StoreError::is_damage(&error) => Err(error.to_string()),
        // A disk that is read-only, or another process that uses the file, says nothing about its content.
        Err(_) => Ok(()),
    }
}

/// Sets the damaged store at `path` aside. Lessons are recorded into a new one.
pub(super) fn set_aside(path: &Path, reason: &dyn std::fmt::Display) -> Result<(), StoreError> {
    let aside = state_file::set_aside(path, reason)
        .map_err(|source| StoreError::Folder { path: path.parent().unwrap_or(path).into(), source })?;
    warn!(path = %path.display(), aside = %aside.aside.display(), reason = aside.reason, "the store of lessons is damaged: it was set aside, and a new one is begun");
    Ok(())
}

/// Deletes damaged stores and reports that were last written before `before`: they hold lessons that would have been
/// deleted with the store.
pub(super) fn expire(directory: &Path, before: Timestamp) {
    let (reports, before) = (directory.join("reports"), SystemTime::from(before));
    for (folder, prefix) in [(directory, format!("{FILE_NAME}.damaged")), (&reports, "lesson-".to_owned())] {
        let Ok(files) = std::fs::read_dir(folder) else { continue };
        for file in files.flatten().filter(|file| file.file_name().to_string_lossy().starts_with(&prefix)) {
            let written = file.metadata().and_then(|data| data.modified());
            if written.is_ok_and(|at| at < before) && std::fs::remove_file(file.path()).is_ok() {
                info!(path = %file.path().display(), "deleted: it is older than lessons.keep_days");
            }
        }
    }
}
