//! What the real networks make of a simulated video call: the tables of docs/online-classes.md.
//!
//! `cargo run --release --example gallery_quality -- [tiles] [large] [joke] [rearranged]`
//!
//! `tiles`: how many heads are found, of which size, and whom the mood counts. `large`: the same for few
//! large tiles, by `vision.detection_width`. `joke`: how the class's happy share
//! follows a joke. `rearranged`: how long the published number of people is wrong after a rearrangement, with the
//! profile of a gallery and with that of a room. Without arguments all of them. No clock is waited for.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::Timestamp;
use moodring::camera::simulator::{Event, Scene, Script, SimulatorSource};
use moodring::camera::{Frame, PixelFormat};
use moodring::config::{CameraView, Config, Mode};
use moodring::mood::{Aggregator, Mood};
use moodring::vision::{Expression, Vision};

const BEAT: Duration = Duration::from_millis(500);
const SIZES: [(u32, u32); 2] = [(1920, 1080), (1280, 720)];
const SEEDS: [u64; 2] = [1, 2];
/// A head and a person this much apart, in intersection over union, are not the same.
const LEAST_IOU: f32 = 0.3;

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |table: &str| wanted.is_empty() || wanted.iter().any(|name| name == table);
    if is_wanted("tiles") {
        tiles()?;
    }
    if is_wanted("large") {
        large()?;
    }
    if is_wanted("joke") {
        joke()?;
    }
    if is_wanted("rearranged") {
        rearranged()?;
    }
    Ok(())
}

fn gallery(people: u32, size: (u32, u32), seed: u64) -> Config {
    let mut config = Config::default();
    config.camera.view = CameraView::Gallery;
    let simulator = &mut config.camera.simulator;
    (simulator.people, simulator.seed) = (people, seed);
    (simulator.width, simulator.height) = size;
    config
}

/// A simulated call, and everything from vision to mood.
struct Call {
    scene: Scene,
    vision: Vision,
    aggregator: Aggregator,
    begun: Instant,
    data: Vec<u8>,
}

impl Call {
    fn new(config: &Config, script: Script) -> Result<Self> {
        let source = SimulatorSource::new(&config.camera.simulator).with_script(script);
        let scene = source.with_view(CameraView::Gallery).scene()?;
        let data = vec![0; scene.size().area()];
        let (vision, aggregator) = (Vision::new(config)?, Aggregator::of(config)?);
        Ok(Self { scene, vision, aggregator, begun: Instant::now(), data })
    }

    fn frame(&mut self, at: Duration) -> Frame {
        let mut data = std::mem::take(&mut self.data);
        self.scene.draw(at, &mut data);
        let (size, captured_at) = (self.scene.size(), self.begun + at);
        let stride = size.width as usize;
        Frame { captured_at, sequence: 0, format: PixelFormat::Grey, size, stride, data }
    }

    /// The mood after the picture at `at`.
    fn mood(&mut self, at: Duration) -> Result<Mood> {
        let frame = self.frame(at);
        self.aggregator.observe(&self.vision.observe(&frame)?);
        self.data = frame.data;
        Ok(self.aggregator.mood(self.begun + at, Timestamp::now()))
    }
}

fn share(part: usize, of: usize) -> f64 {
    part as f64 / of.max(1) as f64
}

fn tiles() -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| tiles | picture | heads, px high | cameras on | heads found | of them right | found elsewhere | people published | facing, true | facing, published |"
    )?;
    writeln!(out, "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
    for people in [1, 4, 9, 16, 25, 36, 49] {
        for size in SIZES {
            for seed in SEEDS {
                let mut call = Call::new(&gallery(people, size, seed), Script::default())?;
                let (mut true_heads, mut found, mut right, mut pixels) = (0, 0, 0, 0.0);
                for second in [5, 14] {
                    let at = Duration::from_secs(second);
                    let frame = call.frame(at);
                    let heads = call.vision.look(&frame)?.observation.people;
                    call.data = frame.data;
                    let truth = call.scene.truth(at).people;
                    let matched = truth
                        .iter()
                        .filter(|person| heads.iter().any(|head| person.head.iou(head.head) >= LEAST_IOU));
                    (true_heads, found, right) =
                        (true_heads + truth.len(), found + heads.len(), right + matched.count());
                    pixels += truth.iter().map(|person| person.head.height).sum::<f32>();
                }
                let mut last = None;
                for step in 0..20 {
                    last = Some(call.mood(BEAT * step)?);
                }
                let truth = call.scene.truth(BEAT * 19).people;
                let facing = share(truth.iter().filter(|person| person.faces_front).count(), truth.len());
                let published = |value: Option<String>| value.unwrap_or_else(|| "too few".into());
                let mood = last.as_ref();
                writeln!(
                    out,
                    "| {people} | {}x{} | {:.0} | {} | {:.3} | {:.3} | {} | {} | {facing:.2} | {} |",
                    size.0,
                    size.1,
                    pixels / true_heads as f32,
                    truth.len(),
                    share(right, true_heads),
                    share(right, found),
                    found - right,
                    published(mood.and_then(|mood| mood.people).map(|people| people.to_string())),
                    published(mood.and_then(|mood| mood.facing).map(|facing| format!("{:.2}", facing.share))),
                )?;
            }
        }
    }
    Ok(writeln!(out)?)
}

