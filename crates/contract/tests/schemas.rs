//! Checks docs/schemas: each document equals the schema of its type, forbids additional properties, and validates
//! what the type serializes.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use moodring_contract::command::{AnyCommand, COMMAND_SCHEMA};
use moodring_contract::lesson::{Metric, Metrics};
use moodring_contract::payload::{
    EventReport, HealthReport, Key, LessonReport, MinuteReport, MinuteSchema, Place, Reply, Status,
};
use moodring_contract::{Level, Mood, Pace, State, Word, samples};

/// Environment variable; 1 rewrites the documents.
const BLESS: &str = "MOODRING_BLESS";

fn schema<T: JsonSchema>(settings: SchemaSettings) -> Value {
    serde_json::to_value(settings.into_generator().into_root_schema_for::<T>()).unwrap()
}

/// The schema of each topic, by its last level.
fn schemas() -> BTreeMap<&'static str, Value> {
    let sent = || SchemaSettings::draft2020_12().for_serialize();
    let mut command = schema::<AnyCommand>(SchemaSettings::draft2020_12().for_deserialize());
    command["title"] = COMMAND_SCHEMA.into();
    BTreeMap::from([
        ("command", command),
        ("event", schema::<EventReport>(sent())),
        ("health", schema::<HealthReport>(sent())),
        ("lesson", schema::<LessonReport>(sent())),
        ("minute", schema::<MinuteReport>(sent())),
        ("mood", schema::<Mood>(sent())),
        ("reply", schema::<Reply>(sent())),
        ("status", schema::<Status>(sent())),
    ])
}

fn validator(leaf: &str) -> jsonschema::Validator {
    jsonschema::validator_for(&schemas()[leaf]).unwrap()
}

#[test]
fn the_documents_equal_the_schemas_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas");
    for (name, schema) in schemas() {
        let path = folder.join(format!("{name}.schema.json"));
        let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
            std::fs::write(&path, &generated).unwrap();
        }
        let documented = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            documented == generated,
            "{} differs from its type; if it should: {BLESS}=1 cargo test -p moodring-contract --test schemas",
            path.display()
        );
    }
}

#[test]
fn every_schema_forbids_additional_properties() {
    for (name, schema) in schemas() {
        if name == "command" {
            continue;
        }
        assert_eq!(schema["additionalProperties"], false, "{name}");
        let properties = schema["properties"].as_object().unwrap();
        // A mood belongs to its room, not to the device that publishes it.
        let keys = if name == "mood" {
            &["schema", "site", "room"][..]
        } else {
            &["schema", "site", "room", "device"]
        };
        for key in keys {
            assert!(properties.contains_key(*key), "{name} has no {key}");
        }
        let required = schema["required"].as_array().unwrap();
        assert_eq!(required.len(), properties.len(), "{name}: an absent value is null, no field is left out");
    }
    let command = validator("command");
    assert!(
        command.is_valid(&json!({"paused": true})) && !command.is_valid(&json!({"paused": true, "x": 1}))
    );
}

#[test]
fn a_mood_of_every_state_matches_its_schema_and_reads_back() {
    let validator = validator("mood");
    for (name, mood) in samples::all() {
        let payload = serde_json::to_value(&mood).unwrap();
        let faults: Vec<_> = validator.iter_errors(&payload).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
        assert_eq!(serde_json::from_value::<Mood>(payload).unwrap(), mood, "{name}");
    }
}

/// `payload` with another value at `pointer`.
fn with(payload: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = payload.clone();
    *changed.pointer_mut(pointer).unwrap() = value;
    changed
}

#[test]
fn the_schema_of_the_mood_refuses_other_payloads() {
    let validator = validator("mood");
    let payload = serde_json::to_value(samples::live()).unwrap();
    for (pointer, wrong) in [
        ("/schema", json!("moodring.mood/2")),
        ("/word", json!("happy")),
        ("/facing/share", json!(1.5)),
        ("/people", json!(-1)),
        ("/expressions/angry", Value::Null),
    ] {
        assert!(!validator.is_valid(&with(&payload, pointer, wrong)), "{pointer}");
    }
    let mut person = payload.clone();
    person["name"] = "somebody".into();
    assert!(!validator.is_valid(&person));
    let mut incomplete = payload;
    incomplete.as_object_mut().unwrap().remove("state");
    assert!(!validator.is_valid(&incomplete));
}

fn minute() -> MinuteReport {
    let at: Timestamp = "2026-11-20T09:41:00Z".parse().unwrap();
    let mut metrics = Metrics::default();
    metrics.set(Metric::Facing, Some(Level { value: 0.82, low: 0.73, high: 0.91 }));
    MinuteReport {
        schema: MinuteSchema,
        place: Place::new("school", "room-1", "moodring-1a2b3c4d5e6f70"),
        key: Key { spool: "9f3c21aa".into(), sequence: 1 },
        at,
        lesson: at,
        number: 41,
        state: State::Live,
        live: 0.98,
        people: Some(28.3),
        coverage: Some(0.79),
        word: Word::Attentive,
        pace: Pace::Fine,
        metrics,
    }
}

#[test]
fn the_schema_of_the_minute_refuses_other_payloads() {
    let payload = serde_json::to_value(minute()).unwrap();
    let validator = validator("minute");
    assert!(validator.is_valid(&payload), "{payload:#}");
    assert_eq!((&payload["at"], &payload["sequence"]), (&"2026-11-20T09:41:00Z".into(), &1.into()));
    for (pointer, wrong) in [
        ("/schema", json!("moodring.minute/2")),
        ("/device", json!("moodring-xyz")),
        ("/spool", json!("9F3C21AA")),
        ("/sequence", json!(0)),
        ("/live", json!(1.5)),
        ("/word", json!("happy")),
        ("/metrics/facing", json!(0.8)),
    ] {
        assert!(!validator.is_valid(&with(&payload, pointer, wrong)), "{pointer}");
    }
    let mut person = payload.clone();
    person["name"] = "somebody".into();
    assert!(!validator.is_valid(&person));
    person = payload;
    person["metrics"]["anger_of_somebody"] = Value::Null;
    assert!(!validator.is_valid(&person));
}

#[test]
fn a_payload_with_fields_of_a_later_version_parses() {
    let mut payload = serde_json::to_value(minute()).unwrap();
    payload["field_of_tomorrow"] = json!([1, 2]);
    payload["metrics"]["figure_of_tomorrow"] = json!({"value": 7.0, "low": 7.0, "high": 7.0});
    let read: MinuteReport = serde_json::from_value(payload.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), serde_json::to_value(minute()).unwrap());
    payload["schema"] = "moodring.minute/2".into();
    let refused = serde_json::from_value::<MinuteReport>(payload).unwrap_err().to_string();
    assert!(refused.contains("\"moodring.minute/2\" instead of \"moodring.minute/1\""), "{refused}");
}
