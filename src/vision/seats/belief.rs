//! What is believed of one seat: its expression, and whether it faces the front.
//!
//! Both are recursive Bayesian filters over discrete states. What is particular: readings of one face within
//! seconds are no independent witnesses, so they are averaged, and their number counts only as time passes.

use std::time::{Duration, Instant};

use crate::vision::Expressions;

/// Probabilities are told apart down to a step of the networks' output; nothing is impossible.
const LEAST_PROBABILITY: f32 = 1.0 / 256.0;
/// A reading speaks against an expression at most so much. The same for all: bounded by the least probability, a frequent
/// expression could be spoken against far more than a rare one, and between two that are frequent, while
/// a face changes, the rare one would be believed.
const LEAST_RATIO: f32 = 1.0 / 64.0;
/// With fewer independent looks left than this a belief is forgotten: it is the prior, within a few percent.
const LEAST_LOOKS: f32 = 0.1;
/// A single face score tells at most so much, in nats: odds of 7 to 1. A detector errs more often than its
/// scores near 0 and 1 say.
const MOST_FACE_EVIDENCE: f32 = 2.0;

/// How beliefs of expressions form and fade.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Memory {
    /// The expressions of the training data: what the network's probabilities take for granted. Beliefs return
    /// to it, so that a belief is what the network would have said of all readings at once, and the class's own
    /// prevalence is left to the estimate of the class.
    pub(super) prior: Expressions,
    /// After this long evidence counts half.
    pub(super) half_life: Duration,
    /// A reading this long after the last counts half as a new look.
    pub(super) new_look: Duration,
}

/// Belief over the seven expressions. Evidence of a reading is its likelihood, the probabilities divided by the
/// prior, raised to a power from 0 to 1 that says how good the reading is.
#[derive(Debug, Clone, Default)]
pub(super) struct ExpressionBelief {
    /// When the newest reading was taken; none before the first.
    read_at: Option<Instant>,
    /// Sum of the readings' log-likelihood ratios, and how many they are; both fade.
    sum: [f32; Expressions::COUNT],
    readings: f32,
    /// How many independent looks they are worth; fades.
    looks: f32,
}

impl ExpressionBelief {
    /// Takes in what was read at `at`; `weight` is from 0 to 1.
    pub(super) fn read(&mut self, expressions: Expressions, weight: f32, at: Instant, memory: &Memory) {
        let since = self.read_at.map_or(Duration::ZERO, |before| at.saturating_duration_since(before));
        let kept = left(since, memory.half_life);
        let is_new = if self.read_at.is_some() { 1.0 - left(since, memory.new_look) } else { 1.0 };
        self.readings = self.readings * kept + 1.0;
        self.looks = self.looks * kept + is_new;
        let pairs = expressions.0.iter().zip(memory.prior.0);
        for (sum, (probability, prior)) in self.sum.iter_mut().zip(pairs) {
            let ratio = (probability / prior.max(LEAST_PROBABILITY)).max(LEAST_RATIO);
            *sum = *sum * kept + weight.clamp(0.0, 1.0) * ratio.ln();
        }
        self.read_at = Some(at);
    }

    /// Probabilities as of `now`; none before the first reading and when it is forgotten.
    pub(super) fn at(&self, now: Instant, memory: &Memory) -> Option<Expressions> {
        let looks = self.looks * left(now.saturating_duration_since(self.read_at?), memory.half_life);
        if looks < LEAST_LOOKS {
            return None;
        }
        let evidence = self.sum.map(|sum| looks * sum / self.readings);
        let most = evidence.iter().copied().fold(f32::MIN, f32::max);
        let mut weights = [0.0; Expressions::COUNT];
        for ((weight, evidence), prior) in weights.iter_mut().zip(evidence).zip(memory.prior.0) {
            *weight = prior.max(LEAST_PROBABILITY) * (evidence - most).exp();
        }
        let sum: f32 = weights.iter().sum();
        Some(Expressions(weights.map(|weight| weight / sum)))
    }

