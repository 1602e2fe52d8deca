//! Fills in the values of a mood that need a history of seconds to minutes: word, pace, trend, comparison.
//!
//! Their only inputs are the published values of the mood and the mean motion of all heads, so they reveal no more
//! about a person than the mood itself.

use std::time::{Duration, Instant};

use super::baseline::{Baseline, RoomBaseline};
use super::history::History;
use super::signals::{self, Metric, Metrics, Smoothed};
use super::trend;
use super::word::WordInput;
use super::{pace, word};
use moodring_config as config;
use moodring_config::Config;
use moodring_contract::Level;
use moodring_contract::{Mood, Sensitivity, State};
use moodring_contract::{Trend, TrendOf};

/// After this long without a live mood the hysteresis of the word restarts: the next word is shown at once.
const WORD_TIMEOUT: Duration = Duration::from_secs(60);

/// Signals of the running lesson and the baseline of the room.
#[derive(Debug)]
pub(super) struct LessonSignals {
    publish_every_s: f64,
    signals: config::Signals,
    pace: config::Pace,
    /// As configured, before the sensitivity is applied.
    word: config::Word,
    sensitivity: Sensitivity,
    baseline: RoomBaseline,
    lesson: Lesson,
}

/// State that is discarded when a lesson begins.
#[derive(Debug)]
struct Lesson {
    live_at: Option<Instant>,
    smoothed: Smoothed,
    history: History,
    trend: Option<Trend>,
    pace: pace::Hysteresis,
    word: word::Hysteresis,
}

impl Lesson {
    fn new(publish_every_s: f64, signals: &config::Signals, pace: &config::Pace) -> Self {
        Self {
            live_at: None,
            smoothed: Smoothed::new(signals.smoothing_s),
            history: History::new(publish_every_s),
            trend: None,
            pace: pace::Hysteresis::new(pace),
            word: word::Hysteresis::new(),
        }
    }
}

impl LessonSignals {
    /// The state at the beginning of a lesson, in a room with the learned `baseline`.
    pub(super) fn new(config: &Config, baseline: Baseline) -> Self {
        Self {
            publish_every_s: config.mood.publish_every_s,
            signals: config.signals.clone(),
            pace: config.pace.clone(),
            word: config.word.clone(),
            sensitivity: Sensitivity::default(),
            baseline: RoomBaseline::new(config.baseline.clone(), baseline),
            lesson: Lesson::new(config.mood.publish_every_s, &config.signals, &config.pace),
        }
    }

    /// Applies the thresholds of `config` for word and pace; the shown word and pace stay until another one is due.
    pub(super) fn apply_config(&mut self, config: &Config) {
        (self.pace, self.word) = (config.pace.clone(), config.word.clone());
        self.lesson.pace.apply_config(&self.pace);
    }

    /// Sets how fast the word follows the class; the shown word stays until another one is due.
    pub(super) fn set_sensitivity(&mut self, sensitivity: Sensitivity) {
        self.sensitivity = sensitivity;
    }

    /// Discards the state of the lesson; keeps the learned baseline.
    pub(super) fn clear(&mut self) {
        self.baseline.begin_lesson();
        self.lesson = Lesson::new(self.publish_every_s, &self.signals, &self.pace);
    }

    /// The baseline of the room.
    pub(super) fn baseline(&mut self) -> &mut RoomBaseline {
        &mut self.baseline
    }

    /// Fills in the values that depend on history. `mood` is the otherwise complete mood at `now`; `motion` is the
    /// mean motion of the heads in head widths per second. A mood that is not live, or only counts people, stays
    /// unchanged.
    pub(super) fn fill(&mut self, now: Instant, mood: &mut Mood, motion: Option<f64>) {
        let (State::Live, Some(facing), true) = (mood.state, mood.facing, mood.mode.has_word()) else {
            return;
        };
        let lesson = &mut self.lesson;
        if lesson.live_at.is_some_and(|at| now.saturating_duration_since(at) >= WORD_TIMEOUT) {
            lesson.word = word::Hysteresis::new();
        }
        lesson.live_at = Some(now);
        let restlessness = motion.map(|motion| signals::restlessness(motion, &self.signals));
        let weights = &self.signals.engagement_weights;
        let metrics = Metrics::new(facing, mood.expressions.as_ref(), restlessness, weights);
        lesson.smoothed.add(now, &metrics);
        if lesson.history.add(now, &metrics) {
            self.update_slow_signals(now);
        }
        self.write(now, mood, &metrics);
    }

