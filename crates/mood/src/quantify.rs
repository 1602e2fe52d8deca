//! Prevalence estimation: shares of the expressions in a class from uncertain readings of its faces.
//!
//! Counting the most probable label of each face is biased, because the confusions of the network do not cancel out.
//! [`estimate`] instead finds the composition of the class that explains all readings together. It is a collapsed
//! Bayesian form of the EM of Saerens, Latinne and Decaestecker (2002). [`mod@reference`] has the simpler methods it is
//! compared with.

mod linear;
pub mod reference;

use self::linear::{Matrix, solve};
use moodring_contract::Share;
use moodring_vision::Expressions;
use moodring_vision::model_card::Quantification;

/// One number per expression, in the order of [`Expression::ALL`](moodring_contract::Expression::ALL).
pub type Seven = [f64; 7];

/// 95 % quantile of the normal distribution: the half-width of a 90 % interval in standard deviations.
pub(super) const Z_90: f64 = 1.645;

/// Added to each probability before readings are compared: half a step of the INT8 softmax (1/256), since a probability
/// below one step is quantized to 0 but is not impossible.
const FLOOR: f64 = 1.0 / 512.0;

/// Dirichlet prior of the composition of a class, as numbers of pseudo-people.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriorStrength {
    /// Pseudo-people added to each expression, so that no composition is excluded.
    pub uniform: f64,
    /// Pseudo-people in total, distributed as the prior of the model card; it stabilizes small classes.
    pub card: f64,
}

impl Default for PriorStrength {
    /// Chosen on held-out faces; docs/reference/mood-quality.md shows that the results depend little on it.
    fn default() -> Self {
        Self { uniform: 0.1, card: 4.0 }
    }
}

/// Maximum number of iterations. Classes of 50 need 10 to 40.
const MAX_ITERATIONS: usize = 200;
/// The iteration ends when no count changes by this many people or more.
const CONVERGENCE_TOLERANCE: f64 = 1e-5;

/// Shares of a class and the covariance of their errors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Share of each expression; they add up to 1.
    pub shares: Seven,
    /// Covariance of the errors of `shares`.
    pub covariance: [Seven; 7],
}

impl Estimate {
    /// The share of the expression at `index` with its 90 % interval, limited to 0..=1.
    ///
    /// # Panics
    /// When `index` is not below 7.
    pub fn share(&self, index: usize) -> Share {
        let (share, deviation) = (self.shares[index], self.covariance[index][index].max(0.0).sqrt());
        let limit = |value: f64| value.clamp(0.0, 1.0);
        let (low, high) = (limit(share - Z_90 * deviation), limit(share + Z_90 * deviation));
        Share { share, low, high }
    }

    /// Mean of `weights` over the class, and the standard deviation of its error.
    pub fn mean_of(&self, weights: &Seven) -> (f64, f64) {
        let mean = dot(&self.shares, weights);
        let variance: f64 = weights.iter().zip(&self.covariance).map(|(w, row)| w * dot(row, weights)).sum();
        (mean, variance.max(0.0).sqrt())
    }
}

/// Estimates the shares in a class from the `beliefs` of the people with a reading. The `unread` people without a
/// reading are assumed to be distributed like the others; they widen the intervals.
///
/// The shares describe exactly these people, not a population from which they are drawn. Therefore the posterior of
/// their *composition* is approximated: the expression of each person given those of all others (zeroth-order collapsed
/// variational inference, Asuncion et al. 2009), and the covariance of the counts from the second derivatives at the
/// solution (Louis 1982), without sampling.
pub fn estimate(beliefs: &[Expressions], unread: usize, quantification: &Quantification) -> Estimate {
    estimate_with_prior(beliefs, unread, quantification, PriorStrength::default())
}

/// [`estimate`] with another prior, to measure the influence of the prior.
pub fn estimate_with_prior(
    beliefs: &[Expressions],
    unread: usize,
    quantification: &Quantification,
    prior_strength: PriorStrength,
) -> Estimate {
    let prior = floored_prior(quantification.prior);
    let pseudo_people = prior.map(|share| prior_strength.uniform + prior_strength.card * share);
    let likelihoods: Vec<Seven> = beliefs.iter().map(|belief| likelihood(belief, &prior)).collect();
    let people = posterior_per_person(&likelihoods, &pseudo_people);
    let counts = sum(&people);
    let read = beliefs.len() as f64;
    with_unread(
        &counts,
        &covariance_of_counts(&people, &counts, &pseudo_people),
        &pseudo_people,
        read,
        unread as f64,
    )
}

