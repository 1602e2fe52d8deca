//! One vision cycle from [`Frame`] to [`Observation`], and the analysis of a still picture.
//!
//! Head detection always runs to its end. Face reading stops when its time budget is spent; the next cycle
//! continues with the most uncertain seats. A slow device therefore gets slower, but does not hang.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::changes::Changes;
use super::cycle::{Stages, VisionError};
use super::delegate::{self, Delegation};
use super::detector::Detector;
use super::expression::FaceView;
use super::heads::Head;
use super::luma::{Luma, LumaDecoder};
use super::model_card::Cards;
use super::preview::{DOUBTFUL_SCORE, PreviewRenderer};
use super::readability::{Readability, ReadabilityLimits};
use super::readers::{Cut, Readers};
use super::seats::{self, Seats};
use super::{Expressions, Face, Observation, Person, Reading, SeatId};
use moodring_camera::Frame;
use moodring_config::{CameraView, Config, Zone};
use moodring_runtime::CameraPreview;

/// Result of a still picture, with all readable faces read.
#[derive(Debug, Clone, PartialEq)]
pub struct StillResult {
    /// All people. Seats are numbered from 0 and have no meaning.
    pub observation: Observation,
    /// Face score of each person, 0..=1, also where it is below the face threshold.
    pub face_scores: Vec<f32>,
}

/// The vision pipeline: detector, seats and expression readers.
pub struct Vision {
    luma: LumaDecoder,
    detector: Detector,
    /// `None` unless `mood.mode` is `mood`.
    readers: Option<Readers>,
    seats: Seats,
    /// Detects tiles that show another person after a rearrangement; only for `CameraView::Gallery`.
    changes: Option<Changes>,
    limits: ReadabilityLimits,
    delegation: Arc<Delegation>,
    reading_budget: Duration,
    /// Seat index of each head of the current frame.
    seat_indices: Vec<usize>,
    /// One for each head, in the same order.
    assessments: Vec<Assessment>,
    /// Indices of the heads to read, most uncertain first.
    queue: Vec<usize>,
    faces: Vec<(Cut, FaceView)>,
    stages: Stages,
    preview: PreviewRenderer,
}

impl Vision {
    /// Loads the engine and the configured networks. The expression network is loaded only if `mood.mode` is `mood`.
    ///
    /// # Errors
    /// When the engine, a model card or a model file is missing or wrong; the message says how to fix it.
    pub fn new(config: &Config) -> Result<Self, VisionError> {
        let (cards, threads) = (Cards::of(config), config.engine.threads);
        let (engine, delegation) = delegate::engine(config)?;
        let reader = |expression: &PathBuf| Readers::new(expression, &*engine, threads);
        let readers = cards.expression.as_ref().map(reader).transpose()?;
        let view = config.camera.view;
        let detector = Detector::new(&cards.heads, &*engine, threads, &config.vision, &config.zone, view)?;
        delegation.log_ready();
        // No face reaches a score of 1: where facing is not published, everybody is a head without a face.
        let face_score = if config.publishes_facing() { detector.face_threshold() } else { 1.0 };
        let prior = readers.as_ref().map_or(Expressions::UNKNOWN, Readers::prior);
        let crop_scale = readers.as_ref().map_or(1.0, Readers::crop_scale);
        let seats = Seats::new(&config.seats, face_score, prior);
        let (seats, changes) = match view {
            CameraView::Room => (seats, None),
            CameraView::Gallery => (seats.for_gallery(), Some(Changes::default())),
        };
        Ok(Self {
            luma: LumaDecoder::default(),
            seats,
            changes,
            limits: ReadabilityLimits { face_score, crop_scale, readability: config.readability.clone() },
            detector,
            readers,
            delegation,
            reading_budget: Duration::try_from_secs_f64(config.vision.reading_budget_s).unwrap_or_default(),
            seat_indices: Vec::new(),
            assessments: Vec::new(),
            queue: Vec::new(),
            faces: Vec::new(),
            stages: Stages::default(),
            preview: PreviewRenderer::default(),
        })
    }

    /// Also renders images for `preview` while it requests them.
    #[must_use]
    pub fn with_preview(self, preview: CameraPreview) -> Self {
        Self { preview: PreviewRenderer::new(preview), ..self }
    }

