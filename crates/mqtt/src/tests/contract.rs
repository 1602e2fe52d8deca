//! Checks everything that a device publishes against docs/schemas, and commands from the broker.

use std::collections::BTreeMap;

use moodring_contract::lesson::{Cause, Ending, Heading, MinuteInProgress, Record, Totals};
use moodring_contract::{Command, EventKind, Mode};
use moodring_runtime::{DeviceEvents, StatusBoard, Telemetry};
use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::feeder::{Sink, SpoolFeeder};
use crate::spool::Kind;

/// Maximum payload of each topic, in bytes, on which a broker, a database and a modem can rely.
const MAX_BYTES: [(&str, usize); 7] = [
    ("mood", 3072),
    ("status", 512),
    ("health", 4096),
    ("minute", 3072),
    ("lesson", 3072),
    ("event", 1536),
    ("reply", 1024),
];

/// The documented schema of what is published on the last level `leaf` of a topic.
fn validator(leaf: &str) -> jsonschema::Validator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas");
    let text = std::fs::read_to_string(folder.join(format!("{leaf}.schema.json")));
    let text = text.unwrap_or_else(|_| panic!("{leaf} is an undocumented topic"));
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// Sends the records of a lesson to `records`: its begin, six minutes of it in both modes, its end.
async fn lesson(records: &mpsc::Sender<Record>) {
    let begun_at = samples::live().at;
    let heading = Heading { begun_at, begun_by: Cause::Command, title: "Physics".into(), mode: Mode::Mood };
    records.send(Record::Begun(heading.clone())).await.unwrap();
    let mut minutes = Vec::new();
    for number in 0..6_u32 {
        let at = begun_at + jiff::SignedDuration::from_mins(number.into());
        let mut minute = MinuteInProgress::new(number, at);
        minute.add(&if number < 3 { samples::live() } else { samples::occupancy() });
        let minute = minute.finish();
        minutes.push(minute.clone());
        records.send(Record::Minute { lesson: begun_at, minute: Box::new(minute) }).await.unwrap();
    }
    let at = begun_at + jiff::SignedDuration::from_mins(6);
    let totals = Totals::of(begun_at, at, &minutes);
    let ending = Ending { heading, at, cause: Cause::Command, totals };
    records.send(Record::Ended(Box::new(ending))).await.unwrap();
}

/// A device with all its parts.
pub(super) struct Whole {
    pub(super) device: Device,
    records: mpsc::Sender<Record>,
    events: DeviceEvents,
    pub(super) executor: Executor,
    status_board: StatusBoard,
}

pub(super) fn whole(port: u16, change: impl FnOnce(&mut config::Mqtt)) -> Whole {
    let mut config = config::Mqtt { lesson_titles: true, ..config::Mqtt::default() };
    change(&mut config);
    let executor = Executor::start();
    let (records, received) = mpsc::channel(64);
    let (events, event_receiver) = DeviceEvents::channel();
    let target = target(port, config);
    let (spool, status_board) = (Spool::in_memory(1000), StatusBoard::default());
    let feeder =
        SpoolFeeder { encoder: PayloadEncoder::new(&target), records: received, events: event_receiver };
    let sampler = Sampler::of_device(Telemetry::new(&status_board, Default::default()));
    let commands = executor.sender();
    let device =
        device_with(target, spool.clone(), |publisher| publisher.reporting(sampler).accepting(commands));
    let sink = Sink::new(spool, Kind::ALL.to_vec(), Some("a note".into()));
    tokio::spawn(feeder.run(vec![sink], device.stop.clone()));
    Whole { device, records, events, executor, status_board }
}

