//! A camera is disconnected and connected again: every output shows both changes.
#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Message, Process, TIMEOUT, base_config, free_port, moodring, next, subscribe};
use jiff::Timestamp;
use moodring_camera::simulator::{Script, ScriptEvent, SimulatorSource};
use moodring_camera::{Camera, CameraSource};
use moodring_config::Config;
use moodring_contract::State;
use moodring_hardware::{display, lights};
use moodring_mood::Aggregator;
use moodring_runtime::DeviceStatus;
use moodring_vision::Vision;

/// A class of 12 at 640x384, one picture per simulated second.
fn small_class() -> Config {
    let mut config = Config::default();
    let simulator = &mut config.camera.simulator;
    (simulator.people, simulator.width, simulator.height, simulator.frames_per_s) = (12, 640, 384, 1);
    config.vision.detection_width = 640;
    config
}

#[test]
fn display_light_and_payload_show_that_the_camera_is_gone_and_is_back() {
    let config = small_class();
    let script =
        Script::new(vec![(Duration::from_secs(5), ScriptEvent::Gone(Duration::from_secs(25)))], None);
    let mut source = SimulatorSource::new(&config.camera.simulator).with_script(script.unwrap()).unpaced();
    let mut vision = Vision::new(&config).unwrap();
    let mut aggregator = Aggregator::new(config.room.clone(), config.mood.clone());
    let (mut camera, mut now) = (None::<Box<dyn Camera>>, Instant::now());
    let mut states: Vec<(State, display::Picture, lights::Light, serde_json::Value)> = Vec::new();
    for _ in 0..45 {
        let opened = match camera.take() {
            Some(camera) => Ok(camera),
            None => source.open(),
        };
        // Each attempt advances the simulated time by a second; the aggregator's clock follows it.
        now += Duration::from_secs(1);
        if let Ok(mut opened) = opened
            && let Ok(frame) = opened.capture(Vec::new())
        {
            now = frame.captured_at;
            aggregator.observe(&vision.observe(&frame).unwrap());
            camera = Some(opened);
        }
        let mood = aggregator.mood(now, Timestamp::UNIX_EPOCH);
        if states.last().is_none_or(|(state, ..)| *state != mood.state) {
            let light = lights::light(&mood);
            let json = serde_json::to_value(&mood).unwrap();
            let pages =
                display::draw(&mood, &DeviceStatus::default(), None, display::PageTimes::OVERVIEW, now);
            let picture = display::small(pages.first());
            states.push((mood.state, picture, light, json["state"].clone()));
        }
    }
    let seen: Vec<_> = states.iter().map(|(state, ..)| *state).collect();
    assert_eq!(seen, [State::Live, State::Stale, State::Live]);
    let [live, stale, again] = &states[..] else { unreachable!() };
    assert_eq!((&live.3, &stale.3, &again.3), (&"live".into(), &"stale".into(), &"live".into()));
    assert_ne!(live.1.to_ascii(), stale.1.to_ascii(), "the display does not change");
    assert_ne!(live.2, stale.2, "the light does not change");
}

/// Writes three pictures of a class into `folder`, for the file camera.
fn draw_pictures(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let config = small_class();
    let mut scene = SimulatorSource::new(&config.camera.simulator).scene().unwrap();
    for index in 0..3 {
        let mut luma = image::GrayImage::new(640, 384);
        scene.draw(Duration::from_secs(index), &mut luma);
        luma.save(folder.join(format!("{index}.png"))).unwrap();
    }
}

fn get(port: u16, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    let body = response.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert!(response.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&response[..body]));
    response.split_off(body)
}

#[test]
fn the_daemon_reports_a_lost_camera_on_all_outputs_and_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let (folder, hidden) = (directory.path().join("camera"), directory.path().join("unplugged"));
    draw_pictures(&folder);
    let (broker, web) = (free_port(), free_port());
    let config = directory.path().join("moodring.toml");
    let text = format!(
        "{}[camera]\nsource = \"file\"\n[camera.file]\npath = {folder:?}\nframes_per_s = 5\n\
         [vision]\ndetection_width = 640\n[mood]\nstale_after_s = 1.5\npublish_every_s = 0.2\n\
         [mqtt]\nbroker = \"embedded\"\nport = {broker}\n[web]\nlisten = \"127.0.0.1:{web}\"\n",
        base_config(directory.path())
    );
    std::fs::write(&config, text).unwrap();
    let arguments = ["run", "--config", config.to_str().unwrap()];
    let _daemon = Process(moodring(&arguments).stdout(Stdio::null()).spawn().unwrap());
    let messages = subscribe(broker);
    let in_state = |state: &'static str| {
        move |message: &Message| message.topic.ends_with("/mood") && message.json()["state"] == state
    };
    let api_state = || -> String {
        let mood: serde_json::Value = serde_json::from_slice(&get(web, "/api/v1/mood")).unwrap();
        mood["state"].as_str().unwrap().to_owned()
    };

    next(&messages, in_state("live"));
    let live_picture = get(web, "/display.png");
    std::fs::rename(&folder, &hidden).unwrap();
    next(&messages, in_state("stale"));
    assert_eq!(api_state(), "stale");
    assert_ne!(get(web, "/display.png"), live_picture);
    std::fs::rename(&hidden, &folder).unwrap();
    next(&messages, in_state("live"));
    assert_eq!(api_state(), "live");
}
