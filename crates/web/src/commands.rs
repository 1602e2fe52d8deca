//! Routes of the commands: pause and resume, begin and end a lesson, dim lights and display, set the sensitivity.
//!
//! Each answers with the status after the command, so that the page shows what has happened and not what was requested.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use jiff::Timestamp;
use moodring_contract::command::{Action, AnyCommand, CommandError, MAX_TITLE_CHARS};
use moodring_contract::{Command, CommandSource, Refusal, Sensitivity, SwitchPosition};
use moodring_runtime::{CommandSender, DeviceStatus, StatusUpdates};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::endpoints::Endpoints;
use crate::endpoints::RequiredRole;

/// The status of the device, for the page's buttons.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Device {
    /// Whether the camera is closed, by command or by the privacy switch.
    paused: bool,
    /// Whether the privacy switch is closed; then resuming is refused.
    switch_closed: bool,
    /// Whether lights and display are dimmed by command.
    dimmed: bool,
    /// How quickly the word follows the class.
    sensitivity: Sensitivity,
    /// Whether aiming is offered to administrators.
    aiming: bool,
    /// Whether lessons are recorded.
    records_lessons: bool,
    /// Whether the room still has the name of the packaged configuration.
    is_new: bool,
    /// The lesson in progress.
    lesson: Option<LessonNow>,
    /// Current problems: name of the part and reason as text.
    problems: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct LessonNow {
    title: String,
    #[schemars(with = "String", extend("format" = "date-time"))]
    begun_at: Timestamp,
}

impl Device {
    /// The status at `now`.
    pub(super) fn of(status: &DeviceStatus, now: Instant) -> Self {
        let lesson = status.lesson.clone();
        Self {
            paused: status.is_paused(),
            switch_closed: status.switch == SwitchPosition::Closed,
            dimmed: status.is_dimmed_at(now),
            sensitivity: status.sensitivity,
            aiming: status.is_preview_offered_at(now),
            records_lessons: status.records_lessons,
            is_new: status.is_new,
            lesson: lesson.map(|lesson| LessonNow { title: lesson.title, begun_at: lesson.begun_at }),
            problems: status
                .problems
                .iter()
                .map(|(part, problem)| ((*part).to_owned(), problem.clone()))
                .collect(),
        }
    }
}

/// Waits for changes of the status that the page shows.
pub(super) struct DeviceUpdates {
    status: StatusUpdates,
    last: Option<Device>,
}

impl DeviceUpdates {
    /// The current status counts as the first change.
    pub(super) fn new(status: StatusUpdates) -> Self {
        Self { status, last: None }
    }

    /// The status after its next change.
    pub(super) async fn next(&mut self) -> Device {
        loop {
            let now = Instant::now();
            let (device, dim_until) = {
                let status = self.status.borrow_and_update();
                (Device::of(&status, now), status.dim_until)
            };
            if self.last.as_ref() != Some(&device) {
                self.last = Some(device.clone());
                return device;
            }
            let dim_ends = async {
                match dim_until.filter(|until| now < *until) {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.status.changed() => if changed.is_err() {
                    std::future::pending::<()>().await;
                },
                () = dim_ends => {}
            }
        }
    }
}

/// Body of `POST /api/v1/pause`: whether to close the camera.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pause {
    paused: bool,
}

/// Body of `POST /api/v1/lesson`: begin or end a lesson.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lesson {
    action: Action,
    #[serde(default)]
    #[schemars(length(max = MAX_TITLE_CHARS), regex(pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$"))]
    title: String,
}

/// Body of `POST /api/v1/night`: whether to dim lights and display.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Night {
    dim: bool,
}

/// Body of `POST /api/v1/sensitivity`: how quickly the word follows the class.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetSensitivity {
    sensitivity: Sensitivity,
}

/// Why a command was not executed.
pub(super) enum Fault {
    /// The device refuses it.
    Refused(Refusal),
    /// The request is invalid.
    Invalid(String),
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let (status, reason, detail) = match self {
            Self::Refused(refusal) => {
                let (status, reason) = match refusal {
                    Refusal::SwitchClosed => (StatusCode::CONFLICT, "switch_closed"),
                    Refusal::NoLessons => (StatusCode::CONFLICT, "no_lessons"),
                    Refusal::PreviewDisabled => (StatusCode::CONFLICT, "no_aiming"),
                    Refusal::Paused => (StatusCode::CONFLICT, "paused"),
                    Refusal::NoPairing => (StatusCode::CONFLICT, "no_pairing"),
                    Refusal::NoRandomNumbers => (StatusCode::SERVICE_UNAVAILABLE, "no_random_numbers"),
                    Refusal::NotStored => (StatusCode::INSUFFICIENT_STORAGE, "not_stored"),
                    Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
                    Refusal::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
                };
                (status, reason, refusal.to_string())
            }
            Self::Invalid(detail) => (StatusCode::UNPROCESSABLE_ENTITY, "wrong", detail),
        };
        (status, Json(json!({ "error": reason, "detail": detail }))).into_response()
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<CommandError> for Fault {
    fn from(error: CommandError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// State of the command routes.
#[derive(Clone)]
pub(super) struct Controls {
    pub(super) commands: CommandSender,
    pub(super) status: StatusUpdates,
}

impl Controls {
    fn now(&self) -> Json<Device> {
        Json(Device::of(&self.status.borrow(), Instant::now()))
    }

    async fn execute(&self, command: Command) -> Result<Json<Device>, Fault> {
        self.commands.execute(command, CommandSource::Page).await?;
        Ok(self.now())
    }
}

/// The routes of the commands.
pub(super) fn endpoints(controls: Controls) -> Endpoints {
    Endpoints::with_state(Arc::new(controls))
        .get("/api/v1/device", RequiredRole::Reader, device)
        .post("/api/v1/pause", RequiredRole::Teacher, pause)
        .post("/api/v1/lesson", RequiredRole::Teacher, lesson)
        .post("/api/v1/night", RequiredRole::Teacher, night)
        .post("/api/v1/sensitivity", RequiredRole::Teacher, sensitivity)
        .finish()
}

async fn device(State(controls): State<Arc<Controls>>) -> Json<Device> {
    controls.now()
}

async fn pause(
    State(controls): State<Arc<Controls>>,
    Json(Pause { paused }): Json<Pause>,
) -> Result<Json<Device>, Fault> {
    controls.execute(if paused { Command::Pause } else { Command::Resume }).await
}

/// Answers with 202, because the recorder executes the command later; the event `device` shows the result.
async fn lesson(
    State(controls): State<Arc<Controls>>,
    Json(Lesson { action, title }): Json<Lesson>,
) -> Result<(StatusCode, Json<Device>), Fault> {
    let lesson = AnyCommand::Lesson(moodring_contract::command::Lesson { action, title, id: None });
    Ok((StatusCode::ACCEPTED, controls.execute(lesson.try_into()?).await?))
}

async fn night(
    State(controls): State<Arc<Controls>>,
    Json(Night { dim }): Json<Night>,
) -> Result<Json<Device>, Fault> {
    controls.execute(Command::Dim(dim)).await
}

async fn sensitivity(
    State(controls): State<Arc<Controls>>,
    Json(SetSensitivity { sensitivity }): Json<SetSensitivity>,
) -> Result<Json<Device>, Fault> {
    controls.execute(Command::SetSensitivity(sensitivity)).await
}
