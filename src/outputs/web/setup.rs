//! Setting the device up: what is set, what would change, whether the broker answers, which cameras are there; and saving.
//!
//! For whoever sits at the device or was paired as administrator (see `access`). Checking changes nothing; saving
//! takes the digest of what was shown, so that nobody overwrites what somebody else wrote meanwhile.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Mutex, watch};
use tracing::info;

use crate::camera::v4l2::{self, CameraInfo, Mode};
use crate::config::{Config, ON_THE_PAGE};
use crate::device::DeviceId;
use crate::law;
use crate::outputs::mqtt::attempt;
use crate::reload::Asking;
use crate::setup::{Draft, FieldFault, SetUp, Wishes, difference};

/// Modes of a camera that are shown.
const MOST_MODES: usize = 40;

/// Who makes the device go by what was saved.
#[derive(Debug, Clone)]
pub enum Afterwards {
    /// The running device reads it again.
    Reload(Asking),
    /// Nothing runs yet but this page: it ends, and the start goes on.
    Begin(watch::Sender<bool>),
}

/// What the page is served from.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The files.
    pub setup: SetUp,
    /// What comes after saving.
    pub afterwards: Afterwards,
}

struct Shared {
    desk: Desk,
    /// One draft, one attempt at a broker at a time.
    turn: Mutex<()>,
}

/// The addresses of setting up.
pub(super) fn router(desk: Desk) -> Router {
    Router::new()
        .route("/api/v1/setup", get(current).post(save))
        .route("/api/v1/setup/check", post(check))
        .route("/api/v1/setup/broker", post(broker))
        .route("/api/v1/setup/cameras", get(cameras))
        .with_state(Arc::new(Shared { desk, turn: Mutex::default() }))
}

/// Does the disk's work where it may block.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Response> {
    let failed = |_| (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": "store" }))).into_response();
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

fn wrong(faults: &[FieldFault]) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": "faults", "faults": faults }))).into_response()
}

/// What is set now, by dotted key; of the password only whether there is one.
async fn current(State(shared): State<Arc<Shared>>) -> Result<Response, Response> {
    let setup = shared.desk.setup.clone();
    let found = beside(move || setup.current().and_then(|config| Ok((config, setup.target()?)))).await?;
    let (config, target) =
        found.map_err(|error| wrong(&[FieldFault { key: String::new(), message: error.to_string() }]))?;
    Ok(Json(json!({
        "values": values(&config),
        "password_kept": !config.mqtt.password_file.as_os_str().is_empty(),
        "file": target.display().to_string(),
        "notes": law::notes(&config.purpose),
        "running": matches!(shared.desk.afterwards, Afterwards::Reload(_)),
    }))
    .into_response())
}

fn values(config: &Config) -> serde_json::Map<String, Value> {
    let all = serde_json::to_value(config).unwrap_or_default();
    let keys = ON_THE_PAGE.into_iter().filter(|key| *key != "mqtt.password_file");
    let value = |key: &str| all.pointer(&format!("/{}", key.replace('.', "/"))).cloned().unwrap_or_default();
    keys.map(|key| (key.to_owned(), value(key))).collect()
}

async fn draft(shared: &Shared, wishes: &Wishes) -> Result<Draft, Response> {
    let (setup, wishes) = (shared.desk.setup.clone(), wishes.clone());
    beside(move || setup.draft(&wishes)).await?.map_err(|faults| wrong(&faults))
}

/// What would change, or what stands against it.
async fn check(State(shared): State<Arc<Shared>>, Json(wishes): Json<Wishes>) -> Result<Response, Response> {
    let _turn = shared.turn.lock().await;
    let draft = draft(&shared, &wishes).await?;
    Ok(Json(json!({
        "file": draft.target.display().to_string(),
        "digest": draft.digest(),
        "difference": difference(&draft.before, &draft.after),
        "notes": law::notes(&draft.config.purpose),
    }))
    .into_response())
}

/// Whether the broker lets this device in.
async fn broker(State(shared): State<Arc<Shared>>, Json(wishes): Json<Wishes>) -> Result<Response, Response> {
    let _turn = shared.turn.lock().await;
    // Of what is wished only the broker counts: the rest may not be filled in yet.
    let values = wishes.values.into_iter().filter(|(key, _)| key.starts_with("mqtt."));
    let mut values: std::collections::BTreeMap<_, _> = values.collect();
    values.insert("mood.mode".into(), "occupancy".into());
    let wishes = Wishes { values, ..wishes };
    let config = draft(&shared, &wishes).await?.config;
    let device = DeviceId::in_passing();
    Ok(match attempt::attempt(&config.mqtt, &wishes.password, &device).await {
        Ok(()) => Json(json!({ "reached": true })).into_response(),
        Err((obstacle, detail)) => {
            Json(json!({ "reached": false, "obstacle": obstacle, "detail": detail })).into_response()
        }
    })
}

/// What shall be written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Saving {
    values: std::collections::BTreeMap<String, Value>,
    #[serde(default)]
    password: String,
    /// Of the file that the shown difference starts from.
    digest: String,
}

/// Writes, and has the device go by it.
async fn save(State(shared): State<Arc<Shared>>, Json(saving): Json<Saving>) -> Result<Response, Response> {
    let _turn = shared.turn.lock().await;
    let Saving { values, password, digest } = saving;
    let wishes = Wishes { values, password };
    let draft = draft(&shared, &wishes).await?;
    if draft.digest() != digest {
        return Err((StatusCode::CONFLICT, Json(json!({ "error": "changed_meanwhile" }))).into_response());
    }
    let (setup, file) = (shared.desk.setup.clone(), draft.target.display().to_string());
    if let Err(error) = beside(move || setup.save(&draft, &wishes.password)).await? {
        tracing::warn!(file, %error, "what was set on the page cannot be written");
        let body = json!({ "error": "not_written", "detail": format!("{file}: {error}") });
        return Err((StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response());
    }
    info!(file, "set up on the page");
    let outcome = match &shared.desk.afterwards {
        Afterwards::Begin(saved) => {
            saved.send_replace(true);
            json!({ "begins_anew": true, "taken_over": [], "left": [] })
        }
        Afterwards::Reload(asking) => match asking.ask().await {
            Ok(outcome) => json!({
                "begins_anew": outcome.begins_anew,
                "taken_over": outcome.taken_over,
                "left": outcome.left,
            }),
            Err(faults) => return Err(wrong(&[FieldFault { key: String::new(), message: faults }])),
        },
    };
    Ok(Json(outcome).into_response())
}

/// The cameras that are there, with what of them can be used.
async fn cameras() -> Result<Response, Response> {
    let found = beside(v4l2::list).await?;
    Ok(Json(found.iter().map(described).collect::<Vec<_>>()).into_response())
}

fn described(camera: &CameraInfo) -> Value {
    let usable = camera.modes.iter().filter(|mode| mode.format().is_some()).take(MOST_MODES);
    let mode = |mode: &Mode| {
        json!({
            "width": mode.largest.width,
            "height": mode.largest.height,
            "frames_per_s": mode.frames_per_s,
            "format": mode.fourcc.escape_ascii().to_string(),
        })
    };
    json!({
        "device": camera.stable_names.first().unwrap_or(&camera.path).display().to_string(),
        "path": camera.path.display().to_string(),
        "card": camera.card,
        "modes": usable.map(mode).collect::<Vec<_>>(),
        "fault": camera.fault,
    })
}
