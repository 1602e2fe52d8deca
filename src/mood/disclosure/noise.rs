//! Differential privacy, where it is asked for: Laplace noise on the class's mean reading, within a budget.
//!
//! The reading of one person, whatever it is, moves the mean of n by at most 2/n in all (L1), so Laplace noise of
//! scale 2 / (n ε) makes the mean ε-differentially private (Dwork et al. 2006). All that is done to it
//! afterwards (taking out confusions, rounding) cannot weaken that. The ε of a lesson's releases add up.

use std::time::{Duration, Instant};

use crate::config;
use crate::mood::quantify::reference::mean_probability;
use crate::mood::quantify::{Estimate, Seven, estimate_from_mean};
use crate::vision::model_card::Quantification;

/// Releases of one lesson at most, whatever the budget.
const MOST_RELEASES: u32 = 10_000;
/// Variance of one face's reading around the mean of its true expression, about: what the mean of n readings
/// wavers by besides the noise, times n.
const READING_VARIANCE: f64 = 0.05;

/// Noise, and how much of its budget is spent.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::mood) struct Noise {
    /// What one lesson may spend.
    epsilon: f64,
    /// What one release spends.
    each: f64,
    /// Time between two releases at least.
    every: Duration,
    releases: u32,
    last: Option<Instant>,
}

impl Noise {
    /// A whole budget of `epsilon`, of which each release spends `each`.
    pub(super) fn new(epsilon: f64, each: f64, every: Duration) -> Self {
        Self { epsilon, each, every, releases: 0, last: None }
    }

    /// The noise that the configuration asks for, if it does.
    pub(in crate::mood) fn asked_for(privacy: &config::Privacy) -> Option<Self> {
        let every = Duration::try_from_secs_f64(privacy.new_shares_every_s).unwrap_or_default();
        privacy.epsilon.map(|epsilon| Self::new(epsilon, privacy.epsilon_each, every))
    }

    /// The budget is whole again.
    pub(super) fn begin_lesson(&mut self) {
        (self.releases, self.last) = (0, None);
    }

    /// How long the shares of one release are told.
    pub(super) fn held_for(&self) -> Duration {
        self.every * 2
    }

    /// Whether it is time for a release; what happens then is decided by the budget.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.saturating_duration_since(last) >= self.every)
    }

    /// Shares from a noisy mean of `people`; none when the budget does not allow one more release, or when the
    /// system has no randomness to give.
    pub(super) fn estimate(
        &mut self,
        people: &[Seven],
        readings: &Quantification,
        now: Instant,
    ) -> Option<Estimate> {
        self.last = Some(now);
        let spent = f64::from(self.releases + 1) * self.each;
        if people.is_empty() || spent > self.epsilon * (1.0 + 1e-9) || self.releases >= MOST_RELEASES {
            return None;
        }
        let scale = 2.0 / (people.len() as f64 * self.each);
        let mut mean = mean_probability(people);
        for share in &mut mean {
            *share += laplace(uniform()?, scale);
        }
        self.releases += 1;
        let variance = 2.0 * scale * scale + READING_VARIANCE / people.len() as f64;
        Some(estimate_from_mean(&mean, variance, readings))
    }
}

/// Evenly distributed within 0 and 1, both excluded, from the system's randomness.
fn uniform() -> Option<f64> {
    let bits = getrandom::u64().ok()? >> 11;
    Some((bits as f64 + 0.5) / (1_u64 << 53) as f64)
}

/// The quantile at `uniform` of the Laplace distribution around 0. The digits of such numbers can betray what they
/// were added to (Mironov 2012); here nothing finer than a hundredth of the result is ever told.
fn laplace(uniform: f64, scale: f64) -> f64 {
    let centred = uniform - 0.5;
    -scale * centred.signum() * (1.0 - 2.0 * centred.abs()).max(f64::MIN_POSITIVE).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn happy(people: usize) -> Vec<Seven> {
        vec![[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]; people]
    }

    #[test]
    fn laplace_has_its_quantiles() {
        use std::f64::consts::{LN_2, LN_10};
        for (probability, quantile) in [(0.5, 0.0), (0.75, LN_2), (0.25, -LN_2), (0.95, LN_10)] {
            assert!((laplace(probability, 2.0) - 2.0 * quantile).abs() < 1e-5, "{probability}");
        }
        assert!(laplace(f64::MIN_POSITIVE, 1.0).is_finite());
    }

    #[test]
    fn the_budget_is_spent_and_then_nothing_is_told_until_the_next_lesson() {
        let start = Instant::now();
        let mut noise = Noise::new(1.0, 0.1, Duration::from_secs(60));
        let readings = Quantification::default();
        let mut told = 0;
        for minute in 0..40_u32 {
            let now = start + Duration::from_secs(60) * minute;
            assert!(noise.is_due(now) && !noise.is_due(start) || minute == 0);
            told += u32::from(noise.estimate(&happy(30), &readings, now).is_some());
        }
        assert_eq!(told, 10);
        noise.begin_lesson();
        assert!(noise.is_due(start) && noise.estimate(&happy(30), &readings, start).is_some());
    }

    #[test]
    fn much_budget_hides_little_and_little_hides_all() {
        let readings = Quantification::default();
        let at = |epsilon| {
            let mut noise = Noise::new(epsilon, epsilon, Duration::ZERO);
            noise.estimate(&happy(30), &readings, Instant::now()).unwrap()
        };
        let clear = at(10_000.0);
        assert!(clear.shares[3] > 0.9, "{:?}", clear.shares);
        let hidden = at(0.001).share(3);
        assert!(hidden.high - hidden.low > 0.3, "{hidden:?}");
    }
}
