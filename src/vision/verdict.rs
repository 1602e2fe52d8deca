//! Whether a face can be read at all: the verdict that each head gets before anything is read from it.
//!
//! Small, turned, dark and blurred faces do not give uncertain answers but wrong ones, so only faces whose
//! verdict is [`Verdict::Ok`] are evidence of an expression. Judged by plain measures whose bounds are measured
//! (`make readability`), not by another network.

use super::PixelBox;
use super::heads::Head;
use crate::config::Readability;

/// Whether the face of a head can be read; if not, the first reason of those below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It can.
    Ok,
    /// Something is in front of it: another head, or whatever hides a head that was here a moment ago. A hand
    /// or a mask is not told, because no network here was trained to tell it.
    Covered,
    /// The face is not to be seen, or only from the side.
    Turned,
    /// It has too few pixels.
    TooSmall,
    /// It has too little light or contrast.
    Dark,
    /// It is out of focus, or moved.
    Blurred,
}

impl Verdict {
    /// All of them, in the order in which they are found.
    pub const ALL: [Self; 6] =
        [Self::Ok, Self::Covered, Self::Turned, Self::TooSmall, Self::Dark, Self::Blurred];

    /// The lower-case name, as the documents use it.
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

/// What can be measured of a face without reading it, on the pixels that would be read, before any
/// normalization of their light.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Appearance {
    /// Mean luma, 0..=255.
    pub light: f32,
    /// Standard deviation of luma.
    pub contrast: f32,
    /// Energy of the differences between neighbours over that of noise of the same contrast: 0 for an endless
    /// ramp, about 1 for noise. The same as `moodtrain.expression.readability.sharpness`.
    pub sharpness: f32,
}

impl Appearance {
    /// Of the face in `pixels`, luma - 128, in lines of `width`.
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

/// How much a reading tells at the bounds of readability, where nine tenths of the accuracy are left: the power
/// to which probabilities of such faces must be raised to fit best, the same for size, blur and light.
const WEIGHT_AT_BOUND: f32 = 0.75;
/// At so many times the bounds a reading tells all it can.
const FULL_WEIGHT_AT: f32 = 3.0;

/// The bounds of what can be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// Faces of a lower score are turned away.
    pub face_score: f32,
    /// Side of the square that is read, in units of the face's longer side.
    pub crop_scale: f32,
    /// As configured.
    pub readability: Readability,
}

impl Bounds {
    /// Judges `head`, of whose face nearer heads hide the share `hidden`; `look` is asked
    /// for the appearance of its face only when all else is well, and says none where nothing is read.
    pub fn judge(
        &self,
        head: &Head,
        hidden: f32,
        look: impl FnOnce() -> Option<Appearance>,
    ) -> (Verdict, f32) {
        let Readability { least_face_px, least_light, least_contrast, least_sharpness, most_hidden } =
            self.readability;
        let px = head.face.width.max(head.face.height);
        if hidden > most_hidden as f32 {
            return (Verdict::Covered, 0.0);
        }
        if head.face_score < self.face_score {
            return (Verdict::Turned, 0.0);
        }
        if px < least_face_px as f32 {
            return (Verdict::TooSmall, 0.0);
        }
        let Some(Appearance { light, contrast, sharpness }) = look() else { return (Verdict::Ok, 0.0) };
        if light < least_light as f32 || contrast < least_contrast as f32 {
            return (Verdict::Dark, 0.0);
        }
        if sharpness < least_sharpness as f32 {
            return (Verdict::Blurred, 0.0);
        }
        // A reading is as good as its weakest side, and evidence only as far as there is a face.
        let sides = [(px, least_face_px), (contrast, least_contrast), (sharpness, least_sharpness)];
        let weakest = sides.map(|(value, least)| weight(value, least as f32)).into_iter().fold(1.0, f32::min);
        (Verdict::Ok, weakest * head.face_score.clamp(0.0, 1.0))
    }

    /// The share of `head`'s face that the nearer ones of `heads` hide at most, 0..=1: of two heads that
    /// overlap the one whose box ends lower in the picture is nearer, for all sit at about the same height.
    pub fn hidden_share(&self, head: &Head, heads: &[Head]) -> f32 {
        let square = super::crop::square(head.face, self.crop_scale);
        let end = |bounds: PixelBox| bounds.y + bounds.height;
        let nearer = heads.iter().filter(|other| end(other.bounds) > end(head.bounds));
        let area = (square.width * square.height).max(f32::MIN_POSITIVE);
        nearer.map(|other| square.shared_area(other.bounds) / area).fold(0.0, f32::max).min(1.0)
    }
}

