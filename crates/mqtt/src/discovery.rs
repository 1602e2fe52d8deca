//! Announces the device to Home Assistant: one retained message that describes the device and all its entities.
//!
//! [`announcement`] is a pure function; its test lists the rules of Home Assistant. The announced topic is remembered as
//! that of every retained message, so that the device is removed from Home Assistant when discovery is turned off.

use serde_json::{Value, json};

use crate::spool::Kind;
use crate::target::Target;
use moodring_config::Mqtt;
use moodring_contract::Topics;
use moodring_contract::lesson::Metric;

/// Seconds without a mood after which its entities are unavailable: three times the longest interval between moods.
const EXPIRE_AFTER_S: u32 = 180;
/// The names of the seven mood words, in the order of the type.
const WORDS: [&str; 7] = ["bright", "attentive", "calm", "restless", "strained", "drowsy", "unsure"];
/// Topic of Home Assistant's birth message, which does not depend on the prefix of the discovery topics.
pub(super) const BIRTH_TOPIC: &str = "homeassistant/status";
/// Topic on which a campus may publish, retained, the newest released version. Devices do not read it.
const LATEST_VERSION_TOPIC: &str = "moodring/latest_version";

/// The topic on which `device` is announced.
pub(super) fn topic(config: &Mqtt, device: &str) -> String {
    format!("{}/device/{device}/config", config.discovery_prefix)
}

/// The announcement to Home Assistant (MQTT device discovery, as of 2026.11).
pub(super) fn announcement(target: &Target, topics: &Topics) -> Value {
    let room = &target.room;
    let mut announcement = json!({
        "device": {
            "identifiers": [target.device.as_str()],
            "name": format!("moodring {}", room.name),
            "manufacturer": "moodring",
            "model": "moodring",
            "sw_version": env!("CARGO_PKG_VERSION"),
            "suggested_area": room.name,
        },
        "origin": { "name": "moodring", "sw_version": env!("CARGO_PKG_VERSION") },
        "availability": [{
            "topic": topics.status(),
            "value_template": "{{ value_json.status }}",
            "payload_available": "online",
            "payload_not_available": "offline",
        }],
        "availability_mode": "all",
        "state_topic": topics.mood(),
        "qos": 1,
        "components": Value::Object(components(target, topics)),
    });
    if let Some(page) = &target.page {
        announcement["device"]["configuration_url"] = page.as_str().into();
    }
    announcement
}

/// The entities by key; each has its own `unique_id`.
fn components(target: &Target, topics: &Topics) -> serde_json::Map<String, Value> {
    let mut all = metrics();
    for (key, component) in &mut all {
        // An entity that consists of its platform alone is removed from Home Assistant, also after a change of the mode.
        if !target.measures(key) {
            *component = json!({ "platform": component["platform"] });
        }
    }
    all.extend(device_entities(topics));
    if target.config.commands {
        all.extend(controls(topics));
    }
    let with_id = |(key, mut component): (String, Value)| {
        if component.as_object().is_some_and(|fields| fields.len() == 1) {
            return (key, component);
        }
        component["unique_id"] = format!("{}-{key}", target.device).into();
        component["default_entity_id"] =
            format!("{}.moodring_{}_{key}", component["platform"].as_str().unwrap_or_default(), slug(target))
                .into();
        (key, component)
    };
    all.into_iter().map(with_id).collect()
}

/// The room, reduced to the characters that entity ids may have. A name that loses letters, such as one in Hindi, gets a part
/// of the device's name: two such rooms would have the same entity ids.
fn slug(target: &Target) -> String {
    let name = &target.room.name;
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut words: Vec<_> = words.map(str::to_ascii_lowercase).collect();
    if words.is_empty() || name.chars().any(|c| c.is_alphanumeric() && !c.is_ascii()) {
        let device = target.device.as_str();
        words.push(device.get(device.len().saturating_sub(6)..).unwrap_or(device).to_owned());
    }
    words.join("_")
}

