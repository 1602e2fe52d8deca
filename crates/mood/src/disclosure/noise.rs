//! Optional differential privacy: Laplace noise on the mean reading of the cohort, within a budget per lesson.
//!
//! One reading changes the mean of n readings by at most 2/n in the L1 norm, so Laplace noise of scale 2 / (n ε) makes
//! the mean ε-differentially private (Dwork et al. 2006). Post-processing (correcting confusions, rounding) cannot
//! weaken that. The ε of all releases of a lesson add up.

use std::time::{Duration, Instant};

use crate::quantify::reference::mean_probability;
use crate::quantify::{Estimate, Seven, estimate_from_mean};
use moodring_config as config;
use moodring_vision::model_card::Quantification;

/// Maximum number of releases per lesson, for any budget.
const MAX_RELEASES: u32 = 10_000;
/// Approximate variance of the reading of one face around the mean reading of its true expression. The mean of n
/// readings has this variance divided by n, in addition to the noise.
const READING_VARIANCE: f64 = 0.05;

/// The noise source and its budget.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Noise {
    /// Budget of one lesson (`privacy.epsilon`).
    epsilon: f64,
    /// Cost of one release (`privacy.epsilon_each`).
    epsilon_per_release: f64,
    /// Minimum time between two releases (`privacy.new_shares_every_s`).
    min_interval: Duration,
    releases: u32,
    last_release: Option<Instant>,
}

impl Noise {
    /// An unspent budget of `epsilon`; each release spends `epsilon_per_release`.
    pub(super) fn new(epsilon: f64, epsilon_per_release: f64, min_interval: Duration) -> Self {
        Self { epsilon, epsilon_per_release, min_interval, releases: 0, last_release: None }
    }

    /// The configured noise; `None` without `privacy.epsilon`.
    pub(crate) fn from_config(privacy: &config::Privacy) -> Option<Self> {
        let min_interval = Duration::try_from_secs_f64(privacy.new_shares_every_s).unwrap_or_default();
        privacy.epsilon.map(|epsilon| Self::new(epsilon, privacy.epsilon_each, min_interval))
    }

    /// Restores the whole budget.
    pub(super) fn reset_budget(&mut self) {
        (self.releases, self.last_release) = (0, None);
    }

    /// Maximum age of the shares of one release.
    pub(super) fn max_shares_age(&self) -> Duration {
        self.min_interval * 2
    }

    /// Whether the next release is due; it may still exceed the budget.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.last_release.is_none_or(|last| now.saturating_duration_since(last) >= self.min_interval)
    }

    /// Estimates the shares from a noisy mean of `people` and spends budget. `None` when the budget does not allow
    /// another release, or when the operating system provides no random numbers.
    pub(super) fn estimate(
        &mut self,
        people: &[Seven],
        quantification: &Quantification,
        now: Instant,
    ) -> Option<Estimate> {
        self.last_release = Some(now);
        let spent = f64::from(self.releases + 1) * self.epsilon_per_release;
        if people.is_empty() || spent > self.epsilon * (1.0 + 1e-9) || self.releases >= MAX_RELEASES {
            return None;
        }
        let scale = 2.0 / (people.len() as f64 * self.epsilon_per_release);
        let mut mean = mean_probability(people);
        for share in &mut mean {
            *share += laplace(uniform()?, scale);
        }
        self.releases += 1;
        let variance = 2.0 * scale * scale + READING_VARIANCE / people.len() as f64;
        Some(estimate_from_mean(&mean, variance, quantification))
    }
}

/// Uniform random number in the open interval (0, 1) from the operating system.
fn uniform() -> Option<f64> {
    let bits = getrandom::u64().ok()? >> 11;
    Some((bits as f64 + 0.5) / (1_u64 << 53) as f64)
}

/// Quantile at `uniform` of the Laplace distribution around 0. The low bits of such floating-point numbers can reveal
/// the value they were added to (Mironov 2012); here results are published in steps of 0.01 or coarser.
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
    fn spent_budget_stops_releases_until_it_is_reset() {
        let start = Instant::now();
        let mut noise = Noise::new(1.0, 0.1, Duration::from_secs(60));
        let quantification = Quantification::default();
        let mut releases = 0;
        for minute in 0..40_u32 {
            let now = start + Duration::from_secs(60) * minute;
            assert!(noise.is_due(now) && !noise.is_due(start) || minute == 0);
            releases += u32::from(noise.estimate(&happy(30), &quantification, now).is_some());
        }
        assert_eq!(releases, 10);
        noise.reset_budget();
        assert!(noise.is_due(start) && noise.estimate(&happy(30), &quantification, start).is_some());
    }

    #[test]
    fn large_epsilon_adds_little_noise_and_small_epsilon_hides_everything() {
        let quantification = Quantification::default();
        let at = |epsilon| {
            let mut noise = Noise::new(epsilon, epsilon, Duration::ZERO);
            noise.estimate(&happy(30), &quantification, Instant::now()).unwrap()
        };
        let clear = at(10_000.0);
        assert!(clear.shares[3] > 0.9, "{:?}", clear.shares);
        let hidden = at(0.001).share(3);
        assert!(hidden.high - hidden.low > 0.3, "{hidden:?}");
    }
}
