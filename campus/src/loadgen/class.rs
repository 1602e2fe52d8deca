//! A simulated class: a random walk of its figures, the same in every run with the same seed.
//!
//! No pictures and no networks: payloads are as large and as varied as those of a device.

use jiff::Timestamp;
use moodring_config::Room;
use moodring_contract::{
    ComparedToUsual, Comparison, Direction, Level, Mode, Mood, MoodSchema, Pace, PaceReason, Share, Shares,
    State, Trend, TrendOf, Unread, UnreadReason, Word,
};
use moodring_runtime::Rng;

/// Half-width of a share's 90 % interval in a class of thirty.
const UNCERTAINTY: f64 = 0.08;
/// The most that a figure changes from one mood to the next.
const STEP: f64 = 0.04;
/// Seconds over which a device weighs observations (`mood.window_s`).
const WINDOW_S: f64 = 60.0;

/// A class in its room.
#[derive(Debug, Clone)]
pub(super) struct Class {
    room: Room,
    rng: Rng,
    people: u32,
    facing: f64,
    /// Weights of the seven expressions; they need not add up to 1.
    weights: [f64; 7],
    restlessness: f64,
    moods: u64,
}

impl Class {
    pub(super) fn new(room: Room, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let people = rng.between(18.0, 36.0) as u32;
        let facing = rng.between(0.4, 0.9);
        let weights = [0.05, 0.02, 0.03, 0.25, 0.08, 0.07, 0.5].map(|usual| usual * rng.between(0.5, 1.5));
        let restlessness = rng.between(0.1, 0.4);
        Self { room, rng, people, facing, weights, restlessness, moods: 0 }
    }

    /// The next mood.
    pub(super) fn mood(&mut self, at: Timestamp) -> Mood {
        self.step();
        self.moods += 1;
        let expressions = self.expressions();
        let facing = share(self.facing);
        let [angry, disgust, fear, happy, sad, surprise, _] =
            expressions.in_order().map(|(_, share)| share.share);
        let (pleasant, strained) = (happy + surprise, angry + disgust + fear + sad);
        let word = word(pleasant, strained, self.facing);
        let (pace, pace_reason) = pace(strained, self.facing);
        Mood {
            schema: MoodSchema,
            site: self.room.site.clone(),
            room: self.room.name.clone(),
            sequence: self.moods,
            at,
            state: State::Live,
            mode: Mode::Mood,
            window_s: WINDOW_S,
            picture_age_s: Some(hundredths(self.rng.between(0.1, 0.9))),
            people: Some(self.people),
            facing: Some(facing),
            expressions: Some(expressions),
            dominant: Some(expressions.dominant()),
            coverage: Some(hundredths(self.rng.between(0.6, 0.9))),
            unread: Some(Unread {
                reason: UnreadReason::TooSmall,
                faces: 5,
                of: self.people,
                below_px: Some(18),
            }),
            valence: Some(level(pleasant - strained)),
            arousal: Some(level((pleasant + strained) / 2.0)),
            engagement: Some(level(self.facing * (0.5 + pleasant / 2.0))),
            restlessness: Some(hundredths(self.restlessness)),
            trend: Some(Trend {
                of: TrendOf::Engagement,
                direction: Direction::Steady,
                per_minute: hundredths(self.rng.between(-0.02, 0.02)),
                p: hundredths(self.rng.unit()),
            }),
            word,
            pace,
            pace_reason,
            compared_to_baseline: Some(usual()),
        }
    }

    fn step(&mut self) {
        let mut go =
            |value: f64, low: f64, high: f64| (value + self.rng.between(-STEP, STEP)).clamp(low, high);
        self.facing = go(self.facing, 0.2, 0.95);
        self.restlessness = go(self.restlessness, 0.05, 0.8);
        self.weights = self.weights.map(|weight| go(weight, 0.01, 1.0));
    }

    fn expressions(&self) -> Shares {
        let sum: f64 = self.weights.iter().sum();
        let [angry, disgust, fear, happy, sad, surprise, neutral] =
            self.weights.map(|weight| share(weight / sum));
        Shares { angry, disgust, fear, happy, sad, surprise, neutral }
    }
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn share(value: f64) -> Share {
    let end = |value: f64| hundredths(value.clamp(0.0, 1.0));
    Share { share: end(value), low: end(value - UNCERTAINTY), high: end(value + UNCERTAINTY) }
}

fn level(value: f64) -> Level {
    let end = |value: f64| hundredths(value.clamp(-1.0, 1.0));
    Level { value: end(value), low: end(value - UNCERTAINTY), high: end(value + UNCERTAINTY) }
}

fn word(pleasant: f64, strained: f64, facing: f64) -> Word {
    match () {
        () if pleasant > 0.5 => Word::Bright,
        () if strained > 0.4 => Word::Strained,
        () if facing > 0.6 => Word::Attentive,
        () => Word::Calm,
    }
}

fn pace(strained: f64, facing: f64) -> (Pace, PaceReason) {
    match () {
        () if strained > 0.4 && facing > 0.5 => (Pace::TooFast, PaceReason::Strained),
        () if facing < 0.3 => (Pace::TooSlow, PaceReason::TurnedAway),
        () => (Pace::Fine, PaceReason::Following),
    }
}

fn usual() -> ComparedToUsual {
    let usual = Some(Comparison::Usual);
    ComparedToUsual { facing: usual, valence: usual, arousal: usual, engagement: usual, restlessness: usual }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_is_the_same_class_and_its_figures_are_within_their_scales() {
        let (mut one, mut same) = (Class::new(Room::default(), 7), Class::new(Room::default(), 7));
        let mut other = Class::new(Room::default(), 8);
        let at: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        for number in 1..=500 {
            let mood = one.mood(at);
            assert_eq!(mood, same.mood(at));
            assert_ne!(mood, other.mood(at));
            assert_eq!(mood.sequence, number);
            let shares = mood.expressions.unwrap().in_order().map(|(_, share)| share);
            let sum: f64 = shares.iter().map(|share| share.share).sum();
            assert!((sum - 1.0).abs() < 0.04, "rounded to hundredths: {sum}");
            for share in shares.iter().chain(&mood.facing) {
                assert!(
                    0.0 <= share.low
                        && share.low <= share.share
                        && share.share <= share.high
                        && share.high <= 1.0
                );
            }
        }
    }
}