/// Element of the identity matrix.
fn kronecker(row: usize, column: usize) -> f64 {
    f64::from(u8::from(row == column))
}

/// Converts a belief into positive probabilities that add up to 1. Values that are not finite count as 0.
pub fn probabilities(belief: &Expressions) -> Seven {
    let finite =
        belief.0.map(|probability| if probability.is_finite() { f64::from(probability) } else { 0.0 });
    normalized(finite.map(|probability| probability.clamp(0.0, 1.0) + FLOOR))
}

/// The prior of the model card with [`FLOOR`] as the minimum of each share.
fn floored_prior(prior: Seven) -> Seven {
    normalized(prior.map(|share| share.max(FLOOR)))
}

/// Likelihood of a reading under each expression, up to a factor: the belief divided by the prior it contains.
fn likelihood(belief: &Expressions, prior: &Seven) -> Seven {
    let mut ratio = probabilities(belief);
    ratio.iter_mut().zip(prior).for_each(|(probability, prior)| *probability /= prior);
    normalized(ratio)
}

/// Probabilities of each person's expression, given those of all others and the Dirichlet prior `pseudo_people`.
fn posterior_per_person(likelihoods: &[Seven], pseudo_people: &Seven) -> Vec<Seven> {
    let mut people: Vec<Seven> = likelihoods.to_vec();
    let mut counts = sum(&people);
    for _ in 0..MAX_ITERATIONS {
        let before = counts;
        for (person, likelihood) in people.iter_mut().zip(likelihoods) {
            let others = |i: usize| (counts[i] - person[i]).max(0.0) + pseudo_people[i];
            let updated = normalized(std::array::from_fn(|i| likelihood[i] * others(i)));
            for i in 0..7 {
                counts[i] += updated[i] - person[i];
            }
            *person = updated;
        }
        if counts.iter().zip(before).all(|(now, before)| (now - before).abs() < CONVERGENCE_TOLERANCE) {
            break;
        }
    }
    people
}

/// Covariance of the number of people per expression: that of independent people, plus the part from the unknown
/// prevalence.
fn covariance_of_counts(people: &[Seven], counts: &Seven, pseudo_people: &Seven) -> Matrix {
    let mut within = [[0.0; 7]; 7];
    for person in people {
        add_multinomial(&mut within, person, 1.0);
    }
    let total = people.len() as f64 + pseudo_people.iter().sum::<f64>();
    let prevalence: Seven = std::array::from_fn(|i| (counts[i] + pseudo_people[i]) / total);
    // Observed information of the log-prevalences. It is singular in the direction of seven equal values, since adding
    // a constant to all log-prevalences changes nothing; that direction gets a positive value.
    let mut information = [[total / 49.0; 7]; 7];
    add_multinomial(&mut information, &prevalence, total);
    for (row, lost) in information.iter_mut().zip(&within) {
        row.iter_mut().zip(lost).for_each(|(value, lost)| *value -= lost);
    }
    let spread = solve(&within, &information);
    // Both matrices are symmetric, so rows can be used as columns.
    std::array::from_fn(|i| std::array::from_fn(|j| within[i][j] + dot(&spread[i], &within[j])))
}

/// Shares of `read` people with the estimated `counts` and `covariance`, and of `unread` more people from the same
/// distribution (Dirichlet-multinomial). For less than one person it returns the prior with its variance.
fn with_unread(
    counts: &Seven,
    covariance: &Matrix,
    pseudo_people: &Seven,
    read: f64,
    unread: f64,
) -> Estimate {
    let (known, everybody) = (read + pseudo_people.iter().sum::<f64>(), read + unread);
    let prevalence: Seven = std::array::from_fn(|i| (counts[i] + pseudo_people[i]) / known);
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

/// Adds `weight` times the covariance matrix of one draw from the categorical distribution `shares`.
fn add_multinomial(matrix: &mut Matrix, shares: &Seven, weight: f64) {
    for i in 0..7 {
        for j in 0..7 {
            matrix[i][j] += weight * (kronecker(i, j) * shares[i] - shares[i] * shares[j]);
        }
    }
}

/// `numbers` divided by their sum; seven equal shares if the sum is not positive and finite.
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

/// `share` with the 90 % Wilson score interval for `trials` people (E. B. Wilson, JASA 22, 1927).
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
