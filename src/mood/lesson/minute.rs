//! One minute of a lesson: the mean of its moods.
//!
//! Intervals are averaged like the shares: moods of one minute come from overlapping windows, so their errors are
//! nearly the same, and a mean of sixty is hardly surer than one.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::mood::{Level, Mood, Pace, State, Word};

/// A figure of which every minute keeps the mean and its 90 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "described at Mood's fields of the same names")]
pub enum Figure {
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

impl Figure {
    /// All, in the order of the store's columns.
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
    /// The seven expressions.
    pub const EXPRESSIONS: [Self; 7] =
        [Self::Happy, Self::Surprise, Self::Neutral, Self::Sad, Self::Angry, Self::Fear, Self::Disgust];
    /// How the class is doing beyond its single expressions.
    pub(super) const SIGNALS: [Self; 4] =
        [Self::Engagement, Self::Restlessness, Self::Valence, Self::Arousal];
    /// Expressions that stand for a pleasant moment.
    pub(super) const PLEASANT: [Self; 2] = [Self::Happy, Self::Surprise];
    /// Expressions that stand for a strained moment.
    pub(super) const STRAINED: [Self; 4] = [Self::Angry, Self::Disgust, Self::Fear, Self::Sad];

    /// The word in the store and in every export.
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

    /// Whether it is a share of the class; else it is a level on a scale of its own.
    pub const fn is_share(self) -> bool {
        !matches!(self, Self::Valence | Self::Arousal | Self::Engagement | Self::Restlessness)
    }

    /// Ends of the figure's scale.
    pub const fn scale(self) -> (f64, f64) {
        match self {
            Self::Valence | Self::Arousal => (-1.0, 1.0),
            _ => (0.0, 1.0),
        }
    }

    /// This figure of `mood`, where it has one.
    fn of(self, mood: &Mood) -> Option<Level> {
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

/// The figures of one minute; each may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Figures([Option<Level>; Figure::ALL.len()]);

impl Figures {
    /// One of them.
    pub fn get(&self, figure: Figure) -> Option<Level> {
        self.0[figure as usize]
    }

    pub(super) fn set(&mut self, figure: Figure, level: Option<Level>) {
        self.0[figure as usize] = level;
    }

    /// The shares of `figures` added up, if all are there; the half-width of their interval as if independent.
    pub(super) fn sum(&self, figures: &[Figure]) -> Option<Level> {
        let shares: Option<Vec<Level>> = figures.iter().map(|figure| self.get(*figure)).collect();
        let shares = shares?;
        let sum: f64 = shares.iter().map(|share| share.value).sum();
        let reach =
            |side: fn(&Level) -> f64| shares.iter().map(|share| side(share).powi(2)).sum::<f64>().sqrt();
        let (below, above) =
            (reach(|share| share.value - share.low), reach(|share| share.high - share.value));
        Some(Level { value: sum.min(1.0), low: (sum - below).max(0.0), high: (sum + above).min(1.0) })
    }
}

/// As it is serialised: an object with a [`Level`] or null for each figure, and nothing else.
impl JsonSchema for Figures {
    fn schema_name() -> Cow<'static, str> {
        "Figures".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let level = generator.subschema_for::<Option<Level>>();
        let names = Figure::ALL.map(Figure::name);
        let properties: serde_json::Map<String, serde_json::Value> =
            names.iter().map(|name| ((*name).to_owned(), level.clone().to_value())).collect();
        json_schema!({
            "description": "Means of the figures, each with its 90 % interval; null where a figure is not told.",
            "type": "object",
            "properties": properties,
            "required": names,
            "additionalProperties": false,
        })
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Figure::ALL.len()))?;
        for figure in Figure::ALL {
            map.serialize_entry(figure.name(), &self.get(figure))?;
        }
        map.end()
    }
}

/// One minute of a lesson: what one row of the store holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Minute {
    /// Whole minutes since the lesson began, from 0 on; after a power cut numbers are missing.
    pub number: u32,
    /// When the minute began.
    pub at: Timestamp,
    /// The state that most of its moods were in.
    pub state: State,
    /// Share of its moods that had figures of now, 0 to 1.
    pub live: f64,
    /// Mean number of people.
    pub people: Option<f64>,
    /// Mean share of the people whose expression could be read, 0 to 1.
    pub coverage: Option<f64>,
    /// The word that most of its live moods had.
    pub word: Word,
    /// The pace that most of its live moods had.
    pub pace: Pace,
    /// Means of the figures.
    pub figures: Figures,
}

