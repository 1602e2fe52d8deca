//! Textbook methods of prevalence estimation, with which [`estimate`](super::estimate) is compared.
//!
//! The methods take the results of [`probabilities`](super::probabilities) and return shares that add up to 1.
//! QuaPy's `EMQ` and `PACC` agree within 1e-3 (`tests/golden/quapy.json`).

use super::linear::{Matrix, nearest_shares};
use super::{Seven, normalized, sum};

/// Maximum number of steps of [`em`].
const MAX_EM_STEPS: usize = 20_000;
/// [`em`] ends when the sum of all changes in one step is below this.
const EM_TOLERANCE: f64 = 1e-9;
/// Maximum number of steps of [`unmix`].
const MAX_GRADIENT_STEPS: usize = 20_000;
/// [`unmix`] ends when the sum of all changes in one step is below this.
const GRADIENT_TOLERANCE: f64 = 1e-10;

/// Classify and count: the share of people for whom each expression is the most probable one.
pub fn classify_and_count(people: &[Seven]) -> Seven {
    let mut counts = [0.0; 7];
    for person in people {
        let dominant = (1..7).fold(0, |best, index| if person[index] > person[best] { index } else { best });
        counts[dominant] += 1.0;
    }
    normalized(counts)
}

/// Probabilistic classify and count: the mean probabilities.
pub fn mean_probability(people: &[Seven]) -> Seven {
    normalized(sum(people))
}

/// Maximum-likelihood prevalence by expectation maximization; `prior` is the prevalence that the probabilities contain
/// (Saerens, Latinne, Decaestecker, Neural Computation 14, 2002).
pub fn em(people: &[Seven], prior: &Seven) -> Seven {
    let mut shares = *prior;
    if people.is_empty() {
        return shares;
    }
    for _ in 0..MAX_EM_STEPS {
        let mut total = [0.0; 7];
        for person in people {
            let adjusted = normalized(std::array::from_fn(|i| person[i] * shares[i] / prior[i]));
            total.iter_mut().zip(adjusted).for_each(|(total, share)| *total += share);
        }
        let next = normalized(total);
        let change = (0..7).map(|i| (next[i] - shares[i]).abs()).sum::<f64>();
        shares = next;
        if change < EM_TOLERANCE {
            break;
        }
    }
    shares
}

/// Probabilistic adjusted classify and count (Bella et al., ICDM 2010): the shares for which the mixture of the rows of
/// `confusion` is closest to the mean probabilities.
pub fn pacc(people: &[Seven], confusion: &Matrix) -> Seven {
    unmix(&mean_probability(people), confusion)
}

/// The shares p that minimise |confusionᵀ p - mean|², by accelerated projected gradients (Beck, Teboulle 2009).
fn unmix(mean: &Seven, confusion: &Matrix) -> Seven {
    // The trace is an upper bound of the largest eigenvalue of confusion · confusionᵀ, so the step is short enough to
    // converge.
    let step = 1.0 / confusion.iter().flatten().map(|value| value * value).sum::<f64>();
    let mut shares = [1.0 / 7.0; 7];
    let (mut extrapolated, mut momentum) = (shares, 1.0_f64);
    for _ in 0..MAX_GRADIENT_STEPS {
        let mut residual: Seven = mean.map(|value| -value);
        for (share, row) in extrapolated.iter().zip(confusion) {
            residual.iter_mut().zip(row).for_each(|(residual, value)| *residual += share * value);
        }
        let gradient = |i: usize| super::dot(&confusion[i], &residual);
        let next = nearest_shares(&std::array::from_fn(|i| extrapolated[i] - step * gradient(i)));
        let change = (0..7).map(|i| (next[i] - shares[i]).abs()).sum::<f64>();
        let next_momentum = (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt()) / 2.0;
        let factor = (momentum - 1.0) / next_momentum;
        extrapolated = std::array::from_fn(|i| next[i] + factor * (next[i] - shares[i]));
        (shares, momentum) = (next, next_momentum);
        if change < GRADIENT_TOLERANCE {
            break;
        }
    }
    shares
}
