//! Finding heads in a picture: `Luma ──search──▶ candidates ──one a head──▶ second look ──▶ zones ──▶ heads`.
//!
//! The picture is searched at the configured resolution, because resolution decides what is found; what is
//! large there must be seen at half of it, too. Buffers and plans are kept from frame to frame.

use std::path::Path;
use std::time::Instant;

use super::engine::Engine;
use super::heads::{Candidate, Head, merge};
use super::luma::Luma;
use super::model_card::{CardError, ModelCard, Task, Thresholds};
use super::search::Search;
use super::tiles::{self, Plan};
use super::{PixelBox, Stages, VisionError, figures, second_look};
use crate::camera::Size;
use crate::config::{self, CameraView, Zone, zone::admits};

/// More places that might be heads are not told.
const MOST_DOUBTFUL: usize = 1024;
/// Of a second look no more cells are compared: several a head, for the largest class.
const MOST_AGAIN: usize = 4096;

/// Finds heads.
pub struct Detector {
    search: Search,
    thresholds: Thresholds,
    detection_width: u32,
    /// Parts of the picture in which heads do not count, or in which alone they do.
    zones: Vec<Zone>,
    /// Whether large heads must be seen at half the size, too.
    looks_again: bool,
    /// Whether heads that are much smaller than all others count.
    count_figures: bool,
    /// How pictures of the last frame's size are searched.
    ways: Option<Ways>,
    candidates: Vec<Candidate>,
    /// What the second look found.
    again: Vec<Candidate>,
    heads: Vec<Head>,
    /// From which score on places are told that might be heads; none where nobody asks.
    doubtful_from: Option<f32>,
    doubtful: Vec<PixelBox>,
    /// Heads that do not count: where they are, or as figures.
    outside: Vec<Head>,
}

/// How pictures of one size are searched.
struct Ways {
    first: Plan,
    /// At half the size; none where that is not wanted, or no network could.
    second: Option<Plan>,
    /// Whether the last picture was looked at again.
    looked_again: bool,
}

/// Everything that was found in a picture, also what does not count.
pub(super) struct Found<'a> {
    /// Heads that count.
    counted: &'a [Head],
    /// Heads that do not count: where they are, or as figures.
    outside: &'a [Head],
    /// What might be heads.
    pub(super) doubtful: &'a [PixelBox],
    /// From which face score on a head shows its face.
    pub(super) face_score: f32,
}

impl Found<'_> {
    /// Every head, whether it counts or not.
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
        scene: CameraView,
    ) -> Result<Self, VisionError> {
        let malformed = |reason: String| CardError::Malformed { path: card.to_owned(), reason };
        let contents = ModelCard::read(card, Task::Heads)?;
        let mut thresholds = contents.thresholds.ok_or_else(|| malformed("no [thresholds]".into()))?;
        thresholds.head_score = config.head_score.map_or(thresholds.head_score, |score| score as f32);
        thresholds.face_score = config.face_score.map_or(thresholds.face_score, |score| score as f32);
        Ok(Self {
            search: Search::new(card, &contents, engine, threads)?,
            thresholds,
            detection_width: config.detection_width,
            zones: zones.to_vec(),
            // A tile is a picture of its own: nothing around it tells what is in it, nor how large a head may be.
            looks_again: scene == CameraView::Room,
            count_figures: config.count_figures || scene == CameraView::Gallery,
            ways: None,
            candidates: Vec::new(),
            again: Vec::new(),
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
        let mut ways = match self.ways.take().filter(|ways| ways.first.frame == frame) {
            Some(ways) => ways,
            None => self.ways(frame)?,
        };
        let threshold = self.thresholds.head_score;
        let least = self.doubtful_from.map_or(threshold, |score| score.min(threshold));
        self.candidates.clear();
        self.doubtful.clear();
        let (candidates, doubtful) = (&mut self.candidates, &mut self.doubtful);
        self.search.over(luma, &ways.first, least, stages, |candidate| {
            if candidate.head.score >= threshold {
                candidates.push(candidate);
            } else {
                doubt(doubtful, candidate.head.bounds);
            }
        })?;
        let started = Instant::now();
        merge(&mut self.candidates, self.thresholds.nms_iou);
        stages.heads_decode += started.elapsed();
        ways.looked_again = self.look_again(luma, &ways, stages)?;

        let started = Instant::now();
        self.heads.clear();
        self.outside.clear();
        let counts = |head: &Head| {
            let (x, y) = head.bounds.centre();
            admits(&self.zones, [f64::from(x) / luma.width as f64, f64::from(y) / luma.height as f64])
        };
        for head in self.candidates.iter().map(|candidate| candidate.head) {
            if counts(&head) { self.heads.push(head) } else { self.outside.push(head) }
        }
        if !self.count_figures {
            figures::tell_apart(&mut self.heads, &mut self.outside);
        }
        stages.heads_decode += started.elapsed();
        self.ways = Some(ways);
        Ok(&self.heads)
    }

    fn ways(&self, frame: Size) -> Result<Ways, VisionError> {
        let inputs = self.search.inputs();
        let first =
            tiles::plan(frame, inputs, self.detection_width).ok_or(VisionError::Unsearchable(frame))?;
        let second = self.looks_again.then(|| tiles::plan_half(&first, inputs)).flatten();
        Ok(Ways { first, second, looked_again: false })
    }

    /// Where there are large heads, lowers the scores of those that are not found at half the size, and drops
    /// those that do not reach the threshold any more. Whether it was looked.
    fn look_again(&mut self, luma: Luma<'_>, ways: &Ways, stages: &mut Stages) -> Result<bool, VisionError> {
        let is_large = |candidate: &Candidate| second_look::is_large(candidate.head.bounds, &ways.first);
        let Some(second) = ways.second.as_ref().filter(|_| self.candidates.iter().any(is_large)) else {
            return Ok(false);
        };
        self.again.clear();
        let again = &mut self.again;
        self.search.over_half(
            luma,
            (&ways.first, second),
            second_look::LEAST_SCORE,
            stages,
            |candidate| {
                if again.len() < MOST_AGAIN {
                    again.push(candidate);
                }
            },
        )?;
        let started = Instant::now();
        let (threshold, doubtful) = (self.thresholds.head_score, &mut self.doubtful);
        self.candidates.retain_mut(|candidate| {
            if is_large(candidate) {
                candidate.head.score = second_look::score(&candidate.head, &self.again);
            }
            let stays = candidate.head.score >= threshold;
            if !stays && self.doubtful_from.is_some() {
                doubt(doubtful, candidate.head.bounds);
            }
            stays
        });
        stages.heads_decode += started.elapsed();
        Ok(true)
    }

    /// Runs the networks as for the last picture once more, with the inputs that they still have or none.
    ///
    /// # Errors
    /// [`VisionError::Engine`] when a run fails.
    pub fn run_bare(&mut self) -> Result<(), VisionError> {
        let Some(ways) = &self.ways else { return Ok(()) };
        self.search.run_bare(&ways.first)?;
        if let Some(second) = ways.second.as_ref().filter(|_| ways.looked_again) {
            self.search.run_bare(second)?;
        }
        Ok(())
    }
}

/// Remembers a place that might be a head.
fn doubt(doubtful: &mut Vec<PixelBox>, bounds: PixelBox) {
    if doubtful.len() < MOST_DOUBTFUL {
        doubtful.push(bounds);
    }
}
