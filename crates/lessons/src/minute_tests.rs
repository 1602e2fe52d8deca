//! Tests of `MinuteInProgress` of `moodring_contract`, with the sample moods of this crate.

use crate::tests::mood;
use moodring_contract::Share;
use moodring_contract::lesson::{Metric, Metrics, MinuteInProgress};
use moodring_contract::{Level, Mood, State, Word};

#[test]
fn a_minute_is_the_mean_of_its_live_moods() {
    let live = mood(0, State::Live);
    let mut minute = MinuteInProgress::new(3, live.at);
    minute.add(&live);
    minute.add(&Mood {
        people: Some(30),
        facing: Some(Share { share: 0.6, low: 0.5, high: 0.7 }),
        word: Word::Bright,
        ..live.clone()
    });
    minute.add(&Mood { word: Word::Bright, ..live.clone() });
    minute.add(&mood(3, State::Stale));
    let minute = minute.finish();
    assert_eq!((minute.number, minute.state, minute.word), (3, State::Live, Word::Bright));
    assert_eq!((minute.live, minute.people), (0.75, Some(28.7)));
    let facing = minute.metrics.get(Metric::Facing).unwrap();
    assert!((facing.value - (0.8 + 0.6 + 0.8) / 3.0).abs() < 1e-3, "{facing:?}");
    assert!(facing.low < facing.value && facing.value < facing.high);
    assert_eq!(minute.metrics.get(Metric::Happy).unwrap().value, 0.2);
    assert_eq!(minute.metrics.get(Metric::Valence).unwrap().value, -0.2);
    assert_eq!(minute.metrics.get(Metric::Restlessness), Some(Level::exact(0.3)));
    let pleasant = minute.metrics.sum(&Metric::PLEASANT).unwrap();
    assert!((pleasant.value - 0.2).abs() < 1e-9 && pleasant.low < 0.2 && pleasant.high > 0.2);
}

#[test]
fn unpublished_values_are_not_stored() {
    for state in [State::TooFew, State::Paused, State::Starting, State::Stale] {
        let mood = mood(0, state);
        let mut minute = MinuteInProgress::new(0, mood.at);
        minute.add(&mood);
        let minute = minute.finish();
        assert_eq!((minute.state, minute.live), (state, 0.0));
        assert_eq!((minute.people, minute.coverage, minute.metrics), (None, None, Metrics::default()));
    }
}
