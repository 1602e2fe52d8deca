//! The textbook methods of prevalence estimation: what [`estimate`](super::estimate) is measured against, and
//! what is left where noise hides the single readings.
//!
//! Each takes probabilities as [`probabilities`](super::probabilities) gives them, and yields shares that add
//! up to 1. QuaPy's `EMQ` and `PACC` give the same to 1e-3 (`tests/golden/quapy.json`).

use super::linear::{Matrix, nearest_shares};
use super::{Seven, normalized, sum};

/// Steps of [`em`] at most, and the change below which it has arrived.
const EM_STEPS: usize = 20_000;
const EM_ARRIVED: f64 = 1e-9;
/// Steps of [`unmixed`] at most, and the change below which it has arrived.
const PROJECTED_STEPS: usize = 20_000;
const PROJECTED_ARRIVED: f64 = 1e-10;

/// Classify and count: the share of people for whom each expression is the likeliest.
pub fn classify_and_count(people: &[Seven]) -> Seven {
    let mut counts = [0.0; 7];
    for person in people {
        let likeliest = (1..7).fold(0, |best, index| if person[index] > person[best] { index } else { best });
        counts[likeliest] += 1.0;
    }
    normalized(counts)
}

/// Probabilistic classify and count: the mean probabilities.
pub fn mean_probability(people: &[Seven]) -> Seven {
    normalized(sum(people))
}

/// The likeliest prevalence, where `prior` is the prevalence that the probabilities take for granted (Saerens,
/// Latinne, Decaestecker, Neural Computation 14, 2002).
pub fn em(people: &[Seven], prior: &Seven) -> Seven {
    let mut shares = *prior;
    if people.is_empty() {
        return shares;
    }
    for _ in 0..EM_STEPS {
        let mut total = [0.0; 7];
        for person in people {
            let adjusted = normalized(std::array::from_fn(|i| person[i] * shares[i] / prior[i]));
            total.iter_mut().zip(adjusted).for_each(|(total, share)| *total += share);
        }
        let next = normalized(total);
        let change = (0..7).map(|i| (next[i] - shares[i]).abs()).sum::<f64>();
        shares = next;
        if change < EM_ARRIVED {
            break;
        }
    }
    shares
}

/// Probabilistic adjusted classify and count (Bella et al., ICDM 2010): the shares whose mixture of the rows of
/// `confusion` comes nearest to the mean probabilities.
pub fn pacc(people: &[Seven], confusion: &Matrix) -> Seven {
    unmixed(&mean_probability(people), confusion, 0.0, &[1.0 / 7.0; 7])
}

/// The shares p that minimise |confusionᵀ p - mean|² + `pull` |p - usual|², by accelerated projected gradients
/// (Beck, Teboulle 2009). With `pull` = 0 they are PACC's.
pub fn unmixed(mean: &Seven, confusion: &Matrix, pull: f64, usual: &Seven) -> Seven {
    // The trace bounds the largest eigenvalue of confusion confusionᵀ, so the step is never too long.
    let step = 1.0 / (confusion.iter().flatten().map(|value| value * value).sum::<f64>() + pull);
    let mut shares = normalized(*usual);
    let (mut ahead, mut momentum) = (shares, 1.0_f64);
    for _ in 0..PROJECTED_STEPS {
        let mut residual: Seven = mean.map(|value| -value);
        for (share, row) in ahead.iter().zip(confusion) {
            residual.iter_mut().zip(row).for_each(|(residual, value)| *residual += share * value);
        }
        let gradient = |i: usize| super::dot(&confusion[i], &residual) + pull * (ahead[i] - usual[i]);
        let next = nearest_shares(&std::array::from_fn(|i| ahead[i] - step * gradient(i)));
        let change = (0..7).map(|i| (next[i] - shares[i]).abs()).sum::<f64>();
        let quicker = (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt()) / 2.0;
        let onward = (momentum - 1.0) / quicker;
        ahead = std::array::from_fn(|i| next[i] + onward * (next[i] - shares[i]));
        (shares, momentum) = (next, quicker);
        if change < PROJECTED_ARRIVED {
            break;
        }
    }
    shares
}
