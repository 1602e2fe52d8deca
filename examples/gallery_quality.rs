//! Measures the real networks on simulated video calls, and prints the tables of docs/guide/online-classes.md.
//!
//! `cargo run --release --example gallery_quality -- [tiles] [large] [joke] [rearranged]`
//!
//! `tiles`: heads found by size, and published people and facing. `large`: heads found in few large tiles, by
//! `vision.detection_width`. `joke`: delay of the happy share after a joke. `rearranged`: for how long the published
//! number of people is wrong after a rearrangement, from the settings of a room step by step to those of a gallery.
//! Without arguments it prints all tables. The clock is simulated.
//!
//! `picture FILE` writes the picture of that page.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use image::codecs::png::{CompressionType, FilterType as PngFilter, PngEncoder};
use image::imageops::{FilterType, resize};
use image::{ExtendedColorType, GrayImage, ImageEncoder as _};
use jiff::Timestamp;
use moodring_camera::simulator::{Scene, Script, ScriptEvent, SimulatorSource};
use moodring_camera::{Frame, PixelFormat};
use moodring_config::{CameraView, Config};
use moodring_contract::Expression;
use moodring_contract::Mode;
use moodring_contract::Mood;
use moodring_mood::Aggregator;
use moodring_vision::{Person, Vision};

const CYCLE: Duration = Duration::from_millis(500);
const SIZES: [(u32, u32); 2] = [(1920, 1080), (1280, 720)];
const SEEDS: [u64; 2] = [1, 2];
/// Minimum intersection over union of a found head and the true head of the same person.
const MIN_IOU: f32 = 0.3;

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let [command, file] = &wanted[..]
        && command == "picture"
    {
        return picture(Path::new(file));
    }
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

/// Writes a picture of twenty tiles during the joke. It has 24 greys, which keeps the file small.
fn picture(file: &Path) -> Result<()> {
    const GREYS: u32 = 24;
    const WIDTH: u32 = 800;
    const HEIGHT: u32 = 450;
    let config = gallery(20, SIZES[1], 1);
    let script = Script::lesson(config.camera.simulator.facing);
    let source = SimulatorSource::new(&config.camera.simulator).with_script(script);
    let mut scene = source.with_view(CameraView::Gallery).scene()?;
    let mut luma = vec![0; scene.size().area()];
    scene.draw(Duration::from_millis(23_200), &mut luma);
    let drawn = GrayImage::from_raw(SIZES[1].0, SIZES[1].1, luma).context("a picture of another size")?;
    let mut small = resize(&drawn, WIDTH, HEIGHT, FilterType::Lanczos3);
    for pixel in small.iter_mut() {
        let grey = (u32::from(*pixel) * (GREYS - 1) + 127) / 255;
        *pixel = (grey * 255 / (GREYS - 1)) as u8;
    }
    let to = std::fs::File::create(file)?;
    let encoder = PngEncoder::new_with_quality(to, CompressionType::Best, PngFilter::NoFilter);
    Ok(encoder.write_image(&small, WIDTH, HEIGHT, ExtendedColorType::L8)?)
}

fn gallery(people: u32, size: (u32, u32), seed: u64) -> Config {
    let mut config = Config::default();
    config.camera.view = CameraView::Gallery;
    let simulator = &mut config.camera.simulator;
    (simulator.people, simulator.seed) = (people, seed);
    (simulator.width, simulator.height) = size;
    config
}

