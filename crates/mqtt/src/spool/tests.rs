//! Tests of the spool: restarts, power cuts and failing disks.

use std::collections::HashSet;
use std::time::Duration;

use super::disk::FILE_NAME;
use super::*;
use moodring_runtime::Stop;

/// Appends an event that says which spool and number it is.
fn append(spool: &Spool) -> (String, u64) {
    let mut key = None;
    spool.append(Kind::Event, |id, number| {
        key = Some((id.to_owned(), number));
        format!("{id}/{number}").into_bytes()
    });
    key.unwrap()
}

/// What waits, in order.
fn waiting(spool: &Spool) -> Vec<String> {
    spool.rewind();
    let mut all = Vec::new();
    while let Some(entry) = spool.next() {
        all.push(String::from_utf8(entry.payload.to_vec()).unwrap());
    }
    spool.rewind();
    all
}

fn acknowledge_all(spool: &Spool) {
    while let Some(entry) = spool.next() {
        spool.acknowledged(entry.ordinal);
    }
}

/// Advances the paused clock by `span` and lets the keeper write. The disk works on another thread with the real clock.
async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}

fn rows(directory: &Path) -> i64 {
    let connection = rusqlite::Connection::open(directory.join(FILE_NAME)).unwrap();
    connection.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn offline_entries_are_written_within_seconds_and_survive_a_power_cut() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, keeper) = Spool::open(directory.path(), 100);
    let task = tokio::spawn(keeper.run(Stop::default()));
    let keys: Vec<_> = (0..5).map(|_| append(&spool)).collect();
    assert_eq!(keys.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    pass(Duration::from_secs(6)).await;
    assert_eq!((rows(directory.path()), spool.metrics().disk_writes), (5, 2), "opening, and five at once");
    let before = waiting(&spool);
    // Power cut: nothing is closed.
    task.abort();
    let _ = task.await;
    drop(spool);
    let (spool, keeper) = Spool::open(directory.path(), 100);
    assert_eq!(waiting(&spool), before);
    let (id, number) = append(&spool);
    assert!(id == keys[0].0 && number > 5, "{id}/{number}");
    assert!(keeper.uncertain().unwrap().contains(&6), "the numbers that may be missing are reported");
}

#[tokio::test(start_paused = true)]
async fn a_normal_stop_leaves_no_gap() {
    let directory = tempfile::tempdir().unwrap();
    for run in 0..4 {
        let (spool, keeper) = Spool::open(directory.path(), 100);
        assert_eq!((keeper.uncertain(), waiting(&spool).len()), (None, run * 3));
        let stop = Stop::default();
        let task = tokio::spawn(keeper.run(stop.clone()));
        let numbers: Vec<_> = (0..3).map(|_| append(&spool).1).collect();
        let first = run as u64 * 3 + 1;
        assert_eq!(numbers, [first, first + 1, first + 2]);
        stop.request();
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn online_an_hour_of_minutes_is_hardly_written() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, keeper) = Spool::open(directory.path(), 100);
    let _task = tokio::spawn(keeper.run(Stop::default()));
    spool.set_online(true);
    for _ in 0..60 {
        append(&spool);
        acknowledge_all(&spool);
        pass(Duration::from_secs(60)).await;
    }
    let metrics = spool.metrics();
    assert!(metrics.disk_writes <= 3, "opening and a block of numbers: {metrics:?}");
    assert_eq!((metrics.waiting, metrics.sequence, metrics.dropped), (0, 60, 0));
    // What the broker does not acknowledge within a minute is written all the same.
    append(&spool);
    pass(Duration::from_secs(62)).await;
    assert_eq!(rows(directory.path()), 1);
    acknowledge_all(&spool);
    pass(Duration::from_secs(62)).await;
    assert_eq!(rows(directory.path()), 0, "only a receipt deletes it");
}

#[tokio::test(start_paused = true)]
async fn no_number_is_used_twice_after_power_cuts() {
    let directory = tempfile::tempdir().unwrap();
    let mut given = HashSet::new();
    for cut in 0..12 {
        let (spool, keeper) = Spool::open(directory.path(), 1000);
        let task = tokio::spawn(keeper.run(Stop::default()));
        for index in 0..cut * 17 {
            let key = append(&spool);
            assert!(given.insert(key.clone()), "{key:?} was given before");
            if index % 40 == 0 {
                pass(Duration::from_secs(2)).await;
            }
        }
        task.abort();
        let _ = task.await;
    }
    assert_eq!(given.len(), 12 * 11 / 2 * 17);
}

