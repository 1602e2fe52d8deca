//! Turns observations into moods. The [`Aggregator`] is a pure state machine: every method takes the time as an argument.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use super::attention::AttentionMonitor;
use super::baseline::{Baseline, RoomBaseline};
use super::disclosure::{Disclosure, to_step};
use super::lesson_signals::LessonSignals;
use super::quantify::wilson;
use super::readability::ReadabilityStatistics;
use super::window::{Summary, Window};
use moodring_config as config;
use moodring_config::{CameraView, Config};
use moodring_contract::attention::Attention;
use moodring_contract::{Mode, Mood, MoodSchema, Pace, PaceReason, Sensitivity, Share, Shares, State, Word};
use moodring_vision::Observation;
use moodring_vision::model_card::{self, CardError, ModelCard, Quantification, Task};

/// Estimates the mood of the class from the observations within the window.
#[derive(Debug)]
pub struct Aggregator {
    room: config::Room,
    config: config::Mood,
    window: Window,
    readability: ReadabilityStatistics,
    disclosure: Disclosure,
    quantification: Quantification,
    /// Whether the share of the people who face the front is published.
    publishes_facing: bool,
    lesson_signals: LessonSignals,
    monitor: AttentionMonitor,
    sequence: u64,
    paused: bool,
    /// Time of the last reset; observations captured before it are ignored.
    reset_at: Option<Instant>,
}

impl Aggregator {
    /// An aggregator without observations, with the default settings for everything except `room` and `config`.
    pub fn new(room: config::Room, config: config::Mood) -> Self {
        let span = Duration::from_secs_f64(config.window_s);
        let others = Config { mood: config.clone(), ..Config::default() };
        Self {
            room,
            window: Window::new(span),
            readability: ReadabilityStatistics::new(span, None),
            disclosure: Disclosure::new(config.min_people, Duration::ZERO),
            quantification: Quantification::default(),
            publishes_facing: config.mode != Mode::Count,
            lesson_signals: LessonSignals::new(&others, Baseline::default()),
            monitor: AttentionMonitor::new(&others),
            config,
            sequence: 0,
            paused: false,
            reset_at: None,
        }
    }

    /// An aggregator with the whole configuration. In [`Mode::Mood`] it reads the prior and the confusion matrix of
    /// the expression network from the model card.
    ///
    /// # Errors
    /// The model card of the expression network is missing or invalid. Only [`Mode::Mood`] needs it.
    pub fn from_config(config: &Config) -> Result<Self, CardError> {
        let mut aggregator = Self::new(config.room.clone(), config.mood.clone());
        if config.mood.mode == Mode::Mood {
            let directory = model_card::directory(&config.models.directory, &config.models.expression);
            let card = ModelCard::read(&directory.join(&config.models.expression), Task::Expression)?;
            aggregator.quantification = card.quantification.unwrap_or_default();
        }
        aggregator.publishes_facing = config.publishes_facing();
        let span = Duration::from_secs_f64(config.mood.window_s);
        aggregator.window = match config.camera.view {
            CameraView::Room => Window::new(span),
            CameraView::Gallery => Window::for_gallery(span),
        };
        let min_face_px = config.readability.min_face_px.round() as u32;
        aggregator.readability = ReadabilityStatistics::new(span, Some(min_face_px));
        aggregator.monitor = AttentionMonitor::new(config);
        Ok(aggregator.with_baseline(config, Baseline::default()))
    }

    /// An aggregator whose moods are published from `now` on: expressions are withheld for a whole window after the start
    /// and after each reset, and for `withheld`.
    #[must_use]
    pub fn published_from(mut self, now: Instant, withheld: Duration) -> Self {
        let warm_up = Duration::from_secs_f64(self.config.window_s);
        self.disclosure = Disclosure::new(self.config.min_people, warm_up);
        self.disclosure.withhold(now + withheld.max(warm_up));
        self
    }

    /// Sets the learned `baseline` of the room, with which moods are compared.
    #[must_use]
    pub fn with_baseline(mut self, config: &Config, baseline: Baseline) -> Self {
        self.lesson_signals = LessonSignals::new(config, baseline);
        self
    }

    /// Prior and confusion matrix of the expression network.
    pub fn quantification(&self) -> &Quantification {
        &self.quantification
    }

    /// The places where help may be needed; updated whenever they change. For the device's own page only; never
    /// published.
    pub fn attention(&self) -> watch::Receiver<Arc<Attention>> {
        self.monitor.subscribe()
    }

    /// Applies the thresholds of `config` for word and pace.
    pub fn apply_config(&mut self, config: &Config) {
        self.lesson_signals.apply_config(config);
    }

    /// Sets how fast the word follows the class.
    pub fn set_sensitivity(&mut self, sensitivity: Sensitivity) {
        self.lesson_signals.set_sensitivity(sensitivity);
    }

    /// Discards everything observed before `now`, including observations that arrive later: a lesson begins or ends.
    /// Keeps the disclosure cohort, because people stay in their seats.
    pub fn reset(&mut self, now: Instant) {
        self.clear(now);
        self.disclosure.restart(now);
    }

