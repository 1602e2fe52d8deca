//! Faces of known expression with the network's readings: measured ones, or a generated set.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use moodring_mood::quantify::Seven;
use moodring_vision::Expressions;
use moodring_vision::model_card::Quantification;

use super::rng::Rng;

/// Shares of the expressions in the generated set.
const GENERATED: Seven = [0.1, 0.04, 0.06, 0.25, 0.13, 0.12, 0.3];

/// Readings by true expression.
pub(super) struct Faces {
    /// Reading of each face.
    pub(super) readings: Vec<Expressions>,
    /// Indices of the faces of each true expression.
    pub(super) by_expression: [Vec<usize>; 7],
    /// Whether this is the generated set.
    pub(super) generated: bool,
}

impl Faces {
    /// The test faces.
    pub(super) fn tested(directory: &Path) -> Result<Self> {
        Self::part(directory, "test", 3_000, 1)
    }

    /// Faces that are neither training nor test faces, to choose parameters on.
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
            let mut probabilities = [0.0; 7];
            for (probability, field) in probabilities.iter_mut().zip(&fields[3..]) {
                *probability = field.parse()?;
            }
            faces
                .by_expression
                .get_mut(expression)
                .context("unknown expression number")?
                .push(faces.readings.len());
            faces.readings.push(Expressions(probabilities));
        }
        ensure!(faces.by_expression.iter().all(|faces| !faces.is_empty()), "an expression has no face");
        Ok(faces)
    }

    fn generate(count: usize, seed: u64) -> Self {
        let mut rng = Rng(seed);
        let mut faces = Self { readings: Vec::new(), by_expression: Default::default(), generated: true };
        for index in 0..count {
            let expression = rng.choose(&GENERATED);
            faces.by_expression[expression].push(index);
            faces.readings.push(Expressions(rng.dirichlet(&likeness(expression)).map(|p| p as f32)));
        }
        faces
    }
}

/// Dirichlet parameters of the reading of a generated face; disgust is mostly read as anger.
fn likeness(expression: usize) -> Seven {
    std::array::from_fn(|other| match (expression, other) {
        (1, 0) => 1.2,
        (this, other) if this == other => 1.6,
        _ => 0.2,
    })
}

/// Quantification data of the generated set, as a model card would have it.
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
