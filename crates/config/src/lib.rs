//! The typed configuration: one TOML file, units in the keys, a default for every key.
//!
//! [`Config::parse`] reports all faults of a file in one pass. Each fault has a line, a column and a remedy, so that
//! the file can be corrected in one edit.
//!
//! # Invariants
//! - No payload of `contract` is read from a configuration file; only its plain types (`Mode`) are used.
//! - A key that is not declared here is a fault. A value is never corrected silently.
//! - A key that applies without a restart is marked `x-live` where it is declared ([`live_keys`]).
//! - The reference page and the annotated defaults come from the types, so they cannot contradict the code.

mod board;
mod clock;
mod display;
mod engine;
mod fault;
mod layer;
mod lessons;
mod lights;
mod mqtt;
mod night;
mod overlays;
mod panel;
mod parse;
mod privacy;
mod purpose;
mod readability;
mod reference;
mod seats;
mod signals;
mod storage;
mod text;
mod thermal;
mod web;
mod webhook;
pub mod zone;

use std::path::PathBuf;
use std::sync::Arc;

use moodring_contract::Mode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use board::{Board, Profile};
pub use clock::Clock;
pub use display::{Display, DisplayKind};
pub use engine::{Delegate, Engine, ExternalDelegate};
pub use fault::{ConfigError, Fault};
pub use layer::{PAGE_KEYS, PASSWORD_FILE, setup_file_path};
pub use layer::{collect_keys, merge};
pub use lessons::{LessonBegin, Lessons, TimetableEntry};
pub use lights::{GpioLights, LedLight, Lights, LightsKind, PwmLights, RingLights};
pub use mqtt::{BrokerKind, Mqtt, Protocol, Tls};
pub use night::{ClockTime, Night};
pub use overlays::OverlaySettings;
pub use panel::{Button, CameraLight, CameraLightKind, Level, PrivacySwitch};
pub use privacy::Privacy;
pub use purpose::{Institution, Purpose};
pub use readability::Readability;
pub use reference::{annotated_defaults, live_keys, reference};
pub use seats::Seats;
pub use signals::{Attention, AttentionDetail, Baseline, EngagementWeights, Pace, Signals, Word};
pub use storage::Storage;
pub use thermal::Thermal;
pub use web::{Https, MetricsPolicy, Web};
pub use webhook::{Message, Webhook};
pub use zone::{Zone, ZoneKind};

/// The whole configuration. Every key has a default: an empty file is valid.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Location of the device. It is part of every MQTT topic.
    pub room: Room,
    /// What the device is used for, and under which law.
    pub purpose: Purpose,
    /// Source of the pictures.
    pub camera: Camera,
    /// Neural networks that are used.
    pub models: Models,
    /// Inference engine that runs the networks.
    pub engine: Engine,
    /// Detection of heads and faces in the pictures.
    pub vision: Vision,
    /// Tracking of heads, and how long the data about a seat stay valid.
    pub seats: Seats,
    /// Limits below which the expression of a face is not read.
    pub readability: Readability,
    /// Areas of the picture in which heads are ignored, or the only areas in which heads are counted.
    #[schemars(extend("x-live" = true))]
    pub zone: Vec<Zone>,
    /// Estimation of the mood of the class from the readings of faces.
    pub mood: Mood,
    /// Protection of single people in the aggregates of the class, and when the camera stays closed.
    pub privacy: Privacy,
    /// Signals of the class over minutes: valence, arousal, engagement, restlessness and their trend.
    pub signals: Signals,
    /// Estimate whether the pace of the lesson suits the class.
    #[schemars(extend("x-live" = true))]
    pub pace: Pace,
    /// Thresholds at which a word describes the class.
    #[schemars(extend("x-live" = true))]
    pub word: Word,
    /// Baseline of this room: its normal values.
    pub baseline: Baseline,
    /// Places in the room where help may be needed.
    pub attention: Attention,
    /// Local time of the device.
    pub clock: Clock,
    /// Recording of lessons.
    pub lessons: Lessons,
    /// Folder for the data that outlive a restart of the daemon.
    pub storage: Storage,
    /// Publishing to an MQTT broker.
    pub mqtt: Mqtt,
    /// Posting messages to a server over HTTP.
    pub webhook: Vec<Webhook>,
    /// Overlays: settings that the administrator of many devices applies on top of this file.
    pub overlays: OverlaySettings,
    /// Web page and API.
    pub web: Web,
    /// Display on the wall.
    pub display: Display,
    /// Light that shows the mood.
    pub lights: Lights,
    /// Push button. A short press pauses or resumes, a long press begins or ends a lesson, a very long press shows the
    /// pairing page, and an even longer press offers the camera preview for aiming. A press whose duration lies between
    /// two of these ranges does nothing, so that no action is triggered by mistake.
    pub button: Button,
    /// Hours in which the lights and the display are dimmed.
    #[schemars(extend("x-live" = true))]
    pub night: Night,
    /// Type of the computer, and the device files of its buses.
    pub board: Board,
    /// Reduction of the load before the processor throttles.
    pub thermal: Thermal,
    /// Logging.
    #[schemars(extend("x-live" = true))]
    pub log: Log,
}

