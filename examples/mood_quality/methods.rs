//! Compares the methods: error, and how often the interval contains the truth.

use moodring_mood::quantify::{
    Estimate, PriorStrength, Seven, estimate, estimate_with_prior, probabilities, reference,
};
use moodring_vision::Expressions;
use moodring_vision::model_card::Quantification;

use super::classes::{self, Class, Kind};
use super::faces::Faces;
use super::rng::Rng;

/// Number of classes for the bootstrap, and of samples per class; each sample is one estimate.
const BOOTSTRAPPED: usize = 200;
const SAMPLES: usize = 200;

/// Scores of one method on one set of classes.
pub(super) struct Score {
    /// Name of the method.
    pub(super) name: &'static str,
    /// Mean absolute error of a share.
    pub(super) mae: f64,
    /// Mean relative error of a share, both smoothed by half a person (as QuaPy does).
    pub(super) relative: f64,
    /// Share of true values within the 90 % interval, and its mean width; `None` for methods without an interval.
    pub(super) interval: Option<(f64, f64)>,
}

/// Name of the method that the program uses.
pub(super) const OURS: &str = "moodring";

/// Scores of all methods on the same classes.
pub(super) fn compare(drawn: &[Class], faces: &Faces, readings: &Quantification, kind: Kind) -> Vec<Score> {
    let people = |class: &Class| -> Vec<Seven> {
        class.faces.iter().map(|face| probabilities(&faces.readings[*face])).collect()
    };
    let point = |name, method: &dyn Fn(&[Seven]) -> Seven| {
        let estimated: Vec<Seven> = drawn.iter().map(|class| method(&people(class))).collect();
        score(name, drawn, &estimated, None)
    };
    let mut scores = vec![
        point("classify and count", &reference::classify_and_count),
        point("mean probability (PCC)", &reference::mean_probability),
        point("PACC", &|people| reference::pacc(people, &readings.confusion)),
        point("EM (EMQ)", &|people| reference::em(people, &readings.prior)),
    ];
    let estimates: Vec<Estimate> =
        drawn.iter().map(|class| estimate(&beliefs(class, faces), 0, readings)).collect();
    let estimated: Vec<Seven> = estimates.iter().map(|estimate| estimate.shares).collect();
    let ends: Vec<[(f64, f64); 7]> = estimates
        .iter()
        .map(|estimate| std::array::from_fn(|i| (estimate.share(i).low, estimate.share(i).high)))
        .collect();
    scores.push(score(OURS, drawn, &estimated, Some(&ends)));
    if kind == Kind::Any {
        let some = &drawn[..BOOTSTRAPPED.min(drawn.len())];
        let ends: Vec<[(f64, f64); 7]> =
            some.iter().map(|class| bootstrap(&people(class), &readings.prior)).collect();
        let estimated: Vec<Seven> =
            some.iter().map(|class| reference::em(&people(class), &readings.prior)).collect();
        scores.push(score("EM, bootstrap over people", some, &estimated, Some(&ends)));
    }
    scores
}

/// Error in classes of 30 by strength of the prior: (uniform, card, [any, ordinary]).
pub(super) fn grid(faces: &Faces, readings: &Quantification) -> Vec<(f64, f64, [f64; 2])> {
    let drawn = [Kind::Any, Kind::Ordinary].map(|kind| classes::draw(faces, kind, 30, 400));
    let mut rows = Vec::new();
    for uniform in [0.05, 0.1, 0.2, 0.5] {
        for card in [0.0, 2.0, 4.0, 8.0, 16.0] {
            let prior = PriorStrength { uniform, card };
            let error = |drawn: &Vec<Class>| {
                let estimated: Vec<Seven> = drawn
                    .iter()
                    .map(|class| estimate_with_prior(&beliefs(class, faces), 0, readings, prior).shares)
                    .collect();
                score("", drawn, &estimated, None).mae
            };
            rows.push((uniform, card, [error(&drawn[0]), error(&drawn[1])]));
        }
    }
    rows
}

fn beliefs(class: &Class, faces: &Faces) -> Vec<Expressions> {
    class.faces.iter().map(|face| faces.readings[*face]).collect()
}

fn score(
    name: &'static str,
    classes: &[Class],
    estimated: &[Seven],
    ends: Option<&[[(f64, f64); 7]]>,
) -> Score {
    let (mut absolute, mut relative) = (0.0, 0.0);
    for (class, estimated) in classes.iter().zip(estimated) {
        let half = 0.5 / class.faces.len() as f64;
        let smooth = |share: f64| (share + half) / (1.0 + 7.0 * half);
        for (truth, estimated) in class.truth.iter().zip(estimated) {
            absolute += (truth - estimated).abs();
            relative += (smooth(*truth) - smooth(*estimated)).abs() / smooth(*truth);
        }
    }
    let all = 7.0 * classes.len() as f64;
    let interval = ends.map(|ends| {
        let (mut covered, mut width) = (0.0, 0.0);
        for (class, ends) in classes.iter().zip(ends) {
            for (truth, (low, high)) in class.truth.iter().zip(ends) {
                covered += f64::from(u8::from(low - 1e-9 <= *truth && *truth <= high + 1e-9));
                width += high - low;
            }
        }
        (covered / all, width / all)
    });
    Score { name, mae: absolute / all, relative: relative / all, interval }
}

/// Percentile intervals from estimates of classes drawn from this one with replacement.
fn bootstrap(people: &[Seven], prior: &Seven) -> [(f64, f64); 7] {
    let mut rng = Rng(people.len() as u64);
    let mut estimated: [Vec<f64>; 7] = Default::default();
    for _ in 0..SAMPLES {
        let sample: Vec<Seven> = (0..people.len()).map(|_| people[rng.below(people.len())]).collect();
        for (all, share) in estimated.iter_mut().zip(reference::em(&sample, prior)) {
            all.push(share);
        }
    }
    estimated.map(|mut all| {
        all.sort_by(f64::total_cmp);
        (all[SAMPLES / 20], all[SAMPLES - 1 - SAMPLES / 20])
    })
}
