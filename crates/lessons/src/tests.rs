//! Synthetic lessons, and a whole morning through recorder and store.

use moodring_contract::LessonCommand;
use moodring_contract::lesson::Metric;
use moodring_contract::lesson::Record;

use jiff::{SignedDuration, Timestamp};

use super::*;
use moodring_config::{Config, LessonBegin, Lessons, TimetableEntry};
use moodring_contract::lesson::Metrics;
use moodring_contract::samples;
use moodring_contract::{Level, Mood, Pace, Share, Shares, State, Word};

/// A Monday, 08:00 UTC.
pub(super) fn start() -> Timestamp {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

pub(super) fn lesson(minutes: i64) -> Lesson {
    Lesson {
        id: 1,
        site: "school".into(),
        room: "room-1".into(),
        title: String::new(),
        mode: Mode::Mood,
        begun_at: start(),
        begun_by: Cause::Timetable,
        ended_at: Some(start() + SignedDuration::from_mins(minutes)),
        ended_by: Some(Cause::Timetable),
    }
}

fn share(share: f64) -> Share {
    Share { share, low: (share - 0.08).max(0.0), high: (share + 0.08).min(1.0) }
}

/// Minutes of a class of 28; `facing(number)` is the share that faces the front. The expressions are constant.
pub(super) fn minutes(count: u32, facing: impl Fn(u32) -> f64) -> Vec<Minute> {
    expressive_minutes(count, |number| (facing(number), 0.1, 0.05))
}

/// Minutes of a class; `of(number)` returns the shares of facing, happy and sad people. The others are neutral.
pub(super) fn expressive_minutes(count: u32, of: impl Fn(u32) -> (f64, f64, f64)) -> Vec<Minute> {
    let minute = |number| {
        let (facing, happy, sad) = of(number);
        let mut metrics = Metrics::default();
        for metric in Metric::EXPRESSIONS {
            metrics.set(metric, Some(Level { value: 0.0, low: 0.0, high: 0.02 }));
        }
        for metric in Metric::SIGNALS {
            metrics.set(metric, Some(Level { value: 0.2, low: 0.1, high: 0.3 }));
        }
        metrics.set(Metric::Facing, Some(share(facing).into()));
        metrics.set(Metric::Happy, Some(share(happy).into()));
        metrics.set(Metric::Sad, Some(share(sad).into()));
        metrics.set(Metric::Neutral, Some(share(1.0 - happy - sad).into()));
        Minute {
            number,
            at: start() + SignedDuration::from_mins(number.into()),
            state: State::Live,
            live: 1.0,
            people: Some(28.0),
            coverage: Some(0.7),
            word: Word::Calm,
            pace: Pace::Fine,
            metrics,
        }
    };
    (0..count).map(minute).collect()
}

/// A mood `second` seconds after the start; it has values only in the state `live`.
pub(super) fn mood(second: i64, state: State) -> Mood {
    let at = start() + SignedDuration::from_secs(second);
    let empty = Mood { at, ..samples::starting() };
    let live = (state == State::Live).then_some(());
    let rest = share(0.0);
    Mood {
        state,
        people: live.map(|()| 28),
        facing: live.map(|()| share(0.8)),
        expressions: live.map(|()| Shares {
            angry: rest,
            disgust: rest,
            fear: rest,
            happy: share(0.2),
            sad: rest,
            surprise: rest,
            neutral: share(0.8),
        }),
        coverage: live.map(|()| 0.7),
        valence: live.map(|()| Level { value: -0.2, low: -0.3, high: -0.1 }),
        restlessness: live.map(|()| 0.3),
        word: if live.is_some() { Word::Attentive } else { Word::Unsure },
        ..empty
    }
}

pub(super) fn config(lessons: Lessons) -> Config {
    Config { lessons, ..Config::default() }
}

pub(super) fn recorder(config: &Config, store: &Store) -> Recorder {
    let timetable = Timetable::new(&config.lessons, &jiff::tz::TimeZone::UTC).unwrap();
    Recorder::new(config, timetable, store.open_lesson().unwrap())
}

/// `at` on the monotonic clock, of a device whose clock is right.
pub(super) fn uptime(at: Timestamp) -> std::time::Instant {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let up_s = u64::try_from(at.as_second()).unwrap() % (365 * 86_400);
    *START.get_or_init(std::time::Instant::now) + std::time::Duration::from_secs(up_s)
}

/// The batch that is due at `at` on a device whose clock is right.
pub(super) fn due(recorder: &mut Recorder, at: Timestamp) -> Option<Batch> {
    recorder.due(at, uptime(at), || Some(true))
}

/// Plays one mood per second of `span` into recorder and store.
pub(super) fn play(
    recorder: &mut Recorder,
    store: &mut Store,
    span: std::ops::Range<i64>,
    seen: impl Fn(i64) -> State,
) {
    for second in span {
        let mood = mood(second, seen(second));
        recorder.take(&mood, uptime(mood.at));
        if let Some(batch) = due(recorder, mood.at) {
            store.commit(&batch).unwrap();
        }
    }
}

#[test]
fn a_morning_has_three_lessons_with_one_row_and_at_most_one_write_per_minute() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let mut recorder = recorder(&Config::default(), &store);
    // Three lessons of 45 minutes, with breaks of 15 minutes in which the room is empty.
    let in_class = |second: i64| if second % 3600 < 2700 { State::Live } else { State::TooFew };
    play(&mut recorder, &mut store, 0..3 * 3600, in_class);
    let lessons = store.lessons().unwrap();
    assert_eq!(lessons.len(), 3);
    for (index, lesson) in lessons.iter().enumerate() {
        let begin = start() + SignedDuration::from_secs(3600 * index as i64 + 120);
        assert_eq!((lesson.begun_at, lesson.begun_by), (begin, Cause::People));
        assert_eq!(lesson.ended_by, Some(Cause::People));
        let length = seconds(lesson.begun_at, lesson.ended_at.unwrap());
        assert_eq!(length, 2579.0);
        let minutes = store.minutes(lesson.id).unwrap();
        let numbers: Vec<_> = minutes.iter().map(|minute| minute.number).collect();
        assert_eq!(numbers, (0..43).collect::<Vec<_>>());
        assert!(minutes.iter().all(|minute| minute.people == Some(28.0)), "only the class is stored");
        assert_eq!(minutes[5].metrics.get(Metric::Happy).unwrap().value, 0.2);
    }
    // At most one write per clock minute, and hardly more than rows.
    assert!(store.transactions() <= 3 * 60, "{}", store.transactions());
    assert!(store.transactions() >= 3 * 43, "{}", store.transactions());
}

