//! `moodring analyze`: pictures, folders and clips, read once at full speed.
//!
//! The user names the pictures and asks what is in them, so this command, unlike the daemon, tells boxes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;

use super::{AlreadyTold, OptionalConfig, annotate};
use crate::camera::Frame;
use crate::camera::file::{self, Clip, Input};
use crate::config::Config;
use crate::mood::{Aggregator, Mood};
use crate::supervisor::Stop;
use crate::vision::{
    Expression, Expressions, Face, Look, Observation, Person, PixelBox, Reading, SeatId, Verdict, Vision,
    VisionError,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Pictures (JPEG, PNG, WebP), folders of pictures, and clips that ffmpeg reads
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// One JSON object a picture and line, instead of a table
    #[arg(long)]
    json: bool,
    /// Write each picture with boxes, words and bars into this folder, as PNG
    #[arg(long, value_name = "DIR", conflicts_with = "crops")]
    annotate: Option<PathBuf>,
    /// Leave out heads of a lower score, 0.05 to 0.95; without it the model card decides
    #[arg(long, value_name = "S", value_parser = score)]
    min_score: Option<f64>,
    /// Each picture is one face that is already cut out: read its expression only
    #[arg(long)]
    crops: bool,
    /// Of a clip, read every Nth picture only
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    step: u32,
    #[command(flatten)]
    config: OptionalConfig,
}

/// What is told of one picture.
#[derive(Serialize)]
struct Report<'a> {
    source: &'a str,
    width: u32,
    height: u32,
    people: Vec<PersonReport>,
    mood: &'a Mood,
}

#[derive(Serialize)]
struct PersonReport {
    head: [f32; 4],
    head_score: f32,
    face: Option<[f32; 4]>,
    face_score: f32,
    verdict: &'static str,
    expression: Option<serde_json::Map<String, serde_json::Value>>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut config = arguments.config.load()?;
    super::logging::start("warn")?;
    if arguments.min_score.is_some() {
        config.vision.head_score = arguments.min_score;
    }
    if let Some(directory) = &arguments.annotate {
        fs::create_dir_all(directory)
            .with_context(|| format!("the folder {} cannot be made", directory.display()))?;
    }
    let vision = Vision::new(&config).context("vision cannot start")?;
    let mut analysis = Analysis { arguments, config, vision, failed: 0 };
    analysis.all()?;
    if analysis.failed > 0 { Err(AlreadyTold.into()) } else { Ok(()) }
}

struct Analysis<'a> {
    arguments: &'a Arguments,
    config: Config,
    vision: Vision,
    failed: usize,
}

