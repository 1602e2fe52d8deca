//! Turns observations into moods: the [`Aggregator`] and its task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info};

use super::attention::{Attention, Lookout};
use super::course::Course;
use super::disclosure::{Disclosure, Noise, to_step};
use super::legibility::Legibility;
use super::quantify::wilson;
use super::usual::Baseline;
use super::usual::store::{Keeper, Kept};
use super::window::{Summary, Window};
use super::{Mode, Mood, Pace, PaceReason, SCHEMA, Sensitivity, Share, Shares, State, Word};
use crate::config::{self, CameraView, Config};
use crate::supervisor::Stop;
use crate::vision::Observation;
use crate::vision::model_card::{self, CardError, ModelCard, Quantification, Task};

/// Estimates the class's mood from what was observed within the window.
#[derive(Debug)]
pub struct Aggregator {
    room: config::Room,
    config: config::Mood,
    window: Window,
    legibility: Legibility,
    disclosure: Disclosure,
    readings: Quantification,
    course: Course,
    lookout: Lookout,
    sequence: u64,
    paused: bool,
    /// Since when what is observed counts.
    begun_at: Option<Instant>,
}

impl Aggregator {
    /// An aggregator that has seen nothing yet.
    pub fn new(room: config::Room, config: config::Mood) -> Self {
        let span = Duration::from_secs_f64(config.window_s);
        let others = Config { mood: config.clone(), ..Config::default() };
        Self {
            room,
            window: Window::new(span),
            legibility: Legibility::new(span, None),
            disclosure: Disclosure::new(config.min_people, None),
            readings: Quantification::default(),
            course: Course::new(&others, Baseline::default()),
            lookout: Lookout::new(&others),
            config,
            sequence: 0,
            paused: false,
            begun_at: None,
        }
    }

    /// An aggregator as configured, which knows from the model card how readings relate to what is read.
    ///
    /// # Errors
    /// When the card of the expression network is not what it must be; without expressions it is not needed.
    pub fn of(config: &Config) -> Result<Self, CardError> {
        let mut aggregator = Self::new(config.room.clone(), config.mood.clone());
        if config.mood.mode == Mode::Mood {
            let directory = model_card::directory(&config.models.directory, &config.models.expression);
            let card = ModelCard::read(&directory.join(&config.models.expression), Task::Expression)?;
            aggregator.readings = card.quantification.unwrap_or_default();
        }
        aggregator.disclosure = Disclosure::new(config.mood.min_people, Noise::asked_for(&config.privacy));
        let span = Duration::from_secs_f64(config.mood.window_s);
        aggregator.window = match config.camera.view {
            CameraView::Room => Window::new(span),
            CameraView::Gallery => Window::of_tiles(span),
        };
        let least_face_px = config.readability.least_face_px.round() as u32;
        aggregator.legibility = Legibility::new(span, Some(least_face_px));
        aggregator.lookout = Lookout::new(config);
        Ok(aggregator.in_room(config, Baseline::default()))
    }

    /// The same, in a room in which `baseline` is usual.
    #[must_use]
    pub fn in_room(mut self, config: &Config, baseline: Baseline) -> Self {
        self.course = Course::new(config, baseline);
        self
    }

    /// How readings relate to what is read.
    pub fn readings(&self) -> &Quantification {
        &self.readings
    }

    /// Where help may be needed, whenever that changes; for the device's own page, and nothing publishes it.
    pub fn attention(&self) -> watch::Receiver<Arc<Attention>> {
        self.lookout.subscribe()
    }

    /// Goes by the thresholds of `config` for word and pace from now on.
    pub fn adopt(&mut self, config: &Config) {
        self.course.adopt(config);
    }

    /// Lets the word follow the class as soon as that from now on.
    pub fn set_sensitivity(&mut self, sensitivity: Sensitivity) {
        self.course.set_sensitivity(sensitivity);
    }

    /// Nothing that was seen before `now` counts any more, also what is still on its way. Who may not be told
    /// from whom, and what noise was spent, is known on.
    pub fn begin_anew(&mut self, now: Instant) {
        self.begun_at = Some(now);
        self.window.clear();
        self.legibility.clear();
        self.course.clear();
        self.lookout.clear();
        self.disclosure.lose_sight();
    }

    /// Keeps what was learned of the room, if it is time to or this is the `last` time.
    async fn keep_usual(&mut self, keeper: Keeper, now: Instant, last: bool) -> Option<Keeper> {
        let baseline = self.course.usual().baseline();
        if !keeper.is_due(now, baseline, last) {
            return Some(keeper);
        }
        let (mut keeper, baseline) = (keeper, baseline.clone());
        // A card may take its time; the page and the broker need not wait for it.
        let kept = tokio::task::spawn_blocking(move || (keeper.keep(now, &baseline), keeper)).await;
        let (kept, keeper) = kept.ok()?;
        if kept == Kept::Reset {
            info!("what is usual in this room was reset");
            self.course.usual().reset();
        }
        Some(keeper)
    }

