//! Where the law forbids expression estimates, the device only counts people and does not load the expression network.
#![expect(clippy::unwrap_used, reason = "test helpers may panic")]

mod common;

use std::process::Stdio;

use common::{Process, free_port, moodring, next, subscribe};
use moodring_config::Config;
use moodring_contract::Mode;
use moodring_vision::Vision;

#[test]
fn only_mood_mode_opens_the_expression_network() {
    let mut config = Config::default();
    config.models.expression = "absent.toml".into();
    let error = Vision::new(&config).err().unwrap().to_string();
    assert!(error.contains("absent.toml"), "{error}");
    for mode in [Mode::Occupancy, Mode::Count] {
        config.mood.mode = mode;
        Vision::new(&config).unwrap();
    }
}

#[test]
fn a_school_in_the_eu_counts_people_without_an_expression_network() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let state = directory.path().join("state");
    let text = format!(
        "[purpose]\njurisdiction = \"DE\"\ninstitution = \"education\"\n[storage]\ndirectory = {state:?}\n\
         [models]\nexpression = \"absent.toml\"\n[mood]\nmode = \"count\"\npublish_every_s = 0.2\n\
         [camera.simulator]\npeople = 12\nwidth = 640\nheight = 384\n[vision]\ndetection_width = 640\n\
         [mqtt]\nbroker = \"embedded\"\nport = {port}\n[web]\nenabled = false\n"
    );
    let config = directory.path().join("moodring.toml");
    std::fs::write(&config, text).unwrap();
    let arguments = ["run", "--config", config.to_str().unwrap()];
    let mut daemon = Process(moodring(&arguments).stdout(Stdio::null()).spawn().unwrap());
    let messages = subscribe(port);
    let mood =
        next(&messages, |message| message.topic.ends_with("/mood") && message.json()["state"] == "live");
    let mood = mood.json();
    assert_eq!(
        (&mood["mode"], &mood["word"], &mood["pace"]),
        (&"count".into(), &"unsure".into(), &"unsure".into())
    );
    assert!(mood["people"].as_u64().unwrap() >= 5, "{mood}");
    for field in ["facing", "expressions", "dominant", "coverage", "engagement", "restlessness", "trend"] {
        assert!(mood[field].is_null(), "{mood}");
    }
    daemon.signal("TERM");
    assert!(daemon.wait().success());
}
