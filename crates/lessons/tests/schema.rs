//! The JSON export of a lesson against docs/schemas/lesson_report.schema.json.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use moodring_contract::Mode;
use moodring_contract::lesson::{Cause, Metric, Metrics, Minute};
use moodring_contract::{Level, Pace, State, Word};
use moodring_lessons::{Lesson, Report};
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// Set to 1 to write the document again.
const BLESS: &str = "MOODRING_BLESS";

fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    serde_json::to_value(generator.into_root_schema_for::<Report>()).unwrap()
}

fn report(length_min: u32, state: State) -> Report {
    let begun_at: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
    let lesson = Lesson {
        id: 1,
        site: "campus".into(),
        room: "b12".into(),
        title: "Physics".into(),
        mode: Mode::Mood,
        begun_at,
        begun_by: Cause::Command,
        ended_at: Some(begun_at + SignedDuration::from_mins(length_min.into())),
        ended_by: Some(Cause::Command),
    };
    let minutes = (0..length_min).map(|number| minute(begun_at, number, state)).collect::<Vec<_>>();
    let earlier = vec![minutes.clone(); 5];
    Report::of(lesson, minutes, &earlier)
}

fn minute(begun_at: Timestamp, number: u32, state: State) -> Minute {
    let mut metrics = Metrics::default();
    if state == State::Live {
        for metric in Metric::ALL {
            metrics.set(metric, Some(Level { value: 0.2, low: 0.1, high: 0.3 }));
        }
    }
    let is_live = state == State::Live;
    Minute {
        number,
        at: begun_at + SignedDuration::from_mins(number.into()),
        state,
        live: if is_live { 1.0 } else { 0.0 },
        people: is_live.then_some(28.0),
        coverage: is_live.then_some(0.7),
        word: Word::Calm,
        pace: if number < 20 { Pace::TooFast } else { Pace::Fine },
        metrics,
    }
}

#[test]
fn the_document_is_made_from_the_type() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas/lesson_report.schema.json");
    let made = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
        std::fs::write(&path, &made).unwrap();
    }
    let documented = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        documented == made,
        "{} differs from its type; if it should: {BLESS}=1 cargo test -p moodring-lessons --test schema",
        path.display()
    );
}

#[test]
fn every_export_is_valid_and_no_other_document_is() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for (length_min, state) in [(0, State::Live), (45, State::Live), (45, State::Paused)] {
        let export = serde_json::to_value(report(length_min, state)).unwrap();
        let faults: Vec<_> = validator.iter_errors(&export).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{length_min} minutes, {state:?}: {faults:?}");
        let mut payload = export.clone();
        payload["schema"] = "moodring.lesson/1".into();
        assert!(!validator.is_valid(&payload), "the id of the MQTT payload");
    }
}
