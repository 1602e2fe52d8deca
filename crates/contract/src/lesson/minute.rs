//! One minute of a lesson: the mean of its moods.
//!
//! Ends of intervals are averaged like values. Moods of one minute come from overlapping windows, so their errors are
//! nearly the same, and the mean of sixty is hardly more precise than one.

use jiff::Timestamp;

use super::{Metric, Metrics, Minute};
use crate::{Level, Mood, Pace, State, Word};

impl Minute {
    /// Minute `number` of a lesson, which began at `at` and had these `moods`.
    pub fn of(number: u32, at: Timestamp, moods: &[Mood]) -> Self {
        let mut minute = MinuteInProgress::new(number, at);
        moods.iter().for_each(|mood| minute.add(mood));
        minute.finish()
    }
}

/// A minute in progress: collects moods and yields their mean.
#[derive(Debug, Clone)]
pub struct MinuteInProgress {
    number: u32,
    at: Timestamp,
    moods: u32,
    live: u32,
    states: Tally<State>,
    words: Tally<Word>,
    paces: Tally<Pace>,
    people: Mean,
    coverage: Mean,
    /// Value, low, high of each metric.
    metrics: [[Mean; 3]; Metric::ALL.len()],
}

impl MinuteInProgress {
    /// Minute `number` of a lesson, which begins at `at`; without moods.
    pub fn new(number: u32, at: Timestamp) -> Self {
        Self {
            number,
            at,
            moods: 0,
            live: 0,
            states: Tally::default(),
            words: Tally::default(),
            paces: Tally::default(),
            people: Mean::default(),
            coverage: Mean::default(),
            metrics: Default::default(),
        }
    }

    /// Whole minutes since the lesson began.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Adds a mood. Only the values of a live mood count.
    pub fn add(&mut self, mood: &Mood) {
        self.moods += 1;
        self.states.add(mood.state);
        if mood.state != State::Live {
            return;
        }
        self.live += 1;
        self.words.add(mood.word);
        self.paces.add(mood.pace);
        self.people.add(mood.people.map(f64::from));
        self.coverage.add(mood.coverage);
        for (metric, [value, low, high]) in Metric::ALL.into_iter().zip(&mut self.metrics) {
            let level = metric.of(mood);
            value.add(level.map(|level| level.value));
            low.add(level.map(|level| level.low));
            high.add(level.map(|level| level.high));
        }
    }

    /// The means of the moods so far. Without a live mood: no metrics, word and pace `unsure`.
    pub fn finish(self) -> Minute {
        let mut metrics = Metrics::default();
        for (metric, [value, low, high]) in Metric::ALL.into_iter().zip(&self.metrics) {
            let mean = |mean: &Mean| mean.value().map(thousandths);
            let level = mean(value).zip(mean(low)).zip(mean(high));
            metrics.set(metric, level.map(|((value, low), high)| Level { value, low, high }));
        }
        Minute {
            number: self.number,
            at: self.at,
            state: self.states.most().unwrap_or(State::Starting),
            live: thousandths(f64::from(self.live) / f64::from(self.moods.max(1))),
            people: self.people.value().map(|people| (people * 10.0).round() / 10.0),
            coverage: self.coverage.value().map(thousandths),
            word: self.words.most().unwrap_or(Word::Unsure),
            pace: self.paces.most().unwrap_or(Pace::Unsure),
            metrics,
        }
    }
}

/// A mood is published in hundredths; the mean over a minute justifies one more digit.
fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
        }
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

/// Counts how often each value occurred.
#[derive(Debug, Clone)]
struct Tally<T>(Vec<(T, u32)>);

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + PartialEq> Tally<T> {
    fn add(&mut self, value: T) {
        match self.0.iter_mut().find(|(seen, _)| *seen == value) {
            Some((_, count)) => *count += 1,
            None => self.0.push((value, 1)),
        }
    }

    /// The most frequent value; of several, the one that occurred first latest in the minute.
    fn most(&self) -> Option<T> {
        self.0.iter().max_by_key(|(_, count)| *count).map(|(value, _)| *value)
    }
}
