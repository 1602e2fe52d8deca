//! Records of the current lesson for the outputs: `Recorder ──Write──▶ RecordBuilder ──Record──▶ outputs`.
//!
//! A record is made only from a write to the disk, at the moment the write first becomes due. Published and stored
//! values are therefore the same, a failing disk delays no record, and a write that is retried is published once.

use jiff::Timestamp;
use moodring_contract::lesson::Ending;
use moodring_contract::lesson::Heading;
use moodring_contract::lesson::Record;
use moodring_contract::lesson::Totals;

use super::batch::Write;
use super::{Beginning, OpenLesson};
use moodring_contract::lesson::Minute;

/// Upper bound of `lessons.longest_min`.
const MAX_MINUTES: usize = 600;

/// Turns writes into records.
#[derive(Debug, Default)]
pub(super) struct RecordBuilder {
    lesson: Option<Heading>,
    minutes: Vec<Minute>,
}

impl RecordBuilder {
    /// Continues the lesson that is open in the store.
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

    /// The record of `write`; `None` for a write outside a lesson.
    pub(super) fn apply(&mut self, write: &Write) -> Option<Record> {
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
                self.minutes.retain(|stored| stored.number != minute.number);
                if self.minutes.len() < MAX_MINUTES {
                    self.minutes.push(Minute::clone(minute));
                }
                Some(Record::Minute { lesson, minute: minute.clone() })
            }
            Write::End { at, cause } => {
                let heading = self.lesson.take()?;
                let mut minutes = std::mem::take(&mut self.minutes);
                // The store deletes these minutes too: they began after the class had left.
                minutes.retain(|minute| minute.at < *at);
                let totals = Totals::of(heading.begun_at, *at, &minutes);
                Some(Record::Ended(Box::new(Ending { heading, at: *at, cause: *cause, totals })))
            }
        }
    }
}

/// The store keeps milliseconds, and `begun_at` identifies the lesson: it must be the same after a restart.
fn to_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use moodring_contract::Mode;
    use moodring_contract::Pace;
    use moodring_contract::Word;
    use moodring_contract::lesson::Cause;
    use moodring_contract::lesson::Metric;

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
    fn a_lesson_yields_begin_minutes_and_end() {
        let mut builder = RecordBuilder::default();
        let Some(Record::Begun(heading)) = builder.apply(&begin("Physics")) else { panic!("no begin") };
        assert_eq!((heading.begun_at, heading.title.as_str()), (start(), "Physics"));
        for minute in minutes(4, |number| 0.5 + 0.1 * f64::from(number)) {
            let record = builder.apply(&Write::Minute(Box::new(minute.clone())));
            assert_eq!(record, Some(Record::Minute { lesson: start(), minute: Box::new(minute) }));
        }
        let at = start() + SignedDuration::from_mins(3);
        let Some(Record::Ended(ending)) = builder.apply(&Write::End { at, cause: Cause::Command }) else {
            panic!("no end")
        };
        assert_eq!((ending.heading, ending.cause), (heading, Cause::Command));
        let totals = ending.totals.unwrap();
        // The fourth minute began after the end of the lesson.
        assert_eq!((totals.minutes, totals.live, totals.people), (3, 1.0, Some(28.0)));
        assert_eq!((totals.word, totals.pace), (Word::Calm, Pace::Fine));
        assert!((totals.metrics.get(Metric::Facing).unwrap().value - 0.6).abs() < 1e-9);
        assert_eq!(builder.apply(&Write::End { at, cause: Cause::Command }), None, "it has ended");
    }

    #[test]
    fn a_minute_repeated_after_a_restart_counts_once() {
        let lesson =
            super::super::Lesson { ended_at: None, ended_by: None, ..super::super::tests::lesson(2) };
        let stored = minutes(2, |_| 0.5);
        let open = OpenLesson { lesson, last_minute: None, minutes: stored };
        let mut builder = RecordBuilder::resume(Some(&open));
        let repeated = minutes(2, |_| 0.9).remove(1);
        assert!(matches!(
            builder.apply(&Write::Minute(Box::new(repeated))),
            Some(Record::Minute { lesson, .. }) if lesson == start()
        ));
        let at = start() + SignedDuration::from_mins(2);
        let Some(Record::Ended(ending)) = builder.apply(&Write::End { at, cause: Cause::People }) else {
            panic!("no end")
        };
        let facing = ending.totals.unwrap().metrics.get(Metric::Facing).unwrap().value;
        assert!((facing - 0.7).abs() < 1e-9, "{facing}");
    }
}
