//! Every payload against its schema, and the schemas against their documents.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::config::{Config, Mode};
use crate::control::{Kept, SwitchPosition};
use crate::mood::lesson::{self, Timetable};
use crate::mood::{Pace, State, Word};
use crate::outputs::events::{EventKind, Events};
use crate::outputs::{Bulletin, Known};

/// Set to 1 to write the schemas anew.
const BLESS: &str = "MOODRING_BLESS";

/// The largest payload of each topic, in bytes: what a broker, a database and a modem can count on.
const MOST_BYTES: [(&str, usize); 7] = [
    ("mood", 3072),
    ("status", 512),
    ("health", 4096),
    ("minute", 3072),
    ("lesson", 3072),
    ("event", 1536),
    ("reply", 1024),
];

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
        ("event", schema::<payload::EventReport>(sent())),
        ("health", schema::<payload::HealthReport>(sent())),
        ("lesson", schema::<payload::LessonReport>(sent())),
        ("minute", schema::<payload::MinuteReport>(sent())),
        ("reply", schema::<payload::Reply>(sent())),
        ("status", schema::<payload::Status>(sent())),
    ])
}

fn validator(leaf: &str) -> jsonschema::Validator {
    let schema = match leaf {
        "mood" => schema::<Mood>(SchemaSettings::draft2020_12().for_serialize()),
        _ => schemas().remove(leaf).unwrap_or_else(|| panic!("{leaf} is an undocumented topic")),
    };
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn the_documented_schemas_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
    for (name, schema) in schemas() {
        let path = folder.join(format!("{name}.schema.json"));
        let made = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let documented = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(documented == made, "{} differs; {BLESS}=1 cargo test --lib schema", path.display());
    }
}

#[test]
fn every_schema_is_closed() {
    for (name, schema) in schemas() {
        if name == "command" {
            continue;
        }
        assert_eq!(schema["additionalProperties"], false, "{name}");
        let properties = schema["properties"].as_object().unwrap();
        for key in ["schema", "site", "room", "device"] {
            assert!(properties.contains_key(key), "{name} has no {key}");
        }
        let required = schema["required"].as_array().unwrap();
        assert_eq!(required.len(), properties.len(), "{name}: null is told, nothing is left out");
    }
    let command = validator("command");
    assert!(
        command.is_valid(&json!({"paused": true})) && !command.is_valid(&json!({"paused": true, "x": 1}))
    );
}

/// Plays a lesson into a recorder and gives what it tells to `records`.
async fn lesson(records: &mpsc::Sender<lesson::Record>) {
    let mut config = Config::default();
    config.lessons.begin_after_s = 10.0;
    let mut recorder = lesson::Recorder::new(&config, Timetable::default(), None);
    let begin = samples::live().at;
    for second in 0..400_i64 {
        let at = begin + jiff::SignedDuration::from_secs(second);
        let mode = if second < 200 { Mode::Mood } else { Mode::Occupancy };
        let mood = if mode == Mode::Mood { samples::live() } else { samples::occupancy() };
        recorder.take(&Mood { at, ..mood });
    }
    recorder.command(&lesson::Command::End, begin + jiff::SignedDuration::from_secs(400));
    for record in recorder.take_records() {
        records.send(record).await.unwrap();
    }
}

/// A device of everything that a device has.
pub(super) struct Whole {
    pub(super) device: Device,
    records: mpsc::Sender<lesson::Record>,
    events: Events,
    pub(super) control: Control,
    bulletin: Bulletin,
}

pub(super) fn whole(port: u16, change: impl FnOnce(&mut config::Mqtt)) -> Whole {
    let mut config = Config::default();
    config.privacy.switch.enabled = true;
    config.mqtt.lesson_titles = true;
    change(&mut config.mqtt);
    let control = Control::new(&config, &Kept::Nothing, None);
    let (records, received) = mpsc::channel(64);
    let (events, happened) = Events::channel();
    let target = target(port, config.mqtt);
    let (spool, bulletin) = (Spool::in_memory(1000), Bulletin::default());
    let feed = Feed { author: Author::new(&target), records: received, events: happened };
    let sampler = Sampler::of_device(Known::default(), bulletin.subscribe());
    let device =
        device_with(target, spool.clone(), |publisher| publisher.reporting(sampler).obeying(control.clone()));
    tokio::spawn(feed.run(spool, Some("a note".into()), device.stop.clone()));
    Whole { device, records, events, control, bulletin }
}

