//! Expression classification: `face in the frame's luma ──▶ probabilities of the seven expressions`.
//!
//! A face is cropped from the frame at full resolution, as the square that the network was trained on
//! (FER2013).

use std::path::Path;
use std::time::{Duration, Instant};

use super::crop::{Crop, square};
use super::engine::{Engine, EngineError, Network, Quantization};
use super::luma::Luma;
use super::model_card::{CardError, ModelCard, Normalization, Readout, Task};
use super::readability::Appearance;
use super::{Expressions, VisionError};
use moodring_camera::PixelBox;

/// Classifies face crops with one expression network.
pub struct Reader {
    network: Box<dyn Network>,
    /// Width and height of the network's input.
    input: (usize, usize),
    /// Index of the output that is read, and its quantization.
    output: usize,
    quantization: Quantization,
    readout: Readout,
    prior: Expressions,
    crop: Crop,
}

/// Orientation in which a face is read. Alternating views is more accurate than repeating one: where the network
/// misreads a face, it often reads the mirror image correctly (docs/models.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaceView {
    /// As captured.
    #[default]
    AsSeen,
    /// Left and right swapped.
    Mirrored,
}

impl FaceView {
    /// The opposite view.
    pub fn other(self) -> Self {
        match self {
            Self::AsSeen => Self::Mirrored,
            Self::Mirrored => Self::AsSeen,
        }
    }

    /// Copies `face`, lines of `width` pixels, to `pixels` in this view, up to the end of the shorter one.
    fn copy(self, face: &[i8], width: usize, pixels: &mut [i8]) {
        match self {
            Self::AsSeen => pixels.iter_mut().zip(face).for_each(|(pixel, &luma)| *pixel = luma),
            Self::Mirrored => {
                let lines = pixels.chunks_exact_mut(width.max(1)).zip(face.chunks_exact(width.max(1)));
                lines.for_each(|(to, from)| {
                    to.iter_mut().zip(from.iter().rev()).for_each(|(to, &luma)| *to = luma)
                });
            }
        }
    }
}

/// Durations of reading faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadingTime {
    /// Copy and light normalization.
    pub crop: Duration,
    /// Inference only.
    pub network: Duration,
}

impl Reader {
    /// Loads the network of the card at `card`, to run on `threads` threads.
    ///
    /// # Errors
    /// When the card, its file or the engine is missing or wrong.
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
            prior: contents.quantification.unwrap_or_default().prior(),
            crop: Crop::default(),
        })
    }

    /// The prior of the readings: the shares of the expressions in the training data.
    pub fn prior(&self) -> Expressions {
        self.prior
    }

    /// Side of the square crop, in units of the face box's longer side.
    pub fn crop_scale(&self) -> f32 {
        self.readout.crop_scale
    }

    /// Number of pixels of a face crop.
    pub fn face_pixels(&self) -> usize {
        self.input.0 * self.input.1
    }

    /// Crops the face with the box `bounds`, in pixels of `luma`, to `face`, which has [`Reader::face_pixels`]
    /// values of luma - 128. Returns the image measures of the crop.
    pub fn cut(&mut self, luma: Luma<'_>, bounds: PixelBox, face: &mut [i8]) -> Appearance {
        self.crop.cut(luma, square(bounds, self.readout.crop_scale), self.input, face);
        Appearance::of(face, self.input.0)
    }

    /// Reads a picture that is a single cropped face; uses the largest centred square.
    ///
    /// # Errors
    /// [`EngineError::Call`].
    pub fn read_whole(&mut self, luma: Luma<'_>) -> Result<Expressions, EngineError> {
        let (width, height) = (luma.width as f32, luma.height as f32);
        let side = width.min(height);
        let middle =
            PixelBox { x: (width - side) / 2.0, y: (height - side) / 2.0, width: side, height: side };
        let mut face = vec![0; self.face_pixels()];
        self.crop.cut(luma, middle, self.input, &mut face);
        self.read(&face, FaceView::AsSeen, &mut ReadingTime::default())
    }

    /// Runs the network without filling its input: inference time does not depend on the input.
    ///
    /// # Errors
    /// [`EngineError::Call`].
    pub fn run_bare(&mut self) -> Result<(), EngineError> {
        self.network.run(&mut |_| (), &mut |_| ())
    }

    /// Runs the network on zeros, which overwrites its input and its intermediate results.
    ///
    /// # Errors
    /// [`EngineError::Call`].
    pub(super) fn wipe(&mut self) -> Result<(), EngineError> {
        self.network.run(&mut |input| input.fill(0), &mut |_| ())
    }

    /// Reads a face crop of [`Reader::cut`] in `view` and adds the durations to `time`. A crop of a wrong
    /// length is used up to its end.
    ///
    /// # Errors
    /// [`EngineError::Call`].
    pub fn read(
        &mut self,
        face: &[i8],
        view: FaceView,
        time: &mut ReadingTime,
    ) -> Result<Expressions, EngineError> {
        let Self { network, input, output, quantization, readout, .. } = self;
        let (started, mut lighting) = (Instant::now(), Duration::ZERO);
        let mut expressions = Expressions::UNKNOWN;
        network.run(
            &mut |pixels| {
                let started = Instant::now();
                view.copy(face, input.0, pixels);
                if let Some(normalization) = readout.normalization {
                    normalize(pixels, normalization);
                }
                lighting = started.elapsed();
            },
            &mut |outputs| {
                let raw = outputs.get(*output).copied().unwrap_or_default();
                expressions = probabilities(raw, *quantization, readout.temperature);
            },
        )?;
        time.crop += lighting;
        time.network += started.elapsed().saturating_sub(lighting);
        Ok(expressions)
    }
}