#[test]
fn below_min_people_only_the_state_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let mut recorder = recorder(&Config::default(), &store);
    let seen = |second: i64| if (600..720).contains(&second) { State::TooFew } else { State::Live };
    play(&mut recorder, &mut store, 0..1200, seen);
    let minutes = store.minutes(store.lessons().unwrap()[0].id).unwrap();
    let few: Vec<_> = minutes.iter().filter(|minute| minute.state == State::TooFew).collect();
    assert_eq!(few.len(), 2);
    for minute in few {
        assert_eq!((minute.people, minute.coverage, minute.metrics), (None, None, Metrics::default()));
    }
}

pub(super) fn timetabled() -> Config {
    config(Lessons {
        begin: LessonBegin::Timetable,
        timetable: vec![TimetableEntry { begin: "0 8 * * *".into(), minutes: 45, title: "Maths".into() }],
        ..Lessons::default()
    })
}

#[test]
fn a_timetabled_lesson_without_people_is_discarded() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let config = timetabled();
    let mut recorder = recorder(&config, &store);
    play(&mut recorder, &mut store, 0..3600, |_| State::TooFew);
    assert_eq!(store.lessons().unwrap(), []);
    assert_eq!(store.transactions(), 0, "nothing is written");
    // The next day the class comes late: the whole lesson is stored.
    play(&mut recorder, &mut store, 86_400..90_000, |second| {
        if second > 87_000 { State::Live } else { State::TooFew }
    });
    let lessons = store.lessons().unwrap();
    assert_eq!((lessons.len(), lessons[0].title.as_str()), (1, "Maths"));
    assert_eq!(store.minutes(lessons[0].id).unwrap().len(), 45);
}

