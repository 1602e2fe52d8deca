//! Looking through the camera to aim it, and zones drawn on what is seen.
//!
//! All that is shown comes from [`crate::aim::Aim`], which has nothing to give unless a hand at the device asked for it. Zones are only
//! checked and written as TOML here: putting them into the configuration is for others, through [`zone::to_toml`].

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::aim::{NotShown, View};
use crate::config::{Zone, zone};
use crate::control::{Asker, Control};

/// Heads of fewer pixels are found badly (docs/models.md).
const LEAST_HEAD_PX: f32 = 16.0;
/// A viewer's own name is no longer.
const MOST_NAME: usize = 32;

/// What requests are answered from.
struct Aiming {
    control: Control,
    /// The zones of the configuration.
    zones: Vec<Zone>,
}

/// The addresses of the aiming view.
pub(super) fn router(control: Control, zones: Vec<Zone>) -> Router {
    Router::new()
        .route("/api/v1/aim", get(look).delete(end))
        .route("/api/v1/aim/zones", post(zones_as_toml))
        .with_state(Arc::new(Aiming { control, zones }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Viewer {
    /// What the page calls itself, so that it is known again.
    viewer: String,
    /// Number of the last view that it has.
    #[serde(default)]
    after: u64,
}

/// A view as the page gets it. Made by hand, because a view cannot be serialised.
#[derive(Serialize)]
struct Seen<'a> {
    sequence: u64,
    /// For how many more seconds.
    left_s: u64,
    width: u32,
    height: u32,
    /// A grey JPEG in Base64.
    picture: String,
    heads: Vec<Head>,
    least_head_px: f32,
    zones: &'a [Zone],
}

#[derive(Serialize)]
struct Head {
    x: f32,
    y: f32,
    width: f32,
    height: f32,
    face: bool,
    /// Whether it has too few pixels.
    small: bool,
}

impl IntoResponse for NotShown {
    fn into_response(self) -> Response {
        let (status, reason) = match self {
            Self::NotOffered => (StatusCode::FORBIDDEN, "aiming_not_offered"),
            Self::SeenElsewhere => (StatusCode::CONFLICT, "aiming_seen_elsewhere"),
        };
        (status, Json(json!({ "error": reason, "detail": self.to_string() }))).into_response()
    }
}

/// The next view; 204 where none comes for a while.
async fn look(State(aiming): State<Arc<Aiming>>, Query(viewer): Query<Viewer>) -> Response {
    let Viewer { viewer, after } = viewer;
    if viewer.is_empty()
        || viewer.len() > MOST_NAME
        || !viewer.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    }
    match aiming.control.aim().next(&viewer, after).await {
        Ok((Some(view), until)) => Json(seen(&view, until, &aiming.zones)).into_response(),
        Ok((None, _)) => StatusCode::NO_CONTENT.into_response(),
        Err(reason) => reason.into_response(),
    }
}

fn seen<'a>(view: &View, until: Instant, zones: &'a [Zone]) -> Seen<'a> {
    let head = |head: &crate::aim::AimedHead| Head {
        x: head.x,
        y: head.y,
        width: head.width,
        height: head.height,
        face: head.face,
        small: head.px < LEAST_HEAD_PX,
    };
    Seen {
        sequence: view.sequence,
        left_s: until.saturating_duration_since(Instant::now()).as_secs(),
        width: view.frame.0,
        height: view.frame.1,
        picture: BASE64_STANDARD.encode(&view.jpeg),
        heads: view.heads.iter().map(head).collect(),
        least_head_px: LEAST_HEAD_PX,
        zones,
    }
}

/// "Done".
async fn end(State(aiming): State<Arc<Aiming>>) -> StatusCode {
    aiming.control.end_aiming(Asker::Page);
    StatusCode::NO_CONTENT
}

/// Zones as they were drawn.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Drawn {
    zones: Vec<Zone>,
}

/// The zones as they would stand in the configuration, or what is wrong with them.
async fn zones_as_toml(Json(Drawn { zones }): Json<Drawn>) -> Response {
    match zone::to_toml(&zones) {
        Ok(toml) => Json(json!({ "toml": toml })).into_response(),
        Err(fault) => {
            let zone = fault.zone.and_then(|index| zones.get(index)).map(|zone| &zone.name);
            let told = json!({
                "error": fault.reason,
                "detail": format!("{} {}", fault.key, fault.message),
                "zone": zone,
            });
            (StatusCode::UNPROCESSABLE_ENTITY, Json(told)).into_response()
        }
    }
}
