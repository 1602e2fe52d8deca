//! Expressions: `a face in the frame's luma ──▶ probabilities of the seven`.
//!
//! A face is cut out of the frame at full resolution, as the square that the network knows from FER2013,
//! and never leaves this module.

use std::path::Path;
use std::time::{Duration, Instant};

use super::engine::{Engine, EngineError, Network, Quantization};
use super::luma::Luma;
use super::model_card::{CardError, ModelCard, Normalization, Readout, Task};
use super::{Expressions, PixelBox, VisionError};

/// Reads faces.
pub struct Reader {
    network: Box<dyn Network>,
    /// Width and height of the network's input.
    input: (usize, usize),
    /// Which output is read, and what its integers mean.
    output: usize,
    quantization: Quantization,
    readout: Readout,
    crop: Crop,
}

/// How long the parts of reading one face took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadingTime {
    /// Cutting out and resizing.
    pub crop: Duration,
    /// The network alone.
    pub network: Duration,
}

impl Reader {
    /// Makes the network of the card at `card` ready to run.
    ///
    /// # Errors
    /// When the card, its file or the engine is not what it must be.
    pub fn new(card: &Path, engine: &dyn Engine, threads: u32) -> Result<Self, VisionError> {
        let malformed = |reason: &str| CardError::Malformed { path: card.into(), reason: reason.into() };
        let directory = card.parent().unwrap_or(Path::new(""));
        let contents = ModelCard::read(card, Task::Expression)?;
        let readout = contents.expression.clone().ok_or_else(|| malformed("no [expression]"))?;
        let named = contents.outputs.iter().position(|output| output.name == readout.readout);
        let output = named.ok_or_else(|| malformed("expression.readout is not the name of an output"))?;
        if contents.outputs[output].channels < Expressions::COUNT {
            return Err(malformed("the output that is read has fewer than seven channels").into());
        }
        let file = &contents.files[0];
        let network = engine.network(contents.load(directory, file)?, threads)?;
        Ok(Self {
            network,
            input: (file.width, file.height),
            output,
            quantization: contents.outputs[output].quantization(),
            readout,
            crop: Crop::default(),
        })
    }

    /// Reads the face within `bounds`, in pixels of `luma`.
    ///
    /// # Errors
    /// [`EngineError::Call`].
    pub fn read(
        &mut self,
        luma: Luma<'_>,
        bounds: PixelBox,
        time: &mut ReadingTime,
    ) -> Result<Expressions, EngineError> {
        self.read_square(luma, square(bounds, self.readout.crop_scale), time)
    }

    /// Reads a picture that is one face already cut out: its largest square in the middle.
    ///
    /// # Errors
    /// [`EngineError::Call`].
    pub fn read_whole(&mut self, luma: Luma<'_>, time: &mut ReadingTime) -> Result<Expressions, EngineError> {
        let (width, height) = (luma.width as f32, luma.height as f32);
        let side = width.min(height);
        let middle =
            PixelBox { x: (width - side) / 2.0, y: (height - side) / 2.0, width: side, height: side };
        self.read_square(luma, middle, time)
    }

    /// Runs the network once more: its bare time is the same for every input.
    ///
    /// # Errors
    /// [`EngineError::Call`].
    pub fn run_bare(&mut self) -> Result<(), EngineError> {
        self.network.run(&mut |_| (), &mut |_| ())
    }

    fn read_square(
        &mut self,
        luma: Luma<'_>,
        from: PixelBox,
        time: &mut ReadingTime,
    ) -> Result<Expressions, EngineError> {
        let Self { network, input, output, quantization, readout, crop } = self;
        let (started, mut cropping) = (Instant::now(), Duration::ZERO);
        let mut expressions = Expressions::UNKNOWN;
        network.run(
            &mut |pixels| {
                let started = Instant::now();
                crop.cut(luma, from, *input, pixels);
                if let Some(normalization) = readout.normalization {
                    normalize(pixels, normalization);
                }
                cropping = started.elapsed();
            },
            &mut |outputs| {
                let raw = outputs.get(*output).copied().unwrap_or_default();
                expressions = probabilities(raw, *quantization, readout.temperature);
            },
        )?;
        time.crop += cropping;
        time.network += started.elapsed().saturating_sub(cropping);
        Ok(expressions)
    }
}

/// The square around the middle of `bounds` whose side is `scale` times the longer side.
fn square(bounds: PixelBox, scale: f32) -> PixelBox {
    let side = bounds.width.max(bounds.height) * scale;
    let (x, y) = bounds.centre();
    PixelBox { x: x - side / 2.0, y: y - side / 2.0, width: side, height: side }
}