#[test]
fn numbers_that_cannot_be_reserved_are_used_under_a_new_name() {
    let directory = tempfile::tempdir().unwrap();
    // Without a running keeper: as if the disk had become full right after the start.
    let (spool, _keeper) = Spool::open(directory.path(), 1000);
    let keys: HashSet<_> = (0..200).map(|_| append(&spool)).collect();
    assert_eq!(keys.len(), 200);
    let names: HashSet<_> = keys.iter().map(|(id, _)| id).collect();
    assert_eq!(names.len(), 2);
    let (again, _keeper) = Spool::open(directory.path(), 1000);
    assert!(keys.iter().all(|key| *key != append(&again)));
}

#[tokio::test(start_paused = true)]
async fn the_spool_continues_in_memory_while_the_disk_fails() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("state");
    // A file where the folder should be.
    std::fs::write(&directory, "").unwrap();
    let (spool, keeper) = Spool::open(&directory, 100);
    let _task = tokio::spawn(keeper.run(Stop::default()));
    let key = append(&spool);
    pass(Duration::from_secs(300)).await;
    assert_eq!((spool.metrics().waiting, spool.metrics().disk_writes), (1, 0));
    std::fs::remove_file(&directory).unwrap();
    pass(Duration::from_secs(130)).await;
    assert_eq!((rows(&directory), append(&spool)), (1, (key.0, key.1 + 1)), "the name is on the disk now");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_while_it_runs_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, keeper) = Spool::open(directory.path(), 1000);
    let stop = Stop::default();
    let task = tokio::spawn(keeper.run(stop.clone()));
    append(&spool);
    pass(Duration::from_secs(6)).await;
    // A second writer that holds the lock makes every write fail, as a full disk does.
    let holder = rusqlite::Connection::open(directory.path().join(FILE_NAME)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..150 {
        append(&spool);
    }
    pass(Duration::from_secs(10)).await;
    assert_eq!(spool.metrics().waiting, 151);
    let before = waiting(&spool);
    assert_eq!(before.iter().collect::<HashSet<_>>().len(), 151, "every number once");
    holder.execute_batch("ROLLBACK").unwrap();
    drop(holder);
    pass(Duration::from_secs(130)).await;
    assert_eq!(rows(directory.path()), 151);
    stop.request();
    task.await.unwrap();
    let (again, _keeper) = Spool::open(directory.path(), 1000);
    assert_eq!(waiting(&again), before);
}

#[test]
fn a_damaged_file_is_renamed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    std::fs::write(&path, "not a database, and longer than a header of one hundred bytes ".repeat(10))
        .unwrap();
    let (spool, _keeper) = Spool::open(directory.path(), 100);
    assert_eq!(spool.metrics().disk_writes, 1, "a new one was begun");
    assert!(path.with_extension("sqlite.damaged").exists());
    assert_eq!(append(&spool).1, 1);
}

#[test]
fn a_full_spool_drops_the_oldest_and_counts() {
    let spool = Spool::in_memory(3);
    let dropped: Vec<bool> = (0..5).map(|_| spool.append(Kind::Minute, |_, _| Vec::new())).collect();
    assert_eq!(dropped, [false, false, false, true, true]);
    let metrics = spool.metrics();
    assert_eq!((metrics.waiting, metrics.dropped, metrics.sequence), (3, 2, 5));
}

#[tokio::test(start_paused = true)]
async fn messages_about_a_deleted_lesson_are_erased_from_memory_and_disk() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, keeper) = Spool::open(directory.path(), 100);
    let _task = tokio::spawn(keeper.run(Stop::default()));
    let about = |kind, lesson: &str| {
        let payload = format!(r#"{{"lesson": "{lesson}", "title": "of {lesson}"}}"#);
        spool.append(kind, |_, _| payload.into_bytes());
    };
    for lesson in ["2026-11-23T08:00:00.123Z", "2026-11-23T09:00:00Z"] {
        about(Kind::Lesson, lesson);
        about(Kind::Minute, lesson);
    }
    append(&spool);
    pass(Duration::from_secs(6)).await;
    assert_eq!(rows(directory.path()), 5);
    // One is on its way when the lesson is deleted.
    spool.next().unwrap();
    spool.erase("2026-11-23T08:00:00.123Z".parse().unwrap());
    assert!(!spool.is_erased());
    pass(Duration::from_secs(2)).await;
    assert!(spool.is_erased());
    assert_eq!((spool.metrics().waiting, rows(directory.path())), (3, 3));
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(16).any(|part| part == b"2026-11-23T08:00"), "the text is still on the disk");
    }
}