    /// How much a new reading would be worth at `now`: the belief's entropy as a share of the greatest
    /// possible, plus the half-lives since the last reading, so that nobody waits for ever. Infinite before the
    /// first.
    pub(super) fn need(&self, now: Instant, memory: &Memory) -> f32 {
        let (Some(read_at), Some(Expressions(belief))) = (self.read_at, self.at(now, memory)) else {
            return f32::INFINITY;
        };
        let entropy: f32 = belief.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        let waited = now.saturating_duration_since(read_at).as_secs_f32() / memory.half_life.as_secs_f32();
        entropy / (Expressions::COUNT as f32).ln() + waited
    }
}

/// Belief that somebody faces the front: a hidden Markov model of two states, seen through face scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FacingBelief {
    probability: f32,
    seen_at: Instant,
}

impl FacingBelief {
    /// After a first look.
    pub(super) fn new(face_score: f32, threshold: f32, at: Instant) -> Self {
        Self { probability: facing(face_score, threshold), seen_at: at }
    }

    /// Takes in a face score. The threshold is the score that speaks for neither.
    pub(super) fn see(&mut self, face_score: f32, threshold: f32, at: Instant, half_life: Duration) {
        self.probability = logistic(log_odds(self.at(at, half_life)) + evidence(face_score, threshold));
        self.seen_at = at;
    }

    /// Probability as of `now`, 0..=1: what is long unseen may be either, but rather what it was.
    pub(super) fn at(&self, now: Instant, half_life: Duration) -> f32 {
        0.5 + (self.probability - 0.5) * left(now.saturating_duration_since(self.seen_at), half_life)
    }
}

/// Probability that a head whose face has this score faces the front, as far as a single look tells, 0..=1.
pub(in crate::vision) fn facing(face_score: f32, threshold: f32) -> f32 {
    logistic(evidence(face_score, threshold))
}

/// What a face score says for facing the front, in nats.
fn evidence(face_score: f32, threshold: f32) -> f32 {
    (log_odds(face_score) - log_odds(threshold)).clamp(-MOST_FACE_EVIDENCE, MOST_FACE_EVIDENCE)
}

/// The share that is left after `age`: one half for every `half_life`.
pub(super) fn left(age: Duration, half_life: Duration) -> f32 {
    (-age.as_secs_f32() / half_life.as_secs_f32().max(f32::MIN_POSITIVE)).exp2()
}

fn logistic(odds: f32) -> f32 {
    1.0 / (1.0 + (-odds).exp())
}

