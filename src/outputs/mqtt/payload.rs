//! What is sent beside the mood: one type for each topic, from which docs/schemas/ is made.
//!
//! Its one decision: figures get in by the types of [`crate::mood`] alone, so nothing can be told of a class that a
//! [`Mood`](crate::mood::Mood) could not tell. Within a version of a schema fields are added, never renamed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::config::{Mode, Room};
use crate::device::DeviceId;
use crate::mood::lesson::{Cause, Figures, Totals};
use crate::mood::{Pace, State, Word};
use crate::outputs::events::EventKind;
use crate::outputs::spool;

/// Name and version of the status payload's schema.
pub const STATUS_SCHEMA: &str = "moodring.status/1";
/// The same of health.
pub const HEALTH_SCHEMA: &str = "moodring.health/1";
/// The same of a lesson's minutes.
pub const MINUTE_SCHEMA: &str = "moodring.minute/1";
/// The same of a lesson's begin and end.
pub const LESSON_SCHEMA: &str = "moodring.lesson/1";
/// The same of events.
pub const EVENT_SCHEMA: &str = "moodring.event/1";
/// The same of replies.
pub const REPLY_SCHEMA: &str = "moodring.reply/1";

/// Nothing is in a payload that its schema does not name. `deny_unknown_fields` cannot say so beside `flatten`.
fn closed(schema: &mut Schema) {
    schema.insert("additionalProperties".to_owned(), false.into());
}

/// Where a payload comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Place {
    /// Campus or school.
    pub site: String,
    /// Room.
    pub room: String,
    /// The device's name; also its MQTT client id.
    #[schemars(regex(pattern = "^moodring-[0-9a-f]{14}$"))]
    pub device: String,
}

impl Place {
    /// The place of `device` in `room`.
    pub fn new(room: &Room, device: &DeviceId) -> Self {
        Self { site: room.site.clone(), room: room.name.clone(), device: device.to_string() }
    }
}

/// What tells one spooled message from every other: deliveries may repeat, keys tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Key {
    /// Name of the spool that counts; another one begins with another card.
    #[schemars(regex(pattern = "^[0-9a-f]{8}$"))]
    pub spool: String,
    /// Counts the spool's messages from 1 on. Never given twice; a gap is what was dropped, or went with the power.
    #[schemars(range(min = 1))]
    pub sequence: u64,
}

/// Payload of the topic `status`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(transform = closed)]
pub struct Status {
    /// Always `moodring.status/1`.
    #[schemars(extend("const" = STATUS_SCHEMA))]
    pub schema: &'static str,
    /// Whether the device is connected.
    pub status: Presence,
    /// Why it is not; `null` while online.
    pub reason: Option<Absence>,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Version of the program.
    pub version: &'static str,
}

/// Whether a device is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Presence {
    Online,
    Offline,
}

/// Why a device is not connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Absence {
    /// It took leave.
    Stopped,
    /// The connection ended without a farewell; the broker says so.
    Lost,
}

/// Payload of the topic `health`: nothing of the class.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(transform = closed)]
pub struct HealthReport {
    /// Always `moodring.health/1`.
    #[schemars(extend("const" = HEALTH_SCHEMA))]
    pub schema: &'static str,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// When this was measured (UTC, RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Version of the program.
    pub version: &'static str,
    /// How the device is.
    #[serde(flatten)]
    pub vitals: Vitals,
    /// What waits for the broker.
    pub spool: SpoolFigures,
    /// Connections after the first.
    pub reconnects: u64,
}

/// How the device is, as far as its other parts know.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Vitals {
    /// Versions of the networks.
    pub models: Models,
    /// Seconds since the program started.
    pub uptime_s: u64,
    /// What the camera is doing.
    pub camera: Camera,
    /// What does not work now, by part, and why in words; empty when all is well.
    pub problems: BTreeMap<String, String>,
    /// Resident memory of the program.
    pub rss_bytes: Option<u64>,
    /// Mean number of processes that ran or wanted to within a minute.
    pub load_1min: Option<f64>,
    /// Temperature of the processor.
    pub celsius: Option<f64>,
    /// Whether the firmware slows the processor down; `null` where it does not say.
    pub throttled: Option<bool>,
    /// Pictures taken a second since the last message.
    pub frames_per_s: f64,
    /// Time to read the newest picture: heads found, faces read.
    pub inference_ms: Option<f64>,
    /// Pictures read since the start.
    pub cycles: u64,
    /// Readings that the mood could not take in time, since the start.
    pub observations_dropped: u64,
    /// Whether the clock is set by the network; `null` where nobody says.
    pub clock_synchronised: Option<bool>,
    /// What runs the networks: `cpu` or the name of a delegate.
    pub engine: String,
}

