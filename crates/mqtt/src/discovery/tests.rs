//! Checks the announcement against the rules of Home Assistant, and its removal.

use std::collections::HashSet;

use super::*;
use crate::target::Address;
use moodring_config::Room;
use moodring_contract::{Mode, Word};
use moodring_runtime::DeviceId;

fn target(change: impl FnOnce(&mut Mqtt)) -> Target {
    let mut config = Mqtt { discovery: true, ..Mqtt::default() };
    change(&mut config);
    Target {
        address: Address { host: "localhost".into(), port: 1883 },
        room: Room { site: "school".into(), name: "B 214".into() },
        device: DeviceId::of("a machine"),
        config,
        mode: Mode::Mood,
        publishes_facing: true,
        page: None,
    }
}

fn topics(target: &Target) -> Topics {
    Topics::of(&target.room.site, &target.room.name)
}

fn announced() -> Value {
    let target = target(|_| {});
    announcement(&target, &topics(&target))
}

#[test]
fn a_device_that_only_counts_announces_no_mood_and_removes_it() {
    let target = Target { mode: Mode::Count, publishes_facing: false, ..target(|_| {}) };
    let announcement = announcement(&target, &topics(&target));
    let removed = |key: &str| announcement["components"][key] == json!({ "platform": "sensor" });
    assert!(["word", "pace", "facing", "engagement", "happy", "neutral"].into_iter().all(removed));
    assert!(!removed("people") && announcement["components"]["people"]["unique_id"].is_string());
}

