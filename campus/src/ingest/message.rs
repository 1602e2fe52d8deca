//! From topic and payload to a row of campus/postgres/schema.sql, or to a reason why not. Pure functions.
//!
//! A message must be of the room in its topic, which the broker's access list guards, and of the device that hangs there. A
//! spooled message may also be of a room where that device hung before. What disagrees is quarantined: nobody believes it, and
//! nothing of it is lost. Unknown fields are ignored; an unknown word, such as a new kind of event, rejects the message, so the
//! ingest is upgraded before the devices.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use moodring_contract::lesson::{Metric, Metrics};
use moodring_contract::payload::{
    EventReport, HealthReport, Key, LessonReport, MinuteReport, Place, SpoolMetrics, Status,
};
use moodring_contract::{Level, Topics};

use super::devices::Devices;

/// The largest message of the contract has about 1.5 kB.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// Leaves of `moodring/<site>/<room>/` that are stored.
pub(super) const LEAVES: [&str; 5] = ["minute", "lesson", "event", "health", "status"];
/// Bytes of an unreadable payload that are stored.
const KEPT_BYTES: usize = 2048;
/// A device whose clock is further ahead is wrong, not early.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// Which table a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Minute,
    Lesson,
    Event,
    Health,
    Status,
    Rejected,
}

/// A row: an object whose keys are the table's columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) table: Table,
    pub(super) columns: Value,
}

/// Why a message is not stored where it wants to be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It does not match the contract.
    #[error("{0}")]
    Unreadable(String),
    /// Its topic, its device and its room do not agree.
    #[error("{0}")]
    Disagrees(String),
}

type Result<T> = std::result::Result<T, Refusal>;

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Refusal::Unreadable(otherwise())) }
}

fn ensure_agrees(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Refusal::Disagrees(otherwise())) }
}

/// The row of a message that arrived at `now`. Without a list of devices, any device is believed to hang in the room of its
/// topic.
///
/// # Errors
/// It does not match the contract, or its topic, device and room do not agree.
pub(super) fn read(topic: &str, payload: &[u8], devices: Option<&Devices>, now: Timestamp) -> Result<Row> {
    ensure(payload.len() <= MAX_BYTES, || format!("{} bytes; the maximum is {MAX_BYTES}", payload.len()))?;
    let Some(topic) = Topic::parse(topic) else {
        return Err(Refusal::Unreadable("not a topic of a device".into()));
    };
    match topic.leaf {
        "minute" => topic.row::<MinuteReport>(Table::Minute, payload, devices, now),
        "lesson" => topic.row::<LessonReport>(Table::Lesson, payload, devices, now),
        "event" => topic.row::<EventReport>(Table::Event, payload, devices, now),
        "health" => topic.row::<HealthReport>(Table::Health, payload, devices, now),
        "status" => topic.row::<Status>(Table::Status, payload, devices, now),
        leaf => Err(Refusal::Unreadable(format!("messages of the topic {leaf} are not stored"))),
    }
}

/// The row that remembers an unreadable message.
pub(super) fn rejected(topic: &str, payload: &[u8], reason: &str) -> Row {
    let clean = |text: &str, max: usize| -> String {
        text.chars().filter(|letter| *letter != '\0').take(max).collect()
    };
    let payload = String::from_utf8_lossy(&payload[..payload.len().min(KEPT_BYTES)]);
    let columns = serde_json::json!({
        "topic": clean(topic, 256), "reason": clean(reason, 256), "payload": clean(&payload, KEPT_BYTES),
    });
    Row { table: Table::Rejected, columns }
}

/// Letters of a parser's message that are kept as the reason.
const MAX_REASON: usize = 200;

/// The levels of a topic below `moodring`.
struct Topic<'a> {
    site: &'a str,
    room: &'a str,
    leaf: &'a str,
}

impl<'a> Topic<'a> {
    fn parse(topic: &'a str) -> Option<Self> {
        let mut levels = topic.split('/');
        let (root, site, room, leaf) = (levels.next()?, levels.next()?, levels.next()?, levels.next()?);
        (root == "moodring" && levels.next().is_none()).then_some(Self { site, room, leaf })
    }

