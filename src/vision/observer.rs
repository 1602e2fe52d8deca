//! The observer: one cycle from frame to observation, and the single look at a picture.
//!
//! Finding heads takes what it takes; reading faces stops at its budget and goes on in the next cycle with
//! the faces of whom least is known. So a slow device is late, never stuck.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::changes::Changes;
use super::delegate::{self, Delegation};
use super::detector::Detector;
use super::engine::EngineError;
use super::expression::View;
use super::heads::Head;
use super::luma::{Luma, LumaDecoder, LumaError};
use super::model_card::{CardError, Cards};
use super::readers::{Cut, Readers};
use super::seats::{self, Seats};
use super::verdict::{Bounds, Verdict};
use super::viewfinder::{DOUBTFUL_SCORE, Viewfinder};
use super::{Expressions, Face, Observation, Person, Reading, SeatId};
use crate::aim::Aim;
use crate::camera::{Frame, Size};
use crate::config::{CameraView, Config, Zone};

/// Why nothing can be seen.
#[derive(Debug, Error)]
pub enum VisionError {
    /// The frame's pixels cannot be read; the next frame may be better.
    #[error(transparent)]
    Luma(#[from] LumaError),
    /// A model card or model file is not there or not the right one.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The inference engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A picture cannot be brought to a smaller size.
    #[error("picture cannot be resized: {0}")]
    Resize(String),
    /// No network's input suits a picture of this size.
    #[error("no network can search a picture of {0}")]
    Unsearchable(Size),
    /// Expressions are asked for where they are not read.
    #[error("expressions are not read in occupancy mode (mood.mode)")]
    Occupancy,
}

/// How long the parts of the last cycle took, and what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages {
    /// Luma out of the frame.
    pub luma: Duration,
    /// Scaling and tiling.
    pub resize: Duration,
    /// The detector's runs alone.
    pub heads_network: Duration,
    /// Boxes out of the detector's outputs, and one box a head.
    pub heads_decode: Duration,
    /// Following the seats.
    pub seats: Duration,
    /// Cutting out faces.
    pub crop: Duration,
    /// The expression network's runs alone.
    pub expression_network: Duration,
    /// The whole cycle, all of the above and what is between them.
    pub total: Duration,
    /// Runs of the detector.
    pub tiles: usize,
    /// Heads found.
    pub heads: usize,
    /// Faces to be seen.
    pub faces: usize,
    /// Faces read.
    pub faces_read: usize,
}

/// What is to be seen in a single picture, every face read.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Everybody; seats are numbered from 0 on and mean nothing.
    pub observation: Observation,
    /// Of each person the probability that the face is visible, also where it is too low for a face.
    pub face_scores: Vec<f32>,
}

/// Looks at frames.
pub struct Vision {
    luma: LumaDecoder,
    detector: Detector,
    /// None in occupancy mode.
    readers: Option<Readers>,
    seats: Seats,
    /// Where a rearrangement puts others in people's places; none in a room.
    changes: Option<Changes>,
    bounds: Bounds,
    delegation: Arc<Delegation>,
    reading_budget: Duration,
    places: Vec<usize>,
    /// Of each head, in their order.
    judgements: Vec<Judgement>,
    turn: Vec<usize>,
    faces: Vec<(Cut, View)>,
    stages: Stages,
    viewfinder: Viewfinder,
}

