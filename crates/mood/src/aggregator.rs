//! Turns observations into moods: the [`Aggregator`] and the task that runs it.
//!
//! The aggregator is a pure state machine: every method takes the time as an argument. Only [`run`] reads the clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use super::attention::AttentionMonitor;
use super::baseline::Baseline;
use super::baseline::store::{BaselineKeeper, SaveOutcome};
use super::disclosure::{Disclosure, PublicationRecord, to_step};
use super::lesson_signals::LessonSignals;
use super::quantify::wilson;
use super::readability::ReadabilityStatistics;
use super::window::{Summary, Window};
use moodring_config as config;
use moodring_config::{CameraView, Config};
use moodring_contract::attention::Attention;
use moodring_contract::{Mode, Mood, MoodSchema, Pace, PaceReason, Sensitivity, Share, Shares, State, Word};
use moodring_runtime::{Resets, Stop};
use moodring_vision::Observation;
use moodring_vision::model_card::{self, CardError, ModelCard, Quantification, Task};

/// After a failed write of the time of publication the next one is tried after this time.
const RETRY_RECORD: Duration = Duration::from_secs(30);

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
    /// Whether the time of publication could not be written to disk.
    unrecorded: bool,
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
            unrecorded: false,
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
    fn may_publish_expressions(&self) -> bool {
        let enough = |summary: Summary| summary.people >= self.config.min_people;
        self.config.mode == Mode::Mood && !self.paused && self.window.summary().is_some_and(enough)
    }

    /// Writes the time of publication to disk before expressions are published at `now`. If that fails, expressions are
    /// withheld.
    async fn record_publication(&mut self, record: &mut PublicationRecord, now: Instant) {
        if !record.is_due(now) || !self.may_publish_expressions() {
            return;
        }
        let file = record.clone();
        // Writing to an SD card may take long; page and broker must not wait for it.
        let written = tokio::task::spawn_blocking(move || file.write()).await;
        match written.unwrap_or_else(|error| Err(error.into())) {
            Ok(()) => {
                record.is_written(now);
                if std::mem::take(&mut self.unrecorded) {
                    info!(path = %record.path().display(), "can be written again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.unrecorded, true) {
                    let path = record.path().display();
                    warn!(%path, %error, "cannot be written: expressions are withheld, because a restart could reveal who left");
                }
                self.disclosure.withhold(now + RETRY_RECORD);
            }
        }
    }

    /// Saves the learned baseline when the interval has passed, or when this is the `last` call before shutdown.
    /// Returns `None` when the blocking task failed.
    async fn persist_baseline(
        &mut self,
        keeper: BaselineKeeper,
        now: Instant,
        last: bool,
    ) -> Option<BaselineKeeper> {
        let baseline = self.lesson_signals.baseline().learned();
        if !keeper.is_due(now, baseline, last) {
            return Some(keeper);
        }
        let (mut keeper, baseline) = (keeper, baseline.clone());
        // Writing to an SD card may take long; page and broker must not wait for it.
        let outcome = tokio::task::spawn_blocking(move || (keeper.persist(now, &baseline), keeper)).await;
        let (outcome, keeper) = outcome.ok()?;
        if outcome == SaveOutcome::Removed {
            info!("baseline of the room was reset");
            self.lesson_signals.baseline().reset();
        }
        Some(keeper)
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

/// Control inputs of the aggregator's task.
#[derive(Debug)]
pub struct Controls {
    /// Whether estimation is paused.
    pub paused: watch::Receiver<bool>,
    /// Begins of pauses, and begins and ends of lessons; each change resets the estimate.
    pub resets: watch::Receiver<Resets>,
    /// How fast the word follows the class.
    pub sensitivity: watch::Receiver<Sensitivity>,
    /// The current configuration.
    pub settings: config::Settings,
}

/// What the task stores on disk.
#[derive(Debug, Default)]
pub struct Stores {
    /// The learned baseline, saved regularly and at the end.
    pub baseline: Option<BaselineKeeper>,
    /// Until when expressions were published.
    pub publication: Option<PublicationRecord>,
}

/// Receives observations and sends a mood every `mood.publish_every_s` seconds. Ends when `stop` is requested or
/// the sender of observations is dropped.
pub async fn run(
    mut aggregator: Aggregator,
    mut observations: mpsc::Receiver<Observation>,
    mut controls: Controls,
    moods: watch::Sender<Arc<Mood>>,
    stores: Stores,
    stop: Stop,
) {
    let Stores { baseline: mut keeper, mut publication } = stores;
    let mut resets = *controls.resets.borrow_and_update();
    let mut ticker = tokio::time::interval(Duration::from_secs_f64(aggregator.config.publish_every_s));
    ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut state = None;
    loop {
        tokio::select! {
            _ = stop.requested() => break,
            observation = observations.recv() => match observation {
                Some(observation) => aggregator.observe(&observation),
                None => break,
            },
            Ok(()) = controls.paused.changed() => {
                aggregator.set_paused(*controls.paused.borrow_and_update(), now());
            }
            Ok(()) = controls.resets.changed() => {
                let before = std::mem::replace(&mut resets, *controls.resets.borrow_and_update());
                if before.pauses == resets.pauses { aggregator.reset(now()) } else { aggregator.forget(now()) }
            }
            Ok(()) = controls.sensitivity.changed() => {
                aggregator.set_sensitivity(*controls.sensitivity.borrow_and_update());
            }
            Ok(()) = controls.settings.changed() => aggregator.apply_config(&controls.settings.borrow_and_update()),
            _ = ticker.tick() => {
                let now = now();
                if let Some(record) = &mut publication {
                    aggregator.record_publication(record, now).await;
                }
                let mood = aggregator.mood(now, Timestamp::now());
                if state.replace(mood.state) != Some(mood.state) {
                    info!(state = ?mood.state, "state of the mood changed");
                }
                debug!(sequence = mood.sequence, people = mood.people, word = mood.word.name(), "mood");
                moods.send_replace(Arc::new(mood));
                if let Some(open) = keeper.take() {
                    keeper = aggregator.persist_baseline(open, now, false).await;
                }
            }
        }
    }
    if let Some(keeper) = keeper {
        aggregator.persist_baseline(keeper, now(), true).await;
    }
}

/// Tokio's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Rounds a share and its interval to hundredths.
fn hundredths(share: Share) -> Share {
    let round = |value| to_step(value, 100);
    Share { share: round(share.share), low: round(share.low), high: round(share.high) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{observation, person};
    use super::*;
    use moodring_contract::Expression;
    use moodring_vision::Person;

    fn aggregator(mode: Mode) -> Aggregator {
        Aggregator::new(config::Room::default(), config::Mood { mode, ..config::Mood::default() })
    }

    fn class(at: Instant, size: u32, expression: usize) -> Observation {
        observation(at, (0..size).map(|seat| person(seat, (seat % 4 != 0).then_some((expression, at)))))
    }

    #[test]
    fn happy_class_has_the_word_bright() {
        let start = Instant::now();
        let mut aggregator = aggregator(Mode::Mood);
        assert_eq!(aggregator.mood(start, Timestamp::UNIX_EPOCH).state, State::Starting);
        aggregator.observe(&class(start, 20, 3));
        let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
        assert_eq!((mood.sequence, mood.state, mood.people), (2, State::Live, Some(20)));
        assert_eq!((mood.dominant, mood.word), (Some(Expression::Happy), Word::Bright));
        assert_eq!(mood.facing.unwrap().share, 0.75);
        assert_eq!(mood.coverage, Some(0.75));
    }

    #[test]
    fn attention_spots_are_shown_only_while_the_mood_is_live() {
        let start = Instant::now();
        let attention =
            config::Attention { enabled: true, after_minutes: 2.0, ..config::Attention::default() };
        let config = Config { attention, ..Config::default() };
        let mut aggregator = aggregator(Mode::Mood);
        aggregator.monitor = AttentionMonitor::new(&config);
        let places = aggregator.attention();
        let at = |second| start + Duration::from_secs(second);
        let away = |second| {
            observation(at(second), (0..30).map(|seat| Person { facing: 0.1, ..person(seat, None) }))
        };
        for second in 0..130 {
            aggregator.observe(&away(second));
            aggregator.mood(at(second), Timestamp::UNIX_EPOCH);
        }
        assert!(!places.borrow().spots.is_empty());
        assert_eq!(aggregator.mood(at(150), Timestamp::UNIX_EPOCH).state, State::Stale);
        assert!(places.borrow().spots.is_empty(), "a stale mood must show no spots");
        aggregator.observe(&away(151));
        aggregator.mood(at(151), Timestamp::UNIX_EPOCH);
        assert!(!places.borrow().spots.is_empty());
        aggregator.set_paused(true, at(152));
        assert!(places.borrow().spots.is_empty());
    }

    #[test]
    fn fewer_than_k_people_give_too_few_and_no_values() {
        let start = Instant::now();
        let mut aggregator = aggregator(Mode::Mood);
        aggregator.observe(&class(start, 4, 3));
        let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
        assert_eq!(mood.state, State::TooFew);
        assert_eq!((mood.people, mood.facing, mood.expressions, mood.dominant), (None, None, None, None));
        assert_eq!((mood.coverage, mood.word), (None, Word::Unsure));
    }

    #[test]
    fn fewer_than_k_readings_give_no_expressions_in_a_large_class() {
        let start = Instant::now();
        let mut aggregator = aggregator(Mode::Mood);
        aggregator.observe(&observation(start, (0..20).map(|s| person(s, (s < 4).then_some((3, start))))));
        let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
        assert_eq!((mood.people, mood.expressions, mood.dominant), (Some(20), None, None));
    }

    #[test]
    fn mood_without_frames_becomes_stale_then_empty_and_recovers() {
        let start = Instant::now();
        let mut aggregator = aggregator(Mode::Mood);
        let at = |seconds| start + Duration::from_secs(seconds);
        aggregator.observe(&class(start, 20, 3));
        assert_eq!(aggregator.mood(at(10), Timestamp::UNIX_EPOCH).state, State::Live);
        let stale = aggregator.mood(at(11), Timestamp::UNIX_EPOCH);
        assert_eq!((stale.state, stale.people, stale.word), (State::Stale, Some(20), Word::Unsure));
        assert_eq!(stale.picture_age_s, Some(11.0));
        let empty = aggregator.mood(at(100), Timestamp::UNIX_EPOCH);
        assert_eq!((empty.state, empty.people), (State::Stale, None));
        aggregator.observe(&class(at(101), 20, 3));
        assert_eq!(aggregator.mood(at(101), Timestamp::UNIX_EPOCH).state, State::Live);
    }

    #[test]
    fn pause_discards_observations() {
        let start = Instant::now();
        let mut aggregator = aggregator(Mode::Mood);
        aggregator.observe(&class(start, 20, 3));
        aggregator.set_paused(true, start);
        aggregator.observe(&class(start, 20, 3));
        let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
        assert_eq!((mood.state, mood.people), (State::Paused, None));
        aggregator.set_paused(false, start);
        assert_eq!(aggregator.mood(start, Timestamp::UNIX_EPOCH).state, State::Starting);
    }

    #[test]
    fn late_observations_from_before_a_reset_are_ignored() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut aggregator = aggregator(Mode::Mood);
        aggregator.observe(&class(start, 20, 3));
        aggregator.reset(at(2));
        aggregator.observe(&class(at(1), 20, 3));
        assert_eq!(aggregator.mood(at(2), Timestamp::UNIX_EPOCH).state, State::Starting);
        aggregator.observe(&class(at(3), 12, 6));
        assert_eq!(aggregator.mood(at(3), Timestamp::UNIX_EPOCH).people, Some(12));
    }

    #[test]
    fn occupancy_mode_fills_only_people_and_facing() {
        let start = Instant::now();
        let mut aggregator = aggregator(Mode::Occupancy);
        aggregator.observe(&class(start, 20, 3));
        let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
        assert_eq!((mood.people, mood.expressions, mood.coverage), (Some(20), None, None));
        assert_eq!(mood.word, Word::Attentive);
    }

    #[test]
    fn count_mode_fills_only_people_and_facing_only_where_its_risk_is_accepted() {
        let start = Instant::now();
        let mut config = Config::default();
        config.mood.mode = Mode::Count;
        for accepted in [false, true] {
            config.privacy.i_accept_facing_under_the_ai_act = accepted;
            let mut aggregator = Aggregator::from_config(&config).unwrap();
            let mut mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
            for second in 0..600 {
                let at = start + Duration::from_secs(second);
                aggregator.observe(&class(at, 20, 3));
                mood = aggregator.mood(at, Timestamp::UNIX_EPOCH);
            }
            assert_eq!((mood.state, mood.people, mood.facing.is_some()), (State::Live, Some(20), accepted));
            let counted = Mood { people: None, facing: None, ..mood };
            let empty = Aggregator::from_config(&config).unwrap().mood(start, Timestamp::UNIX_EPOCH);
            let Mood { sequence, state, picture_age_s, .. } = counted;
            assert_eq!(
                counted,
                Mood { sequence, state, picture_age_s, ..empty },
                "no other value may be filled in"
            );
        }
    }

    async fn reached(moods: &mut watch::Receiver<Arc<Mood>>, state: State) -> Arc<Mood> {
        moods.wait_for(|mood| mood.state == state).await.unwrap().clone()
    }

    #[test]
    fn person_replaced_while_too_few_are_present_is_not_revealed() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let five = |second, face| {
            let seats = (0..4).map(move |seat| person(seat, Some((6, at(second)))));
            observation(at(second), seats.chain([person(4, Some((face, at(second))))]))
        };
        let messages = |face| {
            let mut aggregator = aggregator(Mode::Mood);
            aggregator.observe(&five(0, 6));
            let before = aggregator.mood(at(0), Timestamp::UNIX_EPOCH);
            (1..60).for_each(|second| {
                aggregator.observe(&observation(
                    at(second),
                    (0..4).map(|seat| person(seat, Some((6, at(second))))),
                ));
                aggregator.mood(at(second), Timestamp::UNIX_EPOCH);
            });
            (60..90).for_each(|second| aggregator.observe(&five(second, face)));
            (before, aggregator.mood(at(90), Timestamp::UNIX_EPOCH))
        };
        let (before, after) = messages(3);
        assert!(before.expressions.is_some());
        assert_eq!(after.expressions, messages(0).1.expressions);
    }

    #[tokio::test(start_paused = true)]
    async fn task_publishes_at_the_configured_rate_and_becomes_stale() {
        let (observations, received) = mpsc::channel(8);
        let first = aggregator(Mode::Mood).mood(Instant::now(), Timestamp::UNIX_EPOCH);
        let (moods, mut published) = watch::channel(Arc::new(first));
        let (_pause, paused) = watch::channel(false);
        let stop = Stop::default();
        let (_reset, resets) = watch::channel(Resets::default());
        let (_sensitivity, sensitivity) = watch::channel(Sensitivity::Normal);
        let controls = Controls { paused, resets, sensitivity, settings: Config::default().fixed() };
        let task = tokio::spawn(run(
            aggregator(Mode::Mood),
            received,
            controls,
            moods,
            Stores::default(),
            stop.clone(),
        ));
        let now = tokio::time::Instant::now().into_std();
        observations.send(class(now, 12, 6)).await.unwrap();
        let live = reached(&mut published, State::Live).await;
        assert_eq!(live.people, Some(12));
        let stale = reached(&mut published, State::Stale).await;
        // One mood per second and a limit of 10 s: the eleventh mood is the first stale one.
        assert!((10..=12).contains(&(stale.sequence - live.sequence)), "{stale:?}");
        stop.request();
        task.await.unwrap();
    }
}
