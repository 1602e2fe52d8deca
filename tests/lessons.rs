//! Lessons as their users meet them: the commands, and two hundred power cuts while lessons are written, after each
//! of which the store opens and never more than the minute that was under way is lost.
#![expect(clippy::unwrap_used, reason = "what tests share may panic")]

mod common;

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{Process, moodring};
use jiff::{SignedDuration, Timestamp};
use moodring::config::{Config, LessonBegin, TimetableEntry};
use moodring::mood::lesson::{FILE_NAME, OpenLesson, Recorder, Store, Timetable, Write};
use moodring::mood::{Aggregator, Mood, Share, State};

const CUTS: u32 = 200;
/// Tells the child where to write.
const VARIABLE: &str = "MOODRING_POWER_CUT_DIRECTORY";

fn config() -> Config {
    let mut config = Config::default();
    config.lessons.begin = LessonBegin::Timetable;
    config.lessons.time_zone = "UTC".into();
    // Lessons all day, so that begins and ends are cut off too.
    let entry = TimetableEntry { begin: "*/10 * * * *".into(), minutes: 9, title: "x".into() };
    config.lessons.timetable = vec![entry];
    config
}

/// A live mood of 28 people, as it is published at `at`.
fn mood(config: &Config, at: Timestamp) -> Mood {
    let empty = Aggregator::new(config.room.clone(), config.mood.clone()).mood(Instant::now(), at);
    let facing = Some(Share { share: 0.75, low: 0.6, high: 0.86 });
    Mood { state: State::Live, people: Some(28), facing, ..empty }
}

/// Minutes that the store holds, in all lessons.
fn rows(store: &Store) -> u64 {
    let lessons = store.lessons().unwrap();
    lessons.iter().map(|lesson| store.minutes(lesson.id).unwrap().len() as u64).sum()
}

/// The writer that is killed: lives through simulated minutes as fast as the disk takes them, and tells each batch
/// before it is written and after. Does nothing unless it is started by the test below.
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
    let mut recorder = Recorder::new(&config, Timetable::new(&config.lessons).unwrap(), open);
    let mut rows = rows(&store);
    let mut output = std::io::stderr();
    loop {
        at += SignedDuration::from_secs(30);
        recorder.take(&mood(&config, at));
        if let Some(batch) = recorder.due(at) {
            writeln!(output, "begins {rows}").unwrap();
            store.commit(&batch).unwrap();
            rows += batch.writes.iter().filter(|write| matches!(write, Write::Minute(_))).count() as u64;
            writeln!(output, "written {rows}").unwrap();
        }
    }
}

#[test]
fn two_hundred_power_cuts_cost_a_minute_each_at_most() {
    let directory = tempfile::tempdir().unwrap();
    let (mut cut_while_writing, mut most) = (0, 0);
    for cut in 0..CUTS {
        let told = cut_off(directory.path(), cut);
        let written = told.iter().rev().find_map(|line| line.strip_prefix("written ")?.parse::<u64>().ok());
        cut_while_writing += u32::from(told.last().is_some_and(|line| line.starts_with("begins")));

        check_integrity(directory.path());
        let found = rows(&Store::open(directory.path()).unwrap());
        // What was told as written is there; what was being written is there whole or not at all.
        assert!(found >= written.unwrap_or(most), "cut {cut}: {found} rows, told {told:?}");
        assert!(found <= written.unwrap_or(most) + 2, "cut {cut}: {found} rows, told {told:?}");
        most = found;
    }
    assert!(most > u64::from(CUTS), "only {most} rows in all");
    assert!(cut_while_writing > 20, "only {cut_while_writing} cuts hit a write");
    let store = Store::open(directory.path()).unwrap();
    let open = store.lessons().unwrap().iter().filter(|lesson| lesson.ended_at.is_none()).count();
    assert!(open <= 1, "{open} lessons under way");
}

