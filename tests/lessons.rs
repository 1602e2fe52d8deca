//! The lesson commands, and 200 simulated power cuts while lessons are written: after each one the store opens, and at
//! most the current minute is lost.
#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{Process, moodring};
use jiff::{SignedDuration, Timestamp};
use moodring_config::{Config, LessonBegin, TimetableEntry};
use moodring_contract::{Mood, Share, State};
use moodring_lessons::{FILE_NAME, OpenLesson, Recorder, Store, Timetable, Write};
use moodring_mood::Aggregator;

const CUTS: u32 = 200;
/// Environment variable with the folder in which the child process writes.
const VARIABLE: &str = "MOODRING_POWER_CUT_DIRECTORY";

fn config() -> Config {
    let mut config = Config::default();
    config.lessons.begin = LessonBegin::Timetable;
    config.clock.time_zone = "UTC".into();
    // Short lessons all day, so that power cuts also hit begins and ends.
    let entry = TimetableEntry { begin: "*/10 * * * *".into(), minutes: 9, title: "x".into() };
    config.lessons.timetable = vec![entry];
    config
}

/// A live mood of 28 people, published at `at`.
fn mood(config: &Config, at: Timestamp) -> Mood {
    let empty = Aggregator::new(config.room.clone(), config.mood.clone()).mood(Instant::now(), at);
    let facing = Some(Share { share: 0.75, low: 0.6, high: 0.86 });
    Mood { state: State::Live, people: Some(28), facing, ..empty }
}

/// Number of minutes in the store, over all lessons.
fn rows(store: &Store) -> u64 {
    let lessons = store.lessons().unwrap();
    lessons.iter().map(|lesson| store.minutes(lesson.id).unwrap().len() as u64).sum()
}

/// The child process that is killed. It writes simulated minutes as fast as the disk allows, and prints a line before and
/// after each batch. Does nothing unless the test below starts it.
#[test]
fn writer() {
    let Some(directory) = std::env::var_os(VARIABLE) else { return };
    let config = config();
    let mut store = Store::open(Path::new(&directory)).unwrap();
    let open = store.open_lesson().unwrap();
    let newest = store.lessons().unwrap().last().map(|lesson| lesson.begun_at);
    let mut at: Timestamp = match &open {
        Some(OpenLesson { lesson, last_minute, .. }) => last_minute.map_or(lesson.begun_at, |(_, at)| at),
        None => newest.unwrap_or("2026-11-23T08:00:00Z".parse().unwrap()),
    };
    let mut recorder =
        Recorder::new(&config, Timetable::new(&config.lessons, &config.clock.zone()).unwrap(), open);
    let mut rows = rows(&store);
    let mut output = std::io::stderr();
    loop {
        at += SignedDuration::from_secs(30);
        recorder.take(&mood(&config, at), Instant::now());
        if let Some(batch) = recorder.due(at, Instant::now(), || None) {
            writeln!(output, "begins {rows}").unwrap();
            store.commit(&batch).unwrap();
            rows += batch.writes.iter().filter(|write| matches!(write, Write::Minute(_))).count() as u64;
            writeln!(output, "written {rows}").unwrap();
        }
    }
}

#[test]
fn each_of_200_power_cuts_loses_at_most_one_minute() {
    let directory = tempfile::tempdir().unwrap();
    let (mut cut_while_writing, mut total) = (0, 0);
    for cut in 0..CUTS {
        let printed = cut_off(directory.path(), cut);
        let written =
            printed.iter().rev().find_map(|line| line.strip_prefix("written ")?.parse::<u64>().ok());
        cut_while_writing += u32::from(printed.last().is_some_and(|line| line.starts_with("begins")));

        check_integrity(directory.path());
        let found = rows(&Store::open(directory.path()).unwrap());
        // Batches printed as written are in the store; the interrupted batch is either complete or absent.
        assert!(found >= written.unwrap_or(total), "cut {cut}: {found} rows, printed {printed:?}");
        assert!(found <= written.unwrap_or(total) + 2, "cut {cut}: {found} rows, printed {printed:?}");
        total = found;
    }
    assert!(total > u64::from(CUTS), "only {total} rows in all");
    assert!(cut_while_writing > 20, "only {cut_while_writing} cuts hit a write");
    let store = Store::open(directory.path()).unwrap();
    let open = store.lessons().unwrap().iter().filter(|lesson| lesson.ended_at.is_none()).count();
    assert!(open <= 1, "{open} lessons without an end");
}

