//! The device inventory: the newest state of every device for Prometheus, as `/metrics`. Devices serve their own metrics on
//! loopback only, so a campus watches what they publish. Filled again after a restart by the retained messages.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use serde_json::Value;

use moodring_runtime::Counter;

use super::message::{Row, Table};

/// More devices are not watched; a campus of 5,000 rooms has two in some.
const MAX_DEVICES: usize = 20_000;

type Labels = [(&'static str, String); 3];
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// The devices, and the counters of the ingest.
#[derive(Debug, Default)]
pub struct Inventory {
    devices: Mutex<BTreeMap<String, Device>>,
    /// Messages that came.
    pub(super) received: Counter,
    /// Rows that were new.
    pub(super) fresh: Counter,
    /// Messages that had come before.
    pub(super) repeated: Counter,
    /// Messages that could not be read.
    pub(super) rejected: Counter,
    /// Messages whose topic, device and room do not agree.
    pub(super) quarantined: Counter,
    pub(super) broker_up: AtomicBool,
    pub(super) database_up: AtomicBool,
}

#[derive(Debug, Default)]
struct Device {
    site: String,
    room: String,
    online: Option<bool>,
    health: Option<Health>,
}

#[derive(Debug)]
struct Health {
    at: Timestamp,
    camera: String,
    /// Metric and value, for those that are numbers.
    numbers: Vec<(&'static str, f64)>,
}

/// Fields of a health message and the metrics made of them.
const NUMBERS: [(&str, &str, &str); 7] = [
    ("spool_waiting", "device_spool_waiting", "Messages that wait at the device for the broker"),
    ("spool_dropped", "device_spool_dropped", "Messages the device dropped because its spool was full"),
    ("celsius", "device_temperature_celsius", "Temperature of the device's processor"),
    ("throttled", "device_throttled", "Whether the device's firmware slows it down: 1 or 0"),
    ("frames_per_s", "device_frames_per_second", "Pictures per second"),
    ("rss_bytes", "device_resident_memory_bytes", "Memory of the device's program"),
    ("uptime_s", "device_uptime_seconds", "Since the device's program began"),
];
/// The states of a camera.
const CAMERA: [&str; 4] = ["streaming", "away", "paused", "starting"];

impl Inventory {
    /// Updates the device of a status or health row.
    pub(super) fn update(&self, row: &Row) {
        let text = |key: &str| row.columns[key].as_str().unwrap_or_default().to_owned();
        if !matches!(row.table, Table::Status | Table::Health) {
            return;
        }
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let name = text("device");
        if devices.len() >= MAX_DEVICES && !devices.contains_key(&name) {
            return;
        }
        let device = devices.entry(name).or_default();
        device.site = text("site");
        device.room = text("room");
        match row.table {
            Table::Status => device.online = Some(row.columns["status"] == "online"),
            _ => device.health = Health::of(&row.columns),
        }
    }

    /// The whole text.
    ///
    /// # Errors
    /// When formatting fails, which memory alone can make it do.
    pub(super) fn text(&self, now: Timestamp) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("moodring");
        self.register_devices(&mut registry, now);
        for (name, help, count) in [
            ("ingest_received", "Messages that came from the broker", &self.received),
            ("ingest_fresh", "Rows that were new", &self.fresh),
            ("ingest_repeated", "Messages that had come before", &self.repeated),
            ("ingest_rejected", "Messages that could not be read", &self.rejected),
            ("ingest_quarantined", "Messages whose topic, device and room do not agree", &self.quarantined),
        ] {
            registry.register(name, help, ConstCounter::new(count.get()));
        }
        for (name, help, up) in [
            ("ingest_broker_up", "Whether the broker is connected: 1 or 0", &self.broker_up),
            ("ingest_database_up", "Whether the last batch could be written: 1 or 0", &self.database_up),
        ] {
            registry.register(name, help, ConstGauge::new(u64::from(up.load(Ordering::Relaxed))));
        }
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn register_devices(&self, registry: &mut Registry, now: Timestamp) {
        let (online, age, camera) =
            (Gauges::default(), Gauges::default(), Family::<[_; 4], Gauge>::default());
        let numbers: Vec<Gauges> = NUMBERS.iter().map(|_| Gauges::default()).collect();
        for (name, device) in self.devices.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let [room, site] = [&device.room, &device.site].map(String::clone);
            let labels: Labels = [("device", name.clone()), ("site", site.clone()), ("room", room.clone())];
            if let Some(up) = device.online {
                online.get_or_create(&labels).set(f64::from(u8::from(up)));
            }
            let Some(health) = &device.health else { continue };
            age.get_or_create(&labels).set(now.duration_since(health.at).as_secs_f64());
            for state in CAMERA {
                let labels = [
                    ("device", name.clone()),
                    ("site", site.clone()),
                    ("room", room.clone()),
                    ("state", state.to_owned()),
                ];
                camera.get_or_create(&labels).set(i64::from(health.camera == state));
            }
            for (metric, value) in &health.numbers {
                let index = NUMBERS.iter().position(|(_, known, _)| known == metric);
                if let Some(gauges) = index.and_then(|index| numbers.get(index)) {
                    gauges.get_or_create(&labels).set(*value);
                }
            }
        }
        registry.register("device_online", "Whether the broker has the device: 1 or 0", online);
        registry.register("device_health_age_seconds", "Age of the device's newest health message", age);
        registry.register("device_camera", "What the camera does: 1 for the state it is in", camera);
        for ((_, name, help), gauges) in NUMBERS.into_iter().zip(numbers) {
            registry.register(name, help, gauges);
        }
    }

    /// Serves `/metrics` on `address` until the process ends.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn serve(self: Arc<Self>, address: SocketAddr) -> anyhow::Result<()> {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| format!("{address} cannot be opened; choose another with --metrics"))?;
        let routes = axum::Router::new().route("/metrics", axum::routing::get(move || self.clone().answer()));
        axum::serve(listener, routes).await.context("the metrics cannot be served")
    }

    async fn answer(self: Arc<Self>) -> impl IntoResponse {
        let content = (header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        match self.text(Timestamp::now()) {
            Ok(text) => ([content], text).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

impl Health {
    fn of(columns: &Value) -> Option<Self> {
        let number = |value: &Value| {
            value.as_f64().or_else(|| value.as_bool().map(|holds| f64::from(u8::from(holds))))
        };
        let numbers =
            NUMBERS.iter().filter_map(|(field, metric, _)| Some((*metric, number(&columns[*field])?)));
        Some(Self {
            at: columns["at"].as_str()?.parse().ok()?,
            camera: columns["camera"].as_str()?.to_owned(),
            numbers: numbers.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_device_is_listed_with_its_room_and_unknown_values_are_left_out() {
        let inventory = Inventory::default();
        let place = json!({"device": "moodring-1", "site": "school", "room": "b-214"});
        let row = |table, more: Value| {
            let mut columns = place.clone();
            columns.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Row { table, columns }
        };
        inventory.update(&row(Table::Status, json!({"status": "online"})));
        let health =
            json!({"at": "2026-11-20T09:41:00Z", "camera": "away", "spool_waiting": 7, "throttled": true});
        inventory.update(&row(Table::Health, health));
        let text = inventory.text("2026-11-20T09:41:30Z".parse().unwrap()).unwrap();
        let labels = "device=\"moodring-1\",site=\"school\",room=\"b-214\"";
        for line in [
            format!("moodring_device_online{{{labels}}} 1.0"),
            format!("moodring_device_health_age_seconds{{{labels}}} 30.0"),
            format!("moodring_device_camera{{{labels},state=\"away\"}} 1"),
            format!("moodring_device_camera{{{labels},state=\"streaming\"}} 0"),
            format!("moodring_device_spool_waiting{{{labels}}} 7.0"),
            format!("moodring_device_throttled{{{labels}}} 1.0"),
            "moodring_ingest_received_total 0".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("temperature_celsius{"), "{text}");
    }
}
