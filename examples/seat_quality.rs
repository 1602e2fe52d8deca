//! Measures seat tracking in 20 minutes of a simulated class: a tenth of the heads is hidden at any time, people leave and
//! come back, and not all face the front. The clock is simulated.
//!
//! `cargo run --example seat_quality -- [--true-heads] [--people N] [--minutes N] [--beat-ms N] [--seed N]`
//!
//! Without options the detector analyses drawn pictures. With `--true-heads` the seat tracker gets the true heads with
//! jitter, misses and false alarms instead; this takes a second and measures the tracking alone. The last line is
//! machine-readable:
//!
//! `seat-quality: switches=<per 1000 seat-minutes> people=<mean relative error> facing=<mean error>`

use std::collections::HashMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use moodring_camera::PixelBox;
use moodring_camera::simulator::{GroundTruthPerson, Scene, Script, ScriptEvent, SimulatorSource};
use moodring_camera::{Frame, PixelFormat};
use moodring_config::Config;
use moodring_contract::Mode;
use moodring_vision::heads::Head;
use moodring_vision::seats::Seats;
use moodring_vision::{Expressions, Observation, Person, SeatId, Vision};

/// Minimum intersection over union of a found head and the true head of the same person.
const MIN_IOU: f32 = 0.3;
/// Errors added to the true heads: missed share per cycle (besides hidden heads), false alarms per cycle, and standard
/// deviations of boxes (in head heights) and of face scores (in log-odds). Worse than the detector on drawn pictures.
const MISSED: f32 = 0.04;
const FALSE_ALARMS: f32 = 0.3;
const BOX_JITTER: f32 = 0.06;
const SCORE_JITTER: f32 = 1.2;

struct Options {
    true_heads: bool,
    people: u32,
    minutes: u64,
    cycle: Duration,
    seed: u64,
}

fn options() -> Result<Options> {
    let mut options =
        Options { true_heads: false, people: 30, minutes: 20, cycle: Duration::from_millis(1000), seed: 1 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--true-heads" {
            options.true_heads = true;
            continue;
        }
        let Some(Ok(value)) = arguments.next().map(|value| value.parse::<u64>()) else {
            bail!("{name} needs a number; see the comment at the top of examples/seat_quality.rs");
        };
        match name.as_str() {
            "--people" => options.people = u32::try_from(value)?.clamp(6, 60),
            "--minutes" => options.minutes = value.clamp(1, 600),
            "--beat-ms" => options.cycle = Duration::from_millis(value.max(10)),
            "--seed" => options.seed = value,
            _ => bail!("there is no option {name}"),
        }
    }
    Ok(options)
}

/// A tenth is hidden all the time; facing changes every minute; three people leave at half time and come back at three
/// quarters.
fn script(options: &Options) -> Result<Script> {
    let minute = |minute: u64| Duration::from_secs(60 * minute);
    let mut events = vec![(Duration::ZERO, ScriptEvent::Hidden(0.1))];
    let facing = [0.8, 0.9, 0.6, 0.75];
    events.extend((0..options.minutes).map(|at| (minute(at), ScriptEvent::Facing(facing[at as usize % 4]))));
    events.push((minute(options.minutes / 2), ScriptEvent::People(options.people - 3)));
    events.push((minute(options.minutes * 3 / 4), ScriptEvent::People(options.people)));
    Ok(Script::new(events, None)?)
}

/// Errors so far.
#[derive(Default)]
struct Score {
    /// Last identity of each true seat that is occupied.
    identities: HashMap<usize, SeatId>,
    switches: u32,
    seat_minutes: f64,
    cycles: u32,
    people_error: f64,
    facing_error: f64,
}

impl Score {
    fn add(&mut self, truth: &[GroundTruthPerson], people: &[Person], cycle: Duration) {
        // A person who comes back after minutes may get a new identity.
        self.identities.retain(|seat, _| truth.iter().any(|person| person.seat == *seat));
        for (index, found) in matched(truth, people) {
            let before = self.identities.insert(truth[index].seat, found);
            self.switches += u32::from(before.is_some_and(|before| before != found));
        }
        let share = |facing: usize, of: usize| facing as f64 / of.max(1) as f64;
        let facing = people.iter().filter(|person| person.faces_front()).count();
        let truly = truth.iter().filter(|person| person.faces_front).count();
        self.seat_minutes += truth.len() as f64 * cycle.as_secs_f64() / 60.0;
        self.cycles += 1;
        self.people_error += (people.len() as f64 - truth.len() as f64).abs() / truth.len().max(1) as f64;
        self.facing_error += (share(facing, people.len()) - share(truly, truth.len())).abs();
    }

    fn line(&self) -> String {
        let cycles = f64::from(self.cycles.max(1));
        format!(
            "seat-quality: switches={:.2} people={:.4} facing={:.4}",
            f64::from(self.switches) / self.seat_minutes.max(1e-9) * 1000.0,
            self.people_error / cycles,
            self.facing_error / cycles
        )
    }
}

