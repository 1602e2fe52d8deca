//! Lessons: the metrics of a minute, the minute as the mean of its moods, and the records that outputs publish.

mod minute;
mod totals;

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use minute::MinuteInProgress;
pub use totals::{mean, mean_level};

use crate::{Level, Mode, Mood, Pace, State, Word};

/// A value of the class. Every minute has its mean and the mean of its 90 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "described at Mood's fields of the same names")]
pub enum Metric {
    Facing,
    Angry,
    Disgust,
    Fear,
    Happy,
    Sad,
    Surprise,
    Neutral,
    Valence,
    Arousal,
    Engagement,
    Restlessness,
}

impl Metric {
    /// All metrics, in the order of the store's columns.
    pub const ALL: [Self; 12] = [
        Self::Facing,
        Self::Angry,
        Self::Disgust,
        Self::Fear,
        Self::Happy,
        Self::Sad,
        Self::Surprise,
        Self::Neutral,
        Self::Valence,
        Self::Arousal,
        Self::Engagement,
        Self::Restlessness,
    ];
    /// The shares of the seven expressions, in the order in which they are shown.
    pub const EXPRESSIONS: [Self; 7] =
        [Self::Happy, Self::Surprise, Self::Neutral, Self::Sad, Self::Angry, Self::Fear, Self::Disgust];
    /// Levels on a scale of their own; see [`Metric::is_share`].
    pub const SIGNALS: [Self; 4] = [Self::Engagement, Self::Restlessness, Self::Valence, Self::Arousal];
    /// Expressions that count as pleasant.
    pub const PLEASANT: [Self; 2] = [Self::Happy, Self::Surprise];
    /// Expressions that count as strained.
    pub const STRAINED: [Self; 4] = [Self::Angry, Self::Disgust, Self::Fear, Self::Sad];

    /// Its name in the store, in payloads and in every export.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Facing => "facing",
            Self::Angry => "angry",
            Self::Disgust => "disgust",
            Self::Fear => "fear",
            Self::Happy => "happy",
            Self::Sad => "sad",
            Self::Surprise => "surprise",
            Self::Neutral => "neutral",
            Self::Valence => "valence",
            Self::Arousal => "arousal",
            Self::Engagement => "engagement",
            Self::Restlessness => "restlessness",
        }
    }

    /// Whether it is a share of the class, 0 to 1. Otherwise it is a level on the scale of [`Metric::scale`].
    pub const fn is_share(self) -> bool {
        !matches!(self, Self::Valence | Self::Arousal | Self::Engagement | Self::Restlessness)
    }

    /// Lower and upper end of the metric's scale.
    pub const fn scale(self) -> (f64, f64) {
        match self {
            Self::Valence | Self::Arousal => (-1.0, 1.0),
            _ => (0.0, 1.0),
        }
    }

    /// This metric of `mood`; `None` if the mood does not have it.
    pub fn of(self, mood: &Mood) -> Option<Level> {
        let expressions = mood.expressions;
        let share = match self {
            Self::Facing => mood.facing,
            Self::Angry => expressions.map(|shares| shares.angry),
            Self::Disgust => expressions.map(|shares| shares.disgust),
            Self::Fear => expressions.map(|shares| shares.fear),
            Self::Happy => expressions.map(|shares| shares.happy),
            Self::Sad => expressions.map(|shares| shares.sad),
            Self::Surprise => expressions.map(|shares| shares.surprise),
            Self::Neutral => expressions.map(|shares| shares.neutral),
            Self::Valence => return mood.valence,
            Self::Arousal => return mood.arousal,
            Self::Engagement => return mood.engagement,
            Self::Restlessness => return mood.restlessness.map(Level::exact),
        };
        share.map(Level::from)
    }
}

/// One optional [`Level`] for each [`Metric`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Metrics([Option<Level>; Metric::ALL.len()]);

impl Metrics {
    /// The level of `metric`.
    pub fn get(&self, metric: Metric) -> Option<Level> {
        self.0[metric as usize]
    }

    /// Sets the level of `metric`.
    pub fn set(&mut self, metric: Metric, level: Option<Level>) {
        self.0[metric as usize] = level;
    }

    /// The sum of the shares `metrics`, within 0 to 1; `None` if one is absent. The half-widths of the interval are the
    /// square roots of the sums of squares, as for independent errors.
    pub fn sum(&self, metrics: &[Metric]) -> Option<Level> {
        let shares: Option<Vec<Level>> = metrics.iter().map(|metric| self.get(*metric)).collect();
        let shares = shares?;
        let sum: f64 = shares.iter().map(|share| share.value).sum();
        let reach =
            |side: fn(&Level) -> f64| shares.iter().map(|share| side(share).powi(2)).sum::<f64>().sqrt();
        let (below, above) =
            (reach(|share| share.value - share.low), reach(|share| share.high - share.value));
        Some(Level { value: sum.min(1.0), low: (sum - below).max(0.0), high: (sum + above).min(1.0) })
    }
}

