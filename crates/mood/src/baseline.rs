//! Baseline of the room: a slow mean and deviation of each of its metrics, and the comparison of the current mood
//! with them.
//!
//! The baseline describes the room and no person. Its inputs are half-minute means of published metrics; it stores
//! a weight, a mean and a variance for each metric, and `moodring baseline reset` deletes them.

pub mod store;

use moodring_contract::ComparedToUsual;
use moodring_contract::Comparison;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::signals::{Metric, Metrics};
use moodring_config as config;

/// Metrics that are compared with the baseline.
const COMPARED: [Metric; 5] =
    [Metric::Facing, Metric::Valence, Metric::Arousal, Metric::Engagement, Metric::Restlessness];
/// Lower limit of the standard deviation of a metric. Shares of a few dozen people, rounded to hundredths, cannot be
/// steadier than this.
const MIN_DEVIATION: f64 = 0.03;
/// Hysteresis in standard deviations: a result of `more` or `less` ends this much closer to the mean than it began.
const HYSTERESIS_DEVIATIONS: f64 = 0.5;

/// The learned numbers of a room: everything that is persisted about it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Total observed time in minutes, without forgetting.
    minutes: f64,
    #[serde(rename = "figures")]
    metrics: BTreeMap<Metric, Moments>,
}

/// Exponentially weighted mean and variance of one metric (unit of the metric).
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Moments {
    /// Observed time in minutes, decayed with the half-life.
    minutes: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    /// Adds that the metric had `value` for `minutes` (D. H. D. West, CACM 22, 1979, with exponential forgetting).
    fn learn(&mut self, value: f64, minutes: f64, half_life_minutes: f64) {
        let decay = (-minutes / half_life_minutes).exp2();
        let before = self.minutes * decay;
        self.minutes = before + minutes;
        let share = minutes / self.minutes;
        let from_mean = value - self.mean;
        self.mean += share * from_mean;
        self.variance = (1.0 - share) * (self.variance + share * from_mean * from_mean);
    }

    fn is_sound(&self) -> bool {
        self.minutes.is_finite()
            && self.minutes >= 0.0
            && (-1.0..=1.0).contains(&self.mean)
            && (0.0..=4.0).contains(&self.variance)
    }
}

impl Baseline {
    /// Total observed time in minutes.
    pub fn minutes(&self) -> f64 {
        self.minutes
    }

    /// Whether all numbers are within their ranges. A file from disk may hold any numbers.
    fn is_sound(&self) -> bool {
        self.minutes.is_finite() && self.minutes >= 0.0 && self.metrics.values().all(Moments::is_sound)
    }

    /// Name, mean and standard deviation of each metric that was observed.
    pub fn rows(&self) -> impl Iterator<Item = (String, f64, f64)> {
        self.metrics.iter().map(|(metric, moments)| {
            (format!("{metric:?}").to_lowercase(), moments.mean, moments.variance.max(0.0).sqrt())
        })
    }
}

/// Learns the baseline and compares the current metrics with it.
#[derive(Debug)]
pub(super) struct RoomBaseline {
    config: config::Baseline,
    baseline: Baseline,
    current: [Comparison; COMPARED.len()],
}

impl RoomBaseline {
    pub(super) fn new(config: config::Baseline, baseline: Baseline) -> Self {
        Self { config, baseline, current: [Comparison::Usual; COMPARED.len()] }
    }

    /// The learned numbers.
    pub(super) fn learned(&self) -> &Baseline {
        &self.baseline
    }

    /// Deletes everything learned.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.config.clone(), Baseline::default());
    }

    /// Restarts the hysteresis of the comparisons; keeps the learned numbers.
    pub(super) fn begin_lesson(&mut self) {
        self.current = [Comparison::Usual; COMPARED.len()];
    }

    /// Adds the mean metrics of a `span` of a lesson. Does nothing when disabled or without `Facing`.
    pub(super) fn learn(&mut self, means: &Metrics, span: Duration) {
        if !self.config.enabled || means.get(Metric::Facing).is_none() {
            return;
        }
        let minutes = span.as_secs_f64() / 60.0;
        self.baseline.minutes += minutes;
        for metric in COMPARED {
            if let Some(level) = means.get(metric) {
                let moments = self.baseline.metrics.entry(metric).or_default();
                moments.learn(level.value, minutes, self.config.half_life_h * 60.0);
            }
        }
    }

    /// Compares `now`, the smoothed metrics, with the baseline. `None` when disabled or while no metric has been
    /// observed for `baseline.min_minutes`.
    pub(super) fn compare(&mut self, now: &Metrics) -> Option<ComparedToUsual> {
        let mut compared = [None; COMPARED.len()];
        for (index, metric) in COMPARED.into_iter().enumerate() {
            let moments = self.baseline.metrics.get(&metric);
            let learned = moments.filter(|moments| moments.minutes >= self.config.min_minutes);
            let (Some(moments), Some(level)) = (learned, now.get(metric)) else {
                self.current[index] = Comparison::Usual;
                continue;
            };
            let comparison = compare(level.value, moments, self.current[index], &self.config);
            (self.current[index], compared[index]) = (comparison, Some(comparison));
        }
        let [facing, valence, arousal, engagement, restlessness] = compared;
        let any = compared.iter().any(Option::is_some) && self.config.enabled;
        any.then_some(ComparedToUsual { facing, valence, arousal, engagement, restlessness })
    }
}

