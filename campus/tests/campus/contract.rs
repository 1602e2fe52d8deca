//! A device's messages by docs/reference/mqtt.md, made up so that every value can be worked out from its minute's number.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// What is published.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) retained: bool,
}

/// A device that makes messages; `sequence` counts its spool as the contract wants it.
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) site: String,
    pub(crate) room: String,
    spool: String,
    sequence: u64,
}

const EXPRESSIONS: [&str; 7] = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];

/// Share of those facing the front in minute `number`.
pub(crate) fn facing(number: u32) -> f64 {
    0.5 + f64::from(number % 5) / 10.0
}

/// The metrics of minute `number`; without expressions where `number` is a multiple of 7, as when too few were read.
fn metrics_of(number: u32) -> Value {
    let level = |value: f64| json!({"value": value, "low": value - 0.05, "high": value + 0.05});
    let read = !number.is_multiple_of(7);
    let mut metrics = json!({"facing": level(facing(number)), "restlessness": level(0.2)});
    for name in EXPRESSIONS {
        metrics[name] = if read { level(if name == "neutral" { 0.4 } else { 0.1 }) } else { Value::Null };
    }
    for (name, value) in [("valence", 0.15), ("arousal", 0.2), ("engagement", 0.62)] {
        metrics[name] = if read { level(value) } else { Value::Null };
    }
    metrics
}

impl Device {
    pub(crate) fn new(number: u32, site: &str, room: &str) -> Self {
        let (name, spool) =
            (format!("moodring-{:014x}", 0xa0_0000 + number), format!("{:08x}", 0xc0_0000 + number));
        Self { name, site: site.into(), room: room.into(), spool, sequence: 0 }
    }

    fn message(&self, leaf: &str, mut payload: Value, retained: bool) -> Message {
        let head = json!({"schema": format!("moodring.{leaf}/1"), "site": self.site, "room": self.room, "device": self.name});
        payload.as_object_mut().unwrap().extend(head.as_object().unwrap().clone());
        let topic = format!("moodring/{}/{}/{leaf}", self.site, self.room);
        Message { topic, payload: payload.to_string(), retained }
    }

    fn spooled(&mut self, leaf: &str, at: Timestamp, mut payload: Value) -> Message {
        self.sequence += 1;
        payload["spool"] = self.spool.clone().into();
        payload["sequence"] = self.sequence.into();
        payload["at"] = at.to_string().into();
        self.message(leaf, payload, false)
    }

    /// A lesson of so many minutes: its begin, its minutes, its end.
    pub(crate) fn lesson(&mut self, begun_at: Timestamp, minutes: u32) -> Vec<Message> {
        let mut messages = vec![self.lesson_message(begun_at, begun_at, None)];
        messages.extend((0..minutes).map(|number| self.minute(begun_at, number)));
        let ended_at = begun_at + SignedDuration::from_mins(minutes.into());
        messages.push(self.lesson_message(ended_at, begun_at, Some(minutes)));
        messages
    }

    fn lesson_message(&mut self, at: Timestamp, begun_at: Timestamp, ended_after: Option<u32>) -> Message {
        let summary = ended_after.map(|minutes| {
            json!({"minutes": minutes, "live": 0.97, "people": 28.1, "metrics": metrics_of(1), "word": "attentive", "pace": "fine"})
        });
        let ended = ended_after.map(|_| at.to_string());
        let payload = json!({
            "kind": if ended.is_some() { "ended" } else { "begun" }, "lesson": begun_at.to_string(), "title": null,
            "mode": "mood", "begun_by": "timetable", "ended_by": ended.as_ref().map(|_| "timetable"), "ended_at": ended,
            "summary": summary,
        });
        self.spooled("lesson", at, payload)
    }

    pub(crate) fn minute(&mut self, begun_at: Timestamp, number: u32) -> Message {
        let at = begun_at + SignedDuration::from_mins(number.into());
        let payload = json!({
            "lesson": begun_at.to_string(), "number": number, "state": "live", "live": 0.98, "people": 28.0, "coverage": 0.79,
            "word": "attentive", "pace": "fine", "metrics": metrics_of(number),
        });
        self.spooled("minute", at, payload)
    }

    pub(crate) fn event(&mut self, at: Timestamp, kind: &str) -> Message {
        self.spooled("event", at, json!({"kind": kind, "detail": "as in a test"}))
    }

    pub(crate) fn status(&self, status: &str, reason: Option<&str>) -> Message {
        self.message("status", json!({"status": status, "reason": reason, "version": "0.1.0"}), true)
    }

    pub(crate) fn health(&self, at: Timestamp, camera: &str, waiting: u32) -> Message {
        let payload = json!({
            "at": at.to_string(), "version": "0.1.0", "models": {"heads": "0.2.0", "expression": "0.2.0"}, "uptime_s": 86400,
            "camera": camera, "problems": if camera == "away" { json!({"camera": "the camera is gone"}) } else { json!({}) },
            "rss_bytes": 93_000_000, "load_1min": 0.7, "celsius": 61.5, "throttled": false, "frames_per_s": 4.9,
            "inference_ms": 31.0, "cycles": 4711, "observations_dropped": 0,
            "spool": {"waiting": waiting, "dropped": 0, "disk_writes": 12, "sequence": self.sequence},
            "reconnects": 3, "clock_synchronised": true, "engine": "cpu",
        });
        self.message("health", payload, true)
    }
}
