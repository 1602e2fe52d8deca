//! Handlers of the read-only routes, and the router that all routes end up in. Nothing here changes the device.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Redirect, Response};
use axum::{Extension, Router};
use futures_util::stream;
use serde_json::json;

use super::access::{Access, RoleCheck, Session};
use super::commands::DeviceUpdates;
use super::connections::Peer;
use super::endpoints::Endpoints;
use super::listeners::Listening;
use super::local_account::Account;
use super::{Shared, access, attention, guard, metrics, openapi, state_name};
use crate::endpoints::RequiredRole;
use moodring_contract::State as MoodState;
use moodring_runtime::EngineState;
use moodring_runtime::Moods;

/// Interval of the comments that keep an idle event stream open.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Read-only routes: mood, trend, events, attention, display, health and metrics.
pub(super) fn endpoints(shared: Arc<Shared>) -> Endpoints {
    use RequiredRole::{MetricsReader, Reader, Teacher};
    Endpoints::with_state(shared)
        .get("/api/v1/mood", Reader, mood)
        .get("/api/v1/trend", Reader, trend)
        .get("/api/v1/events", Reader, events)
        .get("/api/v1/attention", Teacher, attention::newest)
        .get("/display.png", Reader, display_png)
        .get("/api/v1/openapi.json", Reader, || async {
            ([(header::CONTENT_TYPE, "application/json")], openapi::text())
        })
        .get("/healthz", MetricsReader, healthz)
        .get("/metrics", MetricsReader, metrics_text)
        .finish()
}

/// Router of `endpoints`. In the LAN `access` checks the role of each request, on loopback the account of its client is
/// checked; `names` are the accepted values of `Host`.
pub(super) fn router(endpoints: Endpoints, access: Option<Arc<Access>>, names: Arc<guard::Names>) -> Router {
    let router = match access {
        Some(access) => {
            let (router, roles) = endpoints.merge(access::endpoints(Arc::clone(&access))).into_parts();
            router.layer(from_fn_with_state(Arc::new(RoleCheck { access, roles }), access::require_role))
        }
        None => for_accounts(endpoints),
    };
    router.layer(DefaultBodyLimit::max(guard::MAX_BODY_BYTES)).layer(from_fn_with_state(names, guard::guard))
}

/// Router on loopback, which checks the account of each client.
fn for_accounts(endpoints: Endpoints) -> Router {
    let (router, roles) = endpoints.into_parts();
    router.layer(from_fn_with_state(Arc::new(roles), guard::require_account))
}

/// Router of a device without a configuration: every other page redirects to the set-up page.
pub(super) fn set_up_only(endpoints: Endpoints, names: Arc<guard::Names>) -> Router {
    let redirect = |request: Request, next: Next| async move {
        if matches!(request.uri().path(), "/" | "/lessons" | "/pair") {
            return Redirect::to("setup").into_response();
        }
        next.run(request).await
    };
    for_accounts(endpoints)
        .layer(from_fn(redirect))
        .layer(DefaultBodyLimit::max(guard::MAX_BODY_BYTES))
        .layer(from_fn_with_state(names, guard::guard))
}

/// The mood payload; with status 503 before the first picture.
async fn mood(State(shared): State<Arc<Shared>>) -> Response {
    let mood = shared.moods.borrow().clone();
    let has_picture = mood.state != MoodState::Starting;
    let status = if has_picture { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(&*mood)).into_response()
}

async fn trend(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.trend.lock().unwrap_or_else(PoisonError::into_inner).points()).into_response()
}

/// Sends device, attention and mood at once, then each after a change. A slow listener skips to the newest values.
async fn events(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    session: Option<Extension<Session>>,
) -> Response {
    // Where help may be needed is not part of the mood, which every account of this machine may read.
    let has_attention = session.is_some() || peer.account == Account::Trusted;
    let Some(listening) = shared.listeners.add(session.map(|Extension(session)| session.id)) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many listeners; close a page\n").into_response();
    };
    let mut listener = Listener {
        moods: shared.moods.clone(),
        device: shared.has_controls.then(|| DeviceUpdates::new(shared.updates.clone())),
        attention: shared.attention.clone().filter(|_| has_attention),
        _listening: listening,
    };
    listener.moods.mark_changed();
    if let Some(attention) = &mut listener.attention {
        attention.mark_changed();
    }
    let stream =
        stream::unfold(listener, |mut listener| async move { Some((listener.next().await?, listener)) });
    let stream = Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_EVERY));
    // nginx would collect events until its buffer is full.
    ([("x-accel-buffering", "no")], stream).into_response()
}

