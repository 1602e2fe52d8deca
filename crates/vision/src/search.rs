//! One scan of a picture: `Luma ──scale──▶ tiles ──▶ one network run each ──▶ candidates`.
//!
//! Buffers are reused for each picture.

use std::path::Path;
use std::time::{Duration, Instant};

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::engine::{Engine, EngineError, Network};
use super::heads::{Candidate, Decoder, Head};
use super::luma::Luma;
use super::model_card::{CardError, ModelCard};
use super::tiles::{MIN_OVERLAP, Plan, Tile};
use super::{Stages, VisionError};
use moodring_camera::Size;

/// Value of the padding around training pictures, as luma - 128.
const PADDING: i8 = (114u8 ^ 0x80) as i8;

/// The detector's networks, one per input size, with the buffers for a scan.
pub(super) struct Search {
    networks: Vec<SizedNetwork>,
    /// Their input sizes; [`super::tiles::plan`] selects one.
    inputs: Vec<Size>,
    decoder: Decoder,
    scaler: Scaler,
    /// The last picture at half the size of its first scan.
    half: Vec<u8>,
}

impl Search {
    /// Loads all networks of the card `contents`, which was read from the path `card`.
    pub(super) fn new(
        card: &Path,
        contents: &ModelCard,
        engine: &dyn Engine,
        threads: u32,
    ) -> Result<Self, VisionError> {
        let malformed = |reason: String| CardError::Malformed { path: card.to_owned(), reason };
        let directory = card.parent().unwrap_or(Path::new(""));
        let (mut networks, mut inputs) = (Vec::new(), Vec::new());
        for file in &contents.files {
            if file.width.min(file.height) <= MIN_OVERLAP as usize {
                return Err(malformed(format!("inputs must be larger than {MIN_OVERLAP} pixels")).into());
            }
            let input = Size::new(file.width as u32, file.height as u32);
            inputs.push(input);
            networks.push(SizedNetwork {
                network: engine.network(contents.load(directory, file)?, threads)?,
                input,
            });
        }
        let decoder = Decoder::new(contents).map_err(malformed)?;
        Ok(Self { networks, inputs, decoder, scaler: Scaler::default(), half: Vec::new() })
    }

    /// The available input sizes.
    pub(super) fn inputs(&self) -> &[Size] {
        &self.inputs
    }

    /// Calls `found` for each candidate in `luma` with a head score of at least `min_score`. Boxes are in
    /// pixels of `luma`. Adds the durations to `stages`.
    pub(super) fn scan(
        &mut self,
        luma: Luma<'_>,
        plan: &Plan,
        min_score: f32,
        stages: &mut Stages,
        found: impl FnMut(Candidate),
    ) -> Result<(), VisionError> {
        let started = Instant::now();
        let scaled = self.scaler.scale(luma, plan.scaled)?;
        stages.resize += started.elapsed();
        self.networks[plan.input].scan(scaled, plan, &self.decoder, min_score, stages, found)?;
        Ok(())
    }

    /// As [`Search::scan`] at half the size: `plan` is [`super::tiles::plan_half`] of `first`. Requires that
    /// the same picture was just scanned with `first`, whose scaled picture is reused.
    pub(super) fn scan_half(
        &mut self,
        luma: Luma<'_>,
        (first, plan): (&Plan, &Plan),
        min_score: f32,
        stages: &mut Stages,
        found: impl FnMut(Candidate),
    ) -> Result<(), VisionError> {
        let started = Instant::now();
        let half = halve(self.scaler.last(luma, first.scaled), plan.scaled, &mut self.half);
        stages.resize += started.elapsed();
        self.networks[plan.input].scan(half, plan, &self.decoder, min_score, stages, found)?;
        Ok(())
    }

    /// Erases all pictures and everything computed from them: frees the buffers, and runs each network on zeros, which overwrites
    /// its input and its intermediate results.
    ///
    /// # Errors
    /// When a network fails.
    pub(super) fn wipe(&mut self) -> Result<(), EngineError> {
        (self.scaler, self.half) = (Scaler::default(), Vec::new());
        self.networks
            .iter_mut()
            .try_for_each(|sized| sized.network.run(&mut |input| input.fill(0), &mut |_| ()))
    }

