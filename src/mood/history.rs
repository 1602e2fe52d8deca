//! The class over minutes: means of half a minute, from which trend, pace and the usual are worked out.
//!
//! Half a minute is one window of readings, so two neighbours share little of what they are made of, and a
//! verdict over minutes rests on a handful of values that can be written down.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::signals::{Figure, Figures, Level, Sum};

/// Span of one mean. Moods that are published less often fill one each.
const LEAST_SPAN_S: f64 = 30.0;
/// Means that are kept: ten minutes, the longest span anything asks for.
const MOST: usize = 20;

/// Means of the last minutes.
#[derive(Debug)]
pub(super) struct History {
    span: Duration,
    began: Option<Instant>,
    /// Number of the span that is being filled, from `began` on.
    current: u64,
    sums: [Sum; Figure::COUNT],
    /// Oldest first; spans in which nothing was seen are empty.
    means: VecDeque<Figures>,
}

impl History {
    pub(super) fn new(publish_every_s: f64) -> Self {
        let span = Duration::from_secs_f64(publish_every_s.max(LEAST_SPAN_S));
        Self { span, began: None, current: 0, sums: Default::default(), means: VecDeque::with_capacity(MOST) }
    }

    pub(super) fn span(&self) -> Duration {
        self.span
    }

    /// Takes in the figures of `now`; tells whether a span was completed by that.
    pub(super) fn add(&mut self, now: Instant, figures: &Figures) -> bool {
        let began = *self.began.get_or_insert(now);
        let number = now.saturating_duration_since(began).as_millis() / self.span.as_millis().max(1);
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        let completed = number > self.current;
        if completed {
            self.complete(number);
        }
        for (figure, sum) in Figure::ALL.into_iter().zip(&mut self.sums) {
            sum.add(figures.get(figure), 1.0, 1.0);
        }
        completed
    }

    /// Closes the current span and those that passed without anything until `number`.
    fn complete(&mut self, number: u64) {
        let mut mean = Figures::default();
        for (figure, sum) in Figure::ALL.into_iter().zip(std::mem::take(&mut self.sums)) {
            if let Some(level) = sum.mean() {
                mean.set(figure, level);
            }
        }
        let empty = usize::try_from(number - self.current - 1).map_or(MOST, |empty| empty.min(MOST));
        self.means.push_back(mean);
        self.means.extend(std::iter::repeat_n(Figures::default(), empty));
        self.means.drain(..self.means.len().saturating_sub(MOST));
        self.current = number;
    }

    /// The last mean that was completed.
    pub(super) fn newest(&self) -> Option<&Figures> {
        self.means.back()
    }

    /// The mean of `figure` over the last `span`, and the part of that span in which it was known.
    pub(super) fn mean(&self, figure: Figure, span: Duration) -> (Option<Level>, f64) {
        let mut sum = Sum::default();
        let (mut known, asked) = (0.0, self.spans_in(span));
        for level in self.last(asked).filter_map(|(_, figures)| figures.get(figure)) {
            sum.add(Some(level), 1.0, 1.0);
            known += 1.0;
        }
        (sum.mean(), known / asked as f64)
    }

    /// The values of `figure` over the last `span`, oldest first, each with its time in minutes.
    pub(super) fn series(&self, figure: Figure, span: Duration) -> Vec<(f64, f64)> {
        let minutes = self.span.as_secs_f64() / 60.0;
        self.last(self.spans_in(span))
            .filter_map(|(index, figures)| Some((index as f64 * minutes, figures.get(figure)?.value)))
            .collect()
    }

    fn spans_in(&self, span: Duration) -> usize {
        let spans = (span.as_secs_f64() / self.span.as_secs_f64()).round() as usize;
        spans.clamp(1, MOST)
    }

    fn last(&self, spans: usize) -> impl Iterator<Item = (usize, &Figures)> {
        self.means.iter().enumerate().skip(self.means.len().saturating_sub(spans))
    }
}

#[cfg(test)]
mod tests {
    use super::super::signals::tests::facing;
    use super::*;
    use crate::config::EngagementWeights;

    fn figures(share: f64) -> Figures {
        Figures::new(facing(share, 0.1), None, None, &EngagementWeights::default())
    }

    #[test]
    fn half_minutes_are_averaged_and_gaps_are_known_as_gaps() {
        let start = Instant::now();
        let mut history = History::new(1.0);
        let completed = (0..=60).filter(|second| {
            history.add(start + Duration::from_secs(*second), &figures(if *second < 30 { 0.4 } else { 0.8 }))
        });
        assert_eq!(completed.collect::<Vec<_>>(), [30, 60]);
        assert!((history.newest().unwrap().get(Figure::Facing).unwrap().value - 0.8).abs() < 1e-9);
        // Nothing for two minutes.
        assert!(history.add(start + Duration::from_secs(180), &figures(0.8)));
        let (mean, seen) = history.mean(Figure::Facing, Duration::from_secs(180));
        assert!((mean.unwrap().value - 0.667).abs() < 0.001 && (seen - 0.5).abs() < 1e-9, "{mean:?} {seen}");
        let (expected, _) = history.mean(Figure::Valence, Duration::from_secs(180));
        assert_eq!(expected, None);
        let times: Vec<f64> =
            history.series(Figure::Facing, Duration::from_secs(600)).iter().map(|(at, _)| *at).collect();
        assert_eq!(times, [0.0, 0.5, 1.0]);
    }

    #[test]
    fn it_is_bounded_however_long_the_lesson_and_the_gap() {
        let start = Instant::now();
        let mut history = History::new(60.0);
        (0..200).for_each(|minute| {
            history.add(start + Duration::from_secs(60 * minute), &figures(0.5));
        });
        assert_eq!(history.means.len(), MOST);
        assert_eq!(history.mean(Figure::Facing, Duration::from_secs(240)).1, 1.0);
        history.add(start + Duration::from_secs(86_400 * 365), &figures(0.5));
        assert_eq!(history.mean(Figure::Facing, Duration::from_secs(600)), (None, 0.0));
        assert_eq!(history.means.len(), MOST);
    }
}
