use super::*;
use crate::mood::Pace;
use crate::outputs::samples;

const WORDS: [Word; 7] =
    [Word::Bright, Word::Attentive, Word::Calm, Word::Restless, Word::Strained, Word::Drowsy, Word::Unsure];

/// Usual vision, then protanopia, deuteranopia and tritanopia: matrices for linear RGB at severity 1 from
/// Machado, Oliveira, Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency",
/// IEEE TVCG 15(6), 2009.
const VISIONS: [[[f64; 3]; 3]; 4] = [
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
];

/// Linear sRGB to XYZ (IEC 61966-2-1), D65.
const TO_XYZ: [[f64; 3]; 3] =
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]];

fn times(matrix: &[[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(vector).map(|(factor, value)| factor * value).sum())
}

/// CIELAB of an sRGB colour as somebody with `vision` sees it.
fn lab(rgb: [u8; 3], vision: &[[f64; 3]; 3]) -> [f64; 3] {
    let linear = rgb.map(|channel| {
        let channel = f64::from(channel) / 255.0;
        if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
    });
    let seen = times(vision, linear).map(|channel| channel.clamp(0.0, 1.0));
    let white = [0.95047, 1.0, 1.08883];
    let [x, y, z] = std::array::from_fn(|index| {
        let ratio = times(&TO_XYZ, seen)[index] / white[index];
        if ratio > 216.0 / 24389.0 { ratio.cbrt() } else { (24389.0 / 27.0 * ratio + 16.0) / 116.0 }
    });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[test]
fn any_two_colours_differ_clearly_for_everybody() {
    let mut least = f64::INFINITY;
    for vision in &VISIONS {
        for (index, word) in WORDS.iter().enumerate() {
            for other in &WORDS[..index] {
                let (one, two) = (lab(colour(*word), vision), lab(colour(*other), vision));
                let distance = one.iter().zip(two).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(distance > 20.0, "{word:?} and {other:?} differ by {distance:.1} only");
                least = least.min(distance);
            }
        }
    }
    println!("least distance of two colours: {least:.1}");
}

#[test]
fn each_state_has_its_light() {
    let at = Duration::ZERO;
    assert_eq!(light(&samples::paused(), at), Light::OFF);
    assert_eq!(light(&samples::live(), at), Light { rgb: colour(Word::Attentive), brightness: 1.0 });
    for dim in [samples::too_few(), samples::starting()] {
        assert_eq!(light(&dim, at), Light { rgb: colour(Word::Unsure), brightness: IDLE });
    }
    assert_eq!(light(&samples::stale(), at).rgb, colour(Word::Unsure));
}

#[test]
fn staleness_breathes_once_in_four_seconds_and_everything_else_is_steady() {
    for (name, mood) in samples::all() {
        let brightness: Vec<f64> =
            (0..6000).map(|step| light(&mood, Duration::from_millis(step * 10)).brightness).collect();
        let mean = brightness.iter().sum::<f64>() / brightness.len() as f64;
        let crossings =
            brightness.windows(2).filter(|pair| (pair[0] - mean) * (pair[1] - mean) < 0.0).count();
        let hertz = crossings as f64 / 2.0 / 60.0;
        assert!(
            if name == "stale" { (0.2..0.5).contains(&hertz) } else { hertz == 0.0 },
            "{name}: {hertz} Hz"
        );
    }
}

/// Relative luminance of linear light (WCAG 2.2).
fn luminance([red, green, blue]: [f64; 3]) -> f64 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[test]
fn moods_that_alternate_as_fast_as_they_like_never_flash() {
    for period in (2..=34).step_by(2).map(|steps| Duration::from_millis(10 * steps)) {
        let mut fader = Fader::default();
        let mut seen = Vec::new();
        for step in 0..1000 {
            let at = Duration::from_millis(10 * step);
            let first_half = at.as_millis() % period.as_millis() < period.as_millis() / 2;
            let mood =
                if first_half { samples::with_word(Word::Bright, Pace::Fine) } else { samples::paused() };
            seen.push(luminance(fader.step(light(&mood, at), Duration::from_millis(10))));
        }
        // What lies within one period after the light has settled.
        let window = (period.as_millis() / 10) as usize;
        for slice in seen[600..].windows(window) {
            let low = slice.iter().copied().fold(f64::INFINITY, f64::min);
            let high = slice.iter().copied().fold(0.0, f64::max);
            assert!(high - low < 0.1, "{period:?}: {low:.2} to {high:.2}");
        }
    }
}

#[test]
fn a_fade_arrives() {
    let mut fader = Fader::default();
    let target = Light { rgb: [255, 0, 128], brightness: 0.5 };
    for _ in 0..60 {
        fader.step(target, STEP);
    }
    let shown = fader.step(target, STEP);
    assert!((shown[0] - 0.5).abs() < 1e-9 && (shown[2] - 0.25).abs() < 0.01, "{shown:?}");
}