#[test]
fn every_published_message_matches_its_schema_and_size() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let mut everything = Dashboard::new(mosquitto.port, "#");
        let poll = everything.find("nothing", |_, _| false);
        assert!(timeout(Duration::from_millis(300), poll).await.is_err(), "an empty broker");
        let whole = whole(mosquitto.port, |_| {});
        whole.status_board.fails("camera", &"unplugged, and a long story about it; ".repeat(20));
        for (_, mood) in samples::all() {
            whole.device.moods.send_replace(Arc::new(mood));
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        for kind in [EventKind::CameraGone, EventKind::ClockSet, EventKind::ConfigurationRefused] {
            whole.events.report(kind, Some("ä".repeat(1000)));
        }
        lesson(&whole.records).await;
        connected(&whole.device).await;
        for (command, payload) in [
            ("pause", json!({"paused": true, "id": "ü".repeat(64)}).to_string()),
            ("lesson", json!({"action": "end"}).to_string()),
            ("identify", "x".repeat(5000)),
        ] {
            let topic = format!("moodring/school/room-1/cmd/{command}");
            everything
                .client
                .try_publish(topic, payload, rumqttc_v4::PublishOptions::at_least_once())
                .unwrap();
        }
        let mut seen = BTreeMap::new();
        let validators: BTreeMap<_, _> = MAX_BYTES.map(|(leaf, _)| (leaf, validator(leaf))).into();
        let limits = BTreeMap::from(MAX_BYTES);
        let enough = |seen: &BTreeMap<String, usize>| {
            MAX_BYTES.iter().all(|(leaf, _)| seen.contains_key(*leaf))
                && seen["reply"] == 3
                && seen["lesson"] == 2
        };
        while !enough(&seen) {
            let (message, value) = everything
                .find("more", |message, _| !message.topic.windows(5).any(|part| part == b"/cmd/"))
                .await;
            let topic = String::from_utf8(message.topic.to_vec()).unwrap();
            let leaf =
                topic.strip_prefix("moodring/school/room-1/").expect("an undocumented topic").to_owned();
            let validator = validators.get(&*leaf).expect("an undocumented topic");
            let faults: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(faults.is_empty(), "{leaf}: {faults:?}\n{value:#}");
            assert!(message.payload.len() <= limits[&*leaf], "{leaf} has {} bytes", message.payload.len());
            assert_eq!(value["schema"], format!("moodring.{leaf}/1"));
            let retained = ["mood", "status", "health"].contains(&&*leaf);
            assert_eq!(value.get("sequence").is_some(), !retained && leaf != "reply" || leaf == "mood");
            *seen.entry(leaf).or_default() += 1;
        }
        // The broker retains these three and nothing else.
        let mut late = Dashboard::new(mosquitto.port, "moodring/#");
        let mut retained = std::collections::BTreeSet::new();
        while retained.len() < 3 {
            let (message, _) = late.find("a retained message", |message, _| message.retain).await;
            retained.insert(String::from_utf8(message.topic.to_vec()).unwrap());
        }
        assert_eq!(
            retained,
            ["health", "mood", "status"].map(|leaf| format!("moodring/school/room-1/{leaf}")).into()
        );
    });
}

#[test]
fn commands_are_answered_and_retained_ones_are_refused() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let mut dashboard = Dashboard::new(mosquitto.port, "moodring/school/room-1/reply");
        let poll = dashboard.find("nothing", |_, _| false);
        assert!(timeout(Duration::from_millis(300), poll).await.is_err());
        let say = |payload: &str, retain: bool| {
            let options = rumqttc_v4::PublishOptions::at_least_once().retain(retain);
            let topic = "moodring/school/room-1/cmd/pause";
            dashboard.client.try_publish(topic, payload.to_owned(), options).unwrap();
        };
        // From before the device connected.
        say(r#"{"paused": true, "id": "old"}"#, true);
        let whole = whole(mosquitto.port, |_| {});
        whole.executor.refuse(Some(Refusal::SwitchClosed));
        let (_, reply) = dashboard.find("a reply", |_, value| value["id"].is_null()).await;
        assert!(reply["ok"] == false && reply["error"] == "commands must not be retained");
        let ask = |payload: &str| {
            let options = rumqttc_v4::PublishOptions::at_least_once();
            let topic = "moodring/school/room-1/cmd/pause";
            dashboard.client.try_publish(topic, payload.to_owned(), options).unwrap();
        };
        ask(r#"{"paused": false, "id": "a"}"#);
        let (_, reply) = dashboard.find("a reply", |_, value| value["id"] == "a").await;
        assert_eq!(reply["error"], "the privacy switch is closed");
        whole.executor.refuse(None);
        let options = rumqttc_v4::PublishOptions::at_least_once();
        let topic = "moodring/school/room-1/cmd/pause";
        dashboard.client.try_publish(topic, r#"{"paused": true, "id": "b"}"#, options).unwrap();
        let (message, reply) = dashboard.find("a reply", |_, value| value["id"] == "b").await;
        assert!(reply["ok"] == true && reply["command"] == "pause" && !message.retain);
        assert_eq!(whole.executor.executed(), [(Command::Pause, CommandSource::Mqtt)]);
    });
}
