//! `moodring analyze`: reads pictures, folders and clips once, as fast as possible.
//!
//! Unlike the daemon it prints boxes and readings of single people, because the user chose the pictures.

mod annotated;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;

use self::annotated::AnnotatedFolder;
use super::{AlreadyReported, OptionalConfig, annotate};
use moodring_camera::Frame;
use moodring_camera::PixelBox;
use moodring_camera::file::{self, Clip, Input, Speed, display_name};
use moodring_config::Config;
use moodring_contract::Expression;
use moodring_contract::Mood;
use moodring_mood::Aggregator;
use moodring_runtime::Stop;
use moodring_vision::{
    Expressions, Face, Observation, Person, Readability, Reading, SeatId, StillResult, Vision, VisionError,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Pictures (JPEG, PNG, WebP), folders of pictures, and clips that ffmpeg reads
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Print one JSON object per picture and line, instead of a table
    #[arg(long)]
    json: bool,
    /// Write each picture with boxes, labels and bars to this folder, as NAME.annotated.png (of clips: NAME/000000.…)
    #[arg(long, value_name = "DIR", conflicts_with = "crops")]
    annotate: Option<PathBuf>,
    /// Ignore heads with a lower score, 0.05 to 0.95; without it the value of the model card
    #[arg(long, value_name = "S", value_parser = score)]
    min_score: Option<f64>,
    /// Each picture is one cropped face: read only its expression
    #[arg(long)]
    crops: bool,
    /// Read only every Nth picture of a clip
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    step: u32,
    #[command(flatten)]
    config: OptionalConfig,
}

/// The JSON object for one picture.
#[derive(Serialize)]
struct PictureReport<'a> {
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
    #[serde(rename = "verdict")]
    readability: &'static str,
    expression: Option<serde_json::Map<String, serde_json::Value>>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut config = arguments.config.load()?;
    moodring_runtime::logging::start("warn")?;
    if arguments.min_score.is_some() {
        config.vision.head_score = arguments.min_score;
    }
    let vision = Vision::new(&config).context("vision cannot start")?;
    let mut analysis = Analysis { arguments, config, vision, annotated: None, failed: 0 };
    analysis.run()?;
    if analysis.failed > 0 { Err(AlreadyReported.into()) } else { Ok(()) }
}

struct Analysis<'a> {
    arguments: &'a Arguments,
    config: Config,
    vision: Vision,
    annotated: Option<AnnotatedFolder>,
    failed: usize,
}

/// A picture to analyze, and where it comes from.
struct Source<'a> {
    path: &'a Path,
    /// Number of the picture in its clip.
    index: Option<u32>,
}

impl Source<'_> {
    /// The name in tables and messages, without the secrets of an address.
    fn name(&self) -> String {
        let name = display_name(self.path);
        self.index.map_or_else(|| name.clone(), |index| format!("{name}#{index}"))
    }
}