impl Minute {
    /// The minute that began at `at` and had these `moods`.
    pub(crate) fn of(number: u32, at: Timestamp, moods: &[Mood]) -> Self {
        let mut minute = MinuteUnderWay::new(number, at);
        moods.iter().for_each(|mood| minute.add(mood));
        minute.finish()
    }
}

/// A minute that is not over yet.
#[derive(Debug, Clone)]
pub(super) struct MinuteUnderWay {
    number: u32,
    at: Timestamp,
    moods: u32,
    live: u32,
    states: Tally<State>,
    words: Tally<Word>,
    paces: Tally<Pace>,
    people: Mean,
    coverage: Mean,
    /// Value, low, high of each figure.
    figures: [[Mean; 3]; Figure::ALL.len()],
}

impl MinuteUnderWay {
    pub(super) fn new(number: u32, at: Timestamp) -> Self {
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
            figures: Default::default(),
        }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Takes a mood in; figures count only while they are of now.
    pub(super) fn add(&mut self, mood: &Mood) {
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
        for (figure, [value, low, high]) in Figure::ALL.into_iter().zip(&mut self.figures) {
            let level = figure.of(mood);
            value.add(level.map(|level| level.value));
            low.add(level.map(|level| level.low));
            high.add(level.map(|level| level.high));
        }
    }

    /// The minute as far as it went.
    pub(super) fn finish(self) -> Minute {
        let mut figures = Figures::default();
        for (figure, [value, low, high]) in Figure::ALL.into_iter().zip(&self.figures) {
            let mean = |mean: &Mean| mean.value().map(thousandths);
            let level = mean(value).zip(mean(low)).zip(mean(high));
            figures.set(figure, level.map(|((value, low), high)| Level { value, low, high }));
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
            figures,
        }
    }
}

/// Moods tell hundredths; the mean of a minute is worth one digit more, not ten.
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

/// How often each of a few values came.
#[derive(Debug, Clone)]
struct Tally<T>(Vec<(T, u32)>);

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + PartialEq> Tally<T> {
    fn add(&mut self, value: T) {
        match self.0.iter_mut().find(|(known, _)| *known == value) {
            Some((_, count)) => *count += 1,
            None => self.0.push((value, 1)),
        }
    }

    /// The most frequent; the later of equals, which is nearer to the minute's end.
    fn most(&self) -> Option<T> {
        self.0.iter().max_by_key(|(_, count)| *count).map(|(value, _)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::mood;
    use super::*;
    use crate::mood::Share;

    #[test]
    fn a_minute_is_the_mean_of_its_live_moods() {
        let live = mood(0, State::Live);
        let mut minute = MinuteUnderWay::new(3, live.at);
        minute.add(&live);
        minute.add(&Mood {
            people: Some(30),
            facing: Some(Share { share: 0.6, low: 0.5, high: 0.7 }),
            word: Word::Bright,
            ..live.clone()
        });
        minute.add(&Mood { word: Word::Bright, ..live.clone() });
        minute.add(&mood(3, State::Stale));
        let minute = minute.finish();
        assert_eq!((minute.number, minute.state, minute.word), (3, State::Live, Word::Bright));
        assert_eq!((minute.live, minute.people), (0.75, Some(28.7)));
        let facing = minute.figures.get(Figure::Facing).unwrap();
        assert!((facing.value - (0.8 + 0.6 + 0.8) / 3.0).abs() < 1e-3, "{facing:?}");
        assert!(facing.low < facing.value && facing.value < facing.high);
        assert_eq!(minute.figures.get(Figure::Happy).unwrap().value, 0.2);
        assert_eq!(minute.figures.get(Figure::Valence).unwrap().value, -0.2);
        assert_eq!(minute.figures.get(Figure::Restlessness), Some(Level::exact(0.3)));
        let pleasant = minute.figures.sum(&Figure::PLEASANT).unwrap();
        assert!((pleasant.value - 0.2).abs() < 1e-9 && pleasant.low < 0.2 && pleasant.high > 0.2);
    }

    #[test]
    fn what_was_not_told_is_not_kept() {
        for state in [State::TooFew, State::Paused, State::Starting, State::Stale] {
            let mood = mood(0, state);
            let mut minute = MinuteUnderWay::new(0, mood.at);
            minute.add(&mood);
            let minute = minute.finish();
            assert_eq!((minute.state, minute.live), (state, 0.0));
            assert_eq!((minute.people, minute.coverage, minute.figures), (None, None, Figures::default()));
        }
    }
}
