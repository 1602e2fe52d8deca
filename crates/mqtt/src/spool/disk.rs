//! The spool's file: the waiting entries, and the last number that may have been used. Each write is one transaction,
//! durable when it returns.
//!
//! `synchronous = FULL` in WAL mode, as for lessons: a write must survive a power cut right after it. A broken file is
//! renamed and replaced automatically, because no administrator is at the device.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use moodring_runtime::atomic_file;
use moodring_runtime::state_file::{self, SetAside};

use super::entry::Kind;
use super::exchange::{Difference, Loaded, Reservation};
use super::numbers::{BLOCK, new_id};

/// Name of the file in the storage folder.
pub(super) const FILE_NAME: &str = "spool.sqlite";
/// SQLite application id of the file: "mspl" in ASCII.
const APPLICATION_ID: i32 = 0x6d73_706c;
/// Version of the tables. A file of another version is renamed like a broken one: a day of messages does not justify a
/// migration.
const VERSION: i64 = 1;
/// Timeout for the lock of the file: no other process writes, but one may read.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

const TABLES: &str = "
    CREATE TABLE spool (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL,
        -- Every number up to this may have been given.
        reserved INTEGER NOT NULL,
        -- Whether exactly those were: the last run ended in order.
        closed INTEGER NOT NULL,
        dropped INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        payload BLOB NOT NULL
    ) STRICT;
";

/// Why the spool could not be written to the disk.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    #[error("the folder {} cannot be created: {source}", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    Database { path: PathBuf, source: rusqlite::Error },
}

impl DiskError {
    /// Whether the file is damaged or is not a spool of this version.
    fn is_broken(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let Self::Database { source, .. } = self else { return false };
        matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
    }
}

/// The open file.
#[derive(Debug)]
pub(super) struct Disk {
    connection: Connection,
    path: PathBuf,
}

impl Disk {
    /// Opens the spool in `directory` and reserves its first block of numbers. Creates missing folder and file.
    ///
    /// # Errors
    /// The folder or the file cannot be created or written.
    pub(super) fn open(directory: &Path) -> Result<(Self, Loaded), DiskError> {
        atomic_file::make_folder(directory)
            .map_err(|source| DiskError::Folder { path: directory.into(), source })?;
        let path = directory.join(FILE_NAME);
        match Self::open_file(&path) {
            Err(error) if error.is_broken() => {
                let SetAside { aside, reason, .. } = state_file::set_aside(&path, &error)
                    .map_err(|source| DiskError::Folder { path: directory.into(), source })?;
                tracing::warn!(path = %path.display(), aside = %aside.display(), error = reason, "the spool file is damaged: it was renamed and a new one is used");
                Self::open_file(&path)
            }
            opened => opened,
        }
    }

    fn open_file(path: &Path) -> Result<(Self, Loaded), DiskError> {
        let at = |source| DiskError::Database { path: path.into(), source };
        let mut connection = Connection::open(path).map_err(at)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(at)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(at)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(at)?;
        // Overwrites deleted messages.
        connection.pragma_update(None, "secure_delete", true).map_err(at)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(at)?;
        make_tables(&transaction).map_err(at)?;
        let loaded = load(&transaction).map_err(at)?;
        transaction.commit().map_err(at)?;
        Ok((Self { connection, path: path.into() }, loaded))
    }

    /// Makes the file a copy of the queue; returns the rows of the new entries, by ordinal.
    ///
    /// # Errors
    /// Nothing was written.
    pub(super) fn write(
        &mut self,
        difference: &Difference,
        reservation: &Reservation,
    ) -> Result<Vec<(u64, i64)>, DiskError> {
        let path = &self.path;
        let at = |source| DiskError::Database { path: path.clone(), source };
        let behaviour = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behaviour).map_err(at)?;
        let rows = carry_out(&transaction, difference, reservation).map_err(at)?;
        transaction.commit().map_err(at)?;
        Ok(rows)
    }

    /// Moves the write-ahead log into the file and empties it: until then it holds what was deleted.
    pub(super) fn truncate_log(&self) {
        if let Err(error) = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(path = %self.path.display(), %error, "deleted messages stay in the write-ahead log until its next reset");
        }
    }
}

fn make_tables(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == VERSION {
        return Ok(());
    }
    if version != 0 {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
        return Err(rusqlite::Error::SqliteFailure(code, Some(format!("version {version} of the tables"))));
    }
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)
}

/// Reads the whole file and reserves a block of numbers after those that may have been used.
fn load(transaction: &Transaction<'_>) -> rusqlite::Result<Loaded> {
    let known = transaction
        .query_row("SELECT id, reserved, closed, dropped FROM spool", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let (id, given, closed, dropped): (String, i64, bool, i64) =
        known.unwrap_or_else(|| (new_id(), 0, true, 0));
    // This program never writes negative numbers.
    let (given, dropped) = (given.unsigned_abs(), dropped.unsigned_abs());
    let reserved = given + BLOCK;
    save(transaction, &Reservation { id: id.clone(), reserved, closed: false }, dropped)?;
    let mut statement = transaction.prepare("SELECT id, kind, payload FROM entry ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)))?;
    let mut entries = Vec::new();
    for row in rows {
        let (id, kind, payload) = row?;
        // A newer version may have written an unknown kind; its entry stays for that version.
        if let Some(kind) = Kind::ALL.into_iter().find(|known| known.name() == kind) {
            entries.push((id, kind, payload));
        }
    }
    let uncertain = (!closed).then(|| given.saturating_sub(BLOCK - 1).max(1)..=given);
    Ok(Loaded { id, next: given + 1, reserved, uncertain, dropped, entries })
}

fn save(transaction: &Transaction<'_>, reservation: &Reservation, dropped: u64) -> rusqlite::Result<()> {
    let Reservation { id, reserved, closed } = reservation;
    transaction.execute(
        "INSERT OR REPLACE INTO spool (one, id, reserved, closed, dropped) VALUES (1, ?, ?, ?, ?)",
        params![id, reserved.cast_signed(), closed, dropped.cast_signed()],
    )?;
    Ok(())
}

fn carry_out(
    transaction: &Transaction<'_>,
    difference: &Difference,
    reservation: &Reservation,
) -> rusqlite::Result<Vec<(u64, i64)>> {
    save(transaction, reservation, difference.dropped)?;
    let mut delete = transaction.prepare("DELETE FROM entry WHERE id = ?")?;
    for row in &difference.delete {
        delete.execute([row])?;
    }
    let mut insert = transaction.prepare("INSERT INTO entry (kind, payload) VALUES (?, ?)")?;
    let mut rows = Vec::with_capacity(difference.insert.len());
    for entry in &difference.insert {
        rows.push((entry.ordinal, insert.insert(params![entry.kind.name(), &entry.payload[..]])?));
    }
    Ok(rows)
}
