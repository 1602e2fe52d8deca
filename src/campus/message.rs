//! From topic and payload to a row of campus/postgres/schema.sql, or to a reason why not. Pure functions.
//!
//! A device is trusted with its own room only: what its payload claims to be must be what its topic says, since the
//! broker's access list guards topics and not payloads. Fields that are not known are left out, as docs/mqtt.md asks.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::mood::lesson::Figure;

/// The largest message of the contract has about 1.5 kB.
pub(super) const MOST_BYTES: usize = 16 * 1024;
/// Leaves of `moodring/<site>/<room>/` that are kept.
pub(super) const LEAVES: [&str; 5] = ["minute", "lesson", "event", "health", "status"];
/// Of an unreadable payload this much is kept.
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

/// Why a message is not kept.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub(super) struct Unreadable(String);

type Result<T> = std::result::Result<T, Unreadable>;

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Unreadable(otherwise())) }
}

/// What a message says, at `now`.
///
/// # Errors
/// It is none of the contract.
pub(super) fn read(topic: &str, payload: &[u8], now: Timestamp) -> Result<Row> {
    ensure(payload.len() <= MOST_BYTES, || format!("{} bytes; the most are {MOST_BYTES}", payload.len()))?;
    let Some(place) = Place::of(topic) else {
        return Err(Unreadable("not a topic of a device".into()));
    };
    match place.leaf {
        "minute" => place.row::<Minute>(Table::Minute, payload, now),
        "lesson" => place.row::<Lesson>(Table::Lesson, payload, now),
        "event" => place.row::<Event>(Table::Event, payload, now),
        "health" => place.row::<Health>(Table::Health, payload, now),
        "status" => place.row::<Status>(Table::Status, payload, now),
        leaf => Err(Unreadable(format!("nothing is kept of the topic {leaf}"))),
    }
}

/// The row that remembers an unreadable message.
pub(super) fn rejected(topic: &str, payload: &[u8], reason: &str) -> Row {
    let clean = |text: &str, most: usize| -> String {
        text.chars().filter(|letter| *letter != '\0').take(most).collect()
    };
    let payload = String::from_utf8_lossy(&payload[..payload.len().min(KEPT_BYTES)]);
    let columns = serde_json::json!({
        "topic": clean(topic, 256), "reason": clean(reason, 256), "payload": clean(&payload, KEPT_BYTES),
    });
    Row { table: Table::Rejected, columns }
}

/// What a topic says.
struct Place<'a> {
    site: &'a str,
    room: &'a str,
    leaf: &'a str,
}

impl<'a> Place<'a> {
    fn of(topic: &'a str) -> Option<Self> {
        let mut levels = topic.split('/');
        let (root, site, room, leaf) = (levels.next()?, levels.next()?, levels.next()?, levels.next()?);
        (root == "moodring" && levels.next().is_none()).then_some(Self { site, room, leaf })
    }

    fn row<T: Payload>(&self, table: Table, payload: &[u8], now: Timestamp) -> Result<Row> {
        let payload: T = serde_json::from_slice(payload)
            .map_err(|error| Unreadable(format!("not of the schema: {error}")))?;
        let head = payload.head();
        let schema = format!("moodring.{}/1", self.leaf);
        ensure(head.schema == schema, || format!("schema {:.64?} instead of {schema:?}", head.schema))?;
        ensure((head.site, head.room) == (self.site, self.room), || {
            format!("claims to be of {:.64}/{:.64}", head.site, head.room)
        })?;
        ensure(is_device(head.device), || format!("device {:.64?} is no device's name", head.device))?;
        if let Some(at) = head.at {
            ensure(at <= now + AHEAD, || format!("is of {at}: the device's clock is ahead"))?;
        }
        payload.check()?;
        Ok(Row { table, columns: payload.columns() })
    }
}

/// `moodring-` and what the contract has behind it, as long as it is plain.
fn is_device(name: &str) -> bool {
    name.len() <= 64
        && name.strip_prefix("moodring-").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// What every payload begins with.
struct Head<'a> {
    schema: &'a str,
    site: &'a str,
    room: &'a str,
    device: &'a str,
    at: Option<Timestamp>,
}

trait Payload: DeserializeOwned + Serialize {
    fn head(&self) -> Head<'_>;
    /// Whether every value may stand in its column.
    fn check(&self) -> Result<()>;
    /// What of it is not a column under its own name.
    fn spread(&self, _columns: &mut Map<String, Value>) {}

