//! What is usual in this room: a slow mean and deviation of its own figures, and how now compares with them.
//!
//! Its one decision: it knows the room and nobody in it. Only published figures of live half-minutes enter,
//! two numbers a figure are kept, and `moodring usual reset` forgets them.

pub mod store;

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::signals::{Figure, Figures};
use crate::config;

/// Figures that are compared.
const COMPARED: [Figure; 5] =
    [Figure::Facing, Figure::Valence, Figure::Arousal, Figure::Engagement, Figure::Restlessness];
/// No room is steadier than this: shares are rounded to hundredths and counted out of a few dozen people.
const LEAST_DEVIATION: f64 = 0.03;
/// A comparison stands until it is this many deviations closer to the usual than it had to be to begin.
const SLACK_DEVIATIONS: f64 = 0.5;

/// How now compares with what is usual in this room; null for what is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ComparedToUsual {
    /// The share that faces the front.
    pub facing: Option<Comparison>,
    /// Valence.
    pub valence: Option<Comparison>,
    /// Arousal.
    pub arousal: Option<Comparison>,
    /// Engagement.
    pub engagement: Option<Comparison>,
    /// Restlessness.
    pub restlessness: Option<Comparison>,
}

/// More or less than usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// Clearly less.
    Less,
    /// As usual.
    Usual,
    /// Clearly more.
    More,
}

/// The room's means so far: all that is kept of it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Minutes that were ever seen.
    minutes: f64,
    figures: BTreeMap<Figure, Moments>,
}

/// Exponentially weighted mean and variance of one figure.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Moments {
    /// Minutes that were seen, older ones counting less.
    minutes: f64,
    mean: f64,
    variance: f64,
}

impl Moments {
    /// Takes in that the figure was `value` for `minutes` (D. H. D. West, CACM 22, 1979, with forgetting).
    fn learn(&mut self, value: f64, minutes: f64, half_life_minutes: f64) {
        let kept = (-minutes / half_life_minutes).exp2();
        let before = self.minutes * kept;
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
    /// Minutes that were ever seen.
    pub fn minutes(&self) -> f64 {
        self.minutes
    }

    /// Whether the numbers can be those of a room; a file may hold anything.
    fn is_sound(&self) -> bool {
        self.minutes.is_finite() && self.minutes >= 0.0 && self.figures.values().all(Moments::is_sound)
    }

    /// Name, mean and standard deviation of each figure.
    pub fn rows(&self) -> impl Iterator<Item = (String, f64, f64)> {
        self.figures.iter().map(|(figure, moments)| {
            (format!("{figure:?}").to_lowercase(), moments.mean, moments.variance.max(0.0).sqrt())
        })
    }
}

/// Learns what is usual and compares now with it.
#[derive(Debug)]
pub(super) struct Usual {
    config: config::Usual,
    baseline: Baseline,
    standing: [Comparison; COMPARED.len()],
}

impl Usual {
    pub(super) fn new(config: config::Usual, baseline: Baseline) -> Self {
        Self { config, baseline, standing: [Comparison::Usual; COMPARED.len()] }
    }

    pub(super) fn baseline(&self) -> &Baseline {
        &self.baseline
    }

    /// Forgets what was learned.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.config.clone(), Baseline::default());
    }

    /// Forgets how the lesson compared, and keeps what was learned.
    pub(super) fn begin_lesson(&mut self) {
        self.standing = [Comparison::Usual; COMPARED.len()];
    }

    /// Takes in the means of a span of a lesson.
    pub(super) fn learn(&mut self, means: &Figures, span: Duration) {
        if !self.config.enabled || means.get(Figure::Facing).is_none() {
            return;
        }
        let minutes = span.as_secs_f64() / 60.0;
        self.baseline.minutes += minutes;
        for figure in COMPARED {
            if let Some(level) = means.get(figure) {
                let moments = self.baseline.figures.entry(figure).or_default();
                moments.learn(level.value, minutes, self.config.half_life_h * 60.0);
            }
        }
    }