    /// Updates trend, pace and baseline; called whenever the history completes a mean.
    fn update_slow_signals(&mut self, now: Instant) {
        let Lesson { history, trend, pace, .. } = &mut self.lesson;
        let span = Duration::from_secs_f64(self.signals.trend_window_s);
        let trend_of = |of, metric| trend::trend(of, &history.series(metric, span), &self.signals);
        *trend = trend_of(TrendOf::Engagement, Metric::Engagement)
            .or_else(|| trend_of(TrendOf::Facing, Metric::Facing));
        pace.propose(now, pace::judge(history, pace.shown().pace, &self.pace));
        if let Some(means) = history.newest() {
            self.baseline.learn(means, history.span());
        }
    }

    fn write(&mut self, now: Instant, mood: &mut Mood, metrics: &Metrics) {
        let smoothed = self.lesson.smoothed.metrics();
        let level = |metric| smoothed.get(metric).map(Level::rounded);
        mood.valence = level(Metric::Valence);
        mood.arousal = level(Metric::Arousal);
        mood.engagement = level(Metric::Engagement);
        mood.restlessness = level(Metric::Restlessness).map(|level| level.value);
        mood.trend = self.lesson.trend;
        let pace = self.lesson.pace.shown();
        (mood.pace, mood.pace_reason) = (pace.pace, pace.reason);
        let input = WordInput { mode: mood.mode, metrics, coverage: mood.coverage.unwrap_or(0.0) };
        mood.word = self.lesson.word.update(now, &input, &word::adjusted(&self.word, self.sensitivity));
        mood.compared_to_baseline = self.baseline.compare(&smoothed);
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::Aggregator;
    use super::super::tests::{observation, person};
    use super::*;
    use moodring_contract::{Comparison, Direction, Mode, Pace, PaceReason, Word};
    use moodring_runtime::Rng;
    use moodring_vision::Observation;

    const HAPPY: usize = 3;
    const SAD: usize = 4;
    const NEUTRAL: usize = 6;

    /// A class of 30 with the given numbers of happy, sad and turned-away people. 15 % of the readings are replaced
    /// by a random expression.
    fn class(at: Instant, [happy, sad, away]: [u32; 3], rng: &mut Rng) -> Observation {
        observation(
            at,
            (0..30).map(|seat| {
                let shown = if seat < happy {
                    HAPPY
                } else if seat < happy + sad {
                    SAD
                } else {
                    NEUTRAL
                };
                let read = if rng.unit() < 0.15 { (rng.unit() * 6.99) as usize } else { shown };
                // Looking away must not correlate with the expression.
                let mut person = person(seat, ((seat * 7) % 30 >= away).then_some((read, at)));
                person.motion = (0.15 + 0.1 * rng.normal()).max(0.0) as f32;
                person
            }),
        )
    }

    struct Lesson {
        aggregator: Aggregator,
        now: Instant,
        rng: Rng,
    }

    impl Lesson {
        fn new(config: &Config, baseline: Baseline) -> Self {
            let aggregator =
                Aggregator::new(config.room.clone(), config.mood.clone()).with_baseline(config, baseline);
            Self { aggregator, now: Instant::now(), rng: Rng::new(3) }
        }

        /// The moods of the next seconds: one per second, with two frames each.
        fn advance(&mut self, seconds: u32, class_of: [u32; 3]) -> Vec<Mood> {
            let mut mood = || {
                for _ in 0..2 {
                    self.now += Duration::from_millis(500);
                    self.aggregator.observe(&class(self.now, class_of, &mut self.rng));
                }
                self.aggregator.mood(self.now, Timestamp::UNIX_EPOCH)
            };
            (0..seconds).map(|_| mood()).collect()
        }
    }

    #[test]
    fn quiet_class_keeps_word_pace_and_trend_for_twenty_minutes() {
        let mut lesson = Lesson::new(&Config::default(), Baseline::default());
        lesson.advance(300, [6, 1, 8]);
        let moods = lesson.advance(20 * 60, [6, 1, 8]);
        for mood in &moods {
            assert_eq!((mood.word, mood.pace), (Word::Calm, Pace::Fine), "{mood:?}");
            assert_eq!(mood.trend.unwrap().direction, Direction::Steady, "{mood:?}");
        }
        let mood = moods.last().unwrap();
        let valence = mood.valence.unwrap();
        assert!(valence.value.abs() < 0.15 && valence.low < valence.value && valence.value < valence.high);
        assert!(mood.restlessness.unwrap() > 0.1 && mood.restlessness.unwrap() < 0.4, "{mood:?}");
        assert_eq!(mood.compared_to_baseline, None);
        assert_eq!(mood.unread.unwrap().words(), "turned away: 8 of 30 faces");
    }

    #[test]
    fn word_follows_in_seconds_and_pace_in_minutes() {
        let mut lesson = Lesson::new(&Config::default(), Baseline::default());
        lesson.advance(300, [3, 3, 6]);
        let swing = lesson.advance(20, [22, 3, 6]);
        assert_eq!(swing.last().unwrap().word, Word::Bright, "{:?}", swing.last());
        let hard = lesson.advance(360, [0, 24, 6]);
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
    fn class_that_slowly_turns_away_has_a_falling_trend() {
        let mut lesson = Lesson::new(&Config::default(), Baseline::default());
        let away = (0..11).map(|half_minute| 4 + 2 * half_minute);
        let moods: Vec<Mood> = away.flat_map(|away| lesson.advance(30, [3, 3, away])).collect();
        let trend = moods.last().unwrap().trend.unwrap();
        assert_eq!((trend.of, trend.direction), (TrendOf::Engagement, Direction::Falling), "{trend:?}");
        assert!(trend.per_minute < -0.05, "{trend:?}");
    }

    #[test]
    fn pause_and_missing_frames_clear_the_slow_signals() {
        let mut lesson = Lesson::new(&Config::default(), Baseline::default());
        assert_eq!(lesson.advance(300, [6, 1, 6]).last().unwrap().pace, Pace::Fine);
        let later = lesson.now + Duration::from_secs(15);
        let stale = lesson.aggregator.mood(later, Timestamp::UNIX_EPOCH);
        assert_eq!((stale.state, stale.word, stale.pace), (State::Stale, Word::Unsure, Pace::Unsure));
        assert_eq!((stale.valence, stale.trend, stale.restlessness), (None, None, None));
        assert!(stale.expressions.is_some());
        lesson.aggregator.set_paused(true, later);
        let paused = lesson.aggregator.mood(later, Timestamp::UNIX_EPOCH);
        assert_eq!((paused.pace_reason, paused.unread), (PaceReason::NoFigures, None));
        lesson.aggregator.set_paused(false, later);
        let resumed = lesson.advance(60, [6, 1, 6]);
        assert_eq!(resumed.last().unwrap().pace_reason, PaceReason::TooShort);
    }

    #[test]
    fn occupancy_mode_fills_only_values_without_expressions() {
        let mut config = Config::default();
        config.mood.mode = Mode::Occupancy;
        let mut lesson = Lesson::new(&config, Baseline::default());
        let mood = lesson.advance(300, [6, 4, 3]).pop().unwrap();
        assert_eq!((mood.valence, mood.arousal, mood.engagement, mood.unread), (None, None, None, None));
        assert_eq!((mood.word, mood.pace_reason), (Word::Attentive, PaceReason::NotRead));
        assert_eq!(mood.trend.unwrap().of, TrendOf::Facing);
        assert!(mood.restlessness.is_some());
    }

    #[test]
    fn room_learns_its_baseline_and_reports_a_deviation() {
        let mut config = Config::default();
        config.baseline.min_minutes = 30.0;
        config.mood.publish_every_s = 5.0;
        let mut lesson = Lesson::new(&config, Baseline::default());
        let usual = lesson.advance(32 * 60, [6, 4, 6]).pop().unwrap().compared_to_baseline.unwrap();
        assert_eq!((usual.facing, usual.valence), (Some(Comparison::Usual), Some(Comparison::Usual)));
        let away = lesson.advance(180, [6, 4, 20]).pop().unwrap().compared_to_baseline.unwrap();
        assert_eq!((away.facing, away.engagement), (Some(Comparison::Less), Some(Comparison::Less)));
    }
}
