//! The real binary, from the simulated camera through the real networks to a real broker.
#![expect(clippy::unwrap_used, reason = "what tests share may panic")]

mod common;

use std::path::Path;
use std::process::Stdio;

use common::{Message, Process, declared, free_port, moodring, mosquitto, next, subscribe};
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
        declared(directory)
    );
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A live mood in which most of the class was read, on the topic of moods.
fn settled(message: &Message) -> bool {
    let payload = message.json();
    message.topic == "moodring/test/a1/mood"
        && payload["state"] == "live"
        && payload["coverage"].as_f64().is_some_and(|coverage| coverage >= 0.6)
}

fn assert_true_to_the_class(payload: &Value) {
    let people = payload["people"].as_f64().unwrap();
    assert!((people - PEOPLE).abs() <= 0.1 * PEOPLE, "{people} people seen of {PEOPLE}");
    let facing = payload["facing"]["share"].as_f64().unwrap();
    assert!((facing - FACING).abs() <= 0.1, "facing {facing}, in truth {FACING}");
}

fn schema() -> jsonschema::Validator {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mood.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn run_and_watch(directory: &Path, broker: &str, port: u16) {
    let config = configuration(directory, broker, port);
    let mut daemon = Process(moodring(&["run", "--config", &config]).stdout(Stdio::null()).spawn().unwrap());
    let messages = subscribe(port);
    let schema = schema();
    let mood = next(&messages, |message| {
        if message.topic.ends_with("/mood") {
            let payload = message.json();
            assert!(schema.is_valid(&payload), "{payload}");
        } else {
            assert_eq!(message.topic, "moodring/test/a1/status", "an undocumented topic");
        }
        settled(message)
    });
    assert_true_to_the_class(&mood.json());

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
fn the_simulated_class_reaches_the_embedded_broker_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    run_and_watch(directory.path(), "embedded", free_port());
}

#[test]
fn the_simulated_class_reaches_mosquitto_as_it_is_and_offline_is_told_at_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    if let Some(_broker) = mosquitto(port, directory.path()) {
        run_and_watch(directory.path(), "external", port);
    }
}