/// A simulated call with its vision and mood estimate.
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
        let (vision, aggregator) = (Vision::new(config)?, Aggregator::from_config(config)?);
        Ok(Self { scene, vision, aggregator, begun: Instant::now(), data })
    }

    fn frame(&mut self, at: Duration) -> Frame {
        let mut data = std::mem::take(&mut self.data);
        self.scene.draw(at, &mut data);
        let (size, captured_at) = (self.scene.size(), self.begun + at);
        let stride = size.width as usize;
        Frame { captured_at, sequence: 0, format: PixelFormat::Grey, size, stride, data }
    }

    /// Draws and analyses the picture at `at`; returns the mood after it.
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
                    let heads = call.vision.analyze_still(&frame)?.observation.people;
                    call.data = frame.data;
                    let truth = call.scene.truth(at).people;
                    let matched = truth
                        .iter()
                        .filter(|person| heads.iter().any(|head| person.head.iou(head.head) >= MIN_IOU));
                    (true_heads, found, right) =
                        (true_heads + truth.len(), found + heads.len(), right + matched.count());
                    pixels += truth.iter().map(|person| person.head.height).sum::<f32>();
                }
                let mut last = None;
                for step in 0..20 {
                    last = Some(call.mood(CYCLE * step)?);
                }
                let truth = call.scene.truth(CYCLE * 19).people;
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

/// Heads found in few large tiles, by detection width.
fn large() -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| tiles at 1920x1080 | heads, px high | searched at | facing the front, found | turned away, found | found elsewhere |"
    )?;
    writeln!(out, "|---:|---:|---:|---:|---:|---:|")?;
    for people in [1, 2, 4, 6, 9, 16, 25] {
        for width in [640, 960, 1280] {
            // Indexed by facing and turned away: number of people, and number of those found.
            let (mut present, mut seen, mut elsewhere, mut pixels) = ([0; 2], [0; 2], 0, 0.0);
            for seed in 1..=6 {
                let mut config = gallery(people, SIZES[0], seed);
                config.mood.mode = Mode::Occupancy;
                config.vision.detection_width = width;
                let script = Script::new(vec![(Duration::ZERO, ScriptEvent::Facing(0.5))], None)?;
                let mut call = Call::new(&config, script)?;
                for second in [5, 14] {
                    let at = Duration::from_secs(second);
                    let frame = call.frame(at);
                    let heads = call.vision.analyze_still(&frame)?.observation.people;
                    call.data = frame.data;
                    elsewhere += heads.len();
                    for person in call.scene.truth(at).people {
                        let found = heads.iter().any(|head| person.head.iou(head.head) >= MIN_IOU);
                        present[usize::from(!person.faces_front)] += 1;
                        seen[usize::from(!person.faces_front)] += usize::from(found);
                        elsewhere -= usize::from(found);
                        pixels += person.head.height;
                    }
                }
            }
            let high = pixels / (present[0] + present[1]) as f32;
            let found = |index: usize| match present[index] {
                0 => "none".to_owned(),
                of => format!("{:.3} of {of}", share(seen[index], of)),
            };
            let (front, away) = (found(0), found(1));
            writeln!(out, "| {people} | {high:.0} | {width} | {front} | {away} | {elsewhere} |")?;
        }
    }
    Ok(writeln!(out)?)
}

