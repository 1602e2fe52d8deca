//! Routes of the set-up page, for administrators: requests to the daemon's set-up service, and the form of its answers.
//!
//! A save request carries the digest of the file that was shown, so that it cannot overwrite a change made meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use moodring_runtime::{Requester, Requests};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::endpoints::Endpoints;
use crate::endpoints::RequiredRole;

/// Maximum number of waiting requests; one is answered at a time.
const MAX_WAITING: usize = 4;

/// The form of the page, as it was filled in.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupForm {
    /// Values by dotted key.
    pub values: BTreeMap<String, Value>,
    /// The broker's password, if it was typed; empty keeps the stored one.
    #[serde(default)]
    pub password: String,
}

/// A request to write the form into the configuration file.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveRequest {
    /// Values by dotted key.
    pub values: BTreeMap<String, Value>,
    /// As in [`SetupForm`].
    #[serde(default)]
    pub password: String,
    /// Digest of the file that the shown difference is based on.
    pub digest: String,
}

/// A request of the page to the set-up service.
#[derive(Debug, Clone, PartialEq)]
pub enum SetupRequest {
    /// The current settings.
    Current,
    /// Check the form and show what would change.
    Check(SetupForm),
    /// Try to connect to the broker of the form.
    TryBroker(SetupForm),
    /// Write the form and apply it.
    Save(SaveRequest),
    /// List the cameras.
    Cameras,
}

/// A fault of one field of a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldFault {
    /// Dotted key; empty if the fault concerns no single field.
    pub key: String,
    /// What is wrong and how to correct it.
    pub message: String,
}

/// Why a set-up request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetupError {
    /// The form has these faults.
    Faults(Vec<FieldFault>),
    /// The file has changed since it was shown.
    ChangedMeanwhile,
    /// The file cannot be written, with the reason.
    NotWritten(String),
}

/// Answer of the set-up service: a JSON document for the page.
pub type SetupAnswer = Result<Value, SetupError>;
/// Where set-up requests arrive.
pub type SetupRequests = Requests<SetupRequest, SetupAnswer>;

/// Sends requests to the set-up service. Clones share the queue.
#[derive(Debug, Clone)]
pub struct SetupService(Requester<SetupRequest, SetupAnswer>);

impl SetupService {
    /// The sending side, and the queue in which the requests arrive.
    pub fn channel() -> (Self, SetupRequests) {
        let (requester, requests) = Requester::channel(MAX_WAITING);
        (Self(requester), requests)
    }

    async fn answer(&self, request: SetupRequest) -> Response {
        match self.0.ask(request).await {
            Ok(Ok(document)) => Json(document).into_response(),
            Ok(Err(error)) => error.into_response(),
            Err(unanswered) => {
                let body = json!({ "error": "busy", "detail": unanswered.to_string() });
                (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
            }
        }
    }
}

impl IntoResponse for SetupError {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Self::Faults(faults) => {
                (StatusCode::UNPROCESSABLE_ENTITY, json!({ "error": "faults", "faults": faults }))
            }
            Self::ChangedMeanwhile => (StatusCode::CONFLICT, json!({ "error": "changed_meanwhile" })),
            Self::NotWritten(detail) => {
                (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": "not_written", "detail": detail }))
            }
        };
        (status, Json(body)).into_response()
    }
}

/// The routes of the set-up page.
pub(crate) fn endpoints(service: SetupService) -> Endpoints {
    Endpoints::with_state(Arc::new(service))
        .get("/api/v1/setup", RequiredRole::Administrator, current)
        .post("/api/v1/setup", RequiredRole::Administrator, save)
        .post("/api/v1/setup/check", RequiredRole::Administrator, check)
        .post("/api/v1/setup/broker", RequiredRole::Administrator, broker)
        .get("/api/v1/setup/cameras", RequiredRole::Administrator, cameras)
        .finish()
}

async fn current(State(service): State<Arc<SetupService>>) -> Response {
    service.answer(SetupRequest::Current).await
}

async fn check(State(service): State<Arc<SetupService>>, Json(form): Json<SetupForm>) -> Response {
    service.answer(SetupRequest::Check(form)).await
}

async fn broker(State(service): State<Arc<SetupService>>, Json(form): Json<SetupForm>) -> Response {
    service.answer(SetupRequest::TryBroker(form)).await
}

async fn save(State(service): State<Arc<SetupService>>, Json(request): Json<SaveRequest>) -> Response {
    service.answer(SetupRequest::Save(request)).await
}

async fn cameras(State(service): State<Arc<SetupService>>) -> Response {
    service.answer(SetupRequest::Cameras).await
}
