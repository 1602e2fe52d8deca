//! The class through the lesson: fills into each mood what only minutes can tell.
//!
//! Everything here is worked out of the mood's own published figures; only motion, which is a mean over all
//! heads, comes from the observations beside them.

use std::time::{Duration, Instant};

use super::history::History;
use super::signals::{self, Figure, Figures, Level, Smoothed};
use super::trend::{self, Trend, TrendOf};
use super::usual::{Baseline, Usual};
use super::word::Glance;
use super::{Mood, Sensitivity, State, pace, word};
use crate::config::{self, Config};

/// After this long without live figures the next word comes at once, as the first did.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// What was seen of the lesson so far.
#[derive(Debug)]
pub(super) struct Course {
    publish_every_s: f64,
    signals: config::Signals,
    pace: config::Pace,
    /// As configured.
    word: config::Word,
    sensitivity: Sensitivity,
    usual: Usual,
    lesson: Lesson,
}

/// What a new lesson begins without.
#[derive(Debug)]
struct Lesson {
    live_at: Option<Instant>,
    smoothed: Smoothed,
    history: History,
    trend: Option<Trend>,
    pace: pace::Standing,
    word: word::Standing,
}

impl Lesson {
    fn new(publish_every_s: f64, signals: &config::Signals, pace: &config::Pace) -> Self {
        Self {
            live_at: None,
            smoothed: Smoothed::new(signals.smoothing_s),
            history: History::new(publish_every_s),
            trend: None,
            pace: pace::Standing::new(pace),
            word: word::Standing::new(),
        }
    }
}

impl Course {
    /// A course that begins in a room in which `baseline` is usual.
    pub(super) fn new(config: &Config, baseline: Baseline) -> Self {
        Self {
            publish_every_s: config.mood.publish_every_s,
            signals: config.signals.clone(),
            pace: config.pace.clone(),
            word: config.word.clone(),
            sensitivity: Sensitivity::default(),
            usual: Usual::new(config.usual.clone(), baseline),
            lesson: Lesson::new(config.mood.publish_every_s, &config.signals, &config.pace),
        }
    }

    /// Judges word and pace by `config` from now on; what is shown stays until something else fits.
    pub(super) fn adopt(&mut self, config: &Config) {
        (self.pace, self.word) = (config.pace.clone(), config.word.clone());
        self.lesson.pace.adopt(&self.pace);
    }

    /// Lets the word follow as soon as that from now on; what is shown stays until something else fits.
    pub(super) fn set_sensitivity(&mut self, sensitivity: Sensitivity) {
        self.sensitivity = sensitivity;
    }

    /// Begins anew, in the same room.
    pub(super) fn clear(&mut self) {
        self.usual.begin_lesson();
        self.lesson = Lesson::new(self.publish_every_s, &self.signals, &self.pace);
    }

    /// What is usual in this room.
    pub(super) fn usual(&mut self) -> &mut Usual {
        &mut self.usual
    }

    /// Adds to `mood`, which is of `now` and otherwise complete, what the minutes tell. `motion` is that of the
    /// heads in widths a second. A mood that is not live is left as it is: it says nothing about now.
    pub(super) fn tell(&mut self, now: Instant, mood: &mut Mood, motion: Option<f64>) {
        let (State::Live, Some(facing)) = (mood.state, mood.facing) else { return };
        let lesson = &mut self.lesson;
        if lesson.live_at.is_some_and(|at| now.saturating_duration_since(at) >= FORGOTTEN_AFTER) {
            lesson.word = word::Standing::new();
        }
        lesson.live_at = Some(now);
        let restlessness = motion.map(|motion| signals::restlessness(motion, &self.signals));
        let weights = &self.signals.engagement_weights;
        let figures = Figures::new(facing, mood.expressions.as_ref(), restlessness, weights);
        lesson.smoothed.add(now, &figures);
        if lesson.history.add(now, &figures) {
            self.judge(now);
        }
        self.write(now, mood, &figures);
    }