    /// Takes in what one frame showed.
    pub fn observe(&mut self, observation: &Observation) {
        let is_of_before = self.begun_at.is_some_and(|begun_at| observation.captured_at < begun_at);
        if !self.paused && !is_of_before {
            self.window.push(observation);
            self.legibility.push(observation);
            self.lookout.push(observation);
        }
    }

    /// Pauses or resumes; what was seen before a pause is forgotten.
    pub fn set_paused(&mut self, paused: bool, now: Instant) {
        if paused {
            self.begin_anew(now);
        }
        self.paused = paused;
    }

    /// The mood as of `now`, which is the wall-clock time `at`.
    pub fn mood(&mut self, now: Instant, at: Timestamp) -> Mood {
        self.sequence += 1;
        let age = self.window.newest().map(|newest| now.saturating_duration_since(newest).as_secs_f64());
        let mut mood = Mood {
            schema: SCHEMA,
            site: self.room.site.clone(),
            room: self.room.name.clone(),
            sequence: self.sequence,
            // Finer than a picture's own time would only look exact.
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
            compared_to_usual: None,
        };
        let summary = self.window.summary();
        // Also while nothing may be told it must be known who came and went.
        let shares = summary
            .as_ref()
            .filter(|_| self.config.mode == Mode::Mood)
            .and_then(|summary| self.disclosure.release(&summary.seats, summary.people, &self.readings, now));
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
        self.course.tell(now, &mut mood, self.legibility.motion());
        match mood.state {
            State::Live => self.lookout.look(now),
            // Nobody knows how long it lasts, or there is nobody to be told of.
            _ => self.lookout.tell_nothing(),
        }
        mood
    }

    /// Figures of a class that is large enough.
    fn fill(&self, mood: &mut Mood, summary: &Summary, shares: Option<Shares>) {
        mood.people = Some(summary.people);
        mood.facing = Some(hundredths(wilson(summary.facing, summary.people)));
        if self.config.mode == Mode::Mood {
            let coverage = summary.seats.len() as f64 / f64::from(summary.people);
            mood.coverage = Some(to_step(coverage.min(1.0), 100));
            mood.unread = self.legibility.unread(summary.people, self.config.min_people);
            mood.expressions = shares;
            mood.dominant = mood.expressions.as_ref().map(Shares::dominant);
        }
    }
}

/// What is asked of the aggregator from outside.
#[derive(Debug)]
pub struct Controls {
    /// Whether it is paused.
    pub paused: watch::Receiver<bool>,
    /// How often a lesson began or ended, or a pause began; with each the estimate begins anew.
    pub begun_anew: watch::Receiver<u64>,
    /// How soon the word is to follow.
    pub sensitivity: watch::Receiver<Sensitivity>,
    /// The configuration as it changes.
    pub settings: config::Settings,
}

/// Receives observations and publishes a mood at the configured rate until `stop` is requested or the
/// observers are gone. What is usual in the room goes to `usual`, if it is kept at all.
pub async fn run(
    mut aggregator: Aggregator,
    mut observations: mpsc::Receiver<Observation>,
    mut controls: Controls,
    moods: watch::Sender<Arc<Mood>>,
    mut usual: Option<Keeper>,
    stop: Stop,
) {
    let mut beat = tokio::time::interval(Duration::from_secs_f64(aggregator.config.publish_every_s));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
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
            Ok(()) = controls.begun_anew.changed() => aggregator.begin_anew(now()),
            Ok(()) = controls.sensitivity.changed() => {
                aggregator.set_sensitivity(*controls.sensitivity.borrow_and_update());
            }
            Ok(()) = controls.settings.changed() => aggregator.adopt(&controls.settings.borrow_and_update()),
            _ = beat.tick() => {
                let now = now();
                let mood = aggregator.mood(now, Timestamp::now());
                if state.replace(mood.state) != Some(mood.state) {
                    info!(state = ?mood.state, "state of the mood changed");
                }
                debug!(sequence = mood.sequence, people = mood.people, word = mood.word.name(), "mood");
                moods.send_replace(Arc::new(mood));
                if let Some(keeper) = usual.take() {
                    usual = aggregator.keep_usual(keeper, now, false).await;
                }
            }
        }
    }
    if let Some(keeper) = usual {
        aggregator.keep_usual(keeper, now(), true).await;
    }
}