impl Vision {
    /// Loads the engine and the networks that the configuration names. In occupancy mode the expression
    /// network is not loaded.
    ///
    /// # Errors
    /// Says what is missing or wrong, and how to mend it.
    pub fn new(config: &Config) -> Result<Self, VisionError> {
        let (cards, threads) = (Cards::of(config), config.engine.threads);
        let (engine, delegation) = delegate::engine(config)?;
        let reader = |expression: &PathBuf| Readers::new(expression, &*engine, threads);
        let readers = cards.expression.as_ref().map(reader).transpose()?;
        let scene = config.camera.view;
        let detector = Detector::new(&cards.heads, &*engine, threads, &config.vision, &config.zone, scene)?;
        delegation.tell();
        let face_score = detector.face_threshold();
        let prior = readers.as_ref().map_or(Expressions::UNKNOWN, Readers::prior);
        let crop_scale = readers.as_ref().map_or(1.0, Readers::crop_scale);
        let seats = Seats::new(&config.seats, face_score, prior);
        let (seats, changes) = match scene {
            CameraView::Room => (seats, None),
            CameraView::Gallery => (seats.in_tiles(), Some(Changes::default())),
        };
        Ok(Self {
            luma: LumaDecoder::default(),
            seats,
            changes,
            bounds: Bounds { face_score, crop_scale, readability: config.readability.clone() },
            detector,
            readers,
            delegation,
            reading_budget: Duration::try_from_secs_f64(config.vision.reading_budget_s).unwrap_or_default(),
            places: Vec::new(),
            judgements: Vec::new(),
            turn: Vec::new(),
            faces: Vec::new(),
            stages: Stages::default(),
            viewfinder: Viewfinder::default(),
        })
    }

    /// Also makes views for `aim`, while they are wanted.
    #[must_use]
    pub fn aimed_by(self, aim: Aim) -> Self {
        Self { viewfinder: Viewfinder::new(aim), ..self }
    }

    /// The next frame of a camera: finds heads, follows them, judges which faces can be read, and reads those
    /// until the budget is spent, but at least one, those first of whom least is known.
    ///
    /// # Errors
    /// [`VisionError::Luma`] for a broken frame, [`VisionError::Engine`] when a network fails.
    pub fn observe(&mut self, frame: &Frame) -> Result<Observation, VisionError> {
        let (started, now) = (Instant::now(), frame.captured_at);
        let mut stages = Stages::default();
        let luma = self.luma.decode(frame)?;
        stages.luma = started.elapsed();
        let aiming = self.viewfinder.wants_view(started);
        self.detector.look_closely(aiming.then_some(DOUBTFUL_SCORE));
        let heads = self.detector.find(luma, &mut stages)?;

        let following = Instant::now();
        if let Some(changes) = &mut self.changes {
            changes.look(luma);
            self.seats.give_up(|place| changes.is_other(place));
        }
        self.seats.follow(heads, now, &mut self.places);
        stages.seats = following.elapsed();

        judge(&self.bounds, luma, heads, self.readers.as_mut(), &mut self.judgements, &mut stages);
        for (&place, judgement) in self.places.iter().zip(&self.judgements) {
            self.seats.judge(place, judgement.verdict);
        }
        readable(&self.judgements, &mut self.turn);
        if let Some(readers) = &mut self.readers {
            self.seats.by_need(&self.places, &mut self.turn, now);
            self.faces.clear();
            self.faces.extend(self.turn.iter().filter_map(|&index| {
                Some((self.judgements[index].cut?, self.seats.next_view(self.places[index])))
            }));
            let (seats, places, turn) = (&mut self.seats, &self.places, &self.turn);
            let judgements = &self.judgements;
            let time = readers.read(&self.faces, self.reading_budget, |index, expressions| {
                let head = turn[index];
                seats.read(places[head], expressions, judgements[head].weight, now);
                stages.faces_read += 1;
            })?;
            stages.crop += time.crop;
            stages.expression_network = time.network;
        }
        let observation = Observation { captured_at: now, people: self.seats.people(now) };
        if aiming {
            self.viewfinder.show(luma, &self.detector.found(), &observation.people, Instant::now());
        }
        stages.total = started.elapsed();
        self.stages = stages;
        Ok(observation)
    }

    /// Forgets all seats and what is believed of them: a new lesson begins.
    pub fn forget(&mut self) {
        self.seats.forget();
    }

    /// Heads count in other parts of the picture from now on.
    pub fn set_zones(&mut self, zones: &[Zone]) {
        self.detector.set_zones(zones);
    }

