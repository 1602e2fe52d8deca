use super::*;
use crate::tests::{observation, person};
use moodring_contract::Expression;
use moodring_vision::Person;

fn aggregator(mode: Mode) -> Aggregator {
    Aggregator::new(config::Room::default(), config::Mood { mode, ..config::Mood::default() })
}

fn class(at: Instant, size: u32, expression: usize) -> Observation {
    observation(at, (0..size).map(|seat| person(seat, (seat % 4 != 0).then_some((expression, at)))))
}

#[test]
fn happy_class_has_the_word_bright() {
    let start = Instant::now();
    let mut aggregator = aggregator(Mode::Mood);
    assert_eq!(aggregator.mood(start, Timestamp::UNIX_EPOCH).state, State::Starting);
    aggregator.observe(&class(start, 20, 3));
    let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
    assert_eq!((mood.sequence, mood.state, mood.people), (2, State::Live, Some(20)));
    assert_eq!((mood.dominant, mood.word), (Some(Expression::Happy), Word::Bright));
    assert_eq!(mood.facing.unwrap().share, 0.75);
    assert_eq!(mood.coverage, Some(0.75));
}

#[test]
fn attention_spots_are_shown_only_while_the_mood_is_live() {
    let start = Instant::now();
    let attention = config::Attention { enabled: true, after_minutes: 2.0, ..config::Attention::default() };
    let config = Config { attention, ..Config::default() };
    let mut aggregator = aggregator(Mode::Mood);
    aggregator.monitor = AttentionMonitor::new(&config);
    let places = aggregator.attention();
    let at = |second| start + Duration::from_secs(second);
    let away =
        |second| observation(at(second), (0..30).map(|seat| Person { facing: 0.1, ..person(seat, None) }));
    for second in 0..130 {
        aggregator.observe(&away(second));
        aggregator.mood(at(second), Timestamp::UNIX_EPOCH);
    }
    assert!(!places.borrow().spots.is_empty());
    assert_eq!(aggregator.mood(at(150), Timestamp::UNIX_EPOCH).state, State::Stale);
    assert!(places.borrow().spots.is_empty(), "a stale mood must show no spots");
    aggregator.observe(&away(151));
    aggregator.mood(at(151), Timestamp::UNIX_EPOCH);
    assert!(!places.borrow().spots.is_empty());
    aggregator.set_paused(true, at(152));
    assert!(places.borrow().spots.is_empty());
}

#[test]
fn fewer_than_k_people_give_too_few_and_no_values() {
    let start = Instant::now();
    let mut aggregator = aggregator(Mode::Mood);
    aggregator.observe(&class(start, 4, 3));
    let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
    assert_eq!(mood.state, State::TooFew);
    assert_eq!((mood.people, mood.facing, mood.expressions, mood.dominant), (None, None, None, None));
    assert_eq!((mood.coverage, mood.word), (None, Word::Unsure));
}

#[test]
fn fewer_than_k_readings_give_no_expressions_in_a_large_class() {
    let start = Instant::now();
    let mut aggregator = aggregator(Mode::Mood);
    aggregator.observe(&observation(start, (0..20).map(|s| person(s, (s < 4).then_some((3, start))))));
    let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
    assert_eq!((mood.people, mood.expressions, mood.dominant), (Some(20), None, None));
}

#[test]
fn mood_without_frames_becomes_stale_then_empty_and_recovers() {
    let start = Instant::now();
    let mut aggregator = aggregator(Mode::Mood);
    let at = |seconds| start + Duration::from_secs(seconds);
    aggregator.observe(&class(start, 20, 3));
    assert_eq!(aggregator.mood(at(10), Timestamp::UNIX_EPOCH).state, State::Live);
    let stale = aggregator.mood(at(11), Timestamp::UNIX_EPOCH);
    assert_eq!((stale.state, stale.people, stale.word), (State::Stale, Some(20), Word::Unsure));
    assert_eq!(stale.picture_age_s, Some(11.0));
    let empty = aggregator.mood(at(100), Timestamp::UNIX_EPOCH);
    assert_eq!((empty.state, empty.people), (State::Stale, None));
    aggregator.observe(&class(at(101), 20, 3));
    assert_eq!(aggregator.mood(at(101), Timestamp::UNIX_EPOCH).state, State::Live);
}

