//! Finding heads in a picture: `Luma ──▶ tiles ──▶ networks ──▶ one list of heads`.
//!
//! The picture is searched at one resolution, the configured one, because resolution decides what is found.
//! Buffers and the plan of tiles are kept from frame to frame.

use std::path::Path;
use std::time::{Duration, Instant};

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::engine::{Engine, EngineError, Network};
use super::heads::{Candidate, Decoder, Head, merge};
use super::luma::Luma;
use super::model_card::{CardError, ModelCard, Task, Thresholds};
use super::tiles::{self, MIN_OVERLAP, Plan, Tile};
use super::{PixelBox, Stages, VisionError};
use crate::camera::Size;
use crate::config::{self, Zone, zone::admits};

/// What the network saw around its pictures when it was trained, as luma - 128.
const PADDING: i8 = (114u8 ^ 0x80) as i8;
/// More places that might be heads are not told.
const MOST_DOUBTFUL: usize = 1024;

/// Finds heads.
pub struct Detector {
    networks: Vec<SizedNetwork>,
    /// Their input sizes, of which [`tiles::plan`] takes one.
    inputs: Vec<Size>,
    decoder: Decoder,
    thresholds: Thresholds,
    detection_width: u32,
    /// Parts of the picture in which heads do not count, or in which alone they do.
    zones: Vec<Zone>,
    /// The plan for the last frame's size.
    plan: Option<Plan>,
    scaler: Scaler,
    candidates: Vec<Candidate>,
    heads: Vec<Head>,
    /// From which score on places are told that might be heads; none where nobody asks.
    doubtful_from: Option<f32>,
    doubtful: Vec<PixelBox>,
    /// Heads that do not count where they are.
    outside: Vec<Head>,
}

/// Everything that was found in a picture, also what does not count.
pub(super) struct Found<'a> {
    /// Heads that count.
    counted: &'a [Head],
    /// Heads that do not count where they are.
    outside: &'a [Head],
    /// What might be heads.
    pub(super) doubtful: &'a [PixelBox],
    /// From which face score on a head shows its face.
    pub(super) face_score: f32,
}

impl Found<'_> {
    /// Every head, in whatever zone.
    pub(super) fn heads(&self) -> impl Iterator<Item = &Head> {
        self.counted.iter().chain(self.outside)
    }
}

impl Detector {
    /// Makes every network of the card at `card` ready to run, so that a missing file shows at the start
    /// and not with the first picture that needs it.
    ///
    /// # Errors
    /// When the card, one of its files or the engine is not what it must be.
    pub fn new(
        card: &Path,
        engine: &dyn Engine,
        threads: u32,
        config: &config::Vision,
        zones: &[Zone],
    ) -> Result<Self, VisionError> {
        let malformed = |reason: String| CardError::Malformed { path: card.to_owned(), reason };
        let directory = card.parent().unwrap_or(Path::new(""));
        let contents = ModelCard::read(card, Task::Heads)?;
        let mut thresholds = contents.thresholds.ok_or_else(|| malformed("no [thresholds]".into()))?;
        thresholds.head_score = config.head_score.map_or(thresholds.head_score, |score| score as f32);
        thresholds.face_score = config.face_score.map_or(thresholds.face_score, |score| score as f32);
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
        Ok(Self {
            networks,
            inputs,
            decoder: Decoder::new(&contents).map_err(malformed)?,
            thresholds,
            detection_width: config.detection_width,
            zones: zones.to_vec(),
            plan: None,
            scaler: Scaler::default(),
            candidates: Vec::new(),
            heads: Vec::new(),
            doubtful_from: None,
            doubtful: Vec::new(),
            outside: Vec::new(),
        })
    }

    /// Heads count in other parts of the picture from now on.
    pub fn set_zones(&mut self, zones: &[Zone]) {
        if self.zones != zones {
            self.zones = zones.to_vec();
        }
    }

    /// From which face score on a head shows its face.
    pub fn face_threshold(&self) -> f32 {
        self.thresholds.face_score
    }

    /// From the next picture on also tells places that might be heads, from this score on.
    pub(super) fn look_closely(&mut self, doubtful_from: Option<f32>) {
        self.doubtful_from = doubtful_from;
    }