/// From [`WEIGHT_AT_BOUND`] at the bound `least` to 1 at [`FULL_WEIGHT_AT`] times it.
fn weight(value: f32, least: f32) -> f32 {
    let beyond = (value / least.max(f32::MIN_POSITIVE) - 1.0) / (FULL_WEIGHT_AT - 1.0);
    WEIGHT_AT_BOUND + (1.0 - WEIGHT_AT_BOUND) * beyond.clamp(0.0, 1.0)
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

    fn bounds() -> Bounds {
        let readability = Readability {
            least_face_px: 14.0,
            least_light: 28.0,
            least_contrast: 11.0,
            least_sharpness: 0.017,
            most_hidden: 0.2,
        };
        Bounds { face_score: 0.8, crop_scale: 1.35, readability }
    }

    /// A chessboard with fields of `side`, in a picture of 48 x 48.
    fn chessboard(side: usize, dark: i8, bright: i8) -> Vec<i8> {
        let is_dark = |i: usize| (i / 48 / side + i % 48 / side).is_multiple_of(2);
        (0..48 * 48).map(|i| if is_dark(i) { dark } else { bright }).collect()
    }

    #[test]
    fn appearance_measures_light_contrast_and_sharpness() {
        let Appearance { light, contrast, sharpness } = Appearance::of(&chessboard(8, -68, 32), 48);
        assert!((light - 110.0).abs() < 0.01 && (contrast - 50.0).abs() < 0.01);
        // Along each axis 5 of 47 steps are 100 high: (2 * 5 / 47 * 100^2) / (4 * 50^2).
        assert!((sharpness - 10.0 / 47.0).abs() < 1e-5, "{sharpness}");
        assert!(Appearance::of(&chessboard(24, -68, 32), 48).sharpness < sharpness);
        let flat = Appearance::of(&[5; 48 * 48], 48);
        assert_eq!((flat.light, flat.contrast, flat.sharpness), (133.0, 0.0, 0.0));
    }

    #[test]
    fn each_reason_is_told_and_good_faces_weigh_more() {
        let bounds = bounds();
        let look = |light, contrast, sharpness| move || Some(Appearance { light, contrast, sharpness });
        let judge = |head: &Head, hidden, appearance: (f32, f32, f32)| {
            bounds.judge(head, hidden, look(appearance.0, appearance.1, appearance.2))
        };
        let good = (120.0, 50.0, 0.08);
        let (large, small) = (head(0.0, 0.0, 80.0, 0.95), head(0.0, 0.0, 30.0, 0.95));
        assert_eq!(judge(&large, 0.3, good).0, Verdict::Covered);
        assert_eq!(judge(&head(0.0, 0.0, 80.0, 0.5), 0.0, good).0, Verdict::Turned);
        assert_eq!(judge(&head(0.0, 0.0, 18.0, 0.95), 0.0, good).0, Verdict::TooSmall);
        assert_eq!(judge(&large, 0.0, (20.0, 50.0, 0.08)).0, Verdict::Dark);
        assert_eq!(judge(&large, 0.0, (120.0, 5.0, 0.08)).0, Verdict::Dark);
        assert_eq!(judge(&large, 0.0, (120.0, 50.0, 0.005)).0, Verdict::Blurred);
        let (verdict, best) = judge(&large, 0.0, good);
        assert_eq!((verdict, best), (Verdict::Ok, 0.95));
        let (verdict, less) = judge(&small, 0.0, good);
        assert!(verdict == Verdict::Ok && less < best && less > 0.7, "{less}");
        // Where nothing is read nothing but boxes is judged.
        assert_eq!(bounds.judge(&large, 0.0, || None).0, Verdict::Ok);
    }

    #[test]
    fn a_nearer_head_hides_the_face_behind_it_and_not_the_other_way_round() {
        let (behind, front) = (head(0.0, 0.0, 40.0, 0.9), head(5.0, 25.0, 45.0, 0.9));
        let heads = [behind, front, head(300.0, 0.0, 40.0, 0.9)];
        assert!(bounds().hidden_share(&behind, &heads) > 0.3);
        assert_eq!(bounds().hidden_share(&front, &heads), 0.0);
        assert_eq!(bounds().hidden_share(&heads[2], &heads), 0.0);
    }

    proptest! {
        #[test]
        fn any_pixels_can_be_judged(pixels in proptest::collection::vec(any::<i8>(), 0..300), width in 0_usize..20) {
            let Appearance { light, contrast, sharpness } = Appearance::of(&pixels, width);
            prop_assert!((0.0..=255.0).contains(&light) && (0.0..=128.0).contains(&contrast));
            prop_assert!(sharpness.is_finite() && sharpness >= 0.0);
        }

        #[test]
        fn weights_lie_within_zero_and_one(value in any::<f32>(), least in -1.0..300.0_f32) {
            prop_assert!(value.is_nan() || (0.0..=1.0).contains(&weight(value, least)));
        }
    }
}
