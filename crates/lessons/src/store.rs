//! Lessons in SQLite. Each batch is one transaction: it is written completely or not at all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Type;
use rusqlite::{
    Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params, params_from_iter,
};

use tracing::warn;

use super::batch::{Batch, Write};
use super::store_error::StoreError;
use super::{Beginning, Lesson, OpenLesson, schema};

use moodring_contract::Mode;
use moodring_contract::lesson::Metrics;
use moodring_contract::lesson::{Cause, Metric, Minute};
use moodring_contract::{Level, Pace, State, Word};
use moodring_runtime::erasures;

/// After this long without a new row a lesson is no longer being recorded.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_hours(1);

impl StoreError {
    pub(super) fn of(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.into();
        if Self::is_damage(&source) { Self::Broken { path, source } } else { Self::Database { path, source } }
    }

    /// Whether `error` says that the file is damaged or no database.
    pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        matches!(error.sqlite_error_code(), Some(NotADatabase | DatabaseCorrupt))
    }
}

/// Lessons that a batch ended or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitOutcome {
    /// Lessons that ended.
    pub ended: Vec<i64>,
    /// Lessons that were deleted.
    pub deleted: Vec<i64>,
}

/// The lessons of one storage folder.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    transactions: u64,
}

impl Store {
    /// Opens the lessons in `directory` for writing; creates folder and database if they are missing.
    ///
    /// # Errors
    /// The file cannot be created, is not a database of lessons, or was written by a newer program.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let connection = schema::open(directory)?;
        Ok(Self { connection, path: directory.join(schema::FILE_NAME), transactions: 0 })
    }

    /// Opens the lessons in `directory` for reading, even while another process records.
    ///
    /// # Errors
    /// [`StoreError::None`] where nothing was recorded, else as [`Store::open`].
    pub fn open_to_read(directory: &Path) -> Result<Self, StoreError> {
        let connection = schema::open_to_read(directory)?;
        Ok(Self { connection, path: directory.join(schema::FILE_NAME), transactions: 0 })
    }

    /// Number of write transactions since the store was opened.
    pub fn transactions(&self) -> u64 {
        self.transactions
    }

    /// Writes `batch` in one transaction that is on the disk when this returns.
    ///
    /// # Errors
    /// Nothing of the batch was written.
    pub fn commit(&mut self, batch: &Batch) -> Result<CommitOutcome, StoreError> {
        let path = &self.path;
        let at = |error| StoreError::of(path, error);
        let behaviour = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behaviour).map_err(at)?;
        let mut outcome = CommitOutcome::default();
        for write in &batch.writes {
            execute(&transaction, write, &mut outcome).map_err(at)?;
        }
        if let Some(before) = batch.delete_before {
            outcome.deleted = ended_before(&transaction, before).map_err(at)?;
            delete(&transaction, path, &outcome.deleted).map_err(at)?;
        }
        transaction.commit().map_err(at)?;
        self.transactions += 1;
        if !outcome.deleted.is_empty() {
            self.truncate_log();
        }
        Ok(outcome)
    }

    /// All lessons, the newest last.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn lessons(&self) -> Result<Vec<Lesson>, StoreError> {
        let at = |error| StoreError::of(&self.path, error);
        let sql = format!("SELECT {LESSON_COLUMNS} FROM lesson ORDER BY begun_at, id");
        let mut statement = self.connection.prepare(&sql).map_err(at)?;
        let lessons = statement.query_map([], read_lesson).map_err(at)?;
        lessons.collect::<Result<_, _>>().map_err(at)
    }

    /// The lesson `id`.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], or the file cannot be read.
    pub fn lesson(&self, id: i64) -> Result<Lesson, StoreError> {
        let sql = format!("SELECT {LESSON_COLUMNS} FROM lesson WHERE id = ?");
        let found = self.connection.query_row(&sql, [id], read_lesson).optional();
        found.map_err(|error| StoreError::of(&self.path, error))?.ok_or(StoreError::Unknown { id })
    }

    /// The minutes of the lesson `id`, in order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn minutes(&self, id: i64) -> Result<Vec<Minute>, StoreError> {
        let at = |error| StoreError::of(&self.path, error);
        let columns = minute_columns().join(", ");
        let sql = format!("SELECT {columns} FROM minute WHERE lesson = ? ORDER BY number");
        let mut statement = self.connection.prepare(&sql).map_err(at)?;
        let minutes = statement.query_map([id], read_minute).map_err(at)?;
        minutes.collect::<Result<_, _>>().map_err(at)
    }

    /// The notes of all lessons that have one, by number.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn notes(&self) -> Result<BTreeMap<i64, String>, StoreError> {
        let at = |error| StoreError::of(&self.path, error);
        let sql = "SELECT id, note FROM lesson WHERE note <> ''";
        let mut statement = self.connection.prepare(sql).map_err(at)?;
        let notes = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(at)?;
        notes.collect::<Result<_, _>>().map_err(at)
    }

    /// Stores `note`, the teacher's own words, with the lesson `id`; replaces an earlier note.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], or the file cannot be written.
    pub fn set_note(&mut self, id: i64, note: &str) -> Result<(), StoreError> {
        let sql = "UPDATE lesson SET note = ? WHERE id = ?";
        let changed = self.connection.execute(sql, params![note, id]);
        if changed.map_err(|error| StoreError::of(&self.path, error))? == 0 {
            return Err(StoreError::Unknown { id });
        }
        self.truncate_log();
        Ok(())
    }

    /// The lesson that has not ended.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open_lesson(&self) -> Result<Option<OpenLesson>, StoreError> {
        let at = |error| StoreError::of(&self.path, error);
        let sql = format!("SELECT {LESSON_COLUMNS} FROM lesson WHERE ended_at IS NULL");
        let Some(lesson) = self.connection.query_row(&sql, [], read_lesson).optional().map_err(at)? else {
            return Ok(None);
        };
        let sql = "SELECT number, at FROM minute WHERE lesson = ? ORDER BY number DESC LIMIT 1";
        let last = self.connection.query_row(sql, [lesson.id], |row| Ok((row.get(0)?, time(row, 1)?)));
        let last_minute = last.optional().map_err(at)?;
        let minutes = self.minutes(lesson.id)?;
        Ok(Some(OpenLesson { lesson, last_minute, minutes }))
    }

    /// Deletes these lessons with their rows and returns the disk space.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] and [`StoreError::InProgress`] name the first lesson that cannot be deleted. Then no
    /// lesson is deleted.
    pub fn delete(&mut self, ids: &[i64], now: Timestamp) -> Result<(), StoreError> {
        for id in ids {
            let lesson = self.lesson(*id)?;
            let last = self.minutes(*id)?.last().map_or(lesson.begun_at, |minute| minute.at);
            // Rows come every minute; a lesson without rows for this long was interrupted and did not continue.
            if lesson.ended_at.is_none() && now.duration_since(last) < ABANDONED_AFTER {
                return Err(StoreError::InProgress { id: *id });
            }
        }
        let path = &self.path;
        let at = |error| StoreError::of(path, error);
        let behaviour = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(behaviour).map_err(at)?;
        delete(&transaction, path, ids).map_err(at)?;
        transaction.commit().map_err(at)?;
        self.transactions += 1;
        self.connection.execute_batch("VACUUM").map_err(at)?;
        self.truncate_log();
        Ok(())
    }

    /// Moves the write-ahead log into the file and empties it: until then it holds what was deleted or replaced. A failure
    /// is only logged, because the change itself is on the disk.
    fn truncate_log(&self) {
        if let Err(error) = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            warn!(path = %self.path.display(), %error, "deleted data stays in the write-ahead log until its next reset");
        }
    }
}

