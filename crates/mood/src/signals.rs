//! Converts published shares into metrics for the teacher: pleasant, strained, valence, arousal, engagement.
//!
//! Every metric is computed from the published values of the mood, never from finer data. So no metric reveals more
//! about a person than the shares do, after they were rounded, withheld or made noisy.

use moodring_contract::Level;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use moodring_config as config;
use moodring_contract::{Share, Shares};

/// Pleasure and arousal of the seven expressions in the order of `Expression::ALL`: the ratings of *angry*,
/// *disgusted*, *fearful*, *happy*, *sad* and *surprised* by J. A. Russell and A. Mehrabian (Evidence for a
/// three-factor theory of emotions, Journal of Research in Personality 11, 1977), on the two axes of the
/// circumplex (J. A. Russell, A circumplex model of affect, JPSP 39, 1980). Neutral is its middle.
///
/// They are ratings of words; using them for faces is a convention. They are not configurable, so that rooms stay
/// comparable.
const CIRCUMPLEX: [(f64, f64); 7] =
    [(-0.51, 0.59), (-0.60, 0.35), (-0.64, 0.60), (0.81, 0.51), (-0.63, -0.27), (0.40, 0.67), (0.0, 0.0)];
/// Happy and surprise.
const PLEASANT: [f64; 7] = [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0];
/// Angry, disgust, fear and sad.
const STRAINED: [f64; 7] = [1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0];

/// A metric that is tracked during the lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Metric {
    /// Share of people who face the front, 0..=1.
    Facing,
    /// Share of happy and surprised faces, 0..=1.
    Pleasant,
    /// Share of angry, disgusted, fearful and sad faces, 0..=1.
    Strained,
    /// Pleasure on the circumplex, -1..=1.
    Valence,
    /// Arousal on the circumplex, -1..=1.
    Arousal,
    /// Facing times the weighted expressions, 0..=1.
    Engagement,
    /// 0 (heads keep still) to 1.
    Restlessness,
}

impl Metric {
    pub(super) const COUNT: usize = 7;
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Facing,
        Self::Pleasant,
        Self::Strained,
        Self::Valence,
        Self::Arousal,
        Self::Engagement,
        Self::Restlessness,
    ];
}

/// The metrics at one instant, or their means over a span. Unknown metrics are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Metrics([Option<Level>; Metric::COUNT]);

impl Metrics {
    /// Computes the metrics of a class from its published shares. Without `expressions` only facing and restlessness
    /// are known.
    pub(super) fn new(
        facing: Share,
        expressions: Option<&Shares>,
        restlessness: Option<f64>,
        weights: &config::EngagementWeights,
    ) -> Self {
        let mut metrics = Self::default();
        metrics.set(Metric::Facing, facing.into());
        if let Some(restlessness) = restlessness {
            metrics.set(Metric::Restlessness, Level::exact(restlessness));
        }
        if let Some(shares) = expressions {
            metrics.set(Metric::Pleasant, weigh(shares, PLEASANT));
            metrics.set(Metric::Strained, weigh(shares, STRAINED));
            metrics.set(Metric::Valence, weigh(shares, CIRCUMPLEX.map(|(valence, _)| valence)));
            metrics.set(Metric::Arousal, weigh(shares, CIRCUMPLEX.map(|(_, arousal)| arousal)));
            metrics.set(Metric::Engagement, engagement(facing.into(), weigh(shares, in_order(weights))));
        }
        metrics
    }

    pub(super) fn get(&self, metric: Metric) -> Option<Level> {
        self.0[metric as usize]
    }

    pub(super) fn set(&mut self, metric: Metric, level: Level) {
        self.0[metric as usize] = Some(level);
    }
}

fn in_order(weights: &config::EngagementWeights) -> [f64; 7] {
    let config::EngagementWeights { angry, disgust, fear, happy, sad, surprise, neutral } = *weights;
    [angry, disgust, fear, happy, sad, surprise, neutral]
}

/// 95 % quantile of the normal distribution: the half-width of a 90 % interval in standard deviations.
const Z_90: f64 = 1.645;

