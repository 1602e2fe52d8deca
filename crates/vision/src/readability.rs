//! Readability of faces: decides for each head whether its expression may be read.
//!
//! On small, turned, dark and blurred faces the expression network gives wrong answers, not uncertain ones.
//! Only faces that are [`Readability::Ok`] are therefore evidence of an expression. Simple image measures decide,
//! not another network; their limits are measured (`make readability`).

use super::heads::Head;
use moodring_camera::PixelBox;
use moodring_config as config;

/// Whether the face of a head can be read, or the first reason why not, in the order below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Readability {
    /// Readable.
    Ok,
    /// Another head covers it, or a tracked head is hidden. Hands and masks are not recognized: no network
    /// here is trained for them.
    Covered,
    /// The face is not visible, or in profile only.
    Turned,
    /// Too few pixels.
    TooSmall,
    /// Too little light or contrast.
    Dark,
    /// Out of focus or motion blur.
    Blurred,
}

impl Readability {
    /// All values, in the order in which they are checked.
    pub const ALL: [Self; 6] =
        [Self::Ok, Self::Covered, Self::Turned, Self::TooSmall, Self::Dark, Self::Blurred];

    /// The name in JSON documents: lower case with underscores.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Covered => "covered",
            Self::Turned => "turned",
            Self::TooSmall => "too_small",
            Self::Dark => "dark",
            Self::Blurred => "blurred",
        }
    }
}

/// Image measures of a face crop before its light is normalized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Appearance {
    /// Mean luma, 0..=255.
    pub light: f32,
    /// Standard deviation of luma, 0..=128.
    pub contrast: f32,
    /// Energy of the differences between neighbouring pixels, relative to noise of the same contrast: 0 for an
    /// infinite ramp, about 1 for noise. The same as `moodtrain.expression.readability.sharpness`.
    pub sharpness: f32,
}

impl Appearance {
    /// Measures the face in `pixels`, which are luma - 128 in lines of `width`.
    pub fn of(pixels: &[i8], width: usize) -> Self {
        let (mut sum, mut squares) = (0_i64, 0_i64);
        for &value in pixels {
            sum += i64::from(value);
            squares += i64::from(value) * i64::from(value);
        }
        let count = pixels.len().max(1) as f64;
        let mean = sum as f64 / count;
        let variance = (squares as f64 / count - mean * mean).max(0.0);
        let step = |(a, b): (&i8, &i8)| (i64::from(*a) - i64::from(*b)).pow(2);
        let width = width.max(1);
        let lines = || pixels.chunks_exact(width);
        let across: i64 = lines().map(|line| line.iter().zip(&line[1..]).map(step).sum::<i64>()).sum();
        let down: i64 = lines()
            .zip(lines().skip(1))
            .map(|(line, next)| line.iter().zip(next).map(step).sum::<i64>())
            .sum();
        let height = pixels.len() / width;
        let mean_of = |sum: i64, count: usize| sum as f64 / count.max(1) as f64;
        let energy = mean_of(across, height * (width - 1)) + mean_of(down, height.saturating_sub(1) * width);
        Self {
            light: (mean + 128.0) as f32,
            contrast: variance.sqrt() as f32,
            sharpness: if variance > 0.0 { (energy / (4.0 * variance)) as f32 } else { 0.0 },
        }
    }
}

/// Evidence weight of a reading at the limits of readability, where nine tenths of the accuracy remain: the
/// exponent of the probabilities that fits such faces best. It is the same for size, blur and light.
const WEIGHT_AT_LIMIT: f32 = 0.75;
/// Multiple of the limits at which a reading has full weight.
const FULL_WEIGHT_AT: f32 = 3.0;

/// The limits of readability.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadabilityLimits {
    /// Minimum face score, 0..=1; faces below are turned away.
    pub face_score: f32,
    /// Side of the square crop, in units of the face box's longer side.
    pub crop_scale: f32,
    /// The configured limits.
    pub readability: config::Readability,
}

impl ReadabilityLimits {
    /// Assesses the face of `head` and returns its readability and the evidence weight of a reading, 0..=1.
    ///
    /// `hidden` is the share of the face that nearer heads cover, 0..=1. `measure` is called only when all
    /// other checks pass; it returns `None` where expressions are not read.
    pub fn assess(
        &self,
        head: &Head,
        hidden: f32,
        measure: impl FnOnce() -> Option<Appearance>,
    ) -> (Readability, f32) {
        let config::Readability { min_face_px, min_light, min_contrast, min_sharpness, max_hidden } =
            self.readability;
        let px = head.face.width.max(head.face.height);
        if hidden > max_hidden as f32 {
            return (Readability::Covered, 0.0);
        }
        if head.face_score < self.face_score {
            return (Readability::Turned, 0.0);
        }
        if px < min_face_px as f32 {
            return (Readability::TooSmall, 0.0);
        }
        let Some(Appearance { light, contrast, sharpness }) = measure() else {
            return (Readability::Ok, 0.0);
        };
        if light < min_light as f32 || contrast < min_contrast as f32 {
            return (Readability::Dark, 0.0);
        }
        if sharpness < min_sharpness as f32 {
            return (Readability::Blurred, 0.0);
        }
        // The worst measure limits the quality of a reading; the face score is the probability of a face.
        let measures = [(px, min_face_px), (contrast, min_contrast), (sharpness, min_sharpness)];
        let weakest = measures.map(|(value, min)| weight(value, min as f32)).into_iter().fold(1.0, f32::min);
        (Readability::Ok, weakest * head.face_score.clamp(0.0, 1.0))
    }

