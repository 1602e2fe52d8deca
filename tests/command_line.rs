//! The commands of the real binary: exit codes, messages, and that one bad input does not affect the others.
#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::path::Path;
use std::process::Output;

use common::{base_config, free_port, moodring, mosquitto, mosquitto_with, shared};
use serde_json::Value;

fn run(arguments: &[&str]) -> Output {
    moodring(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn wrong_usage_and_wrong_configuration_exit_with_2() {
    assert_eq!(run(&["fly"]).status.code(), Some(2));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.toml");
    std::fs::write(&path, "[mood]\nmin_people = 2\nwindow = 3\n").unwrap();
    let path = path.to_str().unwrap();
    for command in ["check", "run"] {
        let output = run(&[command, "--config", path]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(
            stderr.contains("bad.toml:2:14: mood.min_people is 2") && stderr.contains("bad.toml:3:1:"),
            "{stderr}"
        );
    }
}

fn configuration(directory: &Path, text: &str) -> String {
    let path = directory.join("moodring.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_mqtt_id_is_stable_and_forget_needs_an_external_broker() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let config = configuration(directory.path(), &format!("[storage]\ndirectory = {state:?}\n"));
    let names = [(); 2].map(|()| text(&run(&["mqtt", "id", "--config", &config]).stdout).trim().to_owned());
    assert!(names[0].len() == 23 && names[0].starts_with("moodring-"), "{names:?}");
    assert_eq!(names[0], names[1]);
    let output = run(&["mqtt", "forget", "--config", &config]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("mqtt.broker is not \"external\""), "{}", text(&output.stderr));
}

#[test]
fn without_a_declared_purpose_the_service_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let config = configuration(directory.path(), "");
    let output = run(&["run", "--config", &config]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("purpose.jurisdiction, purpose.institution and purpose.consent are missing"),
        "{stderr}"
    );
    let checked = run(&["check", "--config", &config]);
    assert!(checked.status.success() && text(&checked.stdout).contains("will refuse it"));
}

#[test]
fn a_school_in_the_eu_is_refused_with_the_article_and_only_counts() {
    let directory = tempfile::tempdir().unwrap();
    let purpose = "[purpose]\njurisdiction = \"DE\"\ninstitution = \"education\"\nconsent = \"all agreed\"\n";
    for (command, mode) in [("run", "mood"), ("check", "mood"), ("check", "occupancy")] {
        let config = configuration(directory.path(), &format!("{purpose}[mood]\nmode = {mode:?}\n"));
        let output = run(&[command, "--config", &config]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("Article 5(1)(f) of Regulation (EU) 2024/1689"), "{stderr}");
        assert!(stderr.contains("Set mood.mode = \"count\""), "{stderr}");
    }
    let config = configuration(directory.path(), &format!("{purpose}[mood]\nmode = \"count\"\n"));
    assert!(run(&["check", "--config", &config]).status.success());
}

#[test]
fn a_faulty_calendar_is_reported_with_file_and_line_and_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let calendar = directory.path().join("room.ics");
    let declared =
        "[purpose]\njurisdiction = \"IN\"\ninstitution = \"education\"\nconsent = \"all agreed\"\n";
    let lessons = format!("{declared}[lessons]\ncalendar = {calendar:?}\nbegin = ");
    let begin = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:x\r\nDTSTART:20260901T080000Z\r\n";
    let end = "END:VEVENT\r\nEND:VCALENDAR\r\n";
    for (content, expected) in [
        (
            format!("{begin}DURATION:PT2562047788015215H\r\n{end}"),
            "room.ics:2: appointment \"x\": DURATION is",
        ),
        (
            format!("{begin}DURATION:PT1M\r\nRRULE:FREQ=MINUTELY\r\n{end}"),
            "room.ics:2: appointment \"x\": it repeats",
        ),
        (begin.to_owned(), "room.ics:2: BEGIN:VEVENT has no END:VEVENT"),
        ("\0".repeat(100), "room.ics:1: is outside of BEGIN:VCALENDAR"),
        (String::new(), "room.ics: contains no appointment"),
    ] {
        std::fs::write(&calendar, content).unwrap();
        let config = configuration(directory.path(), &format!("{lessons}\"timetable\"\n"));
        for arguments in [
            &["check", "--config", &config][..],
            &["check", "--run", "--config", &config],
            &["run", "--config", &config],
        ] {
            let output = run(arguments);
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
            assert!(stderr.contains(expected) && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
            assert_eq!(stderr.matches(expected).count(), 1, "{arguments:?}: {stderr}");
        }
        let unused = configuration(directory.path(), &format!("{lessons}\"automatic\"\n"));
        assert_eq!(run(&["check", "--config", &unused]).status.code(), Some(2), "{expected}");
    }
}

#[test]
fn the_printed_defaults_are_a_valid_configuration() {
    let output = run(&["check", "--print-defaults"]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("moodring.toml");
    std::fs::write(&path, &output.stdout).unwrap();
    let output = run(&["check", "--config", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Writes the configuration of the Debian package, changed by `edit`. Returns its path.
fn shipped(directory: &Path, edit: impl Fn(&str) -> String) -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/debian/moodring.toml")).unwrap();
    configuration(directory, &edit(&text))
}

#[test]
fn the_shipped_configuration_needs_the_purpose_or_only_counts() {
    let directory = tempfile::tempdir().unwrap();
    let untouched = shipped(directory.path(), str::to_owned);
    assert!(run(&["check", "--config", &untouched]).status.success());
    let refused = run(&["check", "--run", "--config", &untouched]);
    let stderr = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("purpose.jurisdiction, purpose.institution and purpose.consent are missing"));

    let declared = |text: &str| {
        let keys = ["jurisdiction", "institution", "consent"];
        keys.iter().fold(text.to_owned(), |text, key| text.replace(&format!("#{key} ="), &format!("{key} =")))
    };
    let counting = |text: &str| text.replace("mode = \"mood\"", "mode = \"count\"");
    let edits: [&dyn Fn(&str) -> String; 2] = [&declared, &counting];
    for edit in edits {
        let accepted = run(&["check", "--run", "--config", &shipped(directory.path(), edit)]);
        assert!(accepted.status.success(), "{}", text(&accepted.stderr));
    }
}

#[test]
fn every_commented_key_of_the_shipped_configuration_is_valid() {
    let directory = tempfile::tempdir().unwrap();
    let all = |text: &str| {
        // A commented-out key has no space after the number sign.
        let key =
            |line: &str| line.starts_with(|first: char| first.is_ascii_lowercase()) && line.contains(" = ");
        text.lines().fold(String::new(), |all, line| {
            let line = line.strip_prefix('#').filter(|rest| key(rest)).unwrap_or(line);
            all + line + "\n"
        })
    };
    let output = run(&["check", "--run", "--config", &shipped(directory.path(), all)]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn package_files_writes_manual_pages_completions_and_all_keys() {
    let directory = tempfile::tempdir().unwrap();
    assert!(run(&["package-files", directory.path().to_str().unwrap()]).status.success());
    let written = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert!(written("man/moodring.1").contains("moodring\\-doctor(1)"));
    assert!(written("man/moodring-run.1").contains("Configuration file"));
    for name in ["completions/moodring.bash", "completions/_moodring", "completions/moodring.fish"] {
        assert!(written(name).contains("analyze"), "{name}");
    }
    let every_key = configuration(directory.path(), &written("moodring.toml"));
    assert!(run(&["check", "--config", &every_key]).status.success());
}

#[test]
fn completions_contain_the_commands() {
    let output = run(&["completions", "bash"]);
    assert!(output.status.success() && text(&output.stdout).contains("analyze"));
}

#[test]
fn doctor_reports_every_part() {
    let output = run(&["doctor"]);
    let stdout = text(&output.stdout);
    for part in ["library", "heads", "expression", "camera", "broker", "display"] {
        assert!(stdout.contains(part), "{part} is missing: {stdout}");
    }
}

fn write_picture(path: &Path, width: u32, height: u32) {
    image::GrayImage::from_fn(width, height, |x, y| image::Luma([((x + y) % 251) as u8])).save(path).unwrap();
}

#[test]
fn bad_pictures_are_reported_and_the_others_are_analysed() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("empty.jpg"), []).unwrap();
    std::fs::write(path("letter.png"), "Dear class, this is no picture.").unwrap();
    write_picture(Path::new(&path("whole.jpg")), 640, 480);
    let whole = std::fs::read(path("whole.jpg")).unwrap();
    std::fs::write(path("cut.jpg"), &whole[..whole.len() / 3]).unwrap();
    write_picture(Path::new(&path("dot.png")), 1, 1);
    write_picture(Path::new(&path("wide.png")), 20_000, 40);

    let names =
        ["empty.jpg", "letter.png", "cut.jpg", "absent.jpg", "dot.png", "wide.png", "whole.jpg"].map(path);
    let mut arguments = vec!["analyze", "--json"];
    arguments.extend(names.iter().map(String::as_str));
    let output = run(&arguments);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for name in ["empty.jpg", "letter.png", "absent.jpg"] {
        assert!(stderr.lines().any(|line| line.contains(name)), "{name} is missing: {stderr}");
    }
    let reports = lines(&output);
    for (name, width) in [("dot.png", 1), ("wide.png", 20_000), ("whole.jpg", 640)] {
        let answered = reports
            .iter()
            .any(|report| report["source"].as_str().unwrap().ends_with(name) && report["width"] == width);
        let refused = stderr.lines().any(|line| line.contains(name));
        assert!(answered != refused, "{name}: {stderr}");
    }
    assert!(reports.iter().any(|report| report["source"].as_str().unwrap().ends_with("whole.jpg")));
}

#[test]
fn people_on_real_pictures_are_counted() {
    let Some(photos) = shared("data/photos") else { return };
    // Range around the number of people counted by hand; the tolerance is that of the first detector.
    for (name, min, max) in [("group_steps", 20, 32), ("solvay_1927", 25, 36), ("group_office", 12, 18)] {
        let path = photos.join(format!("{name}.jpg"));
        let output = run(&["analyze", "--json", path.to_str().unwrap()]);
        let report = &lines(&output)[0];
        let people = report["people"].as_array().unwrap();
        assert!((min..=max).contains(&people.len()), "{} people on {name}", people.len());
        for person in people {
            let sum: f64 = match person["expression"].as_object() {
                Some(expression) => expression.values().map(|value| value.as_f64().unwrap()).sum(),
                None => 1.0,
            };
            assert!((sum - 1.0).abs() < 1e-3, "{person}");
        }
    }
}

#[test]
fn with_crops_each_picture_is_one_face() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("face.png");
    write_picture(&path, 48, 48);
    let output = run(&["analyze", "--crops", "--json", path.to_str().unwrap()]);
    let report = &lines(&output)[0];
    assert_eq!(report["people"].as_array().unwrap().len(), 1, "{report}");
    assert!(report["people"][0]["expression"]["happy"].is_number());
}

#[test]
fn annotated_pictures_are_written() {
    let directory = tempfile::tempdir().unwrap();
    let picture = directory.path().join("room.png");
    write_picture(&picture, 320, 240);
    let folder = directory.path().join("out");
    let arguments = ["analyze", "--annotate", folder.to_str().unwrap(), picture.to_str().unwrap()];
    let output = run(&arguments);
    assert!(output.status.success());
    assert_eq!(text(&output.stderr), "", "no notice of the library");
    let drawn = image::open(folder.join("room.png.annotated.png")).unwrap();
    assert!(drawn.width() >= 320);
}

#[test]
fn annotating_into_the_folder_of_the_pictures_leaves_them_untouched_and_uncounted() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for name in ["class.png", "class.jpg"] {
        write_picture(&path(name), 320, 240);
    }
    let before = ["class.png", "class.jpg"].map(|name| std::fs::read(path(name)).unwrap());
    let folder = directory.path().to_str().unwrap();
    for _ in 0..2 {
        let output = run(&["analyze", "--json", "--annotate", folder, folder]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let sources: Vec<_> =
            lines(&output).iter().map(|report| report["source"].as_str().unwrap().to_owned()).collect();
        assert_eq!(sources, ["class.jpg", "class.png"].map(|name| path(name).display().to_string()));
    }
    assert!(before == ["class.png", "class.jpg"].map(|name| std::fs::read(path(name)).unwrap()));
    assert!(path("class.png.annotated.png").is_file() && path("class.jpg.annotated.png").is_file());
}

#[test]
fn every_picture_of_a_clip_gets_its_annotated_file_and_a_cut_clip_is_an_error() {
    if std::process::Command::new("ffmpeg").arg("-version").output().is_err() {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED: ffmpeg is not installed\n");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let clip = directory.path().join("clip.mkv");
    let mut ffmpeg = std::process::Command::new("ffmpeg");
    ffmpeg.args([
        "-v",
        "error",
        "-nostdin",
        "-f",
        "lavfi",
        "-i",
        "testsrc=s=320x240:r=5:d=1",
        "-c:v",
        "ffv1",
    ]);
    assert!(ffmpeg.arg(&clip).status().unwrap().success());
    let out = directory.path().join("out");
    let output = run(&["analyze", "--annotate", out.to_str().unwrap(), clip.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(std::fs::read_dir(out.join("clip.mkv")).unwrap().count(), 5);

    let whole = std::fs::read(&clip).unwrap();
    std::fs::write(&clip, &whole[..whole.len() * 7 / 10]).unwrap();
    let output = run(&["analyze", "--json", clip.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!lines(&output).is_empty() && text(&output.stderr).contains("clip.mkv is incomplete, only "));
}

#[test]
fn messages_about_inputs_name_them_once_and_keep_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let address = "http://127.0.0.1:9/video.cgi?user=admin&pwd=hunter2";
    let output = run(&["analyze", "/nowhere/a.jpg", pipe.to_str().unwrap(), address]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("moodring: /nowhere/a.jpg does not exist\n"), "{stderr}");
    assert!(stderr.contains("pipe is a pipe: write its data to a file first\n"), "{stderr}");
    assert!(stderr.contains("http://127.0.0.1:9") && !stderr.contains("hunter2"), "{stderr}");
}

#[test]
fn doctor_takes_a_picture_and_reports_what_it_shows() {
    let directory = tempfile::tempdir().unwrap();
    let picture = directory.path().join("room.png");
    write_picture(&picture, 320, 240);
    let state = directory.path().join("state");
    let storage = format!("[storage]\ndirectory = {state:?}\n[camera]\nsource = \"file\"\n");
    let doctor = |path: &str| {
        let config = configuration(directory.path(), &format!("{storage}[camera.file]\npath = {path:?}\n"));
        text(&run(&["doctor", "--config", &config]).stdout).to_owned()
    };
    let report = doctor(picture.to_str().unwrap());
    assert!(report.contains("a picture of 320x240, mean brightness "), "{report}");
    let dead = doctor("http://127.0.0.1:9/video.cgi?user=admin&pwd=hunter2");
    assert!(dead.contains("FAULT camera      no picture: ") && !dead.contains("hunter2"), "{dead}");
}

#[test]
fn a_demo_ends_in_order_and_says_what_it_showed() {
    let output = run(&["demo", "--for", "2", "--people", "12", "--web-port", "0"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && stdout.contains("moods published"), "{stdout}{stderr}");
    assert!(!stderr.contains("did not stop in time"), "{stderr}");
}

#[test]
fn doctor_calls_a_broker_ok_only_if_it_accepts_the_device() {
    let directory = tempfile::tempdir().unwrap();
    let doctor = |port: u16| {
        let config = directory.path().join("moodring.toml");
        let text = format!(
            "{}[camera.simulator]\npeople = 4\n[mqtt]\nbroker = \"external\"\nhost = \"127.0.0.1\"\nport = {port}\n",
            base_config(directory.path())
        );
        std::fs::write(&config, text).unwrap();
        let output = run(&["doctor", "--config", config.to_str().unwrap()]);
        text_of_part(&output.stdout, "broker")
    };
    let (open, closed) = (free_port(), free_port());
    let Some(_open) = mosquitto(open, directory.path()) else { return };
    let Some(_closed) = mosquitto_with(closed, directory.path(), "allow_anonymous false\n") else { return };
    assert_eq!(doctor(open), format!("ok    broker      127.0.0.1:{open} accepts this device"));
    let refused = doctor(closed);
    assert!(refused.starts_with("FAULT") && refused.contains("user name or the password"), "{refused}");
    let nothing = doctor(free_port());
    assert!(nothing.starts_with("FAULT") && nothing.contains("nothing listens"), "{nothing}");
}

/// The line of `report` about `part`.
fn text_of_part(report: &[u8], part: &str) -> String {
    let lines = String::from_utf8_lossy(report);
    lines.lines().find(|line| line.get(6..).is_some_and(|rest| rest.starts_with(part))).unwrap().to_owned()
}