    /// How `now`, the smoothed figures, compare; `None` while nothing can be compared.
    pub(super) fn compare(&mut self, now: &Figures) -> Option<ComparedToUsual> {
        let mut compared = [None; COMPARED.len()];
        for (place, figure) in COMPARED.into_iter().enumerate() {
            let moments = self.baseline.figures.get(&figure);
            let known = moments.filter(|moments| moments.minutes >= self.config.least_minutes);
            let (Some(moments), Some(level)) = (known, now.get(figure)) else {
                self.standing[place] = Comparison::Usual;
                continue;
            };
            let standing = compare(level.value, moments, self.standing[place], &self.config);
            (self.standing[place], compared[place]) = (standing, Some(standing));
        }
        let [facing, valence, arousal, engagement, restlessness] = compared;
        let any = compared.iter().any(Option::is_some) && self.config.enabled;
        any.then_some(ComparedToUsual { facing, valence, arousal, engagement, restlessness })
    }
}

fn compare(value: f64, usual: &Moments, standing: Comparison, config: &config::Usual) -> Comparison {
    let deviation = usual.variance.max(0.0).sqrt().max(LEAST_DEVIATION);
    let beyond = |difference: f64, direction: Comparison| {
        let slack = if standing == direction { SLACK_DEVIATIONS } else { 0.0 };
        difference >= config.least_difference.max((config.deviations - slack) * deviation)
    };
    if beyond(value - usual.mean, Comparison::More) {
        Comparison::More
    } else if beyond(usual.mean - value, Comparison::Less) {
        Comparison::Less
    } else {
        Comparison::Usual
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::signals::Level;
    use super::super::tests::Dice;
    use super::*;

    const HALF_MINUTE: Duration = Duration::from_secs(30);

    fn restless(value: f64) -> Figures {
        let mut figures = Figures::default();
        figures.set(Figure::Facing, Level::exact(0.7));
        figures.set(Figure::Restlessness, Level::exact(value));
        figures
    }

    fn room(usually: f64, minutes: u32) -> Usual {
        let mut usual = Usual::new(config::Usual::default(), Baseline::default());
        let mut dice = Dice(7);
        (0..2 * minutes).for_each(|_| usual.learn(&restless(usually + 0.05 * dice.normal()), HALF_MINUTE));
        usual
    }

    #[test]
    fn a_lively_room_is_not_more_restless_than_usual_where_a_quiet_one_is() {
        let now = restless(0.5);
        let compared = |usually| room(usually, 600).compare(&now).unwrap().restlessness;
        assert_eq!(compared(0.5), Some(Comparison::Usual));
        assert_eq!(compared(0.2), Some(Comparison::More));
        assert_eq!(compared(0.8), Some(Comparison::Less));
    }

    #[test]
    fn nothing_is_compared_before_enough_was_seen_and_after_a_reset() {
        assert_eq!(room(0.3, 179).compare(&restless(0.9)), None);
        // Older minutes count less, so it takes a little more than 180.
        let mut usual = room(0.3, 195);
        assert!(usual.compare(&restless(0.9)).is_some());
        usual.reset();
        assert_eq!(usual.compare(&restless(0.9)), None);
        assert_eq!(usual.baseline(), &Baseline::default());
    }

    #[test]
    fn a_comparison_stands_until_it_is_clearly_over() {
        let mut usual = room(0.3, 600);
        let mut at = |value| usual.compare(&restless(value)).unwrap().restlessness.unwrap();
        // The deviation is 0.05: 1.5 of them begin it, one keeps it.
        assert_eq!(
            [at(0.36), at(0.40), at(0.36), at(0.33)].map(|now| now == Comparison::More),
            [false, true, true, false]
        );
    }

    #[test]
    fn a_room_that_changes_becomes_usual_by_and_by() {
        let mut usual = room(0.2, 600);
        assert_eq!(usual.compare(&restless(0.5)).unwrap().restlessness, Some(Comparison::More));
        (0..2 * 60 * 40).for_each(|_| usual.learn(&restless(0.5), HALF_MINUTE));
        assert_eq!(usual.compare(&restless(0.5)).unwrap().restlessness, Some(Comparison::Usual));
    }

    proptest! {
        #[test]
        fn moments_are_those_of_what_was_seen(values in prop::collection::vec(0.0..1.0_f64, 2..200)) {
            let mut moments = Moments::default();
            // As good as never forgetting.
            values.iter().for_each(|value| moments.learn(*value, 0.5, 1e12));
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
            prop_assert!((moments.mean - mean).abs() < 1e-6 && (moments.variance - variance).abs() < 1e-6);
            prop_assert!(moments.is_sound());
        }
    }
}