fn execute(
    transaction: &Transaction<'_>,
    write: &Write,
    outcome: &mut CommitOutcome,
) -> rusqlite::Result<()> {
    match write {
        Write::Begin { site, room, mode, beginning: Beginning { at, title, cause } } => {
            outcome.ended.extend(close_open(transaction)?);
            transaction.execute(
                "INSERT INTO lesson (site, room, title, mode, begun_at, begun_by) VALUES (?, ?, ?, ?, ?, ?)",
                params![site, room, title, mode.name(), at.as_millisecond(), cause.name()],
            )?;
        }
        Write::Minute(minute) => insert_minute(transaction, minute)?,
        Write::End { at, cause } => {
            let Some(id) = open_id(transaction)? else { return Ok(()) };
            transaction.execute(
                "DELETE FROM minute WHERE lesson = ? AND at >= ?",
                params![id, at.as_millisecond()],
            )?;
            transaction.execute(
                "UPDATE lesson SET ended_at = ?, ended_by = ? WHERE id = ?",
                params![at.as_millisecond(), cause.name(), id],
            )?;
            outcome.ended.push(id);
        }
    }
    Ok(())
}

fn open_id(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT id FROM lesson WHERE ended_at IS NULL", [], |row| row.get(0)).optional()
}

/// Ends a lesson that is still open as interrupted after its last minute.
fn close_open(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let Some(id) = open_id(connection)? else { return Ok(None) };
    connection.execute(
        "UPDATE lesson SET ended_by = ?1, ended_at = coalesce(
             (SELECT max(at) + 60000 FROM minute WHERE lesson = ?2), begun_at) WHERE id = ?2",
        params![Cause::Interrupted.name(), id],
    )?;
    Ok(Some(id))
}

fn ended_before(connection: &Connection, before: Timestamp) -> rusqlite::Result<Vec<i64>> {
    let mut statement =
        connection.prepare("SELECT id FROM lesson WHERE ended_at IS NOT NULL AND begun_at < ?")?;
    statement.query_map([before.as_millisecond()], |row| row.get(0))?.collect()
}