    fn row<T: Payload>(
        &self,
        table: Table,
        payload: &[u8],
        devices: Option<&Devices>,
        now: Timestamp,
    ) -> Result<Row> {
        let payload: T = serde_json::from_slice(payload).map_err(|error| {
            let reason: String = error.to_string().chars().take(MAX_REASON).collect();
            Refusal::Unreadable(format!("does not match the schema: {reason}"))
        })?;
        let Place { site, room, device } = payload.place();
        ensure(Topics::is_level(site) && Topics::is_level(room), || {
            "site or room is not a topic level".into()
        })?;
        ensure(is_device(device), || format!("device {device:.64?} is not a device's name"))?;
        if let Some(key) = payload.key() {
            check_key(key)?;
        }
        if let Some(at) = payload.at() {
            ensure(at <= now + AHEAD, || format!("is of {at}: the device's clock is ahead"))?;
        }
        payload.check()?;
        self.check_place(payload.place(), payload.key().is_some(), devices)?;
        Ok(Row { table, columns: payload.columns() })
    }

    /// Checks that the device of `place` hangs in the room of the topic, and that the message is of that room or, if it was
    /// `spooled`, of one where the device hung before.
    fn check_place(&self, place: &Place, spooled: bool, devices: Option<&Devices>) -> Result<()> {
        let Place { site, room, device } = place;
        let here = (&**site, &**room) == (self.site, self.room);
        if let Some(devices) = devices {
            ensure_agrees(devices.is_in(device, self.site, self.room), || {
                format!("{device} does not hang in this room; correct devices.csv if it does")
            })?;
            if !here && spooled {
                return ensure_agrees(devices.was_in(device, site, room), || {
                    format!(
                        "claims to be of {site}/{room}; if {device} hung there, add it to the column former of devices.csv"
                    )
                });
            }
        }
        ensure_agrees(here, || format!("claims to be of {site}/{room}"))
    }
}

/// Whether `name` is `moodring-` and plain letters or digits. Wider than the contract, which may change what follows.
fn is_device(name: &str) -> bool {
    name.len() <= 64
        && name.strip_prefix("moodring-").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

fn check_key(key: &Key) -> Result<()> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    ensure(key.spool.len() == 8 && key.spool.bytes().all(hex), || "spool is not 8 hex digits".into())?;
    ensure(key.sequence >= 1, || "sequence is less than 1".into())?;
    check_counts(&[("sequence", key.sequence)])
}

/// PostgreSQL's bigint ends before ours.
fn check_counts(counts: &[(&str, u64)]) -> Result<()> {
    counts.iter().try_for_each(|(name, count)| {
        ensure(i64::try_from(*count).is_ok(), || format!("{name} is over {}", i64::MAX))
    })
}

fn check_metrics(metrics: &Metrics) -> Result<()> {
    for metric in Metric::ALL {
        let Some(Level { value, low, high }) = metrics.get(metric) else { continue };
        let (min, max) = metric.scale();
        ensure([value, low, high].iter().all(|value| (min..=max).contains(value)), || {
            format!("{} is not from {min} to {max}", metric.name())
        })?;
    }
    Ok(())
}

fn text(name: &str, text: Option<&str>, max: usize) -> Result<()> {
    let Some(text) = text else { return Ok(()) };
    ensure(text.chars().count() <= max && !text.contains('\0'), || format!("{name} is too long or binary"))
}

fn within(name: &str, value: Option<f64>, max: f64) -> Result<()> {
    ensure(value.is_none_or(|value| (0.0..=max).contains(&value)), || {
        format!("{name} is not from 0 to {max}")
    })
}

/// A payload of the contract, and how it becomes the columns of a table.
trait Payload: DeserializeOwned + Serialize {
    fn place(&self) -> &Place;
    /// Which message of a spool it is, if it is of one.
    fn key(&self) -> Option<&Key>;
    fn at(&self) -> Option<Timestamp>;
    /// Whether every value fits its column.
    fn check(&self) -> Result<()>;
    /// Replaces fields that are not a column under their own name.
    fn spread(&self, _columns: &mut Map<String, Value>) {}