/// Compares `value` with the moments of its metric; `current` is the last result.
fn compare(value: f64, moments: &Moments, current: Comparison, config: &config::Baseline) -> Comparison {
    let deviation = moments.variance.max(0.0).sqrt().max(MIN_DEVIATION);
    let beyond = |difference: f64, direction: Comparison| {
        let slack = if current == direction { HYSTERESIS_DEVIATIONS } else { 0.0 };
        difference >= config.min_difference.max((config.deviations - slack) * deviation)
    };
    if beyond(value - moments.mean, Comparison::More) {
        Comparison::More
    } else if beyond(moments.mean - value, Comparison::Less) {
        Comparison::Less
    } else {
        Comparison::Usual
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use moodring_contract::Level;
    use moodring_runtime::Rng;

    const HALF_MINUTE: Duration = Duration::from_secs(30);

    fn restless(value: f64) -> Metrics {
        let mut metrics = Metrics::default();
        metrics.set(Metric::Facing, Level::exact(0.7));
        metrics.set(Metric::Restlessness, Level::exact(value));
        metrics
    }

    fn room(mean: f64, minutes: u32) -> RoomBaseline {
        let mut baseline = RoomBaseline::new(config::Baseline::default(), Baseline::default());
        let mut rng = Rng::new(7);
        (0..2 * minutes).for_each(|_| baseline.learn(&restless(mean + 0.05 * rng.normal()), HALF_MINUTE));
        baseline
    }

    #[test]
    fn the_same_value_compares_differently_in_a_lively_and_a_quiet_room() {
        let now = restless(0.5);
        let compared = |mean| room(mean, 600).compare(&now).unwrap().restlessness;
        assert_eq!(compared(0.5), Some(Comparison::Usual));
        assert_eq!(compared(0.2), Some(Comparison::More));
        assert_eq!(compared(0.8), Some(Comparison::Less));
    }

    #[test]
    fn nothing_is_compared_before_enough_minutes_and_after_a_reset() {
        assert_eq!(room(0.3, 179).compare(&restless(0.9)), None);
        // Older minutes decay, so a little more than 180 are needed.
        let mut baseline = room(0.3, 195);
        assert!(baseline.compare(&restless(0.9)).is_some());
        baseline.reset();
        assert_eq!(baseline.compare(&restless(0.9)), None);
        assert_eq!(baseline.learned(), &Baseline::default());
    }

    #[test]
    fn comparison_has_hysteresis() {
        let mut baseline = room(0.3, 600);
        let mut at = |value| baseline.compare(&restless(value)).unwrap().restlessness.unwrap();
        // The deviation is 0.05: `More` begins at 1.5 deviations and ends below 1.
        assert_eq!(
            [at(0.36), at(0.40), at(0.36), at(0.33)].map(|now| now == Comparison::More),
            [false, true, true, false]
        );
    }

    #[test]
    fn baseline_adapts_to_a_room_that_changes() {
        let mut baseline = room(0.2, 600);
        assert_eq!(baseline.compare(&restless(0.5)).unwrap().restlessness, Some(Comparison::More));
        (0..2 * 60 * 40).for_each(|_| baseline.learn(&restless(0.5), HALF_MINUTE));
        assert_eq!(baseline.compare(&restless(0.5)).unwrap().restlessness, Some(Comparison::Usual));
    }

    proptest! {
        #[test]
        fn moments_equal_mean_and_variance_of_the_samples(values in prop::collection::vec(0.0..1.0_f64, 2..200)) {
            let mut moments = Moments::default();
            // A half-life this long means no forgetting.
            values.iter().for_each(|value| moments.learn(*value, 0.5, 1e12));
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
            prop_assert!((moments.mean - mean).abs() < 1e-6 && (moments.variance - variance).abs() < 1e-6);
            prop_assert!(moments.is_sound());
        }
    }
}