/// Watch channel with the configuration in force; a reload publishes the next one.
pub type Settings = tokio::sync::watch::Receiver<Arc<Config>>;

impl Config {
    /// Whether the share of the people who face the front is published: always, but in the mode `count` only where its
    /// risk is accepted.
    pub fn publishes_facing(&self) -> bool {
        self.mood.mode != Mode::Count || self.privacy.i_accept_facing_under_the_ai_act
    }

    /// What is valid, but probably not meant.
    pub fn notes(&self) -> Vec<String> {
        self.mqtt.notes().into_iter().map(|(key, note)| format!("{key} {note}")).collect()
    }

    /// A channel that holds this configuration and never changes.
    pub fn fixed(&self) -> Settings {
        tokio::sync::watch::channel(Arc::new(self.clone())).1
    }
}

/// Location of the device. It is part of every MQTT topic.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Room {
    /// Campus or school. It is one MQTT topic level: no `/`, `+`, `#`, no `$` at the start, 1 to 64 bytes.
    pub site: String,
    /// Name of the room. It is one MQTT topic level with the same rules as `site`.
    pub name: String,
}

impl Default for Room {
    fn default() -> Self {
        Self { site: "school".into(), name: "room-1".into() }
    }
}

/// Kinds of camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "described at CameraSource's implementations")]
pub enum CameraKind {
    V4l2,
    File,
    Simulator,
}

/// What the camera shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CameraView {
    /// A room. People stay on their seats, and one head may cover another.
    Room,
    /// The gallery of a video call: one person in each tile. All tiles move when one person joins or leaves.
    Gallery,
}

/// Source of the pictures.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Camera {
    /// Kind of camera: `v4l2`, `file` or `simulator`; the section of the same name below configures it.
    pub source: CameraKind,
    /// What the camera shows: `room`, or `gallery` for the tiles of a video call (docs/guide/online-classes.md).
    pub view: CameraView,
    /// A camera of the Linux kernel (V4L2).
    pub v4l2: V4l2,
    /// Pictures, folders of pictures, clips and streams.
    pub file: File,
    /// A simulated class that follows a script. No real person is in it.
    pub simulator: Simulator,
    /// A light that is on exactly while the camera is open. It blinks while the camera preview is offered.
    pub light: CameraLight,
}

impl Default for Camera {
    fn default() -> Self {
        Self {
            source: CameraKind::Simulator,
            view: CameraView::Room,
            v4l2: V4l2::default(),
            file: File::default(),
            simulator: Simulator::default(),
            light: CameraLight::default(),
        }
    }
}

/// A camera of the Linux kernel (V4L2).
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct V4l2 {
    /// Device file of the camera. A name in /dev/v4l/by-id stays the same when other cameras are plugged in or out.
    pub device: PathBuf,
    /// Requested width in pixels, 160 to 7680; the nearest size that the driver offers is used.
    pub width: u32,
    /// Requested height in pixels, 120 to 4320.
    pub height: u32,
    /// Requested pictures per second, 1 to 60.
    pub frames_per_s: u32,
    /// Seconds without a picture after which the device is opened again, 0.5 to 10.
    pub timeout_s: f64,
}

impl Default for V4l2 {
    fn default() -> Self {
        Self { device: "/dev/video0".into(), width: 1280, height: 720, frames_per_s: 15, timeout_s: 5.0 }
    }
}

/// Pictures, folders of pictures, clips and streams.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// Path of a picture, of a folder of pictures, or of any file or address that ffmpeg reads. Messages show only the
    /// host of an address, because the rest may hold a password.
    pub path: PathBuf,
    /// Rate at which the pictures of a folder are delivered, in pictures per second, 0.1 to 60.
    pub frames_per_s: f64,
    /// Whether playback restarts at the end; a stream or snapshot is opened once a second at most. If false, the camera
    /// reports that it is gone and is opened again.
    pub repeat: bool,
}

impl Default for File {
    fn default() -> Self {
        Self { path: PathBuf::new(), frames_per_s: 5.0, repeat: true }
    }
}

