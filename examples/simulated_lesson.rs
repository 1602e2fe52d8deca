//! Records and reports a simulated lesson of 45 minutes. The clock is simulated, so it takes seconds:
//!
//! `cargo run --example simulated_lesson -- DIR`
//!
//! A class of 28 simulated people has six ordinary lessons and then one with a joke, a hard part and a recap. Each second
//! goes through the aggregator, the recorder and the store, as in the daemon; camera and networks are left out. `DIR` then
//! contains the store, and `lesson.html`, `.json` and `.csv` of the last lesson.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use moodring_camera::PixelBox;
use moodring_config::{Config, LessonBegin, TimetableEntry};
use moodring_lessons::{Recorder, Report, Separator, Store, Timetable, csv, html};
use moodring_mood::Aggregator;
use moodring_vision::{Expressions, Face, Observation, Person, Readability, Reading, SeatId};

const SEATS: u32 = 28;
const MINUTES: i64 = 45;
/// Mean time in seconds until a person follows a change of the class.
const INERTIA_S: f64 = 25.0;

/// Behaviour of the class from a minute of the lesson on.
struct Phase {
    from_minute: i64,
    facing: f64,
    /// In the order of `Expression::ALL`.
    expressions: [f64; 7],
}

const fn phase(from_minute: i64, facing: f64, expressions: [f64; 7]) -> Phase {
    Phase { from_minute, facing, expressions }
}

const ORDINARY: [Phase; 3] = [
    phase(0, 0.60, [0.02, 0.00, 0.02, 0.24, 0.06, 0.04, 0.62]),
    phase(5, 0.74, [0.02, 0.01, 0.02, 0.14, 0.08, 0.03, 0.70]),
    phase(40, 0.62, [0.02, 0.00, 0.02, 0.22, 0.06, 0.04, 0.64]),
];

const EVENTFUL: [Phase; 7] = [
    phase(0, 0.55, [0.02, 0.00, 0.02, 0.26, 0.05, 0.05, 0.60]),
    phase(4, 0.86, [0.01, 0.01, 0.02, 0.12, 0.06, 0.04, 0.74]),
    phase(15, 0.90, [0.00, 0.00, 0.01, 0.52, 0.02, 0.20, 0.25]),
    phase(18, 0.80, [0.02, 0.01, 0.02, 0.14, 0.08, 0.04, 0.69]),
    phase(23, 0.52, [0.14, 0.03, 0.08, 0.03, 0.24, 0.02, 0.46]),
    phase(31, 0.92, [0.01, 0.01, 0.02, 0.16, 0.06, 0.06, 0.68]),
    phase(41, 0.60, [0.01, 0.00, 0.01, 0.30, 0.04, 0.06, 0.58]),
];

/// A simulated person.
struct Pupil {
    facing: bool,
    expression: usize,
    /// Whether the seat is so far back that the face is mostly too small to be read.
    far_back: bool,
}

/// A class with a random number generator (SplitMix64): the same seed gives the same lesson.
struct Class {
    seed: u64,
    pupils: Vec<Pupil>,
}

impl Class {
    fn new(seed: u64) -> Self {
        let pupil = |seat| Pupil { facing: false, expression: 6, far_back: seat >= 20 };
        Self { seed, pupils: (0..SEATS).map(pupil).collect() }
    }

