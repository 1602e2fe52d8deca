//! Routes of recorded lessons: the list, reports in three formats, notes, deletion.
//!
//! The store is opened for each request and closed after it, one request at a time, on a blocking thread. So no request
//! holds a lock on the file, which the recorder uses too.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use base64::Engine as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::commands::Fault;
use crate::endpoints::Endpoints;
use crate::endpoints::RequiredRole;
use moodring_contract::lesson::Metric;
use moodring_contract::{Level, Mode, Word};
use moodring_lessons::{self as lesson, Report, Store, StoreError};

/// Maximum number of listed lessons, the newest ones: a month of five a day.
const MAX_LISTED: usize = 100;
/// Maximum number of characters of a note.
const MAX_NOTE: usize = 2000;

/// The lessons of one device.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Folder of the store.
    pub directory: PathBuf,
    /// Time zone of the reports.
    pub zone: TimeZone,
}

struct Shared {
    archive: Archive,
    /// Held while the store is open.
    one_at_a_time: Semaphore,
    /// Content security policy of a report, with the hash of its style.
    policy: String,
}

/// A lesson in the list.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Entry {
    id: i64,
    title: String,
    mode: Mode,
    #[schemars(with = "String", extend("format" = "date-time"))]
    begun_at: Timestamp,
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    ended_at: Option<Timestamp>,
    length_min: u32,
    people: Option<f64>,
    word: Word,
    facing: Option<Level>,
    pleasant: Option<Level>,
    strained: Option<Level>,
    note: String,
}

/// A teacher's note on a lesson.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    #[schemars(length(max = MAX_NOTE), regex(pattern = r"^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f]*$"))]
    note: String,
}

/// Why a request for a lesson failed.
enum Error {
    Store(StoreError),
    Fault(Fault),
    /// The path contains no number of a lesson.
    NotANumber,
    Stopping,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, reason, detail) = match self {
            Self::Fault(fault) => return fault.into_response(),
            Self::NotANumber => (StatusCode::NOT_FOUND, "unknown_lesson", "a lesson is a number".into()),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "store", "the device is stopping".into()),
            Self::Store(error @ (StoreError::Unknown { .. } | StoreError::None { .. })) => {
                (StatusCode::NOT_FOUND, "unknown_lesson", error.to_string())
            }
            Self::Store(error @ StoreError::InProgress { .. }) => {
                (StatusCode::CONFLICT, "lesson_under_way", error.to_string())
            }
            Self::Store(error) => {
                tracing::warn!("the page cannot use the store of lessons: {error}");
                (StatusCode::SERVICE_UNAVAILABLE, "store", "the store of lessons cannot be used".into())
            }
        };
        (status, Json(json!({ "error": reason, "detail": detail }))).into_response()
    }
}

impl Shared {
    /// Runs `work` on a blocking thread, one at a time.
    async fn with<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Archive) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Error> {
        let done = async {
            let _permit = self.one_at_a_time.acquire().await.ok()?;
            let archive = self.archive.clone();
            tokio::task::spawn_blocking(move || work(&archive)).await.ok()
        };
        done.await.ok_or(Error::Stopping)?.map_err(Error::Store)
    }
}

/// The routes of the lessons in `archive`.
pub(super) fn endpoints(archive: Archive) -> Endpoints {
    let style = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(lesson::REPORT_STYLE));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'");
    let shared = Shared { archive, one_at_a_time: Semaphore::new(1), policy };
    Endpoints::with_state(Arc::new(shared))
        .get("/api/v1/lessons", RequiredRole::Teacher, list)
        .get("/api/v1/lessons/{lesson}", RequiredRole::Teacher, export)
        .delete("/api/v1/lessons/{lesson}", RequiredRole::Administrator, delete)
        .put("/api/v1/lessons/{lesson}/note", RequiredRole::Teacher, note)
        .finish()
}

/// The newest lessons, the newest first; empty before the first recording.
async fn list(State(shared): State<Arc<Shared>>) -> Result<Json<Vec<Entry>>, Error> {
    let entries = shared.with(|archive| {
        let store = match Store::open_to_read(&archive.directory) {
            Err(StoreError::None { .. }) => return Ok(Vec::new()),
            store => store?,
        };
        let mut notes = store.notes()?;
        let newest = store.lessons()?.into_iter().rev().take(MAX_LISTED);
        newest
            .map(|lesson| {
                let note = notes.remove(&lesson.id).unwrap_or_default();
                let minutes = store.minutes(lesson.id)?;
                Ok(entry(Report::of(lesson, minutes, &[]), note))
            })
            .collect()
    });
    entries.await.map(Json)
}

fn entry(report: Report, note: String) -> Entry {
    let Report { lesson, summary, .. } = report;
    Entry {
        id: lesson.id,
        title: lesson.title,
        mode: lesson.mode,
        begun_at: lesson.begun_at,
        ended_at: lesson.ended_at,
        length_min: summary.length_min,
        people: summary.people,
        word: summary.word,
        facing: summary.metrics.get(Metric::Facing),
        pleasant: summary.pleasant,
        strained: summary.strained,
        note,
    }
}

