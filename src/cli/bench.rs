//! `moodring bench`: measures the time of each stage from picture to mood, with one and with two threads.
//!
//! Compare times only within one run on one machine. The bare networks are timed in the same run, so the result shows
//! how much time everything else takes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use serde::Serialize;

use super::OptionalConfig;
use moodring_camera::file::{self, Clip, Input, Speed};
use moodring_camera::simulator::SimulatorSource;
use moodring_camera::{CameraSource, Frame};
use moodring_config::{Config, SimulatedFormat, SimulatedScript};
use moodring_mood::Aggregator;
use moodring_runtime::Stop;
use moodring_vision::{Stages, Vision};

/// Number of different pictures that are read in turn.
const PICTURES: usize = 12;
/// Cycles before the measurement, which fill caches and allocate buffers.
const WARM_UP: usize = 3;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// People in the simulated class
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=60))]
    people: u32,
    /// Size of the simulated picture
    #[arg(long, default_value = "1280x720", value_parser = size)]
    size: (u32, u32),
    /// Layout of the simulated picture: grey, nv12, yuyv or mjpeg
    #[arg(long, default_value = "mjpeg", value_parser = format)]
    format: SimulatedFormat,
    /// Read this picture or clip instead of the simulated class
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Measured cycles for each number of threads
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    cycles: u32,
    /// Print one JSON object instead of the table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: OptionalConfig,
}

/// Medians for one number of threads, in milliseconds.
#[derive(Debug, Serialize)]
struct Measurement {
    threads: u32,
    stages: Vec<(&'static str, f64)>,
    total_ms: f64,
    /// Time of the network runs of one cycle, without other work.
    bare_networks_ms: f64,
    /// `total_ms` divided by `bare_networks_ms`.
    overhead: f64,
    tiles: usize,
    heads: usize,
    faces_read: usize,
    cycles_per_s: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    input: String,
    measurements: Vec<Measurement>,
    /// Rate with two threads divided by the rate with one.
    two_threads_gain: f64,
    peak_rss_mb: f64,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut config = arguments.config.load()?;
    moodring_runtime::logging::start("warn")?;
    config.camera.simulator.people = arguments.people;
    (config.camera.simulator.width, config.camera.simulator.height) = arguments.size;
    config.camera.simulator.format = arguments.format;
    config.camera.simulator.frames_per_s = 1;
    // Reads every face in every cycle: the worst case of a full room.
    config.camera.simulator.facing = 1.0;
    config.camera.simulator.script = SimulatedScript::Steady;
    config.vision.reading_budget_s = 10.0;
    let frames = frames(arguments, &config)?;
    let mut measurements = Vec::new();
    for threads in [1, 2] {
        config.engine.threads = threads;
        measurements.push(measure(&config, &frames, arguments.cycles as usize)?);
    }
    let report = Report {
        input: describe(arguments),
        two_threads_gain: round(measurements[0].total_ms / measurements[1].total_ms),
        measurements,
        peak_rss_mb: round(peak_rss_mb().unwrap_or(f64::NAN)),
    };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print_table(&report);
    }
    Ok(())
}

fn frames(arguments: &Arguments, config: &Config) -> anyhow::Result<Vec<Frame>> {
    let frames: Vec<Frame> = match &arguments.input {
        None => {
            let mut camera = SimulatorSource::new(&config.camera.simulator).unpaced().open()?;
            (0..PICTURES).map(|_| camera.capture(Vec::new())).collect::<Result<_, _>>()?
        }
        Some(path) => match Input::inspect(path)? {
            Input::Picture(path) => vec![file::load_picture(&path)?],
            Input::Folder(paths) => {
                paths.iter().take(PICTURES).map(|path| file::load_picture(path)).collect::<Result<_, _>>()?
            }
            Input::Clip(path) => {
                let mut clip = Clip::open(&path, Speed::Fastest, &Stop::default())?;
                let mut frames = Vec::new();
                while frames.len() < PICTURES
                    && let Some(frame) = clip.next_frame(Vec::new())?
                {
                    frames.push(frame);
                }
                frames
            }
        },
    };
    ensure!(!frames.is_empty(), "{} contains no picture", describe(arguments));
    Ok(frames)
}