    /// A uniform number, 0 to 1, 1 excluded.
    fn uniform(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Advances the class by a second.
    fn advance(&mut self, phase: &Phase) {
        for seat in 0..self.pupils.len() {
            if self.uniform() < 1.0 / INERTIA_S {
                self.pupils[seat].facing = self.uniform() < phase.facing;
                let mut left = self.uniform();
                let chosen = phase.expressions.iter().position(|share| {
                    left -= share;
                    left < 0.0
                });
                self.pupils[seat].expression = chosen.unwrap_or(6);
            }
        }
    }

    /// The observation that the networks would make of the class.
    fn observe(&mut self, at: Instant) -> Observation {
        let people = (0..SEATS).map(|seat| self.person(seat, at)).collect();
        Observation { captured_at: at, people }
    }

    fn person(&mut self, seat: u32, at: Instant) -> Person {
        let Pupil { facing, expression, far_back } = self.pupils[seat as usize];
        let readable = facing && (!far_back || self.uniform() < 0.02);
        let mut probabilities: [f64; 7] = std::array::from_fn(|_| 0.02 + 0.04 * self.uniform());
        probabilities[expression] += 1.0 + self.uniform();
        // The network classifies many faces as neutral.
        probabilities[6] += 0.15 * self.uniform();
        let sum: f64 = probabilities.iter().sum();
        let expressions = Expressions(probabilities.map(|probability| (probability / sum) as f32));
        let side = if far_back { 20.0 } else { 44.0 };
        let (x, y) = (f64::from(seat % 7) * 160.0 + 60.0, f64::from(seat / 7) * 140.0 + 60.0);
        let head = PixelBox { x: x as f32, y: y as f32, width: side, height: side };
        Person {
            seat: SeatId(seat),
            head,
            head_score: 0.9,
            unseen_for: Duration::ZERO,
            face: facing.then_some(Face { bounds: head, score: 0.9 }),
            facing: if facing { 0.95 } else { 0.05 },
            // People who look away move more.
            motion: if facing { 0.08 } else { 0.35 },
            readability: match (facing, readable) {
                (_, true) => Readability::Ok,
                (true, false) => Readability::TooSmall,
                (false, false) => Readability::Turned,
            },
            reading: readable.then_some(Reading { expressions, read_at: at }),
            belief: readable.then_some(expressions),
        }
    }
}

fn main() -> Result<()> {
    let directory = std::env::args().nth(1).context("usage: simulated_lesson DIR")?;
    let directory = Path::new(&directory);
    let mut config = Config::default();
    config.room.site = "Riverside School".into();
    config.room.name = "Room 12".into();
    config.lessons.begin = LessonBegin::Timetable;
    config.clock.time_zone = "Asia/Kolkata".into();
    let title = "Mathematics 7b".to_owned();
    config.lessons.timetable = vec![TimetableEntry { begin: "0 9 * * MON-SAT".into(), minutes: 45, title }];

    let mut store = Store::open(directory)?;
    // Monday to Saturday; the reported lesson is that of Monday 23 November.
    for (day, seed) in (16..=21).zip(1..) {
        simulate(&config, &mut store, day, &ORDINARY, seed)?;
    }
    simulate(&config, &mut store, 23, &EVENTFUL, 7)?;

    let last = store.lessons()?.last().context("no lesson was recorded")?.id;
    let report = Report::read(&store, last)?;
    std::fs::write(directory.join("lesson.html"), html(&report, &config.clock.zone()))?;
    std::fs::write(directory.join("lesson.json"), serde_json::to_string_pretty(&report)?)?;
    std::fs::write(directory.join("lesson.csv"), csv(&report.minutes, Separator::Comma, None))?;
    Ok(())
}

/// Simulates the lesson of a day in November 2026, second by second.
fn simulate(config: &Config, store: &mut Store, day: u8, phases: &[Phase], seed: u64) -> Result<()> {
    // 09:00 in India.
    let begin: Timestamp = format!("2026-11-{day}T03:30:00Z").parse()?;
    let mut aggregator = Aggregator::new(config.room.clone(), config.mood.clone());
    let mut recorder =
        Recorder::new(config, Timetable::new(&config.lessons, &config.clock.zone())?, store.open_lesson()?);
    let (mut class, start) = (Class::new(seed), Instant::now());
    for second in -60..MINUTES * 60 + 120 {
        let minute = second.div_euclid(60).max(0);
        let now = phases.iter().rev().find(|phase| phase.from_minute <= minute).unwrap_or(&phases[0]);
        class.advance(now);
        let at = start + Duration::from_secs((second + 60).unsigned_abs());
        aggregator.observe(&class.observe(at));
        let mood = aggregator.mood(at, begin + SignedDuration::from_secs(second));
        recorder.take(&mood, Instant::now());
        if let Some(batch) = recorder.due(mood.at, Instant::now(), || None) {
            store.commit(&batch)?;
        }
    }
    Ok(())
}