/// Mean of `weights` over the class, with a 90 % interval derived from the intervals of the shares.
///
/// The shares add up to 1, so their errors are correlated, and the interval of a weighted sum is not the sum of the
/// intervals. Therefore the effective number of faces is computed first ([`counted_faces`]). The interval is then that
/// of a weighted sum over this number of faces: mean and deviation of the Dirichlet posterior with a prior of one face
/// in total (J. O. Berger, J. M. Bernardo and D. Sun, Overall objective priors, Bayesian Analysis 10, 2015).
fn weigh(shares: &Shares, weights: [f64; 7]) -> Level {
    let shares = shares.in_order().map(|(_, share)| share);
    let faces = counted_faces(&shares);
    let sum = |shares: [f64; 7], of: &dyn Fn(f64) -> f64| -> f64 {
        shares.into_iter().zip(weights).map(|(share, weight)| share * of(weight)).sum()
    };
    let prior = 1.0 / shares.len() as f64;
    let posterior = shares.map(|share| (share.share * faces + prior) / (faces + 1.0));
    let value = sum(shares.map(|share| share.share), &|weight| weight);
    let centre = sum(posterior, &|weight| weight);
    let half = Z_90 * (sum(posterior, &|weight| (weight - centre).powi(2)) / (faces + 2.0)).sqrt();
    let min = weights.into_iter().fold(f64::INFINITY, f64::min);
    let max = weights.into_iter().fold(f64::NEG_INFINITY, f64::max);
    // The sum of the shares may differ from 1 by floating-point error.
    let value = value.clamp(min, max);
    Level { value, low: (centre - half).max(min).min(value), high: (centre + half).min(max).max(value) }
}

/// Effective number of faces: that for which Wilson's intervals are as wide as those of `shares`.
///
/// The sum over the shares of the squared half-widths of Wilson's intervals for n faces is
/// z²·(A·u + k·z²·u²/4) / (1 + z²·u)², with u = 1/n, k shares and A the sum of p·(1 - p). This is solved for u.
fn counted_faces(shares: &[Share; 7]) -> f64 {
    const MAX_FACES: f64 = 10_000.0;
    let z2 = Z_90 * Z_90;
    let widths: f64 = shares.iter().map(|share| ((share.high - share.low) / 2.0).powi(2)).sum();
    let spread: f64 = shares.iter().map(|share| share.share * (1.0 - share.share)).sum();
    let square = z2 * z2 * (shares.len() as f64 / 4.0 - widths).max(0.0);
    let linear = z2 * (spread - 2.0 * widths);
    let root = (linear * linear + 4.0 * square * widths).sqrt();
    // This form of the solution avoids cancellation for small widths.
    let faces = (linear + root) / (2.0 * widths);
    if faces.is_finite() { faces.clamp(0.0, MAX_FACES) } else { MAX_FACES }
}

/// Facing times the weight of the expressions, as Sharma et al. (arXiv 1909.12913) multiply gaze by emotion: a person
/// turned away adds nothing. The interval follows from the propagation of error for a product.
fn engagement(facing: Level, weight: Level) -> Level {
    let half =
        |facing_half: f64, weight_half: f64| (weight.value * facing_half).hypot(facing.value * weight_half);
    let value = facing.value * weight.value;
    let down = half(facing.value - facing.low, weight.value - weight.low);
    let up = half(facing.high - facing.value, weight.high - weight.value);
    Level { value, low: (value - down).max(0.0), high: (value + up).min(1.0) }
}

/// Maps `motion` in head widths per second linearly to 0 (still) to 1 (restless).
pub(super) fn restlessness(motion: f64, config: &config::Signals) -> f64 {
    ((motion - config.still_motion) / (config.restless_motion - config.still_motion)).clamp(0.0, 1.0)
}

/// Exponentially smoothed metrics; each is averaged over the time in which it was known.
#[derive(Debug)]
pub(super) struct Smoothed {
    time_constant_s: f64,
    at: Option<Instant>,
    newest: Metrics,
    sums: [Sum; Metric::COUNT],
}

/// A weighted sum of levels.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    weight: f64,
    value: f64,
    low: f64,
    high: f64,
}

