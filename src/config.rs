//! The typed configuration: one TOML file, units in the keys, a default for everything.
//!
//! [`Config::parse`] reports every fault at once, each with line and column and how to mend it, because
//! nobody likes to mend a file one error at a time.

mod board;
mod display;
mod engine;
mod faults;
mod fleet;
mod layer;
mod lessons;
mod lights;
mod mqtt;
mod night;
mod panel;
mod privacy;
mod purpose;
mod readability;
mod reference;
mod seats;
mod signals;
mod storage;
mod thermal;
mod web;
mod webhook;
pub mod zone;

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use board::{Board, Profile};
pub use display::{Display, DisplayKind};
pub use engine::{Delegate, Engine, ExternalDelegate};
pub use faults::{ConfigError, Fault};
pub use fleet::Fleet;
pub use layer::{ON_THE_PAGE, layer_of};
pub(crate) use layer::{collect_keys, merge};
pub use lessons::{LessonBegin, Lessons, TimetableEntry};
pub use lights::{GpioLights, LedLight, Lights, LightsKind, PwmLights, RingLights};
pub use mqtt::{BrokerKind, Mqtt, Protocol, Tls};
pub use night::{ClockTime, Night};
pub use panel::{Button, CameraLight, CameraLightKind, Level, PrivacySwitch};
pub use privacy::Privacy;
pub use purpose::{Institution, Purpose};
pub use readability::Readability;
pub use reference::{annotated_defaults, reference};
pub use seats::Seats;
pub use signals::{Attention, AttentionDetail, EngagementWeights, Pace, Signals, Usual, Word};
pub use storage::Storage;
pub use thermal::Thermal;
pub use web::{Https, Metrics, Web};
pub use webhook::{Message, Webhook};
pub use zone::{Zone, ZoneKind};

/// The whole configuration. Every key has a default: an empty file is valid.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the device hangs; part of every MQTT topic.
    pub room: Room,
    /// What the device is for, and under which law.
    pub purpose: Purpose,
    /// Where pictures come from.
    pub camera: Camera,
    /// Which networks are used.
    pub models: Models,
    /// What runs the networks.
    pub engine: Engine,
    /// How pictures are read.
    pub vision: Vision,
    /// How heads are followed, and how long what is known of a seat holds.
    pub seats: Seats,
    /// From when on a face cannot be read.
    pub readability: Readability,
    /// Parts of the picture in which heads do not count, or in which alone they do.
    pub zone: Vec<Zone>,
    /// How readings become a mood.
    pub mood: Mood,
    /// How single people are hidden in the figures of the class, and when the camera stays closed.
    pub privacy: Privacy,
    /// Figures over minutes.
    pub signals: Signals,
    /// Whether the pace of the lesson seems right.
    pub pace: Pace,
    /// From when on a word describes the class.
    pub word: Word,
    /// What is usual in this room.
    pub usual: Usual,
    /// Where in the room help may be needed.
    pub attention: Attention,
    /// What is kept of a lesson.
    pub lessons: Lessons,
    /// Where the daemon keeps what outlives it.
    pub storage: Storage,
    /// Publishing to a broker.
    pub mqtt: Mqtt,
    /// Telling a server by HTTP.
    pub webhook: Vec<Webhook>,
    /// Settings that the administrator of many devices lays over this file.
    pub fleet: Fleet,
    /// The page and the API.
    pub web: Web,
    /// The screen on the wall.
    pub display: Display,
    /// The light that shows the mood.
    pub lights: Lights,
    /// A push button: short pauses or resumes, long begins or ends a lesson, very long shows the page for pairing,
    /// longer still lets the administrator look through the camera to aim it. A press between two of these spans does
    /// nothing, so that nobody gets one for the other.
    pub button: Button,
    /// The hours in which lights and display are dim.
    pub night: Night,
    /// Which computer this is, and where its buses are.
    pub board: Board,
    /// Working slower before the processor throttles.
    pub thermal: Thermal,
    /// What is logged.
    pub log: Log,
}

/// The configuration that holds now, and every one that holds after it.
pub type Settings = tokio::sync::watch::Receiver<Arc<Config>>;

impl Config {
    /// This one, for ever.
    pub fn for_ever(&self) -> Settings {
        tokio::sync::watch::channel(Arc::new(self.clone())).1
    }
}

/// Where the device hangs.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Room {
    /// Campus or school, one MQTT topic level: no `/`, `+`, `#`, at most 64 bytes.
    pub site: String,
    /// Room, one MQTT topic level like `site`.
    pub name: String,
}

impl Default for Room {
    fn default() -> Self {
        Self { site: "school".into(), name: "room-1".into() }
    }
}

/// Which kind of camera is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "described at CameraSource's implementations")]
pub enum CameraKind {
    V4l2,
    File,
    Simulator,
}

/// What the camera sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CameraView {
    /// People in a room, who stay on their seats and hide each other.
    Room,
    /// The tiles of a video call, one person each, which are rearranged all at once.
    Gallery,
}