    /// The largest share of `head`'s face crop that a single nearer head of `heads` covers, 0..=1. Of two
    /// overlapping heads, the one whose box ends lower in the picture is nearer, because all people sit at
    /// about the same height.
    pub fn hidden_share(&self, head: &Head, heads: &[Head]) -> f32 {
        let square = super::crop::square(head.face, self.crop_scale);
        let end = |bounds: PixelBox| bounds.y + bounds.height;
        let nearer = heads.iter().filter(|other| end(other.bounds) > end(head.bounds));
        let area = (square.width * square.height).max(f32::MIN_POSITIVE);
        nearer.map(|other| square.shared_area(other.bounds) / area).fold(0.0, f32::max).min(1.0)
    }
}

/// Rises linearly from [`WEIGHT_AT_LIMIT`] at the limit `min` to 1 at [`FULL_WEIGHT_AT`] times the limit.
fn weight(value: f32, min: f32) -> f32 {
    let beyond = (value / min.max(f32::MIN_POSITIVE) - 1.0) / (FULL_WEIGHT_AT - 1.0);
    WEIGHT_AT_LIMIT + (1.0 - WEIGHT_AT_LIMIT) * beyond.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(x: f32, y: f32, size: f32, face_score: f32) -> Head {
        let bounds = PixelBox { x, y, width: size, height: size };
        let face = PixelBox { x: x + size * 0.2, y: y + size * 0.27, width: size * 0.56, height: size * 0.7 };
        Head { bounds, score: 0.9, face, face_score }
    }

    fn limits() -> ReadabilityLimits {
        let readability = config::Readability {
            min_face_px: 14.0,
            min_light: 28.0,
            min_contrast: 11.0,
            min_sharpness: 0.017,
            max_hidden: 0.2,
        };
        ReadabilityLimits { face_score: 0.8, crop_scale: 1.35, readability }
    }

    /// A chessboard with squares of `side` pixels, in a picture of 48 x 48.
    fn chessboard(side: usize, dark: i8, bright: i8) -> Vec<i8> {
        let is_dark = |i: usize| (i / 48 / side + i % 48 / side).is_multiple_of(2);
        (0..48 * 48).map(|i| if is_dark(i) { dark } else { bright }).collect()
    }

    #[test]
    fn appearance_measures_light_contrast_and_sharpness() {
        let Appearance { light, contrast, sharpness } = Appearance::of(&chessboard(8, -68, 32), 48);
        assert!((light - 110.0).abs() < 0.01 && (contrast - 50.0).abs() < 0.01);
        // Along each axis, 5 of 47 differences are 100: (2 * 5 / 47 * 100^2) / (4 * 50^2).
        assert!((sharpness - 10.0 / 47.0).abs() < 1e-5, "{sharpness}");
        assert!(Appearance::of(&chessboard(24, -68, 32), 48).sharpness < sharpness);
        let flat = Appearance::of(&[5; 48 * 48], 48);
        assert_eq!((flat.light, flat.contrast, flat.sharpness), (133.0, 0.0, 0.0));
    }

    #[test]
    fn each_reason_is_reported_and_good_faces_weigh_more() {
        let limits = limits();
        let measure = |light, contrast, sharpness| move || Some(Appearance { light, contrast, sharpness });
        let assess = |head: &Head, hidden, appearance: (f32, f32, f32)| {
            limits.assess(head, hidden, measure(appearance.0, appearance.1, appearance.2))
        };
        let good = (120.0, 50.0, 0.08);
        let (large, small) = (head(0.0, 0.0, 80.0, 0.95), head(0.0, 0.0, 30.0, 0.95));
        assert_eq!(assess(&large, 0.3, good).0, Readability::Covered);
        assert_eq!(assess(&head(0.0, 0.0, 80.0, 0.5), 0.0, good).0, Readability::Turned);
        assert_eq!(assess(&head(0.0, 0.0, 18.0, 0.95), 0.0, good).0, Readability::TooSmall);
        assert_eq!(assess(&large, 0.0, (20.0, 50.0, 0.08)).0, Readability::Dark);
        assert_eq!(assess(&large, 0.0, (120.0, 5.0, 0.08)).0, Readability::Dark);
        assert_eq!(assess(&large, 0.0, (120.0, 50.0, 0.005)).0, Readability::Blurred);
        let (readability, best) = assess(&large, 0.0, good);
        assert_eq!((readability, best), (Readability::Ok, 0.95));
        let (readability, less) = assess(&small, 0.0, good);
        assert!(readability == Readability::Ok && less < best && less > 0.7, "{less}");
        // Without expression reading only the boxes are assessed.
        assert_eq!(limits.assess(&large, 0.0, || None).0, Readability::Ok);
    }

    #[test]
    fn a_nearer_head_covers_the_face_behind_it_but_not_vice_versa() {
        let (behind, front) = (head(0.0, 0.0, 40.0, 0.9), head(5.0, 25.0, 45.0, 0.9));
        let heads = [behind, front, head(300.0, 0.0, 40.0, 0.9)];
        assert!(limits().hidden_share(&behind, &heads) > 0.3);
        assert_eq!(limits().hidden_share(&front, &heads), 0.0);
        assert_eq!(limits().hidden_share(&heads[2], &heads), 0.0);
    }

    proptest! {
        #[test]
        fn any_pixels_can_be_measured(pixels in proptest::collection::vec(any::<i8>(), 0..300), width in 0_usize..20) {
            let Appearance { light, contrast, sharpness } = Appearance::of(&pixels, width);
            prop_assert!((0.0..=255.0).contains(&light) && (0.0..=128.0).contains(&contrast));
            prop_assert!(sharpness.is_finite() && sharpness >= 0.0);
        }

        #[test]
        fn weights_lie_within_zero_and_one(value in any::<f32>(), min in -1.0..300.0_f32) {
            prop_assert!(value.is_nan() || (0.0..=1.0).contains(&weight(value, min)));
        }
    }
}