    /// Runs the networks as [`Search::scan`] does, without filling the input: inference time does not depend
    /// on the input.
    pub(super) fn run_bare(&mut self, plan: &Plan) -> Result<(), EngineError> {
        let network = &mut self.networks[plan.input].network;
        (0..plan.tiles.len()).try_for_each(|_| network.run(&mut |_| (), &mut |_| ()))
    }
}

/// A network and the size of its input.
struct SizedNetwork {
    network: Box<dyn Network>,
    input: Size,
}

impl SizedNetwork {
    /// Runs the network on all tiles of `plan`, which must be a plan for this network.
    fn scan(
        &mut self,
        scaled: Luma<'_>,
        plan: &Plan,
        decoder: &Decoder,
        min_score: f32,
        stages: &mut Stages,
        mut found: impl FnMut(Candidate),
    ) -> Result<(), EngineError> {
        let width = self.input.width as usize;
        for (index, tile) in plan.tiles.iter().enumerate() {
            self.run_tile(scaled, tile, stages, |outputs| {
                decoder.decode(outputs, width, min_score, |head| found(candidate(plan, index, head)));
            })?;
        }
        stages.tiles += plan.tiles.len();
        Ok(())
    }

    /// Runs the network on one tile and passes the outputs to `decode`.
    fn run_tile(
        &mut self,
        scaled: Luma<'_>,
        tile: &Tile,
        stages: &mut Stages,
        mut decode: impl FnMut(&[&[i8]]),
    ) -> Result<(), EngineError> {
        let input = self.input;
        let (started, mut filled, mut ran) = (Instant::now(), Duration::ZERO, Duration::ZERO);
        self.network.run(
            &mut |pixels| {
                fill(scaled, tile, input, pixels);
                filled = started.elapsed();
            },
            &mut |outputs| {
                ran = started.elapsed();
                decode(outputs);
            },
        )?;
        stages.resize += filled;
        stages.heads_network += ran.saturating_sub(filled);
        stages.heads_decode += started.elapsed().saturating_sub(ran);
        Ok(())
    }
}

/// Converts a head from pixels of the tile `index` to pixels of the frame.
fn candidate(plan: &Plan, index: usize, head: Head) -> Candidate {
    let tile = &plan.tiles[index];
    let (bounds, face) = (plan.to_frame(tile, head.bounds), plan.to_frame(tile, head.face));
    Candidate { head: Head { bounds, face, ..head }, cut: tile.cuts(head.bounds), tile: index }
}

/// Writes the pixels of `tile` into the network's input as luma - 128, with padding at the right and bottom.
fn fill(scaled: Luma<'_>, tile: &Tile, input: Size, pixels: &mut [i8]) {
    let (x, width) = (tile.x as usize, tile.size.width as usize);
    for (y, line) in pixels.chunks_exact_mut(input.width as usize).enumerate() {
        let filled = if y < tile.size.height as usize { width } else { 0 };
        if filled > 0 {
            let from = &scaled.line(tile.y as usize + y)[x..x + filled];
            line.iter_mut().zip(from).for_each(|(to, &luma)| *to = (luma ^ 0x80) as i8);
        }
        line[filled..].fill(PADDING);
    }
}

/// Scales `luma` to `size`, half its own size, by averaging blocks of 2 x 2 pixels. An odd last line or
/// column is dropped.
///
/// Faster than the general resizer, which recomputes and allocates weights for all lines and columns.
fn halve<'a>(luma: Luma<'_>, size: Size, half: &'a mut Vec<u8>) -> Luma<'a> {
    let (width, height) = (size.width as usize, size.height as usize);
    half.resize(width * height, 0);
    for (y, line) in half.chunks_exact_mut(width).enumerate() {
        let (upper, lower) = (luma.line(2 * y), luma.line((2 * y + 1).min(luma.height - 1)));
        for ((mean, upper), lower) in line.iter_mut().zip(upper.chunks(2)).zip(lower.chunks(2)) {
            let [a, b] = [upper, lower].map(|pair| u16::from(pair[0]) + u16::from(pair[pair.len() - 1]));
            *mean = ((a + b + 2) / 4) as u8;
        }
    }
    Luma { width, height, stride: width, pixels: half }
}

/// Scales pictures to the size at which they are scanned. Reuses its buffers.
#[derive(Default)]
pub(super) struct Scaler {
    resizer: Resizer,
    scaled: Vec<u8>,
    /// A copy without gaps between lines, for pictures whose last line is shorter than the stride.
    compact: Vec<u8>,
}