/// A simulated class that follows a script. No real person is in it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Simulator {
    /// Number of people in the room, 1 to 60; in a gallery number of tiles, 1 to 49. In a gallery every twelfth tile
    /// has its camera off.
    pub people: u32,
    /// Width of the picture in pixels, 320 to 1920, an even number.
    pub width: u32,
    /// Height of the picture in pixels, 240 to 1080, an even number.
    pub height: u32,
    /// Pictures per second, 1 to 60.
    pub frames_per_s: u32,
    /// Seed of the random faces and of the order of events. The same seed gives the same class.
    pub seed: u64,
    /// Share of the class that faces the front, 0 to 1.
    pub facing: f64,
    /// Pixel layout of the frames: `grey`, `nv12`, `yuyv` or `mjpeg`.
    pub format: SimulatedFormat,
    /// Script of the class: `lesson` (a lesson in fast motion) or `steady` (a class at work, no events).
    pub script: SimulatedScript,
    /// Name of a supervised part that panics one second after the start. Only for tests of the supervisor.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub panic_in: String,
}

/// Scripts of the simulated class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SimulatedScript {
    /// A lesson in fast motion: calm, a joke, a hard part, then calm.
    Lesson,
    /// A class at work, without events.
    Steady,
}

/// Pixel layouts of the simulated camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "described at camera::PixelFormat")]
pub enum SimulatedFormat {
    Grey,
    Nv12,
    Yuyv,
    Mjpeg,
}

impl Default for Simulator {
    fn default() -> Self {
        Self {
            people: 30,
            width: 1280,
            height: 720,
            frames_per_s: 10,
            seed: 1,
            facing: 0.8,
            format: SimulatedFormat::Grey,
            script: SimulatedScript::Lesson,
            panic_in: String::new(),
        }
    }
}

/// Neural networks that are used.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Models {
    /// Folder of the model cards. Empty: `models/` beside the program's share folder, or else `models/` in the working
    /// directory.
    pub directory: PathBuf,
    /// File name of the head and face detector's model card in `directory`.
    pub heads: PathBuf,
    /// File name of the expression network's model card in `directory`.
    pub expression: PathBuf,
}

impl Default for Models {
    fn default() -> Self {
        Self { directory: PathBuf::new(), heads: "heads.toml".into(), expression: "expression.toml".into() }
    }
}

/// Detection of heads and faces in the pictures.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Vision {
    /// Shortest time in seconds from the start of one cycle (detect heads, read faces) to the next, 0.1 to 60.
    pub cycle_every_s: f64,
    /// Longest time in seconds for reading faces in one cycle, 0.01 to 10. The remaining faces are read in the next
    /// cycle.
    pub reading_budget_s: f64,
    /// Detector score below which a head is not counted, 0.05 to 0.95. Not set: the value of the model card.
    pub head_score: Option<f64>,
    /// Detector score below which a face counts as turned away, 0.05 to 0.95. Not set: the value of the model card.
    pub face_score: Option<f64>,
    /// Longer side in pixels to which a frame is scaled before detection, 320 to 3840. A frame is enlarged at most 1.5
    /// times. A larger value finds smaller heads and takes more time.
    pub detection_width: u32,
    /// Whether a few heads are counted that are all less than a third as large as the other heads. Such heads are
    /// figures on posters and boxes. In a gallery they are always counted.
    pub count_figures: bool,
}

impl Default for Vision {
    fn default() -> Self {
        Self {
            cycle_every_s: 0.5,
            reading_budget_s: 0.25,
            head_score: None,
            face_score: None,
            detection_width: 1280,
            count_figures: false,
        }
    }
}

/// Estimation of the mood of the class from the readings of faces.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mood {
    /// What the device may estimate: `mood` (people, facing, movement, expressions), `occupancy` (the same without
    /// expressions) or `count` (people only). In education and at work in the European Economic Area only `count` is
    /// allowed (docs/privacy.md).
    pub mode: Mode,
    /// Time window in seconds over which readings are weighted, 30 to 600.
    pub window_s: f64,
    /// Seconds without a new picture after which the mood is stale, 1 to 600.
    pub stale_after_s: f64,
    /// Smallest number of people for which the mood is published, 5 to 100. Below it only `too_few` is published. 3
    /// and 4 need `privacy.i_accept_small_groups`.
    pub min_people: u32,
    /// Seconds between two published moods, 0.2 to 60.
    pub publish_every_s: f64,
}

impl Default for Mood {
    fn default() -> Self {
        Self { mode: Mode::Mood, window_s: 30.0, stale_after_s: 10.0, min_people: 5, publish_every_s: 1.0 }
    }
}

/// Logging.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Log filter such as `info` or `moodring=debug`. The environment variable MOODRING_LOG overrides it.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".into() }
    }
}
