//! The daemon under a service manager: notifications, signals, reload, restart and panics.
#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Message, Process, TIMEOUT, base_config, free_port, moodring, next, subscribe};

fn small_class(directory: &Path, port: u16) -> String {
    let path = directory.join("moodring.toml");
    let text = format!(
        "{}[camera.simulator]\npeople = 12\nwidth = 640\nheight = 384\n[vision]\ndetection_width = 640\n\
         [mood]\npublish_every_s = 0.2\n[mqtt]\nbroker = \"embedded\"\nport = {port}\n\
         [web]\nlisten = \"127.0.0.1:0\"\n",
        base_config(directory)
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_service_manager_is_notified_of_ready_watchdog_and_stopping() {
    let directory = tempfile::tempdir().unwrap();
    let socket_path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&socket_path).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let wait_for_notification = |wanted: &str| {
        let mut buffer = [0; 256];
        loop {
            let length = socket.recv(&mut buffer).unwrap_or_else(|_| panic!("{wanted} was not sent"));
            if std::str::from_utf8(&buffer[..length]).unwrap().lines().any(|line| line == wanted) {
                return;
            }
        }
    };
    let config = small_class(directory.path(), free_port());
    let mut command = moodring(&["run", "--config", &config]);
    command.env("NOTIFY_SOCKET", &socket_path).env("WATCHDOG_USEC", "2000000").stdout(Stdio::null());
    let mut daemon = Process(command.spawn().unwrap());
    wait_for_notification("READY=1");
    wait_for_notification("WATCHDOG=1");
    daemon.signal("TERM");
    wait_for_notification("STOPPING=1");
    assert!(daemon.wait().success());
}

#[test]
fn sigusr1_pauses_and_empties_the_mood_and_sigusr2_resumes() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let config = small_class(directory.path(), port);
    let mut daemon = Process(moodring(&["run", "--config", &config]).stdout(Stdio::null()).spawn().unwrap());
    let messages = subscribe(port);
    let in_state = |state: &'static str| {
        move |message: &Message| message.topic.ends_with("/mood") && message.json()["state"] == state
    };
    next(&messages, in_state("live"));
    daemon.signal("USR1");
    let paused = next(&messages, in_state("paused")).json();
    assert!(paused["people"].is_null() && paused["expressions"].is_null(), "{paused}");
    daemon.signal("USR2");
    next(&messages, in_state("live"));
    daemon.signal("TERM");
    assert!(daemon.wait().success());
}

/// Creates a folder like that of an LED in the kernel's LED class.
fn light(directory: &Path) -> std::path::PathBuf {
    let folder = directory.join("led");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("brightness"), "0").unwrap();
    std::fs::write(folder.join("max_brightness"), "255\n").unwrap();
    folder
}

fn wait_for(path: &Path, text: &str) {
    wait_until(path, |found| found == text);
}

