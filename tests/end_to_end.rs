//! The real binary from end to end: simulated camera, real networks, real broker.
#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::path::Path;
use std::process::Stdio;

use common::{Message, Process, base_config, free_port, moodring, mosquitto, next, subscribe};
use serde_json::Value;

const PEOPLE: f64 = 30.0;
const FACING: f64 = 0.8;

fn configuration(directory: &Path, broker: &str, port: u16) -> String {
    let path = directory.join("moodring.toml");
    let text = format!(
        "{}[room]\nsite = \"test\"\nname = \"a1\"\n\
         [camera.simulator]\npeople = {PEOPLE}\nfacing = {FACING:?}\nscript = \"steady\"\n\
         [mqtt]\nbroker = \"{broker}\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         [web]\nlisten = \"127.0.0.1:0\"\n",
        base_config(directory)
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Whether this is a live mood in which at least 60 % of the class was read.
fn settled(message: &Message) -> bool {
    let payload = message.json();
    message.topic == "moodring/test/a1/mood"
        && payload["state"] == "live"
        && payload["coverage"].as_f64().is_some_and(|coverage| coverage >= 0.6)
}

fn assert_matches_the_class(payload: &Value, class: f64) {
    let people = payload["people"].as_f64().unwrap();
    assert!((people - class).abs() <= 0.1 * class, "{people} people seen of {class}");
    let facing = payload["facing"]["share"].as_f64().unwrap();
    assert!((facing - FACING).abs() <= 0.1, "facing {facing}, in truth {FACING}");
}

/// Documented JSON schema of the topic whose last level is `leaf`.
fn schema(leaf: &str) -> jsonschema::Validator {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let name = format!("{leaf}.schema.json");
    let text = std::fs::read_to_string(docs.join("schemas").join(name))
        .unwrap_or_else(|_| panic!("{leaf} is an undocumented topic"));
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn run_and_watch(directory: &Path, broker: &str, port: u16) {
    let config = configuration(directory, broker, port);
    let mut daemon = Process(moodring(&["run", "--config", &config]).stdout(Stdio::null()).spawn().unwrap());
    let messages = subscribe(port);
    let mut schemas = std::collections::HashMap::new();
    let mood = next(&messages, |message| {
        let leaf = message.topic.strip_prefix("moodring/test/a1/").expect("an undocumented topic").to_owned();
        let payload = message.json();
        let schema = schemas.entry(leaf.clone()).or_insert_with(|| schema(&leaf));
        assert!(schema.is_valid(&payload), "{leaf}: {payload}");
        settled(message) && schemas.len() >= 3
    });
    for leaf in ["health", "mood", "status"] {
        assert!(schemas.contains_key(leaf), "{leaf} was not published");
    }
    assert_matches_the_class(&mood.json(), PEOPLE);

    daemon.signal("TERM");
    if broker == "external" {
        let offline =
            |message: &Message| message.topic.ends_with("/status") && message.json()["status"] == "offline";
        next(&messages, offline);
        let retained = subscribe(port);
        next(&retained, |message| message.retained && offline(message));
    }
    assert!(daemon.wait().success());
}

#[test]
fn the_mood_of_the_simulated_class_is_published_by_the_embedded_broker() {
    let directory = tempfile::tempdir().unwrap();
    run_and_watch(directory.path(), "embedded", free_port());
}

#[test]
fn the_mood_of_a_simulated_video_call_is_published() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let config = configuration(directory.path(), "embedded", port);
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("people = 30", "people = 36\nwidth = 1920\nheight = 1080");
    std::fs::write(&config, format!("{text}[camera]\nview = \"gallery\"\n")).unwrap();
    let _daemon = Process(moodring(&["run", "--config", &config]).stdout(Stdio::null()).spawn().unwrap());
    // Three of the 36 have their camera off.
    assert_matches_the_class(&next(&subscribe(port), settled).json(), 33.0);
}

#[test]
fn the_mood_is_published_to_mosquitto_and_offline_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    if let Some(_broker) = mosquitto(port, directory.path()) {
        run_and_watch(directory.path(), "external", port);
    }
}

/// Payloads in the spool of the daemon with the state folder `directory/state`, oldest first.
fn spooled(directory: &Path) -> Vec<Value> {
    let read = || -> rusqlite::Result<Vec<Vec<u8>>> {
        let connection = rusqlite::Connection::open(directory.join("state/spool.sqlite"))?;
        let mut statement = connection.prepare("SELECT payload FROM entry ORDER BY id")?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    let payloads = read().unwrap_or_default();
    payloads.iter().map(|payload| serde_json::from_slice(payload).unwrap()).collect()
}

#[test]
fn events_spooled_before_a_kill_are_published_after_the_restart() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let config = configuration(directory.path(), "external", port);
    let start = || Process(moodring(&["run", "--config", &config]).stdout(Stdio::null()).spawn().unwrap());
    let mut daemon = start();
    let deadline = std::time::Instant::now() + common::TIMEOUT;
    while spooled(directory.path()).is_empty() {
        assert!(std::time::Instant::now() < deadline, "nothing is spooled");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    daemon.signal("KILL");
    assert!(!daemon.wait().success());
    let first = spooled(directory.path()).remove(0);
    assert_eq!((&first["kind"], &first["sequence"]), (&"started".into(), &1.into()));

    let Some(_broker) = mosquitto(port, directory.path()) else { return };
    let messages = subscribe(port);
    let _daemon = start();
    let events = schema("event");
    let mut started = Vec::new();
    while started.len() < 2 {
        let message = next(&messages, |message| message.topic.ends_with("/event"));
        let payload = message.json();
        assert!(events.is_valid(&payload), "{payload}");
        if payload["kind"] == "started" {
            started.push(payload);
        }
    }
    assert_eq!(started[0], first, "the spooled payload is published unchanged");
    assert_eq!(started[1]["spool"], first["spool"]);
    assert!(started[1]["sequence"].as_u64() > first["sequence"].as_u64());
    assert!(started[1]["detail"].as_str().unwrap().contains("not stopped in order"), "{}", started[1]);
}