impl Analysis<'_> {
    fn all(&mut self) -> anyhow::Result<()> {
        let mut sources = Vec::new();
        for path in &self.arguments.inputs {
            match Input::inspect(path) {
                Ok(Input::Folder(pictures)) => sources.extend(pictures.into_iter().map(Input::Picture)),
                Ok(source) => sources.push(source),
                Err(error) => self.tell(&path.display().to_string(), &error.into()),
            }
        }
        if !self.arguments.json {
            println!("{}", Self::HEADER);
        }
        // Drawn on standard error, and only when that is a terminal.
        let progress = ProgressBar::new(sources.len() as u64).with_style(
            ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        for source in sources {
            match source {
                Input::Clip(path) => self.clip(&path, &progress)?,
                Input::Picture(path) => self.picture(&path, &progress)?,
                Input::Folder(_) => {}
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(())
    }

    /// Reads a picture; only what ends the whole run (a closed pipe, a full disk) is an error.
    fn picture(&mut self, path: &Path, progress: &ProgressBar) -> anyhow::Result<()> {
        let name = path.display().to_string();
        progress.set_message(name.clone());
        match file::load_picture(path) {
            Ok(frame) => progress.suspend(|| self.frame(&name, &frame)),
            Err(error) => {
                progress.suspend(|| self.tell(&name, &error.into()));
                Ok(())
            }
        }
    }

    /// Reads a clip; errors as for a picture.
    fn clip(&mut self, path: &Path, progress: &ProgressBar) -> anyhow::Result<()> {
        let name = path.display().to_string();
        let mut opened = match Clip::open(path, &Stop::default()) {
            Ok(clip) => clip,
            Err(error) => {
                progress.suspend(|| self.tell(&name, &error.into()));
                return Ok(());
            }
        };
        let (mut index, mut buffer) = (0_u32, Vec::new());
        loop {
            match opened.next_frame(std::mem::take(&mut buffer)) {
                Ok(Some(frame)) => {
                    if index.is_multiple_of(self.arguments.step) {
                        progress.set_message(format!("{name}, picture {index}"));
                        progress.suspend(|| self.frame(&format!("{name}#{index}"), &frame))?;
                    }
                    buffer = frame.data;
                    index += 1;
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    progress.suspend(|| self.tell(&name, &error.into()));
                    return Ok(());
                }
            }
        }
    }

    fn frame(&mut self, source: &str, frame: &Frame) -> anyhow::Result<()> {
        let seen = if self.arguments.crops { self.face(frame) } else { self.vision.look(frame) };
        let Look { observation, face_scores } = match seen {
            Ok(look) => look,
            Err(error) => {
                self.tell(source, &error.into());
                return Ok(());
            }
        };
        let mut aggregator = Aggregator::of(&self.config)?;
        aggregator.observe(&observation);
        let mood = aggregator.mood(Instant::now(), Timestamp::now());
        if self.arguments.json {
            let report = Report {
                source,
                width: frame.size.width,
                height: frame.size.height,
                people: observation.people.iter().zip(face_scores).map(person_report).collect(),
                mood: &mood,
            };
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!("{}", row(source, &observation, &mood));
        }
        if let Some(directory) = &self.arguments.annotate {
            self.annotate(directory, source, frame, &observation)?;
        }
        Ok(())
    }

    /// A picture that is one face: one person, whose head and face fill it.
    fn face(&mut self, frame: &Frame) -> Result<Look, VisionError> {
        let expressions = self.vision.read_face(frame)?;
        let whole =
            PixelBox { x: 0.0, y: 0.0, width: frame.size.width as f32, height: frame.size.height as f32 };
        let person = Person {
            seat: SeatId(0),
            head: whole,
            head_score: 1.0,
            unseen_for: Duration::ZERO,
            face: Some(Face { bounds: whole, score: 1.0 }),
            facing: 1.0,
            motion: 0.0,
            verdict: Verdict::Ok,
            reading: Some(Reading { expressions, read_at: frame.captured_at }),
            belief: Some(expressions),
        };
        let observation = Observation { captured_at: frame.captured_at, people: vec![person] };
        Ok(Look { observation, face_scores: vec![1.0] })
    }

    fn annotate(
        &self,
        directory: &Path,
        source: &str,
        frame: &Frame,
        observation: &Observation,
    ) -> anyhow::Result<()> {
        // Pictures and clips are loaded as one plane of luma without padding.
        let picture = image::GrayImage::from_raw(frame.size.width, frame.size.height, frame.data.clone())
            .context("a picture was loaded in another layout than luma")?;
        let stem = Path::new(source).file_stem().unwrap_or_default().to_string_lossy().replace('#', "-");
        let path = directory.join(format!("{stem}.png"));
        annotate::annotate(&picture, &observation.people, &self.config.zone)
            .save(&path)
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    fn tell(&mut self, source: &str, error: &anyhow::Error) {
        self.failed += 1;
        eprintln!("moodring: {source}: {error:#}");
    }

    const HEADER: &'static str =
        "people  facing  read  mood       angry disgust fear  happy sad   surpr neutral  picture";
}

/// One line of the table: percentages of the class, as far as the picture shows at least k people.
fn row(source: &str, observation: &Observation, mood: &Mood) -> String {
    let facing = observation.people.iter().filter(|person| person.faces_front()).count();
    let read = observation.people.iter().filter(|person| person.reading.is_some()).count();
    let mut row = format!("{:6}  {facing:6}  {read:4}  {:9}", observation.people.len(), mood.word.name());
    for index in 0..7 {
        let _ = match mood.expressions {
            Some(shares) => write!(row, "  {:3.0}%", shares.in_order()[index].1.share * 100.0),
            None => write!(row, "     -"),
        };
    }
    let _ = write!(row, "    {source}");
    row
}

fn person_report((person, face_score): (&Person, f32)) -> PersonReport {
    PersonReport {
        head: corners(person.head),
        head_score: round(person.head_score, 1e3),
        face: person.face.map(|face| corners(face.bounds)),
        face_score: round(face_score, 1e3),
        verdict: person.verdict.name(),
        expression: person.reading.map(|reading| probabilities(&reading.expressions)),
    }
}

/// `[x, y, width, height]` in pixels of the picture.
fn corners(bounds: PixelBox) -> [f32; 4] {
    [bounds.x, bounds.y, bounds.width, bounds.height].map(|value| round(value, 10.0))
}

fn probabilities(expressions: &Expressions) -> serde_json::Map<String, serde_json::Value> {
    let round = |value: f32| (f64::from(value) * 1e4).round() / 1e4;
    Expression::ALL
        .into_iter()
        .zip(expressions.0)
        .map(|(expression, value)| (expression.name().to_owned(), round(value).into()))
        .collect()
}

fn round(value: f32, steps: f32) -> f32 {
    (value * steps).round() / steps
}

fn score(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(score) if (0.05..=0.95).contains(&score) => Ok(score),
        _ => Err("must be a score from 0.05 to 0.95".into()),
    }
}
