//! What outputs hear of a lesson while it is recorded: `Recorder ──Write──▶ Chronicle ──Record──▶ outputs`.
//!
//! Its one decision: a record is made from what goes to the disk, when it is first due there, and from nothing else. So
//! what is told is what is kept, a disk that fails holds nothing back, and what is written twice is told once.

use jiff::Timestamp;

use super::minute::Figures;
use super::usual::{mean, mean_level};
use super::{Beginning, Cause, Figure, Minute, OpenLesson, Write};
use crate::config::Mode;
use crate::mood::{Pace, Word};

/// No lesson has more minutes (`lessons.longest_min`).
const MOST_MINUTES: usize = 600;

/// Something that happened to a lesson; figures of the class only.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A lesson began. Told once its first minute with figures is over: without one it was none.
    Begun(Heading),
    /// A minute of a lesson is over.
    Minute {
        /// When its lesson began.
        lesson: Timestamp,
        /// Its figures.
        minute: Box<Minute>,
    },
    /// A lesson is over.
    Ended(Box<Ending>),
}

/// Which lesson.
#[derive(Debug, Clone, PartialEq)]
pub struct Heading {
    /// When it began, to the millisecond as it is kept: with the device it names the lesson.
    pub begun_at: Timestamp,
    /// What began it.
    pub begun_by: Cause,
    /// What it is called; may be empty.
    pub title: String,
    /// What is estimated.
    pub mode: Mode,
}

/// How a lesson ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// Which lesson.
    pub heading: Heading,
    /// When it ended.
    pub at: Timestamp,
    /// What ended it.
    pub cause: Cause,
    /// What it amounted to; none if it has no minutes.
    pub totals: Option<Totals>,
}

/// Means over a lesson.
#[derive(Debug, Clone, PartialEq)]
pub struct Totals {
    /// Its length in whole minutes.
    pub minutes: u32,
    /// Mean share of its moods that had figures of now, 0 to 1.
    pub live: f64,
    /// Mean number of people.
    pub people: Option<f64>,
    /// Means of the figures and of their intervals.
    pub figures: Figures,
    /// The word of most minutes.
    pub word: Word,
    /// The pace of most minutes.
    pub pace: Pace,
}

impl Totals {
    /// Of a lesson from `begun_at` to `ended_at` with these minutes, if there are any.
    pub(crate) fn of(begun_at: Timestamp, ended_at: Timestamp, minutes: &[Minute]) -> Option<Self> {
        let live = mean(minutes.iter().map(|minute| minute.live))?;
        let figured = || minutes.iter().filter(|minute| minute.live > 0.0);
        let mut figures = Figures::default();
        for figure in Figure::ALL {
            figures.set(figure, mean_level(minutes, |figures| figures.get(figure)));
        }
        let people = mean(minutes.iter().filter_map(|minute| minute.people));
        Some(Self {
            minutes: (super::seconds(begun_at, ended_at) / 60.0).round().max(0.0) as u32,
            live: (live * 1000.0).round() / 1000.0,
            people: people.map(|people| (people * 10.0).round() / 10.0),
            figures,
            word: most(figured().map(|minute| minute.word)).unwrap_or(Word::Unsure),
            pace: most(figured().map(|minute| minute.pace)).unwrap_or(Pace::Unsure),
        })
    }
}

/// The most frequent of `values`.
fn most<T: PartialEq>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: Vec<(T, u32)> = Vec::new();
    for value in values {
        match counts.iter_mut().find(|(known, _)| *known == value) {
            Some((_, count)) => *count += 1,
            None => counts.push((value, 1)),
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(value, _)| value)
}

/// Follows what is written, and makes records of it.
#[derive(Debug, Default)]
pub(super) struct Chronicle {
    lesson: Option<Heading>,
    minutes: Vec<Minute>,
}

impl Chronicle {
    /// Goes on with the lesson that the store holds open.
    pub(super) fn resume(open: Option<&OpenLesson>) -> Self {
        let Some(OpenLesson { lesson, minutes, .. }) = open else { return Self::default() };
        let heading = Heading {
            begun_at: lesson.begun_at,
            begun_by: lesson.begun_by,
            title: lesson.title.clone(),
            mode: lesson.mode,
        };
        Self { lesson: Some(heading), minutes: minutes.clone() }
    }

