//! Trend of the last 45 minutes, one point every ten seconds, in memory only.

use std::collections::VecDeque;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use moodring_contract::{Mood, State, Word};

/// Interval between points, in seconds.
const EVERY_S: i64 = 10;
/// Time that the trend covers, in seconds.
const SPAN_S: i64 = 45 * 60;

/// The class at one time; values are null while there was no live mood.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Point {
    #[schemars(with = "String", extend("format" = "date-time"))]
    at: Timestamp,
    word: Option<Word>,
    people: Option<u32>,
    /// Share of the people who face the front.
    facing: Option<f64>,
    /// Share of happy and surprised faces.
    pleasant: Option<f64>,
    /// Share of angry, disgusted, fearful and sad faces.
    strained: Option<f64>,
}

/// Rounds to 0.001, which is finer than any screen shows: a phone has to load all points.
fn rounded(share: f64) -> f64 {
    (share * 1000.0).round() / 1000.0
}

impl From<&Mood> for Point {
    fn from(mood: &Mood) -> Self {
        let live = (mood.state == State::Live).then_some(mood);
        let shares = live.and_then(|mood| mood.expressions);
        Self {
            at: Timestamp::from_second(mood.at.as_second()).unwrap_or(mood.at),
            word: live.map(|mood| mood.word),
            people: live.and_then(|mood| mood.people),
            facing: live.and_then(|mood| mood.facing).map(|facing| rounded(facing.share)),
            pleasant: shares.map(|shares| rounded(shares.happy.share + shares.surprise.share)),
            strained: shares.map(|shares| {
                rounded(shares.angry.share + shares.disgust.share + shares.fear.share + shares.sad.share)
            }),
        }
    }
}

/// The points, bounded by the time that they cover.
#[derive(Debug, Default)]
pub(super) struct Trend {
    points: VecDeque<Point>,
}

impl Trend {
    /// Adds a mood as a new point; replaces the newest point if both are of the same ten seconds.
    pub(super) fn add(&mut self, mood: &Mood) {
        let slot = |at: Timestamp| at.as_second().div_euclid(EVERY_S);
        // After the clock was set back, points from the future are removed.
        while self.points.back().is_some_and(|last| slot(last.at) >= slot(mood.at)) {
            self.points.pop_back();
        }
        self.points.push_back(Point::from(mood));
        while self.points.front().is_some_and(|first| mood.at.as_second() - first.at.as_second() > SPAN_S) {
            self.points.pop_front();
        }
    }

    /// All points, the oldest first.
    pub(super) fn points(&self) -> Vec<Point> {
        self.points.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use moodring_contract::samples;

    fn at(seconds: i64) -> Mood {
        let live = samples::live();
        Mood { at: live.at + seconds.seconds(), ..live }
    }

    #[test]
    fn it_covers_45_minutes_at_any_rate_of_moods() {
        let mut trend = Trend::default();
        for second in 0..7200 {
            trend.add(&at(second));
            assert!(trend.points.len() <= 271);
        }
        let points = trend.points();
        assert_eq!(points.last().unwrap().at.as_second(), at(7199).at.as_second());
        let span = points.last().unwrap().at.as_second() - points[0].at.as_second();
        assert!((2680..=2700).contains(&span), "{span}");
    }

    #[test]
    fn a_clock_set_back_removes_points_in_the_future() {
        let mut trend = Trend::default();
        trend.add(&at(1000));
        trend.add(&at(0));
        assert_eq!(trend.points().len(), 1);
    }

    #[test]
    fn only_live_moods_have_values() {
        let stale = Point::from(&samples::stale());
        assert_eq!((stale.facing, stale.word), (None, None));
        let live = Point::from(&samples::live());
        assert!((live.pleasant.unwrap() - 0.3).abs() < 1e-9 && (live.strained.unwrap() - 0.11).abs() < 1e-9);
    }
}
