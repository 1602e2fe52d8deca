//! The room's baseline: the mean of its earlier lessons. Each lesson has the same weight, whatever its length.

use moodring_contract::lesson::mean;
use schemars::JsonSchema;
use serde::Serialize;

use moodring_contract::lesson::{Metric, Minute};

/// With fewer earlier lessons there is no baseline.
const MIN_LESSONS: usize = 3;
/// Lessons with fewer live minutes do not count.
const MIN_MINUTES: usize = 10;

/// Distribution of a metric over lessons.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Spread {
    /// Mean over the lessons.
    pub mean: f64,
    /// Standard deviation between the lessons.
    pub deviation: f64,
}

/// The mean of the room's earlier lessons.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RoomBaseline {
    /// Number of lessons in the mean.
    pub lessons: usize,
    /// Number of people.
    pub people: Option<Spread>,
    /// Share of people who face the front.
    pub facing: Option<Spread>,
    /// Share of happy and surprised faces.
    pub pleasant: Option<Spread>,
    /// Share of angry, disgusted, fearful and sad faces.
    pub strained: Option<Spread>,
    /// Mean share of people who face the front, by minute of the lesson; null where too few lessons are that long.
    pub facing_by_minute: Vec<Option<f64>>,
}

impl RoomBaseline {
    /// The baseline from the minutes of earlier `lessons`; `None` if they are too few.
    pub fn of(lessons: &[Vec<Minute>]) -> Option<Self> {
        let counts = |minutes: &&Vec<Minute>| minutes.iter().filter(|minute| minute.live > 0.0).count();
        let lessons: Vec<&Vec<Minute>> =
            lessons.iter().filter(|minutes| counts(minutes) >= MIN_MINUTES).collect();
        if lessons.len() < MIN_LESSONS {
            return None;
        }
        let spread_of = |value: fn(&Minute) -> Option<f64>| {
            spread(lessons.iter().filter_map(|minutes| mean(minutes.iter().filter_map(value))))
        };
        let longest = lessons.iter().filter_map(|minutes| minutes.last()).map(|minute| minute.number).max();
        let facing_at = |number: u32| {
            let of_lesson = |minutes: &&Vec<Minute>| {
                let minute = minutes.iter().find(|minute| minute.number == number)?;
                minute.metrics.get(Metric::Facing).map(|share| share.value)
            };
            let shares: Vec<f64> = lessons.iter().filter_map(of_lesson).collect();
            if shares.len() < MIN_LESSONS { None } else { mean(shares.into_iter()) }
        };
        Some(Self {
            lessons: lessons.len(),
            people: spread_of(|minute| minute.people),
            facing: spread_of(|minute| minute.metrics.get(Metric::Facing).map(|share| share.value)),
            pleasant: spread_of(|minute| minute.metrics.sum(&Metric::PLEASANT).map(|share| share.value)),
            strained: spread_of(|minute| minute.metrics.sum(&Metric::STRAINED).map(|share| share.value)),
            facing_by_minute: (0..=longest.unwrap_or(0)).map(facing_at).collect(),
        })
    }
}

fn spread(values: impl Iterator<Item = f64>) -> Option<Spread> {
    let values: Vec<f64> = values.collect();
    let mean = mean(values.iter().copied())?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (values.len().max(2) - 1) as f64).sqrt();
    let round = |value: f64| (value * 1000.0).round() / 1000.0;
    Some(Spread { mean: round(mean), deviation: round(deviation) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::minutes;
    use super::*;

    #[test]
    fn a_baseline_needs_three_lessons() {
        let held = |facing: f64| minutes(20, |_| facing);
        assert_eq!(RoomBaseline::of(&[held(0.7), held(0.8)]), None);
        assert_eq!(RoomBaseline::of(&[held(0.7), held(0.8), minutes(5, |_| 0.1)]), None);
        let baseline = RoomBaseline::of(&[held(0.6), held(0.7), minutes(40, |_| 0.8)]).unwrap();
        let facing = baseline.facing.unwrap();
        assert_eq!((baseline.lessons, facing.mean, facing.deviation), (3, 0.7, 0.1));
        assert_eq!(baseline.facing_by_minute.len(), 40);
        assert!((baseline.facing_by_minute[19].unwrap() - 0.7).abs() < 1e-9);
        assert_eq!(baseline.facing_by_minute[20], None, "only one lesson was so long");
    }
}
