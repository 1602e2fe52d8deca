//! A part of the picture at another size: `luma, square ──▶ the pixels that a network reads`.
//!
//! Weights are computed once for each axis, so a face costs one pass over its pixels.

use super::PixelBox;
use super::luma::Luma;

/// The square around the middle of `bounds` whose side is `scale` times the longer side.
pub(super) fn square(bounds: PixelBox, scale: f32) -> PixelBox {
    let side = bounds.width.max(bounds.height) * scale;
    let (x, y) = bounds.centre();
    PixelBox { x: x - side / 2.0, y: y - side / 2.0, width: side, height: side }
}

/// Cuts a part out of a picture and resizes it. Its buffers are used again.
#[derive(Debug, Default)]
pub(super) struct Crop {
    across: Axis,
    down: Axis,
    /// One target line, as wide as the part in the source.
    line: Vec<f32>,
}

/// Which source pixels each target pixel is made of, along one side.
#[derive(Debug, Default)]
struct Axis {
    /// First source pixel, and where its weights start and end.
    spans: Vec<(usize, usize, usize)>,
    weights: Vec<f32>,
}

impl Axis {
    /// Weighs source pixels of `0..len` for `count` target pixels that stand for `start..start + length`.
    ///
    /// The weights are a triangle as wide as the step between target pixels, but at least two source pixels:
    /// linear interpolation upwards, an antialiased mean downwards. Beyond the edge the edge goes on.
    fn weigh(&mut self, start: f32, length: f32, len: usize, count: usize) {
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

    /// The target pixels with their first source pixel and its weights.
    fn targets(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.spans.iter().map(|&(first, from, to)| (first, &self.weights[from..to]))
    }
}

impl Crop {
    /// Fills `target`, lines of `size.0` pixels, with the part `from` of `luma`, as luma - 128.
    pub(super) fn cut(&mut self, luma: Luma<'_>, from: PixelBox, size: (usize, usize), target: &mut [i8]) {
        let Self { across, down, line } = self;
        across.weigh(from.x, from.width, luma.width, size.0);
        down.weigh(from.y, from.height, luma.height, size.1);
        let left = across.targets().map(|(first, _)| first).min().unwrap_or(0);
        let right = across.targets().map(|(first, weights)| first + weights.len()).max().unwrap_or(0);
        line.resize(right - left, 0.0);
        // Down first: whole lines are weighed, which the compiler turns into vector instructions.
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
    fn a_picture_of_the_right_size_is_not_changed() {
        let pixels: Vec<u8> = (0..48 * 48).map(|index| (index * 37 % 256) as u8).collect();
        let whole = PixelBox { x: 0.0, y: 0.0, width: 48.0, height: 48.0 };
        assert_eq!(cut(48, 48, &pixels, whole, 48), pixels);
    }

    #[test]
    fn shrinking_averages_and_edges_go_on() {
        // A checkerboard shrunk to a sixteenth is an even gray.
        let pixels: Vec<u8> =
            (0..64 * 64).map(|i| if (i / 64 + i % 64) % 2 == 0 { 255 } else { 0 }).collect();
        let inner = PixelBox { x: 16.0, y: 16.0, width: 32.0, height: 32.0 };
        assert!(cut(64, 64, &pixels, inner, 2).iter().all(|pixel| (126..=129).contains(pixel)));
        let outside = PixelBox { x: -20.0, y: -20.0, width: 16.0, height: 16.0 };
        assert_eq!(cut(2, 2, &[10, 200, 200, 200], outside, 4), [10; 16]);
    }

    proptest! {
        #[test]
        fn whatever_is_cut_out_lies_between_the_darkest_and_the_brightest_pixel(
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
