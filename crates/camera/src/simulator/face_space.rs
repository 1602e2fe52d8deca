//! Faces of the simulated class: random blends in a space of seven mean expressions and a few components.
//!
//! `training/face_space.py` creates `models/faces.space` (format and privacy analysis in
//! `docs/reference/simulator.md`). Every length and number in the file is checked before use.

use moodring_contract::Expression;

/// Width and height of a face texture in pixels, as in FER2013.
pub(super) const SIDE: usize = 48;
const AREA: usize = SIDE * SIDE;
const MAGIC: &[u8; 8] = b"MOODFACE";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 16;
const EXPRESSIONS: usize = Expression::ALL.len();
const MAX_COMPONENTS: usize = 64;

/// Reasons why a face space is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FaceSpaceError {
    #[error("not a face space: the file does not begin with MOODFACE")]
    Magic,
    #[error("face space with version {0}, side {1} and {2} expressions is not supported")]
    Layout(u16, u16, u16),
    #[error("face space with {0} components: 1 to {MAX_COMPONENTS} are allowed")]
    Components(u16),
    #[error("face space of {actual} bytes, but its header requires {expected}")]
    Length { actual: usize, expected: usize },
    #[error("scale {0} of the face space is not between 0 and 1")]
    Scale(usize),
}

/// A face in contrast units: 0 is the mean grey of the face, 1 one standard deviation above it.
pub(super) type Texture = [f32; AREA];

/// Mean face, deviation of each expression from it, and the components in which people differ.
pub(super) struct FaceSpace {
    planes: Vec<f32>,
    components: usize,
}

impl FaceSpace {
    /// The face space that is embedded in the program.
    pub(super) fn embedded() -> Result<Self, FaceSpaceError> {
        Self::parse(include_bytes!("../../../../models/faces.space"))
    }

    /// Reads the format described in `docs/reference/simulator.md`.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, FaceSpaceError> {
        let header = bytes.get(..HEADER_BYTES).ok_or(FaceSpaceError::Magic)?;
        if &header[..8] != MAGIC {
            return Err(FaceSpaceError::Magic);
        }
        let field = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let (version, side, expressions, components) = (field(8), field(10), field(12), field(14));
        if (version, side as usize, expressions as usize) != (VERSION, SIDE, EXPRESSIONS) {
            return Err(FaceSpaceError::Layout(version, side, expressions));
        }
        if components == 0 || components as usize > MAX_COMPONENTS {
            return Err(FaceSpaceError::Components(components));
        }
        let planes = 1 + EXPRESSIONS + components as usize;
        let expected = HEADER_BYTES + planes * (4 + AREA);
        if bytes.len() != expected {
            return Err(FaceSpaceError::Length { actual: bytes.len(), expected });
        }
        let (scales, values) = bytes[HEADER_BYTES..].split_at(planes * 4);
        let mut decoded = Vec::with_capacity(planes * AREA);
        for (index, (scale, plane)) in scales.chunks_exact(4).zip(values.chunks_exact(AREA)).enumerate() {
            let scale = f32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
            if !(scale > 0.0 && scale < 1.0) {
                return Err(FaceSpaceError::Scale(index));
            }
            decoded.extend(plane.iter().map(|value| f32::from(value.cast_signed()) * scale));
        }
        Ok(Self { planes: decoded, components: components as usize })
    }

    /// Number of coefficients of an identity.
    pub(super) fn components(&self) -> usize {
        self.components
    }

    fn plane(&self, index: usize) -> &[f32] {
        &self.planes[index * AREA..(index + 1) * AREA]
    }

    /// Writes the face of one identity without expression to `texture`.
    pub(super) fn identity(&self, coefficients: &[f32], texture: &mut Texture) {
        texture.copy_from_slice(self.plane(0));
        for (index, weight) in coefficients.iter().take(self.components).enumerate() {
            add(texture, self.plane(1 + EXPRESSIONS + index), *weight);
        }
    }

    /// Adds weighted expressions to the face in `texture`.
    pub(super) fn express(&self, weights: &[f32; EXPRESSIONS], texture: &mut Texture) {
        for (index, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            add(texture, self.plane(1 + index), *weight);
        }
    }
}

fn add(texture: &mut Texture, plane: &[f32], weight: f32) {
    for (pixel, value) in texture.iter_mut().zip(plane) {
        *pixel += weight * value;
    }
}

/// Samples a texture bilinearly at pixel coordinates. Outside the texture the nearest edge value is used.
pub(super) fn sample(texture: &Texture, x: f32, y: f32) -> f32 {
    let limit = (SIDE - 1) as f32;
    let (x, y) = (x.clamp(0.0, limit), y.clamp(0.0, limit));
    let (left, top) = ((x as usize).min(SIDE - 2), (y as usize).min(SIDE - 2));
    let (fx, fy) = (x - left as f32, y - top as f32);
    let at = top * SIDE + left;
    let upper = texture[at] + (texture[at + 1] - texture[at]) * fx;
    let lower = texture[at + SIDE] + (texture[at + SIDE + 1] - texture[at + SIDE]) * fx;
    upper + (lower - upper) * fy
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMBEDDED: &[u8] = include_bytes!("../../../../models/faces.space");

    #[test]
    fn damaged_spaces_are_refused() {
        let error = |bytes: &[u8]| FaceSpace::parse(bytes).err().unwrap();
        assert_eq!(error(b""), FaceSpaceError::Magic);
        assert_eq!(error(&EMBEDDED[..15]), FaceSpaceError::Magic);
        let expected = EMBEDDED.len();
        assert_eq!(
            error(&EMBEDDED[..expected - 1]),
            FaceSpaceError::Length { actual: expected - 1, expected }
        );
        for (at, byte, wanted) in [
            (0, b'X', FaceSpaceError::Magic),
            (8, 9, FaceSpaceError::Layout(9, 48, 7)),
            (14, 0, FaceSpaceError::Components(0)),
            (14, 65, FaceSpaceError::Components(65)),
            (HEADER_BYTES + 3, 0xFF, FaceSpaceError::Scale(0)),
        ] {
            let mut bytes = EMBEDDED.to_vec();
            bytes[at] = byte;
            assert_eq!(error(&bytes), wanted);
        }
    }

    #[test]
    fn expressions_differ_and_have_a_normal_contrast() {
        let space = FaceSpace::embedded().unwrap();
        let mut faces = Vec::new();
        for index in 0..EXPRESSIONS {
            let mut texture = [0.0; AREA];
            space.identity(&[], &mut texture);
            space.express(&std::array::from_fn(|other| f32::from(u8::from(other == index))), &mut texture);
            let mean_square = texture.iter().map(|v| v * v).sum::<f32>() / AREA as f32;
            assert!((0.1..4.0).contains(&mean_square), "expression {index}: {mean_square}");
            faces.push(texture);
        }
        for (index, face) in faces.iter().enumerate() {
            assert!(faces[..index].iter().all(|other| other != face));
        }
    }
}