/// Starts the writer, kills it (SIGKILL) at a time that differs with `cut`, and returns what it told.
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
    // Some batches first, then a part of the next one: at most 4 ms, in steps of 20 µs.
    let batches = 1 + cut % 4;
    let part = Duration::from_micros(u64::from(cut) * 20);
    let mut told = Vec::new();
    while told.iter().filter(|line: &&String| line.starts_with("written")).count() < batches as usize {
        told.push(lines.recv_timeout(common::PATIENCE).unwrap());
    }
    let deadline = Instant::now() + part;
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        told.push(line);
    }
    process.0.kill().unwrap();
    process.wait();
    // What it still told before the end.
    told.extend(lines.iter());
    told
}

fn check_integrity(directory: &Path) {
    let connection = rusqlite::Connection::open(directory.join(FILE_NAME)).unwrap();
    let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
}

/// Two lessons of nine minutes in `directory`, and the beginning of a third.
fn record(directory: &Path) {
    let config = config();
    let mut store = Store::open(directory).unwrap();
    let mut recorder = Recorder::new(&config, Timetable::new(&config.lessons).unwrap(), None);
    let start: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
    for second in 0..1500 {
        let at = start + SignedDuration::from_secs(second);
        recorder.take(&mood(&config, at));
        if let Some(batch) = recorder.due(at) {
            store.commit(&batch).unwrap();
        }
    }
}

fn lessons(directory: &Path, arguments: &[&str]) -> (Output, String, String) {
    let mut all = vec!["lessons", "--directory", directory.to_str().unwrap()];
    all.extend(arguments);
    let output = moodring(&all).env("TZ", "UTC").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (told, wrong) = (text(&output.stdout), text(&output.stderr));
    (output, told, wrong)
}

#[test]
fn lessons_are_listed_shown_exported_and_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (output, _, wrong) = lessons(directory, &["list"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(wrong.contains("no lessons are recorded") && wrong.contains("--config"), "{wrong}");
    assert!(!directory.join(FILE_NAME).exists(), "looking makes nothing");

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
    assert_eq!((&json["schema"], &json["lesson"]["id"]), (&"moodring.lesson/1".into(), &3.into()));
    let page = directory.join("page.html");
    let (output, ..) = lessons(directory, &["export", "1", "-o", page.to_str().unwrap()]);
    assert!(output.status.success());
    assert!(std::fs::read_to_string(page).unwrap().starts_with("<!DOCTYPE html>"));

    let (output, _, wrong) = lessons(directory, &["show", "9"]);
    assert!(!output.status.success() && wrong.contains("there is no lesson 9"), "{wrong}");
    let (output, _, wrong) = lessons(directory, &["delete", "--before", "yesterday"]);
    assert!(output.status.code() == Some(2) && wrong.contains("2026-11-23"), "{wrong}");
    assert_eq!(lessons(directory, &["delete"]).0.status.code(), Some(2));
    let (_, told, wrong) = lessons(directory, &["delete", "--before", "2026-11-24"]);
    assert!(told.contains("2 lessons deleted; 1 lesson kept"), "{told}{wrong}");
    assert_eq!(lessons(directory, &["list"]).1.lines().count(), 2);
}

#[test]
fn notices_are_made_from_the_configuration_and_not_for_what_may_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("moodring.toml");
    let notice = |text: &str, more: &[&str]| {
        std::fs::write(&path, text).unwrap();
        let mut arguments = vec!["notice", "--config", path.to_str().unwrap()];
        arguments.extend(more);
        moodring(&arguments).output().unwrap()
    };
    let declared = common::declared(directory.path());
    let poster = notice(&declared, &[]);
    assert!(poster.status.success() && String::from_utf8_lossy(&poster.stdout).contains("never a mark"));
    let sheet = notice(&declared, &["--data-sheet"]);
    let sheet = String::from_utf8_lossy(&sheet.stdout).into_owned();
    assert!(sheet.contains("expression 0.") && sheet.contains("SHA-256"), "{sheet}");
    assert_eq!(notice("", &[]).status.code(), Some(2));
}
