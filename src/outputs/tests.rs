use std::path::PathBuf;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::config::BrokerKind;

/// Set to 1 to write the schema anew.
const BLESS: &str = "MOODRING_BLESS";

fn schema() -> Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().for_serialize().into_generator();
    serde_json::to_value(generator.into_root_schema_for::<Mood>()).unwrap()
}

#[test]
fn the_documented_schema_is_that_of_the_type() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/schemas/mood.schema.json");
    let made = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
        std::fs::write(&path, &made).unwrap();
    }
    let documented = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        documented == made,
        "docs/schemas/mood.schema.json differs from the type Mood; if it should, run {BLESS}=1 cargo test --lib schema"
    );
}

#[test]
fn the_payload_of_every_state_keeps_to_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for (name, mood) in samples::all() {
        let payload = serde_json::to_value(&mood).unwrap();
        let faults: Vec<_> = validator.iter_errors(&payload).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
}

#[test]
fn the_schema_refuses_what_is_not_a_mood() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let payload = serde_json::to_value(samples::live()).unwrap();
    let spoil = |pointer: &str, value: Value| {
        let mut spoilt = payload.clone();
        *spoilt.pointer_mut(pointer).unwrap() = value;
        spoilt
    };
    for spoilt in [
        spoil("/schema", "moodring.mood/2".into()),
        spoil("/word", "happy".into()),
        spoil("/facing/share", 1.5.into()),
        spoil("/people", (-1).into()),
        spoil("/expressions/angry", Value::Null),
    ] {
        assert!(!validator.is_valid(&spoilt), "{spoilt}");
    }
    let mut person = payload.clone();
    person["name"] = "somebody".into();
    assert!(!validator.is_valid(&person));
    person.as_object_mut().unwrap().remove("name");
    assert!(validator.is_valid(&person));
    person.as_object_mut().unwrap().remove("state");
    assert!(!validator.is_valid(&person));
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn everything_that_is_configured_runs_side_by_side_and_ends_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.mqtt.broker = BrokerKind::Embedded;
    config.mqtt.port = 0;
    config.web.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.display.kind = DisplayKind::Png;
    config.display.path = folder.path().join("display.png");
    config.lights.kind = LightsKind::Terminal;
    let (_sender, moods) = watch::channel(Arc::new(samples::live()));
    let stop = Stop::default();
    let mut outputs = start(&config, Sources::of(moods), &stop).await.unwrap();
    let published = async {
        while outputs.health.iter().any(|health| health.name() != "lights" && health.published.get() == 0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), published).await.expect("an output shows nothing");
    assert!(get(outputs.web.unwrap(), "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(outputs.mqtt.as_ref().unwrap().port != 0);
    assert!(!outputs.ended(Duration::from_millis(1)).await);
    stop.request();
    assert!(outputs.ended(Duration::from_secs(1)).await);
    let dark = image::load_from_memory(&display::Picture::default().to_png(4).unwrap()).unwrap();
    assert_eq!(image::open(&config.display.path).unwrap(), dark);
}

#[tokio::test]
async fn nothing_configured_is_nothing_running() {
    let mut config = Config::default();
    config.web.enabled = false;
    let (_sender, moods) = watch::channel(Arc::new(samples::starting()));
    let mut outputs = start(&config, Sources::of(moods), &Stop::default()).await.unwrap();
    assert!(outputs.health.is_empty() && outputs.mqtt.is_none() && outputs.web.is_none());
    assert!(outputs.ended(Duration::from_secs(1)).await);
}
