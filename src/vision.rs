//! What is to be seen in a picture: `camera ──Frame──▶ vision ──Observation──▶ mood`.
//!
//! Luma is taken from the frame, heads and visible faces are found in it, heads are followed from frame
//! to frame as seats, and faces are read in turn within a time budget.

mod changes;
mod crop;
pub mod delegate;
pub mod detector;
pub mod engine;
pub mod expression;
mod figures;
pub mod heads;
pub mod litert;
pub mod luma;
pub mod model_card;
pub mod observer;
pub mod readers;
mod search;
pub mod seats;
mod second_look;
pub mod tiles;
pub mod verdict;
mod viewfinder;
mod watch;

use std::time::{Duration, Instant};

pub use observer::{Look, Stages, Vision, VisionError};
pub use verdict::Verdict;
pub use watch::WatchLoop;

/// The seven expressions of FER2013, in the order of its labels and of the networks' outputs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Expression {
    Angry,
    Disgust,
    Fear,
    Happy,
    Sad,
    Surprise,
    Neutral,
}

impl Expression {
    /// All seven, in the order of the networks' outputs.
    pub const ALL: [Self; 7] =
        [Self::Angry, Self::Disgust, Self::Fear, Self::Happy, Self::Sad, Self::Surprise, Self::Neutral];

    /// The lower-case name used in every payload, file and page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Angry => "angry",
            Self::Disgust => "disgust",
            Self::Fear => "fear",
            Self::Happy => "happy",
            Self::Sad => "sad",
            Self::Surprise => "surprise",
            Self::Neutral => "neutral",
        }
    }
}

/// A probability for each of the seven expressions: each in 0..=1, together 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expressions(pub [f32; 7]);

impl Expressions {
    /// How many expressions there are.
    pub const COUNT: usize = Expression::ALL.len();

    /// Nothing is known: all seven are as probable.
    pub const UNKNOWN: Self = Self([1.0 / Self::COUNT as f32; Self::COUNT]);

    /// The most probable expression; the first of several equals.
    pub fn dominant(&self) -> Expression {
        let mut best = 0;
        for (index, probability) in self.0.iter().enumerate() {
            if *probability > self.0[best] {
                best = index;
            }
        }
        Expression::ALL[best]
    }
}

/// An axis-aligned box in pixels of the frame; may reach over the frame's edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelBox {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width, never negative.
    pub width: f32,
    /// Height, never negative.
    pub height: f32,
}

impl PixelBox {
    /// The middle: x, then y.
    pub fn centre(self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// The area that both boxes cover.
    pub fn shared_area(self, other: Self) -> f32 {
        let across = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let down = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        across.max(0.0) * down.max(0.0)
    }

    /// Intersection over union: 0 for boxes apart (or without area), 1 for the same box.
    pub fn iou(self, other: Self) -> f32 {
        let shared = self.shared_area(other);
        let both = self.width * self.height + other.width * other.height - shared;
        if both > 0.0 { shared / both } else { 0.0 }
    }
}

/// Identity of a head over frames. Lives in RAM, is never published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeatId(pub u32);

/// A visible face within a head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// Where the face is.
    pub bounds: PixelBox,
    /// Probability that this head shows its face, 0..=1.
    pub score: f32,
}

/// What the expression network said of a face, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Calibrated probabilities.
    pub expressions: Expressions,
    /// Capture time of the frame that was read.
    pub read_at: Instant,
}

/// One person in an observation: what is seen of a seat now, and what is believed of it by now.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Which seat this head belongs to.
    pub seat: SeatId,
    /// Where the head is; where it was last while it is hidden.
    pub head: PixelBox,
    /// Detector's score of the head, 0..=1; 0 while it is hidden.
    pub head_score: f32,
    /// For how long this head has been hidden: zero when it is to be seen in this frame.
    pub unseen_for: Duration,
    /// The face as seen in this frame, when its score reaches the face threshold.
    pub face: Option<Face>,
    /// Belief that this person faces the front, 0..=1, from the face scores of this and earlier frames.
    pub facing: f32,
    /// How fast the head moved since it was last seen, in widths of the head per second; 0 when not known.
    pub motion: f32,
    /// Whether the face can be read in this frame, and if not, why.
    pub verdict: Verdict,
    /// The newest reading of this seat's face, if it was ever read.
    pub reading: Option<Reading>,
    /// What is believed of this seat's expression after all readings, newer ones weighing more; none before
    /// the first and when the last is forgotten.
    pub belief: Option<Expressions>,
}

impl Person {
    /// Whether this person more probably looks to the front than not.
    pub fn faces_front(&self) -> bool {
        self.facing >= 0.5
    }
}

/// Everybody found in one frame. Not serialisable on purpose: it does not leave the device.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// When the frame was captured.
    pub captured_at: Instant,
    /// Everybody who was found or is hidden for a moment, in no particular order.
    pub people: Vec<Person>,
}
