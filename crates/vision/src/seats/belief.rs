//! Beliefs of one seat: its expression, and whether it faces the front.
//!
//! Both are recursive Bayesian filters over discrete states. Readings of one face within seconds are not
//! independent; they are averaged, and a reading counts as a new one only as time passes.

use std::time::{Duration, Instant};

use crate::Expressions;

/// Lower bound of probabilities: one step of the networks' quantized output. No state is impossible.
const MIN_PROBABILITY: f32 = 1.0 / 256.0;
/// Lower bound of a reading's likelihood ratio, the same for all expressions. With a bound on the probability instead,
/// a reading could count against a frequent expression far more than against a rare one; while a face changes between
/// two frequent expressions, the belief would favour a rare one.
const MIN_RATIO: f32 = 1.0 / 64.0;
/// Number of effective readings below which a belief is dropped: by then it equals the prior within a few percent.
const MIN_EFFECTIVE_READINGS: f32 = 0.1;
/// Maximum evidence of a single face score, in nats: odds of 7 to 1. The detector errs more often than its scores near
/// 0 and 1 suggest.
const MAX_FACE_EVIDENCE: f32 = 2.0;

/// Parameters of the expression beliefs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Memory {
    /// Shares of the expressions in the training data, which the network's probabilities imply. Beliefs return to
    /// this prior. A belief is thus the network's answer to all readings together; the prevalence in the class is
    /// estimated elsewhere.
    pub(super) prior: Expressions,
    /// Time after which evidence counts half.
    pub(super) half_life: Duration,
    /// Time since the last reading at which a reading counts as half a new one (`seats.new_look_s`).
    pub(super) new_look: Duration,
}

/// Belief over the seven expressions. The evidence of a reading is its likelihood ratio, the probabilities divided by
/// the prior, raised to the power of the reading's weight, 0..=1.
#[derive(Debug, Clone, Default)]
pub(super) struct ExpressionBelief {
    /// Time of the newest reading; none before the first.
    read_at: Option<Instant>,
    /// Sum of the readings' weighted log-likelihood ratios, in nats, and their number; both decay.
    sum: [f32; Expressions::COUNT],
    readings: f32,
    /// Number of independent readings that they are worth; decays.
    effective_readings: f32,
}

impl ExpressionBelief {
    /// Adds a reading taken at `at` with the evidence weight `weight`, 0..=1.
    pub(super) fn read(&mut self, expressions: Expressions, weight: f32, at: Instant, memory: &Memory) {
        let since = self.read_at.map_or(Duration::ZERO, |before| at.saturating_duration_since(before));
        let remaining = decay(since, memory.half_life);
        let is_new = if self.read_at.is_some() { 1.0 - decay(since, memory.new_look) } else { 1.0 };
        self.readings = self.readings * remaining + 1.0;
        self.effective_readings = self.effective_readings * remaining + is_new;
        let pairs = expressions.0.iter().zip(memory.prior.0);
        for (sum, (probability, prior)) in self.sum.iter_mut().zip(pairs) {
            let ratio = (probability / prior.max(MIN_PROBABILITY)).max(MIN_RATIO);
            *sum = *sum * remaining + weight.clamp(0.0, 1.0) * ratio.ln();
        }
        self.read_at = Some(at);
    }

    /// Probabilities as of `now`; none before the first reading and after the evidence has decayed.
    pub(super) fn at(&self, now: Instant, memory: &Memory) -> Option<Expressions> {
        let effective_readings =
            self.effective_readings * decay(now.saturating_duration_since(self.read_at?), memory.half_life);
        if effective_readings < MIN_EFFECTIVE_READINGS {
            return None;
        }
        let evidence = self.sum.map(|sum| effective_readings * sum / self.readings);
        let max_evidence = evidence.iter().copied().fold(f32::MIN, f32::max);
        let mut weights = [0.0; Expressions::COUNT];
        for ((weight, evidence), prior) in weights.iter_mut().zip(evidence).zip(memory.prior.0) {
            *weight = prior.max(MIN_PROBABILITY) * (evidence - max_evidence).exp();
        }
        let sum: f32 = weights.iter().sum();
        Some(Expressions(weights.map(|weight| weight / sum)))
    }

    /// Need for a new reading at `now`: the entropy of the belief as a share of the maximum, plus the time since
    /// the last reading in half-lives, so that every seat is read eventually. Infinite before the first reading.
    pub(super) fn need(&self, now: Instant, memory: &Memory) -> f32 {
        let (Some(read_at), Some(Expressions(belief))) = (self.read_at, self.at(now, memory)) else {
            return f32::INFINITY;
        };
        let entropy: f32 = belief.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        let waited = now.saturating_duration_since(read_at).as_secs_f32() / memory.half_life.as_secs_f32();
        entropy / (Expressions::COUNT as f32).ln() + waited
    }
}

