//! A simulated class: figures that wander as those of a class do, the same in every run with the same seed.
//!
//! No pictures and no networks: what a broker gets is as large and as varied as from a device, and nobody's.

use jiff::Timestamp;

use crate::config::Room;
use crate::mood::{
    ComparedToUsual, Comparison, Direction, Level, Mode, Mood, Pace, PaceReason, SCHEMA, Share, Shares,
    State, Trend, TrendOf, Unread, UnreadReason, Word,
};

/// Half-width of a share's 90 % interval in a class of thirty.
const UNCERTAINTY: f64 = 0.08;
/// How far a figure goes from one mood to the next.
const STEP: f64 = 0.04;
/// Seconds over which a device weighs observations (`mood.window_s`).
const WINDOW_S: f64 = 60.0;

/// Chances that are the same in every run (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Anything from 0 to 1.
    pub(super) fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Seed of other dice.
    pub(super) fn seed(&mut self) -> u64 {
        (self.roll() * (1_u64 << 53) as f64) as u64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.roll() * (high - low)
    }
}

/// A class in its room.
#[derive(Debug, Clone)]
pub(super) struct Class {
    room: Room,
    dice: Dice,
    people: u32,
    facing: f64,
    /// Weights of the seven expressions; they need not add up to 1.
    weights: [f64; 7],
    restlessness: f64,
    moods: u64,
}

impl Class {
    pub(super) fn new(room: Room, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let people = dice.between(18.0, 36.0) as u32;
        let facing = dice.between(0.4, 0.9);
        let weights = [0.05, 0.02, 0.03, 0.25, 0.08, 0.07, 0.5].map(|usual| usual * dice.between(0.5, 1.5));
        let restlessness = dice.between(0.1, 0.4);
        Self { room, dice, people, facing, weights, restlessness, moods: 0 }
    }

    /// What the device says next.
    pub(super) fn mood(&mut self, at: Timestamp) -> Mood {
        self.wander();
        self.moods += 1;
        let expressions = self.expressions();
        let facing = share(self.facing);
        let [angry, disgust, fear, happy, sad, surprise, _] =
            expressions.in_order().map(|(_, share)| share.share);
        let (pleasant, strained) = (happy + surprise, angry + disgust + fear + sad);
        let word = word(pleasant, strained, self.facing);
        let (pace, pace_reason) = pace(strained, self.facing);
        Mood {
            schema: SCHEMA,
            site: self.room.site.clone(),
            room: self.room.name.clone(),
            sequence: self.moods,
            at,
            state: State::Live,
            mode: Mode::Mood,
            window_s: WINDOW_S,
            picture_age_s: Some(hundredths(self.dice.between(0.1, 0.9))),
            people: Some(self.people),
            facing: Some(facing),
            expressions: Some(expressions),
            dominant: Some(expressions.dominant()),
            coverage: Some(hundredths(self.dice.between(0.6, 0.9))),
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
                per_minute: hundredths(self.dice.between(-0.02, 0.02)),
                p: hundredths(self.dice.roll()),
            }),
            word,
            pace,
            pace_reason,
            compared_to_usual: Some(usual()),
        }
    }

    fn wander(&mut self) {
        let mut go =
            |value: f64, low: f64, high: f64| (value + self.dice.between(-STEP, STEP)).clamp(low, high);
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
