//! Fixed sample moods, one for each state and one in each other mode, for tests and for the pictures in docs/.

use crate::Expression;
use crate::{
    ComparedToUsual, Comparison, Direction, Level, Mode, Mood, MoodSchema, Pace, PaceReason, Share, Shares,
    State, Trend, TrendOf, Unread, UnreadReason, Word,
};

fn level(value: f64, half_width: f64) -> Level {
    Level { value, low: value - half_width, high: value + half_width }
}

fn share(share: f64, half_width: f64) -> Share {
    Share { share, low: (share - half_width).max(0.0), high: (share + half_width).min(1.0) }
}

/// Live: a class of 28, mostly attentive.
pub fn live() -> Mood {
    Mood {
        schema: MoodSchema,
        site: "school".into(),
        room: "room-1".into(),
        sequence: 1234,
        at: "2026-11-20T09:41:05.250Z".parse().expect("a fixed timestamp"),
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
        unread: Some(Unread { reason: UnreadReason::TooSmall, faces: 6, of: 28, below_px: Some(18) }),
        valence: Some(level(0.15, 0.1)),
        arousal: Some(level(0.18, 0.06)),
        engagement: Some(level(0.62, 0.09)),
        restlessness: Some(0.2),
        trend: Some(Trend {
            of: TrendOf::Engagement,
            direction: Direction::Steady,
            per_minute: 0.004,
            p: 0.371,
        }),
        word: Word::Attentive,
        pace: Pace::Fine,
        pace_reason: PaceReason::Following,
        compared_to_baseline: Some(ComparedToUsual {
            facing: Some(Comparison::Usual),
            valence: Some(Comparison::Usual),
            arousal: Some(Comparison::Usual),
            engagement: Some(Comparison::More),
            restlessness: Some(Comparison::Less),
        }),
    }
}

/// Stale: the class of [`live`], 47 s after the last picture.
pub fn stale() -> Mood {
    let Mood { people, facing, expressions, dominant, coverage, unread, .. } = live();
    Mood {
        picture_age_s: Some(47.0),
        people,
        facing,
        expressions,
        dominant,
        coverage,
        unread,
        ..without_values(State::Stale)
    }
}

fn without_values(state: State) -> Mood {
    Mood {
        state,
        people: None,
        facing: None,
        expressions: None,
        dominant: None,
        coverage: None,
        unread: None,
        valence: None,
        arousal: None,
        engagement: None,
        restlessness: None,
        trend: None,
        word: Word::Unsure,
        pace: Pace::Unsure,
        pace_reason: PaceReason::NoFigures,
        compared_to_baseline: None,
        ..live()
    }
}

/// Too few people for values.
pub fn too_few() -> Mood {
    without_values(State::TooFew)
}

/// Paused by a command.
pub fn paused() -> Mood {
    without_values(State::Paused)
}

/// Starting: no picture yet.
pub fn starting() -> Mood {
    Mood { picture_age_s: None, ..without_values(State::Starting) }
}

/// Live, in occupancy mode: expressions are not read.
pub fn occupancy() -> Mood {
    Mood {
        mode: Mode::Occupancy,
        expressions: None,
        dominant: None,
        coverage: None,
        unread: None,
        valence: None,
        arousal: None,
        engagement: None,
        trend: live().trend.map(|trend| Trend { of: TrendOf::Facing, ..trend }),
        pace: Pace::Unsure,
        pace_reason: PaceReason::NotRead,
        compared_to_baseline: live().compared_to_baseline.map(|compared| ComparedToUsual {
            valence: None,
            arousal: None,
            engagement: None,
            ..compared
        }),
        ..live()
    }
}

/// Live, in the mode `count`: only people are counted.
pub fn count() -> Mood {
    Mood {
        mode: Mode::Count,
        facing: None,
        word: Word::Unsure,
        pace_reason: PaceReason::NoFigures,
        restlessness: None,
        trend: None,
        compared_to_baseline: None,
        ..occupancy()
    }
}

/// The class of [`live`] with this word and pace.
pub fn with_word(word: Word, pace: Pace) -> Mood {
    Mood { word, pace, ..live() }
}

/// All of the above with their names, without [`with_word`].
pub fn all() -> [(&'static str, Mood); 7] {
    [
        ("live", live()),
        ("stale", stale()),
        ("starting", starting()),
        ("too_few", too_few()),
        ("paused", paused()),
        ("occupancy", occupancy()),
        ("count", count()),
    ]
}