/// Belief that a person faces the front: a hidden Markov model with two states, observed through face scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct FacingBelief {
    probability: f32,
    seen_at: Instant,
}

impl FacingBelief {
    /// The belief after a first face score, 0..=1.
    pub(super) fn new(face_score: f32, threshold: f32, at: Instant) -> Self {
        Self { probability: facing(face_score, threshold), seen_at: at }
    }

    /// Adds a face score, 0..=1. A score equal to the threshold is no evidence.
    pub(super) fn see(&mut self, face_score: f32, threshold: f32, at: Instant, half_life: Duration) {
        self.probability = logistic(log_odds(self.at(at, half_life)) + evidence(face_score, threshold));
        self.seen_at = at;
    }

    /// Probability as of `now`, 0..=1; approaches 0.5 while the head is unseen.
    pub(super) fn at(&self, now: Instant, half_life: Duration) -> f32 {
        0.5 + (self.probability - 0.5) * decay(now.saturating_duration_since(self.seen_at), half_life)
    }
}

/// Probability that a head faces the front, 0..=1, from a single face score.
pub(crate) fn facing(face_score: f32, threshold: f32) -> f32 {
    logistic(evidence(face_score, threshold))
}

/// Evidence of a face score for facing the front, in nats.
fn evidence(face_score: f32, threshold: f32) -> f32 {
    (log_odds(face_score) - log_odds(threshold)).clamp(-MAX_FACE_EVIDENCE, MAX_FACE_EVIDENCE)
}

/// The share that remains after `age`, 0..=1: one half for each `half_life`.
pub(super) fn decay(age: Duration, half_life: Duration) -> f32 {
    (-age.as_secs_f32() / half_life.as_secs_f32().max(f32::MIN_POSITIVE)).exp2()
}

fn logistic(odds: f32) -> f32 {
    1.0 / (1.0 + (-odds).exp())
}

fn log_odds(probability: f32) -> f32 {
    let probability = probability.clamp(MIN_PROBABILITY, 1.0 - MIN_PROBABILITY);
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
    fn one_good_reading_is_adopted_unchanged() {
        let start = Instant::now();
        let mut belief = ExpressionBelief::default();
        assert_eq!(belief.at(start, &MEMORY), None);
        belief.read(happy(0.7), 1.0, start, &MEMORY);
        let Expressions(seven) = belief.at(start, &MEMORY).unwrap();
        assert!(seven.iter().zip(happy(0.7).0).all(|(a, b)| (a - b).abs() < 1e-5), "{seven:?}");
        // A reading of weight 0.5 moves the prior only half way.
        let mut doubtful = ExpressionBelief::default();
        doubtful.read(happy(0.7), 0.5, start, &MEMORY);
        let seven = doubtful.at(start, &MEMORY).unwrap().0;
        assert!(seven[3] > PRIOR.0[3] + 0.1 && seven[3] < 0.65, "{seven:?}");
    }

    #[test]
    fn repeated_readings_add_nothing_and_later_ones_do() {
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
    fn a_belief_follows_a_change_within_a_half_life_and_decays() {
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
        assert_eq!(
            belief.at(turn + S(12), &MEMORY).unwrap().dominant(),
            moodring_contract::Expression::Happy
        );
        let fading = belief.at(turn + S(35), &MEMORY).unwrap().0[3];
        assert!(fading < 0.6 && fading > PRIOR.0[3], "{fading}");
        assert_eq!(belief.at(turn + S(100), &MEMORY), None);
    }

    #[test]
    fn a_change_between_two_certain_expressions_favours_no_third() {
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
    fn waiting_or_uncertain_seats_are_read_first() {
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
    fn a_glance_aside_is_ignored_and_turning_is_not() {
        let (start, half_life) = (Instant::now(), S(4));
        let at = |half_second: u64| start + Duration::from_millis(500 * half_second);
        let mut facing = FacingBelief::new(0.95, 0.8, start);
        assert!(facing.at(start, half_life) > 0.75);
        (1..10).for_each(|step| facing.see(0.95, 0.8, at(step), half_life));
        facing.see(0.3, 0.8, at(10), half_life);
        assert!(facing.at(at(10), half_life) > 0.5, "a glance aside");
        (11..14).for_each(|step| facing.see(0.3, 0.8, at(step), half_life));
        assert!(facing.at(at(13), half_life) < 0.2, "turned");
        let later = facing.at(at(60), half_life);
        assert!(later > 0.4 && later < 0.5, "{later}");
        // For a single score, the threshold decides.
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

        /// Repeated equal readings lead to the same belief, whatever the initial one was.
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