    /// A picture by itself: every face that can be read is read, and nothing is remembered.
    ///
    /// # Errors
    /// As [`Vision::observe`].
    pub fn look(&mut self, frame: &Frame) -> Result<Look, VisionError> {
        let started = Instant::now();
        let mut stages = Stages::default();
        let luma = self.luma.decode(frame)?;
        stages.luma = started.elapsed();
        let heads = self.detector.find(luma, &mut stages)?;
        judge(&self.bounds, luma, heads, self.readers.as_mut(), &mut self.judgements, &mut stages);
        let as_person = |(index, (head, judgement)): (usize, (&Head, &Judgement))| {
            person(head, SeatId(index as u32), judgement.verdict, self.bounds.face_score)
        };
        let mut people: Vec<Person> = heads.iter().zip(&self.judgements).enumerate().map(as_person).collect();
        readable(&self.judgements, &mut self.turn);
        if let Some(readers) = &mut self.readers {
            self.faces.clear();
            let cuts = self.turn.iter().filter_map(|&index| self.judgements[index].cut);
            self.faces.extend(cuts.map(|cut| (cut, View::AsSeen)));
            let turn = &self.turn;
            let time = readers.read(&self.faces, Duration::MAX, |index, expressions| {
                let person = &mut people[turn[index]];
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
        Ok(Look { observation, face_scores })
    }

    /// Reads a picture that is one face already cut out.
    ///
    /// # Errors
    /// [`VisionError::Occupancy`] without the expression network; else as [`Vision::observe`].
    pub fn read_face(&mut self, frame: &Frame) -> Result<Expressions, VisionError> {
        let readers = self.readers.as_mut().ok_or(VisionError::Occupancy)?;
        let luma = self.luma.decode(frame)?;
        Ok(readers.read_whole(luma)?)
    }

    /// What a cycle would take if it were nothing but networks: the median time of the detector's
    /// runs for the last picture and of `faces` runs of the expression network, measured `repeats` times.
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

    /// Who runs the networks.
    pub fn delegation(&self) -> &Delegation {
        &self.delegation
    }

    /// How long the parts of the last successful cycle or look took.
    pub fn stages(&self) -> Stages {
        self.stages
    }
}

/// What is known of a face before it is read.
#[derive(Debug, Clone, Copy)]
struct Judgement {
    verdict: Verdict,
    /// How much a reading of it tells, 0..=1.
    weight: f32,
    /// Its pixels, where they had to be looked at: always of faces that can be read.
    cut: Option<Cut>,
}

/// Judges every face; `judgements` become those of `heads`, in their order. What is cut out for it is read later.
fn judge(
    bounds: &Bounds,
    luma: Luma<'_>,
    heads: &[Head],
    mut readers: Option<&mut Readers>,
    judgements: &mut Vec<Judgement>,
    stages: &mut Stages,
) {
    let started = Instant::now();
    if let Some(readers) = &mut readers {
        readers.begin();
    }
    judgements.clear();
    judgements.extend(heads.iter().map(|head| {
        let mut cut = None;
        let look = || {
            let (face, appearance) = readers.as_mut()?.cut(luma, head.face)?;
            cut = Some(face);
            Some(appearance)
        };
        let (verdict, weight) = bounds.judge(head, bounds.hidden_share(head, heads), look);
        Judgement { verdict, weight, cut }
    }));
    stages.heads = heads.len();
    stages.faces = heads.iter().filter(|head| head.face_score >= bounds.face_score).count();
    stages.crop += started.elapsed();
}

/// `turn` becomes the places of the faces that can be read.
fn readable(judgements: &[Judgement], turn: &mut Vec<usize>) {
    turn.clear();
    turn.extend((0..judgements.len()).filter(|&index| judgements[index].verdict == Verdict::Ok));
}

/// Somebody of whom nothing is known but this picture.
fn person(head: &Head, seat: SeatId, verdict: Verdict, face_threshold: f32) -> Person {
    let face = Face { bounds: head.face, score: head.face_score };
    Person {
        seat,
        head: head.bounds,
        head_score: head.score,
        unseen_for: Duration::ZERO,
        face: (face.score >= face_threshold).then_some(face),
        facing: seats::facing(face.score, face_threshold),
        motion: 0.0,
        verdict,
        reading: None,
        belief: None,
    }
}