/// Who is found in few large tiles, by the width at which heads are searched.
fn large() -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| tiles at 1920x1080 | heads, px high | searched at | facing the front, found | turned away, found | found elsewhere |"
    )?;
    writeln!(out, "|---:|---:|---:|---:|---:|---:|")?;
    for people in [1, 2, 4, 6, 9, 16, 25] {
        for width in [640, 960, 1280] {
            // Facing and turned away: how many there are, and how many are found.
            let (mut there, mut seen, mut elsewhere, mut pixels) = ([0; 2], [0; 2], 0, 0.0);
            for seed in 1..=6 {
                let mut config = gallery(people, SIZES[0], seed);
                config.mood.mode = Mode::Occupancy;
                config.vision.detection_width = width;
                let script = Script::new(vec![(Duration::ZERO, Event::Facing(0.5))], None)?;
                let mut call = Call::new(&config, script)?;
                for second in [5, 14] {
                    let at = Duration::from_secs(second);
                    let frame = call.frame(at);
                    let heads = call.vision.look(&frame)?.observation.people;
                    call.data = frame.data;
                    elsewhere += heads.len();
                    for person in call.scene.truth(at).people {
                        let found = heads.iter().any(|head| person.head.iou(head.head) >= LEAST_IOU);
                        there[usize::from(!person.faces_front)] += 1;
                        seen[usize::from(!person.faces_front)] += usize::from(found);
                        elsewhere -= usize::from(found);
                        pixels += person.head.height;
                    }
                }
            }
            let high = pixels / (there[0] + there[1]) as f32;
            writeln!(
                out,
                "| {people} | {high:.0} | {width} | {:.3} of {} | {:.3} of {} | {elsewhere} |",
                share(seen[0], there[0]),
                there[0],
                share(seen[1], there[1]),
                there[1],
            )?;
        }
    }
    Ok(writeln!(out)?)
}

/// Shares of a class at work and of one that laughs, in the order of `Expression::ALL`.
const AT_WORK: [f64; 7] = [0.0, 0.0, 0.0, 0.15, 0.05, 0.0, 0.80];
const LAUGHING: [f64; 7] = [0.0, 0.0, 0.0, 0.65, 0.0, 0.20, 0.15];

fn joke() -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| tiles | picture | happy before, true 0.15 | happy 40 s after the joke, true 0.65 | happy is dominant after | word then | restlessness |"
    )?;
    writeln!(out, "|---:|---|---:|---:|---:|---|---:|")?;
    for people in [9, 25, 49] {
        for size in SIZES {
            let at = Duration::from_secs(20);
            let events =
                vec![(Duration::ZERO, Event::Expressions(AT_WORK)), (at, Event::Expressions(LAUGHING))];
            let mut call = Call::new(&gallery(people, size, 1), Script::new(events, None)?)?;
            let happy = |mood: &Mood| mood.expressions.map_or(f64::NAN, |shares| shares.happy.share);
            let (mut before, mut dominant) = (f64::NAN, None);
            let mut last = call.mood(Duration::ZERO)?;
            for step in 1..=120 {
                last = call.mood(BEAT * step)?;
                if BEAT * step < at {
                    before = happy(&last);
                } else if dominant.is_none() && last.dominant == Some(Expression::Happy) {
                    dominant = Some((BEAT * step - at).as_secs_f64());
                }
            }
            writeln!(
                out,
                "| {people} | {}x{} | {before:.2} | {:.2} | {:.1} s | {} | {:.2} |",
                size.0,
                size.1,
                happy(&last),
                dominant.unwrap_or(f64::INFINITY),
                last.word.name(),
                last.restlessness.unwrap_or(f64::NAN),
            )?;
        }
    }
    Ok(writeln!(out)?)
}

/// What happens half way, and what it is called.
fn rearrangements() -> Vec<(&'static str, u32, Event)> {
    let slide = Event::Slide(Duration::from_secs(60));
    vec![
        ("25 → 30", 25, Event::People(30)),
        ("30 → 24", 30, Event::People(24)),
        ("25 → 26", 25, Event::People(26)),
        ("30 → 29", 30, Event::People(29)),
        ("49 → 40", 49, Event::People(40)),
        ("25, a slide", 25, slide),
    ]
}

fn rearranged() -> Result<()> {
    const HALF: u32 = 40;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| rearranged | profile | published number off by more than one for | most counted at once, true | restlessness before, most after |"
    )?;
    writeln!(out, "|---|---|---:|---:|---:|")?;
    for (name, people, event) in rearrangements() {
        for view in [CameraView::Gallery, CameraView::Room] {
            let mut config = gallery(people, SIZES[0], 1);
            config.camera.view = view;
            let mut call = Call::new(&config, Script::new(vec![(BEAT * HALF, event)], None)?)?;
            let (mut wrong, mut most, mut before, mut after) = (Duration::ZERO, 0, 0.0, 0.0_f64);
            let mut truth = 0;
            for step in 0..2 * HALF {
                let at = BEAT * step;
                let frame = call.frame(at);
                let observation = call.vision.observe(&frame)?;
                call.data = frame.data;
                call.aggregator.observe(&observation);
                let mood = call.aggregator.mood(call.begun + at, Timestamp::now());
                let restless = mood.restlessness.unwrap_or(0.0);
                if step < HALF {
                    before = restless;
                    continue;
                }
                truth = call.scene.truth(at).people.len();
                after = after.max(restless);
                most = most.max(observation.people.len());
                if mood.people.is_none_or(|seen| (seen as usize).abs_diff(truth) > 1) {
                    wrong = at + BEAT - BEAT * HALF;
                }
            }
            let profile = if view == CameraView::Gallery { "gallery" } else { "room" };
            let wrong = wrong.as_secs_f64();
            writeln!(
                out,
                "| {name} | {profile} | {wrong:.1} s | {most}, {truth} | {before:.2}, {after:.2} |"
            )?;
        }
    }
    Ok(writeln!(out)?)
}
