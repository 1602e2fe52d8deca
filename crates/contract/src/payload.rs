//! The payloads other than the mood: one type for each topic. docs/schemas/ is generated from them.
//!
//! Values of a class have types of [`lesson`](crate::lesson) only, so no payload can contain more about a class than a
//! [`Mood`](crate::Mood) does. Within a version of a schema, fields are added and never renamed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::EventKind;
use crate::Mode;
use crate::lesson::{Cause, Metrics, Totals};
use crate::schema_id::schema_id;
use crate::{Pace, State, Word};

schema_id!(StatusSchema, "moodring.status/1");
schema_id!(HealthSchema, "moodring.health/1");
schema_id!(MinuteSchema, "moodring.minute/1");
schema_id!(LessonSchema, "moodring.lesson/1");
schema_id!(LessonExportSchema, "moodring.lesson_report/1");
schema_id!(EventSchema, "moodring.event/1");
schema_id!(ReplySchema, "moodring.reply/1");

/// Forbids additional properties. `deny_unknown_fields` cannot be combined with `flatten`.
fn closed(schema: &mut Schema) {
    schema.insert("additionalProperties".to_owned(), false.into());
}

/// The origin of a payload: site, room and device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// Campus or school, 1 to 64 bytes.
    pub site: String,
    /// Room, 1 to 64 bytes.
    pub room: String,
    /// The device's name; also its MQTT client id.
    #[schemars(regex(pattern = "^moodring-[0-9a-f]{14}$"))]
    pub device: String,
}

impl Place {
    /// The place of the device called `device` in `room` of `site`.
    pub fn new(site: &str, room: &str, device: &str) -> Self {
        Self { site: site.to_owned(), room: room.to_owned(), device: device.to_owned() }
    }
}

/// Identifies a spooled message. Delivery is at least once: a repeated delivery has the same key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Key {
    /// Random name of the spool, made with the spool's file. A new memory card is a new spool.
    #[schemars(regex(pattern = "^[0-9a-f]{8}$"))]
    pub spool: String,
    /// Number of the message in its spool, counted from 1 on; unique within `spool`. A gap is a message that was
    /// dropped, or numbers lost in a power cut.
    #[schemars(range(min = 1))]
    pub sequence: u64,
}

/// Payload of the topic `status`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = closed)]
pub struct Status {
    /// Always `moodring.status/1`.
    pub schema: StatusSchema,
    /// Whether the device is connected.
    pub status: Presence,
    /// Why the device is offline; null while online.
    pub reason: Option<Absence>,
    /// Site, room and device.
    #[serde(flatten)]
    pub place: Place,
    /// Version of the program.
    pub version: String,
}

/// Whether a device is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Presence {
    Online,
    Offline,
}

/// Why a device is not connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Absence {
    /// The device stopped normally and disconnected.
    Stopped,
    /// The connection ended without DISCONNECT; the broker published the last will.
    Lost,
}

/// Payload of the topic `health`: the state of the device, nothing about the class.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = closed)]
pub struct HealthReport {
    /// Always `moodring.health/1`.
    pub schema: HealthSchema,
    /// Site, room and device.
    #[serde(flatten)]
    pub place: Place,
    /// Time of the measurement (UTC, RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Version of the program.
    pub version: String,
    /// State and measurements of the device.
    #[serde(flatten)]
    pub vitals: Vitals,
    /// State of the spool.
    pub spool: SpoolMetrics,
    /// Number of connections to the broker since the start, without the first.
    pub reconnects: u64,
}

/// State and measurements of the device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Vitals {
    /// Versions of the neural networks.
    pub models: Models,
    /// Seconds since the program started.
    pub uptime_s: u64,
    /// State of the camera.
    pub camera: Camera,
    /// Current problems: name of the part and reason as text. Empty if there are none.
    pub problems: BTreeMap<String, String>,
    /// Resident memory of the program in bytes; null if the system does not report it.
    pub rss_bytes: Option<u64>,
    /// Load average of the machine over one minute; null if the system does not report it.
    pub load_1min: Option<f64>,
    /// Temperature of the processor in degrees Celsius; null if the system does not report it.
    pub celsius: Option<f64>,
    /// Whether the firmware slows the processor down now; null if no firmware reports it.
    pub throttled: Option<bool>,
    /// Pictures taken per second, averaged since the previous health message.
    pub frames_per_s: f64,
    /// Milliseconds needed to process the newest picture (find heads, read faces); null before the first.
    pub inference_ms: Option<f64>,
    /// Number of pictures processed since the start.
    pub cycles: u64,
    /// Number of observations dropped since the start because the mood could not process them in time.
    pub observations_dropped: u64,
    /// Whether the clock is synchronized over the network; null if the system does not report it.
    pub clock_synchronised: Option<bool>,
    /// What runs the networks: `cpu`, or the name of the delegate that runs a part of them.
    pub engine: String,
}

/// Versions of the neural networks; null for one that is not loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Models {
    /// Version of the network that detects heads and faces.
    pub heads: Option<String>,
    /// Version of the network that reads expressions.
    pub expression: Option<String>,
}