    /// Processes the next camera frame: detects heads, tracks them, assesses which faces are readable, and
    /// reads those, the most uncertain seats first. Reads at least one face, then stops when the reading
    /// budget is spent.
    ///
    /// # Errors
    /// [`VisionError::Luma`] for a broken frame, [`VisionError::Engine`] when a network fails.
    pub fn observe(&mut self, frame: &Frame) -> Result<Observation, VisionError> {
        let (started, now) = (Instant::now(), frame.captured_at);
        let mut stages = Stages::default();
        let luma = self.luma.decode(frame)?;
        stages.luma = started.elapsed();
        let renders_preview = self.preview.wants_image(started);
        self.detector.report_doubtful(renders_preview.then_some(DOUBTFUL_SCORE));
        let heads = self.detector.find(luma, &mut stages)?;

        let tracking = Instant::now();
        if let Some(changes) = &mut self.changes {
            changes.update(luma);
            self.seats.release(|bounds| changes.shows_another(bounds));
        }
        self.seats.follow(heads, now, &mut self.seat_indices);
        stages.seats = tracking.elapsed();

        assess(&self.limits, luma, heads, self.readers.as_mut(), &mut self.assessments, &mut stages);
        for (&seat, assessment) in self.seat_indices.iter().zip(&self.assessments) {
            self.seats.set_readability(seat, assessment.readability);
        }
        queue_readable(&self.assessments, &mut self.queue);
        if let Some(readers) = &mut self.readers {
            self.seats.sort_by_need(&self.seat_indices, &mut self.queue, now);
            self.faces.clear();
            self.faces.extend(self.queue.iter().filter_map(|&index| {
                Some((self.assessments[index].cut?, self.seats.next_view(self.seat_indices[index])))
            }));
            let (seats, seat_indices, queue) = (&mut self.seats, &self.seat_indices, &self.queue);
            let assessments = &self.assessments;
            let time = readers.read(&self.faces, self.reading_budget, |index, expressions| {
                let head = queue[index];
                seats.read(seat_indices[head], expressions, assessments[head].weight, now);
                stages.faces_read += 1;
            })?;
            stages.crop += time.crop;
            stages.expression_network = time.network;
        }
        let observation = Observation { captured_at: now, people: self.seats.people(now) };
        if renders_preview {
            self.preview.show(luma, &self.detector.detections(), &observation.people, Instant::now());
        }
        stages.total = started.elapsed();
        self.stages = stages;
        Ok(observation)
    }

    /// Deletes all seats, as a pause requires.
    pub fn forget(&mut self) {
        self.seats.forget();
    }

    /// Erases all pictures and everything computed from them, except the seats. The next frame allocates new buffers.
    ///
    /// # Errors
    /// [`VisionError::Engine`] when a network fails.
    pub fn wipe(&mut self) -> Result<(), VisionError> {
        self.luma = LumaDecoder::default();
        self.changes = self.changes.as_ref().map(|_| Changes::default());
        (self.assessments, self.faces) = (Vec::new(), Vec::new());
        self.detector.wipe()?;
        Ok(self.readers.as_mut().map_or(Ok(()), Readers::wipe)?)
    }

    /// Replaces the zones that decide where heads count, from the next frame on.
    pub fn set_zones(&mut self, zones: &[Zone]) {
        self.detector.set_zones(zones);
    }

    /// Analyzes a still picture: reads all readable faces without a budget and does not touch the seats.
    ///
    /// # Errors
    /// As [`Vision::observe`].
    pub fn analyze_still(&mut self, frame: &Frame) -> Result<StillResult, VisionError> {
        let started = Instant::now();
        let mut stages = Stages::default();
        let luma = self.luma.decode(frame)?;
        stages.luma = started.elapsed();
        let heads = self.detector.find(luma, &mut stages)?;
        assess(&self.limits, luma, heads, self.readers.as_mut(), &mut self.assessments, &mut stages);
        let as_person = |(index, (head, assessment)): (usize, (&Head, &Assessment))| {
            person(head, SeatId(index as u32), assessment.readability, self.limits.face_score)
        };
        let mut people: Vec<Person> =
            heads.iter().zip(&self.assessments).enumerate().map(as_person).collect();
        queue_readable(&self.assessments, &mut self.queue);
        if let Some(readers) = &mut self.readers {
            self.faces.clear();
            let cuts = self.queue.iter().filter_map(|&index| self.assessments[index].cut);
            self.faces.extend(cuts.map(|cut| (cut, FaceView::AsSeen)));
            let queue = &self.queue;
            let time = readers.read(&self.faces, Duration::MAX, |index, expressions| {
                let person = &mut people[queue[index]];
                person.reading = Some(Reading { expressions, read_at: frame.captured_at });
                person.belief = Some(expressions);
                stages.faces_read += 1;
            })?;
            stages.crop += time.crop;
            stages.expression_network = time.network;
        }
        let face_scores = heads.iter().map(|head| head.face_score).collect();
        stages.total = started.elapsed();
        self.stages = stages;
        let observation = Observation { captured_at: frame.captured_at, people };
        Ok(StillResult { observation, face_scores })
    }