/// The serialized form: an object with a [`Level`] or null for each metric, and nothing else.
impl JsonSchema for Metrics {
    fn schema_name() -> Cow<'static, str> {
        "Metrics".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let level = generator.subschema_for::<Option<Level>>();
        let names = Metric::ALL.map(Metric::name);
        let properties: serde_json::Map<String, serde_json::Value> =
            names.iter().map(|name| ((*name).to_owned(), level.clone().to_value())).collect();
        json_schema!({
            "description": "Mean of each metric with the mean of its 90 % interval; null if no live mood had the metric.",
            "type": "object",
            "properties": properties,
            "required": names,
            "additionalProperties": false,
        })
    }
}

impl<'de> Deserialize<'de> for Metrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = BTreeMap::<String, Option<Level>>::deserialize(deserializer)?;
        let mut metrics = Self::default();
        for metric in Metric::ALL {
            metrics.set(metric, named.get(metric.name()).copied().flatten());
        }
        Ok(metrics)
    }
}

impl Serialize for Metrics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Metric::ALL.len()))?;
        for metric in Metric::ALL {
            map.serialize_entry(metric.name(), &self.get(metric))?;
        }
        map.end()
    }
}

/// One minute of a lesson; one row of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Minute {
    /// Whole minutes since the lesson began, from 0 on. After a power cut numbers are missing.
    pub number: u32,
    /// When the minute began (UTC, RFC 3339).
    pub at: Timestamp,
    /// The most frequent state of its moods.
    pub state: State,
    /// Share of its moods whose state was `live`, 0 to 1.
    pub live: f64,
    /// Mean number of people in its live moods; null without a live mood.
    pub people: Option<f64>,
    /// Mean share of the people whose expression could be read, 0 to 1; null unless the mode is `mood` and without a live mood.
    pub coverage: Option<f64>,
    /// The most frequent word of its live moods; `unsure` without a live mood.
    pub word: Word,
    /// The most frequent pace of its live moods; `unsure` without a live mood.
    pub pace: Pace,
    /// Means of the metrics over its live moods.
    pub metrics: Metrics,
}

/// The begin, a minute or the end of a lesson; values of the class only.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A lesson began. Published when its first minute with a live mood is over: a lesson without one is not reported.
    Begun(Heading),
    /// A minute of a lesson is over.
    Minute {
        /// When its lesson began.
        lesson: Timestamp,
        /// The minute.
        minute: Box<Minute>,
    },
    /// A lesson is over.
    Ended(Box<Ending>),
}

/// Identifies and describes a lesson.
#[derive(Debug, Clone, PartialEq)]
pub struct Heading {
    /// When it began, in milliseconds as the store has it. With the device it identifies the lesson.
    pub begun_at: Timestamp,
    /// What began it.
    pub begun_by: Cause,
    /// Its title; may be empty.
    pub title: String,
    /// What was estimated.
    pub mode: Mode,
}

/// How a lesson ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// The lesson.
    pub heading: Heading,
    /// When it ended.
    pub at: Timestamp,
    /// What ended it.
    pub cause: Cause,
    /// Means over its minutes; `None` if it has no minutes.
    pub totals: Option<Totals>,
}

/// Means over the minutes of a lesson.
#[derive(Debug, Clone, PartialEq)]
pub struct Totals {
    /// Length of the lesson, rounded to whole minutes.
    pub minutes: u32,
    /// Mean share of its moods whose state was `live`, 0 to 1.
    pub live: f64,
    /// Mean number of people; `None` without a live mood.
    pub people: Option<f64>,
    /// Means of the metrics and of their intervals.
    pub metrics: Metrics,
    /// The most frequent word of the minutes with a live mood; `unsure` without one.
    pub word: Word,
    /// The most frequent pace of the minutes with a live mood; `unsure` without one.
    pub pace: Pace,
}

/// The lesson in progress, as outputs show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LessonInProgress {
    /// Its title; may be empty.
    pub title: String,
    /// When it began.
    pub begun_at: Timestamp,
}

/// Why a lesson began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The timetable or the calendar.
    Timetable,
    /// People were present for long enough, or absent for long enough.
    People,
    /// A command.
    Command,
    /// The lesson reached its maximum length, `lessons.longest_min`.
    TooLong,
    /// The device was off for longer than a short power cut.
    Interrupted,
    /// The device's clock was set to another time.
    ClockSet,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 6] =
        [Self::Timetable, Self::People, Self::Command, Self::TooLong, Self::Interrupted, Self::ClockSet];

    /// Its name in the store, in payloads and in every export.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timetable => "timetable",
            Self::People => "people",
            Self::Command => "command",
            Self::TooLong => "too_long",
            Self::Interrupted => "interrupted",
            Self::ClockSet => "clock_set",
        }
    }
}
