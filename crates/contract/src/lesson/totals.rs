//! Means over the minutes of a lesson.

use jiff::Timestamp;

use super::{Metric, Metrics, Minute, Totals};
use crate::{Level, Pace, Word};

impl Totals {
    /// The means over `minutes`, for a lesson from `begun_at` to `ended_at`; `None` without minutes.
    pub fn of(begun_at: Timestamp, ended_at: Timestamp, minutes: &[Minute]) -> Option<Self> {
        let live = mean(minutes.iter().map(|minute| minute.live))?;
        let live_minutes = || minutes.iter().filter(|minute| minute.live > 0.0);
        let mut metrics = Metrics::default();
        for metric in Metric::ALL {
            metrics.set(metric, mean_level(minutes, |metrics| metrics.get(metric)));
        }
        let people = mean(minutes.iter().filter_map(|minute| minute.people));
        Some(Self {
            minutes: (ended_at.duration_since(begun_at).as_secs_f64() / 60.0).round().max(0.0) as u32,
            live: (live * 1000.0).round() / 1000.0,
            people: people.map(|people| (people * 10.0).round() / 10.0),
            metrics,
            word: most(live_minutes().map(|minute| minute.word)).unwrap_or(Word::Unsure),
            pace: most(live_minutes().map(|minute| minute.pace)).unwrap_or(Pace::Unsure),
        })
    }
}

/// The most frequent of `values`; of several, the one that occurred first last. `None` if `values` is empty.
fn most<T: PartialEq>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: Vec<(T, u32)> = Vec::new();
    for value in values {
        match counts.iter_mut().find(|(seen, _)| *seen == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(value, _)| value)
}

/// The mean of `values`; `None` if there are none.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// The mean of the levels that `of` selects from each minute, and of the ends of their intervals, rounded to
/// thousandths. `None` if no minute has one.
pub fn mean_level(minutes: &[Minute], of: impl Fn(&Metrics) -> Option<Level>) -> Option<Level> {
    let levels: Vec<Level> = minutes.iter().filter_map(|minute| of(&minute.metrics)).collect();
    let part = |part: fn(&Level) -> f64| {
        mean(levels.iter().map(part)).map(|value| (value * 1000.0).round() / 1000.0)
    };
    Some(Level { value: part(|l| l.value)?, low: part(|l| l.low)?, high: part(|l| l.high)? })
}
