//! The spool's file: what waits, and up to which number all are given. One transaction a write, on the disk when it returns.
//!
//! As with lessons `synchronous = FULL` in WAL mode: what was written must survive the power cut that follows. A broken
//! file is moved aside and a new one begun, since nobody stands by a device on the wall to do it.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::Kind;
use super::numbers::{BLOCK, new_id};
use super::queue::Difference;
use crate::private;

/// Name of the file in the storage folder.
pub const FILE_NAME: &str = "spool.sqlite";
/// Marks the file as ours: "mspl" in ASCII.
const APPLICATION_ID: i32 = 0x6d73_706c;
/// Version of its tables. Another one is moved aside like a broken file: what waits is worth a day, not a migration.
const VERSION: i64 = 1;
/// Nobody else writes; somebody may look.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// Why the spool is not on the disk.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    #[error("the folder {} cannot be made: {source}", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    Database { path: PathBuf, source: rusqlite::Error },
}

impl DiskError {
    /// Whether the file is not one of ours any more.
    fn is_broken(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let Self::Database { source, .. } = self else { return false };
        matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
    }
}

/// What lay on the disk.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) id: String,
    /// The next number to give.
    pub(super) next: u64,
    /// The last that may be given.
    pub(super) reserved: u64,
    /// After a power cut: numbers that may have been lost with it, or never given.
    pub(super) uncertain: Option<RangeInclusive<u64>>,
    pub(super) dropped: u64,
    /// Row, kind and payload, the oldest first.
    pub(super) entries: Vec<(i64, Kind, Vec<u8>)>,
}

/// What a write says of numbers.
#[derive(Debug, Clone)]
pub(super) struct Reservation {
    pub(super) id: String,
    pub(super) reserved: u64,
    /// No more numbers are given in this run.
    pub(super) closed: bool,
}

/// The open file.
#[derive(Debug)]
pub(super) struct Disk {
    connection: Connection,
    path: PathBuf,
}

impl Disk {
    /// Opens the spool in `directory` and reserves its first block; makes what is missing.
    ///
    /// # Errors
    /// The folder or the file cannot be made or written.
    pub(super) fn open(directory: &Path) -> Result<(Self, Loaded), DiskError> {
        private::make_folder(directory)
            .map_err(|source| DiskError::Folder { path: directory.into(), source })?;
        let path = directory.join(FILE_NAME);
        match Self::open_file(&path) {
            Err(error) if error.is_broken() => {
                let aside = path.with_extension("sqlite.broken");
                tracing::warn!(path = %path.display(), aside = %aside.display(), %error, "the spool is broken: a new one begins");
                for (from, to) in [("", ""), ("-wal", "-wal"), ("-shm", "-shm")] {
                    let with = |path: &Path, end: &str| PathBuf::from(format!("{}{end}", path.display()));
                    let _ = std::fs::rename(with(&path, from), with(&aside, to));
                }
                Self::open_file(&path)
            }
            opened => opened,
        }
    }

    fn open_file(path: &Path) -> Result<(Self, Loaded), DiskError> {
        let at = |source| DiskError::Database { path: path.into(), source };
        let mut connection = Connection::open(path).map_err(at)?;
        connection.busy_timeout(PATIENCE).map_err(at)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(at)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(at)?;
        // What was sent is overwritten, not only forgotten.
        connection.pragma_update(None, "secure_delete", true).map_err(at)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(at)?;
        make_tables(&transaction).map_err(at)?;
        let loaded = load(&transaction).map_err(at)?;
        transaction.commit().map_err(at)?;
        Ok((Self { connection, path: path.into() }, loaded))
    }

    /// Makes the disk a copy again; returns the rows that the new entries got, by ordinal.
    ///
    /// # Errors
    /// Nothing of it was written.
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

/// Reads all of it and reserves a block of numbers behind those that may have been given.
fn load(transaction: &Transaction<'_>) -> rusqlite::Result<Loaded> {
    let known = transaction
        .query_row("SELECT id, reserved, closed, dropped FROM spool", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let (id, given, closed, dropped): (String, i64, bool, i64) =
        known.unwrap_or_else(|| (new_id(), 0, true, 0));
    // Only somebody else's hands write negative numbers.
    let (given, dropped) = (given.unsigned_abs(), dropped.unsigned_abs());
    let reserved = given + BLOCK;
    save(transaction, &Reservation { id: id.clone(), reserved, closed: false }, dropped)?;
    let mut statement = transaction.prepare("SELECT id, kind, payload FROM entry ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)))?;
    let mut entries = Vec::new();
    for row in rows {
        let (id, kind, payload) = row?;
        // A kind of a newer version cannot be told; it stays until that is back.
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
