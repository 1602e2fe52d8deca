//! `moodring lessons`: lists, shows, exports and deletes recorded lessons.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::OptionalConfig;
use moodring_config::Config;
use moodring_contract::Level;
use moodring_contract::lesson::Metric;
use moodring_lessons::{Lesson, Report, Separator, Store, csv, html, remove_report};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    location: Location,
}

/// The storage folder of the lessons.
#[derive(Debug, clap::Args)]
struct Location {
    #[command(flatten)]
    config: OptionalConfig,
    /// Storage folder, instead of storage.directory of the configuration
    #[arg(long, value_name = "DIR", global = true)]
    directory: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List all lessons, one per line, the newest last
    List {
        /// Print one JSON object per line
        #[arg(long)]
        json: bool,
    },
    /// Show a summary of a lesson
    Show {
        /// Number of the lesson; `last` is the newest
        #[arg(value_parser = lesson_choice)]
        lesson: LessonChoice,
    },
    /// Write the report of a lesson as an HTML page, JSON or CSV
    Export {
        /// Number of the lesson; `last` is the newest
        #[arg(value_parser = lesson_choice)]
        lesson: LessonChoice,
        /// An HTML page, the complete report as JSON, or one line per minute as CSV
        #[arg(long, value_enum, default_value_t = Format::Html)]
        format: Format,
        /// What separates the fields of CSV: `semicolon` for spreadsheets where the comma is the decimal sign
        #[arg(long, default_value = "comma", value_parser = separator)]
        separator: Separator,
        /// Write the times of CSV as local times of clock.time_zone, instead of UTC
        #[arg(long)]
        local_time: bool,
        /// File to write; without it standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Delete lessons and their reports permanently
    #[command(group = clap::ArgGroup::new("selection").required(true).args(["lessons", "before"]))]
    Delete {
        /// Numbers of the lessons
        #[arg(value_name = "LESSON")]
        lessons: Vec<i64>,
        /// All lessons that started before this day
        #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
        before: Option<Date>,
    },
}

/// Selects a lesson.
#[derive(Debug, Clone, Copy)]
enum LessonChoice {
    Number(i64),
    Last,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Html,
    Json,
    Csv,
}

fn lesson_choice(text: &str) -> Result<LessonChoice, String> {
    match text {
        "last" => Ok(LessonChoice::Last),
        number => number.parse().map(LessonChoice::Number).map_err(|_| "must be a number or `last`".into()),
    }
}

fn separator(text: &str) -> Result<Separator, String> {
    let found = Separator::ALL.into_iter().find(|separator| separator.name() == text);
    found.ok_or_else(|| "must be comma, semicolon or tab".into())
}

fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "must be a day such as 2026-11-23".into())
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = arguments.location.config.load()?;
    moodring_runtime::logging::start("warn")?;
    let directory = arguments.location.directory.clone().unwrap_or_else(|| config.storage.directory());
    let zone = config.clock.zone();
    match &arguments.command {
        Command::List { json } => list(&Store::open_to_read(&directory)?, &zone, *json),
        Command::Show { lesson } => {
            let store = Store::open_to_read(&directory)?;
            let id = id(&store, *lesson)?;
            print!("{}", details(&Report::read(&store, id)?, &zone));
            Ok(())
        }
        Command::Export { lesson, format, separator, local_time, output } => {
            let store = Store::open_to_read(&directory)?;
            let report = Report::read(&store, id(&store, *lesson)?)?;
            let text = match format {
                Format::Html => html(&report, &zone),
                Format::Json => serde_json::to_string_pretty(&report)? + "\n",
                Format::Csv => csv(&report.minutes, *separator, local_time.then_some(&zone)),
            };
            write(output.as_deref(), &text)
        }
        Command::Delete { lessons, before } => delete(&directory, &config, &zone, lessons, *before),
    }
}

fn id(store: &Store, choice: LessonChoice) -> anyhow::Result<i64> {
    match choice {
        LessonChoice::Number(id) => Ok(id),
        LessonChoice::Last => match store.lessons()?.last() {
            Some(lesson) => Ok(lesson.id),
            None => bail!("no lesson is recorded yet"),
        },
    }
}

fn write(output: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match output {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
        }
        None => Ok(std::io::stdout().write_all(text.as_bytes())?),
    }
}

fn list(store: &Store, zone: &TimeZone, json: bool) -> anyhow::Result<()> {
    let lessons = store.lessons()?;
    if json {
        for lesson in &lessons {
            println!("{}", serde_json::to_string(lesson)?);
        }
        return Ok(());
    }
    println!(
        "{:>6}  {:10}  {:11}  {:>6}  {:>6}  {:10}  title",
        "lesson", "day", "time", "people", "facing", "mood"
    );
    for lesson in &lessons {
        let report = Report::of(lesson.clone(), store.minutes(lesson.id)?, &[]);
        println!("{}", line(&report, zone));
    }
    Ok(())
}