fn wait_until(path: &Path, is_expected: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let found = std::fs::read_to_string(path).unwrap_or_default();
        if is_expected(&found) {
            return;
        }
        assert!(Instant::now() < deadline, "{} stays {found:?}", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_pause_survives_a_power_cut_and_the_light_is_on_while_the_camera_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let (port, led) = (free_port(), light(directory.path()));
    let brightness = led.join("brightness");
    let persisted = directory.path().join("state/control.json");
    let config = small_class(directory.path(), port);
    let light = format!("[camera.light]\nkind = \"led\"\npath = {led:?}\n");
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + &light).unwrap();
    let start = || Process(moodring(&["run", "--config", &config]).stdout(Stdio::null()).spawn().unwrap());
    let in_state = |state: &'static str| {
        move |message: &Message| message.topic.ends_with("/mood") && message.json()["state"] == state
    };

    let daemon = start();
    next(&subscribe(port), in_state("live"));
    assert_eq!(std::fs::read_to_string(&brightness).unwrap(), "255");
    daemon.signal("USR1");
    wait_for(&brightness, "0");
    let contains = |text: &'static str| move |stored: &str| stored.contains(text);
    wait_until(&persisted, contains(r#"{"schema":"moodring.control/1","paused":true}"#));
    // Dropping the guard kills the daemon, as a power cut does.
    drop(daemon);

    let daemon = start();
    let messages = subscribe(port);
    for _ in 0..5 {
        next(&messages, |message| {
            let is_mood = message.topic.ends_with("/mood");
            assert!(
                !is_mood || in_state("paused")(message),
                "the pause was not restored: {}",
                message.json()
            );
            is_mood
        });
    }
    assert_eq!(std::fs::read_to_string(&brightness).unwrap(), "0", "the camera was never open");
    daemon.signal("USR2");
    next(&messages, in_state("live"));
    wait_until(&persisted, contains(r#"{"schema":"moodring.control/1","paused":false}"#));
    assert_eq!(std::fs::read_to_string(&brightness).unwrap(), "255");
    drop(daemon);

    // A killed process cannot switch an LED off; the service manager runs `light-off` after it.
    assert!(moodring(&["light-off", "--config", &config]).status().unwrap().success());
    assert_eq!(std::fs::read_to_string(&brightness).unwrap(), "0");
}

/// Starts a device with a live class. Returns the process, its configuration file and its log file.
fn watching(directory: &Path, manager: Option<&Path>) -> (Process, String, std::path::PathBuf) {
    let (port, log) = (free_port(), directory.join("log"));
    let config = small_class(directory, port);
    let lessons = "[lessons]\nbegin = \"command\"\n";
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + lessons).unwrap();
    let mut command = moodring(&["run", "--config", &config]);
    command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
    if let Some(socket) = manager {
        command.env("NOTIFY_SOCKET", socket);
    }
    let daemon = Process(command.spawn().unwrap());
    next(&subscribe(port), |message| message.topic.ends_with("/mood") && message.json()["state"] == "live");
    (daemon, config, log)
}

fn wait_for_line(log: &Path, line: &str) {
    let deadline = Instant::now() + TIMEOUT;
    while !std::fs::read_to_string(log).unwrap().contains(line) {
        assert!(Instant::now() < deadline, "no {line:?} in {}", std::fs::read_to_string(log).unwrap());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn edit(config: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(config).unwrap();
    assert!(text.contains(from));
    std::fs::write(config, text.replace(from, to)).unwrap();
}

#[test]
fn sighup_applies_the_keys_that_need_no_restart_and_ignores_an_invalid_file() {
    let directory = tempfile::tempdir().unwrap();
    let (mut daemon, config, log) = watching(directory.path(), None);
    edit(&config, "[lessons]\n", "[night]\nlights = 7\n[lessons]\n");
    daemon.signal("HUP");
    wait_for_line(&log, ":21:10: night.lights is 7");
    edit(&config, "lights = 7\n", "lights = 0.5\n[room]\nname = \"7b\"\n[log]\nfilter = \"debug\"\n");
    daemon.signal("HUP");
    wait_for_line(&log, "needs_restart=\"room.name\"");
    wait_for_line(&log, "applied=\"log.filter, night.lights\"");
    wait_for_line(&log, "DEBUG");
    daemon.signal("TERM");
    assert!(daemon.wait().success(), "the daemon did not continue after the reload");
}

#[test]
fn under_a_service_manager_it_exits_for_a_restart_if_a_changed_key_needs_one() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("notify");
    let _manager = UnixDatagram::bind(&socket).unwrap();
    let (mut daemon, config, log) = watching(directory.path(), Some(&socket));
    edit(&config, "[lessons]\n", "[room]\nname = \"7b\"\n[lessons]\n");
    daemon.signal("HUP");
    assert_eq!(daemon.wait().code(), Some(75));
    wait_for_line(&log, "needs_restart=\"room.name\"");
}

/// Parts that may end, in which a panic is not injected.
const MAY_END: [&str; 2] = ["console", "mood-count"];

/// Every part of a device with display, lights, page, embedded broker, lessons and a webhook.
const PARTS: [&str; 24] = [
    "broker",
    "camera",
    "vision",
    "mood",
    "display",
    "lights",
    "web",
    "mqtt",
    "webhook",
    "spool-feeder",
    "spool-keeper",
    "lesson-eraser",
    "control",
    "user-signals",
    "signals",
    "persisted-pause",
    "lessons",
    "device-events",
    "thermal",
    "counters",
    "runtime",
    "watchdog",
    "setup",
    "reload",
];

/// Configuration with all outputs: a display and a light that are files, and a webhook without a server.
fn everything(directory: &Path, panic_in: &str) -> String {
    let (led, path) = (directory.join("led"), directory.join("moodring.toml"));
    std::fs::create_dir(&led).unwrap();
    for (file, text) in [("brightness", "0"), ("max_brightness", "255"), ("trigger", "[none]")] {
        std::fs::write(led.join(file), text).unwrap();
    }
    let display = directory.join("display.png");
    std::fs::write(directory.join("secret"), "a secret of sixteen letters").unwrap();
    let text = format!(
        "{}[camera.simulator]\npeople = 8\nwidth = 640\nheight = 384\npanic_in = {panic_in:?}\n\
         [vision]\ndetection_width = 640\ncycle_every_s = 0.1\n[mood]\npublish_every_s = 0.2\n\
         [mqtt]\nbroker = \"embedded\"\nport = {}\n[web]\nlisten = \"127.0.0.1:0\"\n\
         [display]\nkind = \"png\"\npath = {display:?}\n[lights]\nkind = \"led\"\nled.path = {led:?}\n\
         [log]\nfilter = \"info,moodring_runtime=debug\"\n\
         [[webhook]]\nname = \"nobody\"\nurl = \"http://127.0.0.1:9/\"\nsecret_file = {:?}\n",
        base_config(directory),
        free_port(),
        directory.join("secret"),
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_panic_in_any_part_ends_the_process_and_clears_display_and_light() {
    for part in PARTS {
        let directory = tempfile::tempdir().unwrap();
        let config = everything(directory.path(), part);
        let log = directory.path().join("log");
        let mut command = moodring(&["run", "--config", &config]);
        command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
        let mut daemon = Process(command.spawn().unwrap());
        let status = daemon.wait();
        let log = std::fs::read_to_string(&log).unwrap();
        assert_eq!(status.code(), Some(1), "{part}: {log}");
        assert!(log.contains(&format!("{part} failed: panicked")), "{part}: {log}");
        for line in log.lines().filter(|line| line.contains("part started")) {
            assert!(
                PARTS.iter().chain(&MAY_END).any(|part| line.ends_with(&format!("part=\"{part}\""))),
                "a part that this test does not know: {line}"
            );
        }
        let panicked = log.find("panicked at").unwrap();
        assert!(!log[panicked..].contains("left behind"), "{part}: {log}");
        let brightness = std::fs::read_to_string(directory.path().join("led/brightness")).unwrap();
        assert_eq!(brightness.trim(), "0", "{part}: the light is still on");
        let display = directory.path().join("display.png");
        if display.exists() {
            // A blank display has one colour.
            let picture = image::open(&display).unwrap().into_rgb8();
            let background = picture.get_pixel(0, 0);
            assert!(
                picture.pixels().all(|pixel| pixel == background),
                "{part}: the display is not blank: {log}"
            );
        }
    }
}

/// The files below `folder`, as paths in it.
fn files(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
}

/// Every file that a device writes is in the list of stored files; a device whose files are all damaged starts, paused,
/// and reports it.
#[test]
fn a_device_whose_files_are_all_damaged_starts_paused_and_reports_it() {
    let directory = tempfile::tempdir().unwrap();
    let (config, state) = (everything(directory.path(), ""), directory.path().join("state"));
    let text = std::fs::read_to_string(&config).unwrap();
    let port = text.lines().find_map(|line| line.strip_prefix("port = ")).unwrap().parse().unwrap();
    std::fs::write(&config, format!("{text}[lessons]\nbegin = \"command\"\n")).unwrap();
    std::fs::create_dir(&state).unwrap();
    let log = directory.path().join("log");
    let start = || {
        let mut command = moodring(&["run", "--config", &config]);
        command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
        Process(command.spawn().unwrap())
    };
    let in_state = |state: &'static str| {
        move |message: &Message| message.topic.ends_with("/mood") && message.json()["state"] == state
    };
    std::fs::write(state.join("setup.toml"), "[room]\nname = \"7b\"\n").unwrap();
    let mut daemon = start();
    let messages = subscribe(port);
    next(&messages, in_state("live"));
    for _ in 0..2 {
        daemon.signal("USR1");
        next(&messages, in_state("paused"));
        daemon.signal("USR2");
        next(&messages, in_state("live"));
    }
    wait_until(&state.join("control.json"), |stored| stored.contains("false"));
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let mut written = Vec::new();
    files(&state, "", &mut written);
    for name in [
        "control.json",
        "disclosure.json",
        "lessons.sqlite",
        "setup.toml.copy",
        "webhooks/nobody/spool.sqlite",
    ] {
        assert!(written.iter().any(|file| file == name), "{name} is missing: {written:?}");
    }
    for name in &written {
        assert!(
            moodring::state::is_listed(name),
            "{name} is not in the list of stored files (src/state/table.rs)"
        );
        let size = std::fs::metadata(state.join(name)).unwrap().len();
        std::fs::write(state.join(name), vec![0; usize::try_from(size).unwrap()]).unwrap();
    }
    // Without its settings and their copy the device would wait with the set-up page.
    for name in ["setup.toml", "setup.toml.copy"] {
        std::fs::remove_file(state.join(name)).unwrap();
    }
    let mut daemon = start();
    let messages = subscribe(port);
    let health = next(&messages, |message| {
        assert!(!in_state("live")(message), "the camera was open: {}", message.json());
        message.topic.ends_with("/health") && !message.json()["problems"]["storage"].is_null()
    });
    let problem = health.json()["problems"]["storage"].to_string();
    for name in ["control.json", "disclosure.json", "lessons.sqlite", "webhooks/nobody/spool.sqlite"] {
        assert!(problem.contains(&format!("{name}.damaged")), "{name}: {problem}");
        assert!(state.join(format!("{name}.damaged")).exists(), "{name}");
    }
    next(&messages, in_state("paused"));
    daemon.signal("USR2");
    next(&messages, in_state("live"));
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.contains("control.json was damaged"), "{logged}");
}