impl Analysis<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        let sources = self.sources();
        if let Some(directory) = &self.arguments.annotate {
            // The names depend on all inputs, and are known before the first is read.
            self.annotated = Some(AnnotatedFolder::create(directory, sources.iter().map(path_of))?);
        }
        if !self.arguments.json {
            println!("{}", Self::HEADER);
        }
        // Drawn on standard error, and only if that is a terminal.
        let progress = ProgressBar::new(sources.len() as u64).with_style(
            ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        for source in sources {
            match source {
                Input::Clip(path) => self.analyze_clip(&path, &progress)?,
                Input::Picture(path) => self.analyze_picture(&path, &progress)?,
                Input::Folder(_) => {}
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(())
    }

    /// The inputs, with the pictures of folders in the place of the folders.
    fn sources(&mut self) -> Vec<Input> {
        let mut sources = Vec::new();
        for path in &self.arguments.inputs {
            match Input::inspect(path) {
                Ok(Input::Folder(pictures)) => sources.extend(pictures.into_iter().map(Input::Picture)),
                Ok(source) => sources.push(source),
                Err(error) => self.report_error(&error.into()),
            }
        }
        sources
    }

    /// Analyzes a picture. Returns only errors that end the whole run, such as a closed pipe or a full disk.
    fn analyze_picture(&mut self, path: &Path, progress: &ProgressBar) -> anyhow::Result<()> {
        let source = Source { path, index: None };
        progress.set_message(source.name());
        match file::load_picture(path) {
            Ok(frame) => progress.suspend(|| self.analyze_frame(&source, &frame)),
            Err(error) => {
                let error = anyhow::Error::from(error);
                progress.suspend(|| self.report_error(&anyhow!("{} {error:#}", source.name())));
                Ok(())
            }
        }
    }

    /// Analyzes a clip; errors as for a picture.
    fn analyze_clip(&mut self, path: &Path, progress: &ProgressBar) -> anyhow::Result<()> {
        let mut clip = match Clip::open(path, Speed::Fastest, &Stop::default()) {
            Ok(clip) => clip,
            Err(error) => {
                progress.suspend(|| self.report_error(&error.into()));
                return Ok(());
            }
        };
        let (mut index, mut buffer) = (0_u32, Vec::new());
        loop {
            match clip.next_frame(std::mem::take(&mut buffer)) {
                Ok(Some(frame)) => {
                    if index.is_multiple_of(self.arguments.step) {
                        let source = Source { path, index: Some(index) };
                        progress.set_message(source.name());
                        progress.suspend(|| self.analyze_frame(&source, &frame))?;
                    }
                    buffer = frame.data;
                    index += 1;
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    progress.suspend(|| self.report_error(&error.into()));
                    return Ok(());
                }
            }
        }
    }

    fn analyze_frame(&mut self, source: &Source<'_>, frame: &Frame) -> anyhow::Result<()> {
        let name = source.name();
        let result =
            if self.arguments.crops { self.read_crop(frame) } else { self.vision.analyze_still(frame) };
        let StillResult { observation, face_scores } = match result {
            Ok(result) => result,
            Err(error) => {
                self.report_error(&anyhow!("{name}: {:#}", anyhow::Error::from(error)));
                return Ok(());
            }
        };
        let mut aggregator = Aggregator::from_config(&self.config)?;
        aggregator.observe(&observation);
        let mood = aggregator.mood(Instant::now(), Timestamp::now());
        if self.arguments.json {
            let report = PictureReport {
                source: &name,
                width: frame.size.width,
                height: frame.size.height,
                people: observation.people.iter().zip(face_scores).map(person_report).collect(),
                mood: &mood,
            };
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!("{}", row(&name, &observation, &mood));
        }
        if let Some(folder) = &self.annotated {
            // Pictures and clips are loaded as one luma plane without padding.
            let picture = image::GrayImage::from_raw(frame.size.width, frame.size.height, frame.data.clone())
                .context("the picture is not a plain luma plane")?;
            let drawn = annotate::annotate(&picture, &observation.people, &self.config.zone);
            folder.write(source.path, source.index, &drawn)?;
        }
        Ok(())
    }

    /// Reads a picture of one cropped face. Returns one person whose head and face fill the picture.
    fn read_crop(&mut self, frame: &Frame) -> Result<StillResult, VisionError> {
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
            readability: Readability::Ok,
            reading: Some(Reading { expressions, read_at: frame.captured_at }),
            belief: Some(expressions),
        };
        let observation = Observation { captured_at: frame.captured_at, people: vec![person] };
        Ok(StillResult { observation, face_scores: vec![1.0] })
    }

    /// Reports an error, whose message begins with the name of the input.
    fn report_error(&mut self, error: &anyhow::Error) {
        self.failed += 1;
        eprintln!("moodring: {error:#}");
    }

    const HEADER: &'static str =
        "people  facing  read  mood       angry disgust fear  happy sad   surpr neutral  picture";
}

fn path_of(input: &Input) -> &Path {
    match input {
        Input::Picture(path) | Input::Clip(path) => path,
        // Replaced by their pictures before.
        Input::Folder(_) => Path::new(""),
    }
}

/// One row of the table. Percentages are shown only if the picture shows at least `mood.min_people` people.
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
        head: rectangle(person.head),
        head_score: round(person.head_score, 1e3),
        face: person.face.map(|face| rectangle(face.bounds)),
        face_score: round(face_score, 1e3),
        readability: person.readability.name(),
        expression: person.reading.map(|reading| probabilities(&reading.expressions)),
    }
}

/// `[x, y, width, height]` in pixels of the picture.
fn rectangle(bounds: PixelBox) -> [f32; 4] {
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
