//! The report of a lesson: means, moments, comparison with the room's baseline, and data quality.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::baseline::RoomBaseline;
use super::{Lesson, Moment, Store, StoreError, moments};
use moodring_contract::lesson::Metrics;
use moodring_contract::lesson::{Metric, Minute};
use moodring_contract::lesson::{mean, mean_level};
use moodring_contract::payload::LessonExportSchema;
use moodring_contract::{Level, Pace, State, Word};

/// Part of every report, in each format.
pub(super) const NOTE: &str = "These are estimates of the expressions of a class, not of feelings, and \
                        not of any person. Faces do not map one to one to feelings. Do not use this report to \
                        mark, grade or assess anybody, neither pupils nor teachers.";
/// Number of earlier lessons in the baseline, the newest ones.
const MAX_EARLIER: usize = 60;

/// The report of one lesson.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// Schema id of the JSON export. The MQTT payload `moodring.lesson/1` is a different document.
    pub schema: LessonExportSchema,
    /// What the report must not be used for.
    pub note: &'static str,
    /// The lesson.
    pub lesson: Lesson,
    /// Means over the whole lesson.
    pub summary: Summary,
    /// Spans in which the pace seemed too fast or too slow.
    pub pace: Vec<PaceSpan>,
    /// At most three, in chronological order.
    pub moments: Vec<Moment>,
    /// Mean of the room's earlier lessons; null if there are too few.
    #[serde(rename = "usual")]
    pub baseline: Option<RoomBaseline>,
    /// Data quality.
    pub quality: Quality,
    /// The minutes, in order.
    pub minutes: Vec<Minute>,
}

/// Means over the live minutes.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Summary {
    /// Length in minutes; up to the last row while the lesson is in progress.
    pub length_min: u32,
    /// Mean number of people, rounded to 0.1.
    pub people: Option<f64>,
    /// The most frequent mood word.
    pub word: Word,
    /// Number of minutes per mood word, most frequent first.
    pub words: Vec<(Word, u32)>,
    /// Share of happy and surprised faces.
    pub pleasant: Option<Level>,
    /// Share of angry, disgusted, fearful and sad faces.
    pub strained: Option<Level>,
    /// Mean and mean interval of each metric.
    pub metrics: Metrics,
}

/// Consecutive minutes in which the pace seemed too fast or too slow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct PaceSpan {
    /// Too fast or too slow.
    pub pace: Pace,
    /// First minute of the lesson.
    pub first: u32,
    /// Last minute of the lesson.
    pub last: u32,
    /// When the first minute began.
    pub at: Timestamp,
}

/// Data quality of a report.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Quality {
    /// Mean share of people whose expression could be read.
    pub coverage: Option<f64>,
    /// Minutes with published values.
    pub live_min: u32,
    /// Minutes without values because fewer people were present than `mood.min_people`.
    pub too_few_min: u32,
    /// Minutes without values because the device was paused.
    pub paused_min: u32,
    /// Minutes without values because there was no picture.
    pub no_picture_min: u32,
    /// Minutes without a row: the device was off.
    pub off_min: u32,
    /// Mean half-width of the 90 % interval of facing.
    pub facing_half_width: Option<f64>,
    /// Mean half-width of the 90 % intervals of the seven expressions.
    pub expressions_half_width: Option<f64>,
}

impl Report {
    /// Reads the lesson `id` and the room's earlier lessons from `store` and creates the report.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], or the store cannot be read.
    pub fn read(store: &Store, id: i64) -> Result<Self, StoreError> {
        let lesson = store.lesson(id)?;
        let minutes = store.minutes(id)?;
        let comparable = |other: &&Lesson| {
            other.ended_at.is_some()
                && other.begun_at < lesson.begun_at
                && (&other.site, &other.room, other.mode) == (&lesson.site, &lesson.room, lesson.mode)
        };
        let all = store.lessons()?;
        let earlier = all.iter().filter(comparable).rev().take(MAX_EARLIER);
        let earlier = earlier.map(|lesson| store.minutes(lesson.id)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of(lesson, minutes, &earlier))
    }

    /// The report of a lesson with these minutes, compared with those of `earlier` lessons.
    pub fn of(lesson: Lesson, minutes: Vec<Minute>, earlier: &[Vec<Minute>]) -> Self {
        let summary = summary(&lesson, &minutes);
        Self {
            schema: LessonExportSchema,
            note: NOTE,
            quality: quality(summary.length_min, &minutes),
            summary,
            pace: pace(&minutes),
            moments: moments::moments(&minutes),
            baseline: RoomBaseline::of(earlier),
            lesson,
            minutes,
        }
    }
}

