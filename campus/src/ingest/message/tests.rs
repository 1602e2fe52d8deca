//! Messages as docs/reference/mqtt.md describes them, and the reasons that reject others.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const TOPIC: &str = "moodring/school/b-214/minute";

fn now() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn minute() -> Value {
    json!({
        "schema": "moodring.minute/1", "site": "school", "room": "b-214", "device": "moodring-1a2b3c4d5e6f70",
        "spool": "9f3c21aa", "sequence": 4711, "at": "2026-11-20T09:41:00Z",
        "lesson": "2026-11-20T09:00:00Z", "number": 41, "state": "live", "live": 0.98, "people": 28.3,
        "coverage": null, "word": "attentive", "pace": "fine",
        "metrics": { "facing": {"value": 0.82, "low": 0.73, "high": 0.91}, "valence": {"value": -0.2, "low": -0.4, "high": 0.1},
                     "angry": null, "of_tomorrow": {"value": 7.0, "low": 7.0, "high": 7.0} },
        "field_of_tomorrow": [1, 2],
    })
}

fn status() -> Value {
    json!({
        "schema": "moodring.status/1", "status": "online", "reason": null, "site": "school", "room": "b-214",
        "device": "moodring-1a2b3c4d5e6f70", "version": "0.1.0",
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut payload = minute();
    payload[key] = value;
    payload
}

fn reason(topic: &str, payload: &Value) -> String {
    read(topic, payload.to_string().as_bytes(), None, now()).unwrap_err().to_string()
}

#[test]
fn a_minute_becomes_a_row_whose_figures_are_columns() {
    let row = read(TOPIC, minute().to_string().as_bytes(), None, now()).unwrap();
    let expected = json!({
        "site": "school", "room": "b-214", "device": "moodring-1a2b3c4d5e6f70", "spool": "9f3c21aa", "sequence": 4711,
        "at": "2026-11-20T09:41:00Z", "lesson": "2026-11-20T09:00:00Z", "number": 41, "state": "live", "live": 0.98,
        "people": 28.3, "coverage": null, "word": "attentive", "pace": "fine",
        "facing": 0.82, "facing_low": 0.73, "facing_high": 0.91, "valence": -0.2, "valence_low": -0.4, "valence_high": 0.1,
    });
    assert_eq!((row.table, row.columns), (Table::Minute, expected));
}

#[test]
fn a_message_is_believed_only_if_topic_device_and_room_agree() {
    let list = |former: &str| {
        Devices::parse(&format!(
            "device,site,room,former\nmoodring-1a2b3c4d5e6f70,school,c-1,{former}\nmoodring-2,school,b-214,\n"
        ))
        .unwrap()
    };
    let read_at = |topic: &str, payload: &Value, devices: Option<&Devices>| {
        read(&format!("moodring/school/{topic}"), payload.to_string().as_bytes(), devices, now())
    };
    let disagrees = |result: Result<Row>| matches!(result, Err(Refusal::Disagrees(_)));
    // What waited while the device was moved is of the room where it hung.
    let moved = list("school/b-214");
    assert_eq!(read_at("c-1/minute", &minute(), Some(&moved)).unwrap().columns["room"], "b-214");
    assert!(disagrees(read_at("c-1/minute", &minute(), Some(&list("")))));
    assert!(disagrees(read_at("c-1/minute", &minute(), None)));
    // A state is of now, so never of a former room.
    assert!(disagrees(read_at("c-1/status", &status(), Some(&moved))));
    // Another device of the campus writes below its own room in the name of this one.
    assert!(disagrees(read_at("b-214/minute", &minute(), Some(&moved))));
    assert!(read_at("b-214/minute", &minute(), None).is_ok());
    assert!(read_at("b-214/status", &status(), None).is_ok());
}

#[test]
fn a_device_without_the_network_of_expressions_is_healthy() {
    let health = json!({
        "schema": "moodring.health/1", "site": "school", "room": "b-214", "device": "moodring-1a2b3c4d5e6f70",
        "at": "2026-11-20T09:41:00Z", "version": "0.1.0", "models": {"heads": "0.2.0", "expression": null}, "uptime_s": 60,
        "camera": "streaming", "problems": {}, "rss_bytes": null, "load_1min": null, "celsius": null, "throttled": null,
        "frames_per_s": 4.9, "inference_ms": null, "cycles": 1, "observations_dropped": 0,
        "spool": {"waiting": 0, "dropped": 0, "disk_writes": 0, "sequence": 0}, "reconnects": 0,
        "clock_synchronised": null, "engine": "cpu",
    });
    let row = read("moodring/school/b-214/health", health.to_string().as_bytes(), None, now()).unwrap();
    assert_eq!(
        (&row.columns["models"]["expression"], &row.columns["spool_waiting"]),
        (&Value::Null, &json!(0))
    );
}

#[test]
fn a_lessons_end_brings_its_summary_and_its_begin_none() {
    let mut lesson = json!({
        "schema": "moodring.lesson/1", "site": "school", "room": "b-214", "device": "moodring-1a2b3c4d5e6f70",
        "spool": "9f3c21aa", "sequence": 4712, "at": "2026-11-20T09:45:00Z", "kind": "ended",
        "lesson": "2026-11-20T09:00:00Z", "title": "Physics", "mode": "mood", "begun_by": "timetable",
        "ended_at": "2026-11-20T09:45:00Z", "ended_by": "timetable",
        "summary": {"minutes": 45, "live": 0.97, "people": 28.1, "word": "calm", "pace": "fine",
                    "metrics": {"facing": {"value": 0.8, "low": 0.7, "high": 0.9}}},
    });
    let topic = "moodring/school/b-214/lesson";
    let columns = read(topic, lesson.to_string().as_bytes(), None, now()).unwrap().columns;
    assert_eq!((&columns["minutes"], &columns["metrics"]["facing"]["low"]), (&json!(45), &json!(0.7)));
    lesson["kind"] = json!("begun");
    lesson["summary"] = Value::Null;
    let columns = read(topic, lesson.to_string().as_bytes(), None, now()).unwrap().columns;
    assert!(columns.get("summary").is_none() && columns.get("minutes").is_none());
}

#[test]
fn a_message_that_does_not_match_the_contract_is_rejected_with_a_reason() {
    let text = |topic: &str, payload: &Value| reason(topic, payload);
    for (topic, payload, part) in [
        ("moodring/school/b-214/mood", minute(), "are not stored"),
        ("moodring/school/b-214/minute/x", minute(), "not a topic of a device"),
        ("moodring/school/b-215/status", status(), "claims to be of school/b-214"),
        (TOPIC, with("room", json!("b/214")), "not a topic level"),
        (TOPIC, with("schema", json!("moodring.minute/2")), "instead of \"moodring.minute/1\""),
        (TOPIC, with("device", json!("moodring-'; drop")), "not a device's name"),
        (TOPIC, with("spool", json!("9F3C21AA")), "8 hex digits"),
        (TOPIC, with("sequence", json!(0)), "sequence"),
        (TOPIC, with("at", json!("2026-11-22T09:41:00Z")), "clock is ahead"),
        (TOPIC, with("at", json!("yesterday")), "does not match the schema"),
        (TOPIC, with("word", json!("of_tomorrow")), "unknown variant `of_tomorrow`"),
        (TOPIC, with("sequence", json!(u64::MAX)), "sequence is over"),
        (TOPIC, with("people", json!(-1.0)), "people"),
        (
            TOPIC,
            with("metrics", json!({"facing": {"value": 1.2, "low": 0.0, "high": 1.0}})),
            "facing is not from 0 to 1",
        ),
    ] {
        let reason = text(topic, &payload);
        assert!(reason.contains(part), "{reason} instead of {part}");
    }
    assert!(read(TOPIC, b"", None, now()).is_err());
    let long = vec![b' '; MAX_BYTES + 1];
    assert!(read(TOPIC, &long, None, now()).unwrap_err().to_string().contains("the maximum is"));
}

#[test]
fn an_unreadable_payload_is_kept_short_and_as_text() {
    let row = rejected("moodring/x/y/minute", &[b'a', 0, 0xff, b'b'], "why");
    assert_eq!(
        row.columns,
        json!({"topic": "moodring/x/y/minute", "reason": "why", "payload": "a\u{fffd}b"})
    );
    let long = rejected("t", &[b'x'; 100_000], "why");
    assert_eq!(long.columns["payload"].as_str().unwrap().len(), KEPT_BYTES);
}

proptest! {
    #[test]
    fn no_payload_stops_it(payload in proptest::collection::vec(any::<u8>(), 0..200), leaf in "minute|lesson|event|health|status") {
        let topic = format!("moodring/school/b-214/{leaf}");
        prop_assert!(read(&topic, &payload, None, now()).is_err());
    }
}
