//! Trend of a metric: the Mann-Kendall test decides whether there is one, the Theil-Sen estimator gives its slope.
//!
//! Both use only ranks and medians of differences, so that a single outlier among the half-minutes changes neither.

use moodring_contract::Direction;
use moodring_contract::Trend;
use moodring_contract::TrendOf;

use moodring_config as config;

/// Minimum number of points. With fewer, the normal approximation of the test is poor.
const MIN_POINTS: usize = 8;

/// The trend of `points` (time in minutes and value, oldest first); `None` for fewer than [`MIN_POINTS`].
pub(super) fn trend(of: TrendOf, points: &[(f64, f64)], config: &config::Signals) -> Option<Trend> {
    if points.len() < MIN_POINTS {
        return None;
    }
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let p = mann_kendall(&values);
    let slope = theil_sen(points);
    let change = slope * config.trend_window_s / 60.0;
    let direction = if p > config.trend_significance || change.abs() < config.trend_min_change {
        Direction::Steady
    } else if slope > 0.0 {
        Direction::Rising
    } else {
        Direction::Falling
    };
    let round = |value: f64| (value * 1000.0).round() / 1000.0;
    Some(Trend { of, direction, per_minute: round(slope), p: round(p) })
}

/// Two-sided p-value of the Mann-Kendall test in its normal approximation, with the corrections for ties and
/// continuity (H. B. Mann, Econometrica 13, 1945; M. G. Kendall, Rank Correlation Methods).
fn mann_kendall(values: &[f64]) -> f64 {
    let mut score = 0.0;
    for (index, earlier) in values.iter().enumerate() {
        for later in &values[index + 1..] {
            score += f64::from(i8::from(later > earlier) - i8::from(later < earlier));
        }
    }
    let pairs = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let ties: f64 = sorted.chunk_by(|a, b| a == b).map(|tied| pairs(tied.len() as f64)).sum();
    let variance = (pairs(values.len() as f64) - ties) / 18.0;
    if variance <= 0.0 || score == 0.0 {
        return 1.0;
    }
    two_sided((score.abs() - 1.0) / variance.sqrt())
}

/// The median of the slopes between all pairs of points, per minute (H. Theil, 1950; P. K. Sen, JASA 63, 1968).
fn theil_sen(points: &[(f64, f64)]) -> f64 {
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (index, (at, value)) in points.iter().enumerate() {
        slopes.extend(points[index + 1..].iter().map(|(later, other)| (other - value) / (later - at)));
    }
    slopes.sort_unstable_by(f64::total_cmp);
    match slopes.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => slopes[odd / 2],
        even => (slopes[even / 2 - 1] + slopes[even / 2]) / 2.0,
    }
}

/// Probability that the absolute value of a standard normal deviate exceeds `z`, with an error below 3e-7: formula
/// 7.1.26 of Abramowitz and Stegun, Handbook of Mathematical Functions.
fn two_sided(z: f64) -> f64 {
    let x = z.max(0.0) / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let polynomial = series.into_iter().fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    (polynomial * (-x * x).exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use moodring_runtime::Rng;

    fn points(values: impl IntoIterator<Item = f64>) -> Vec<(f64, f64)> {
        values.into_iter().enumerate().map(|(index, value)| (index as f64 / 2.0, value)).collect()
    }

    fn of(values: impl IntoIterator<Item = f64>) -> Option<Trend> {
        trend(TrendOf::Engagement, &points(values), &config::Signals::default())
    }

    #[test]
    fn normal_tail_agrees_with_published_tables() {
        for (z, p) in [(0.0, 1.0), (1.0, 0.317_310_5), (1.644_854, 0.1), (1.959_964, 0.05), (2.575_829, 0.01)]
        {
            assert!((two_sided(z) - p).abs() < 1e-6, "{z}: {}", two_sided(z));
        }
    }

    /// Ten increasing values: S = 45, variance 10·9·25/18 = 125, Z = 44/√125 = 3.935, p = 8.3e-5. With two ties
    /// of two: S = 43, variance 125 - 2·18/18 = 123.
    #[test]
    fn mann_kendall_gives_hand_computed_p_values() {
        let rising: Vec<f64> = (0..10).map(f64::from).collect();
        assert!((mann_kendall(&rising) - two_sided(44.0 / 125.0_f64.sqrt())).abs() < 1e-12);
        let tied = [0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        assert!((mann_kendall(&tied) - two_sided(42.0 / 123.0_f64.sqrt())).abs() < 1e-12);
        assert_eq!(mann_kendall(&[0.5; 10]), 1.0);
    }

    #[test]
    fn direction_is_rising_falling_or_steady() {
        let rising = of((0..10).map(|step| 0.5 + 0.03 * f64::from(step))).unwrap();
        assert_eq!((rising.direction, rising.per_minute), (Direction::Rising, 0.06));
        // One half-minute in which everybody turned round does not change the direction.
        let outlier =
            of((0..10).map(|step| if step == 4 { 0.0 } else { 0.8 - 0.03 * f64::from(step) })).unwrap();
        assert_eq!(outlier.direction, Direction::Falling);
        // Significant, but a change of 0.03 in five minutes is below `trend_min_change`.
        let small = of((0..10).map(|step| 0.5 + 0.003 * f64::from(step))).unwrap();
        assert_eq!(small.direction, Direction::Steady);
        assert!(small.p < 0.01);
        assert_eq!(of((0..7).map(f64::from)), None);
    }

    #[test]
    fn noise_has_a_false_alarm_rate_of_at_most_one_percent() {
        let mut rng = Rng::new(1);
        let mut noise = || 0.6 + 0.1 * (rng.unit() - 0.5);
        let false_alarms = (0..1000)
            .filter(|_| of((0..10).map(|_| noise())).unwrap().direction != Direction::Steady)
            .count();
        assert!(false_alarms <= 10, "{false_alarms} of 1000");
    }

    proptest! {
        #[test]
        fn reversed_series_has_the_opposite_trend(values in prop::collection::vec(0.0..1.0_f64, 8..20)) {
            let (one, other) = (of(values.clone()).unwrap(), of(values.into_iter().rev()).unwrap());
            prop_assert!((0.0..=1.0).contains(&one.p));
            prop_assert!((one.p - other.p).abs() < 1e-12 && (one.per_minute + other.per_minute).abs() < 1e-9);
            let opposite = match one.direction {
                Direction::Rising => Direction::Falling,
                Direction::Steady => Direction::Steady,
                Direction::Falling => Direction::Rising,
            };
            prop_assert_eq!(other.direction, opposite);
        }
    }
}