/// Pairs of true person (index) and seat, by greatest overlap first, each used once. Only heads found in this frame count.
/// Hidden people are left out, because a head found at their place is another one.
fn matched(truth: &[GroundTruthPerson], people: &[Person]) -> Vec<(usize, SeatId)> {
    let mut pairs = Vec::new();
    for (index, person) in truth.iter().enumerate().filter(|(_, person)| !person.hidden) {
        for (other, found) in people.iter().enumerate().filter(|(_, found)| found.unseen_for.is_zero()) {
            let iou = person.head.iou(found.head);
            if iou >= MIN_IOU {
                pairs.push((iou, index, other));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut true_taken, mut taken) = (vec![false; truth.len()], vec![false; people.len()]);
    let mut matches = Vec::new();
    for (_, index, other) in pairs {
        if !true_taken[index] && !taken[other] {
            (true_taken[index], taken[other]) = (true, true);
            matches.push((index, people[other].seat));
        }
    }
    matches
}

/// Source of the observations.
enum Observer {
    /// The detector, on drawn pictures.
    Detector(Box<Vision>),
    /// The true heads with random errors.
    Truth(Box<Seats>, Rng),
}

impl Observer {
    fn observe(
        &mut self,
        scene: &mut Scene,
        at: Duration,
        captured_at: Instant,
        data: Vec<u8>,
    ) -> Result<(Observation, Vec<u8>)> {
        let mut data = data;
        match self {
            Self::Detector(vision) => {
                scene.draw(at, &mut data);
                let (size, format) = (scene.size(), PixelFormat::Grey);
                let frame =
                    Frame { captured_at, sequence: 0, format, size, stride: size.width as usize, data };
                Ok((vision.observe(&frame)?, frame.data))
            }
            Self::Truth(seats, rng) => {
                let heads = with_errors(&scene.truth(at).people, rng);
                seats.follow(&heads, captured_at, &mut Vec::new());
                Ok((Observation { captured_at, people: seats.people(captured_at) }, data))
            }
        }
    }
}

/// The true heads with the errors of a detector.
fn with_errors(truth: &[GroundTruthPerson], rng: &mut Rng) -> Vec<Head> {
    let mut heads = Vec::new();
    for person in truth {
        if person.hidden || rng.uniform() < MISSED {
            continue;
        }
        let PixelBox { x, y, width, height } = person.head;
        let mut jitter = |value: f32| value + BOX_JITTER * height * rng.normal();
        let bounds = PixelBox { x: jitter(x), y: jitter(y), width: jitter(width), height: jitter(height) };
        let odds = if person.faces_front { 2.5 } else { -0.5 } + SCORE_JITTER * rng.normal();
        heads.push(Head { bounds, score: 0.8, face: bounds, face_score: 1.0 / (1.0 + (-odds).exp()) });
    }
    if rng.uniform() < FALSE_ALARMS {
        let bounds =
            PixelBox { x: 1200.0 * rng.uniform(), y: 650.0 * rng.uniform(), width: 40.0, height: 45.0 };
        heads.push(Head { bounds, score: 0.45, face: bounds, face_score: 0.3 });
    }
    heads
}

/// Reproducible pseudo-random numbers (G. Marsaglia, "Xorshift RNGs", 2003).
struct Rng(u64);

impl Rng {
    fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 24) as f32
    }

    /// Approximately standard normal: the sum of twelve uniform numbers less 6.
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }
}

fn main() -> Result<()> {
    let options = options()?;
    let mut config = Config::default();
    config.mood.mode = Mode::Occupancy;
    config.camera.simulator.people = options.people;
    config.camera.simulator.seed = options.seed;
    let mut scene = SimulatorSource::new(&config.camera.simulator).with_script(script(&options)?).scene()?;
    let mut observer = if options.true_heads {
        let seats = Seats::new(&config.seats, 0.8, Expressions::UNKNOWN);
        Observer::Truth(Box::new(seats), Rng(0x9E37_79B9_7F4A_7C15 ^ options.seed))
    } else {
        Observer::Detector(Box::new(Vision::new(&config)?))
    };
    let (begun, mut score) = (Instant::now(), Score::default());
    let mut data = vec![0; scene.size().area()];
    let cycles = (options.minutes * 60_000 / options.cycle.as_millis() as u64) as u32;
    let mut out = std::io::stdout();
    for cycle in 0..cycles {
        let at = options.cycle * cycle;
        let (observation, buffer) = observer.observe(&mut scene, at, begun + at, data)?;
        data = buffer;
        score.add(&scene.truth(at).people, &observation.people, options.cycle);
        if (cycle + 1) % (cycles / 10).max(1) == 0 {
            writeln!(
                out,
                "{:3} min: {} switches so far, {}",
                at.as_secs() / 60,
                score.switches,
                score.line()
            )?;
        }
    }
    writeln!(out, "{cycles} cycles in {:.1} s", begun.elapsed().as_secs_f64())?;
    writeln!(out, "{}", score.line())?;
    Ok(())
}
