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

#[cfg(test)]
mod tests {
    use super::super::disk::{Disk, Writer};
    use super::super::tests::{config, mood, recorder};
    use super::super::{Store, Timetable};
    use super::*;
    use moodring_config::{LessonBegin, Lessons};
    use moodring_contract::{LessonCommand, State};
    use moodring_runtime::Health;

    #[tokio::test]
    async fn a_lesson_goes_on_in_a_new_store_when_the_store_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(Lessons { begin: LessonBegin::Command, ..Lessons::default() });
        config.storage.directory = folder.path().to_owned();
        std::fs::create_dir(folder.path().join("reports")).unwrap();
        std::fs::write(folder.path().join("reports/lesson-41.html"), "an earlier report").unwrap();
        let path = folder.path().join(FILE_NAME);
        let mut recorder = super::super::Recorder::new(&config, Timetable::default(), None);
        let mut writer = Writer::new(Disk::new(&config), Health::new("lessons"));
        for second in 0..600 {
            let mood = mood(second, State::Live);
            let now = std::time::Instant::now();
            recorder.take(&mood, now);
            if second == 0 {
                recorder.command(&LessonCommand::Begin { title: "Physics".into() }, mood.at);
            }
            if second == 300 {
                // A card that loses its content, and a device that opens the file again.
                writer = Writer::new(Disk::new(&config), Health::new("lessons"));
                std::fs::write(&path, vec![0; 8192]).unwrap();
            }
            if let Some(batch) = recorder.due(mood.at, now, || None) {
                writer.write(&mut recorder, batch).await;
            }
        }
        assert!(folder.path().join("lessons.sqlite.damaged").exists());
        let lessons = Store::open_to_read(folder.path()).unwrap().lessons().unwrap();
        let [lesson] = &lessons[..] else { panic!("{lessons:?}") };
        assert_eq!((lesson.title.as_str(), lesson.begun_at), ("Physics", mood(0, State::Live).at));
        assert_eq!(lesson.id, 42, "the number of an earlier report is not used again");
        let minutes = Store::open_to_read(folder.path()).unwrap().minutes(lesson.id).unwrap();
        assert!(minutes.len() >= 4, "{} minutes", minutes.len());
    }

    #[test]
    fn damaged_stores_and_their_reports_are_deleted_with_the_lessons_they_hold() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("reports")).unwrap();
        let old = ["lessons.sqlite.damaged", "lessons.sqlite.damaged.1-wal", "reports/lesson-1.html"];
        let now = SystemTime::now();
        let days = |days: u64| now - std::time::Duration::from_secs(days * 86_400);
        for (names, age) in [(&old[..], 91), (&["lessons.sqlite", "reports/lesson-2.html"], 1)] {
            for name in names {
                let file = std::fs::File::create(folder.path().join(name)).unwrap();
                file.set_modified(days(age)).unwrap();
            }
        }
        expire(folder.path(), Timestamp::try_from(days(90)).unwrap());
        assert!(old.iter().all(|name| !folder.path().join(name).exists()));
        assert!(
            folder.path().join("lessons.sqlite").exists()
                && folder.path().join("reports/lesson-2.html").exists()
        );
    }

    #[test]
    fn a_sound_store_passes_the_check() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        drop(recorder(&config(Lessons::default()), &store));
        assert_eq!(check(&folder.path().join(FILE_NAME)), Ok(()));
    }
}