    fn columns(&self) -> Value {
        // Plain structs of numbers and text: this cannot fail.
        let mut columns = serde_json::to_value(self).unwrap_or_default();
        if let Some(columns) = columns.as_object_mut() {
            columns.remove("schema");
            self.spread(columns);
        }
        columns
    }
}

impl Payload for MinuteReport {
    fn place(&self) -> &Place {
        &self.place
    }

    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }

    fn at(&self) -> Option<Timestamp> {
        Some(self.at)
    }

    fn check(&self) -> Result<()> {
        ensure(self.number <= 100_000, || "number is over 100000".into())?;
        within("live", Some(self.live), 1.0)?;
        within("people", self.people, 10_000.0)?;
        within("coverage", self.coverage, 1.0)?;
        check_metrics(&self.metrics)
    }

    fn spread(&self, columns: &mut Map<String, Value>) {
        columns.remove("metrics");
        for metric in Metric::ALL {
            let Some(level) = self.metrics.get(metric) else { continue };
            for (ending, value) in [("", level.value), ("_low", level.low), ("_high", level.high)] {
                columns.insert(format!("{}{ending}", metric.name()), value.into());
            }
        }
    }
}

impl Payload for LessonReport {
    fn place(&self) -> &Place {
        &self.place
    }

    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }

    fn at(&self) -> Option<Timestamp> {
        Some(self.at)
    }

    fn check(&self) -> Result<()> {
        text("title", self.title.as_deref(), 200)?;
        let Some(summary) = &self.summary else { return Ok(()) };
        ensure(summary.minutes <= 100_000, || "minutes are over 100000".into())?;
        within("live", Some(summary.live), 1.0)?;
        within("people", summary.people, 10_000.0)?;
        check_metrics(&summary.metrics)
    }

    /// The fields of the summary are columns.
    fn spread(&self, columns: &mut Map<String, Value>) {
        if let Some(Value::Object(mut summary)) = columns.remove("summary") {
            columns.append(&mut summary);
        }
    }
}

impl Payload for EventReport {
    fn place(&self) -> &Place {
        &self.place
    }

    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }

    fn at(&self) -> Option<Timestamp> {
        Some(self.at)
    }

    fn check(&self) -> Result<()> {
        text("detail", self.detail.as_deref(), 1000)
    }
}

impl Payload for HealthReport {
    fn place(&self) -> &Place {
        &self.place
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn at(&self) -> Option<Timestamp> {
        Some(self.at)
    }

    fn check(&self) -> Result<()> {
        let (vitals, spool) = (&self.vitals, &self.spool);
        text("version", Some(&self.version), 64)?;
        text("engine", Some(&vitals.engine), 64)?;
        for version in [&vitals.models.heads, &vitals.models.expression] {
            text("models", version.as_deref(), 1000)?;
        }
        for (part, problem) in &vitals.problems {
            text("problems", Some(part), 64)?;
            text("problems", Some(problem), 1000)?;
        }
        ensure(vitals.problems.len() <= 62, || "too many problems".into())?;
        check_counts(&[
            ("uptime_s", vitals.uptime_s),
            ("rss_bytes", vitals.rss_bytes.unwrap_or(0)),
            ("cycles", vitals.cycles),
            ("observations_dropped", vitals.observations_dropped),
            ("waiting", spool.waiting),
            ("dropped", spool.dropped),
            ("disk_writes", spool.disk_writes),
            ("sequence", spool.sequence),
            ("reconnects", self.reconnects),
        ])
    }

    fn spread(&self, columns: &mut Map<String, Value>) {
        let SpoolMetrics { waiting, dropped, disk_writes, sequence } = self.spool;
        columns.remove("spool");
        for (name, value) in [
            ("spool_waiting", waiting),
            ("spool_dropped", dropped),
            ("spool_disk_writes", disk_writes),
            ("spool_sequence", sequence),
        ] {
            columns.insert(name.into(), value.into());
        }
    }
}

impl Payload for Status {
    fn place(&self) -> &Place {
        &self.place
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn at(&self) -> Option<Timestamp> {
        None
    }

    fn check(&self) -> Result<()> {
        text("version", Some(&self.version), 64)
    }
}

#[cfg(test)]
mod tests;
