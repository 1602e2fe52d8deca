//! Crops and resizes a part of a picture: `luma, square ──▶ input pixels of a network`.
//!
//! The filter is separable: weights are computed once per axis, so a face costs one pass over its pixels.

use super::luma::Luma;
use moodring_camera::PixelBox;

/// The square with the centre of `bounds` and a side of `scale` times the longer side.
pub(super) fn square(bounds: PixelBox, scale: f32) -> PixelBox {
    let side = bounds.width.max(bounds.height) * scale;
    let (x, y) = bounds.centre();
    PixelBox { x: x - side / 2.0, y: y - side / 2.0, width: side, height: side }
}

/// Crops and resizes parts of pictures. Reuses its buffers.
#[derive(Debug, Default)]
pub(super) struct Crop {
    across: Axis,
    down: Axis,
    /// One target line before horizontal resampling, as wide as the part in the source.
    line: Vec<f32>,
}

/// Source pixels and weights of each target pixel along one axis.
#[derive(Debug, Default)]
struct Axis {
    /// First source pixel, and start and end of its weights in `weights`.
    spans: Vec<(usize, usize, usize)>,
    weights: Vec<f32>,
}

impl Axis {
    /// Computes the weights of source pixels `0..len` for `count` target pixels that cover `start..start + length`.
    ///
    /// The filter is a triangle with a radius of one target step, but at least one source pixel: linear
    /// interpolation for enlargement, an antialiased mean for reduction. The edge pixel is repeated beyond the
    /// edge.
    fn compute_weights(&mut self, start: f32, length: f32, len: usize, count: usize) {
        self.spans.clear();
        self.weights.clear();
        let step = length / count as f32;
        let radius = step.max(1.0);
        let last = len.saturating_sub(1) as i64;
        for index in 0..count {
            let centre = start + (index as f32 + 0.5) * step;
            let (low, high) = ((centre - radius).floor() as i64, (centre + radius).ceil() as i64);
            let (first, until) = (low.clamp(0, last), (high - 1).clamp(0, last));
            let from = self.weights.len();
            self.weights.resize(from + (until - first) as usize + 1, 0.0);
            let mut sum = 0.0;
            for pixel in low..high {
                let weight = (1.0 - (pixel as f32 + 0.5 - centre).abs() / radius).max(0.0);
                self.weights[from + (pixel.clamp(0, last) - first) as usize] += weight;
                sum += weight;
            }
            self.weights[from..].iter_mut().for_each(|weight| *weight /= sum);
            self.spans.push((first as usize, from, self.weights.len()));
        }
    }

    /// First source pixel and weights of each target pixel.
    fn targets(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.spans.iter().map(|&(first, from, to)| (first, &self.weights[from..to]))
    }
}

impl Crop {
    /// Writes the part `from` of `luma`, resized to `size`, to `target` as luma - 128 in lines of `size.0` pixels.
    pub(super) fn cut(&mut self, luma: Luma<'_>, from: PixelBox, size: (usize, usize), target: &mut [i8]) {
        let Self { across, down, line } = self;
        across.compute_weights(from.x, from.width, luma.width, size.0);
        down.compute_weights(from.y, from.height, luma.height, size.1);
        let left = across.targets().map(|(first, _)| first).min().unwrap_or(0);
        let right = across.targets().map(|(first, weights)| first + weights.len()).max().unwrap_or(0);
        line.resize(right - left, 0.0);
        // Vertical first: the compiler vectorizes the weighted sum of whole lines.
        for (row, (first, weights)) in target.chunks_exact_mut(size.0).zip(down.targets()) {
            line.fill(0.0);
            for (index, &weight) in weights.iter().enumerate() {
                let source = &luma.line(first + index)[left..right];
                line.iter_mut().zip(source).for_each(|(sum, &pixel)| *sum += weight * f32::from(pixel));
            }
            for (pixel, (first, weights)) in row.iter_mut().zip(across.targets()) {
                let sum: f32 =
                    line[first - left..].iter().zip(weights).map(|(sum, weight)| sum * weight).sum();
                *pixel = ((sum + 0.5) as u8 ^ 0x80) as i8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(width: usize, height: usize, pixels: &[u8], from: PixelBox, side: usize) -> Vec<u8> {
        let luma = Luma { width, height, stride: width, pixels };
        let mut target = vec![0; side * side];
        Crop::default().cut(luma, from, (side, side), &mut target);
        target.into_iter().map(|q| (i32::from(q) + 128) as u8).collect()
    }

    #[test]
    fn a_picture_of_the_target_size_is_unchanged() {
        let pixels: Vec<u8> = (0..48 * 48).map(|index| (index * 37 % 256) as u8).collect();
        let whole = PixelBox { x: 0.0, y: 0.0, width: 48.0, height: 48.0 };
        assert_eq!(cut(48, 48, &pixels, whole, 48), pixels);
    }

    #[test]
    fn shrinking_averages_and_edges_are_repeated() {
        // A checkerboard shrunk to a sixteenth becomes a uniform grey.
        let pixels: Vec<u8> =
            (0..64 * 64).map(|i| if (i / 64 + i % 64) % 2 == 0 { 255 } else { 0 }).collect();
        let inner = PixelBox { x: 16.0, y: 16.0, width: 32.0, height: 32.0 };
        assert!(cut(64, 64, &pixels, inner, 2).iter().all(|pixel| (126..=129).contains(pixel)));
        let outside = PixelBox { x: -20.0, y: -20.0, width: 16.0, height: 16.0 };
        assert_eq!(cut(2, 2, &[10, 200, 200, 200], outside, 4), [10; 16]);
    }

    proptest! {
        #[test]
        fn a_crop_lies_between_the_darkest_and_the_brightest_pixel(
            (width, height) in (1usize..40, 1usize..40), seed in any::<u8>(),
            (x, y, side) in (-100f32..100.0, -100f32..100.0, 0f32..200.0)
        ) {
            let pixels: Vec<u8> = (0..width * height).map(|i| (i * 31) as u8 ^ seed).collect();
            let (low, high) = (*pixels.iter().min().unwrap(), *pixels.iter().max().unwrap());
            for pixel in cut(width, height, &pixels, PixelBox { x, y, width: side, height: side }, 8) {
                prop_assert!((low..=high).contains(&pixel));
            }
        }
    }
}
