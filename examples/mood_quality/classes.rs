//! Classes composed of faces, with their true shares.

use moodring_mood::quantify::Seven;

use super::faces::Faces;
use super::rng::Rng;

/// People in a class.
pub(super) const SIZES: [usize; 3] = [10, 30, 50];
/// Classes of each size.
pub(super) const CLASSES: usize = 1000;
/// Dirichlet distribution of ordinary classes: mean shares, and concentration in people.
const ORDINARY: Seven = [0.06, 0.01, 0.02, 0.18, 0.08, 0.05, 0.60];
const ORDINARY_PEOPLE: f64 = 20.0;

/// Distribution of the expression shares of a class.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All shares are equally likely: Dirichlet with seven ones.
    Any,
    /// Mostly neutral, like real classes.
    Ordinary,
}

/// One class.
pub(super) struct Class {
    /// Indices of its faces. For rare expressions the same face may occur twice.
    pub(super) faces: Vec<usize>,
    /// Share of each true expression.
    pub(super) truth: Seven,
}

/// Draws `count` classes of `size` people; reproducible.
pub(super) fn draw(faces: &Faces, kind: Kind, size: usize, count: usize) -> Vec<Class> {
    let mut rng = Rng(size as u64 * 1000 + kind as u64);
    let alpha = match kind {
        Kind::Any => [1.0; 7],
        Kind::Ordinary => ORDINARY.map(|share| share * ORDINARY_PEOPLE),
    };
    let class = |_| {
        let prevalence = rng.dirichlet(&alpha);
        let mut class = Class { faces: Vec::with_capacity(size), truth: [0.0; 7] };
        for _ in 0..size {
            let expression = rng.choose(&prevalence);
            let alike = &faces.by_expression[expression];
            class.faces.push(alike[rng.below(alike.len())]);
            class.truth[expression] += 1.0 / size as f64;
        }
        class
    };
    (0..count).map(class).collect()
}
