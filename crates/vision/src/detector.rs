//! Head detection: `Luma ──search──▶ candidates ──NMS──▶ verification pass ──▶ zones ──▶ scale outliers ──▶ heads`.
//!
//! The picture is searched at the configured resolution, because resolution determines which heads are found.
//! Large heads must also be found at half of that resolution. Buffers and plans are reused between frames.

use std::path::Path;
use std::time::Instant;

use super::engine::Engine;
use super::heads::{Candidate, Head, merge};
use super::luma::Luma;
use super::model_card::{CardError, ModelCard, Task, Thresholds};
use super::search::Search;
use super::tiles::{self, Plan};
use super::{Stages, VisionError, scale_outliers, verification};
use moodring_camera::PixelBox;
use moodring_camera::Size;
use moodring_config as config;
use moodring_config::{CameraView, Zone, zone::admits};

/// Maximum number of doubtful boxes per picture.
const MAX_DOUBTFUL: usize = 1024;
/// Maximum number of candidates of the verification pass: several per head in the largest class.
const MAX_RESCORED: usize = 4096;

/// Detects heads.
pub struct Detector {
    search: Search,
    thresholds: Thresholds,
    detection_width: u32,
    /// Zones that include or exclude heads by the centre of their box.
    zones: Vec<Zone>,
    /// Whether large heads must pass the verification pass.
    verifies: bool,
    /// Whether scale outliers count (`vision.count_figures`).
    count_figures: bool,
    /// Plan for pictures of the last frame's size.
    scan_plan: Option<ScanPlan>,
    candidates: Vec<Candidate>,
    /// Candidates of the verification pass.
    rescored: Vec<Candidate>,
    heads: Vec<Head>,
    /// Minimum score of doubtful boxes; none when they are not requested.
    doubtful_from: Option<f32>,
    doubtful: Vec<PixelBox>,
    /// Heads that do not count, because of a zone or as scale outliers.
    excluded: Vec<Head>,
}

/// How pictures of one size are searched.
struct ScanPlan {
    first: Plan,
    /// Verification pass at half the size; none where it is off or no network fits.
    second: Option<Plan>,
    /// Whether the verification pass ran for the last picture.
    verified: bool,
}

/// All detections of a picture, including heads that do not count.
pub(super) struct Detections<'a> {
    /// Heads that count.
    counted: &'a [Head],
    /// Heads that do not count, because of a zone or as scale outliers.
    excluded: &'a [Head],
    /// Boxes below the head threshold that might be heads.
    pub(super) doubtful: &'a [PixelBox],
    /// Face threshold, 0..=1.
    pub(super) face_score: f32,
}

impl Detections<'_> {
    /// All heads, whether they count or not.
    pub(super) fn heads(&self) -> impl Iterator<Item = &Head> {
        self.counted.iter().chain(self.excluded)
    }
}

