//! What the real networks make of a simulated video call: the tables of docs/online-classes.md.
//!
//! `cargo run --release --example gallery_quality -- [tiles] [joke] [rearranged]`
//!
//! `tiles`: how many heads are found, of which size, and whom the mood counts. `joke`: how the class's happy share
//! follows a joke. `rearranged`: how long the published number of people is wrong after a rearrangement, with the
//! profile of a gallery and with that of a room. Without arguments all of them. No clock is waited for.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::Timestamp;
use moodring::camera::simulator::{Event, Scene, Script, SimulatorSource};
use moodring::camera::{Frame, PixelFormat};
use moodring::config::{CameraView, Config};
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
    writeln!(out, "| tiles | picture | heads, px high | cameras on | heads found | of them right | found elsewhere | people published | facing, true | facing, published |")?;
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
                    let matched = truth.iter().filter(|person| heads.iter().any(|head| person.head.iou(head.head) >= LEAST_IOU));
                    (true_heads, found, right) = (true_heads + truth.len(), found + heads.len(), right + matched.count());
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

fn joke() -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "| tiles | picture | happy at 19 s, true 0.15 | at 32 s, true 0.65 | dominant then | word then | restlessness |")?;
    writeln!(out, "|---:|---|---:|---:|---|---|---:|")?;
    for people in [9, 25, 49] {
        for size in SIZES {
            let config = gallery(people, size, 1);
            let mut call = Call::new(&config, Script::lesson(config.camera.simulator.facing))?;
            let mut happy = Vec::new();
            let mut last = None;
            for step in 0..=64 {
                let mood = call.mood(BEAT * step)?;
                if step == 38 || step == 64 {
                    happy.push(mood.expressions.map_or(f64::NAN, |shares| shares.happy.share));
                }
                last = Some(mood);
            }
            let Some(mood) = last else { continue };
            writeln!(
                out,
                "| {people} | {}x{} | {:.2} | {:.2} | {} | {} | {:.2} |",
                size.0,
                size.1,
                happy[0],
                happy[1],
                mood.dominant.map_or("none", Expression::name),
                mood.word.name(),
                mood.restlessness.unwrap_or(f64::NAN),
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
    writeln!(out, "| rearranged | profile | right again after | most counted at once, true | seats that were somebody else's | restlessness before, most after |")?;
    writeln!(out, "|---|---|---:|---:|---:|---:|")?;
    for (name, people, event) in rearrangements() {
        for view in [CameraView::Gallery, CameraView::Room] {
            let mut config = gallery(people, SIZES[0], 1);
            config.camera.view = view;
            let mut call = Call::new(&config, Script::new(vec![(BEAT * HALF, event)], None)?)?;
            let (mut wrong_until, mut most, mut before, mut after) = (None, 0, 0.0, 0.0_f64);
            let mut kept = 0;
            let mut seats = Vec::new();
            for step in 0..2 * HALF {
                let at = BEAT * step;
                let frame = call.frame(at);
                let observation = call.vision.observe(&frame)?;
                call.data = frame.data;
                call.aggregator.observe(&observation);
                let mood = call.aggregator.mood(call.begun + at, Timestamp::now());
                let truth = call.scene.truth(at).people;
                let restless = mood.restlessness.unwrap_or(0.0);
                if step < HALF {
                    before = restless;
                    seats.clear();
                    seats.extend(truth.iter().filter_map(|person| {
                        let found = observation.people.iter().find(|head| person.head.iou(head.head) >= LEAST_IOU)?;
                        Some((person.seat, found.seat, found.reading.map(|reading| reading.read_at)))
                    }));
                    continue;
                }
                after = after.max(restless);
                most = most.max(observation.people.len());
                if step == HALF {
                    // Whose reading is that of a picture before, and of another person?
                    kept = truth.iter().filter(|person| {
                        let found = observation.people.iter().find(|head| person.head.iou(head.head) >= LEAST_IOU);
                        let old = found.and_then(|head| head.reading).is_some_and(|reading| reading.read_at < call.begun + at);
                        let own = found.is_some_and(|head| seats.iter().any(|(seat, id, _)| *seat == person.seat && *id == head.seat));
                        old && !own
                    }).count();
                }
                let wrong = mood.people.is_none_or(|seen| (f64::from(seen) - truth.len() as f64).abs() > 0.02 * truth.len() as f64 + 0.5);
                if wrong {
                    wrong_until = Some(at + BEAT - BEAT * HALF);
                }
            }
            let truth = call.scene.truth(BEAT * (2 * HALF - 1)).people.len();
            let lasts = wrong_until.map_or(0.0, |until| until.as_secs_f64());
            let profile = if view == CameraView::Gallery { "gallery" } else { "room" };
            writeln!(out, "| {name} | {profile} | {lasts:.1} s | {most}, {truth} | {kept} | {before:.2}, {after:.2} |")?;
        }
    }
    Ok(writeln!(out)?)
}