    /// Everything that was found in the last picture.
    pub(super) fn found(&self) -> Found<'_> {
        Found {
            counted: &self.heads,
            outside: &self.outside,
            doubtful: &self.doubtful,
            face_score: self.thresholds.face_score,
        }
    }

    /// Finds the heads in `luma` that count in their zones; boxes are in its pixels.
    ///
    /// # Errors
    /// [`VisionError::Engine`] when a run fails.
    pub fn find(&mut self, luma: Luma<'_>, stages: &mut Stages) -> Result<&[Head], VisionError> {
        let frame = Size::new(luma.width as u32, luma.height as u32);
        let plan = match self.plan.take().filter(|plan| plan.frame == frame) {
            Some(plan) => plan,
            None => tiles::plan(frame, &self.inputs, self.detection_width)
                .ok_or(VisionError::Unsearchable(frame))?,
        };
        let started = Instant::now();
        let scaled = self.scaler.scale(luma, plan.scaled)?;
        stages.resize += started.elapsed();

        self.candidates.clear();
        self.doubtful.clear();
        let network = &mut self.networks[plan.input];
        let (width, threshold) = (network.input.width as usize, self.thresholds.head_score);
        let least = self.doubtful_from.map_or(threshold, |score| score.min(threshold));
        for (index, tile) in plan.tiles.iter().enumerate() {
            let (candidates, doubtful, decoder) = (&mut self.candidates, &mut self.doubtful, &self.decoder);
            network.search(scaled, tile, stages, |outputs| {
                decoder.decode(outputs, width, least, |head| {
                    let candidate = place(&plan, index, head);
                    if head.score >= threshold {
                        candidates.push(candidate);
                    } else if doubtful.len() < MOST_DOUBTFUL {
                        doubtful.push(candidate.head.bounds);
                    }
                });
            })?;
        }
        stages.tiles = plan.tiles.len();

        let started = Instant::now();
        merge(&mut self.candidates, self.thresholds.nms_iou);
        self.heads.clear();
        self.outside.clear();
        let counts = |head: &Head| {
            let (x, y) = head.bounds.centre();
            admits(&self.zones, [f64::from(x) / luma.width as f64, f64::from(y) / luma.height as f64])
        };
        for head in self.candidates.iter().map(|candidate| candidate.head) {
            if counts(&head) { self.heads.push(head) } else { self.outside.push(head) }
        }
        stages.heads_decode += started.elapsed();
        self.plan = Some(plan);
        Ok(&self.heads)
    }

    /// Runs the network that searched the last picture once more, with the input that it still has or none:
    /// its bare time is the same for every input.
    ///
    /// # Errors
    /// [`VisionError::Engine`] when the run fails.
    pub fn run_bare(&mut self) -> Result<(), VisionError> {
        let last = self.plan.as_ref().map_or(0, |plan| plan.input);
        Ok(self.networks[last].network.run(&mut |_| (), &mut |_| ())?)
    }
}

/// A network and the size of its input.
struct SizedNetwork {
    network: Box<dyn Network>,
    input: Size,
}

impl SizedNetwork {
    /// Runs over what `tile` covers and has `decode` read the outputs.
    fn search(
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

/// A head found in a tile, in pixels of the frame.
fn place(plan: &Plan, index: usize, head: Head) -> Candidate {
    let tile = &plan.tiles[index];
    let (bounds, face) = (plan.to_frame(tile, head.bounds), plan.to_frame(tile, head.face));
    Candidate { head: Head { bounds, face, ..head }, cut: tile.cuts(head.bounds), tile: index }
}

/// Writes what `tile` covers into the network's input, as luma - 128, and padding around it.
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

/// Brings pictures to the size at which they are searched; its buffers are used again.
#[derive(Default)]
pub(super) struct Scaler {
    resizer: Resizer,
    scaled: Vec<u8>,
    /// Lines without gaps, for a view that ends before its last stride does.
    compact: Vec<u8>,
}

impl Scaler {
    /// `luma` at `size`: the very same view when it is its own.
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
        let source = ImageRef::new(stride as u32, height as u32, pixels, PixelType::U8)
            .map_err(|error| failed(&error))?;
        self.scaled.resize(size.area(), 0);
        let mut target = Image::from_slice_u8(size.width, size.height, &mut self.scaled, PixelType::U8)
            .map_err(|error| failed(&error))?;
        // Downwards antialiased like the area mean that the training pictures were scaled with, but smooth at
        // the fractional factors of real cameras; upwards bilinear, like theirs.
        let filter = if size.width as usize > width { FilterType::Bilinear } else { FilterType::Hamming };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(
            0.0,
            0.0,
            width as f64,
            height as f64,
        );
        self.resizer.resize(&source, &mut target, &options).map_err(|error| failed(&error))?;
        let (width, height) = (size.width as usize, size.height as usize);
        Ok(Luma { width, height, stride: width, pixels: &self.scaled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_picture_is_padded_and_a_tile_is_a_part() {
        let pixels: Vec<u8> = (0..12).collect();
        let luma = Luma { width: 3, height: 3, stride: 4, pixels: &pixels[..11] };
        let tile = Tile { x: 1, y: 1, size: Size::new(2, 2), goes_on: [true, true, false, false] };
        let mut input = vec![0i8; 4 * 3];
        fill(luma, &tile, Size::new(4, 3), &mut input);
        let luma: Vec<i32> = input.iter().map(|&q| i32::from(q) + 128).collect();
        assert_eq!(luma, [5, 6, 114, 114, 9, 10, 114, 114, 114, 114, 114, 114]);
    }

    #[test]
    fn scaling_minds_the_stride_and_a_short_last_line() {
        // Six columns of 10 and 90 in turns, then two bytes that are no pixels.
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
