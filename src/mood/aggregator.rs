//! Turns observations into moods: the [`Aggregator`] and its task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tracing::{debug, info};

use super::window::{Summary, Window};
use super::word::word;
use super::{Mode, Mood, Pace, SCHEMA, Share, Shares, State, Word};
use crate::config;
use crate::supervisor::Stop;
use crate::vision::{Expression, Observation};

/// 95 % quantile of the normal distribution: the half-width of a 90 % interval in standard deviations.
const Z_90: f64 = 1.645;

/// Estimates the class's mood from what was observed within the window.
#[derive(Debug)]
pub struct Aggregator {
    room: config::Room,
    config: config::Mood,
    window: Window,
    sequence: u64,
    paused: bool,
}

impl Aggregator {
    /// An aggregator that has seen nothing yet.
    pub fn new(room: config::Room, config: config::Mood) -> Self {
        let window = Window::new(Duration::from_secs_f64(config.window_s));
        Self { room, config, window, sequence: 0, paused: false }
    }

    /// Takes in what one frame showed.
    pub fn observe(&mut self, observation: &Observation) {
        if !self.paused {
            self.window.push(observation);
        }
    }

    /// Pauses or resumes; what was seen before a pause is forgotten.
    pub fn set_paused(&mut self, paused: bool) {
        if paused {
            self.window.clear();
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
            word: Word::Unsure,
            pace: Pace::Unsure,
        };
        let summary = self.window.summary();
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
            self.fill(&mut mood, &summary);
        }
        mood
    }

    /// Figures of a class that is large enough.
    fn fill(&self, mood: &mut Mood, summary: &Summary) {
        mood.people = Some(summary.people);
        mood.facing = Some(interval(summary.facing, summary.people));
        if self.config.mode == Mode::Mood {
            let coverage = f64::from(summary.seats_read.min(summary.people)) / f64::from(summary.people);
            mood.coverage = Some(round(coverage));
            // The readings too must be those of at least k people, not only the heads.
            if let Some(means) = summary.expressions.filter(|_| summary.seats_read >= self.config.min_people)
            {
                let shares = shares(means, summary.seats_read);
                mood.dominant = dominant(&shares);
                mood.expressions = Some(shares);
            }
        }
        // Stale figures may be looked at, but say nothing about now.
        if mood.state == State::Live {
            let coverage = mood.coverage.unwrap_or(0.0);
            mood.word = word(self.config.mode, summary.facing, mood.expressions.as_ref(), coverage);
        }
    }
}

/// Receives observations and publishes a mood at the configured rate until `stop` is requested or the
/// observers are gone.
pub async fn run(
    mut aggregator: Aggregator,
    mut observations: mpsc::Receiver<Observation>,
    mut paused: watch::Receiver<bool>,
    moods: watch::Sender<Arc<Mood>>,
    stop: Stop,
) {
    let mut beat = tokio::time::interval(Duration::from_secs_f64(aggregator.config.publish_every_s));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut state = None;
    loop {
        tokio::select! {
            _ = stop.requested() => return,
            observation = observations.recv() => match observation {
                Some(observation) => aggregator.observe(&observation),
                None => return,
            },
            Ok(()) = paused.changed() => aggregator.set_paused(*paused.borrow_and_update()),
            _ = beat.tick() => {
                let mood = aggregator.mood(tokio::time::Instant::now().into_std(), Timestamp::now());
                if state.replace(mood.state) != Some(mood.state) {
                    info!(state = ?mood.state, "state of the mood changed");
                }
                debug!(sequence = mood.sequence, people = mood.people, word = mood.word.name(), "mood");
                moods.send_replace(Arc::new(mood));
            }
        }
    }
}

