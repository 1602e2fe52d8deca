//! `[readability]`: from when on a face is not read, because what would be read is wrong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// From when on a face cannot be read. The defaults are where accuracy falls below nine tenths of what it is on
/// undisturbed faces, by `make readability`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Readability {
    /// Faces whose box is less wide and less high than this are too small, in pixels of the frame, 4 to 200.
    pub least_face_px: f64,
    /// Faces of a smaller mean luma are dark, 0 to 128 of 255.
    pub least_light: f64,
    /// Faces whose luma has a smaller standard deviation are dark, 0 to 64: little light, or a window behind.
    pub least_contrast: f64,
    /// Faces of a smaller sharpness are blurred, 0 to 1: the energy of differences between neighbours among the
    /// pixels that are read, over that of noise of the same contrast.
    pub least_sharpness: f64,
    /// Faces of which nearer heads hide a larger share are covered, 0.05 to 1.
    pub most_hidden: f64,
}

impl Default for Readability {
    fn default() -> Self {
        Self {
            least_face_px: 12.0,
            least_light: 11.0,
            least_contrast: 5.0,
            least_sharpness: 0.0135,
            most_hidden: 0.25,
        }
    }
}