/// Where pictures come from.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Camera {
    /// Which of the first three sections below is used.
    pub source: CameraKind,
    /// What is to be seen: `room`, or `gallery`, the tiles of a video call (docs/guide/online-classes.md).
    pub view: CameraView,
    /// A camera of the kernel.
    pub v4l2: V4l2,
    /// Pictures, folders, clips and streams.
    pub file: File,
    /// A scripted class that exists nowhere.
    pub simulator: Simulator,
    /// A light that is on exactly while the camera is open.
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

/// A V4L2 camera.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct V4l2 {
    /// Device file; a name below /dev/v4l/by-id stays the same when cameras are swapped.
    pub device: PathBuf,
    /// Wanted width in pixels; the driver's nearest is taken.
    pub width: u32,
    /// Wanted height in pixels.
    pub height: u32,
    /// Wanted pictures a second, 1 to 60.
    pub frames_per_s: u32,
    /// After this long without a picture the device is opened again, 0.5 to 10.
    pub timeout_s: f64,
}

impl Default for V4l2 {
    fn default() -> Self {
        Self { device: "/dev/video0".into(), width: 1280, height: 720, frames_per_s: 15, timeout_s: 5.0 }
    }
}

/// Pictures, folders, clips and streams.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// A picture, a folder of pictures, or anything that ffmpeg reads.
    pub path: PathBuf,
    /// Pictures a second at which pictures of a folder are shown, 0.1 to 60.
    pub frames_per_s: f64,
    /// Whether to begin again at the end. Without it the camera is gone at the end, and opened again.
    pub repeat: bool,
}

impl Default for File {
    fn default() -> Self {
        Self { path: PathBuf::new(), frames_per_s: 5.0, repeat: true }
    }
}

/// A scripted class.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Simulator {
    /// People in the room, 1 to 60; in a gallery tiles, 1 to 49, of which one in twelve has the camera off.
    pub people: u32,
    /// Width of the picture in pixels, 320 to 1920.
    pub width: u32,
    /// Height of the picture in pixels, 240 to 1080.
    pub height: u32,
    /// Pictures a second, 1 to 60.
    pub frames_per_s: u32,
    /// Which faces, which order of events: the same seed gives the same class.
    pub seed: u64,
    /// Share of the class that faces the front, 0 to 1.
    pub facing: f64,
    /// Layout in which frames are delivered: `grey`, `nv12`, `yuyv` or `mjpeg`.
    pub format: SimulatedFormat,
    /// What happens in the class: `lesson` or `steady`.
    pub script: SimulatedScript,
}

/// What happens in the simulated class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SimulatedScript {
    /// A lesson in fast motion: calm, a joke, a hard part, calm again.
    Lesson,
    /// A class at work; nothing happens.
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
        }
    }
}

/// Which networks are used.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Models {
    /// Folder of the model cards. Empty: `models/` beside the program's share folder, else the working
    /// directory's `models/`.
    pub directory: PathBuf,
    /// Card of the head and face detector within `directory`.
    pub heads: PathBuf,
    /// Card of the expression network within `directory`.
    pub expression: PathBuf,
}

impl Default for Models {
    fn default() -> Self {
        Self { directory: PathBuf::new(), heads: "heads.toml".into(), expression: "expression.toml".into() }
    }
}

/// How pictures are read.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Vision {
    /// A new cycle (heads found, faces read) begins at most this often, 0.1 to 60.
    pub cycle_every_s: f64,
    /// Faces are read in one cycle for at most this long; the others wait for the next, 0.01 to 10.
    pub reading_budget_s: f64,
    /// Heads of a lower score are not counted, 0.05 to 0.95. Without it the model card decides.
    pub head_score: Option<f64>,
    /// Faces of a lower score are turned away, 0.05 to 0.95. Without it the model card decides.
    pub face_score: Option<f64>,
    /// Frames are brought to this length of their longer side before heads are searched (enlarged at most 1.5
    /// times), 320 to 3840. More finds smaller heads and costs more time.
    pub detection_width: u32,
    /// Whether a few heads count that are all less than a third as large as everybody else. They are figures
    /// on posters and boxes; in a video call they always count.
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

/// What may be estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// People, facing and expressions.
    Mood,
    /// People and facing only; the expression network is not loaded.
    Occupancy,
}

/// How readings become a mood.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mood {
    /// What may be estimated: `mood` or `occupancy`.
    pub mode: Mode,
    /// Span over which readings are weighed, 30 to 600.
    pub window_s: f64,
    /// Without a new picture for this long the mood is stale, 1 to 600.
    pub stale_after_s: f64,
    /// Fewer people than this: nothing but `too_few` is published, 5 to 100; from 3 on with
    /// `privacy.i_accept_small_groups`.
    pub min_people: u32,
    /// A mood is published this often, 0.2 to 60.
    pub publish_every_s: f64,
}

impl Default for Mood {
    fn default() -> Self {
        Self { mode: Mode::Mood, window_s: 30.0, stale_after_s: 10.0, min_people: 5, publish_every_s: 1.0 }
    }
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Filter such as `info` or `moodring=debug`; the variable MOODRING_LOG has the last word.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".into() }
    }
}