fn line(report: &Report, zone: &TimeZone) -> String {
    let (lesson, summary) = (&report.lesson, &report.summary);
    let begin = lesson.begun_at.to_zoned(zone.clone());
    let people = summary.people.map_or("-".into(), |people| format!("{people:.0}"));
    let facing = summary.metrics.get(Metric::Facing);
    let facing = facing.map_or("-".into(), |facing| format!("{:.0}%", facing.value * 100.0));
    let span = format!("{}-{}", begin.strftime("%H:%M"), end(lesson, zone));
    let word = if lesson.mode.has_word() { summary.word.name() } else { "-" };
    let day = begin.strftime("%Y-%m-%d");
    let line = format!(
        "{:6}  {day}  {span:11}  {people:>6}  {facing:>6}  {word:10}  {}",
        lesson.id,
        plain(&lesson.title)
    );
    line.trim_end().to_owned()
}

fn end(lesson: &Lesson, zone: &TimeZone) -> String {
    lesson.ended_at.map_or("...".into(), |end| end.to_zoned(zone.clone()).strftime("%H:%M").to_string())
}

/// Removes control characters, which could change the state of a terminal.
fn plain(title: &str) -> String {
    title.chars().filter(|c| !c.is_control()).collect()
}

/// A summary of a lesson that fits on one screen.
fn details(report: &Report, zone: &TimeZone) -> String {
    use std::fmt::Write as _;
    let (lesson, summary, quality) = (&report.lesson, &report.summary, &report.quality);
    let begin = lesson.begun_at.to_zoned(zone.clone());
    let mut text = String::new();
    let title = if lesson.title.is_empty() { "untitled" } else { &lesson.title };
    let _ = writeln!(text, "lesson {}, {}", lesson.id, plain(title));
    let _ = writeln!(
        text,
        "{}, {}, {} to {} ({} minutes)",
        plain(&format!("{}, {}", lesson.site, lesson.room)),
        begin.strftime("%A %Y-%m-%d"),
        begin.strftime("%H:%M"),
        end(lesson, zone),
        summary.length_min
    );
    if lesson.mode.has_word() {
        let _ = writeln!(text, "\nmood         {}", summary.word.name());
    }
    let people = summary.people.map_or("-".into(), |people| format!("{people:.0}"));
    let _ = writeln!(text, "people       {people:>4}");
    for metric in Metric::ALL {
        if let Some(level) = summary.metrics.get(metric) {
            let (name, Level { value, low, high }) = (metric.name(), level);
            let _ = if metric.is_share() {
                let [value, low, high] = [value, low, high].map(|value| value * 100.0);
                writeln!(text, "{name:12} {value:4.0}%  ({low:.0} to {high:.0})")
            } else {
                writeln!(text, "{name:12} {value:5.2}  ({low:.2} to {high:.2})")
            };
        }
    }
    let facing: Vec<Option<f64>> = (0..summary.length_min)
        .map(|number| {
            let minute = report.minutes.iter().find(|minute| minute.number == number)?;
            minute.metrics.get(Metric::Facing).map(|share| share.value)
        })
        .collect();
    if facing.iter().any(Option::is_some) {
        let _ = writeln!(text, "\nfacing, minute by minute\n{}", sparkline(&facing));
    }
    if !report.moments.is_empty() {
        let _ = writeln!(text);
    }
    for moment in &report.moments {
        let at = moment.at.to_zoned(zone.clone());
        let _ = writeln!(text, "{}  {}", at.strftime("%H:%M"), moment.sentence());
    }
    let coverage = quality.coverage.map_or("-".into(), |coverage| format!("{:.0}%", coverage * 100.0));
    let _ = writeln!(
        text,
        "\nfigures in {} of {} minutes; {coverage} of the class could be read\n{}",
        quality.live_min, summary.length_min, report.note
    );
    text
}

/// Draws shares as a line of bars, a dot for a missing share.
fn sparkline(shares: &[Option<f64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |share: &Option<f64>| share.map_or('·', |share| BARS[((share * 8.0) as usize).min(7)]);
    shares.iter().map(bar).collect()
}

fn delete(
    directory: &Path,
    config: &Config,
    zone: &TimeZone,
    lessons: &[i64],
    before: Option<Date>,
) -> anyhow::Result<()> {
    // Fails if there is no store; `Store::open` would create one.
    drop(Store::open_to_read(directory)?);
    let mut store = Store::open(directory)?;
    let mut ids = lessons.to_vec();
    if let Some(day) = before {
        let day = day.to_zoned(zone.clone()).context("this day has no start time in clock.time_zone")?;
        let old = |lesson: &&Lesson| lesson.begun_at < day.timestamp() && lesson.ended_at.is_some();
        ids.extend(store.lessons()?.iter().filter(old).map(|lesson| lesson.id));
    }
    store.delete(&ids, Timestamp::now())?;
    for id in &ids {
        remove_report(directory, *id)?;
    }
    println!(
        "{} deleted; {} kept for {} days",
        count(ids.len()),
        count(store.lessons()?.len()),
        config.lessons.keep_days
    );
    Ok(())
}

fn count(lessons: usize) -> String {
    if lessons == 1 { "1 lesson".into() } else { format!("{lessons} lessons") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_height_is_proportional_to_the_share() {
        assert_eq!(sparkline(&[Some(0.0), Some(0.5), Some(1.0), None]), "▁▅█·");
    }
}