impl Sum {
    /// Multiplies the sum by `decay` and adds `level` with `weight`; `None` only decays.
    pub(super) fn add(&mut self, level: Option<Level>, weight: f64, decay: f64) {
        let (weight, level) = level.map_or((0.0, Level::exact(0.0)), |level| (weight, level));
        self.weight = self.weight * decay + weight;
        self.value = self.value * decay + weight * level.value;
        self.low = self.low * decay + weight * level.low;
        self.high = self.high * decay + weight * level.high;
    }

    pub(super) fn mean(&self) -> Option<Level> {
        let Self { weight, value, low, high } = *self;
        (weight > 0.0).then(|| Level { value: value / weight, low: low / weight, high: high / weight })
    }
}

impl Smoothed {
    pub(super) fn new(time_constant_s: f64) -> Self {
        Self { time_constant_s, at: None, newest: Metrics::default(), sums: Default::default() }
    }

    /// Adds the metrics at `now`.
    pub(super) fn add(&mut self, now: Instant, metrics: &Metrics) {
        // The first metrics get the weight of one second.
        let elapsed_s = self.at.map_or(1.0, |at| now.saturating_duration_since(at).as_secs_f64());
        let decay = (-elapsed_s / self.time_constant_s).exp();
        for (metric, sum) in Metric::ALL.into_iter().zip(&mut self.sums) {
            sum.add(metrics.get(metric), 1.0 - decay, decay);
        }
        (self.at, self.newest) = (Some(now), *metrics);
    }

    /// The smoothed metrics. Metrics that the newest update did not contain are `None`.
    pub(super) fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::default();
        for (metric, sum) in Metric::ALL.into_iter().zip(&self.sums) {
            if let (Some(_), Some(mean)) = (self.newest.get(metric), sum.mean()) {
                metrics.set(metric, mean);
            }
        }
        metrics
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use moodring_config::EngagementWeights;
    use moodring_runtime::Rng;

    /// Shares with Wilson's 90 % interval for counts out of `people`.
    pub(crate) fn shares(values: [f64; 7], people: f64) -> Shares {
        let share = |index: usize| {
            let (share, z2) = (values[index], Z_90 * Z_90);
            let centre = (share + z2 / (2.0 * people)) / (1.0 + z2 / people);
            let half = Z_90 / (1.0 + z2 / people)
                * (share * (1.0 - share) / people + z2 / (4.0 * people * people)).sqrt();
            Share { share, low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
        };
        Shares {
            angry: share(0),
            disgust: share(1),
            fear: share(2),
            happy: share(3),
            sad: share(4),
            surprise: share(5),
            neutral: share(6),
        }
    }

    pub(crate) fn facing(share: f64, half: f64) -> Share {
        Share { share, low: (share - half).max(0.0), high: (share + half).min(1.0) }
    }

    #[test]
    fn class_with_one_expression_has_its_circumplex_coordinates() {
        for (index, (valence, arousal)) in CIRCUMPLEX.into_iter().enumerate() {
            let mut values = [0.0; 7];
            values[index] = 1.0;
            let metrics = Metrics::new(
                facing(1.0, 0.0),
                Some(&shares(values, 30.0)),
                None,
                &EngagementWeights::default(),
            );
            let (valence_level, arousal_level) =
                (metrics.get(Metric::Valence).unwrap(), metrics.get(Metric::Arousal).unwrap());
            assert_eq!((valence_level.value, arousal_level.value), (valence, arousal));
            // The interval of 30 of 30 faces is narrow, but not empty.
            let width = valence_level.high - valence_level.low;
            assert!(width < 0.25 && width > 0.0, "{valence_level:?}");
            assert_eq!(metrics.get(Metric::Restlessness), None);
        }
    }

    #[test]
    fn engagement_is_facing_times_the_weights_of_the_expressions() {
        let half_happy = shares([0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.5], 30.0);
        let weights = EngagementWeights::default();
        let level = Metrics::new(facing(0.8, 0.0), Some(&half_happy), None, &weights);
        let level = level.get(Metric::Engagement).unwrap();
        assert!((level.value - 0.8 * 0.75).abs() < 1e-12, "{level:?}");
        // Only the expressions are uncertain. Weights deviate by 0.3 from their mean, scaled by facing.
        let half = 1.645 * (0.25_f64 / 30.0).sqrt() * 0.3 * 0.8;
        assert!(((level.high - level.low) / 2.0 - half).abs() < 0.1 * half, "{level:?}");
        assert_eq!(Metrics::new(facing(0.8, 0.1), None, None, &weights).get(Metric::Engagement), None);
    }

    #[test]
    fn counted_faces_inverts_wilson_intervals() {
        for people in [5.0, 22.0, 60.0] {
            for values in [[0.1, 0.05, 0.05, 0.25, 0.15, 0.1, 0.3], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]] {
                let counted = counted_faces(&shares(values, people).in_order().map(|(_, share)| share));
                assert!((counted - people).abs() < 1e-6 * people, "{counted} of {people}");
            }
        }
        let none = Share { share: 1.0 / 7.0, low: 0.0, high: 1.0 };
        assert!(counted_faces(&[none; 7]) < 1e-6);
        let exact = Share { share: 1.0 / 7.0, low: 1.0 / 7.0, high: 1.0 / 7.0 };
        assert_eq!(counted_faces(&[exact; 7]), 10_000.0);
    }