impl Scaler {
    /// `luma` scaled to `size`; `luma` itself when it already has this size.
    ///
    /// # Errors
    /// [`VisionError::Resize`].
    pub(super) fn scale<'a>(&'a mut self, luma: Luma<'a>, size: Size) -> Result<Luma<'a>, VisionError> {
        let Luma { width, height, stride, pixels } = luma;
        if (width, height) == (size.width as usize, size.height as usize) {
            return Ok(luma);
        }
        let (pixels, stride) = if pixels.len() >= stride * height {
            (&pixels[..stride * height], stride)
        } else {
            self.compact.clear();
            (0..height).for_each(|y| self.compact.extend_from_slice(luma.line(y)));
            (self.compact.as_slice(), width)
        };
        let failed = |error: &dyn std::fmt::Display| VisionError::Resize(error.to_string());
        // Of the type of the pixels: the untyped calls compile the resizer for all thirteen kinds of pixels into this crate,
        // which took most of its build time.
        let source = TypedImageRef::<U8>::from_buffer(stride as u32, height as u32, pixels)
            .map_err(|error| failed(&error))?;
        self.scaled.resize(size.area(), 0);
        let mut target = TypedImage::<U8>::from_buffer(size.width, size.height, &mut self.scaled)
            .map_err(|error| failed(&error))?;
        // Downscaling is antialiased like the area mean used for the training pictures, but smooth at the
        // fractional factors of real cameras. Upscaling is bilinear, as in training.
        let filter = if size.width as usize > width { FilterType::Bilinear } else { FilterType::Hamming };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(
            0.0,
            0.0,
            width as f64,
            height as f64,
        );
        self.resizer.resize_typed(&source, &mut target, &options).map_err(|error| failed(&error))?;
        Ok(self.last(luma, size))
    }

    /// The last result of [`Scaler::scale`] for `luma`.
    fn last<'a>(&'a self, luma: Luma<'a>, size: Size) -> Luma<'a> {
        let (width, height) = (size.width as usize, size.height as usize);
        if (luma.width, luma.height) == (width, height) {
            return luma;
        }
        Luma { width, height, stride: width, pixels: &self.scaled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_is_copied_and_padded() {
        let pixels: Vec<u8> = (0..12).collect();
        let luma = Luma { width: 3, height: 3, stride: 4, pixels: &pixels[..11] };
        let tile = Tile { x: 1, y: 1, size: Size::new(2, 2), continues: [true, true, false, false] };
        let mut input = vec![0i8; 4 * 3];
        fill(luma, &tile, Size::new(4, 3), &mut input);
        let luma: Vec<i32> = input.iter().map(|&q| i32::from(q) + 128).collect();
        assert_eq!(luma, [5, 6, 114, 114, 9, 10, 114, 114, 114, 114, 114, 114]);
    }

    #[test]
    fn halving_averages_four_pixels() {
        let pixels = [10, 20, 99, 7, 30, 40, 99, 7, 0, 0, 0, 7];
        let luma = Luma { width: 3, height: 3, stride: 4, pixels: &pixels };
        let mut half = vec![1; 9];
        let halved = halve(luma, Size::new(1, 1), &mut half);
        assert_eq!((halved.width, halved.height, halved.pixels), (1, 1, &[25u8][..]));
        // A picture of one pixel cannot be halved.
        let halved = halve(Luma { width: 1, height: 1, stride: 1, pixels: &[9] }, Size::new(1, 1), &mut half);
        assert_eq!(halved.pixels, [9]);
    }

    #[test]
    fn scaling_respects_the_stride_and_a_short_last_line() {
        // Six columns that alternate between 10 and 90, then two bytes outside the picture.
        let mut pixels = [[10u8, 90, 10, 90, 10, 90, 255, 255]; 4].concat();
        let mut scaler = Scaler::default();
        for cut in [0, 2] {
            pixels.truncate(32 - cut);
            let luma = Luma { width: 6, height: 4, stride: 8, pixels: &pixels };
            let scaled = scaler.scale(luma, Size::new(3, 2)).unwrap();
            assert_eq!((scaled.width, scaled.height, scaled.stride), (3, 2, 3));
            assert!(scaled.pixels.iter().all(|pixel| (40..=60).contains(pixel)), "{:?}", scaled.pixels);
        }
    }
}
