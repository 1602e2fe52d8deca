//! Classes put together from faces, with their true shares.

use moodring::mood::quantify::Seven;

use super::chance::Chance;
use super::faces::Faces;

/// People in a class.
pub(super) const SIZES: [usize; 3] = [10, 30, 50];
/// Classes of each size.
pub(super) const CLASSES: usize = 1000;
/// Of an ordinary class: what is to be seen on the whole, and how many people's worth classes hold to it.
const ORDINARY: Seven = [0.06, 0.01, 0.02, 0.18, 0.08, 0.05, 0.60];
const ORDINARY_PEOPLE: f64 = 20.0;

/// How the expressions of a class come about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any shares are as likely as any other: Dirichlet with seven ones.
    Any,
    /// Mostly neutral, as classes are.
    Ordinary,
}

/// One class.
pub(super) struct Class {
    /// Its faces; of a rare expression the same face may sit there twice.
    pub(super) faces: Vec<usize>,
    /// Share of each true expression.
    pub(super) truth: Seven,
}

/// `count` classes of `size`, the same at every run.
pub(super) fn draw(faces: &Faces, kind: Kind, size: usize, count: usize) -> Vec<Class> {
    let mut chance = Chance(size as u64 * 1000 + kind as u64);
    let alpha = match kind {
        Kind::Any => [1.0; 7],
        Kind::Ordinary => ORDINARY.map(|share| share * ORDINARY_PEOPLE),
    };
    let class = |_| {
        let prevalence = chance.dirichlet(&alpha);
        let mut class = Class { faces: Vec::with_capacity(size), truth: [0.0; 7] };
        for _ in 0..size {
            let expression = chance.choose(&prevalence);
            let alike = &faces.by_expression[expression];
            class.faces.push(alike[chance.below(alike.len())]);
            class.truth[expression] += 1.0 / size as f64;
        }
        class
    };
    (0..count).map(class).collect()
}
