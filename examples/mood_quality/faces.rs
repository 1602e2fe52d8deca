//! Faces of known expression and what the network reads of each: measured ones, or a generated set.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use moodring::mood::quantify::Seven;
use moodring::vision::Expressions;
use moodring::vision::model_card::Quantification;

use super::chance::Chance;

/// Shares of the expressions in the generated set.
const GENERATED: Seven = [0.1, 0.04, 0.06, 0.25, 0.13, 0.12, 0.3];

/// Readings by true expression.
pub(super) struct Faces {
    /// What was read of each face.
    pub(super) readings: Vec<Expressions>,
    /// The faces of each true expression.
    pub(super) by_expression: [Vec<usize>; 7],
    /// Whether nobody ever had these faces.
    pub(super) generated: bool,
}

impl Faces {
    /// The faces that are measured on.
    pub(super) fn tested(directory: &Path) -> Result<Self> {
        Self::part(directory, "test", 3_000, 1)
    }

    /// Faces that were not learned either, for choosing.
    pub(super) fn held_out(directory: &Path) -> Result<Self> {
        Self::part(directory, "held_out", 1_300, 2)
    }

    fn part(directory: &Path, part: &str, count: usize, seed: u64) -> Result<Self> {
        match std::fs::read_to_string(directory.join("faces.csv")) {
            Ok(text) => Self::parse(&text, part).context("faces.csv"),
            Err(_) => Ok(Self::generate(count, seed)),
        }
    }

    /// Lines of `part,fer2013,ferplus,angry,…,neutral`; faces without a FER+ majority are left out.
    fn parse(text: &str, part: &str) -> Result<Self> {
        let mut faces = Self { readings: Vec::new(), by_expression: Default::default(), generated: false };
        for line in text.lines().skip(1).filter(|line| line.starts_with(part)) {
            let fields: Vec<&str> = line.split(',').collect();
            ensure!(fields.len() == 10, "a line has {} fields, not 10", fields.len());
            let Ok(expression) = fields[2].parse::<usize>() else { continue };
            let mut seven = [0.0; 7];
            for (probability, field) in seven.iter_mut().zip(&fields[3..]) {
                *probability = field.parse()?;
            }
            faces
                .by_expression
                .get_mut(expression)
                .context("an expression is none")?
                .push(faces.readings.len());
            faces.readings.push(Expressions(seven));
        }
        ensure!(faces.by_expression.iter().all(|faces| !faces.is_empty()), "an expression has no face");
        Ok(faces)
    }

    fn generate(count: usize, seed: u64) -> Self {
        let mut chance = Chance(seed);
        let mut faces = Self { readings: Vec::new(), by_expression: Default::default(), generated: true };
        for index in 0..count {
            let expression = chance.choose(&GENERATED);
            faces.by_expression[expression].push(index);
            faces.readings.push(Expressions(chance.dirichlet(&likeness(expression)).map(|p| p as f32)));
        }
        faces
    }
}

/// What a generated face of `expression` looks like; disgust is mostly taken for anger.
fn likeness(expression: usize) -> Seven {
    std::array::from_fn(|other| match (expression, other) {
        (1, 0) => 1.2,
        (this, other) if this == other => 1.6,
        _ => 0.2,
    })
}

/// What the card of the generated set's network would say.
pub(super) fn generated_readings() -> Quantification {
    let confusion = std::array::from_fn(|expression| {
        let likeness = likeness(expression);
        likeness.map(|part| part / likeness.iter().sum::<f64>())
    });
    let mixed = |column: usize| {
        (0..7)
            .map(|row: usize| GENERATED[row] * likeness(row)[column] / likeness(row).iter().sum::<f64>())
            .sum()
    };
    Quantification { faces: 0, prior: std::array::from_fn(mixed), confusion }
}