/// Format of an exported lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Html,
    Json,
    Csv,
}

/// Parses a file name: `12.csv` is lesson 12 as CSV.
fn parse(file: &str) -> Option<(i64, Format)> {
    let (id, format) = file.split_once('.')?;
    let format = match format {
        "html" => Format::Html,
        "json" => Format::Json,
        "csv" => Format::Csv,
        _ => return None,
    };
    number(id).map(|id| (id, format))
}

fn number(id: &str) -> Option<i64> {
    let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| id.parse().ok()).flatten()
}

/// How a table is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TableFormat {
    /// `comma`, `semicolon` or `tab`.
    separator: String,
    /// `utc` or `local`.
    time: String,
}

impl TableFormat {
    /// The separator, and whether times are local.
    fn parse(&self) -> Option<(lesson::Separator, bool)> {
        let known = lesson::Separator::ALL.into_iter().find(|separator| separator.name() == self.separator);
        let separator = if self.separator.is_empty() { Some(Default::default()) } else { known };
        let is_local = match self.time.as_str() {
            "" | "utc" => false,
            "local" => true,
            _ => return None,
        };
        Some((separator?, is_local))
    }
}

async fn export(
    State(shared): State<Arc<Shared>>,
    Path(file): Path<String>,
    Query(table): Query<TableFormat>,
) -> Result<Response, Error> {
    let (separator, is_local) = table.parse().ok_or_else(|| {
        Error::Fault(Fault::Invalid("separator is comma, semicolon or tab; time is utc or local".into()))
    })?;
    let (id, format) = parse(&file).ok_or(Error::NotANumber)?;
    let policy = shared.policy.clone();
    let read = shared.with(move |archive| {
        let report = Report::read(&Store::open_to_read(&archive.directory)?, id)?;
        Ok(match format {
            Format::Html => lesson::html(&report, &archive.zone),
            // Serialization cannot fail: a report has string keys and numbers only.
            Format::Json => serde_json::to_string_pretty(&report).unwrap_or_default() + "\n",
            Format::Csv => lesson::csv(&report.minutes, separator, is_local.then_some(&archive.zone)),
        })
    });
    let text = read.await?;
    let attachment = format!("attachment; filename=\"lesson-{file}\"");
    Ok(match format {
        Format::Html => {
            let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned());
            ([kind, (header::CONTENT_SECURITY_POLICY, policy)], text).into_response()
        }
        Format::Json => {
            let kind = (header::CONTENT_TYPE, "application/json".to_owned());
            ([kind, (header::CONTENT_DISPOSITION, attachment)], text).into_response()
        }
        Format::Csv => {
            let kind = (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned());
            ([kind, (header::CONTENT_DISPOSITION, attachment)], text).into_response()
        }
    })
}

async fn delete(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<StatusCode, Error> {
    let id = number(&id).ok_or(Error::NotANumber)?;
    let deleted = shared.with(move |archive| {
        // Opening to read first does not create a store where there is none.
        drop(Store::open_to_read(&archive.directory)?);
        Store::open(&archive.directory)?.delete(&[id], Timestamp::now())?;
        Ok(lesson::remove_report(&archive.directory, id))
    });
    match deleted.await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => {
            tracing::warn!(lesson = id, "the report cannot be deleted: {error}");
            Ok(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

async fn note(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(Note { note }): Json<Note>,
) -> Result<StatusCode, Error> {
    let id = number(&id).ok_or(Error::NotANumber)?;
    let note = checked_note(&note).map_err(Error::Fault)?;
    shared
        .with(move |archive| {
            drop(Store::open_to_read(&archive.directory)?);
            Store::open(&archive.directory)?.set_note(id, &note)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The trimmed note, if it is not too long and has no control characters, which could control a terminal.
fn checked_note(note: &str) -> Result<String, Fault> {
    let note = note.trim();
    if note.chars().count() > MAX_NOTE {
        return Err(Fault::Invalid(format!("note has more than {MAX_NOTE} characters")));
    }
    if note.chars().any(|letter| letter.is_control() && letter != '\n') {
        return Err(Fault::Invalid("note has control characters".into()));
    }
    Ok(note.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_a_number_and_a_format() {
        assert_eq!(parse("12.csv"), Some((12, Format::Csv)));
        assert_eq!(parse("1.html"), Some((1, Format::Html)));
        for wrong in [
            "",
            ".csv",
            "12",
            "12.pdf",
            "-1.csv",
            "+1.json",
            "1.csv.json",
            "../1.csv",
            "99999999999999999999.csv",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_report_complies_with_its_policy() {
        let style = lesson::REPORT_STYLE;
        assert!(!style.contains("</style") && !style.contains("url(") && !style.contains("@import"));
    }
}
