//! Lessons afterwards: the list, reports in three forms, notes, deletion.
//!
//! Its one decision: the store is opened for each request and closed after it, one request at a time, on a thread that may
//! wait for the disk. The recorder has the file too; whoever reads here holds nothing of it.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, put};
use base64::Engine as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::commands::{Fault, Lines, checked};
use crate::mood::lesson::{self, Figure, Report, Store, StoreError};
use crate::mood::{Level, Mode, Word};

/// Lessons that are listed, the newest ones: a month of five a day.
const MOST_LISTED: usize = 100;
/// Letters of a note.
const MOST_NOTE: usize = 2000;

/// The lessons of one device.
#[derive(Debug, Clone)]
pub(in crate::outputs) struct Archive {
    pub(in crate::outputs) directory: PathBuf,
    pub(in crate::outputs) zone: TimeZone,
}

struct Shared {
    archive: Archive,
    /// Held while the store is open.
    turn: Semaphore,
    /// Policy of a report, which names its style.
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

/// A note of one's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    #[schemars(length(max = MOST_NOTE), regex(pattern = r"^[^\u0000-\u0009\u000b-\u001f\u007f-\u009f]*$"))]
    note: String,
}

/// Why a lesson cannot be had.
enum Error {
    Store(StoreError),
    Fault(Fault),
    /// It is named like no lesson.
    Nameless,
    Gone,
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, reason, words) = match self {
            Self::Fault(fault) => return fault.into_response(),
            Self::Nameless => (StatusCode::NOT_FOUND, "unknown_lesson", "a lesson is a number".into()),
            Self::Gone => (StatusCode::SERVICE_UNAVAILABLE, "store", "the device is stopping".into()),
            Self::Store(error @ (StoreError::Unknown { .. } | StoreError::None { .. })) => {
                (StatusCode::NOT_FOUND, "unknown_lesson", error.to_string())
            }
            Self::Store(error @ StoreError::UnderWay { .. }) => {
                (StatusCode::CONFLICT, "lesson_under_way", error.to_string())
            }
            Self::Store(error) => {
                tracing::warn!("the page cannot use the store of lessons: {error}");
                (StatusCode::SERVICE_UNAVAILABLE, "store", "the store of lessons cannot be used".into())
            }
        };
        (status, Json(json!({ "error": reason, "detail": words }))).into_response()
    }
}

impl Shared {
    /// Does `work` with the store on a thread that may wait.
    async fn with<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Archive) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Error> {
        let done = async {
            let _turn = self.turn.acquire().await.ok()?;
            let archive = self.archive.clone();
            tokio::task::spawn_blocking(move || work(&archive)).await.ok()
        };
        done.await.ok_or(Error::Gone)?.map_err(Error::Store)
    }
}

/// The addresses of the lessons in `archive`.
pub(super) fn router(archive: Archive) -> Router {
    let style = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(lesson::REPORT_STYLE));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'");
    let shared = Shared { archive, turn: Semaphore::new(1), policy };
    Router::new()
        .route("/api/v1/lessons", get(list))
        .route("/api/v1/lessons/{lesson}", get(export).delete(delete))
        .route("/api/v1/lessons/{lesson}/note", put(note))
        .with_state(Arc::new(shared))
}

/// The newest lessons, the newest first. Where nothing was recorded yet there are none.
async fn list(State(shared): State<Arc<Shared>>) -> Result<Json<Vec<Entry>>, Error> {
    let entries = shared.with(|archive| {
        let store = match Store::open_to_read(&archive.directory) {
            Err(StoreError::None { .. }) => return Ok(Vec::new()),
            store => store?,
        };
        let mut notes = store.notes()?;
        let newest = store.lessons()?.into_iter().rev().take(MOST_LISTED);
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
        facing: summary.figures.get(Figure::Facing),
        pleasant: summary.pleasant,
        strained: summary.strained,
        note,
    }
}

/// A form in which a lesson can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Json,
    Csv,
}

/// `12.csv` is lesson 12 as a table.
fn parse(file: &str) -> Option<(i64, Form)> {
    let (id, form) = file.split_once('.')?;
    let form = match form {
        "html" => Form::Html,
        "json" => Form::Json,
        "csv" => Form::Csv,
        _ => return None,
    };
    number(id).map(|id| (id, form))
}

fn number(id: &str) -> Option<i64> {
    let digits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| id.parse().ok()).flatten()
}

async fn export(State(shared): State<Arc<Shared>>, Path(file): Path<String>) -> Result<Response, Error> {
    let (id, form) = parse(&file).ok_or(Error::Nameless)?;
    let policy = shared.policy.clone();
    let read = shared.with(move |archive| {
        let report = Report::read(&Store::open_to_read(&archive.directory)?, id)?;
        Ok(match form {
            Form::Html => lesson::html(&report, &archive.zone),
            // A report always can be told in JSON: it has text keys and numbers only.
            Form::Json => serde_json::to_string_pretty(&report).unwrap_or_default() + "\n",
            Form::Csv => lesson::csv(&report.minutes),
        })
    });
    let text = read.await?;
    let attachment = format!("attachment; filename=\"lesson-{file}\"");
    Ok(match form {
        Form::Html => {
            let kind = (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned());
            ([kind, (header::CONTENT_SECURITY_POLICY, policy)], text).into_response()
        }
        Form::Json => {
            let kind = (header::CONTENT_TYPE, "application/json".to_owned());
            ([kind, (header::CONTENT_DISPOSITION, attachment)], text).into_response()
        }
        Form::Csv => {
            let kind = (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned());
            ([kind, (header::CONTENT_DISPOSITION, attachment)], text).into_response()
        }
    })
}

async fn delete(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Result<StatusCode, Error> {
    let id = number(&id).ok_or(Error::Nameless)?;
    let deleted = shared.with(move |archive| {
        // Nothing is made where nothing is.
        drop(Store::open_to_read(&archive.directory)?);
        Store::open(&archive.directory)?.delete(&[id], Timestamp::now())?;
        Ok(lesson::remove_report(&archive.directory, id))
    });
    match deleted.await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => {
            tracing::warn!(lesson = id, "its report cannot be deleted: {error}");
            Ok(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

async fn note(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(Note { note }): Json<Note>,
) -> Result<StatusCode, Error> {
    let id = number(&id).ok_or(Error::Nameless)?;
    let note = checked(&note, MOST_NOTE, Lines::Many).map_err(Error::Fault)?;
    shared
        .with(move |archive| {
            drop(Store::open_to_read(&archive.directory)?);
            Store::open(&archive.directory)?.set_note(id, &note)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_number_and_a_form() {
        assert_eq!(parse("12.csv"), Some((12, Form::Csv)));
        assert_eq!(parse("1.html"), Some((1, Form::Html)));
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
    fn a_report_brings_nothing_that_its_policy_forbids() {
        let style = lesson::REPORT_STYLE;
        assert!(!style.contains("</style") && !style.contains("url(") && !style.contains("@import"));
    }
}