/// The seven probabilities out of a softmax whose first seven classes are ours.
///
/// Further classes (contempt) are dropped and the rest made to add up to 1: the probability given that it is
/// one of the seven. Dividing logits by a temperature T is raising probabilities to 1/T.
fn probabilities(raw: &[i8], quantization: Quantization, temperature: f32) -> Expressions {
    let mut expressions = [0.0; Expressions::COUNT];
    for (probability, &q) in expressions.iter_mut().zip(raw) {
        *probability = quantization.real(q).max(0.0);
        if temperature != 1.0 {
            *probability = probability.powf(1.0 / temperature);
        }
    }
    let sum: f32 = expressions.iter().sum();
    if sum <= 0.0 {
        return Expressions::UNKNOWN;
    }
    Expressions(expressions.map(|probability| probability / sum))
}

/// Gives a face the mean and the contrast that the network knows, so that it looks the same in any light.
///
/// `face` holds luma - 128. The same as `moodtrain.expression.light.normalize_bytes`, to the byte.
fn normalize(face: &mut [i8], wanted: Normalization) {
    let count = face.len().max(1) as f64;
    let (mut sum, mut squares) = (0_i64, 0_i64);
    for &value in face.iter() {
        sum += i64::from(value);
        squares += i64::from(value) * i64::from(value);
    }
    let mean = sum as f64 / count;
    let deviation = (squares as f64 / count - mean * mean).max(0.0).sqrt();
    let gain = f64::from(wanted.deviation) / deviation.max(f64::from(wanted.least_deviation));
    let offset = f64::from(wanted.mean) - 128.0;
    for value in face {
        // The conversion saturates at the darkest and the brightest luma.
        *value = ((f64::from(*value) - mean) * gain + offset + 0.5).floor() as i8;
    }
}

/// Cuts a part out of a picture and resizes it. Its buffers are used again.
#[derive(Debug, Default)]
struct Crop {
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
    fn cut(&mut self, luma: Luma<'_>, from: PixelBox, size: (usize, usize), target: &mut [i8]) {
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

    const SOFTMAX: Quantization = Quantization { scale: 1.0 / 256.0, zero_point: -128 };

    fn cut(width: usize, height: usize, pixels: &[u8], from: PixelBox, side: usize) -> Vec<u8> {
        let luma = Luma { width, height, stride: width, pixels };
        let mut target = vec![0; side * side];
        Crop::default().cut(luma, from, (side, side), &mut target);
        target.into_iter().map(|q| (i32::from(q) + 128) as u8).collect()
    }

    #[test]
    fn contempt_is_dropped_and_the_seven_add_up_to_one() {
        // 64 / 256 happy, 64 / 256 neutral, 128 / 256 contempt.
        let raw = [-128, -128, -128, -64, -128, -128, -64, 0];
        let Expressions(seven) = probabilities(&raw, SOFTMAX, 1.0);
        assert_eq!(seven, [0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.5]);
        // Nothing but contempt: nothing is known of the seven.
        let raw = [-128, -128, -128, -128, -128, -128, -128, 127];
        assert_eq!(probabilities(&raw, SOFTMAX, 1.0), Expressions::UNKNOWN);
        // A temperature above 1 evens out: 0.8 and 0.2 become 2/3 and 1/3 at 2.
        let raw = [76, -77, -128, -128, -128, -128, -128, -128];
        let Expressions(seven) = probabilities(&raw, SOFTMAX, 2.0);
        assert!((seven[0] - 2.0 / 3.0).abs() < 0.01 && (seven[1] - 1.0 / 3.0).abs() < 0.01, "{seven:?}");
    }

    #[test]
    fn light_and_contrast_make_no_difference_to_a_face() {
        let wanted = Normalization { mean: 127.5, deviation: 56.0, least_deviation: 8.0 };
        let face = |gain: f32, offset: f32| {
            let luma = (0..48 * 48).map(|i| (i * 37 % 101) as f32 * gain + offset);
            let mut face: Vec<i8> = luma.map(|luma| (luma - 128.0) as i8).collect();
            normalize(&mut face, wanted);
            face
        };
        let (bright, dark) = (face(2.0, 50.0), face(0.5, 3.0));
        // Half a step of the dark one's luma, stretched.
        assert!(bright.iter().zip(&dark).all(|(a, b)| a.abs_diff(*b) <= 3));
        let mean = bright.iter().map(|&q| f64::from(q)).sum::<f64>() / bright.len() as f64;
        assert!((mean - -0.5).abs() < 0.6, "{mean}");
        // A flat patch stays flat, and what lies far out saturates.
        let mut patch = vec![17i8; 9];
        normalize(&mut patch, wanted);
        assert_eq!(patch, [0; 9]);
        let mut spike = vec![-100i8; 99];
        spike.push(100);
        normalize(&mut spike, wanted);
        assert_eq!(spike[99], 127);
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

        #[test]
        fn any_output_gives_seven_probabilities(
            raw in proptest::collection::vec(any::<i8>(), 0..10), temperature in 0.05f32..20.0
        ) {
            let Expressions(seven) = probabilities(&raw, SOFTMAX, temperature);
            prop_assert!(seven.iter().all(|probability| (0.0..=1.0).contains(probability)));
            prop_assert!((seven.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
    }
}
