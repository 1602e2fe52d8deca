//! From shares to the figures that a teacher can use: pleasant, strained, valence, arousal, engagement.
//!
//! Its one decision: every figure is worked out of what the mood publishes, never of anything finer. So no
//! figure can tell more about a person than the shares beside it do, whatever was rounded, withheld or blurred there.

use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Share, Shares};
use crate::config;

/// Pleasure and arousal of the seven expressions in the order of `Expression::ALL`: the ratings of *angry*,
/// *disgusted*, *fearful*, *happy*, *sad* and *surprised* by J. A. Russell and A. Mehrabian (Evidence for a
/// three-factor theory of emotions, Journal of Research in Personality 11, 1977), on the two axes of the
/// circumplex (J. A. Russell, A circumplex model of affect, JPSP 39, 1980). Neutral is its middle.
///
/// They are ratings of words, and using them for faces is a convention; being the same everywhere, they make
/// rooms comparable, so they are not configurable.
const CIRCUMPLEX: [(f64, f64); 7] =
    [(-0.51, 0.59), (-0.60, 0.35), (-0.64, 0.60), (0.81, 0.51), (-0.63, -0.27), (0.40, 0.67), (0.0, 0.0)];
/// Happy and surprise.
const PLEASANT: [f64; 7] = [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0];
/// Angry, disgust, fear and sad.
const STRAINED: [f64; 7] = [1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0];

/// A figure on a scale with its 90 % interval; -1 to 1 for valence and arousal, 0 to 1 for engagement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Level {
    /// The estimate.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub value: f64,
    /// Lower end of the 90 % interval.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub low: f64,
    /// Upper end of the 90 % interval.
    #[schemars(range(min = -1.0, max = 1.0))]
    pub high: f64,
}

impl Level {
    /// A level whose interval is not known.
    pub(super) fn exact(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    /// In hundredths, as it is published.
    pub(super) fn rounded(self) -> Self {
        let round = |value: f64| (value.clamp(-1.0, 1.0) * 100.0).round() / 100.0;
        Self { value: round(self.value), low: round(self.low), high: round(self.high) }
    }
}

impl From<Share> for Level {
    fn from(share: Share) -> Self {
        Self { value: share.share, low: share.low, high: share.high }
    }
}

/// What is followed through the lesson.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Figure {
    /// Share that faces the front.
    Facing,
    /// Share of happy and surprised faces.
    Pleasant,
    /// Share of angry, disgusted, fearful and sad faces.
    Strained,
    Valence,
    Arousal,
    Engagement,
    /// 0 (heads keep still) to 1.
    Restlessness,
}

impl Figure {
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

/// The figures of one time, or their means over a span; those that are not known are none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Figures([Option<Level>; Figure::COUNT]);

impl Figures {
    /// The figures of a class of which `facing` and perhaps `expressions` are published.
    pub(super) fn new(
        facing: Share,
        expressions: Option<&Shares>,
        restlessness: Option<f64>,
        weights: &config::EngagementWeights,
    ) -> Self {
        let mut figures = Self::default();
        figures.set(Figure::Facing, facing.into());
        if let Some(restlessness) = restlessness {
            figures.set(Figure::Restlessness, Level::exact(restlessness));
        }
        if let Some(shares) = expressions {
            figures.set(Figure::Pleasant, weigh(shares, PLEASANT));
            figures.set(Figure::Strained, weigh(shares, STRAINED));
            figures.set(Figure::Valence, weigh(shares, CIRCUMPLEX.map(|(valence, _)| valence)));
            figures.set(Figure::Arousal, weigh(shares, CIRCUMPLEX.map(|(_, arousal)| arousal)));
            figures.set(Figure::Engagement, engagement(facing.into(), weigh(shares, in_order(weights))));
        }
        figures
    }

    pub(super) fn get(&self, figure: Figure) -> Option<Level> {
        self.0[figure as usize]
    }

    pub(super) fn set(&mut self, figure: Figure, level: Level) {
        self.0[figure as usize] = Some(level);
    }
}

fn in_order(weights: &config::EngagementWeights) -> [f64; 7] {
    let config::EngagementWeights { angry, disgust, fear, happy, sad, surprise, neutral } = *weights;
    [angry, disgust, fear, happy, sad, surprise, neutral]
}

/// 95 % quantile of the normal distribution: the half-width of a 90 % interval in standard deviations.
const Z_90: f64 = 1.645;

/// The mean of `weights` over the class, with an interval made of those of the shares.
///
/// Shares add up to 1, so they err against each other, and intervals of single shares do not add up to that of
/// a sum. So they are first understood as those of counting faces, and then the interval is the one of a sum
/// over so many faces: mean and deviation of the Dirichlet posterior with a prior of one face in all (J. O.
/// Berger, J. M. Bernardo and D. Sun, Overall objective priors, Bayesian Analysis 10, 2015).
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
    let least = weights.into_iter().fold(f64::INFINITY, f64::min);
    let most = weights.into_iter().fold(f64::NEG_INFINITY, f64::max);
    // Rounded shares may miss the sum of 1 by a hair.
    let value = value.clamp(least, most);
    Level { value, low: (centre - half).max(least).min(value), high: (centre + half).min(most).max(value) }
}

