//! Writes docs/reference/mood-quality.md and the machine-readable line.

use std::fmt::Write as _;

use super::classes::{CLASSES, Kind};
use super::methods::{OURS, Score};
use super::{Measured, SIZES};

/// The machine-readable line.
pub(super) fn line(measured: &Measured) -> String {
    let of = |name| table(measured, Kind::Any, 30).iter().find(|score| score.name == name);
    let (ours, counted) = (of(OURS), of("classify and count"));
    let number = |value: Option<f64>| value.map_or("unknown".into(), |value| format!("{value:.4}"));
    let switches = measured
        .seats
        .as_deref()
        .and_then(|line| line.split_whitespace().find_map(|field| field.strip_prefix("switches=")));
    format!(
        "mood-quality: mae30={} cc30={} cover90={} switches={}",
        number(ours.map(|score| score.mae)),
        number(counted.map(|score| score.mae)),
        number(ours.and_then(|score| score.interval).map(|(covered, _)| covered)),
        switches.unwrap_or("unknown")
    )
}

fn table(measured: &Measured, kind: Kind, size: usize) -> &[Score] {
    let found = measured.tables.iter().find(|(of, people, _)| (*of, *people) == (kind, size));
    found.map_or(&[], |(.., scores)| scores)
}

/// The text of the page.
pub(super) fn page(measured: &Measured) -> String {
    let faces = &measured.faces;
    let counts: Vec<String> = faces.by_expression.iter().map(|faces| faces.len().to_string()).collect();
    let source = if faces.generated {
        "**a generated set, because no data was given (FACES): the figures say nothing about the shipped network**".into()
    } else {
        format!(
            "FER2013's PublicTest ({} faces with a FER+ majority among the seven; angry, disgust, fear, happy, sad, \
             surprise, neutral: {}), read by the shipped INT8 network",
            faces.readings.len(),
            counts.join(", ")
        )
    };
    let mut text = format!(
        "# How well the mood of a class is estimated\n\n\
         Written by `make mood-quality`; every figure is of the program's own code. The last line of that command:\n\n    \
         {}\n\n\
         ## Classes put together from faces\n\
         {CLASSES} classes of each size, put together from {source}. True shares are those of the faces that \
         sit in the class. What the network confuses (`[quantification]` of the card) was measured on {} other faces: \
         those of Training that are never learned. Errors are means over classes and expressions; relative errors \
         are smoothed by half a person; `/ cc` is the share of what classify and count errs.\n",
        line(measured),
        measured.readings.faces,
    );
    let kinds = [
        (
            Kind::Any,
            "Any class",
            "all shares equally likely (Dirichlet with seven ones), so that rare expressions are common",
        ),
        (
            Kind::Ordinary,
            "Ordinary classes",
            "60 % neutral, 18 % happy, 8 % sad, 6 % angry, 5 % surprise, 2 % fear, 1 % disgust on average (Dirichlet, worth 20 people)",
        ),
    ];
    for (kind, name, what) in kinds {
        let _ = write!(text, "\n### {name}\nPrevalences: {what}.\n\n");
        text += "| people | method | error of a share | / cc | relative | in the 90 % interval | its width |\n|---|---|---|---|---|---|---|\n";
        for size in SIZES {
            rows(&mut text, measured, kind, size);
        }
    }
    text += &grid(measured);
    text += &lesson(measured);
    text + include_str!("argument.md")
}

fn rows(text: &mut String, measured: &Measured, kind: Kind, size: usize) {
    let scores = table(measured, kind, size);
    let counted = scores.first().map_or(1.0, |score| score.mae);
    for score in scores {
        let bold = if score.name == OURS { "**" } else { "" };
        let (covered, width) = score.interval.map_or(("".into(), "".into()), |(covered, width)| {
            (format!("{:.1} %", covered * 100.0), format!("{width:.3}"))
        });
        let _ = writeln!(
            text,
            "| {size} | {bold}{}{bold} | {bold}{:.4}{bold} | {:.2} | {:.2} | {covered} | {width} |",
            score.name,
            score.mae,
            score.mae / counted,
            score.relative,
        );
    }
    let quapy =
        measured.quapy.as_ref().filter(|_| kind == Kind::Any).and_then(|quapy| quapy.get(size.to_string()));
    for (method, name) in [("emq", "QuaPy's EMQ"), ("pacc", "QuaPy's PACC")] {
        if let Some(error) = quapy.and_then(|errors| errors.get(method)).and_then(serde_json::Value::as_f64) {
            let _ = writeln!(text, "| {size} | {name} | {error:.4} | {:.2} | | | |", error / counted);
        }
    }
}

fn grid(measured: &Measured) -> String {
    let mut text = format!(
        "\n## What is assumed of a class\n\
         Before anything is read, `even` imaginary people of each expression and `usual` people of the card's usual mix \
         are assumed. Chosen on the {} held-out faces, not on those above: error of a share in 400 classes of 30, any / ordinary.\n\n\
         | even \\ usual | 0 | 2 | 4 | 8 | 16 |\n|---|---|---|---|---|---|\n",
        measured.held_out.readings.len()
    );
    for row in measured.grid.chunks(5) {
        let cells: Vec<String> =
            row.iter().map(|(.., [any, ordinary])| format!("{any:.4} / {ordinary:.4}")).collect();
        let _ = writeln!(text, "| {} | {} |", row[0].0, cells.join(" | "));
    }
    text
}

fn lesson(measured: &Measured) -> String {
    let lesson = &measured.lesson;
    let swing = lesson.swing_s.map_or("never".into(), |seconds| format!("{seconds} s"));
    let seats =
        measured.seats.as_deref().map_or("not measured in this run".into(), |line| format!("`{line}`"));
    format!(
        "\n## Twenty simulated minutes\n\
         A class of 30 in fixed places, a tenth of the heads hidden at any time, two cycles a second with twelve faces \
         read in each; each face is one of the above and lasts 15 s on average. Seats, window, estimate and disclosure are \
         the program's.\n\n\
         | what | measured |\n|---|---|\n\
         | error of a share, but for the 20 s after each scripted change | {:.4} |\n\
         | a swing of 40 % of the class from neutral to happy: half of it shows after | {swing} |\n\
         | changes of the mood word in 20 minutes in which nothing happens, the first minute left out | {} |\n\
         | following of seats (`cargo run --example seat_quality`): identity switches per 1000 seat-minutes, errors of people and facing | {seats} |\n",
        lesson.error, lesson.quiet_changes
    )
}
