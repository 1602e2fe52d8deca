//! Moods made by hand, one for each state, for tests and for the pictures in docs/.

use crate::mood::{Mode, Mood, Pace, SCHEMA, Share, Shares, State, Word};
use crate::vision::Expression;

fn share(share: f64, half_width: f64) -> Share {
    Share { share, low: (share - half_width).max(0.0), high: (share + half_width).min(1.0) }
}

/// A class of 28, mostly attentive.
pub(crate) fn live() -> Mood {
    Mood {
        schema: SCHEMA,
        site: "school".into(),
        room: "room-1".into(),
        sequence: 1234,
        at: "2026-11-20T09:41:05.250Z".parse().unwrap(),
        state: State::Live,
        mode: Mode::Mood,
        window_s: 60.0,
        picture_age_s: Some(0.4),
        people: Some(28),
        facing: Some(share(0.82, 0.09)),
        expressions: Some(Shares {
            angry: share(0.03, 0.03),
            disgust: share(0.01, 0.01),
            fear: share(0.02, 0.02),
            happy: share(0.24, 0.08),
            sad: share(0.05, 0.04),
            surprise: share(0.06, 0.05),
            neutral: share(0.59, 0.1),
        }),
        dominant: Some(Expression::Neutral),
        coverage: Some(0.79),
        word: Word::Attentive,
        pace: Pace::Fine,
    }
}

/// The same class, a while after the camera was lost.
pub(crate) fn stale() -> Mood {
    Mood { state: State::Stale, picture_age_s: Some(47.0), word: Word::Unsure, pace: Pace::Unsure, ..live() }
}

fn without_figures(state: State) -> Mood {
    Mood {
        state,
        people: None,
        facing: None,
        expressions: None,
        dominant: None,
        coverage: None,
        word: Word::Unsure,
        pace: Pace::Unsure,
        ..live()
    }
}

/// Three people stayed behind.
pub(crate) fn too_few() -> Mood {
    without_figures(State::TooFew)
}

/// Switched off by hand.
pub(crate) fn paused() -> Mood {
    without_figures(State::Paused)
}

/// Just switched on.
pub(crate) fn starting() -> Mood {
    Mood { picture_age_s: None, ..without_figures(State::Starting) }
}

/// A room in which expressions are not read.
pub(crate) fn occupancy() -> Mood {
    Mood {
        mode: Mode::Occupancy,
        expressions: None,
        dominant: None,
        coverage: None,
        pace: Pace::Unsure,
        ..live()
    }
}

/// A live class whose mood is `word`.
pub(crate) fn with_word(word: Word, pace: Pace) -> Mood {
    Mood { word, pace, ..live() }
}

/// Each state by name.
pub(crate) fn all() -> [(&'static str, Mood); 6] {
    [
        ("live", live()),
        ("stale", stale()),
        ("starting", starting()),
        ("too_few", too_few()),
        ("paused", paused()),
        ("occupancy", occupancy()),
    ]
}