fn log_odds(probability: f32) -> f32 {
    let probability = probability.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY);
    (probability / (1.0 - probability)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PRIOR: Expressions = Expressions([0.09, 0.01, 0.03, 0.27, 0.14, 0.12, 0.34]);
    const MEMORY: Memory =
        Memory { prior: PRIOR, half_life: Duration::from_secs(10), new_look: Duration::from_secs(5) };
    const S: fn(u64) -> Duration = Duration::from_secs;

    fn happy(probability: f32) -> Expressions {
        let mut seven = [(1.0 - probability) / 6.0; 7];
        seven[3] = probability;
        Expressions(seven)
    }

    #[test]
    fn one_good_reading_is_believed_as_it_is() {
        let start = Instant::now();
        let mut belief = ExpressionBelief::default();
        assert_eq!(belief.at(start, &MEMORY), None);
        belief.read(happy(0.7), 1.0, start, &MEMORY);
        let Expressions(seven) = belief.at(start, &MEMORY).unwrap();
        assert!(seven.iter().zip(happy(0.7).0).all(|(a, b)| (a - b).abs() < 1e-5), "{seven:?}");
        // A bad one moves the prior only half way.
        let mut doubtful = ExpressionBelief::default();
        doubtful.read(happy(0.7), 0.5, start, &MEMORY);
        let seven = doubtful.at(start, &MEMORY).unwrap().0;
        assert!(seven[3] > PRIOR.0[3] + 0.1 && seven[3] < 0.65, "{seven:?}");
    }

    #[test]
    fn the_same_look_again_says_nothing_new_and_later_looks_do() {
        let start = Instant::now();
        let (mut burst, mut spread) = (ExpressionBelief::default(), ExpressionBelief::default());
        for reading in 0..20 {
            burst.read(happy(0.6), 1.0, start + Duration::from_millis(10 * reading), &MEMORY);
            spread.read(happy(0.6), 1.0, start + S(4 * reading), &MEMORY);
        }
        let burst = burst.at(start + Duration::from_millis(200), &MEMORY).unwrap().0[3];
        let spread = spread.at(start + S(76), &MEMORY).unwrap().0[3];
        assert!((burst - 0.6).abs() < 0.02, "{burst}");
        assert!(spread > burst + 0.05, "{spread}");
    }

    #[test]
    fn a_belief_follows_a_change_within_a_half_life_and_is_forgotten() {
        let start = Instant::now();
        let neutral = Expressions([0.02, 0.02, 0.02, 0.1, 0.02, 0.02, 0.8]);
        let mut belief = ExpressionBelief::default();
        for half_second in 0..120 {
            belief.read(neutral, 1.0, start + Duration::from_millis(500 * half_second), &MEMORY);
        }
        let turn = start + S(60);
        for half_second in 0..24 {
            belief.read(happy(0.8), 1.0, turn + Duration::from_millis(500 * half_second), &MEMORY);
        }
        assert_eq!(belief.at(turn + S(12), &MEMORY).unwrap().dominant(), crate::vision::Expression::Happy);
        let fading = belief.at(turn + S(35), &MEMORY).unwrap().0[3];
        assert!(fading < 0.6 && fading > PRIOR.0[3], "{fading}");
        assert_eq!(belief.at(turn + S(100), &MEMORY), None);
    }

    #[test]
    fn between_two_expressions_that_are_certain_no_third_is_believed() {
        let start = Instant::now();
        let certain = |index| Expressions(std::array::from_fn(|other| f32::from(u8::from(other == index))));
        let prior = Expressions([0.0901, 0.006, 0.0321, 0.2839, 0.1337, 0.1019, 0.3523]);
        let (memory, mut belief) = (Memory { prior, ..MEMORY }, ExpressionBelief::default());
        for half_second in 0..80 {
            let at = start + Duration::from_millis(500 * half_second);
            // Neutral, then happy.
            belief.read(certain(if half_second < 40 { 6 } else { 3 }), 1.0, at, &memory);
            let seven = belief.at(at, &memory).unwrap().0;
            assert!(seven[3] + seven[6] > 0.9, "after {half_second} half-seconds: {seven:?}");
        }
        assert!(belief.at(start + S(40), &memory).unwrap().0[3] > 0.9);
    }

    #[test]
    fn who_waits_or_is_uncertain_is_read_first() {
        let start = Instant::now();
        let mut beliefs = [0.95, 0.3, 0.95].map(|probability| {
            let mut belief = ExpressionBelief::default();
            belief.read(happy(probability), 1.0, start, &MEMORY);
            belief
        });
        beliefs[0].read(happy(0.95), 1.0, start + S(20), &MEMORY);
        let need = |belief: &ExpressionBelief| belief.need(start + S(20), &MEMORY);
        assert!(need(&beliefs[1]) > need(&beliefs[2]) && need(&beliefs[2]) > need(&beliefs[0]));
        assert_eq!(ExpressionBelief::default().need(start, &MEMORY), f32::INFINITY);
    }

    #[test]
    fn a_glance_aside_does_not_turn_anybody_and_turning_does() {
        let (start, half_life) = (Instant::now(), S(4));
        let at = |half_second: u64| start + Duration::from_millis(500 * half_second);
        let mut facing = FacingBelief::new(0.95, 0.8, start);
        assert!(facing.at(start, half_life) > 0.75);
        (1..10).for_each(|step| facing.see(0.95, 0.8, at(step), half_life));
        facing.see(0.3, 0.8, at(10), half_life);
        assert!(facing.at(at(10), half_life) > 0.5, "a glance");
        (11..14).for_each(|step| facing.see(0.3, 0.8, at(step), half_life));
        assert!(facing.at(at(13), half_life) < 0.2, "turned");
        let later = facing.at(at(60), half_life);
        assert!(later > 0.4 && later < 0.5, "{later}");
        // A single look decides as the threshold does.
        assert!(FacingBelief::new(0.81, 0.8, start).at(start, half_life) > 0.5);
        assert!(FacingBelief::new(0.79, 0.8, start).at(start, half_life) < 0.5);
    }

    fn readings() -> impl Strategy<Value = Vec<([f32; 7], f32, u64)>> {
        let one = (proptest::array::uniform7(0.0..1.0_f32), 0.0..=1.0_f32, 0_u64..60_000);
        proptest::collection::vec(one, 1..40)
    }

    fn believe(readings: &[([f32; 7], f32, u64)], start: Instant) -> (ExpressionBelief, Instant) {
        let (mut belief, mut now) = (ExpressionBelief::default(), start);
        for (raw, weight, wait) in readings {
            now += Duration::from_millis(*wait);
            let sum: f32 = raw.iter().sum::<f32>().max(1e-6);
            belief.read(Expressions(raw.map(|p| p / sum)), *weight, now, &MEMORY);
        }
        (belief, now)
    }

    proptest! {
        #[test]
        fn any_belief_sums_to_one(readings in readings(), later in 0_u64..30_000) {
            let (belief, now) = believe(&readings, Instant::now());
            if let Some(Expressions(seven)) = belief.at(now + Duration::from_millis(later), &MEMORY) {
                prop_assert!((seven.iter().sum::<f32>() - 1.0).abs() < 1e-4, "{:?}", seven);
                prop_assert!(seven.iter().all(|p| (0.0..=1.0).contains(p)), "{:?}", seven);
            }
        }

        /// However wrong it began, the same readings again and again lead to the same belief.
        #[test]
        fn beliefs_converge(readings in readings(), shown in 0_usize..7) {
            let (mut used, now) = believe(&readings, Instant::now());
            let mut fresh = ExpressionBelief::default();
            let mut seven = [0.05; 7];
            seven[shown] = 0.7;
            let end = now + S(200);
            for step in 0..200 {
                used.read(Expressions(seven), 1.0, now + S(step), &MEMORY);
                fresh.read(Expressions(seven), 1.0, now + S(step), &MEMORY);
            }
            let (used, fresh) = (used.at(end, &MEMORY).unwrap().0, fresh.at(end, &MEMORY).unwrap().0);
            prop_assert!(used.iter().zip(fresh).all(|(a, b)| (a - b).abs() < 0.01), "{:?} {:?}", used, fresh);
            prop_assert!(used[shown] > 0.7);
        }

        #[test]
        fn every_belief_returns_to_the_prior(readings in readings()) {
            let (belief, now) = believe(&readings, Instant::now());
            let distance = |seconds| {
                let Expressions(seven) = belief.at(now + S(seconds), &MEMORY).unwrap_or(PRIOR);
                seven.iter().zip(PRIOR.0).map(|(a, b)| (a - b).abs()).sum::<f32>()
            };
            prop_assert!(distance(90) < 0.12, "{}", distance(90));
            prop_assert_eq!(belief.at(now + S(600), &MEMORY), None);
        }

        #[test]
        fn facing_is_a_probability(scores in proptest::collection::vec((-1.0..2.0_f32, 0_u64..9_000), 1..50)) {
            let mut now = Instant::now();
            let mut facing = FacingBelief::new(scores[0].0, 0.8, now);
            for (score, wait) in scores {
                now += Duration::from_millis(wait);
                facing.see(score, 0.8, now, S(4));
                prop_assert!((0.0..=1.0).contains(&facing.at(now, S(4))));
            }
        }
    }
}
