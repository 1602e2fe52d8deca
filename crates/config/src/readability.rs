//! `[readability]`: limits below which the expression of a face is not read, because the result would be wrong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits below which the expression of a face is not read. At the defaults the accuracy falls below nine tenths of the
/// accuracy on undisturbed faces, as measured by `make readability`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Readability {
    /// Smallest width or height of a face's box in pixels of the frame, 4 to 200. A face is too small if both its width
    /// and its height are below this.
    pub min_face_px: f64,
    /// Smallest mean luma of a face, 0 to 128 of 255. Below it the face is too dark.
    pub min_light: f64,
    /// Smallest standard deviation of a face's luma, 0 to 64. Below it the face is too dark: there is little light,
    /// or a window behind the person.
    pub min_contrast: f64,
    /// Smallest sharpness of a face, 0 to 1. Below it the face is blurred. Sharpness is the energy of the differences
    /// between neighbouring pixels that are read, divided by that of noise with the same contrast.
    pub min_sharpness: f64,
    /// Largest share of a face that nearer heads may hide, 0.05 to 1. Above it the face is covered.
    pub max_hidden: f64,
}

impl Default for Readability {
    fn default() -> Self {
        Self {
            min_face_px: 12.0,
            min_light: 11.0,
            min_contrast: 5.0,
            min_sharpness: 0.0135,
            max_hidden: 0.25,
        }
    }
}