/// Deletes lessons, and requests that unsent messages about them are erased. `path`: the database. The requests are stored
/// before the transaction is committed: after a crash in between messages of an existing lesson are lost, but none about a
/// deleted lesson is sent.
fn delete(connection: &Connection, path: &Path, ids: &[i64]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("DELETE FROM lesson WHERE id = ? RETURNING begun_at")?;
    let storage = path.parent().unwrap_or(Path::new("."));
    for id in ids {
        let Some(begun_at) = statement.query_row([id], |row| time(row, 0)).optional()? else { continue };
        if let Err(error) = erasures::request(storage, begun_at) {
            warn!(lesson = id, %error, "messages about a deleted lesson that were not sent yet cannot be erased");
        }
    }
    Ok(())
}

const LESSON_COLUMNS: &str = "id, site, room, title, mode, begun_at, begun_by, ended_at, ended_by";

fn read_lesson(row: &Row<'_>) -> rusqlite::Result<Lesson> {
    let ended: Option<i64> = row.get(7)?;
    Ok(Lesson {
        id: row.get(0)?,
        site: row.get(1)?,
        room: row.get(2)?,
        title: row.get(3)?,
        mode: enum_of(row, 4, &Mode::ALL, Mode::name)?,
        begun_at: time(row, 5)?,
        begun_by: enum_of(row, 6, &Cause::ALL, Cause::name)?,
        ended_at: ended.map(|_| time(row, 7)).transpose()?,
        ended_by: ended.map(|_| enum_of(row, 8, &Cause::ALL, Cause::name)).transpose()?,
    })
}

/// The columns of `minute` except `lesson`, in the order of [`read_minute`].
fn minute_columns() -> Vec<String> {
    let fixed = ["number", "at", "state", "live", "people", "coverage", "word", "pace"];
    let metrics = Metric::ALL
        .iter()
        .flat_map(|metric| ["", "_low", "_high"].map(|end| format!("{}{end}", metric.name())));
    fixed.into_iter().map(String::from).chain(metrics).collect()
}

/// Adds a row to the open lesson; does nothing if the lesson was deleted.
fn insert_minute(transaction: &Transaction<'_>, minute: &Minute) -> rusqlite::Result<()> {
    let Some(id) = open_id(transaction)? else { return Ok(()) };
    let columns = minute_columns();
    let placeholders = vec!["?"; columns.len() + 1].join(", ");
    // A restart within a minute repeats the number; the later row replaces the earlier one.
    let sql =
        format!("INSERT OR REPLACE INTO minute (lesson, {}) VALUES ({placeholders})", columns.join(", "));
    let Minute { number, at, state, live, people, coverage, word, pace, metrics } = minute;
    let fixed = params![
        id,
        number,
        at.as_millisecond(),
        state_name(*state),
        live,
        people,
        coverage,
        word.name(),
        pace_name(*pace)
    ];
    let levels = Metric::ALL.iter().flat_map(|metric| {
        let level = metrics.get(*metric);
        [level.map(|level| level.value), level.map(|level| level.low), level.map(|level| level.high)]
    });
    let levels: Vec<Option<f64>> = levels.collect();
    let values = fixed.iter().copied().chain(levels.iter().map(|level| level as &dyn rusqlite::ToSql));
    transaction.prepare(&sql)?.execute(params_from_iter(values)).map(drop)
}

fn read_minute(row: &Row<'_>) -> rusqlite::Result<Minute> {
    let mut metrics = Metrics::default();
    for (index, metric) in Metric::ALL.into_iter().enumerate() {
        let value = |offset: usize| row.get::<_, Option<f64>>(8 + 3 * index + offset);
        let level = value(0)?.zip(value(1)?).zip(value(2)?);
        metrics.set(metric, level.map(|((value, low), high)| Level { value, low, high }));
    }
    Ok(Minute {
        number: row.get(0)?,
        at: time(row, 1)?,
        state: enum_of(row, 2, &STATES, state_name)?,
        live: row.get(3)?,
        people: row.get(4)?,
        coverage: row.get(5)?,
        word: enum_of(row, 6, &WORDS, Word::name)?,
        pace: enum_of(row, 7, &PACES, pace_name)?,
        metrics,
    })
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(column)?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, error.into()))
}

/// The value of `all` whose name is stored in `column`.
fn enum_of<T: Copy>(
    row: &Row<'_>,
    column: usize,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> rusqlite::Result<T> {
    let stored: String = row.get(column)?;
    all.iter().copied().find(|value| name(*value) == stored).ok_or_else(|| {
        let error = format!("unknown value {stored:?}");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
    })
}

const STATES: [State; 5] = [State::Starting, State::Live, State::Stale, State::TooFew, State::Paused];
const WORDS: [Word; 7] =
    [Word::Bright, Word::Attentive, Word::Calm, Word::Restless, Word::Strained, Word::Drowsy, Word::Unsure];
const PACES: [Pace; 4] = [Pace::Fine, Pace::TooFast, Pace::TooSlow, Pace::Unsure];

pub(super) const fn state_name(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Live => "live",
        State::Stale => "stale",
        State::TooFew => "too_few",
        State::Paused => "paused",
    }
}

pub(super) const fn pace_name(pace: Pace) -> &'static str {
    match pace {
        Pace::Fine => "fine",
        Pace::TooFast => "too_fast",
        Pace::TooSlow => "too_slow",
        Pace::Unsure => "unsure",
    }
}