/// How many faces would have to be counted for intervals as wide as those of `shares`.
///
/// Squared half-widths of Wilson's intervals for n faces, added over the shares, are
/// z²·(A·u + k·z²·u²/4) / (1 + z²·u)², with u = 1/n, k shares and A the sum of p·(1 - p): solved for u.
fn counted_faces(shares: &[Share; 7]) -> f64 {
    const MOST_FACES: f64 = 10_000.0;
    let z2 = Z_90 * Z_90;
    let widths: f64 = shares.iter().map(|share| ((share.high - share.low) / 2.0).powi(2)).sum();
    let spread: f64 = shares.iter().map(|share| share.share * (1.0 - share.share)).sum();
    let square = z2 * z2 * (shares.len() as f64 / 4.0 - widths).max(0.0);
    let linear = z2 * (spread - 2.0 * widths);
    let root = (linear * linear + 4.0 * square * widths).sqrt();
    // Written so that nothing is lost when the widths are small.
    let faces = (linear + root) / (2.0 * widths);
    if faces.is_finite() { faces.clamp(0.0, MOST_FACES) } else { MOST_FACES }
}

/// Facing times the expressions' weight, as Sharma et al. (arXiv 1909.12913) multiply gaze by emotion: whoever
/// has turned away counts nothing. The interval follows the rule for the error of a product.
fn engagement(facing: Level, weight: Level) -> Level {
    let half =
        |facing_half: f64, weight_half: f64| (weight.value * facing_half).hypot(facing.value * weight_half);
    let value = facing.value * weight.value;
    let down = half(facing.value - facing.low, weight.value - weight.low);
    let up = half(facing.high - facing.value, weight.high - weight.value);
    Level { value, low: (value - down).max(0.0), high: (value + up).min(1.0) }
}

/// Where `motion`, in head widths a second, lies between still (0) and restless (1).
pub(super) fn restlessness(motion: f64, config: &config::Signals) -> f64 {
    ((motion - config.still_motion) / (config.restless_motion - config.still_motion)).clamp(0.0, 1.0)
}

/// Figures smoothed exponentially, each over the time in which it was known.
#[derive(Debug)]
pub(super) struct Smoothed {
    time_constant_s: f64,
    at: Option<Instant>,
    newest: Figures,
    sums: [Sum; Figure::COUNT],
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
    /// Adds a level after letting what is there fade to `kept`.
    pub(super) fn add(&mut self, level: Option<Level>, weight: f64, kept: f64) {
        let (weight, level) = level.map_or((0.0, Level::exact(0.0)), |level| (weight, level));
        self.weight = self.weight * kept + weight;
        self.value = self.value * kept + weight * level.value;
        self.low = self.low * kept + weight * level.low;
        self.high = self.high * kept + weight * level.high;
    }

    pub(super) fn mean(&self) -> Option<Level> {
        let Self { weight, value, low, high } = *self;
        (weight > 0.0).then(|| Level { value: value / weight, low: low / weight, high: high / weight })
    }
}

impl Smoothed {
    pub(super) fn new(time_constant_s: f64) -> Self {
        Self { time_constant_s, at: None, newest: Figures::default(), sums: Default::default() }
    }

    /// Takes in the figures of `now`.
    pub(super) fn add(&mut self, now: Instant, figures: &Figures) {
        // The first counts like those that came a second after another.
        let elapsed_s = self.at.map_or(1.0, |at| now.saturating_duration_since(at).as_secs_f64());
        let kept = (-elapsed_s / self.time_constant_s).exp();
        for (figure, sum) in Figure::ALL.into_iter().zip(&mut self.sums) {
            sum.add(figures.get(figure), 1.0 - kept, kept);
        }
        (self.at, self.newest) = (Some(now), *figures);
    }

    /// The smoothed figures, as far as they are known now.
    pub(super) fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        for (figure, sum) in Figure::ALL.into_iter().zip(&self.sums) {
            if let (Some(_), Some(mean)) = (self.newest.get(figure), sum.mean()) {
                figures.set(figure, mean);
            }
        }
        figures
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::tests::Dice;
    use super::*;
    use crate::config::EngagementWeights;