#[test]
fn all_that_is_ever_published_keeps_to_its_schema_and_size() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let mut everything = Dashboard::new(mosquitto.port, "#");
        let poll = everything.find("nothing", |_, _| false);
        assert!(timeout(Duration::from_millis(300), poll).await.is_err(), "an empty broker");
        let whole = whole(mosquitto.port, |_| {});
        whole.bulletin.fails("camera", &"unplugged, and a long story about it; ".repeat(20));
        for (_, mood) in samples::all() {
            whole.device.moods.send_replace(Arc::new(mood));
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        for kind in [EventKind::CameraGone, EventKind::ClockSet, EventKind::ConfigurationRefused] {
            whole.events.tell(kind, Some("ä".repeat(1000)));
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
        let validators: BTreeMap<_, _> = MOST_BYTES.map(|(leaf, _)| (leaf, validator(leaf))).into();
        let limits = BTreeMap::from(MOST_BYTES);
        let enough = |seen: &BTreeMap<String, usize>| {
            MOST_BYTES.iter().all(|(leaf, _)| seen.contains_key(*leaf))
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
        // For who comes later the broker keeps these three and nothing else.
        let mut late = Dashboard::new(mosquitto.port, "moodring/#");
        let mut kept = std::collections::BTreeSet::new();
        while kept.len() < 3 {
            let (message, _) = late.find("what is kept", |message, _| message.retain).await;
            kept.insert(String::from_utf8(message.topic.to_vec()).unwrap());
        }
        assert_eq!(
            kept,
            ["health", "mood", "status"].map(|leaf| format!("moodring/school/room-1/{leaf}")).into()
        );
    });
}

#[test]
fn the_schemas_refuse_what_is_not_of_the_contract() {
    let spool = Spool::in_memory(10);
    let author = Author::new(&target(0, config::Mqtt::default()));
    let at = "2026-11-20T09:41:00Z".parse().unwrap();
    let minute = lesson::Minute {
        number: 41,
        at,
        state: State::Live,
        live: 0.98,
        people: Some(28.3),
        coverage: Some(0.79),
        word: Word::Attentive,
        pace: Pace::Fine,
        figures: lesson::Figures::default(),
    };
    author.record(&spool, lesson::Record::Minute { lesson: at, minute: Box::new(minute) });
    let payload: Value = serde_json::from_slice(&spool.next().unwrap().payload).unwrap();
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
        ("/figures/facing", json!(0.8)),
    ] {
        let mut spoilt = payload.clone();
        *spoilt.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&spoilt), "{pointer}");
    }
    let mut person = payload.clone();
    person["name"] = "somebody".into();
    assert!(!validator.is_valid(&person));
    person = payload;
    person["figures"]["anger_of_somebody"] = Value::Null;
    assert!(!validator.is_valid(&person));
}

#[test]
fn commands_are_answered_and_retained_ones_are_not_obeyed() {
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
        // From before the device was there.
        say(r#"{"paused": true, "id": "old"}"#, true);
        let whole = whole(mosquitto.port, |_| {});
        let (_, reply) = dashboard.find("a reply", |_, value| value["id"].is_null()).await;
        assert!(reply["ok"] == false && reply["error"] == "commands must not be retained");
        assert!(!*whole.control.paused_by_hand().borrow());
        let ask = |payload: &str| {
            let options = rumqttc_v4::PublishOptions::at_least_once();
            let topic = "moodring/school/room-1/cmd/pause";
            dashboard.client.try_publish(topic, payload.to_owned(), options).unwrap();
        };
        ask(r#"{"paused": false, "id": "a"}"#);
        let (_, reply) = dashboard.find("a reply", |_, value| value["id"] == "a").await;
        assert_eq!(reply["error"], "the privacy switch is closed");
        whole.control.set_switch(SwitchPosition::Open);
        let options = rumqttc_v4::PublishOptions::at_least_once();
        let topic = "moodring/school/room-1/cmd/pause";
        dashboard.client.try_publish(topic, r#"{"paused": true, "id": "b"}"#, options).unwrap();
        let (message, reply) = dashboard.find("a reply", |_, value| value["id"] == "b").await;
        assert!(reply["ok"] == true && reply["command"] == "pause" && !message.retain);
        assert!(*whole.control.paused_by_hand().borrow());
    });
}

#[test]
fn home_assistant_is_told_again_when_it_starts_and_the_device_can_be_forgotten() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let mut dashboard = Dashboard::new(mosquitto.port, "homeassistant/#");
        let whole = whole(mosquitto.port, |config| config.discovery = true);
        let announced = |value: &Value| value["components"]["word"]["platform"] == "sensor";
        let (message, _) = dashboard.find("the announcement", |_, value| announced(value)).await;
        assert!(
            message.topic.starts_with(b"homeassistant/device/moodring-")
                && message.topic.ends_with(b"/config")
        );
        let options = rumqttc_v4::PublishOptions::at_least_once();
        dashboard.client.try_publish("homeassistant/status", "online", options).unwrap();
        let (message, _) = dashboard.find("it again", |_, value| announced(value)).await;
        assert!(!message.retain, "a new one, not the kept one");
        whole.device.stop.request();
        whole.device.task.await.unwrap();
        let target = target(mosquitto.port, config::Mqtt { discovery: true, ..config::Mqtt::default() });
        assert_eq!(forget(&target).await.unwrap().len(), 4);
        dashboard.find("the end of it", |message, _| message.payload.is_empty()).await;
        let mut late = Dashboard::new(mosquitto.port, "#");
        let poll = late.find("nothing", |message, _| message.retain);
        assert!(timeout(Duration::from_millis(500), poll).await.is_err(), "nothing is kept");
    });
}
