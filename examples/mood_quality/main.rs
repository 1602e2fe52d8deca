//! Measures the error of the mood estimate. The classes are composed of faces that the network was not trained on.
//! `make mood-quality` runs it in two steps:
//!
//! `mood_quality draw DIR CARD` composes the classes from `DIR/faces.csv` (`moodtrain.quantify.probabilities`; without
//! this file from a generated set) and writes them to `DIR/classes.csv`. QuaPy estimates the same classes
//! (`moodtrain.quantify.reference` writes `DIR/quapy.json`).
//!
//! `mood_quality report DIR CARD PAGE` measures all methods, writes the page and prints one machine-readable line at the
//! end. `DIR/seats.txt` is the output of the example `seat_quality`.

mod classes;
mod faces;
mod lesson;
mod methods;
mod page;
mod rng;

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use moodring_vision::model_card::{ModelCard, Quantification, Task};

use classes::{CLASSES, Class, Kind, SIZES};
use faces::Faces;

/// All measurements.
struct Measured {
    faces: Faces,
    held_out: Faces,
    readings: Quantification,
    /// Scores of all methods, by kind of class and size.
    tables: Vec<(Kind, usize, Vec<methods::Score>)>,
    /// Error in classes of 30 by strength of the prior, on held-out faces: (uniform, card, [any, ordinary]).
    grid: Vec<(f64, f64, [f64; 2])>,
    quapy: Option<serde_json::Value>,
    lesson: lesson::Score,
    seats: Option<String>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["draw", directory, _] => draw(Path::new(directory)),
        ["report", directory, card, page] => report(Path::new(directory), Path::new(card), Path::new(page)),
        _ => bail!("usage: mood_quality draw DIR CARD | report DIR CARD PAGE"),
    }
}

fn draw(directory: &Path) -> Result<()> {
    let faces = Faces::tested(directory)?;
    let mut text = String::new();
    for size in SIZES {
        for class in classes::draw(&faces, Kind::Any, size, CLASSES) {
            let rows: Vec<String> = class.faces.iter().map(ToString::to_string).collect();
            text += &format!("{size},{}\n", rows.join(","));
        }
    }
    std::fs::write(directory.join("classes.csv"), text).context("classes.csv cannot be written")
}

fn report(directory: &Path, card: &Path, page: &Path) -> Result<()> {
    let (faces, held_out) = (Faces::tested(directory)?, Faces::held_out(directory)?);
    let contents = ModelCard::read(card, Task::Expression)?;
    let readings = if faces.generated {
        faces::generated_readings()
    } else {
        contents.quantification.unwrap_or_default()
    };
    let mut tables = Vec::new();
    for kind in [Kind::Any, Kind::Ordinary] {
        for size in SIZES {
            let drawn: Vec<Class> = classes::draw(&faces, kind, size, CLASSES);
            tables.push((kind, size, methods::compare(&drawn, &faces, &readings, kind)));
        }
    }
    let quapy = match std::fs::read_to_string(directory.join("quapy.json")) {
        Ok(text) if !faces.generated => Some(serde_json::from_str(&text).context("quapy.json")?),
        _ => None,
    };
    let seats = std::fs::read_to_string(directory.join("seats.txt")).ok();
    let seats = seats.and_then(|text| {
        text.lines().rev().find_map(|line| line.strip_prefix("seat-quality: ").map(Into::into))
    });
    let lesson = lesson::run(&faces, card)?;
    let grid = methods::grid(&held_out, &readings);
    let measured = Measured { faces, held_out, readings, tables, grid, quapy, lesson, seats };
    std::fs::write(page, page::page(&measured)).with_context(|| page.display().to_string())?;
    writeln!(std::io::stdout(), "{}", page::line(&measured))?;
    Ok(())
}
