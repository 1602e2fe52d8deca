//! Lessons of a device that is restarted, stopped, or cannot write.

use jiff::SignedDuration;

use super::tests::{due, mood, play, recorder, start, timetabled, uptime};
use super::*;
use moodring_config::Config;
use moodring_contract::State;

#[test]
fn a_lesson_continues_after_a_short_power_cut_and_is_interrupted_by_a_long_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let config = timetabled();
    play(&mut recorder(&config, &store), &mut store, 0..600, |_| State::Live);
    // Five minutes later, another run.
    play(&mut recorder(&config, &store), &mut store, 900..1800, |_| State::Live);
    let lessons = store.lessons().unwrap();
    assert_eq!((lessons.len(), lessons[0].ended_at), (1, None));
    let numbers: Vec<_> = store.minutes(1).unwrap().iter().map(|minute| minute.number).collect();
    assert_eq!(numbers, (0..9).chain(15..29).collect::<Vec<_>>());
    // After a longer gap the first lesson is interrupted and another one begins.
    play(&mut recorder(&config, &store), &mut store, 2600 - 86_400..2600 - 86_399, |_| State::Live);
    play(&mut recorder(&config, &store), &mut store, 2 * 86_400..2 * 86_400 + 300, |_| State::Live);
    let first = &store.lessons().unwrap()[0];
    assert_eq!(first.ended_by, Some(Cause::Interrupted));
    assert_eq!(first.ended_at, Some(start() + SignedDuration::from_secs(1740)));
}

#[test]
fn a_lesson_continues_although_the_first_mood_after_a_restart_has_no_picture() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let config = Config::default();
    play(&mut recorder(&config, &store), &mut store, 0..1200, |_| State::Live);
    let seen = |second| if second < 1310 { State::Starting } else { State::Live };
    play(&mut recorder(&config, &store), &mut store, 1300..1800, seen);
    let lessons = store.lessons().unwrap();
    assert_eq!((lessons.len(), lessons[0].ended_at), (1, None));
    assert_eq!(store.minutes(1).unwrap().len(), 17 + 8);
}

#[test]
fn a_stop_writes_the_rest_and_leaves_the_lesson_open() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let mut recorder = recorder(&timetabled(), &store);
    play(&mut recorder, &mut store, 0..150, |_| State::Live);
    store.commit(&recorder.drain().unwrap()).unwrap();
    assert_eq!(store.minutes(1).unwrap().len(), 3);
    assert_eq!(store.open_lesson().unwrap().unwrap().last_minute.unwrap().0, 2);
    assert_eq!(recorder.drain(), None);
}

#[test]
fn a_failing_disk_loses_nothing_that_fits_into_memory() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let mut recorder = recorder(&timetabled(), &store);
    for second in 0..1200 {
        recorder.take(&mood(second, State::Live), uptime(mood(second, State::Live).at));
        if let Some(batch) = due(&mut recorder, mood(second, State::Live).at) {
            recorder.put_back(batch);
        }
    }
    play(&mut recorder, &mut store, 1200..1320, |_| State::Live);
    assert_eq!(store.minutes(1).unwrap().len(), 21);
    assert!(store.transactions() <= 2);
}