    /// As [`Aggregator::reset`], for a pause: afterwards nobody is known, so the disclosure cohort is discarded, too.
    pub fn forget(&mut self, now: Instant) {
        self.clear(now);
        self.disclosure.forget(now);
    }

    fn clear(&mut self, now: Instant) {
        self.reset_at = Some(now);
        self.window.clear();
        self.readability.clear();
        self.lesson_signals.clear();
        self.monitor.clear();
    }

    /// Whether expressions of a class may be published now, as far as the number of people is concerned.
    pub(super) fn may_publish_expressions(&self) -> bool {
        let enough = |summary: Summary| summary.people >= self.config.min_people;
        self.config.mode == Mode::Mood && !self.paused && self.window.summary().is_some_and(enough)
    }

    /// Withholds expressions until `until`.
    pub(super) fn withhold_expressions(&mut self, until: Instant) {
        self.disclosure.withhold(until);
    }

    /// The baseline of the room.
    pub(super) fn baseline(&mut self) -> &mut RoomBaseline {
        self.lesson_signals.baseline()
    }

    /// Time between two moods.
    pub(super) fn publish_every(&self) -> Duration {
        Duration::from_secs_f64(self.config.publish_every_s)
    }

    /// Adds the observation of one frame. Ignored while paused, or when captured before the last reset.
    pub fn observe(&mut self, observation: &Observation) {
        let precedes_reset = self.reset_at.is_some_and(|reset_at| observation.captured_at < reset_at);
        if !self.paused && !precedes_reset {
            self.window.push(observation);
            self.readability.push(observation);
            self.monitor.push(observation);
        }
    }

    /// Pauses or resumes. A pause discards all observations before it.
    pub fn set_paused(&mut self, paused: bool, now: Instant) {
        if paused {
            self.forget(now);
        }
        self.paused = paused;
    }

    /// The mood at `now`; `at` is the same instant in wall-clock time. Increments the sequence number.
    pub fn mood(&mut self, now: Instant, at: Timestamp) -> Mood {
        self.sequence += 1;
        let age = self.window.newest().map(|newest| now.saturating_duration_since(newest).as_secs_f64());
        let mut mood = Mood {
            schema: MoodSchema,
            site: self.room.site.clone(),
            room: self.room.name.clone(),
            sequence: self.sequence,
            // Frame times are no more accurate than a millisecond.
            at: at.round(jiff::Unit::Millisecond).unwrap_or(at),
            state: State::Starting,
            mode: self.config.mode,
            window_s: self.config.window_s,
            picture_age_s: age.map(|age| (age * 10.0).round() / 10.0),
            people: None,
            facing: None,
            expressions: None,
            dominant: None,
            coverage: None,
            unread: None,
            valence: None,
            arousal: None,
            engagement: None,
            restlessness: None,
            trend: None,
            word: Word::Unsure,
            pace: Pace::Unsure,
            pace_reason: PaceReason::NoFigures,
            compared_to_baseline: None,
        };
        let summary = self.window.summary();
        // The cohort must track arrivals and departures even while the mood holds no shares.
        let shares = summary.as_ref().filter(|_| self.config.mode == Mode::Mood).and_then(|summary| {
            self.disclosure.release(&summary.seats, summary.people, &self.quantification, now)
        });
        mood.state = match (&summary, age) {
            _ if self.paused => State::Paused,
            (Some(_), Some(age)) if age > self.config.stale_after_s => State::Stale,
            (Some(summary), _) if summary.people < self.config.min_people => State::TooFew,
            (Some(_), _) => State::Live,
            (None, _) => State::Starting,
        };
        if let (Some(summary), Some(age), State::Live | State::Stale) = (summary, age, mood.state)
            && summary.people >= self.config.min_people
            && age <= self.config.stale_after_s + self.config.window_s
        {
            self.fill(&mut mood, &summary, shares);
        }
        self.lesson_signals.fill(now, &mut mood, self.readability.motion());
        match mood.state {
            State::Live => self.monitor.update(now),
            // Without a live class, durations are unknown.
            _ => self.monitor.show_nothing(),
        }
        mood
    }

    /// Fills in the values of a class of at least `min_people` people.
    fn fill(&self, mood: &mut Mood, summary: &Summary, shares: Option<Shares>) {
        mood.people = Some(summary.people);
        mood.facing = self.publishes_facing.then(|| hundredths(wilson(summary.facing, summary.people)));
        if self.config.mode == Mode::Mood {
            let coverage = summary.seats.len() as f64 / f64::from(summary.people);
            mood.coverage = Some(to_step(coverage.min(1.0), 100));
            mood.unread = self.readability.unread(summary.people, self.config.min_people);
            mood.expressions = shares;
            mood.dominant = mood.expressions.as_ref().map(Shares::dominant);
        }
    }
}

/// Rounds a share and its interval to hundredths.
fn hundredths(share: Share) -> Share {
    let round = |value| to_step(value, 100);
    Share { share: round(share.share), low: round(share.low), high: round(share.high) }
}

#[cfg(test)]
mod tests;
