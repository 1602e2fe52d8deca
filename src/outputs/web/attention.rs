//! Where help may be needed, for the eyes of who stands before the class.
//!
//! Its one decision: [`Attention`] cannot be serialised, so that nothing takes it out of the device by mistake. The page is the
//! one place that shows it, so this is the one place that writes it down, into answers that nobody may store.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;

use super::Shared;
use crate::mood::Attention;
use crate::mood::attention::{Column, Place, Row, Sign, Spot};

/// Where the places come from.
pub(super) type Places = watch::Receiver<Arc<Attention>>;

/// Every place, those first that have waited longest.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Spots {
    spots: Vec<Told>,
}

/// One place: a region by its `row` and `column`, or a seat by how far `across` and `down` it is.
#[derive(Debug, Serialize, JsonSchema)]
struct Told {
    #[serde(flatten)]
    place: Where,
    /// `strained`: expressions stayed strained. `turned_away`: heads stayed turned away.
    sign: &'static str,
    /// For so many whole minutes at least.
    minutes: u32,
}

/// As seen from the camera.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Where {
    /// A third of the class by distance, `back`, `middle` or `front`, and one by side, `left`, `middle` or `right`.
    Region { row: &'static str, column: &'static str },
    /// 0 to 1 each: from the left end of the class, and from its farthest row.
    Seat { across: f32, down: f32 },
}

impl Spots {
    pub(super) fn of(attention: &Attention) -> Self {
        Self { spots: attention.spots().iter().map(told).collect() }
    }
}

fn told(spot: &Spot) -> Told {
    let place = match spot.place {
        Place::Region(row, column) => Where::Region {
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
        Place::Seat { across, down } => Where::Seat { across, down },
    };
    let sign = match spot.sign {
        Sign::Strained => "strained",
        Sign::TurnedAway => "turned_away",
    };
    Told { place, sign, minutes: spot.minutes }
}

/// The places when they change next; not before the end of days where nobody looks for them, or any more.
pub(super) async fn next(places: &mut Option<Places>) -> Spots {
    if let Some(places) = places
        && places.changed().await.is_ok()
    {
        return Spots::of(&places.borrow_and_update());
    }
    std::future::pending().await
}

/// The places as they are now; 404 where nobody looks for them.
pub(super) async fn newest(State(shared): State<Arc<Shared>>) -> Response {
    match &shared.attention {
        Some(attention) => Json(Spots::of(&attention.borrow())).into_response(),
        None => {
            let told = json!({ "error": "attention_off", "detail": "this is not looked for here (attention.enabled)" });
            (StatusCode::NOT_FOUND, Json(told)).into_response()
        }
    }
}
