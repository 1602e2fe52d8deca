//! Metrics of the last ten minutes as half-minute means: the input of trend, pace and baseline.
//!
//! A mean spans half a minute because that is one window of readings, so that neighbouring means share few readings.
//! A judgement over minutes rests on at most 20 values.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::signals::{Metric, Metrics, Sum};
use moodring_contract::Level;

/// Minimum span of one mean in seconds. Where moods are published less often, each mood is one mean.
const MIN_SPAN_S: f64 = 30.0;
/// Maximum number of stored means: ten minutes, the longest span that is queried.
const MAX_MEANS: usize = 20;

/// Means of the metrics over the last minutes.
#[derive(Debug)]
pub(super) struct History {
    span: Duration,
    /// Time of the first metrics.
    started_at: Option<Instant>,
    /// Index of the span that is being filled, counted from `started_at`.
    current: u64,
    sums: [Sum; Metric::COUNT],
    /// Oldest first; spans without metrics are empty.
    means: VecDeque<Metrics>,
}

impl History {
    pub(super) fn new(publish_every_s: f64) -> Self {
        let span = Duration::from_secs_f64(publish_every_s.max(MIN_SPAN_S));
        Self {
            span,
            started_at: None,
            current: 0,
            sums: Default::default(),
            means: VecDeque::with_capacity(MAX_MEANS),
        }
    }

    /// Span of one mean.
    pub(super) fn span(&self) -> Duration {
        self.span
    }

    /// Adds the metrics at `now`. Returns whether that completed a span.
    pub(super) fn add(&mut self, now: Instant, metrics: &Metrics) -> bool {
        let started_at = *self.started_at.get_or_insert(now);
        let number = now.saturating_duration_since(started_at).as_millis() / self.span.as_millis().max(1);
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        let completed = number > self.current;
        if completed {
            self.complete(number);
        }
        for (metric, sum) in Metric::ALL.into_iter().zip(&mut self.sums) {
            sum.add(metrics.get(metric), 1.0, 1.0);
        }
        completed
    }

    /// Closes the current span, and adds empty means for the spans without metrics before span `number`.
    fn complete(&mut self, number: u64) {
        let mut mean = Metrics::default();
        for (metric, sum) in Metric::ALL.into_iter().zip(std::mem::take(&mut self.sums)) {
            if let Some(level) = sum.mean() {
                mean.set(metric, level);
            }
        }
        let empty =
            usize::try_from(number - self.current - 1).map_or(MAX_MEANS, |empty| empty.min(MAX_MEANS));
        self.means.push_back(mean);
        self.means.extend(std::iter::repeat_n(Metrics::default(), empty));
        self.means.drain(..self.means.len().saturating_sub(MAX_MEANS));
        self.current = number;
    }

    /// The newest completed mean.
    pub(super) fn newest(&self) -> Option<&Metrics> {
        self.means.back()
    }

    /// Mean of `metric` over the last `span`, and the fraction of that span (0..=1) in which it was known.
    pub(super) fn mean(&self, metric: Metric, span: Duration) -> (Option<Level>, f64) {
        let mut sum = Sum::default();
        let (mut known, spans) = (0.0, self.spans_in(span));
        for level in self.last(spans).filter_map(|(_, metrics)| metrics.get(metric)) {
            sum.add(Some(level), 1.0, 1.0);
            known += 1.0;
        }
        (sum.mean(), known / spans as f64)
    }

    /// Times in minutes and values of `metric` over the last `span`, oldest first.
    pub(super) fn series(&self, metric: Metric, span: Duration) -> Vec<(f64, f64)> {
        let minutes = self.span.as_secs_f64() / 60.0;
        self.last(self.spans_in(span))
            .filter_map(|(index, metrics)| Some((index as f64 * minutes, metrics.get(metric)?.value)))
            .collect()
    }

    fn spans_in(&self, span: Duration) -> usize {
        let spans = (span.as_secs_f64() / self.span.as_secs_f64()).round() as usize;
        spans.clamp(1, MAX_MEANS)
    }

    fn last(&self, spans: usize) -> impl Iterator<Item = (usize, &Metrics)> {
        self.means.iter().enumerate().skip(self.means.len().saturating_sub(spans))
    }
}

#[cfg(test)]
mod tests {
    use super::super::signals::tests::facing;
    use super::*;
    use moodring_config::EngagementWeights;

    fn metrics(share: f64) -> Metrics {
        Metrics::new(facing(share, 0.1), None, None, &EngagementWeights::default())
    }

    #[test]
    fn half_minutes_are_averaged_and_gaps_count_as_unknown() {
        let start = Instant::now();
        let mut history = History::new(1.0);
        let completed = (0..=60).filter(|second| {
            history.add(start + Duration::from_secs(*second), &metrics(if *second < 30 { 0.4 } else { 0.8 }))
        });
        assert_eq!(completed.collect::<Vec<_>>(), [30, 60]);
        assert!((history.newest().unwrap().get(Metric::Facing).unwrap().value - 0.8).abs() < 1e-9);
        // A gap of two minutes.
        assert!(history.add(start + Duration::from_secs(180), &metrics(0.8)));
        let (mean, known) = history.mean(Metric::Facing, Duration::from_secs(180));
        assert!(
            (mean.unwrap().value - 0.667).abs() < 0.001 && (known - 0.5).abs() < 1e-9,
            "{mean:?} {known}"
        );
        let (expected, _) = history.mean(Metric::Valence, Duration::from_secs(180));
        assert_eq!(expected, None);
        let times: Vec<f64> =
            history.series(Metric::Facing, Duration::from_secs(600)).iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [0.0, 0.5, 1.0]);
    }

    #[test]
    fn length_is_bounded_for_long_lessons_and_gaps() {
        let start = Instant::now();
        let mut history = History::new(60.0);
        (0..200).for_each(|minute| {
            history.add(start + Duration::from_secs(60 * minute), &metrics(0.5));
        });
        assert_eq!(history.means.len(), MAX_MEANS);
        assert_eq!(history.mean(Metric::Facing, Duration::from_secs(240)).1, 1.0);
        history.add(start + Duration::from_secs(86_400 * 365), &metrics(0.5));
        assert_eq!(history.mean(Metric::Facing, Duration::from_secs(600)), (None, 0.0));
        assert_eq!(history.means.len(), MAX_MEANS);
    }
}
