//! The database file: opening, tables and migrations.
//!
//! It uses `synchronous = FULL` in WAL mode. With NORMAL, the common choice in WAL mode, a power cut loses every commit
//! since the last checkpoint, here half a day of lessons. FULL syncs the log at each commit, which is once a minute: a
//! few milliseconds and a few pages of flash.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::store_error::StoreError;
use moodring_runtime::atomic_file;

/// Name of the file in the storage folder.
pub const FILE_NAME: &str = "lessons.sqlite";
/// SQLite application id of the file: "mood" in ASCII.
const APPLICATION_ID: i32 = 0x6d6f_6f64;
/// A reader (an export) may block a write for this long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Step `n` migrates version `n` to version `n + 1`. Never change a released step: add the next one.
pub(super) const MIGRATIONS: [&str; 3] = [
    "
    CREATE TABLE lesson (
        -- AUTOINCREMENT: the number of a deleted lesson is never given to another.
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        site TEXT NOT NULL,
        room TEXT NOT NULL,
        title TEXT NOT NULL,
        mode TEXT NOT NULL,
        begun_at INTEGER NOT NULL,
        begun_by TEXT NOT NULL,
        ended_at INTEGER,
        ended_by TEXT,
        CHECK ((ended_at IS NULL) = (ended_by IS NULL))
    ) STRICT;
    CREATE UNIQUE INDEX one_lesson_under_way ON lesson ((ended_at IS NULL)) WHERE ended_at IS NULL;
    CREATE TABLE minute (
        lesson INTEGER NOT NULL REFERENCES lesson (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        state TEXT NOT NULL,
        live REAL NOT NULL,
        people REAL,
        coverage REAL,
        word TEXT NOT NULL,
        pace TEXT NOT NULL,
        facing REAL, facing_low REAL, facing_high REAL,
        angry REAL, angry_low REAL, angry_high REAL,
        disgust REAL, disgust_low REAL, disgust_high REAL,
        fear REAL, fear_low REAL, fear_high REAL,
        happy REAL, happy_low REAL, happy_high REAL,
        sad REAL, sad_low REAL, sad_high REAL,
        surprise REAL, surprise_low REAL, surprise_high REAL,
        neutral REAL, neutral_low REAL, neutral_high REAL,
        PRIMARY KEY (lesson, number)
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE minute ADD COLUMN valence REAL;
    ALTER TABLE minute ADD COLUMN valence_low REAL;
    ALTER TABLE minute ADD COLUMN valence_high REAL;
    ALTER TABLE minute ADD COLUMN arousal REAL;
    ALTER TABLE minute ADD COLUMN arousal_low REAL;
    ALTER TABLE minute ADD COLUMN arousal_high REAL;
    ALTER TABLE minute ADD COLUMN engagement REAL;
    ALTER TABLE minute ADD COLUMN engagement_low REAL;
    ALTER TABLE minute ADD COLUMN engagement_high REAL;
    ALTER TABLE minute ADD COLUMN restlessness REAL;
    ALTER TABLE minute ADD COLUMN restlessness_low REAL;
    ALTER TABLE minute ADD COLUMN restlessness_high REAL;
",
    "
    -- The teacher's own words about the lesson; in no report and no message.
    ALTER TABLE lesson ADD COLUMN note TEXT NOT NULL DEFAULT '';
",
];

/// Opens the database in `directory` for writing; creates folder and file if they are missing.
pub(super) fn open(directory: &Path) -> Result<Connection, StoreError> {
    let path = directory.join(FILE_NAME);
    let at = |error: rusqlite::Error| StoreError::of(&path, error);
    atomic_file::make_folder(directory)
        .map_err(|source| StoreError::Folder { path: directory.into(), source })?;
    let mut connection = Connection::open(&path).map_err(at)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(at)?;
    // This is also the first read of the file: it fails if the file is not a database.
    connection.pragma_update(None, "journal_mode", "WAL").map_err(at)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(at)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(at)?;
    // Deleted content is overwritten with zeros.
    connection.pragma_update(None, "secure_delete", true).map_err(at)?;
    migrate(&mut connection, &path)?;
    Ok(connection)
}

/// Opens the database in `directory` for reading.
///
/// # Errors
/// [`StoreError::None`] if there is no file; else as [`open`].
pub(super) fn open_to_read(directory: &Path) -> Result<Connection, StoreError> {
    let path = directory.join(FILE_NAME);
    let at = |error: rusqlite::Error| StoreError::of(&path, error);
    if !path.exists() {
        return Err(StoreError::None { path });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(at)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(at)?;
    let version = version(&connection).map_err(at)?;
    match usize::try_from(version) {
        Ok(version) if version == MIGRATIONS.len() => Ok(connection),
        Ok(version) if version > MIGRATIONS.len() => Err(StoreError::Newer { path, version }),
        // Reading needs the newest tables; opening for writing creates them.
        _ => {
            drop(connection);
            open(directory)
        }
    }
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Migrates the tables to the newest version, all steps or none.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let at = |error: rusqlite::Error| StoreError::of(path, error);
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(at)?;
    let current = usize::try_from(version(&transaction).map_err(at)?).unwrap_or(usize::MAX);
    if current == MIGRATIONS.len() {
        return Ok(());
    }
    if current > MIGRATIONS.len() {
        return Err(StoreError::Newer { path: path.into(), version: current });
    }
    for step in &MIGRATIONS[current..] {
        transaction.execute_batch(step).map_err(at)?;
    }
    if current == 0 {
        // The numbers of a store that was set aside are not used again: their reports are still there.
        transaction
            .execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('lesson', ?)", [last_report(path)])
            .map_err(at)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(at)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64).map_err(at)?;
    transaction.commit().map_err(at)
}

/// The highest number of a lesson with a report beside the store at `path`.
fn last_report(path: &Path) -> i64 {
    let reports = path.parent().map(|folder| folder.join("reports"));
    let files = reports.and_then(|reports| std::fs::read_dir(reports).ok()).into_iter().flatten().flatten();
    let number = |name: &str| name.strip_prefix("lesson-")?.strip_suffix(".html")?.parse::<i64>().ok();
    files.filter_map(|file| number(file.file_name().to_str()?)).max().unwrap_or(0)
}
