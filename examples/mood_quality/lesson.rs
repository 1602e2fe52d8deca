//! Twenty simulated minutes, second by second: heads in fixed places, faces drawn from those of known expression,
//! seats, window, estimate and disclosure as in the program. No clock is waited for.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use moodring::config::Config;
use moodring::mood::quantify::Seven;
use moodring::mood::{Aggregator, Mood, Word};
use moodring::vision::heads::Head;
use moodring::vision::seats::Seats;
use moodring::vision::{Expressions, Observation, PixelBox, Verdict};

use super::chance::Chance;
use super::faces::Faces;

const PEOPLE: usize = 30;
const MINUTES: u64 = 20;
/// Cycles a second, and faces that are read in one.
const CYCLES_PER_S: u64 = 2;
const FACES_A_CYCLE: usize = 12;
/// Somebody keeps an expression, and the look of it, for so many seconds on average.
const KEEPS_FACE_S: f64 = 15.0;
/// So many are hidden at any time, each for so many cycles.
const HIDDEN: usize = 3;
const HIDDEN_CYCLES: u64 = 8;

const CALM: Seven = [0.03, 0.0, 0.0, 0.12, 0.05, 0.0, 0.80];
const SWUNG: Seven = [0.03, 0.0, 0.0, 0.52, 0.05, 0.0, 0.40];
const SAD: Seven = [0.10, 0.0, 0.05, 0.10, 0.35, 0.0, 0.40];
/// What the class shows from which second on. The first change is the swing that is timed.
const SCRIPT: [(u64, Seven); 5] = [(0, CALM), (300, SWUNG), (480, CALM), (720, SAD), (900, CALM)];

/// How well the lesson was followed.
pub(super) struct Score {
    /// Mean absolute error of a share, over all moods but those within 20 s of a scripted change.
    pub(super) error: f64,
    /// Seconds from the swing until half of it shows in the mood; none when it never did.
    pub(super) swing_s: Option<u64>,
    /// Changes of the mood word in twenty minutes in which nothing happens.
    pub(super) quiet_changes: u32,
}

/// Plays the scripted lesson and a quiet one.
pub(super) fn run(faces: &Faces, card: &Path) -> Result<Score> {
    let (moods, truths) = play(faces, card, &SCRIPT)?;
    let settled = |second: u64| SCRIPT.iter().all(|(change, _)| second < *change || second >= change + 20);
    let (mut error, mut count) = (0.0, 0.0);
    for (second, (mood, truth)) in moods.iter().zip(&truths).enumerate() {
        if let Some(shares) = mood.expressions.filter(|_| settled(second as u64)) {
            error += shares
                .in_order()
                .iter()
                .zip(truth)
                .map(|((_, said), truth)| (said.share - truth).abs())
                .sum::<f64>();
            count += 7.0;
        }
    }
    let happy = |mood: &Mood| mood.expressions.map_or(0.0, |shares| shares.happy.share);
    let swing = SCRIPT[1].0 as usize;
    let before = moods[swing - 60..swing].iter().map(happy).sum::<f64>() / 60.0;
    let shown = moods[swing..].iter().position(|mood| happy(mood) >= before + 0.2);
    let (quiet, _) = play(faces, card, &[(0, CALM)])?;
    let words: Vec<Word> = quiet.iter().skip(60).map(|mood| mood.word).collect();
    Ok(Score {
        error: error / f64::max(count, 1.0),
        swing_s: shown.map(|seconds| seconds as u64),
        quiet_changes: words.windows(2).filter(|pair| pair[0] != pair[1]).count() as u32,
    })
}

/// The class: what everybody shows, with the look of it.
struct Class<'a> {
    faces: &'a Faces,
    chance: Chance,
    shows: Vec<(usize, Expressions)>,
}

impl Class<'_> {
    fn face(&mut self, expression: usize) -> Expressions {
        let alike = &self.faces.by_expression[expression];
        self.faces.readings[alike[self.chance.below(alike.len())]]
    }

    /// Everybody is given an expression, so that the class shows these shares as nearly as it can.
    fn turn_to(&mut self, shares: &Seven) {
        let mut due = 0.0;
        let mut expressions = Vec::with_capacity(PEOPLE);
        for (expression, share) in shares.iter().enumerate() {
            due += share * PEOPLE as f64;
            expressions.resize(due.round() as usize, expression);
        }
        for last in (1..expressions.len()).rev() {
            expressions.swap(last, self.chance.below(last + 1));
        }
        self.shows = expressions.iter().map(|expression| (*expression, self.face(*expression))).collect();
    }

    /// A second passes: some look another way, showing the same.
    fn breathe(&mut self) {
        for person in 0..self.shows.len() {
            if self.chance.uniform() < 1.0 / KEEPS_FACE_S {
                let expression = self.shows[person].0;
                self.shows[person].1 = self.face(expression);
            }
        }
    }

    fn truth(&self) -> Seven {
        let mut shares = [0.0; 7];
        self.shows.iter().for_each(|(expression, _)| shares[*expression] += 1.0 / PEOPLE as f64);
        shares
    }
}

/// A mood each second, with the true shares.
fn play(faces: &Faces, card: &Path, script: &[(u64, Seven)]) -> Result<(Vec<Mood>, Vec<Seven>)> {
    let mut config = Config::default();
    config.models.directory = card.parent().context("the card lies in no folder")?.into();
    let mut aggregator = Aggregator::of(&config)?;
    let mut seats = Seats::new(&config.seats, 0.5, aggregator.readings().prior());
    let mut class = Class { faces, chance: Chance(9), shows: Vec::new() };
    let start = Instant::now();
    let (mut moods, mut truths) = (Vec::new(), Vec::new());
    for second in 0..MINUTES * 60 {
        class.breathe();
        if let Some((_, shares)) = script.iter().find(|(from, _)| *from == second) {
            class.turn_to(shares);
        }
        for part in 0..CYCLES_PER_S {
            let cycle = second * CYCLES_PER_S + part;
            let now = start + Duration::from_secs(cycle) / CYCLES_PER_S as u32;
            aggregator.observe(&look(&class, &mut seats, cycle, now));
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

/// One cycle: the heads that are not hidden are found, and those whose turn it is are read.
fn look(class: &Class<'_>, seats: &mut Seats, cycle: u64, now: Instant) -> Observation {
    let first_hidden = (cycle / HIDDEN_CYCLES) as usize * 7;
    let hidden = |person: usize| (person + PEOPLE - first_hidden % PEOPLE) % PEOPLE < HIDDEN;
    let there: Vec<usize> = (0..PEOPLE).filter(|person| !hidden(*person)).collect();
    let heads: Vec<Head> = there.iter().map(|person| head(*person)).collect();
    let mut places = Vec::new();
    seats.follow(&heads, now, &mut places);
    places.iter().for_each(|place| seats.judge(*place, Verdict::Ok));
    let mut turn: Vec<usize> = (0..there.len()).collect();
    seats.by_need(&places, &mut turn, now);
    for index in turn.into_iter().take(FACES_A_CYCLE) {
        seats.read(places[index], class.shows[there[index]].1, 1.0, now);
    }
    Observation { captured_at: now, people: seats.people(now) }
}

fn head(person: usize) -> Head {
    let (column, row) = ((person % 6) as f32, (person / 6) as f32);
    let bounds = PixelBox { x: 100.0 + 180.0 * column, y: 80.0 + 120.0 * row, width: 40.0, height: 48.0 };
    Head { bounds, score: 0.9, face: bounds, face_score: 0.95 }
}