/// Starts the writer, kills it (SIGKILL) at a time that depends on `cut`, and returns the lines that it printed.
fn cut_off(directory: &Path, cut: u32) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer", "--nocapture", "--test-threads", "1"])
        .env(VARIABLE, directory)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.stderr.take().unwrap();
    let mut process = Process(child);
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(output).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
    });
    // Waits for 1 to 4 batches and then for a part of the next one: up to 4 ms in steps of 20 µs.
    let batches = 1 + cut % 4;
    let part = Duration::from_micros(u64::from(cut) * 20);
    let mut printed = Vec::new();
    while printed.iter().filter(|line: &&String| line.starts_with("written")).count() < batches as usize {
        printed.push(lines.recv_timeout(common::TIMEOUT).unwrap());
    }
    let deadline = Instant::now() + part;
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        printed.push(line);
    }
    process.0.kill().unwrap();
    process.wait();
    // Lines printed between the deadline and the kill.
    printed.extend(lines.iter());
    printed
}

fn check_integrity(directory: &Path) {
    let connection = rusqlite::Connection::open(directory.join(FILE_NAME)).unwrap();
    let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
}

/// Records two lessons of nine minutes in `directory`, and the begin of a third.
fn record(directory: &Path) {
    let config = config();
    let mut store = Store::open(directory).unwrap();
    let mut recorder =
        Recorder::new(&config, Timetable::new(&config.lessons, &config.clock.zone()).unwrap(), None);
    let start: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
    for second in 0..1500 {
        let at = start + SignedDuration::from_secs(second);
        recorder.take(&mood(&config, at), Instant::now());
        if let Some(batch) = recorder.due(at, Instant::now(), || None) {
            store.commit(&batch).unwrap();
        }
    }
}

fn lessons(directory: &Path, arguments: &[&str]) -> (Output, String, String) {
    let mut all = vec!["lessons", "--directory", directory.to_str().unwrap()];
    all.extend(arguments);
    let output = moodring(&all).env("TZ", "UTC").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    (output, stdout, stderr)
}

#[test]
fn lessons_are_listed_shown_exported_and_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (output, _, stderr) = lessons(directory, &["list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("no lessons are recorded") && stderr.contains("--config"), "{stderr}");
    assert!(!directory.join(FILE_NAME).exists(), "`list` creates no store");

    record(directory);
    let (_, listed, _) = lessons(directory, &["list"]);
    assert_eq!(listed.lines().count(), 4, "{listed}");
    assert!(listed.contains("2026-11-23  08:10-08:19") && listed.contains("75%"), "{listed}");
    let (_, shown, _) = lessons(directory, &["show", "2"]);
    assert!(shown.contains("Monday 2026-11-23, 08:10 to 08:19 (9 minutes)"), "{shown}");
    assert!(shown.contains("not of any person"), "{shown}");

    let (_, table, _) = lessons(directory, &["export", "1", "--format", "csv"]);
    assert_eq!(table.lines().count(), 10, "{table}");
    let (_, json, _) = lessons(directory, &["export", "last", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["schema"], &json["lesson"]["id"]), (&"moodring.lesson_report/1".into(), &3.into()));
    let page = directory.join("page.html");
    let (output, ..) = lessons(directory, &["export", "1", "-o", page.to_str().unwrap()]);
    assert!(output.status.success());
    assert!(std::fs::read_to_string(page).unwrap().starts_with("<!DOCTYPE html>"));

    let (output, _, stderr) = lessons(directory, &["show", "9"]);
    assert!(!output.status.success() && stderr.contains("there is no lesson 9"), "{stderr}");
    let (output, _, stderr) = lessons(directory, &["delete", "--before", "yesterday"]);
    assert!(output.status.code() == Some(2) && stderr.contains("2026-11-23"), "{stderr}");
    assert_eq!(lessons(directory, &["delete"]).0.status.code(), Some(2));
    let (_, stdout, stderr) = lessons(directory, &["delete", "--before", "2026-11-24"]);
    assert!(stdout.contains("2 lessons deleted; 1 lesson kept"), "{stdout}{stderr}");
    assert_eq!(lessons(directory, &["list"]).1.lines().count(), 2);
}

#[test]
fn notice_needs_a_configuration_that_may_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("moodring.toml");
    let notice = |text: &str, more: &[&str]| {
        std::fs::write(&path, text).unwrap();
        let mut arguments = vec!["notice", "--config", path.to_str().unwrap()];
        arguments.extend(more);
        moodring(&arguments).output().unwrap()
    };
    let config = common::base_config(directory.path());
    let poster = notice(&config, &[]);
    assert!(poster.status.success() && String::from_utf8_lossy(&poster.stdout).contains("never a mark"));
    let sheet = notice(&config, &["--data-sheet"]);
    let sheet = String::from_utf8_lossy(&sheet.stdout).into_owned();
    assert!(sheet.contains("expression 0.") && sheet.contains("SHA-256"), "{sheet}");
    assert_eq!(notice("", &[]).status.code(), Some(2));
}