/// Expression shares of a class at work and of a laughing class, in the order of `Expression::ALL`.
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
            let events = vec![
                (Duration::ZERO, ScriptEvent::Expressions(AT_WORK)),
                (at, ScriptEvent::Expressions(LAUGHING)),
            ];
            let mut call = Call::new(&gallery(people, size, 1), Script::new(events, None)?)?;
            let happy = |mood: &Mood| mood.expressions.map_or(f64::NAN, |shares| shares.happy.share);
            let (mut before, mut dominant) = (f64::NAN, None);
            let mut last = call.mood(Duration::ZERO)?;
            for step in 1..=120 {
                last = call.mood(CYCLE * step)?;
                if CYCLE * step < at {
                    before = happy(&last);
                } else if dominant.is_none() && last.dominant == Some(Expression::Happy) {
                    dominant = Some((CYCLE * step - at).as_secs_f64());
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

/// Name, number of people before, and event of each rearrangement.
fn rearrangements() -> [(&'static str, u32, ScriptEvent); 5] {
    let slide = ScriptEvent::Slide(Duration::from_secs(60));
    [
        ("25 → 30", 25, ScriptEvent::People(30)),
        ("30 → 24", 30, ScriptEvent::People(24)),
        ("30 → 29", 30, ScriptEvent::People(29)),
        ("49 → 40", 49, ScriptEvent::People(40)),
        ("25, a slide", 25, slide),
    ]
}

/// Name, configuration of vision and configuration of the mood: from a room step by step to a gallery.
fn profiles(config: &Config) -> [(&'static str, Config, Config); 4] {
    let mut room = config.clone();
    room.camera.view = CameraView::Room;
    let mut short = room.clone();
    (short.seats.hidden_s, short.seats.keep_s) = (2.0, 2.0);
    [
        ("room", room.clone(), room.clone()),
        ("room, seats for 2 s", short.clone(), room),
        ("the same, and the count of a gallery", short, config.clone()),
        ("gallery", config.clone(), config.clone()),
    ]
}

/// Errors after a rearrangement.
#[derive(Default)]
struct Errors {
    /// Time until the published number of people was off by at most one.
    published_for: Duration,
    /// Maximum number of people in excess of the true number, in one cycle.
    twice: usize,
    /// People who got the seat, and so an old reading, of another person.
    mixed: usize,
    restlessness: f64,
}

/// Runs 12 s before and 20 s after `event`.
fn rearrange(seeing: &Config, counting: &Config, event: ScriptEvent) -> Result<Errors> {
    const BEFORE: u32 = 24;
    let mut call = Call::new(seeing, Script::new(vec![(CYCLE * BEFORE, event)], None)?)?;
    call.aggregator = Aggregator::from_config(counting)?;
    let (mut errors, mut seats) = (Errors::default(), Vec::new());
    for step in 0..BEFORE + 40 {
        let at = CYCLE * step;
        let frame = call.frame(at);
        let observation = call.vision.observe(&frame)?;
        call.data = frame.data;
        call.aggregator.observe(&observation);
        let mood = call.aggregator.mood(call.begun + at, Timestamp::now());
        let truth = call.scene.truth(at).people;
        let pairs = truth.iter().filter_map(|person| {
            let found = observation.people.iter().find(|head| person.head.iou(head.head) >= MIN_IOU)?;
            Some((person.seat, found))
        });
        if step < BEFORE {
            seats = pairs.map(|(seat, found)| (seat, found.seat)).collect();
            continue;
        }
        if step == BEFORE {
            let is_old =
                |head: &Person| head.reading.is_some_and(|reading| reading.read_at < call.begun + at);
            let mixed = pairs.filter(|(seat, found)| is_old(found) && !seats.contains(&(*seat, found.seat)));
            errors.mixed = mixed.count();
        }
        errors.restlessness = errors.restlessness.max(mood.restlessness.unwrap_or(0.0));
        errors.twice = errors.twice.max(observation.people.len().saturating_sub(truth.len()));
        if mood.people.is_none_or(|seen| (seen as usize).abs_diff(truth.len()) > 1) {
            errors.published_for = at + CYCLE - CYCLE * BEFORE;
        }
    }
    Ok(errors)
}

fn rearranged() -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| rearranged | profile | published number off by more than one for | counted twice | taken for somebody else | restlessness |"
    )?;
    writeln!(out, "|---|---|---:|---:|---:|---:|")?;
    for (name, people, event) in rearrangements() {
        let mut config = gallery(people, SIZES[0], SEEDS[0]);
        // As on a slow board: readings from before the rearrangement are still in use after it.
        config.vision.reading_budget_s = 0.01;
        for (profile, seeing, counting) in profiles(&config) {
            let Errors { published_for, twice, mixed, restlessness } = rearrange(&seeing, &counting, event)?;
            let seconds = published_for.as_secs_f64();
            writeln!(out, "| {name} | {profile} | {seconds:.1} s | {twice} | {mixed} | {restlessness:.2} |")?;
        }
    }
    Ok(writeln!(out)?)
}
