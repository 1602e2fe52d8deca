//! Lessons of a device whose clock is set.

use super::tests::{config, mood, recorder};
use super::*;
use crate::Store;
use moodring_config::{Config, LessonBegin, Lessons, TimetableEntry};
use moodring_contract::{LessonCommand, State};

/// Records a class for ten minutes; then the clock is set by `shift_s`, and it goes on for ten minutes.
fn record(config: &Config, shift_s: i64) -> Vec<Lesson> {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let mut recorder = recorder(config, &store);
    let start = std::time::Instant::now();
    for second in 0..1200 {
        let clock = if second < 600 { second } else { second + shift_s };
        let mood = mood(clock, State::Live);
        let now = start + std::time::Duration::from_secs(second.unsigned_abs());
        recorder.take(&mood, now);
        if second == 0 && config.lessons.begin == LessonBegin::Command {
            recorder.command(&LessonCommand::Begin { title: "Physics".into() }, mood.at);
        }
        if let Some(batch) = recorder.due(mood.at, now, || Some(true)) {
            store.commit(&batch).unwrap();
        }
    }
    if let Some(rest) = recorder.drain() {
        store.commit(&rest).unwrap();
    }
    let mut lessons = store.lessons().unwrap();
    lessons.sort_by_key(|lesson| lesson.id);
    for lesson in lessons.iter().filter(|_| shift_s.abs() > 120) {
        assert!(
            store.minutes(lesson.id).unwrap().len() <= 11,
            "no lesson is longer than the class was there"
        );
    }
    lessons
}

const DAYS: i64 = 86_400;

#[test]
fn a_clock_that_is_set_within_a_lesson_splits_it() {
    for begin in [LessonBegin::Command, LessonBegin::Automatic] {
        for shift in [2 * DAYS + 54_000, -3600, 200 * DAYS, 600] {
            let lessons = record(&config(Lessons { begin, ..Lessons::default() }), shift);
            let [before, after] = &lessons[..] else { panic!("{begin:?}, {shift}: {lessons:?}") };
            let at = |second: i64| mood(second, State::Live).at;
            assert_eq!((before.ended_at, before.ended_by), (Some(at(599)), Some(Cause::ClockSet)), "{shift}");
            assert_eq!((after.begun_at, after.begun_by), (at(600 + shift), Cause::ClockSet), "{shift}");
            assert_eq!(after.title, before.title);
            assert_eq!(after.ended_at, None, "the class under way is recorded");
        }
    }
}

#[test]
fn a_small_correction_splits_nothing() {
    let lessons = record(&config(Lessons { begin: LessonBegin::Command, ..Lessons::default() }), 60);
    assert_eq!(lessons.len(), 1, "{lessons:?}");
}

#[test]
fn a_lesson_of_the_timetable_goes_on_only_by_the_timetable() {
    let timetable = vec![TimetableEntry { begin: "0 8 * * *".into(), minutes: 45, title: "x".into() }];
    let config = config(Lessons { begin: LessonBegin::Timetable, timetable, ..Lessons::default() });
    let ends = |shift| {
        record(&config, shift).iter().map(|lesson| (lesson.begun_by, lesson.ended_by)).collect::<Vec<_>>()
    };
    let first = (Cause::Timetable, Some(Cause::ClockSet));
    assert_eq!(ends(2 * DAYS), [first, (Cause::Timetable, None)]);
    assert_eq!(ends(2 * DAYS + 6 * 3600), [first]);
}
