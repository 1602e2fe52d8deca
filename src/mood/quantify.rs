//! Shares of the expressions in a class from uncertain readings of its faces: prevalence estimation.
//!
//! Counting the likeliest label of each face is biased, because what the network confuses is counted wrongly
//! in the same direction each time. Here the class is the unit: [`estimate`] asks which composition of the
//! class explains all readings at once. It is a collapsed Bayesian form of the EM of Saerens, Latinne and
//! Decaestecker (2002); the simpler methods it is measured against are in [`mod@reference`].

mod linear;
pub mod reference;

use self::linear::{Matrix, divide};
use super::Share;
use crate::vision::Expressions;
use crate::vision::model_card::Quantification;

/// A number for each of the seven expressions, in the order of [`Expression::ALL`](crate::vision::Expression::ALL).
pub type Seven = [f64; 7];

/// 95 % quantile of the normal distribution: half the width of a 90 % interval in standard deviations.
pub(super) const Z_90: f64 = 1.645;

/// Added to each probability before readings are compared: half a step of the INT8 softmax (1/256), so that
/// "below one step" is not taken for "impossible".
const FLOOR: f64 = 1.0 / 512.0;

/// What is assumed of a class before it is looked at, as a Dirichlet distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assumed {
    /// Imaginary people of each expression, which lets any class be.
    pub even: f64,
    /// Imaginary people of the card's usual mix, which steadies small classes.
    pub usual: f64,
}

impl Default for Assumed {
    /// Chosen on held-out faces; docs/reference/mood-quality.md shows how little depends on it.
    fn default() -> Self {
        Self { even: 0.1, usual: 4.0 }
    }
}

/// Variance of one share when any class is as likely as any other (Dirichlet with seven ones).
const ANY_CLASS_VARIANCE: f64 = 6.0 / 392.0;

/// Rounds of the estimate at most, and the change of any expression's people below which it stands.
/// Classes of 50 need 10 to 40.
const MOST_ROUNDS: usize = 200;
const STANDS: f64 = 1e-5;

/// Shares of a class, and how sure they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Share of each expression; together 1.
    pub shares: Seven,
    /// Covariance of the errors of `shares`.
    pub covariance: [Seven; 7],
}

impl Estimate {
    /// The share of the expression at `index` with its 90 % interval.
    ///
    /// # Panics
    /// When `index` is not below 7.
    pub fn share(&self, index: usize) -> Share {
        let (share, deviation) = (self.shares[index], self.covariance[index][index].max(0.0).sqrt());
        let within = |value: f64| value.clamp(0.0, 1.0);
        let (low, high) = (within(share - Z_90 * deviation), within(share + Z_90 * deviation));
        Share { share, low, high }
    }

    /// The mean of `weights` over the class, and the standard deviation of its error.
    pub fn mean_of(&self, weights: &Seven) -> (f64, f64) {
        let mean = dot(&self.shares, weights);
        let variance: f64 = weights.iter().zip(&self.covariance).map(|(w, row)| w * dot(row, weights)).sum();
        (mean, variance.max(0.0).sqrt())
    }
}

/// The shares in a class of which `beliefs` are those of the people who could be read, and `unread` people could
/// not: they are taken to be like the others, and make the intervals wider.
///
/// Which share of the class shows an expression is a property of these very people, not of a population that
/// they were drawn from. So the posterior of their *composition* is approximated: the expression of each person
/// given those of all others (zeroth-order collapsed variational inference, Asuncion et al. 2009), and the
/// covariance of the counts by the second derivatives there (Louis 1982), without any sampling.
pub fn estimate(beliefs: &[Expressions], unread: usize, readings: &Quantification) -> Estimate {
    estimate_assuming(beliefs, unread, readings, Assumed::default())
}

/// [`estimate`] with something else assumed, for measuring what that does.
pub fn estimate_assuming(
    beliefs: &[Expressions],
    unread: usize,
    readings: &Quantification,
    assumed: Assumed,
) -> Estimate {
    let prior = possible(readings.prior);
    let assumed = prior.map(|share| assumed.even + assumed.usual * share);
    let likelihoods: Vec<Seven> = beliefs.iter().map(|belief| likelihood(belief, &prior)).collect();
    let people = compose(&likelihoods, &assumed);
    let counts = sum(&people);
    let read = beliefs.len() as f64;
    with_unread(&counts, &covariance_of_counts(&people, &counts, &assumed), &assumed, read, unread as f64)
}

/// The shares in a class of which only a mean reading is known, each part of it off by noise of `variance`: what is
/// left where noise hides the single readings. PACC, drawn towards the card's usual mix as far as the noise asks.
pub(super) fn estimate_from_mean(mean: &Seven, variance: f64, readings: &Quantification) -> Estimate {
    let pull = variance / ANY_CLASS_VARIANCE;
    let shares = reference::unmixed(mean, &readings.confusion, pull, &possible(readings.prior));
    let likeness = readings.confusion;
    let information = std::array::from_fn(|i| {
        std::array::from_fn(|j| dot(&likeness[i], &likeness[j]) / variance + one(i, j) / ANY_CLASS_VARIANCE)
    });
    let identity = std::array::from_fn(|i| std::array::from_fn(|j| one(i, j)));
    Estimate { shares, covariance: divide(&identity, &information) }
}

/// The identity matrix.
fn one(row: usize, column: usize) -> f64 {
    f64::from(u8::from(row == column))
}

