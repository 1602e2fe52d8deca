//! Finds and reads people in camera frames: `camera ──Frame──▶ vision ──Observation──▶ mood`.
//!
//! Each cycle extracts luma from the frame, detects heads and visible faces, tracks heads over frames as
//! seats, and classifies the expressions of faces until its time budget is spent.
//!
//! # Invariants
//!
//! - [`Person`] and [`Observation`] never implement `Serialize`: no person leaves the device.
//! - Only luma is processed. No colour picture exists in memory.
//! - Unsafe code is in [`litert`] and below it, nowhere else.
//! - The crate knows no output: it depends on neither MQTT, web, display nor lights. The camera preview goes
//!   into a mailbox of `moodring-runtime` with all heads pixelated.

mod changes;
mod crop;
mod cycle;
pub mod delegate;
pub mod detector;
pub mod engine;
pub mod expression;
pub mod heads;
pub mod litert;
pub mod luma;
pub mod model_card;
pub mod observer;
mod preview;
pub mod readability;
pub mod readers;
mod scale_outliers;
mod search;
pub mod seats;
pub mod tiles;
mod verification;
mod watch;

use std::time::{Duration, Instant};

use moodring_camera::PixelBox;
use moodring_contract::Expression;

pub use cycle::{Stages, VisionError};
pub use observer::{StillResult, Vision};
pub use readability::Readability;
pub use watch::VisionLoop;

/// Probabilities of the seven expressions, in the order of [`Expression::ALL`]: each 0..=1, their sum 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expressions(pub [f32; 7]);

impl Expressions {
    /// Number of expressions.
    pub const COUNT: usize = Expression::ALL.len();

    /// The uniform distribution: no information.
    pub const UNKNOWN: Self = Self([1.0 / Self::COUNT as f32; Self::COUNT]);

    /// The most probable expression; of equal ones the first.
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

/// Identity of a head over frames. Exists in memory only and is never published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeatId(pub u32);

/// A visible face within a head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Face {
    /// Face box, in pixels of the frame.
    pub bounds: PixelBox,
    /// Probability that this head shows its face, 0..=1.
    pub score: f32,
}

/// One result of the expression network for a face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Calibrated probabilities.
    pub expressions: Expressions,
    /// Capture time of the frame that was read.
    pub read_at: Instant,
}

/// One person in an observation: the detection in this frame and the state that the seat accumulated.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Seat of this head.
    pub seat: SeatId,
    /// Head box, in pixels of the frame; the last known one while the head is hidden.
    pub head: PixelBox,
    /// Detector score of the head, 0..=1; 0 while it is hidden.
    pub head_score: f32,
    /// Time since the head was last detected; zero when it is detected in this frame.
    pub unseen_for: Duration,
    /// The face in this frame; none below the face threshold.
    pub face: Option<Face>,
    /// Probability that this person faces the front, 0..=1, from the face scores of this and earlier frames.
    pub facing: f32,
    /// Speed of the head since the previous detection, in head widths per second; 0 when unknown.
    pub motion: f32,
    /// Whether the face can be read in this frame, or the reason why not.
    pub readability: Readability,
    /// The newest reading of this seat; none before the first.
    pub reading: Option<Reading>,
    /// Expression probabilities from all readings of this seat, newer ones weighted more; none before the
    /// first reading and after the last one has decayed.
    pub belief: Option<Expressions>,
}

impl Person {
    /// Whether this person faces the front with a probability of at least one half.
    pub fn faces_front(&self) -> bool {
        self.facing >= 0.5
    }
}

/// All people in one frame. Deliberately not serializable: it does not leave the device.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Capture time of the frame.
    pub captured_at: Instant,
    /// People detected in this frame or briefly hidden, in no particular order.
    pub people: Vec<Person>,
}