/// The seven shares in hundredths that add up to exactly 1, each with its interval.
fn shares(means: [f64; 7], seats: u32) -> Shares {
    let rounded = hundredths(means);
    let share = |index: usize| Share { share: rounded[index], ..interval(means[index], seats) };
    Shares {
        angry: share(0),
        disgust: share(1),
        fear: share(2),
        happy: share(3),
        sad: share(4),
        surprise: share(5),
        neutral: share(6),
    }
}

fn dominant(shares: &Shares) -> Option<Expression> {
    let mut best: Option<(Expression, Share)> = None;
    for (expression, share) in shares.in_order() {
        if best.is_none_or(|(_, best)| share.share > best.share) {
            best = Some((expression, share));
        }
    }
    best.map(|(expression, _)| expression)
}

/// Rounds shares that add up to 1 to hundredths that add up to 1 (largest remainders first).
fn hundredths(shares: [f64; 7]) -> [f64; 7] {
    let mut floors = shares.map(|share| (share.clamp(0.0, 1.0) * 100.0).floor() as u32);
    let mut order: [usize; 7] = std::array::from_fn(|index| index);
    let remainder = |index: usize| shares[index] * 100.0 - (shares[index] * 100.0).floor();
    order.sort_by(|a, b| remainder(*b).total_cmp(&remainder(*a)));
    let missing = 100_u32.saturating_sub(floors.iter().sum());
    for index in order.iter().cycle().take(missing.min(7) as usize) {
        floors[*index] += 1;
    }
    floors.map(|floor| f64::from(floor) / 100.0)
}

/// Share with the 90 % Wilson score interval for `trials` people (E. B. Wilson, JASA 22, 1927).
fn interval(share: f64, trials: u32) -> Share {
    let n = f64::from(trials.max(1));
    let z2 = Z_90 * Z_90;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_90 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).max(0.0).sqrt();
    let (low, high) = ((centre - half).clamp(0.0, 1.0), (centre + half).clamp(0.0, 1.0));
    let share = round(share);
    Share { share, low: round(low).min(share), high: round(high).max(share) }
}

fn round(share: f64) -> f64 {
    (share.clamp(0.0, 1.0) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::super::tests::{observation, person};
    use super::*;
    use proptest::prelude::*;

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
        aggregator.set_paused(true);
        aggregator.observe(&class(start, 20, 3));
        let mood = aggregator.mood(start, Timestamp::UNIX_EPOCH);
        assert_eq!((mood.state, mood.people), (State::Paused, None));
        aggregator.set_paused(false);
        assert_eq!(aggregator.mood(start, Timestamp::UNIX_EPOCH).state, State::Starting);
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

    #[tokio::test(start_paused = true)]
    async fn the_task_publishes_at_its_rate_and_turns_stale_by_itself() {
        let (observations, received) = mpsc::channel(8);
        let first = aggregator(Mode::Mood).mood(Instant::now(), Timestamp::UNIX_EPOCH);
        let (moods, mut published) = watch::channel(Arc::new(first));
        let (_pause, paused) = watch::channel(false);
        let stop = Stop::default();
        let task = tokio::spawn(run(aggregator(Mode::Mood), received, paused, moods, stop.clone()));
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

    proptest! {
        #[test]
        fn rounded_shares_add_up_and_stay_close(raw in prop::array::uniform7(0.0..1.0_f64)) {
            let sum: f64 = raw.iter().sum::<f64>().max(1e-9);
            let means = raw.map(|share| share / sum);
            let rounded = hundredths(means);
            let total: f64 = rounded.iter().sum();
            prop_assert!((total - 1.0).abs() < 1e-9 || raw.iter().all(|share| *share == 0.0));
            for (rounded, mean) in rounded.iter().zip(means) {
                prop_assert!((rounded - mean).abs() <= 0.0101);
            }
        }

        #[test]
        fn an_interval_holds_its_share(share in 0.0..=1.0_f64, people in 1_u32..200) {
            let Share { share, low, high } = interval(share, people);
            prop_assert!(0.0 <= low && low <= share && share <= high && high <= 1.0);
        }
    }
}