fn measure(config: &Config, frames: &[Frame], cycles: usize) -> anyhow::Result<Measurement> {
    let mut vision = Vision::new(config).context("vision cannot start")?;
    let mut aggregator = Aggregator::from_config(config)?;
    let mut measured: Vec<(Stages, Duration, Duration)> = Vec::with_capacity(cycles);
    for (cycle, frame) in frames.iter().cycle().take(WARM_UP + cycles).enumerate() {
        // A repeated frame needs a newer time, like a frame from a camera.
        let frame = Frame { captured_at: Instant::now(), ..frame.clone() };
        let started = Instant::now();
        let observation = vision.observe(&frame)?;
        let observed = Instant::now();
        aggregator.observe(&observation);
        std::hint::black_box(aggregator.mood(Instant::now(), Timestamp::UNIX_EPOCH));
        if cycle >= WARM_UP {
            measured.push((vision.stages(), observed.elapsed(), started.elapsed()));
        }
    }
    let last = measured.last().map(|(stages, ..)| *stages).unwrap_or_default();
    let bare = vision.bare_networks(last.faces_read, cycles.min(10))?;
    let median = |duration: &dyn Fn(&(Stages, Duration, Duration)) -> Duration| {
        let mut times: Vec<Duration> = measured.iter().map(duration).collect();
        times.sort_unstable();
        milliseconds(times[times.len() / 2])
    };
    let total_ms = median(&|(.., total)| *total);
    Ok(Measurement {
        threads: config.engine.threads,
        stages: vec![
            ("luma", median(&|(stages, ..)| stages.luma)),
            ("resize, tiles", median(&|(stages, ..)| stages.resize)),
            ("heads: network", median(&|(stages, ..)| stages.heads_network)),
            ("heads: decode", median(&|(stages, ..)| stages.heads_decode)),
            ("seats", median(&|(stages, ..)| stages.seats)),
            ("faces: crop", median(&|(stages, ..)| stages.crop)),
            ("faces: network", median(&|(stages, ..)| stages.expression_network)),
            ("mood", median(&|(_, mood, _)| *mood)),
        ],
        total_ms,
        bare_networks_ms: milliseconds(bare),
        overhead: round(total_ms / milliseconds(bare)),
        tiles: last.tiles,
        heads: last.heads,
        faces_read: last.faces_read,
        cycles_per_s: round(1e3 / total_ms),
    })
}

fn print_table(report: &Report) {
    let [one, two] = &report.measurements[..] else { return };
    println!(
        "{}: {} detector runs, {} heads, {} faces read",
        report.input, one.tiles, one.heads, one.faces_read
    );
    println!("{:16} {:>10} {:>7} {:>10} {:>7}", "median", "1 thread", "share", "2 threads", "share");
    let line = |name: &str, one_ms: f64, two_ms: f64| {
        let share = |part: f64, whole: f64| 100.0 * part / whole;
        println!(
            "{name:16} {one_ms:7.2} ms {:5.1} % {two_ms:7.2} ms {:5.1} %",
            share(one_ms, one.total_ms),
            share(two_ms, two.total_ms)
        );
    };
    for ((name, one_ms), (_, two_ms)) in one.stages.iter().zip(&two.stages) {
        line(name, *one_ms, *two_ms);
    }
    line("full cycle", one.total_ms, two.total_ms);
    line("bare networks", one.bare_networks_ms, two.bare_networks_ms);
    println!("full cycle over bare networks: {} with 1 thread, {} with 2", one.overhead, two.overhead);
    println!("rate with 2 threads over 1: {}", report.two_threads_gain);
    println!("peak resident memory: {} MB", report.peak_rss_mb);
}

fn describe(arguments: &Arguments) -> String {
    match &arguments.input {
        Some(path) => file::display_name(path),
        None => {
            let (width, height) = arguments.size;
            format!("simulated class of {} at {width}x{height}, {:?}", arguments.people, arguments.format)
        }
    }
}

/// Peak resident memory of this process in MiB, from `VmHWM` in `/proc/self/status`.
pub(super) fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

fn milliseconds(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1e3)
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let parse = |(width, height): (&str, &str)| Some((width.parse().ok()?, height.parse().ok()?));
    match text.split_once('x').and_then(parse) {
        Some((width @ 320..=1920, height @ 240..=1080)) => Ok((width, height)),
        _ => Err("must be WIDTHxHEIGHT from 320x240 to 1920x1080, such as 1280x720".into()),
    }
}

fn format(text: &str) -> Result<SimulatedFormat, String> {
    match text {
        "grey" => Ok(SimulatedFormat::Grey),
        "nv12" => Ok(SimulatedFormat::Nv12),
        "yuyv" => Ok(SimulatedFormat::Yuyv),
        "mjpeg" => Ok(SimulatedFormat::Mjpeg),
        _ => Err("must be grey, nv12, yuyv or mjpeg".into()),
    }
}