/// One open event stream.
struct Listener {
    moods: Moods,
    device: Option<DeviceUpdates>,
    attention: Option<attention::AttentionUpdates>,
    _listening: Listening,
}

impl Listener {
    /// The next event; `None` after the sender of moods was dropped.
    async fn next(&mut self) -> Option<Result<Event, axum::Error>> {
        let Self { moods, device, attention, .. } = self;
        let changed = async {
            match device {
                Some(device) => device.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            device = changed => Some(Event::default().event("device").json_data(device)),
            spots = attention::next(attention) => Some(Event::default().event("attention").json_data(spots)),
            newest = moods.changed() => {
                newest.ok()?;
                let newest = moods.borrow_and_update().clone();
                Some(Event::default().event("mood").json_data(&*newest))
            }
        }
    }
}

async fn display_png(State(shared): State<Arc<Shared>>) -> Response {
    let Some(draw) = &shared.display_image else { return StatusCode::NOT_FOUND.into_response() };
    let (mood, status) = (shared.moods.borrow().clone(), shared.updates.borrow().clone());
    match draw(&mood, &status) {
        Ok(png) => ([(header::CONTENT_TYPE, "image/png")], png).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
    }
}

/// 200 while the process makes progress, that is, while new moods come. A lost camera or broker does not cause 503,
/// because a restart of this program repairs neither; both appear in `notes`.
async fn healthz(State(shared): State<Arc<Shared>>) -> Response {
    let (status, reasons) = progress(&shared, Instant::now());
    let state = shared.moods.borrow().state;
    let mut notes: Vec<String> = shared
        .outputs
        .iter()
        .filter_map(|output| output.problem().map(|problem| format!("{}: {problem}", output.name())))
        .collect();
    // The parts that are no outputs, such as the camera and the stored files.
    let is_output = |part: &str| shared.outputs.iter().any(|output| output.name() == part);
    let problems = shared.updates.borrow().problems.clone();
    let others = problems.into_iter().filter(|(part, _)| !is_output(part));
    notes.extend(others.map(|(part, problem)| format!("{part}: {problem}")));
    notes.extend(shared.telemetry.thermal.note().map(|note| format!("board: {note}")));
    if state == MoodState::Stale {
        notes.push("camera: no new picture".to_owned());
    }
    let engine = shared.telemetry.counters.engine.get();
    if let Some(problem) = engine.as_ref().and_then(|engine| engine.problem.as_deref()) {
        notes.push(format!("engine: {problem}; the processor runs the networks"));
    }
    let body = json!({
        "status": if reasons.is_empty() { "ok" } else { "stuck" },
        "state": state_name(state),
        "reasons": reasons,
        "notes": notes,
        "engine": engine.map(|EngineState { delegate, nodes, delegated, problem }| json!({
            "delegate": delegate,
            "nodes": nodes,
            "delegated": delegated,
            "problem": problem,
        })),
    });
    (status, Json(body)).into_response()
}

/// Status 200, or 503 with the reasons why the process counts as stuck.
pub(super) fn progress(shared: &Shared, now: Instant) -> (StatusCode, Vec<String>) {
    let newest = *shared.progress.lock().unwrap_or_else(PoisonError::into_inner);
    let age = now.saturating_duration_since(newest);
    if age > shared.stuck_after {
        (StatusCode::SERVICE_UNAVAILABLE, vec![format!("no new mood for {:.0} s", age.as_secs_f64())])
    } else {
        (StatusCode::OK, Vec::new())
    }
}

async fn metrics_text(State(shared): State<Arc<Shared>>) -> Response {
    let mood = shared.moods.borrow().clone();
    match metrics::text(&mood, &shared.telemetry, &shared.outputs) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