/// Tokio's time, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A share and its interval in hundredths.
fn hundredths(share: Share) -> Share {
    let round = |value| to_step(value, 100);
    Share { share: round(share.share), low: round(share.low), high: round(share.high) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{observation, person};
    use super::*;
    use crate::vision::{Expression, Person};

    fn aggregator(mode: Mode) -> Aggregator {
        Aggregator::new(config::Room::default(), config::Mood { mode, ..config::Mood::default() })
    }

    fn class(at: Instant, size: u32, expression: usize) -> Observation {
        observation(at, (0..size).map(|seat| person(seat, (seat % 4 != 0).then_some((expression, at)))))
    }

    #[test]
    fn a_happy_class_is_bright() {
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
    fn a_place_is_told_only_while_the_class_is_seen() {
        let start = Instant::now();
        let attention =
            config::Attention { enabled: true, after_minutes: 2.0, ..config::Attention::default() };
        let config = Config { attention, ..Config::default() };
        let mut aggregator = aggregator(Mode::Mood);
        aggregator.lookout = Lookout::new(&config);
        let places = aggregator.attention();
        let at = |second| start + Duration::from_secs(second);
        let away = |second| {
            observation(at(second), (0..30).map(|seat| Person { facing: 0.1, ..person(seat, None) }))
        };
        for second in 0..130 {
            aggregator.observe(&away(second));
            aggregator.mood(at(second), Timestamp::UNIX_EPOCH);
        }
        assert!(!places.borrow().spots().is_empty());
        assert_eq!(aggregator.mood(at(150), Timestamp::UNIX_EPOCH).state, State::Stale);
        assert!(places.borrow().spots().is_empty(), "nobody knows whether they still do");
        aggregator.observe(&away(151));
        aggregator.mood(at(151), Timestamp::UNIX_EPOCH);
        assert!(!places.borrow().spots().is_empty());
        aggregator.set_paused(true, at(152));
        assert!(places.borrow().spots().is_empty());
    }

    #[test]
    fn below_k_people_nothing_but_that_is_told() {
        let start = Instant::now();
        let mut aggregator = aggregator(Mode::Mood);
        aggregator.observe(&class(start, 4, 3));
        let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
        assert_eq!(mood.state, State::TooFew);
        assert_eq!((mood.people, mood.facing, mood.expressions, mood.dominant), (None, None, None, None));
        assert_eq!((mood.coverage, mood.word), (None, Word::Unsure));
    }

    #[test]
    fn readings_of_fewer_than_k_people_are_not_told_however_large_the_class() {
        let start = Instant::now();
        let mut aggregator = aggregator(Mode::Mood);
        aggregator.observe(&observation(start, (0..20).map(|s| person(s, (s < 4).then_some((3, start))))));
        let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
        assert_eq!((mood.people, mood.expressions, mood.dominant), (Some(20), None, None));
    }

    #[test]
    fn without_pictures_the_mood_turns_stale_then_empty_and_comes_back() {
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
    fn a_pause_forgets_what_was_seen() {
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
    fn what_was_seen_before_a_lesson_does_not_count_although_it_comes_late() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut aggregator = aggregator(Mode::Mood);
        aggregator.observe(&class(start, 20, 3));
        aggregator.begin_anew(at(2));
        aggregator.observe(&class(at(1), 20, 3));
        assert_eq!(aggregator.mood(at(2), Timestamp::UNIX_EPOCH).state, State::Starting);
        aggregator.observe(&class(at(3), 12, 6));
        assert_eq!(aggregator.mood(at(3), Timestamp::UNIX_EPOCH).people, Some(12));
    }

    #[test]
    fn occupancy_tells_people_and_facing_only() {
        let start = Instant::now();
        let mut aggregator = aggregator(Mode::Occupancy);
        aggregator.observe(&class(start, 20, 3));
        let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
        assert_eq!((mood.people, mood.expressions, mood.coverage), (Some(20), None, None));
        assert_eq!(mood.word, Word::Attentive);
    }

    async fn reached(moods: &mut watch::Receiver<Arc<Mood>>, state: State) -> Arc<Mood> {
        moods.wait_for(|mood| mood.state == state).await.unwrap().clone()
    }

    #[test]
    fn who_changes_places_while_too_few_are_there_is_not_given_away() {
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
    async fn the_task_publishes_at_its_rate_and_turns_stale_by_itself() {
        let (observations, received) = mpsc::channel(8);
        let first = aggregator(Mode::Mood).mood(Instant::now(), Timestamp::UNIX_EPOCH);
        let (moods, mut published) = watch::channel(Arc::new(first));
        let (_pause, paused) = watch::channel(false);
        let stop = Stop::default();
        let (_anew, begun_anew) = watch::channel(0);
        let (_sensitivity, sensitivity) = watch::channel(Sensitivity::Normal);
        let controls = Controls { paused, begun_anew, sensitivity, settings: Config::default().for_ever() };
        let task = tokio::spawn(run(aggregator(Mode::Mood), received, controls, moods, None, stop.clone()));
        let now = tokio::time::Instant::now().into_std();
        observations.send(class(now, 12, 6)).await.unwrap();
        let live = reached(&mut published, State::Live).await;
        assert_eq!(live.people, Some(12));
        let stale = reached(&mut published, State::Stale).await;
        // The rate is one a second and the limit ten seconds, so the eleventh second shows it.
        assert!((10..=12).contains(&(stale.sequence - live.sequence)), "{stale:?}");
        stop.request();
        task.await.unwrap();
    }
}