impl Detector {
    /// Loads all networks of the card at `card`, so that a missing file is reported at start-up and not with
    /// the first picture that needs it.
    ///
    /// # Errors
    /// When the card, one of its files or the engine is missing or wrong.
    pub fn new(
        card: &Path,
        engine: &dyn Engine,
        threads: u32,
        config: &config::Vision,
        zones: &[Zone],
        view: CameraView,
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
            // Each gallery tile is a picture of its own: its surroundings say nothing about its content or
            // about plausible head sizes.
            verifies: view == CameraView::Room,
            count_figures: config.count_figures || view == CameraView::Gallery,
            scan_plan: None,
            candidates: Vec::new(),
            rescored: Vec::new(),
            heads: Vec::new(),
            doubtful_from: None,
            doubtful: Vec::new(),
            excluded: Vec::new(),
        })
    }

    /// Replaces the zones that decide where heads count, from the next picture on.
    pub fn set_zones(&mut self, zones: &[Zone]) {
        if self.zones != zones {
            self.zones = zones.to_vec();
        }
    }

    /// Minimum face score of a visible face, 0..=1.
    pub fn face_threshold(&self) -> f32 {
        self.thresholds.face_score
    }

    /// From the next picture on, also collects doubtful boxes of at least this head score; `None` turns it off.
    pub(super) fn report_doubtful(&mut self, doubtful_from: Option<f32>) {
        self.doubtful_from = doubtful_from;
    }

    /// All detections of the last picture.
    pub(super) fn detections(&self) -> Detections<'_> {
        Detections {
            counted: &self.heads,
            excluded: &self.excluded,
            doubtful: &self.doubtful,
            face_score: self.thresholds.face_score,
        }
    }

    /// Detects the heads in `luma` that count; boxes are in pixels of `luma`.
    ///
    /// # Errors
    /// [`VisionError::Unsearchable`] when no network fits the picture, [`VisionError::Resize`] when it cannot
    /// be scaled, [`VisionError::Engine`] when a run fails.
    pub fn find(&mut self, luma: Luma<'_>, stages: &mut Stages) -> Result<&[Head], VisionError> {
        let frame = Size::new(luma.width as u32, luma.height as u32);
        let mut scan_plan = match self.scan_plan.take().filter(|plan| plan.first.frame == frame) {
            Some(plan) => plan,
            None => self.plan(frame)?,
        };
        let threshold = self.thresholds.head_score;
        let min_score = self.doubtful_from.map_or(threshold, |score| score.min(threshold));
        self.candidates.clear();
        self.doubtful.clear();
        let (candidates, doubtful) = (&mut self.candidates, &mut self.doubtful);
        self.search.scan(luma, &scan_plan.first, min_score, stages, |candidate| {
            if candidate.head.score >= threshold {
                candidates.push(candidate);
            } else {
                push_doubtful(doubtful, candidate.head.bounds);
            }
        })?;
        let started = Instant::now();
        merge(&mut self.candidates, self.thresholds.nms_iou);
        stages.heads_decode += started.elapsed();
        scan_plan.verified = self.verify(luma, &scan_plan, stages)?;

        let started = Instant::now();
        self.heads.clear();
        self.excluded.clear();
        let counts = |head: &Head| {
            let (x, y) = head.bounds.centre();
            admits(&self.zones, [f64::from(x) / luma.width as f64, f64::from(y) / luma.height as f64])
        };
        for head in self.candidates.iter().map(|candidate| candidate.head) {
            if counts(&head) { self.heads.push(head) } else { self.excluded.push(head) }
        }
        if !self.count_figures {
            scale_outliers::split_off(&mut self.heads, &mut self.excluded);
        }
        stages.heads_decode += started.elapsed();
        self.scan_plan = Some(scan_plan);
        Ok(&self.heads)
    }

    fn plan(&self, frame: Size) -> Result<ScanPlan, VisionError> {
        let inputs = self.search.inputs();
        let first =
            tiles::plan(frame, inputs, self.detection_width).ok_or(VisionError::Unsearchable(frame))?;
        let second = self.verifies.then(|| tiles::plan_half(&first, inputs)).flatten();
        Ok(ScanPlan { first, second, verified: false })
    }

    /// The verification pass: lowers the scores of large heads that are not found at half the size, and
    /// removes those below the threshold. Does not run without large heads; returns whether it ran.
    fn verify(&mut self, luma: Luma<'_>, plan: &ScanPlan, stages: &mut Stages) -> Result<bool, VisionError> {
        let is_large = |candidate: &Candidate| verification::is_large(candidate.head.bounds, &plan.first);
        let Some(second) = plan.second.as_ref().filter(|_| self.candidates.iter().any(is_large)) else {
            return Ok(false);
        };
        self.rescored.clear();
        let rescored = &mut self.rescored;
        self.search.scan_half(luma, (&plan.first, second), verification::MIN_SCORE, stages, |candidate| {
            if rescored.len() < MAX_RESCORED {
                rescored.push(candidate);
            }
        })?;
        let started = Instant::now();
        let (threshold, doubtful) = (self.thresholds.head_score, &mut self.doubtful);
        self.candidates.retain_mut(|candidate| {
            if is_large(candidate) {
                candidate.head.score = verification::score(&candidate.head, &self.rescored);
            }
            let remains = candidate.head.score >= threshold;
            if !remains && self.doubtful_from.is_some() {
                push_doubtful(doubtful, candidate.head.bounds);
            }
            remains
        });
        stages.heads_decode += started.elapsed();
        Ok(true)
    }

    /// Erases all pictures and everything computed from them.
    ///
    /// # Errors
    /// [`VisionError::Engine`] when a network fails.
    pub(super) fn wipe(&mut self) -> Result<(), VisionError> {
        for candidates in [&mut self.candidates, &mut self.rescored] {
            *candidates = Vec::new();
        }
        for heads in [&mut self.heads, &mut self.excluded] {
            *heads = Vec::new();
        }
        self.doubtful = Vec::new();
        Ok(self.search.wipe()?)
    }

    /// Repeats the network runs of the last picture with unchanged inputs, to measure inference alone. Does
    /// nothing before the first picture.
    ///
    /// # Errors
    /// [`VisionError::Engine`] when a run fails.
    pub fn run_bare(&mut self) -> Result<(), VisionError> {
        let Some(plan) = &self.scan_plan else { return Ok(()) };
        self.search.run_bare(&plan.first)?;
        if let Some(second) = plan.second.as_ref().filter(|_| plan.verified) {
            self.search.run_bare(second)?;
        }
        Ok(())
    }
}

/// Adds a box that might be a head, up to [`MAX_DOUBTFUL`].
fn push_doubtful(doubtful: &mut Vec<PixelBox>, bounds: PixelBox) {
    if doubtful.len() < MAX_DOUBTFUL {
        doubtful.push(bounds);
    }
}
