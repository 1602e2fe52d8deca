//! Places where help may be needed, shown on the page to the teacher only.
//!
//! [`Attention`] does not implement `Serialize`, so that no other output can publish it by mistake. This module is the
//! one place that serializes it, into answers with `Cache-Control: no-store`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;

use super::Shared;
use moodring_contract::attention::{Attention, Column, Place, Row, Sign, Spot};

/// The newest places where help may be needed.
pub type AttentionUpdates = watch::Receiver<Arc<Attention>>;

/// All places; those that have waited longest come first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Spots {
    spots: Vec<SpotEntry>,
}

/// One place: a region by its `row` and `column`, or a seat by how far `across` and `down` it is.
#[derive(Debug, Serialize, JsonSchema)]
struct SpotEntry {
    #[serde(flatten)]
    place: PlaceEntry,
    /// `strained`: expressions stayed strained. `turned_away`: heads stayed turned away.
    sign: &'static str,
    /// For at least this many whole minutes.
    minutes: u32,
}

/// A place, as seen from the camera.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum PlaceEntry {
    /// A third of the class by distance, `back`, `middle` or `front`, and one by side, `left`, `middle` or `right`.
    Region { row: &'static str, column: &'static str },
    /// 0 to 1 each: from the left end of the class, and from its farthest row.
    Seat { across: f32, down: f32 },
}

impl Spots {
    pub(super) fn of(attention: &Attention) -> Self {
        Self { spots: attention.spots.iter().map(spot_entry).collect() }
    }
}

fn spot_entry(spot: &Spot) -> SpotEntry {
    let place = match spot.place {
        Place::Region(row, column) => PlaceEntry::Region {
            row: match row {
                Row::Back => "back",
                Row::Middle => "middle",
                Row::Front => "front",
            },
            column: match column {
                Column::Left => "left",
                Column::Middle => "middle",
                Column::Right => "right",
            },
        },
        Place::Seat { across, down } => PlaceEntry::Seat { across, down },
    };
    let sign = match spot.sign {
        Sign::Strained => "strained",
        Sign::TurnedAway => "turned_away",
    };
    SpotEntry { place, sign, minutes: spot.minutes }
}

/// The places after their next change. Never completes if attention is off or its sender was dropped.
pub(super) async fn next(attention: &mut Option<AttentionUpdates>) -> Spots {
    if let Some(attention) = attention
        && attention.changed().await.is_ok()
    {
        return Spots::of(&attention.borrow_and_update());
    }
    std::future::pending().await
}

/// The current places; 404 if attention is off.
pub(super) async fn newest(State(shared): State<Arc<Shared>>) -> Response {
    match &shared.attention {
        Some(attention) => Json(Spots::of(&attention.borrow())).into_response(),
        None => {
            let error = json!({ "error": "attention_off", "detail": "attention is off (attention.enabled)" });
            (StatusCode::NOT_FOUND, Json(error)).into_response()
        }
    }
}