/// Versions of the networks; `null` for one that is not loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Models {
    /// The detector of heads and faces.
    pub heads: Option<String>,
    /// The reader of expressions.
    pub expression: Option<String>,
}

/// What the camera is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Camera {
    /// No picture came yet.
    #[default]
    Starting,
    /// Pictures come.
    Streaming,
    /// It is closed.
    Paused,
    /// It failed and is opened again for ever.
    Away,
}

/// The spool in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SpoolFigures {
    /// Messages that the broker has not acknowledged.
    pub waiting: u64,
    /// Messages that were dropped because it was full.
    pub dropped: u64,
    /// Writes to the disk since the start.
    pub disk_writes: u64,
    /// The number given last.
    pub sequence: u64,
}

impl From<spool::Figures> for SpoolFigures {
    fn from(figures: spool::Figures) -> Self {
        let spool::Figures { waiting, dropped, disk_writes, sequence } = figures;
        Self { waiting, dropped, disk_writes, sequence }
    }
}

/// Payload of the topic `minute`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(transform = closed)]
pub struct MinuteReport {
    /// Always `moodring.minute/1`.
    #[schemars(extend("const" = MINUTE_SCHEMA))]
    pub schema: &'static str,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Which message.
    #[serde(flatten)]
    pub key: Key,
    /// When the minute began (UTC, RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// When its lesson began; with the device it names the lesson.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub lesson: Timestamp,
    /// Whole minutes since the lesson began. After a restart one may come again: the later message counts.
    pub number: u32,
    /// The state that most of its moods were in.
    pub state: State,
    /// Share of its moods that had figures of now.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub live: f64,
    /// Mean number of people.
    pub people: Option<f64>,
    /// Mean share of the people whose expression could be read.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub coverage: Option<f64>,
    /// The word that most of its live moods had.
    pub word: Word,
    /// The pace that most of its live moods had.
    pub pace: Pace,
    /// Means of the figures.
    pub figures: Figures,
}

/// Payload of the topic `lesson`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(transform = closed)]
pub struct LessonReport {
    /// Always `moodring.lesson/1`.
    #[schemars(extend("const" = LESSON_SCHEMA))]
    pub schema: &'static str,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Which message.
    #[serde(flatten)]
    pub key: Key,
    /// When it began or ended (UTC, RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Which of the two.
    pub kind: Turn,
    /// When the lesson began; with the device it names the lesson.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub lesson: Timestamp,
    /// What it is called; `null` unless titles are told.
    pub title: Option<String>,
    /// What was estimated.
    pub mode: Mode,
    /// What began it.
    pub begun_by: Cause,
    /// When it ended.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub ended_at: Option<Timestamp>,
    /// What ended it.
    pub ended_by: Option<Cause>,
    /// What it amounted to, once it is over.
    pub summary: Option<Summary>,
}

/// Whether a lesson began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Turn {
    Begun,
    Ended,
}

/// Means over a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Summary {
    /// Length in whole minutes.
    pub minutes: u32,
    /// Mean share of moods that had figures of now.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub live: f64,
    /// Mean number of people.
    pub people: Option<f64>,
    /// Means of the figures.
    pub figures: Figures,
    /// The word of most minutes.
    pub word: Word,
    /// The pace of most minutes.
    pub pace: Pace,
}

impl From<Totals> for Summary {
    fn from(totals: Totals) -> Self {
        let Totals { minutes, live, people, figures, word, pace } = totals;
        Self { minutes, live, people, figures, word, pace }
    }
}

/// Payload of the topic `event`: nothing of the class.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(transform = closed)]
pub struct EventReport {
    /// Always `moodring.event/1`.
    #[schemars(extend("const" = EVENT_SCHEMA))]
    pub schema: &'static str,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Which message.
    #[serde(flatten)]
    pub key: Key,
    /// When it happened (UTC, RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// One line for the administrator.
    pub detail: Option<String>,
}

/// Payload of the topic `reply`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(transform = closed)]
pub struct Reply {
    /// Always `moodring.reply/1`.
    #[schemars(extend("const" = REPLY_SCHEMA))]
    pub schema: &'static str,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// When the command was answered (UTC, RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Last level of the command's topic.
    pub command: String,
    /// As the command said.
    #[schemars(length(max = 64))]
    pub id: Option<String>,
    /// Whether it was done.
    pub ok: bool,
    /// Why not.
    pub error: Option<String>,
}

/// Strings, numbers and maps of strings only: serialising cannot fail. An empty payload would delete a retained message.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