    /// Draws 2000 classes of 30: the 90 % interval of the weighted sum must contain the true value in 90 % of them.
    #[test]
    fn interval_of_a_weighted_sum_has_its_coverage_in_simulated_classes() {
        let truth = [0.10, 0.05, 0.05, 0.25, 0.15, 0.10, 0.30];
        let valences = CIRCUMPLEX.map(|(valence, _)| valence);
        let expected: f64 = truth.iter().zip(valences).map(|(share, weight)| share * weight).sum();
        let mut rng = Rng::new(1);
        let mut covered = 0;
        for _ in 0..2000 {
            let mut counts = [0.0_f64; 7];
            for _ in 0..30 {
                let mut point = rng.unit();
                let index = truth.iter().position(|share| {
                    point -= share;
                    point <= 0.0
                });
                counts[index.unwrap_or(6)] += 1.0 / 30.0;
            }
            let level = weigh(&shares(counts, 30.0), valences);
            covered += u32::from(level.low <= expected && expected <= level.high);
        }
        // Nominal 90 % are 1800. With 30 people the sum takes few values, so the coverage is not exact.
        assert!((1720..=1860).contains(&covered), "{covered} of 2000");
    }

    #[test]
    fn smoothing_follows_its_time_constant_and_starts_at_the_first_value() {
        let start = Instant::now();
        let mut smoothed = Smoothed::new(60.0);
        let metrics = |share| Metrics::new(facing(share, 0.0), None, None, &EngagementWeights::default());
        smoothed.add(start, &metrics(0.4));
        let value = |smoothed: &Smoothed| smoothed.metrics().get(Metric::Facing).unwrap().value;
        assert!((value(&smoothed) - 0.4).abs() < 1e-12, "the first value is not biased");
        (1..=600).for_each(|s| smoothed.add(start + Duration::from_secs(s), &metrics(0.4)));
        (601..=660).for_each(|s| smoothed.add(start + Duration::from_secs(s), &metrics(0.9)));
        let after_one_time_constant = 0.9 - 0.5 * (-1.0_f64).exp();
        assert!((value(&smoothed) - after_one_time_constant).abs() < 0.01, "{}", value(&smoothed));
    }

    proptest! {
        #[test]
        fn metrics_are_bounded_and_within_their_intervals(
            raw in prop::array::uniform7(0.0..1.0_f64), people in 5.0..60.0_f64, front in 0.0..=1.0_f64,
            motion in 0.0..9.0_f64,
        ) {
            let sum: f64 = raw.iter().sum::<f64>().max(1e-9);
            let shares = shares(raw.map(|share| share / sum), people);
            let config = config::Signals::default();
            let rest = restlessness(motion, &config);
            let metrics = Metrics::new(facing(front, 0.1), Some(&shares), Some(rest), &config.engagement_weights);
            for metric in Metric::ALL {
                let level = metrics.get(metric).unwrap();
                let min = if matches!(metric, Metric::Valence | Metric::Arousal) { -1.0 } else { 0.0 };
                prop_assert!(min - 1e-9 <= level.low && level.high <= 1.0 + 1e-9, "{metric:?}: {level:?}");
                prop_assert!(level.low <= level.value + 1e-9 && level.value <= level.high + 1e-9, "{metric:?}");
            }
        }
    }
}