/// A belief as positive probabilities that add up to 1; nonsense becomes "nothing is known".
pub fn probabilities(belief: &Expressions) -> Seven {
    let finite =
        belief.0.map(|probability| if probability.is_finite() { f64::from(probability) } else { 0.0 });
    normalized(finite.map(|probability| probability.clamp(0.0, 1.0) + FLOOR))
}

/// The shares that readings take for granted, none of them 0.
fn possible(prior: Seven) -> Seven {
    normalized(prior.map(|share| share.max(FLOOR)))
}

/// How much likelier what was read is under each expression: the belief without what it took for granted.
fn likelihood(belief: &Expressions, prior: &Seven) -> Seven {
    let mut ratio = probabilities(belief);
    ratio.iter_mut().zip(prior).for_each(|(probability, prior)| *probability /= prior);
    normalized(ratio)
}

/// Each person's probabilities given those of all others and what is `assumed` of any class.
fn compose(likelihoods: &[Seven], assumed: &Seven) -> Vec<Seven> {
    let mut people: Vec<Seven> = likelihoods.to_vec();
    let mut counts = sum(&people);
    for _ in 0..MOST_ROUNDS {
        let before = counts;
        for (person, likelihood) in people.iter_mut().zip(likelihoods) {
            let others = |i: usize| (counts[i] - person[i]).max(0.0) + assumed[i];
            let updated = normalized(std::array::from_fn(|i| likelihood[i] * others(i)));
            for i in 0..7 {
                counts[i] += updated[i] - person[i];
            }
            *person = updated;
        }
        if counts.iter().zip(before).all(|(now, before)| (now - before).abs() < STANDS) {
            break;
        }
    }
    people
}

/// Covariance of how many people show each expression: that of independent people, and what not knowing the
/// prevalence adds to it.
fn covariance_of_counts(people: &[Seven], counts: &Seven, assumed: &Seven) -> Matrix {
    let mut within = [[0.0; 7]; 7];
    for person in people {
        add_multinomial(&mut within, person, 1.0);
    }
    let total = people.len() as f64 + assumed.iter().sum::<f64>();
    let prevalence: Seven = std::array::from_fn(|i| (counts[i] + assumed[i]) / total);
    // Observed information of the log-prevalences. Adding the same to all seven changes nothing, so that
    // direction is filled up.
    let mut information = [[total / 49.0; 7]; 7];
    add_multinomial(&mut information, &prevalence, total);
    for (row, taken) in information.iter_mut().zip(&within) {
        row.iter_mut().zip(taken).for_each(|(value, taken)| *value -= taken);
    }
    let spread = divide(&within, &information);
    // Both are symmetric, so a row of one stands for a column of the other.
    std::array::from_fn(|i| std::array::from_fn(|j| within[i][j] + dot(&spread[i], &within[j])))
}

/// Shares of `read` people of known `counts` and of `unread` more of the same kind (Dirichlet-multinomial).
fn with_unread(counts: &Seven, covariance: &Matrix, assumed: &Seven, read: f64, unread: f64) -> Estimate {
    let (known, everybody) = (read + assumed.iter().sum::<f64>(), read + unread);
    let prevalence: Seven = std::array::from_fn(|i| (counts[i] + assumed[i]) / known);
    if everybody < 1.0 {
        let mut unknown = [[0.0; 7]; 7];
        add_multinomial(&mut unknown, &prevalence, 1.0 / (known + 1.0));
        return Estimate { shares: prevalence, covariance: unknown };
    }
    let shares = normalized(std::array::from_fn(|i| counts[i] + unread * prevalence[i]));
    let mut total = [[0.0; 7]; 7];
    add_multinomial(&mut total, &prevalence, unread * (known + unread) / (known + 1.0));
    let leverage = (1.0 + unread / known).powi(2);
    for (row, known) in total.iter_mut().zip(covariance) {
        for (value, known) in row.iter_mut().zip(known) {
            *value = (*value + leverage * known) / (everybody * everybody);
        }
    }
    Estimate { shares, covariance: total }
}

/// Adds `weight` times the covariance of one draw from `shares`.
fn add_multinomial(matrix: &mut Matrix, shares: &Seven, weight: f64) {
    for i in 0..7 {
        for j in 0..7 {
            matrix[i][j] += weight * (one(i, j) * shares[i] - shares[i] * shares[j]);
        }
    }
}

/// `numbers` divided by their sum; even shares where there is nothing to divide.
fn normalized(numbers: Seven) -> Seven {
    let sum: f64 = numbers.iter().sum();
    if sum.is_finite() && sum > 0.0 { numbers.map(|number| number / sum) } else { [1.0 / 7.0; 7] }
}

fn sum(people: &[Seven]) -> Seven {
    let mut total = [0.0; 7];
    for person in people {
        total.iter_mut().zip(person).for_each(|(total, share)| *total += share);
    }
    total
}

fn dot(a: &Seven, b: &Seven) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Share with the 90 % Wilson score interval for `trials` people (E. B. Wilson, JASA 22, 1927).
pub(super) fn wilson(share: f64, trials: u32) -> Share {
    let n = f64::from(trials.max(1));
    let z2 = Z_90 * Z_90;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_90 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).max(0.0).sqrt();
    let (low, high) = ((centre - half).clamp(0.0, 1.0), (centre + half).clamp(0.0, 1.0));
    Share { share, low: low.min(share), high: high.max(share) }
}

#[cfg(test)]
mod tests;