/// State of the camera.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Camera {
    /// No picture yet.
    #[default]
    Starting,
    /// The camera delivers pictures.
    Streaming,
    /// The camera is closed because the device is paused.
    Paused,
    /// The camera failed; the device retries until it can be opened.
    Away,
}

/// State of the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SpoolMetrics {
    /// Number of messages that the broker has not acknowledged.
    pub waiting: u64,
    /// Number of messages dropped because the spool was full, since its file was made.
    pub dropped: u64,
    /// Number of writes to the disk since the start.
    pub disk_writes: u64,
    /// The sequence number used last; 0 before the first.
    pub sequence: u64,
}

/// Payload of the topic `minute`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = closed)]
pub struct MinuteReport {
    /// Always `moodring.minute/1`.
    pub schema: MinuteSchema,
    /// Site, room and device.
    #[serde(flatten)]
    pub place: Place,
    /// Key of the message.
    #[serde(flatten)]
    pub key: Key,
    /// When the minute began (UTC, RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// When the lesson of this minute began (UTC, RFC 3339). With the device it identifies the lesson.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub lesson: Timestamp,
    /// Whole minutes since the lesson began, from 0 on. After a restart a number may repeat: the later message counts.
    pub number: u32,
    /// The most frequent state of the minute's moods.
    pub state: State,
    /// Share of the minute's moods whose state was `live`, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub live: f64,
    /// Mean number of people in its live moods; null without a live mood.
    pub people: Option<f64>,
    /// Mean share of the people whose expression could be read, 0 to 1; null unless the mode is `mood` and without a live mood.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub coverage: Option<f64>,
    /// The most frequent word of its live moods; `unsure` without a live mood.
    pub word: Word,
    /// The most frequent pace of its live moods; `unsure` without a live mood.
    pub pace: Pace,
    /// Means of the metrics over its live moods.
    pub metrics: Metrics,
}

/// Payload of the topic `lesson`: the begin or the end of a lesson.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = closed)]
pub struct LessonReport {
    /// Always `moodring.lesson/1`.
    pub schema: LessonSchema,
    /// Site, room and device.
    #[serde(flatten)]
    pub place: Place,
    /// Key of the message.
    #[serde(flatten)]
    pub key: Key,
    /// When the lesson began or, if `kind` is `ended`, when it ended (UTC, RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Whether the lesson began or ended.
    pub kind: LessonEvent,
    /// When the lesson began (UTC, RFC 3339). With the device it identifies the lesson.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub lesson: Timestamp,
    /// Title of the lesson; null if it has none and unless `mqtt.lesson_titles` is true.
    pub title: Option<String>,
    /// What was estimated.
    pub mode: Mode,
    /// Why the lesson began.
    pub begun_by: Cause,
    /// When the lesson ended (UTC, RFC 3339); null if `kind` is `begun`.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub ended_at: Option<Timestamp>,
    /// Why the lesson ended; null if `kind` is `begun`.
    pub ended_by: Option<Cause>,
    /// Means over the lesson; null if `kind` is `begun` or the lesson has no minutes.
    pub summary: Option<Summary>,
}

/// Whether a lesson began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LessonEvent {
    Begun,
    Ended,
}

/// Means over the minutes of a lesson.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Summary {
    /// Length of the lesson, rounded to whole minutes.
    pub minutes: u32,
    /// Mean share of the moods whose state was `live`, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub live: f64,
    /// Mean number of people; null without a live mood.
    pub people: Option<f64>,
    /// Means of the metrics over the minutes.
    pub metrics: Metrics,
    /// The most frequent word of the minutes with a live mood; `unsure` without one.
    pub word: Word,
    /// The most frequent pace of the minutes with a live mood; `unsure` without one.
    pub pace: Pace,
}

impl From<Totals> for Summary {
    fn from(totals: Totals) -> Self {
        let Totals { minutes, live, people, metrics, word, pace } = totals;
        Self { minutes, live, people, metrics, word, pace }
    }
}

/// Payload of the topic `event`: an event of the device, nothing about the class.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = closed)]
pub struct EventReport {
    /// Always `moodring.event/1`.
    pub schema: EventSchema,
    /// Site, room and device.
    #[serde(flatten)]
    pub place: Place,
    /// Key of the message.
    #[serde(flatten)]
    pub key: Key,
    /// Time of the event (UTC, RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Kind of the event.
    pub kind: EventKind,
    /// One line of at most 300 characters for the administrator; null if there is nothing to add.
    pub detail: Option<String>,
}

/// Payload of the topic `reply`: the answer to a command.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = closed)]
pub struct Reply {
    /// Always `moodring.reply/1`.
    pub schema: ReplySchema,
    /// Site, room and device.
    #[serde(flatten)]
    pub place: Place,
    /// When the command was answered (UTC, RFC 3339).
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub at: Timestamp,
    /// Last level of the command's topic, such as `pause`.
    pub command: String,
    /// The `id` of the command; null if it had none or a longer one.
    #[schemars(length(max = 64))]
    pub id: Option<String>,
    /// Whether the command was accepted.
    pub ok: bool,
    /// Why the command was refused; null if `ok` is true.
    pub error: Option<String>,
}