    /// Reads the expression of a picture that is a single cropped face.
    ///
    /// # Errors
    /// [`VisionError::Occupancy`] without the expression network; otherwise as [`Vision::observe`].
    pub fn read_face(&mut self, frame: &Frame) -> Result<Expressions, VisionError> {
        let readers = self.readers.as_mut().ok_or(VisionError::Occupancy)?;
        let luma = self.luma.decode(frame)?;
        Ok(readers.read_whole(luma)?)
    }

    /// Inference time of a cycle without pre- and postprocessing: the median over `repeats` measurements of
    /// the detector runs of the last picture plus `faces` runs of the expression network.
    ///
    /// # Errors
    /// [`VisionError::Engine`] when a run fails.
    pub fn bare_networks(&mut self, faces: usize, repeats: usize) -> Result<Duration, VisionError> {
        let mut times = Vec::with_capacity(repeats.max(1));
        for _ in 0..repeats.max(1) {
            let started = Instant::now();
            self.detector.run_bare()?;
            if let Some(readers) = &mut self.readers {
                readers.run_bare(faces)?;
            }
            times.push(started.elapsed());
        }
        times.sort_unstable();
        Ok(times[times.len() / 2])
    }

    /// State of the delegate that runs the networks.
    pub fn delegation(&self) -> &Delegation {
        &self.delegation
    }

    /// Durations and counts of the last successful cycle or still picture.
    pub fn stages(&self) -> Stages {
        self.stages
    }
}

/// Readability of a face, determined before it is read.
#[derive(Debug, Clone, Copy)]
struct Assessment {
    readability: Readability,
    /// Evidence weight of a reading, 0..=1.
    weight: f32,
    /// Pixels of the face. Always present for readable faces unless no reader is loaded.
    cut: Option<Cut>,
}

/// Assesses each face and replaces `assessments` with one entry for each of `heads`, in the same order. The
/// crops made here are the ones that are read later.
fn assess(
    limits: &ReadabilityLimits,
    luma: Luma<'_>,
    heads: &[Head],
    mut readers: Option<&mut Readers>,
    assessments: &mut Vec<Assessment>,
    stages: &mut Stages,
) {
    let started = Instant::now();
    if let Some(readers) = &mut readers {
        readers.clear_cuts();
    }
    assessments.clear();
    assessments.extend(heads.iter().map(|head| {
        let mut cut = None;
        let measure = || {
            let (face, appearance) = readers.as_mut()?.cut(luma, head.face)?;
            cut = Some(face);
            Some(appearance)
        };
        let (readability, weight) = limits.assess(head, limits.hidden_share(head, heads), measure);
        Assessment { readability, weight, cut }
    }));
    stages.heads = heads.len();
    stages.faces = heads.iter().filter(|head| head.face_score >= limits.face_score).count();
    stages.crop += started.elapsed();
}

/// Fills `queue` with the indices of the readable faces.
fn queue_readable(assessments: &[Assessment], queue: &mut Vec<usize>) {
    queue.clear();
    queue.extend((0..assessments.len()).filter(|&index| assessments[index].readability == Readability::Ok));
}

/// A person from a single picture, without the history of a seat.
fn person(head: &Head, seat: SeatId, readability: Readability, face_threshold: f32) -> Person {
    let face = Face { bounds: head.face, score: head.face_score };
    Person {
        seat,
        head: head.bounds,
        head_score: head.score,
        unseen_for: Duration::ZERO,
        face: (face.score >= face_threshold).then_some(face),
        facing: seats::facing(face.score, face_threshold),
        motion: 0.0,
        readability,
        reading: None,
        belief: None,
    }
}