fn components(announcement: &Value) -> Vec<(&String, &Value)> {
    announcement["components"].as_object().unwrap().iter().collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A rule of Home Assistant's MQTT device discovery: its text, and whether a component follows it.
type Rule = (&'static str, fn(&Value) -> bool);

/// Rules for each component, from the documentation of the MQTT integration, 2026.11.
const RULES: [Rule; 13] = [
    ("has a platform", |c| {
        ["sensor", "binary_sensor", "switch", "button", "event", "update"].contains(&text(c, "platform"))
    }),
    ("has a unique_id", |c| text(c, "unique_id").starts_with("moodring-")),
    ("has a name of its own", |c| !text(c, "name").is_empty()),
    ("default_entity_id is of its platform and in its letters", |c| {
        let id = text(c, "default_entity_id");
        id.strip_prefix(text(c, "platform")).is_some_and(|rest| {
            rest[1..].bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        })
    }),
    ("an enum has options and neither state_class nor unit", |c| {
        text(c, "device_class") != "enum"
            || (c["options"].as_array().is_some_and(|options| !options.is_empty())
                && c["state_class"].is_null()
                && c["unit_of_measurement"].is_null())
    }),
    ("options are for enums only", |c| c["options"].is_null() || text(c, "device_class") == "enum"),
    ("a number is a measurement", |c| {
        c["unit_of_measurement"].is_null() || text(c, "state_class") == "measurement"
    }),
    ("a sensor is not a config entity", |c| {
        !["sensor", "binary_sensor"].contains(&text(c, "platform")) || text(c, "entity_category") != "config"
    }),
    ("expire_after is a number of seconds, for sensors only", |c| {
        c["expire_after"].is_null()
            || (c["expire_after"].as_u64().is_some_and(|seconds| seconds > 0)
                && text(c, "platform") == "sensor")
    }),
    ("an event names its types and yields one", |c| {
        text(c, "platform") != "event"
            || (c["event_types"].as_array().is_some_and(|types| !types.is_empty())
                && text(c, "value_template").contains("event_type"))
    }),
    ("a control has a topic for commands and is not retained", |c| {
        !["switch", "button"].contains(&text(c, "platform"))
            || (text(c, "command_topic").contains("/cmd/") && c["retain"] == false)
    }),
    ("payloads of commands are JSON", |c| {
        ["payload_on", "payload_off", "payload_press"]
            .iter()
            .filter_map(|key| c[*key].as_str())
            .all(|payload| serde_json::from_str::<Value>(payload).is_ok())
    }),
    ("templates are closed", |c| {
        let all = c.as_object().unwrap().iter().filter(|(key, _)| key.ends_with("_template"));
        all.map(|(_, value)| value.as_str().unwrap()).all(|template| {
            template.starts_with("{{ ")
                && template.ends_with(" }}")
                && template.matches('(').count() == template.matches(')').count()
        })
    }),
];

#[test]
fn every_component_follows_every_rule() {
    let announcement = announced();
    for (key, component) in components(&announcement) {
        for (rule, keeps) in RULES {
            assert!(keeps(component), "{key}: {rule}\n{component:#}");
        }
    }
}

#[test]
fn the_device_follows_the_rules_of_its_message() {
    let announcement = announced();
    assert_eq!(announcement["device"]["identifiers"][0], DeviceId::of("a machine").as_str());
    assert!(!text(&announcement["origin"], "name").is_empty(), "origin.name is required");
    assert_eq!(announcement["state_topic"], "moodring/school/B 214/mood");
    let availability = &announcement["availability"][0];
    assert_eq!(text(availability, "topic"), "moodring/school/B 214/status");
    assert_eq!(text(availability, "payload_available"), "online");
    let components = components(&announcement);
    let ids: HashSet<_> = components.iter().map(|(_, component)| text(component, "unique_id")).collect();
    assert_eq!(ids.len(), components.len(), "unique ids are unique");
    assert!(announcement.to_string().len() < 16 * 1024, "{}", announcement.to_string().len());
}

#[test]
fn the_documented_entities_are_announced() {
    let announcement = announced();
    let keys: HashSet<_> = components(&announcement).into_iter().map(|(key, _)| key.as_str()).collect();
    for key in
        ["word", "people", "facing", "engagement", "pace", "camera", "problem", "pause", "lesson", "update"]
    {
        assert!(keys.contains(key), "{key}");
    }
    for metric in Metric::EXPRESSIONS {
        let component = &announcement["components"][metric.name()];
        assert_eq!(text(component, "entity_category"), "diagnostic");
        assert_eq!(component["enabled_by_default"], false);
    }
    let words = [
        Word::Bright,
        Word::Attentive,
        Word::Calm,
        Word::Restless,
        Word::Strained,
        Word::Drowsy,
        Word::Unsure,
    ];
    assert_eq!(announcement["components"]["word"]["options"], json!(words.map(Word::name)));
    let no_commands = target(|config| config.commands = false);
    let no_commands = super::announcement(&no_commands, &topics(&no_commands));
    assert!(no_commands["components"]["pause"].is_null(), "no switch where commands are disabled");
}

#[test]
fn rooms_with_letters_of_other_scripts_have_entity_ids_of_their_own() {
    let ids = |room: &str, machine: &str| {
        let mut target = Target { device: DeviceId::of(machine), ..target(|_| {}) };
        target.room.name = room.into();
        let announcement = announcement(&target, &topics(&target));
        text(&announcement["components"]["people"], "default_entity_id").to_owned()
    };
    assert_eq!(ids("B 214", "a"), "sensor.moodring_b_214_people");
    let (first, second) = (
        ids("\u{915}\u{915}\u{94d}\u{937}\u{93e} 7", "a"),
        ids("\u{939}\u{93f}\u{902}\u{926}\u{940} 7", "b"),
    );
    assert!(
        first.starts_with("sensor.moodring_7_") && first.ends_with("_people") && first != second,
        "{first} {second}"
    );
    assert!(!first.contains("__"), "{first}");
}

#[test]
fn the_page_in_the_network_is_announced() {
    let url = |page: Option<&str>| {
        let target = Target { page: page.map(str::to_owned), ..target(|_| {}) };
        announcement(&target, &topics(&target))["device"]["configuration_url"].clone()
    };
    assert_eq!(url(Some("https://192.0.2.7:8080/")), "https://192.0.2.7:8080/");
    assert!(url(None).is_null());
}