#[test]
fn commands_begin_and_end_lessons() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let mut recorder = recorder(&Config::default(), &store);
    play(&mut recorder, &mut store, 0..60, |_| State::Live);
    recorder.command(&LessonCommand::Begin { title: "Guest".into() }, mood(60, State::Live).at);
    play(&mut recorder, &mut store, 60..600, |_| State::Live);
    recorder.command(&LessonCommand::End, mood(600, State::Live).at);
    play(&mut recorder, &mut store, 600..1200, |_| State::Live);
    let lessons = store.lessons().unwrap();
    assert_eq!(lessons.len(), 1, "after a manual end the next lesson does not begin at once");
    assert_eq!((lessons[0].title.as_str(), lessons[0].begun_by), ("Guest", Cause::Command));
    assert_eq!(seconds(lessons[0].begun_at, lessons[0].ended_at.unwrap()), 540.0);
    assert_eq!(lessons[0].ended_by, Some(Cause::Command));
}

#[test]
fn old_lessons_are_deleted_once_a_day_with_their_rows() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let config = config(Lessons { keep_days: 2, ..timetabled().lessons });
    let mut recorder = recorder(&config, &store);
    for day in 0..6_i64 {
        play(&mut recorder, &mut store, day * 86_400..day * 86_400 + 2800, |_| State::Live);
    }
    let days: Vec<_> = store.lessons().unwrap().iter().map(|lesson| lesson.id).collect();
    assert_eq!(days, [4, 5, 6]);
    assert_eq!(store.minutes(1).unwrap(), []);
    // Two weeks without a lesson: the others are deleted too.
    play(&mut recorder, &mut store, 20 * 86_400..20 * 86_400 + 1, |_| State::TooFew);
    assert_eq!(store.lessons().unwrap(), []);
}

#[test]
fn a_device_without_synchronized_clock_records_nothing() {
    let store_directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(store_directory.path()).unwrap();
    let mut recorder = recorder(&Config::default(), &store);
    for second in 0..600 {
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
        let mood = Mood { at, ..mood(0, State::Live) };
        recorder.take(&mood, uptime(mood.at));
        assert_eq!(due(&mut recorder, at), None);
    }
    play(&mut recorder, &mut store, 0..300, |_| State::Live);
    assert_eq!(store.lessons().unwrap()[0].begun_at, start() + SignedDuration::from_secs(120));
}

#[test]
fn lessons_are_deleted_with_their_rows_but_not_the_current_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let mut recorder = recorder(&timetabled(), &store);
    play(&mut recorder, &mut store, 0..2800, |_| State::Live);
    play(&mut recorder, &mut store, 86_400..87_000, |_| State::Live);
    let now = mood(87_000, State::Live).at;
    assert!(matches!(store.delete(&[1, 2], now), Err(StoreError::InProgress { id: 2 })));
    assert!(matches!(store.delete(&[7], now), Err(StoreError::Unknown { id: 7 })));
    assert_eq!(store.lessons().unwrap().len(), 2, "nothing is deleted if one lesson cannot be");
    let begun_at = store.lesson(1).unwrap().begun_at;
    store.delete(&[1], now).unwrap();
    let erased = moodring_runtime::erasures::pending(directory.path());
    assert_eq!(erased, [begun_at], "its unsent messages are erased too");
    assert_eq!(store.minutes(1).unwrap(), []);
    // The device did not come back: after an hour the lesson counts as abandoned.
    store.delete(&[2], mood(95_000, State::Live).at).unwrap();
    assert_eq!(store.lessons().unwrap(), []);
}

