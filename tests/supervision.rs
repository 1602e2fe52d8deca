//! The daemon under a service manager, and the signals that it answers to.
#![expect(clippy::unwrap_used, reason = "what tests share may panic")]

mod common;

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Message, PATIENCE, Process, declared, free_port, moodring, next, subscribe};

fn small_class(directory: &Path, port: u16) -> String {
    let path = directory.join("moodring.toml");
    let text = format!(
        "{}[camera.simulator]\npeople = 12\nwidth = 640\nheight = 384\n[vision]\ndetection_width = 640\n\
         [mood]\npublish_every_s = 0.2\n[mqtt]\nbroker = \"embedded\"\nport = {port}\n\
         [web]\nlisten = \"127.0.0.1:0\"\n",
        declared(directory)
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_service_manager_hears_that_it_is_ready_alive_and_stopping() {
    let directory = tempfile::tempdir().unwrap();
    let socket_path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&socket_path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = |wanted: &str| {
        let mut buffer = [0; 256];
        loop {
            let length = socket.recv(&mut buffer).unwrap_or_else(|_| panic!("{wanted} was not told"));
            if std::str::from_utf8(&buffer[..length]).unwrap().lines().any(|line| line == wanted) {
                return;
            }
        }
    };
    let config = small_class(directory.path(), free_port());
    let mut command = moodring(&["run", "--config", &config]);
    command.env("NOTIFY_SOCKET", &socket_path).env("WATCHDOG_USEC", "2000000").stdout(Stdio::null());
    let mut daemon = Process(command.spawn().unwrap());
    hear("READY=1");
    hear("WATCHDOG=1");
    daemon.signal("TERM");
    hear("STOPPING=1");
    assert!(daemon.wait().success());
}

#[test]
fn a_pause_by_signal_empties_the_mood_and_ends_by_signal() {
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

/// A camera light as the kernel's LED class offers it.
fn light(directory: &Path) -> std::path::PathBuf {
    let folder = directory.join("led");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("brightness"), "0").unwrap();
    std::fs::write(folder.join("max_brightness"), "255\n").unwrap();
    folder
}

fn wait_for(path: &Path, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while std::fs::read_to_string(path).unwrap_or_default() != text {
        assert!(Instant::now() < deadline, "{} does not become {text:?}", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_pause_survives_a_power_cut_and_the_light_tells_whether_the_camera_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let (port, led) = (free_port(), light(directory.path()));
    let brightness = led.join("brightness");
    let kept = directory.path().join("state/control.json");
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
    wait_for(&kept, r#"{"schema":"moodring.control/1","paused":true}"#);
    // Dropping kills it: what a power cut leaves is on the disk.
    drop(daemon);

    let daemon = start();
    let messages = subscribe(port);
    for _ in 0..5 {
        next(&messages, |message| {
            let is_mood = message.topic.ends_with("/mood");
            assert!(!is_mood || in_state("paused")(message), "it was left paused: {}", message.json());
            is_mood
        });
    }
    assert_eq!(std::fs::read_to_string(&brightness).unwrap(), "0", "the camera was never open");
    daemon.signal("USR2");
    next(&messages, in_state("live"));
    wait_for(&kept, r#"{"schema":"moodring.control/1","paused":false}"#);
    assert_eq!(std::fs::read_to_string(&brightness).unwrap(), "255");
    drop(daemon);

    // Who is killed cannot put a light of the LED class out; the service manager does it afterwards.
    assert!(moodring(&["light-off", "--config", &config]).status().unwrap().success());
    assert_eq!(std::fs::read_to_string(&brightness).unwrap(), "0");
}

/// A device that watches a class, its configuration and its log.
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
    let deadline = Instant::now() + PATIENCE;
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
fn on_sighup_what_can_be_is_taken_over_and_a_broken_file_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut daemon, config, log) = watching(directory.path(), None);
    edit(&config, "[lessons]\n", "[night]\nlights = 7\n[lessons]\n");
    daemon.signal("HUP");
    wait_for_line(&log, ":21:10: night.lights is 7");
    edit(&config, "lights = 7\n", "lights = 0.5\n[room]\nname = \"7b\"\n[log]\nfilter = \"debug\"\n");
    daemon.signal("HUP");
    wait_for_line(&log, "needs_restart=\"room.name\"");
    wait_for_line(&log, "taken_over=\"log.filter, night.lights\"");
    wait_for_line(&log, "DEBUG");
    daemon.signal("TERM");
    assert!(daemon.wait().success(), "it went on running");
}

#[test]
fn under_a_service_manager_it_begins_anew_for_what_needs_it() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("notify");
    let _manager = UnixDatagram::bind(&socket).unwrap();
    let (mut daemon, config, log) = watching(directory.path(), Some(&socket));
    edit(&config, "[lessons]\n", "[room]\nname = \"7b\"\n[lessons]\n");
    daemon.signal("HUP");
    assert_eq!(daemon.wait().code(), Some(75));
    wait_for_line(&log, "restart=\"room.name\"");
}
