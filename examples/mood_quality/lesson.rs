//! Simulates twenty minutes second by second: heads in fixed places, with faces of known expression. Seats, window,
//! estimate and disclosure are those of the program. The clock is simulated.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use moodring_camera::PixelBox;
use moodring_config::Config;
use moodring_contract::{Mood, Word};
use moodring_mood::Aggregator;
use moodring_mood::quantify::Seven;
use moodring_vision::heads::Head;
use moodring_vision::seats::Seats;
use moodring_vision::{Expressions, Observation, Readability};

use super::faces::Faces;
use super::rng::Rng;

const PEOPLE: usize = 30;
const MINUTES: u64 = 20;
/// Cycles per second, and faces read per cycle.
const CYCLES_PER_S: u64 = 2;
const FACES_PER_CYCLE: usize = 12;
/// Mean time in seconds for which a person keeps a face.
const MEAN_FACE_S: f64 = 15.0;
/// Number of people hidden at any time, and number of cycles for which each is hidden.
const HIDDEN: usize = 3;
const HIDDEN_CYCLES: u64 = 8;

const CALM: Seven = [0.03, 0.0, 0.0, 0.12, 0.05, 0.0, 0.80];
const SWUNG: Seven = [0.03, 0.0, 0.0, 0.52, 0.05, 0.0, 0.40];
const SAD: Seven = [0.10, 0.0, 0.05, 0.10, 0.35, 0.0, 0.40];
/// Start second and expression shares of each phase. The delay is measured at the first change.
const SCRIPT: [(u64, Seven); 5] = [(0, CALM), (300, SWUNG), (480, CALM), (720, SAD), (900, CALM)];

/// Errors in the simulated lesson.
pub(super) struct Score {
    /// Mean absolute error of a share, without the moods in the 20 s after a scripted change.
    pub(super) error: f64,
    /// Seconds from the first change until the mood shows half of it; `None` if it never does.
    pub(super) swing_s: Option<u64>,
    /// Changes of the mood word in twenty minutes without events.
    pub(super) quiet_changes: u32,
}

/// Simulates the scripted lesson and one without events.
pub(super) fn run(faces: &Faces, card: &Path) -> Result<Score> {
    let (moods, truths) = simulate(faces, card, &SCRIPT)?;
    let settled = |second: u64| SCRIPT.iter().all(|(change, _)| second < *change || second >= change + 20);
    let (mut error, mut count) = (0.0, 0.0);
    for (second, (mood, truth)) in moods.iter().zip(&truths).enumerate() {
        if let Some(shares) = mood.expressions.filter(|_| settled(second as u64)) {
            error += shares
                .in_order()
                .iter()
                .zip(truth)
                .map(|((_, estimated), truth)| (estimated.share - truth).abs())
                .sum::<f64>();
            count += 7.0;
        }
    }
    let happy = |mood: &Mood| mood.expressions.map_or(0.0, |shares| shares.happy.share);
    let swing = SCRIPT[1].0 as usize;
    let before = moods[swing - 60..swing].iter().map(happy).sum::<f64>() / 60.0;
    let shown = moods[swing..].iter().position(|mood| happy(mood) >= before + 0.2);
    let (quiet, _) = simulate(faces, card, &[(0, CALM)])?;
    let words: Vec<Word> = quiet.iter().skip(60).map(|mood| mood.word).collect();
    Ok(Score {
        error: error / f64::max(count, 1.0),
        swing_s: shown.map(|seconds| seconds as u64),
        quiet_changes: words.windows(2).filter(|pair| pair[0] != pair[1]).count() as u32,
    })
}

/// The class: expression and reading of each person.
struct Class<'a> {
    faces: &'a Faces,
    rng: Rng,
    people: Vec<(usize, Expressions)>,
}

