//! Judges whether the pace of the lesson fits: a heuristic over minutes, with hysteresis.
//!
//! When the data do not decide, the pace is `unsure`. Any other state needs confidence intervals on one side of their
//! thresholds; it stays while they miss them by at most `pace.margin`, and changes at most once per `pace.hold_s`.

use moodring_contract::Pace;
use moodring_contract::PaceReason;
use std::time::{Duration, Instant};

use super::history::History;
use super::signals::Metric;
use moodring_config as config;

/// The pace and why it was judged so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PaceState {
    pub(super) pace: Pace,
    pub(super) reason: PaceReason,
}

impl PaceState {
    pub(super) const fn unsure(reason: PaceReason) -> Self {
        Self { pace: Pace::Unsure, reason }
    }
}

/// Judges the pace from the means in `history`; `current` is the shown pace, which gets the margin.
pub(super) fn judge(history: &History, current: Pace, config: &config::Pace) -> PaceState {
    let span = Duration::from_secs_f64(config.window_s);
    let (facing, known) = history.mean(Metric::Facing, span);
    let Some(facing) = facing.filter(|_| known >= config.min_seen) else {
        return PaceState::unsure(PaceReason::TooShort);
    };
    let (strained, read) = history.mean(Metric::Strained, span);
    let (Some(strained), (Some(pleasant), _)) = (strained, history.mean(Metric::Pleasant, span)) else {
        return PaceState::unsure(PaceReason::NotRead);
    };
    if read < config.min_seen {
        return PaceState::unsure(PaceReason::NotRead);
    }
    let margin = |pace: Pace| if current == pace { config.margin } else { 0.0 };
    let (fine, fast, slow) = (margin(Pace::Fine), margin(Pace::TooFast), margin(Pace::TooSlow));
    if strained.low >= config.strained_from - fast && facing.value >= config.following_from - fast {
        PaceState { pace: Pace::TooFast, reason: PaceReason::Strained }
    } else if strained.high < config.strained_from + slow
        && facing.high <= config.turned_below + slow
        && pleasant.value < config.lively_from + slow
    {
        PaceState { pace: Pace::TooSlow, reason: PaceReason::TurnedAway }
    } else if strained.high < config.strained_from + fine && facing.low > config.turned_below - fine {
        PaceState { pace: Pace::Fine, reason: PaceReason::Following }
    } else {
        PaceState::unsure(PaceReason::Undecided)
    }
}

/// The shown state. Another pace replaces it at most once per `pace.hold_s`.
#[derive(Debug)]
pub(super) struct Hysteresis {
    shown: PaceState,
    changed_at: Option<Instant>,
    hold: Duration,
}

impl Hysteresis {
    pub(super) fn new(config: &config::Pace) -> Self {
        Self {
            shown: PaceState::unsure(PaceReason::TooShort),
            changed_at: None,
            hold: Duration::from_secs_f64(config.hold_s),
        }
    }

    /// Applies `pace.hold_s` of `config`.
    pub(super) fn apply_config(&mut self, config: &config::Pace) {
        self.hold = Duration::from_secs_f64(config.hold_s);
    }

    pub(super) fn shown(&self) -> PaceState {
        self.shown
    }

