//! Measures of one cycle, and why a cycle fails.

use std::time::Duration;

use thiserror::Error;

use moodring_camera::Size;

use super::engine::EngineError;
use super::luma::LumaError;
use super::model_card::CardError;

/// Why a frame gives no observation.
#[derive(Debug, Error)]
pub enum VisionError {
    /// The frame's pixels cannot be decoded; the next frame may be readable.
    #[error(transparent)]
    Luma(#[from] LumaError),
    /// A model card or model file is missing or wrong.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The inference engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The resizer rejected the picture.
    #[error("picture cannot be resized: {0}")]
    Resize(String),
    /// No detector input fits a picture of this size.
    #[error("no detector network fits a picture of {0}")]
    Unsearchable(Size),
    /// Expressions were requested, but the mode does not load the expression network.
    #[error("expressions are read only in the mode \"mood\" (mood.mode)")]
    Occupancy,
}

/// Durations and counts of the last cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages {
    /// Luma extraction.
    pub luma: Duration,
    /// Scaling and tiling.
    pub resize: Duration,
    /// Detector inference only.
    pub heads_network: Duration,
    /// Decoding of the detector's outputs and non-maximum suppression.
    pub heads_decode: Duration,
    /// Seat tracking.
    pub seats: Duration,
    /// Face crops and readability measures.
    pub crop: Duration,
    /// Expression inference only.
    pub expression_network: Duration,
    /// The whole cycle, including the time between these stages.
    pub total: Duration,
    /// Detector runs.
    pub tiles: usize,
    /// Heads detected.
    pub heads: usize,
    /// Heads whose face score reaches the face threshold.
    pub faces: usize,
    /// Faces read by the expression network.
    pub faces_read: usize,
}