#[test]
fn pause_discards_observations() {
    let start = Instant::now();
    let mut aggregator = aggregator(Mode::Mood);
    aggregator.observe(&class(start, 20, 3));
    aggregator.set_paused(true, start);
    aggregator.observe(&class(start, 20, 3));
    let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
    assert_eq!((mood.state, mood.people), (State::Paused, None));
    aggregator.set_paused(false, start);
    assert_eq!(aggregator.mood(start, Timestamp::UNIX_EPOCH).state, State::Starting);
}

#[test]
fn late_observations_from_before_a_reset_are_ignored() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut aggregator = aggregator(Mode::Mood);
    aggregator.observe(&class(start, 20, 3));
    aggregator.reset(at(2));
    aggregator.observe(&class(at(1), 20, 3));
    assert_eq!(aggregator.mood(at(2), Timestamp::UNIX_EPOCH).state, State::Starting);
    aggregator.observe(&class(at(3), 12, 6));
    assert_eq!(aggregator.mood(at(3), Timestamp::UNIX_EPOCH).people, Some(12));
}

#[test]
fn occupancy_mode_fills_only_people_and_facing() {
    let start = Instant::now();
    let mut aggregator = aggregator(Mode::Occupancy);
    aggregator.observe(&class(start, 20, 3));
    let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
    assert_eq!((mood.people, mood.expressions, mood.coverage), (Some(20), None, None));
    assert_eq!(mood.word, Word::Attentive);
}

#[test]
fn count_mode_fills_only_people_and_facing_only_where_its_risk_is_accepted() {
    let start = Instant::now();
    let mut config = Config::default();
    config.mood.mode = Mode::Count;
    for accepted in [false, true] {
        config.privacy.i_accept_facing_under_the_ai_act = accepted;
        let mut aggregator = Aggregator::from_config(&config).unwrap();
        let mut mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
        for second in 0..600 {
            let at = start + Duration::from_secs(second);
            aggregator.observe(&class(at, 20, 3));
            mood = aggregator.mood(at, Timestamp::UNIX_EPOCH);
        }
        assert_eq!((mood.state, mood.people, mood.facing.is_some()), (State::Live, Some(20), accepted));
        let counted = Mood { people: None, facing: None, ..mood };
        let empty = Aggregator::from_config(&config).unwrap().mood(start, Timestamp::UNIX_EPOCH);
        let Mood { sequence, state, picture_age_s, .. } = counted;
        assert_eq!(
            counted,
            Mood { sequence, state, picture_age_s, ..empty },
            "no other value may be filled in"
        );
    }
}

#[test]
fn person_replaced_while_too_few_are_present_is_not_revealed() {
    let start = Instant::now();
    let at = |second| start + Duration::from_secs(second);
    let five = |second, face| {
        let seats = (0..4).map(move |seat| person(seat, Some((6, at(second)))));
        observation(at(second), seats.chain([person(4, Some((face, at(second))))]))
    };
    let messages = |face| {
        let mut aggregator = aggregator(Mode::Mood);
        aggregator.observe(&five(0, 6));
        let before = aggregator.mood(at(0), Timestamp::UNIX_EPOCH);
        (1..60).for_each(|second| {
            aggregator
                .observe(&observation(at(second), (0..4).map(|seat| person(seat, Some((6, at(second)))))));
            aggregator.mood(at(second), Timestamp::UNIX_EPOCH);
        });
        (60..90).for_each(|second| aggregator.observe(&five(second, face)));
        (before, aggregator.mood(at(90), Timestamp::UNIX_EPOCH))
    };
    let (before, after) = messages(3);
    assert!(before.expressions.is_some());
    assert_eq!(after.expressions, messages(0).1.expressions);
}
