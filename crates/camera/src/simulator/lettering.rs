//! Random words whose letters consist of strokes. They resemble writing at every size.

use super::canvas::{Canvas, smoothstep};
use moodring_runtime::Rng;

/// Strokes from (x0, y0) to (x1, y1) in the box of a letter, 0 to 1.
type Letter = &'static [[f32; 4]];

/// A, E, H, K, L, M, N, T, V, Z.
const LETTERS: [Letter; 10] = [
    &[[0.0, 1.0, 0.5, 0.0], [0.5, 0.0, 1.0, 1.0], [0.2, 0.62, 0.8, 0.62]],
    &[[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.5, 0.8, 0.5], [0.0, 1.0, 1.0, 1.0]],
    &[[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 1.0], [0.0, 0.5, 1.0, 0.5]],
    &[[0.0, 0.0, 0.0, 1.0], [0.0, 0.6, 1.0, 0.0], [0.35, 0.4, 1.0, 1.0]],
    &[[0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 1.0]],
    &[[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.6], [0.5, 0.6, 1.0, 0.0], [1.0, 0.0, 1.0, 1.0]],
    &[[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0]],
    &[[0.0, 0.0, 1.0, 0.0], [0.5, 0.0, 0.5, 1.0]],
    &[[0.0, 0.0, 0.5, 1.0], [0.5, 1.0, 1.0, 0.0]],
    &[[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 1.0]],
];
/// Width of a letter, step to the next letter, and half the width of a stroke, in letter heights.
const WIDTH: f32 = 0.62;
const STEP: f32 = 0.86;
const HALF_STROKE: f32 = 0.065;

/// A random word of this many letters, as indices into `LETTERS`.
pub(super) fn word(rng: &mut Rng, letters: usize) -> Vec<usize> {
    (0..letters).map(|_| (rng.next_u64() % LETTERS.len() as u64) as usize).collect()
}

/// Width in pixels of a word of this many letters with a height of `height` pixels.
pub(super) fn width(height: f32, letters: usize) -> f32 {
    height * (STEP * letters.saturating_sub(1) as f32 + WIDTH)
}

/// Writes `word` with its upper left corner at (`left`, `top`).
pub(super) fn write(canvas: &mut Canvas, (left, top): (f32, f32), height: f32, word: &[usize], luma: f32) {
    for (index, letter) in word.iter().enumerate() {
        let left = left + index as f32 * height * STEP;
        let strokes = LETTERS[letter % LETTERS.len()];
        let edge = height * HALF_STROKE + 1.0;
        canvas.paint((left - edge, top - edge, left + height * WIDTH + edge, top + height + edge), |x, y| {
            let from = strokes.iter().map(|[x0, y0, x1, y1]| {
                let (scale_x, scale_y) = (height * WIDTH, height);
                let (ax, ay) = (x - left - x0 * scale_x, y - top - y0 * scale_y);
                let (bx, by) = ((x1 - x0) * scale_x, (y1 - y0) * scale_y);
                let along = ((ax * bx + ay * by) / (bx * bx + by * by)).clamp(0.0, 1.0);
                (ax - along * bx).hypot(ay - along * by)
            });
            let distance = from.fold(f32::MAX, f32::min);
            let half = height * HALF_STROKE;
            (luma, smoothstep(half + 0.6, half - 0.6, distance))
        });
    }
}

/// Writes `word` with its centre at (`x`, `y`).
pub(super) fn write_centred(canvas: &mut Canvas, (x, y): (f32, f32), height: f32, word: &[usize], luma: f32) {
    write(canvas, (x - width(height, word.len()) / 2.0, y - height / 2.0), height, word, luma);
}