    fn columns(&self) -> Value {
        // Plain structs of numbers and text: this cannot fail.
        let mut columns = serde_json::to_value(self).unwrap_or_default();
        if let Some(columns) = columns.as_object_mut() {
            self.spread(columns);
        }
        columns
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct Envelope {
    #[serde(skip_serializing)]
    schema: String,
    site: String,
    room: String,
    device: String,
    spool: String,
    sequence: i64,
    at: Timestamp,
}

impl Envelope {
    fn head(&self) -> Head<'_> {
        let Self { schema, site, room, device, at, .. } = self;
        Head { schema, site, room, device, at: Some(*at) }
    }

    fn check(&self) -> Result<()> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        ensure(self.spool.len() == 8 && self.spool.bytes().all(hex), || "spool is not 8 hex digits".into())?;
        ensure(self.sequence >= 1, || "sequence is less than 1".into())
    }
}

/// A figure with its interval.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
struct Level {
    value: f64,
    low: f64,
    high: f64,
}

type Figures = BTreeMap<String, Option<Level>>;

fn check_figures(figures: &Figures) -> Result<()> {
    for figure in Figure::ALL {
        let Some(Level { value, low, high }) = figures.get(figure.name()).copied().flatten() else {
            continue;
        };
        let (least, most) = figure.scale();
        ensure([value, low, high].iter().all(|value| (least..=most).contains(value)), || {
            format!("{} is not from {least} to {most}", figure.name())
        })?;
    }
    Ok(())
}

/// One of our snake_case words. Which ones is not checked: a later version may know more.
fn word(name: &str, text: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    ensure((1..=32).contains(&text.len()) && text.bytes().all(plain), || format!("{name} is no plain word"))
}

fn words(all: &[(&str, Option<&String>)]) -> Result<()> {
    all.iter().try_for_each(|(name, text)| text.map_or(Ok(()), |text| word(name, text)))
}

fn text(name: &str, text: Option<&String>, most: usize) -> Result<()> {
    let Some(text) = text else { return Ok(()) };
    ensure(text.chars().count() <= most && !text.contains('\0'), || format!("{name} is too long or binary"))
}

fn within(name: &str, value: Option<f64>, most: f64) -> Result<()> {
    ensure(value.is_none_or(|value| (0.0..=most).contains(&value)), || {
        format!("{name} is not from 0 to {most}")
    })
}

#[derive(Debug, Deserialize, Serialize)]
struct Minute {
    #[serde(flatten)]
    envelope: Envelope,
    lesson: Timestamp,
    number: u32,
    state: String,
    live: f64,
    people: Option<f64>,
    coverage: Option<f64>,
    word: String,
    pace: String,
    #[serde(skip_serializing)]
    figures: Figures,
}