    /// Proposes `state` at `now`. It is shown when its pace is the shown one, or when the last change of the pace is at
    /// least `pace.hold_s` ago.
    pub(super) fn propose(&mut self, now: Instant, state: PaceState) {
        let due = self.changed_at.is_none_or(|at| now.saturating_duration_since(at) >= self.hold);
        if state.pace == self.shown.pace {
            self.shown = state;
        } else if due {
            (self.shown, self.changed_at) = (state, Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::signals::Metrics;
    use super::super::signals::tests::{facing, shares};
    use super::*;
    use moodring_config::EngagementWeights;

    /// A class of 30 with a share of `strained` sad and `pleasant` happy faces.
    fn metrics(front: f64, strained: f64, pleasant: f64) -> Metrics {
        let shares = shares([0.0, 0.0, 0.0, pleasant, strained, 0.0, 1.0 - strained - pleasant], 30.0);
        Metrics::new(facing(front, 0.1), Some(&shares), None, &EngagementWeights::default())
    }

    fn history_of(seconds: u64, metrics: &Metrics) -> History {
        let start = Instant::now();
        let mut history = History::new(1.0);
        (0..=seconds).for_each(|second| {
            history.add(start + Duration::from_secs(second), metrics);
        });
        history
    }

    fn after_minutes(front: f64, strained: f64, pleasant: f64) -> (Pace, PaceReason) {
        let history = history_of(300, &metrics(front, strained, pleasant));
        let PaceState { pace, reason } = judge(&history, Pace::Unsure, &config::Pace::default());
        (pace, reason)
    }

    #[test]
    fn each_class_gets_its_pace_and_reason() {
        assert_eq!(after_minutes(0.85, 0.15, 0.15), (Pace::Fine, PaceReason::Following));
        assert_eq!(after_minutes(0.70, 0.60, 0.05), (Pace::TooFast, PaceReason::Strained));
        assert_eq!(after_minutes(0.30, 0.10, 0.15), (Pace::TooSlow, PaceReason::TurnedAway));
        // They laugh together; they strain and look away; a third of 30 does not exceed the threshold clearly.
        assert_eq!(after_minutes(0.30, 0.05, 0.60), (Pace::Unsure, PaceReason::Undecided));
        assert_eq!(after_minutes(0.30, 0.60, 0.05), (Pace::Unsure, PaceReason::Undecided));
        assert_eq!(after_minutes(0.80, 0.35, 0.15), (Pace::Unsure, PaceReason::Undecided));
    }

    #[test]
    fn pace_is_unsure_too_early_and_without_expressions() {
        let config = config::Pace::default();
        let early = judge(&history_of(170, &metrics(0.85, 0.1, 0.1)), Pace::Unsure, &config);
        assert_eq!(early, PaceState::unsure(PaceReason::TooShort));
        let unread = Metrics::new(facing(0.3, 0.1), None, None, &EngagementWeights::default());
        let unread = judge(&history_of(300, &unread), Pace::Unsure, &config);
        assert_eq!(unread, PaceState::unsure(PaceReason::NotRead));
    }

    #[test]
    fn pace_stays_while_metrics_are_within_the_margin() {
        let config = config::Pace::default();
        // The low end of facing is 0.48: too low to enter `Fine`, high enough to stay.
        let history = history_of(300, &metrics(0.58, 0.1, 0.1));
        assert_eq!(judge(&history, Pace::Unsure, &config).pace, Pace::Unsure);
        assert_eq!(judge(&history, Pace::Fine, &config).pace, Pace::Fine);
    }

    proptest! {
        #[test]
        fn pace_changes_at_most_once_a_minute(
            steps in prop::collection::vec((0_u64..90_000, 0_usize..5, 0.0..=1.0_f64, 0.0..=0.5_f64, 0.0..=0.5_f64), 1..400),
        ) {
            let config = config::Pace::default();
            let (mut now, mut changed_at) = (Instant::now(), None::<Instant>);
            let (mut history, mut hysteresis) = (History::new(1.0), Hysteresis::new(&config));
            for (elapsed_ms, kind, front, strained, pleasant) in steps {
                now += Duration::from_millis(elapsed_ms);
                history.add(now, &metrics(front, strained, pleasant));
                // Also states that no history gives.
                let state = match kind {
                    0 => PaceState { pace: Pace::Fine, reason: PaceReason::Following },
                    1 => PaceState { pace: Pace::TooFast, reason: PaceReason::Strained },
                    2 => PaceState::unsure(PaceReason::NotRead),
                    _ => judge(&history, hysteresis.shown().pace, &config),
                };
                let before = hysteresis.shown().pace;
                hysteresis.propose(now, state);
                if hysteresis.shown().pace != before {
                    if let Some(changed_at) = changed_at {
                        prop_assert!(now - changed_at >= Duration::from_secs(60));
                    }
                    changed_at = Some(now);
                }
            }
        }
    }
}