fn summary(lesson: &Lesson, minutes: &[Minute]) -> Summary {
    let ended = lesson.ended_at.map(|end| (super::seconds(lesson.begun_at, end) / 60.0).round() as u32);
    let recorded = minutes.last().map_or(0, |minute| minute.number + 1);
    let mut words: Vec<(Word, u32)> = Vec::new();
    for minute in minutes.iter().filter(|minute| minute.live > 0.0) {
        match words.iter_mut().find(|(word, _)| *word == minute.word) {
            Some((_, count)) => *count += 1,
            None => words.push((minute.word, 1)),
        }
    }
    words.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut metrics = Metrics::default();
    for metric in Metric::ALL {
        metrics.set(metric, mean_level(minutes, |metrics| metrics.get(metric)));
    }
    let people = mean(minutes.iter().filter_map(|minute| minute.people));
    Summary {
        length_min: ended.unwrap_or(recorded),
        people: people.map(|people| (people * 10.0).round() / 10.0),
        word: words.first().map_or(Word::Unsure, |(word, _)| *word),
        words,
        pleasant: mean_level(minutes, |metrics| metrics.sum(&Metric::PLEASANT)),
        strained: mean_level(minutes, |metrics| metrics.sum(&Metric::STRAINED)),
        metrics,
    }
}

fn pace(minutes: &[Minute]) -> Vec<PaceSpan> {
    let mut spans: Vec<PaceSpan> = Vec::new();
    for minute in minutes.iter().filter(|minute| matches!(minute.pace, Pace::TooFast | Pace::TooSlow)) {
        match spans.last_mut() {
            Some(span) if span.pace == minute.pace && span.last + 1 == minute.number => span.last += 1,
            _ => {
                let Minute { number, at, pace, .. } = *minute;
                spans.push(PaceSpan { pace, first: number, last: number, at });
            }
        }
    }
    spans
}

fn quality(length_min: u32, minutes: &[Minute]) -> Quality {
    let count = |wanted: &dyn Fn(&Minute) -> bool| {
        u32::try_from(minutes.iter().filter(|minute| wanted(minute)).count()).unwrap_or(u32::MAX)
    };
    let not_live = |minute: &Minute| minute.live <= 0.0;
    let half_width = |metrics: &[Metric]| {
        let widths = metrics.iter().flat_map(|metric| {
            minutes.iter().filter_map(|minute| minute.metrics.get(*metric)).map(|s| (s.high - s.low) / 2.0)
        });
        mean(widths).map(|width| (width * 1000.0).round() / 1000.0)
    };
    Quality {
        coverage: mean(minutes.iter().filter_map(|minute| minute.coverage))
            .map(|coverage| (coverage * 1000.0).round() / 1000.0),
        live_min: count(&|minute| !not_live(minute)),
        too_few_min: count(&|minute| not_live(minute) && minute.state == State::TooFew),
        paused_min: count(&|minute| not_live(minute) && minute.state == State::Paused),
        no_picture_min: count(&|minute| {
            not_live(minute) && !matches!(minute.state, State::TooFew | State::Paused)
        }),
        off_min: length_min.saturating_sub(count(&|_| true)),
        facing_half_width: half_width(&[Metric::Facing]),
        expressions_half_width: half_width(&Metric::EXPRESSIONS),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lesson, minutes};
    use super::*;

    #[test]
    fn minutes_without_values_are_counted_by_reason() {
        let mut rows = minutes(10, |_| 0.8);
        for (index, state) in [(2, State::Paused), (3, State::TooFew), (4, State::Stale)] {
            let row = &mut rows[index];
            (row.state, row.live, row.people, row.metrics) = (state, 0.0, None, Metrics::default());
        }
        rows.remove(7);
        let report = Report::of(lesson(10), rows, &[]);
        let Quality { live_min, too_few_min, paused_min, no_picture_min, off_min, .. } = report.quality;
        assert_eq!((live_min, too_few_min, paused_min, no_picture_min, off_min), (6, 1, 1, 1, 1));
        assert_eq!(report.summary.length_min, 10);
        assert!((report.summary.metrics.get(Metric::Facing).unwrap().value - 0.8).abs() < 1e-9);
    }

    #[test]
    fn consecutive_minutes_of_one_pace_form_a_span() {
        let mut rows = minutes(12, |_| 0.8);
        for (index, row) in rows.iter_mut().enumerate() {
            row.pace = match index {
                3..6 => Pace::TooFast,
                6 => Pace::TooSlow,
                9 => Pace::TooFast,
                _ => Pace::Fine,
            };
        }
        let report = Report::of(lesson(12), rows, &[]);
        let spans: Vec<_> = report.pace.iter().map(|span| (span.pace, span.first, span.last)).collect();
        assert_eq!(spans, [(Pace::TooFast, 3, 5), (Pace::TooSlow, 6, 6), (Pace::TooFast, 9, 9)]);
    }

    #[test]
    fn the_json_carries_schema_id_and_note() {
        let json = serde_json::to_value(Report::of(lesson(3), minutes(3, |_| 0.8), &[])).unwrap();
        assert_eq!(json["schema"], LessonExportSchema::ID);
        assert!(json["note"].as_str().unwrap().contains("not of any person"));
        assert_eq!(json["minutes"][1]["metrics"]["facing"]["value"], 0.8);
        assert_eq!(json["lesson"]["begun_by"], "timetable");
        assert!(json["usual"].is_null());
    }
}