impl Payload for Minute {
    fn head(&self) -> Head<'_> {
        self.envelope.head()
    }

    fn check(&self) -> Result<()> {
        self.envelope.check()?;
        let words_ = [("state", &self.state), ("word", &self.word), ("pace", &self.pace)];
        words(&words_.map(|(name, text)| (name, Some(text))))?;
        ensure(self.number <= 100_000, || "number is over 100000".into())?;
        within("live", Some(self.live), 1.0)?;
        within("people", self.people, 10_000.0)?;
        within("coverage", self.coverage, 1.0)?;
        check_figures(&self.figures)
    }

    fn spread(&self, columns: &mut Map<String, Value>) {
        for figure in Figure::ALL {
            let Some(level) = self.figures.get(figure.name()).copied().flatten() else { continue };
            for (ending, value) in [("", level.value), ("_low", level.low), ("_high", level.high)] {
                columns.insert(format!("{}{ending}", figure.name()), value.into());
            }
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct Lesson {
    #[serde(flatten)]
    envelope: Envelope,
    kind: String,
    lesson: Timestamp,
    title: Option<String>,
    mode: String,
    begun_by: String,
    ended_at: Option<Timestamp>,
    ended_by: Option<String>,
    #[serde(skip_serializing)]
    summary: Option<Summary>,
}

/// What a lesson's end says of it.
#[derive(Debug, Deserialize, Serialize)]
struct Summary {
    minutes: u32,
    live: f64,
    people: Option<f64>,
    figures: Figures,
    word: String,
    pace: String,
}

impl Payload for Lesson {
    fn head(&self) -> Head<'_> {
        self.envelope.head()
    }

    fn check(&self) -> Result<()> {
        self.envelope.check()?;
        ensure(matches!(self.kind.as_str(), "begun" | "ended"), || "kind is neither begun nor ended".into())?;
        text("title", self.title.as_ref(), 200)?;
        words(&[
            ("mode", Some(&self.mode)),
            ("begun_by", Some(&self.begun_by)),
            ("ended_by", self.ended_by.as_ref()),
        ])?;
        let Some(summary) = &self.summary else { return Ok(()) };
        words(&[("word", Some(&summary.word)), ("pace", Some(&summary.pace))])?;
        ensure(summary.minutes <= 100_000, || "minutes are over 100000".into())?;
        within("live", Some(summary.live), 1.0)?;
        within("people", summary.people, 10_000.0)?;
        check_figures(&summary.figures)
    }

    fn spread(&self, columns: &mut Map<String, Value>) {
        let summary = self.summary.as_ref().and_then(|summary| serde_json::to_value(summary).ok());
        if let Some(Value::Object(mut summary)) = summary {
            columns.append(&mut summary);
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct Event {
    #[serde(flatten)]
    envelope: Envelope,
    kind: String,
    detail: Option<String>,
}

impl Payload for Event {
    fn head(&self) -> Head<'_> {
        self.envelope.head()
    }

    fn check(&self) -> Result<()> {
        self.envelope.check()?;
        word("kind", &self.kind)?;
        text("detail", self.detail.as_ref(), 1000)
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct Health {
    #[serde(skip_serializing)]
    schema: String,
    site: String,
    room: String,
    device: String,
    at: Timestamp,
    version: String,
    models: BTreeMap<String, String>,
    uptime_s: i64,
    camera: String,
    problems: BTreeMap<String, String>,
    rss_bytes: Option<i64>,
    load_1min: Option<f32>,
    celsius: Option<f32>,
    throttled: Option<bool>,
    frames_per_s: Option<f32>,
    inference_ms: Option<f32>,
    cycles: Option<i64>,
    observations_dropped: Option<i64>,
    #[serde(skip_serializing)]
    spool: Spool,
    reconnects: Option<i64>,
    clock_synchronised: Option<bool>,
    engine: Option<String>,
}

/// What waits at the device.
#[derive(Debug, Deserialize)]
struct Spool {
    waiting: i64,
    dropped: i64,
    disk_writes: Option<i64>,
    sequence: Option<i64>,
}

impl Payload for Health {
    fn head(&self) -> Head<'_> {
        let Self { schema, site, room, device, at, .. } = self;
        Head { schema, site, room, device, at: Some(*at) }
    }

    fn check(&self) -> Result<()> {
        word("camera", &self.camera)?;
        text("version", Some(&self.version), 64)?;
        text("engine", self.engine.as_ref(), 64)?;
        for (name, problem) in self.problems.iter().chain(&self.models) {
            text("problems", Some(name), 64)?;
            text("problems", Some(problem), 1000)?;
        }
        ensure(self.problems.len() + self.models.len() <= 64, || "too many problems".into())
    }

    fn spread(&self, columns: &mut Map<String, Value>) {
        let Spool { waiting, dropped, disk_writes, sequence } = &self.spool;
        columns.insert("spool_waiting".into(), (*waiting).into());
        columns.insert("spool_dropped".into(), (*dropped).into());
        columns.insert("spool_disk_writes".into(), (*disk_writes).into());
        columns.insert("spool_sequence".into(), (*sequence).into());
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct Status {
    #[serde(skip_serializing)]
    schema: String,
    site: String,
    room: String,
    device: String,
    status: String,
    reason: Option<String>,
    version: Option<String>,
}

impl Payload for Status {
    fn head(&self) -> Head<'_> {
        let Self { schema, site, room, device, .. } = self;
        Head { schema, site, room, device, at: None }
    }

    fn check(&self) -> Result<()> {
        ensure(matches!(self.status.as_str(), "online" | "offline"), || "status is no status".into())?;
        words(&[("reason", self.reason.as_ref())])?;
        text("version", self.version.as_ref(), 64)
    }
}

#[cfg(test)]
mod tests;