fn metrics() -> Vec<(String, Value)> {
    let share = |path: &str| {
        format!("{{{{ (value_json.{path} * 100) | round(0) if value_json.{} else None }}}}", owner(path))
    };
    let percent = |name: &str, template: String| {
        json!({
            "platform": "sensor", "name": name, "value_template": template, "unit_of_measurement": "%",
            "state_class": "measurement", "suggested_display_precision": 0, "expire_after": EXPIRE_AFTER_S,
        })
    };
    let mut all = vec![
        (
            "word".to_owned(),
            json!({
                "platform": "sensor", "name": "Mood", "device_class": "enum", "options": WORDS, "icon": "mdi:school",
                "value_template": "{{ value_json.word if value_json.state == 'live' else 'unsure' }}",
                "expire_after": EXPIRE_AFTER_S,
            }),
        ),
        (
            "people".to_owned(),
            json!({
                "platform": "sensor", "name": "People", "value_template": "{{ value_json.people }}",
                "unit_of_measurement": "people", "state_class": "measurement", "icon": "mdi:account-group",
                "expire_after": EXPIRE_AFTER_S,
            }),
        ),
        ("facing".to_owned(), percent("Facing", share("facing.share"))),
        ("engagement".to_owned(), percent("Engagement", share("engagement.value"))),
        (
            "pace".to_owned(),
            json!({
                "platform": "sensor", "name": "Pace", "device_class": "enum",
                "options": ["fine", "too_fast", "too_slow", "unsure"], "value_template": "{{ value_json.pace }}",
                "expire_after": EXPIRE_AFTER_S,
            }),
        ),
    ];
    for metric in Metric::EXPRESSIONS {
        let name = metric.name();
        let mut component = percent(&format!("Share {name}"), share(&format!("expressions.{name}.share")));
        component["entity_category"] = "diagnostic".into();
        component["enabled_by_default"] = false.into();
        all.push((name.to_owned(), component));
    }
    all
}

/// The first part of `path`: null if the value is absent.
fn owner(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

fn device_entities(topics: &Topics) -> Vec<(String, Value)> {
    vec![
        (
            "camera".to_owned(),
            json!({
                "platform": "sensor", "name": "Camera", "device_class": "enum", "entity_category": "diagnostic",
                "options": ["starting", "streaming", "paused", "away"], "state_topic": topics.health(),
                "value_template": "{{ value_json.camera }}",
            }),
        ),
        (
            "problem".to_owned(),
            json!({
                "platform": "binary_sensor", "name": "Problem", "device_class": "problem",
                "entity_category": "diagnostic", "state_topic": topics.health(),
                "value_template": "{{ 'ON' if value_json.problems else 'OFF' }}",
                "json_attributes_topic": topics.health(), "json_attributes_template": "{{ value_json.problems | tojson }}",
            }),
        ),
        (
            "lesson".to_owned(),
            json!({
                "platform": "event", "name": "Lesson", "state_topic": topics.leaf(Kind::Lesson.name()),
                "event_types": ["begun", "ended"],
                "value_template": "{{ {'event_type': value_json.kind, 'lesson': value_json.lesson} | tojson }}",
            }),
        ),
        (
            "update".to_owned(),
            json!({
                "platform": "update", "name": "Program", "entity_category": "diagnostic", "state_topic": topics.status(),
                "value_template": "{{ {'installed_version': value_json.version} | tojson }}",
                "latest_version_topic": LATEST_VERSION_TOPIC,
            }),
        ),
    ]
}

fn controls(topics: &Topics) -> Vec<(String, Value)> {
    vec![
        (
            "pause".to_owned(),
            json!({
                "platform": "switch", "name": "Pause", "icon": "mdi:pause", "command_topic": topics.command("pause"),
                "payload_on": "{\"paused\":true}", "payload_off": "{\"paused\":false}",
                "value_template": "{{ 'ON' if value_json.state == 'paused' else 'OFF' }}",
                "state_on": "ON", "state_off": "OFF", "retain": false,
            }),
        ),
        (
            "identify".to_owned(),
            json!({
                "platform": "button", "name": "Identify", "device_class": "identify", "entity_category": "config",
                "command_topic": topics.command("identify"), "payload_press": "{\"for_s\":10}", "retain": false,
            }),
        ),
    ]
}

#[cfg(test)]
mod tests;
