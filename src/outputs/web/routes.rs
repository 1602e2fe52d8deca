//! What each address that only tells answers: plain functions of the shared state; nothing here changes anything.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Redirect, Response};
use axum::routing::{get, post};
use futures_util::stream;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::access::Access;
use super::commands::Changes;
use super::{Shared, access, attention, guard, metrics, openapi, state_name};
use crate::mood::State as MoodState;
use crate::outputs::{Moods, Situation, display};
use crate::supervisor::EngineState;

/// Pixels of `/display.png` for one pixel of the screen.
const DISPLAY_SCALE: u32 = 6;
/// A comment this often keeps an idle event stream from being taken for dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Everything that is served; `rest` are the files and the commands.
/// On the LAN `access` says who may; by `names` this machine is called.
pub(super) fn router(
    shared: Arc<Shared>,
    rest: Router,
    access: Option<Arc<Access>>,
    names: Arc<guard::Names>,
) -> Router {
    let router = Router::new()
        .route("/api/v1/mood", get(mood))
        .route("/api/v1/trend", get(trend))
        .route("/api/v1/events", get(events))
        .route("/api/v1/attention", get(attention::newest))
        .route("/display.png", get(display_png))
        .route("/api/v1/openapi.json", get(|| async { Json(openapi::document()) }))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics_text))
        .with_state(shared)
        .merge(rest);
    let router = match access {
        Some(access) => {
            let pairing = Router::new()
                .route("/api/v1/pair", post(access::pair))
                .route("/api/v1/unpair", post(access::unpair))
                .with_state(Arc::clone(&access));
            router.merge(pairing).layer(from_fn_with_state(access, access::demand))
        }
        None => router,
    };
    router.layer(DefaultBodyLimit::max(guard::MOST_BODY_BYTES)).layer(from_fn_with_state(names, guard::guard))
}

/// Only setting up: every other page leads there.
pub(super) fn set_up_only(rest: Router, names: Arc<guard::Names>) -> Router {
    let lead = |request: Request, next: Next| async move {
        if matches!(request.uri().path(), "/" | "/lessons" | "/pair") {
            return Redirect::to("/setup").into_response();
        }
        next.run(request).await
    };
    rest.layer(from_fn(lead))
        .layer(DefaultBodyLimit::max(guard::MOST_BODY_BYTES))
        .layer(from_fn_with_state(names, guard::guard))
}

/// The payload; with the status 503 as long as no picture was seen.
async fn mood(State(shared): State<Arc<Shared>>) -> Response {
    let mood = shared.moods.borrow().clone();
    let seen = mood.state != MoodState::Starting;
    let status = if seen { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(&*mood)).into_response()
}

async fn trend(State(shared): State<Arc<Shared>>) -> Response {
    Json(shared.trend.lock().unwrap_or_else(PoisonError::into_inner).points()).into_response()
}

/// Device, places where help may be needed and mood at once, then each when it is new. A slow listener gets the newest, not all.
async fn events(State(shared): State<Arc<Shared>>) -> Response {
    let Ok(permit) = Arc::clone(&shared.listeners).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many listeners; close a page\n").into_response();
    };
    let mut listener = Listener {
        moods: shared.moods.clone(),
        device: shared.control.as_ref().map(Changes::of),
        attention: shared.attention.clone(),
        _permit: permit,
    };
    listener.moods.mark_changed();
    if let Some(attention) = &mut listener.attention {
        attention.mark_changed();
    }
    let stream =
        stream::unfold(listener, |mut listener| async move { Some((listener.next().await?, listener)) });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE)).into_response()
}

/// Somebody who listens to events.
struct Listener {
    moods: Moods,
    device: Option<Changes>,
    attention: Option<attention::Places>,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    /// The next event; none when there will be no more moods.
    async fn next(&mut self) -> Option<Result<Event, axum::Error>> {
        let Self { moods, device, attention: places, .. } = self;
        let changed = async {
            match device {
                Some(device) => device.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            device = changed => Some(Event::default().event("device").json_data(device)),
            spots = attention::next(places) => Some(Event::default().event("attention").json_data(spots)),
            newest = moods.changed() => {
                newest.ok()?;
                let newest = moods.borrow_and_update().clone();
                Some(Event::default().event("mood").json_data(&*newest))
            }
        }
    }
}

async fn display_png(State(shared): State<Arc<Shared>>) -> Response {
    let mood = shared.moods.borrow().clone();
    // A code for pairing is for those who stand before the device.
    let situation = Situation { pairing: None, ..shared.situations.borrow().clone() };
    let pages = display::draw(&mood, &situation, display::Turns::GLANCE, Instant::now());
    match display::small(pages.first()).to_png(DISPLAY_SCALE) {
        Ok(png) => ([(header::CONTENT_TYPE, "image/png")], png).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// 200 as long as the process makes progress, that is, new moods come. A lost camera or broker does not make
/// it 503: restarting this program mends neither, and the notes tell of both.
async fn healthz(State(shared): State<Arc<Shared>>) -> Response {
    let (status, reasons) = progress(&shared, Instant::now());
    let state = shared.moods.borrow().state;
    let mut notes: Vec<String> = shared
        .outputs
        .iter()
        .filter_map(|output| output.problem().map(|problem| format!("{}: {problem}", output.name())))
        .collect();
    notes.extend(shared.known.climate.note().map(|note| format!("board: {note}")));
    if state == MoodState::Stale {
        notes.push("camera: no new picture".to_owned());
    }
    let engine = shared.known.counters.engine.get();
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

/// 200, or 503 with the reasons why the process counts as stuck.
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
    match metrics::text(&mood, &shared.known, &shared.outputs) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
