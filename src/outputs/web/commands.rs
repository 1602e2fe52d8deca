//! What can be asked for on the page: pause and resume, begin and end a lesson, dim lights and display, let the word
//! follow sooner or later.
//!
//! Each answers with the device as it is then, so that a page never shows what it only wished for.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;

use crate::aim;
use crate::control::{Asker, Control, DIM_FOR, Refused, SwitchPosition};
use crate::mood::{Sensitivity, lesson};

/// Letters of a lesson's title.
const MOST_TITLE: usize = 100;

/// How the device is, for the page's buttons.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Device {
    /// Whether the camera is closed, for whatever reason.
    paused: bool,
    /// Whether the privacy switch is closed, so that nobody can resume.
    switch_closed: bool,
    /// Whether lights and display were dimmed by hand.
    dimmed: bool,
    /// How soon the word follows the class.
    sensitivity: Sensitivity,
    /// Whether an administrator may look through the camera now.
    aiming: bool,
    /// Whether lessons are recorded.
    records_lessons: bool,
    /// Whether nobody has said yet where it hangs.
    is_new: bool,
    /// The lesson that is under way.
    lesson: Option<LessonNow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct LessonNow {
    title: String,
    #[schemars(with = "String", extend("format" = "date-time"))]
    begun_at: Timestamp,
}

impl Device {
    /// The device as it is at `now`.
    pub(super) fn of(control: &Control, now: Instant) -> Self {
        let lesson = control.lesson_now().borrow().clone();
        Self {
            paused: *control.paused().borrow(),
            switch_closed: control.switch() == SwitchPosition::Closed,
            dimmed: control.dimmed().borrow().is_some_and(|until| now < until),
            sensitivity: *control.sensitivity().borrow(),
            aiming: control.aim().until(now).is_some(),
            records_lessons: control.records_lessons(),
            is_new: control.is_new(),
            lesson: lesson.map(|lesson::UnderWay { title, begun_at }| LessonNow { title, begun_at }),
        }
    }
}

/// Hears of every change of the device.
pub(super) struct Changes {
    control: Control,
    paused: watch::Receiver<bool>,
    dimmed: watch::Receiver<Option<Instant>>,
    sensitivity: watch::Receiver<Sensitivity>,
    lesson: watch::Receiver<Option<lesson::UnderWay>>,
    aiming: aim::Changes,
}

impl Changes {
    /// The device as it is counts as the first change.
    pub(super) fn of(control: &Control) -> Self {
        let mut paused = control.paused();
        paused.mark_changed();
        Self {
            control: control.clone(),
            paused,
            dimmed: control.dimmed(),
            sensitivity: control.sensitivity(),
            lesson: control.lesson_now().subscribe(),
            aiming: control.aim().changes(),
        }
    }

    /// The device after its next change.
    pub(super) async fn next(&mut self) -> Device {
        let until = *self.dimmed.borrow();
        let night_ends = async {
            match until.filter(|until| Instant::now() < *until) {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        // `control` holds the other ends, so these never end.
        tokio::select! {
            _ = self.paused.changed() => {}
            _ = self.dimmed.changed() => {}
            _ = self.sensitivity.changed() => {}
            _ = self.lesson.changed() => {}
            _ = self.aiming.next() => {}
            () = night_ends => {}
        }
        Device::of(&self.control, Instant::now())
    }
}

/// Whether the camera shall be closed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pause {
    paused: bool,
}

/// A lesson that shall begin or end.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lesson {
    action: Action,
    #[serde(default)]
    #[schemars(length(max = MOST_TITLE), regex(pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$"))]
    title: String,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Action {
    Begin,
    End,
}

/// Whether lights and display shall be dim.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Night {
    dim: bool,
}

/// How soon the word shall follow the class.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Follow {
    sensitivity: Sensitivity,
}

/// Why a command is not carried out.
pub(super) enum Fault {
    /// The device says no.
    Refused(Refused),
    /// It makes no sense.
    Wrong(String),
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, reason, words) = match self {
            Self::Refused(refused) => {
                let (status, reason) = match refused {
                    Refused::SwitchClosed => (StatusCode::CONFLICT, "switch_closed"),
                    Refused::NoLessons => (StatusCode::CONFLICT, "no_lessons"),
                    Refused::NoAiming => (StatusCode::CONFLICT, "no_aiming"),
                    Refused::Paused => (StatusCode::CONFLICT, "paused"),
                    Refused::NoPairing => (StatusCode::CONFLICT, "no_pairing"),
                    Refused::NoRandomNumbers => (StatusCode::SERVICE_UNAVAILABLE, "no_random_numbers"),
                    Refused::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
                };
                (status, reason, refused.to_string())
            }
            Self::Wrong(words) => (StatusCode::UNPROCESSABLE_ENTITY, "wrong", words),
        };
        (status, Json(json!({ "error": reason, "detail": words }))).into_response()
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// The addresses of the commands.
pub(super) fn router(control: Control) -> Router {
    Router::new()
        .route("/api/v1/device", get(device))
        .route("/api/v1/pause", post(pause))
        .route("/api/v1/lesson", post(lesson))
        .route("/api/v1/night", post(night))
        .route("/api/v1/sensitivity", post(sensitivity))
        .with_state(Arc::new(control))
}

fn now(control: &Control) -> Json<Device> {
    Json(Device::of(control, Instant::now()))
}

async fn device(State(control): State<Arc<Control>>) -> Json<Device> {
    now(&control)
}

async fn pause(
    State(control): State<Arc<Control>>,
    Json(Pause { paused }): Json<Pause>,
) -> Result<Json<Device>, Fault> {
    if paused {
        control.pause(Asker::Page);
    } else {
        control.resume(Asker::Page)?;
    }
    Ok(now(&control))
}

/// The recorder takes the command up in a moment; the event `device` tells when it has.
async fn lesson(
    State(control): State<Arc<Control>>,
    Json(Lesson { action, title }): Json<Lesson>,
) -> Result<(StatusCode, Json<Device>), Fault> {
    let title = checked(&title, MOST_TITLE, Lines::One)?;
    let command = match action {
        Action::Begin => lesson::Command::Begin { title },
        Action::End => lesson::Command::End,
    };
    control.lesson(command, Asker::Page)?;
    Ok((StatusCode::ACCEPTED, now(&control)))
}

async fn night(
    State(control): State<Arc<Control>>,
    Json(Night { dim }): Json<Night>,
) -> Result<Json<Device>, Fault> {
    control.dim(dim.then(|| Instant::now() + DIM_FOR), Asker::Page);
    Ok(now(&control))
}

async fn sensitivity(
    State(control): State<Arc<Control>>,
    Json(Follow { sensitivity }): Json<Follow>,
) -> Json<Device> {
    control.set_sensitivity(sensitivity, Asker::Page);
    now(&control)
}

/// How many lines a text may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    One,
    Many,
}

/// `text` as it is kept, if it has at most `most` letters and nothing that could steer a terminal.
pub(super) fn checked(text: &str, most: usize, lines: Lines) -> Result<String, Fault> {
    let text = text.trim();
    if text.chars().count() > most {
        return Err(Fault::Wrong(format!("has more than {most} letters")));
    }
    let fits = |letter: char| !letter.is_control() || (lines == Lines::Many && letter == '\n');
    if !text.chars().all(fits) {
        return Err(Fault::Wrong("has letters that cannot be printed".into()));
    }
    Ok(text.to_owned())
}