    /// What is worked out anew with every half-minute.
    fn judge(&mut self, now: Instant) {
        let Lesson { history, trend, pace, .. } = &mut self.lesson;
        let span = Duration::from_secs_f64(self.signals.trend_window_s);
        let of = |what, figure| trend::trend(what, &history.series(figure, span), &self.signals);
        *trend = of(TrendOf::Engagement, Figure::Engagement).or_else(|| of(TrendOf::Facing, Figure::Facing));
        pace.propose(now, pace::judge(history, pace.shown().pace, &self.pace));
        if let Some(means) = history.newest() {
            self.usual.learn(means, history.span());
        }
    }

    fn write(&mut self, now: Instant, mood: &mut Mood, figures: &Figures) {
        let smoothed = self.lesson.smoothed.figures();
        let level = |figure| smoothed.get(figure).map(Level::rounded);
        mood.valence = level(Figure::Valence);
        mood.arousal = level(Figure::Arousal);
        mood.engagement = level(Figure::Engagement);
        mood.restlessness = level(Figure::Restlessness).map(|level| level.value);
        mood.trend = self.lesson.trend;
        let verdict = self.lesson.pace.shown();
        (mood.pace, mood.pace_reason) = (verdict.pace, verdict.reason);
        let glance = Glance { mode: mood.mode, figures, coverage: mood.coverage.unwrap_or(0.0) };
        mood.word = self.lesson.word.look(now, &glance, &self.sensitivity.of(&self.word));
        mood.compared_to_usual = self.usual.compare(&smoothed);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::tests::{Dice, observation, person};
    use super::super::{Aggregator, Comparison, Direction, Mode, Pace, PaceReason, Word};
    use super::*;
    use crate::vision::Observation;

    const HAPPY: usize = 3;
    const SAD: usize = 4;
    const NEUTRAL: usize = 6;

    /// A class of 30 in which so many look happy, sad and away; one reading in seven is wrong.
    fn class(at: Instant, [happy, sad, away]: [u32; 3], dice: &mut Dice) -> Observation {
        observation(
            at,
            (0..30).map(|seat| {
                let looks = if seat < happy {
                    HAPPY
                } else if seat < happy + sad {
                    SAD
                } else {
                    NEUTRAL
                };
                let read = if dice.roll() < 0.15 { (dice.roll() * 6.99) as usize } else { looks };
                // Expressions and looking away do not go together.
                let mut person = person(seat, ((seat * 7) % 30 >= away).then_some((read, at)));
                person.motion = (0.15 + 0.1 * dice.normal()).max(0.0) as f32;
                person
            }),
        )
    }

    struct Lesson {
        aggregator: Aggregator,
        now: Instant,
        dice: Dice,
    }

    impl Lesson {
        fn new(config: &Config, baseline: Baseline) -> Self {
            let aggregator =
                Aggregator::new(config.room.clone(), config.mood.clone()).in_room(config, baseline);
            Self { aggregator, now: Instant::now(), dice: Dice(3) }
        }

        /// The moods of the next seconds, one a second, with two pictures each.
        fn go_on(&mut self, seconds: u32, class_of: [u32; 3]) -> Vec<Mood> {
            let mut mood = || {
                for _ in 0..2 {
                    self.now += Duration::from_millis(500);
                    self.aggregator.observe(&class(self.now, class_of, &mut self.dice));
                }
                self.aggregator.mood(self.now, Timestamp::UNIX_EPOCH)
            };
            (0..seconds).map(|_| mood()).collect()
        }
    }

    #[test]
    fn twenty_quiet_minutes_change_neither_word_nor_pace_nor_trend() {
        let mut lesson = Lesson::new(&Config::default(), Baseline::default());
        lesson.go_on(300, [6, 1, 8]);
        let moods = lesson.go_on(20 * 60, [6, 1, 8]);
        for mood in &moods {
            assert_eq!((mood.word, mood.pace), (Word::Calm, Pace::Fine), "{mood:?}");
            assert_eq!(mood.trend.unwrap().direction, Direction::Steady, "{mood:?}");
        }
        let mood = moods.last().unwrap();
        let valence = mood.valence.unwrap();
        assert!(valence.value.abs() < 0.15 && valence.low < valence.value && valence.value < valence.high);
        assert!(mood.restlessness.unwrap() > 0.1 && mood.restlessness.unwrap() < 0.4, "{mood:?}");
        assert_eq!(mood.compared_to_usual, None);
        assert_eq!(mood.unread.unwrap().words(), "turned away: 8 of 30 faces");
    }

    #[test]
    fn what_happens_shows_in_seconds_in_the_word_and_in_minutes_in_the_pace() {
        let mut lesson = Lesson::new(&Config::default(), Baseline::default());
        lesson.go_on(300, [3, 3, 6]);
        let swing = lesson.go_on(20, [22, 3, 6]);
        assert_eq!(swing.last().unwrap().word, Word::Bright, "{:?}", swing.last());
        let hard = lesson.go_on(360, [0, 24, 6]);
        let mood = hard.last().unwrap();
        assert_eq!(
            (mood.word, mood.pace, mood.pace_reason),
            (Word::Strained, Pace::TooFast, PaceReason::Strained)
        );
        assert!(
            hard.iter().any(|mood| mood.trend.is_some_and(|trend| trend.direction == Direction::Falling))
        );
        let changes = hard.windows(2).filter(|pair| pair[0].pace != pair[1].pace).count();
        assert!(changes <= 2, "{changes}");
    }

    #[test]
    fn a_class_that_turns_away_by_and_by_is_falling() {
        let mut lesson = Lesson::new(&Config::default(), Baseline::default());
        let away = (0..11).map(|half_minute| 4 + 2 * half_minute);
        let moods: Vec<Mood> = away.flat_map(|away| lesson.go_on(30, [3, 3, away])).collect();
        let trend = moods.last().unwrap().trend.unwrap();
        assert_eq!((trend.of, trend.direction), (TrendOf::Engagement, Direction::Falling), "{trend:?}");
        assert!(trend.per_minute < -0.05, "{trend:?}");
    }

    #[test]
    fn a_pause_and_a_loss_of_pictures_leave_nothing_that_takes_minutes() {
        let mut lesson = Lesson::new(&Config::default(), Baseline::default());
        assert_eq!(lesson.go_on(300, [6, 1, 6]).last().unwrap().pace, Pace::Fine);
        let later = lesson.now + Duration::from_secs(15);
        let stale = lesson.aggregator.mood(later, Timestamp::UNIX_EPOCH);
        assert_eq!((stale.state, stale.word, stale.pace), (State::Stale, Word::Unsure, Pace::Unsure));
        assert_eq!((stale.valence, stale.trend, stale.restlessness), (None, None, None));
        assert!(stale.expressions.is_some());
        lesson.aggregator.set_paused(true, later);
        let paused = lesson.aggregator.mood(later, Timestamp::UNIX_EPOCH);
        assert_eq!((paused.pace_reason, paused.unread), (PaceReason::NoFigures, None));
        lesson.aggregator.set_paused(false, later);
        let resumed = lesson.go_on(60, [6, 1, 6]);
        assert_eq!(resumed.last().unwrap().pace_reason, PaceReason::TooShort);
    }

    #[test]
    fn occupancy_has_only_what_needs_no_expressions() {
        let mut config = Config::default();
        config.mood.mode = Mode::Occupancy;
        let mut lesson = Lesson::new(&config, Baseline::default());
        let mood = lesson.go_on(300, [6, 4, 3]).pop().unwrap();
        assert_eq!((mood.valence, mood.arousal, mood.engagement, mood.unread), (None, None, None, None));
        assert_eq!((mood.word, mood.pace_reason), (Word::Attentive, PaceReason::NotRead));
        assert_eq!(mood.trend.unwrap().of, TrendOf::Facing);
        assert!(mood.restlessness.is_some());
    }

    #[test]
    fn a_room_learns_what_is_usual_and_says_when_it_is_not() {
        let mut config = Config::default();
        config.usual.least_minutes = 30.0;
        config.mood.publish_every_s = 5.0;
        let mut lesson = Lesson::new(&config, Baseline::default());
        let usual = lesson.go_on(32 * 60, [6, 4, 6]).pop().unwrap().compared_to_usual.unwrap();
        assert_eq!((usual.facing, usual.valence), (Some(Comparison::Usual), Some(Comparison::Usual)));
        let away = lesson.go_on(180, [6, 4, 20]).pop().unwrap().compared_to_usual.unwrap();
        assert_eq!((away.facing, away.engagement), (Some(Comparison::Less), Some(Comparison::Less)));
    }
}