impl Class<'_> {
    fn face(&mut self, expression: usize) -> Expressions {
        let alike = &self.faces.by_expression[expression];
        self.faces.readings[alike[self.rng.below(alike.len())]]
    }

    /// Gives each person an expression, so that the shares are as close to `shares` as possible.
    fn set_shares(&mut self, shares: &Seven) {
        let mut due = 0.0;
        let mut expressions = Vec::with_capacity(PEOPLE);
        for (expression, share) in shares.iter().enumerate() {
            due += share * PEOPLE as f64;
            expressions.resize(due.round() as usize, expression);
        }
        for last in (1..expressions.len()).rev() {
            expressions.swap(last, self.rng.below(last + 1));
        }
        self.people = expressions.iter().map(|expression| (*expression, self.face(*expression))).collect();
    }

    /// Advances by a second: some people get another face of the same expression.
    fn advance(&mut self) {
        for person in 0..self.people.len() {
            if self.rng.uniform() < 1.0 / MEAN_FACE_S {
                let expression = self.people[person].0;
                self.people[person].1 = self.face(expression);
            }
        }
    }

    fn truth(&self) -> Seven {
        let mut shares = [0.0; 7];
        self.people.iter().for_each(|(expression, _)| shares[*expression] += 1.0 / PEOPLE as f64);
        shares
    }
}

/// Returns the mood and the true shares of each second.
fn simulate(faces: &Faces, card: &Path, script: &[(u64, Seven)]) -> Result<(Vec<Mood>, Vec<Seven>)> {
    let mut config = Config::default();
    config.models.directory = card.parent().context("the card lies in no folder")?.into();
    let mut aggregator = Aggregator::from_config(&config)?;
    let mut seats = Seats::new(&config.seats, 0.5, aggregator.quantification().prior());
    let mut class = Class { faces, rng: Rng(9), people: Vec::new() };
    let start = Instant::now();
    let (mut moods, mut truths) = (Vec::new(), Vec::new());
    for second in 0..MINUTES * 60 {
        class.advance();
        if let Some((_, shares)) = script.iter().find(|(from, _)| *from == second) {
            class.set_shares(shares);
        }
        for part in 0..CYCLES_PER_S {
            let cycle = second * CYCLES_PER_S + part;
            let now = start + Duration::from_secs(cycle) / CYCLES_PER_S as u32;
            aggregator.observe(&observe(&class, &mut seats, cycle, now));
        }
        moods.push(
            aggregator.mood(
                start + Duration::from_secs(second) + Duration::from_millis(900),
                Timestamp::UNIX_EPOCH,
            ),
        );
        truths.push(class.truth());
    }
    Ok((moods, truths))
}

/// One cycle: tracks the heads that are not hidden, and reads the faces that are due.
fn observe(class: &Class<'_>, seats: &mut Seats, cycle: u64, now: Instant) -> Observation {
    let first_hidden = (cycle / HIDDEN_CYCLES) as usize * 7;
    let hidden = |person: usize| (person + PEOPLE - first_hidden % PEOPLE) % PEOPLE < HIDDEN;
    let visible: Vec<usize> = (0..PEOPLE).filter(|person| !hidden(*person)).collect();
    let heads: Vec<Head> = visible.iter().map(|person| head(*person)).collect();
    let mut indices = Vec::new();
    seats.follow(&heads, now, &mut indices);
    indices.iter().for_each(|index| seats.set_readability(*index, Readability::Ok));
    let mut due: Vec<usize> = (0..visible.len()).collect();
    seats.sort_by_need(&indices, &mut due, now);
    for index in due.into_iter().take(FACES_PER_CYCLE) {
        seats.read(indices[index], class.people[visible[index]].1, 1.0, now);
    }
    Observation { captured_at: now, people: seats.people(now) }
}

fn head(person: usize) -> Head {
    let (column, row) = ((person % 6) as f32, (person / 6) as f32);
    let bounds = PixelBox { x: 100.0 + 180.0 * column, y: 80.0 + 120.0 * row, width: 40.0, height: 48.0 };
    Head { bounds, score: 0.9, face: bounds, face_score: 0.95 }
}
