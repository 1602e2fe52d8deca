//! Routes of the camera preview, for aiming, and of the zone editor.
//!
//! All pictures come from [`CameraPreview`], which is empty unless somebody at the device has offered aiming. Zones are
//! only checked and converted to TOML here ([`zone::to_toml`]); the administrator copies them into the configuration.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::commands::Fault;
use crate::endpoints::Endpoints;
use crate::endpoints::RequiredRole;
use moodring_config::{Zone, zone};
use moodring_contract::{Command, CommandSource};
use moodring_runtime::{CameraPreview, CommandSender, PreviewHead, PreviewImage, PreviewRefusal};

/// Minimum size of a head, in pixels of its longer side; smaller ones are detected badly (docs/models.md).
const MIN_HEAD_PX: f32 = 16.0;
/// Maximum length of a viewer's name.
const MAX_NAME: usize = 32;

/// State of the preview routes.
struct PreviewState {
    preview: CameraPreview,
    commands: CommandSender,
    /// The configured zones.
    zones: Vec<Zone>,
}

/// The routes of the preview.
pub(super) fn endpoints(preview: CameraPreview, commands: CommandSender, zones: Vec<Zone>) -> Endpoints {
    Endpoints::with_state(Arc::new(PreviewState { preview, commands, zones }))
        .get("/api/v1/aim", RequiredRole::Administrator, next_preview)
        .delete("/api/v1/aim", RequiredRole::Administrator, end)
        .post("/api/v1/aim/zones", RequiredRole::Administrator, zones_as_toml)
        .finish()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Viewer {
    /// Name that the page has chosen for itself, by which its next request is recognised.
    viewer: String,
    /// Number of the last preview that it has received.
    #[serde(default)]
    after: u64,
}

/// A preview, as the page receives it. A type of its own, because [`PreviewImage`] is not serializable.
#[derive(Serialize)]
struct PreviewBody<'a> {
    sequence: u64,
    /// Seconds until aiming ends.
    left_s: u64,
    width: u32,
    height: u32,
    /// A grey JPEG, in Base64.
    picture: String,
    heads: Vec<Head>,
    min_head_px: f32,
    zones: &'a [Zone],
}

#[derive(Serialize)]
struct Head {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
    face: bool,
    /// Whether it is too small to be detected well.
    small: bool,
}

fn refused(reason: PreviewRefusal) -> Response {
    let (status, error) = match reason {
        PreviewRefusal::NotOffered => (StatusCode::FORBIDDEN, "aiming_not_offered"),
        PreviewRefusal::OtherViewer => (StatusCode::CONFLICT, "aiming_other_viewer"),
    };
    (status, Json(json!({ "error": error, "detail": reason.to_string() }))).into_response()
}

/// The next preview; 204 if none comes within a few seconds.
async fn next_preview(State(state): State<Arc<PreviewState>>, Query(viewer): Query<Viewer>) -> Response {
    let Viewer { viewer, after } = viewer;
    if viewer.is_empty()
        || viewer.len() > MAX_NAME
        || !viewer.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    match state.preview.next(&viewer, after).await {
        Ok((Some(image), until)) => Json(preview_body(&image, until, &state.zones)).into_response(),
        Ok((None, _)) => StatusCode::NO_CONTENT.into_response(),
        Err(reason) => refused(reason),
    }
}

fn preview_body<'a>(image: &PreviewImage, until: Instant, zones: &'a [Zone]) -> PreviewBody<'a> {
    let head = |head: &PreviewHead| Head {
        x: head.x,
        y: head.y,
        width: head.width,
        height: head.height,
        face: head.face,
        small: head.px < MIN_HEAD_PX,
    };
    PreviewBody {
        sequence: image.sequence,
        left_s: until.saturating_duration_since(Instant::now()).as_secs(),
        width: image.frame.0,
        height: image.frame.1,
        picture: BASE64_STANDARD.encode(&image.jpeg),
        heads: image.heads.iter().map(head).collect(),
        min_head_px: MIN_HEAD_PX,
        zones,
    }
}

/// Ends state.
async fn end(State(state): State<Arc<PreviewState>>) -> Result<StatusCode, Fault> {
    state.commands.execute(Command::EndPreview, CommandSource::Page).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Zones, as they were drawn on the page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DrawnZones {
    zones: Vec<Zone>,
}

/// The zones as TOML for the configuration, or 422 with their first fault.
async fn zones_as_toml(Json(DrawnZones { zones }): Json<DrawnZones>) -> Response {
    match zone::to_toml(&zones) {
        Ok(toml) => Json(json!({ "toml": toml })).into_response(),
        Err(fault) => {
            let zone = fault.zone.and_then(|index| zones.get(index)).map(|zone| &zone.name);
            let error = json!({
                "error": fault.reason,
                "detail": format!("{} {}", fault.key, fault.message),
                "zone": zone,
            });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(error)).into_response()
        }
    }
}