/// The seven probabilities from a softmax output whose first seven classes are the expressions of the contract.
///
/// Further classes (contempt) are dropped and the rest is normalized to 1: the probability given that it is one
/// of the seven. Dividing the logits by a temperature T equals raising the probabilities to the power 1/T.
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

/// Sets mean and contrast of a face to the values of the training data, to remove the effect of the light.
///
/// `face` holds luma - 128. Byte-identical to `moodtrain.expression.light.normalize_bytes`.
fn normalize(face: &mut [i8], wanted: Normalization) {
    let count = face.len().max(1) as f64;
    let (mut sum, mut squares) = (0_i64, 0_i64);
    for &value in face.iter() {
        sum += i64::from(value);
        squares += i64::from(value) * i64::from(value);
    }
    let mean = sum as f64 / count;
    let deviation = (squares as f64 / count - mean * mean).max(0.0).sqrt();
    let gain = f64::from(wanted.deviation) / deviation.max(f64::from(wanted.min_deviation));
    let offset = f64::from(wanted.mean) - 128.0;
    for value in face {
        // The conversion saturates at the range of luma.
        *value = ((f64::from(*value) - mean) * gain + offset + 0.5).floor() as i8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SOFTMAX: Quantization = Quantization { scale: 1.0 / 256.0, zero_point: -128 };

    #[test]
    fn contempt_is_dropped_and_the_seven_sum_to_one() {
        // 64 / 256 happy, 64 / 256 neutral, 128 / 256 contempt.
        let raw = [-128, -128, -128, -64, -128, -128, -64, 0];
        let Expressions(seven) = probabilities(&raw, SOFTMAX, 1.0);
        assert_eq!(seven, [0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.5]);
        // Contempt only: no information about the seven.
        let raw = [-128, -128, -128, -128, -128, -128, -128, 127];
        assert_eq!(probabilities(&raw, SOFTMAX, 1.0), Expressions::UNKNOWN);
        // A temperature above 1 flattens the distribution: at T = 2, 0.8 and 0.2 become 2/3 and 1/3.
        let raw = [76, -77, -128, -128, -128, -128, -128, -128];
        let Expressions(seven) = probabilities(&raw, SOFTMAX, 2.0);
        assert!((seven[0] - 2.0 / 3.0).abs() < 0.01 && (seven[1] - 1.0 / 3.0).abs() < 0.01, "{seven:?}");
    }

    #[test]
    fn a_mirrored_face_has_reversed_lines() {
        let (face, mut pixels) = ([1, 2, 3, 4, 5, 6], [0; 6]);
        FaceView::AsSeen.copy(&face, 3, &mut pixels);
        assert_eq!(pixels, face);
        FaceView::AsSeen.other().copy(&face, 3, &mut pixels);
        assert_eq!(pixels, [3, 2, 1, 6, 5, 4]);
        assert_eq!(FaceView::Mirrored.other(), FaceView::AsSeen);
    }

    #[test]
    fn light_and_contrast_make_no_difference_to_a_face() {
        let wanted = Normalization { mean: 127.5, deviation: 56.0, min_deviation: 8.0 };
        let face = |gain: f32, offset: f32| {
            let luma = (0..48 * 48).map(|i| (i * 37 % 101) as f32 * gain + offset);
            let mut face: Vec<i8> = luma.map(|luma| (luma - 128.0) as i8).collect();
            normalize(&mut face, wanted);
            face
        };
        let (bright, dark) = (face(2.0, 50.0), face(0.5, 3.0));
        // Half a luma step of the dark face, scaled by the gain.
        assert!(bright.iter().zip(&dark).all(|(a, b)| a.abs_diff(*b) <= 3));
        let mean = bright.iter().map(|&q| f64::from(q)).sum::<f64>() / bright.len() as f64;
        assert!((mean - -0.5).abs() < 0.6, "{mean}");
        // A flat patch stays flat, and outliers saturate.
        let mut patch = vec![17i8; 9];
        normalize(&mut patch, wanted);
        assert_eq!(patch, [0; 9]);
        let mut spike = vec![-100i8; 99];
        spike.push(100);
        normalize(&mut spike, wanted);
        assert_eq!(spike[99], 127);
    }

    proptest! {
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