#[test]
fn a_file_that_is_not_a_store_is_reported_and_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let error = Store::open_to_read(directory.path()).unwrap_err().to_string();
    assert!(error.contains("no lessons are recorded") && error.contains("--config"), "{error}");
    let path = directory.path().join(FILE_NAME);
    std::fs::write(&path, "Dear class, this is not a database. ".repeat(100)).unwrap();
    let error = Store::open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("not a database of lessons") && error.contains("move it away"), "{error}");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("Dear class"));
    std::fs::remove_file(&path).unwrap();
    drop(Store::open(directory.path()).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = Store::open(directory.path()).unwrap_err().to_string();
    assert!(error.contains("newer moodring (schema version 99)"), "{error}");
}

#[test]
fn each_earlier_schema_version_is_migrated_to_the_newest() {
    for version in 1..=schema::MIGRATIONS.len() {
        let directory = tempfile::tempdir().unwrap();
        let connection = rusqlite::Connection::open(directory.path().join(FILE_NAME)).unwrap();
        for step in &schema::MIGRATIONS[..version] {
            connection.execute_batch(step).unwrap();
        }
        connection.pragma_update(None, "user_version", version as i64).unwrap();
        let rows = "INSERT INTO lesson (site, room, title, mode, begun_at, begun_by)
                    VALUES ('school', 'room-1', 'old', 'mood', 1795420800000, 'people');
                    INSERT INTO minute (lesson, number, at, state, live, word, pace, facing, facing_low, facing_high)
                    VALUES (1, 0, 1795420800000, 'live', 1.0, 'calm', 'fine', 0.5, 0.4, 0.6);";
        connection.execute_batch(rows).unwrap();
        drop(connection);
        let store = Store::open_to_read(directory.path()).unwrap();
        assert_eq!(store.lesson(1).unwrap().title, "old");
        let minute = &store.minutes(1).unwrap()[0];
        let facing = Share { share: 0.5, low: 0.4, high: 0.6 };
        assert_eq!(
            (minute.metrics.get(Metric::Facing), minute.metrics.get(Metric::Happy)),
            (Some(facing.into()), None)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_task_records_executes_commands_and_writes_the_report() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(Lessons { begin: LessonBegin::Command, ..Lessons::default() });
    config.storage.directory = directory.path().join("state");
    let (moods, published) = tokio::sync::watch::channel(std::sync::Arc::new(mood(0, State::Live)));
    let (commands, received) = tokio::sync::mpsc::channel(4);
    let stop = moodring_runtime::Stop::default();
    let disk = Disk::new(&config);
    let (resets, reset) = tokio::sync::watch::channel(moodring_runtime::Resets::default());
    let (timetable, end) = (Timetable::default(), stop.clone());
    let (sender, mut records) = tokio::sync::mpsc::channel(16);
    let board = moodring_runtime::StatusBoard::default();
    let shown = board.subscribe();
    let (reloaded, settings) = tokio::sync::watch::channel(std::sync::Arc::new(config.clone()));
    let records_sender = Some(sender);
    let channels = LessonChannels {
        moods: published,
        commands: received,
        resets,
        records: records_sender,
        settings,
        board: board.clone(),
    };
    let task = tokio::spawn(run(config.clone(), timetable, disk, channels, end));
    let publish = async |second| {
        moods.send_replace(std::sync::Arc::new(mood(second, State::Live)));
        // With paused time the sleep ends only after the task has processed the mood.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    };
    publish(1).await;
    commands.send(LessonCommand::Begin { title: "Guest".into() }).await.unwrap();
    for second in 2..200 {
        if second == 100 {
            // A new configuration is applied; the lesson continues.
            let mut other = config.clone();
            other.lessons = Lessons { begin: LessonBegin::Automatic, keep_days: 7, ..other.lessons };
            reloaded.send_replace(std::sync::Arc::new(other));
        }
        publish(second).await;
    }
    assert_eq!(shown.borrow().lesson.as_ref().map(|lesson| lesson.title.clone()), Some("Guest".to_owned()));
    commands.send(LessonCommand::End).await.unwrap();
    for second in 200..300 {
        publish(second).await;
    }
    assert_eq!(shown.borrow().lesson, None);
    assert_eq!(reset.borrow().lessons, 2, "the estimate is reset at the begin and the end of the lesson");
    stop.request();
    task.await.unwrap();
    let store = Store::open_to_read(&config.storage.directory).unwrap();
    let lesson = store.lesson(1).unwrap();
    assert_eq!((lesson.title.as_str(), lesson.ended_by), ("Guest", Some(Cause::Command)));
    let page = std::fs::read_to_string(config.storage.directory.join("reports/lesson-1.html")).unwrap();
    assert!(page.contains("<h1>Guest</h1>"));
    // Published and stored records are the same.
    let mut published_records = Vec::new();
    while let Some(record) = records.recv().await {
        published_records.push(record);
    }
    assert!(matches!(&published_records[0], Record::Begun(heading) if heading.begun_at == lesson.begun_at));
    let minutes: Vec<Minute> = published_records[1..published_records.len() - 1]
        .iter()
        .map(|record| match record {
            Record::Minute { lesson: of, minute } if *of == lesson.begun_at => Minute::clone(minute),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(minutes, store.minutes(1).unwrap());
    let Some(Record::Ended(ending)) = published_records.last() else {
        panic!("no end: {published_records:?}")
    };
    assert_eq!((ending.cause, ending.at), (Cause::Command, lesson.ended_at.unwrap()));
    assert_eq!(ending.totals.as_ref().unwrap().people, Some(28.0));
}

#[test]
fn a_discarded_lesson_is_not_published_and_one_continued_after_a_restart_is_published_completely() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let mut first = recorder(&Config::default(), &store);
    play(&mut first, &mut store, 0..100, |_| State::TooFew);
    assert_eq!(first.take_records(), []);
    play(&mut first, &mut store, 100..1000, |_| State::Live);
    let begun = first.take_records();
    assert!(matches!(begun[0], Record::Begun(_)) && begun.len() > 10);
    if let Some(rest) = first.drain() {
        store.commit(&rest).unwrap();
    }
    let mut second = recorder(&Config::default(), &store);
    play(&mut second, &mut store, 1030..1300, |_| State::Live);
    play(&mut second, &mut store, 1300..2000, |_| State::TooFew);
    let records = second.take_records();
    let Some(Record::Ended(ending)) = records.last() else { panic!("no end: {records:?}") };
    assert!(
        !records.iter().any(|record| matches!(record, Record::Begun(_))),
        "the begin was published before the restart"
    );
    let lesson = store.lesson(1).unwrap();
    assert_eq!((ending.heading.begun_at, ending.at), (lesson.begun_at, lesson.ended_at.unwrap()));
    let totals = ending.totals.as_ref().unwrap();
    assert_eq!((totals.minutes, totals.word), (18, Word::Attentive));
}

#[test]
fn a_note_is_stored_and_deleted_with_its_lesson() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::open(directory.path()).unwrap();
    let begin = |minute: i64| Write::Begin {
        site: "school".into(),
        room: "room-1".into(),
        mode: Mode::Mood,
        beginning: Beginning {
            at: start() + SignedDuration::from_mins(minute),
            title: String::new(),
            cause: Cause::Command,
        },
    };
    store.commit(&Batch { writes: vec![begin(0), begin(60)], delete_before: None }).unwrap();
    store.set_note(1, "went well; less text next time").unwrap();
    store.set_note(2, "x").unwrap();
    store.set_note(2, "").unwrap();
    let notes = Store::open_to_read(directory.path()).unwrap().notes().unwrap();
    assert_eq!(notes.into_iter().collect::<Vec<_>>(), [(1, "went well; less text next time".to_owned())]);
    assert!(matches!(store.set_note(3, "x"), Err(StoreError::Unknown { id: 3 })));
    store.delete(&[1], start()).unwrap();
    assert!(store.notes().unwrap().is_empty());
    let bytes = std::fs::read(directory.path().join(FILE_NAME)).unwrap();
    assert!(!bytes.windows(9).any(|part| part == b"went well"), "deleted content is overwritten");
}