    /// The record of `write`; none of what belongs to no lesson.
    pub(super) fn follow(&mut self, write: &Write) -> Option<Record> {
        match write {
            Write::Begin { mode, beginning: Beginning { at, title, cause }, .. } => {
                let heading = Heading {
                    begun_at: to_millisecond(*at),
                    begun_by: *cause,
                    title: title.clone(),
                    mode: *mode,
                };
                self.minutes.clear();
                Some(Record::Begun(self.lesson.insert(heading).clone()))
            }
            Write::Minute(minute) => {
                let lesson = self.lesson.as_ref()?.begun_at;
                self.minutes.retain(|known| known.number != minute.number);
                if self.minutes.len() < MOST_MINUTES {
                    self.minutes.push(Minute::clone(minute));
                }
                Some(Record::Minute { lesson, minute: minute.clone() })
            }
            Write::End { at, cause } => {
                let heading = self.lesson.take()?;
                let mut minutes = std::mem::take(&mut self.minutes);
                // As on the disk: what came after the class had left does not belong to it.
                minutes.retain(|minute| minute.at < *at);
                let totals = Totals::of(heading.begun_at, *at, &minutes);
                Some(Record::Ended(Box::new(Ending { heading, at: *at, cause: *cause, totals })))
            }
        }
    }
}

/// The store keeps milliseconds, and a lesson has the same name after a restart.
fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::tests::{minutes, start};
    use super::*;

    fn begin(title: &str) -> Write {
        let beginning = Beginning {
            at: start() + SignedDuration::from_nanos(123_456),
            title: title.into(),
            cause: Cause::People,
        };
        Write::Begin { site: "school".into(), room: "room-1".into(), mode: Mode::Mood, beginning }
    }

    #[test]
    fn a_lesson_is_its_begin_its_minutes_and_its_end() {
        let mut chronicle = Chronicle::default();
        let Some(Record::Begun(heading)) = chronicle.follow(&begin("Physics")) else { panic!("no begin") };
        assert_eq!((heading.begun_at, heading.title.as_str()), (start(), "Physics"));
        for minute in minutes(4, |number| 0.5 + 0.1 * f64::from(number)) {
            let told = chronicle.follow(&Write::Minute(Box::new(minute.clone())));
            assert_eq!(told, Some(Record::Minute { lesson: start(), minute: Box::new(minute) }));
        }
        let at = start() + SignedDuration::from_mins(3);
        let Some(Record::Ended(ending)) = chronicle.follow(&Write::End { at, cause: Cause::Command }) else {
            panic!("no end")
        };
        assert_eq!((ending.heading, ending.cause), (heading, Cause::Command));
        let totals = ending.totals.unwrap();
        // The fourth minute began when the lesson was over.
        assert_eq!((totals.minutes, totals.live, totals.people), (3, 1.0, Some(28.0)));
        assert_eq!((totals.word, totals.pace), (Word::Calm, Pace::Fine));
        assert!((totals.figures.get(Figure::Facing).unwrap().value - 0.6).abs() < 1e-9);
        assert_eq!(chronicle.follow(&Write::End { at, cause: Cause::Command }), None, "it is over");
    }

    #[test]
    fn after_a_restart_a_minute_that_comes_again_counts_once() {
        let lesson =
            super::super::Lesson { ended_at: None, ended_by: None, ..super::super::tests::lesson(2) };
        let known = minutes(2, |_| 0.5);
        let open = OpenLesson { lesson, last_minute: None, minutes: known };
        let mut chronicle = Chronicle::resume(Some(&open));
        let again = minutes(2, |_| 0.9).remove(1);
        assert!(matches!(
            chronicle.follow(&Write::Minute(Box::new(again))),
            Some(Record::Minute { lesson, .. }) if lesson == start()
        ));
        let at = start() + SignedDuration::from_mins(2);
        let Some(Record::Ended(ending)) = chronicle.follow(&Write::End { at, cause: Cause::People }) else {
            panic!("no end")
        };
        let facing = ending.totals.unwrap().figures.get(Figure::Facing).unwrap().value;
        assert!((facing - 0.7).abs() < 1e-9, "{facing}");
    }
}