    /// Shares with Wilson's interval for counts out of `people`.
    pub(in super::super) fn shares(values: [f64; 7], people: f64) -> Shares {
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

    pub(in super::super) fn facing(share: f64, half: f64) -> Share {
        Share { share, low: (share - half).max(0.0), high: (share + half).min(1.0) }
    }

    #[test]
    fn a_class_of_one_expression_lies_on_its_place_in_the_circumplex() {
        for (index, (valence, arousal)) in CIRCUMPLEX.into_iter().enumerate() {
            let mut values = [0.0; 7];
            values[index] = 1.0;
            let figures = Figures::new(
                facing(1.0, 0.0),
                Some(&shares(values, 30.0)),
                None,
                &EngagementWeights::default(),
            );
            let (valued, aroused) =
                (figures.get(Figure::Valence).unwrap(), figures.get(Figure::Arousal).unwrap());
            assert_eq!((valued.value, aroused.value), (valence, arousal));
            // Thirty of thirty are not everybody there ever was, but nearly.
            assert!(valued.high - valued.low < 0.25 && valued.high > valued.low, "{valued:?}");
            assert_eq!(figures.get(Figure::Restlessness), None);
        }
    }

    #[test]
    fn engagement_is_facing_times_the_weights_of_the_expressions() {
        let half_happy = shares([0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.5], 30.0);
        let weights = EngagementWeights::default();
        let level = Figures::new(facing(0.8, 0.0), Some(&half_happy), None, &weights);
        let level = level.get(Figure::Engagement).unwrap();
        assert!((level.value - 0.8 * 0.75).abs() < 1e-12, "{level:?}");
        // Only the expressions are uncertain: half of 30 have 0.3 less than the others, times facing.
        let half = 1.645 * (0.25_f64 / 30.0).sqrt() * 0.3 * 0.8;
        assert!(((level.high - level.low) / 2.0 - half).abs() < 0.1 * half, "{level:?}");
        assert_eq!(Figures::new(facing(0.8, 0.1), None, None, &weights).get(Figure::Engagement), None);
    }

    #[test]
    fn intervals_are_understood_as_those_of_so_many_faces() {
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

    /// Classes of 30 are drawn 2000 times: the interval made of the shares' intervals must be the one of the sum.
    #[test]
    fn the_interval_of_a_sum_is_that_of_drawn_classes() {
        let truth = [0.10, 0.05, 0.05, 0.25, 0.15, 0.10, 0.30];
        let valences = CIRCUMPLEX.map(|(valence, _)| valence);
        let wanted: f64 = truth.iter().zip(valences).map(|(share, weight)| share * weight).sum();
        let mut dice = Dice(1);
        let mut held = 0;
        for _ in 0..2000 {
            let mut counts = [0.0_f64; 7];
            for _ in 0..30 {
                let mut place = dice.roll();
                let index = truth.iter().position(|share| {
                    place -= share;
                    place <= 0.0
                });
                counts[index.unwrap_or(6)] += 1.0 / 30.0;
            }
            let level = weigh(&shares(counts, 30.0), valences);
            held += u32::from(level.low <= wanted && wanted <= level.high);
        }
        // 90 %; 30 people give a sum few values, so it is not hit exactly.
        assert!((1720..=1860).contains(&held), "{held} of 2000");
    }

    #[test]
    fn smoothing_takes_its_time_and_forgets_the_beginning() {
        let start = Instant::now();
        let mut smoothed = Smoothed::new(60.0);
        let figures = |share| Figures::new(facing(share, 0.0), None, None, &EngagementWeights::default());
        smoothed.add(start, &figures(0.4));
        let value = |smoothed: &Smoothed| smoothed.figures().get(Figure::Facing).unwrap().value;
        assert!((value(&smoothed) - 0.4).abs() < 1e-12, "the first is not pulled towards anything");
        (1..=600).for_each(|s| smoothed.add(start + Duration::from_secs(s), &figures(0.4)));
        (601..=660).for_each(|s| smoothed.add(start + Duration::from_secs(s), &figures(0.9)));
        let after_one_time_constant = 0.9 - 0.5 * (-1.0_f64).exp();
        assert!((value(&smoothed) - after_one_time_constant).abs() < 0.01, "{}", value(&smoothed));
    }

    proptest! {
        #[test]
        fn figures_are_bounded_and_their_intervals_hold_them(
            raw in prop::array::uniform7(0.0..1.0_f64), people in 5.0..60.0_f64, front in 0.0..=1.0_f64,
            motion in 0.0..9.0_f64,
        ) {
            let sum: f64 = raw.iter().sum::<f64>().max(1e-9);
            let shares = shares(raw.map(|share| share / sum), people);
            let config = config::Signals::default();
            let rest = restlessness(motion, &config);
            let figures = Figures::new(facing(front, 0.1), Some(&shares), Some(rest), &config.engagement_weights);
            for figure in Figure::ALL {
                let level = figures.get(figure).unwrap();
                let least = if matches!(figure, Figure::Valence | Figure::Arousal) { -1.0 } else { 0.0 };
                prop_assert!(least - 1e-9 <= level.low && level.high <= 1.0 + 1e-9, "{figure:?}: {level:?}");
                prop_assert!(level.low <= level.value + 1e-9 && level.value <= level.high + 1e-9, "{figure:?}");
            }
        }
    }
}
