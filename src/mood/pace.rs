//! Whether the pace of the lesson seems right: a heuristic over minutes, and its hysteresis.
//!
//! Its one decision: it rather says nothing. A verdict needs intervals that lie on one side of their
//! thresholds, stays while they nearly do, and changes at most once a minute.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::history::History;
use super::signals::Figure;
use crate::config;

/// Whether the pace of the lesson seems right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Go on.
    Fine,
    /// The class cannot follow.
    TooFast,
    /// The class is bored.
    TooSlow,
    /// Not enough is known.
    Unsure,
}

/// Why the pace is judged so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaceReason {
    /// Fine: most face the front, and few look strained.
    Following,
    /// Too fast: many look strained while they face the front.
    Strained,
    /// Too slow: most have turned away, and few look strained or lively.
    TurnedAway,
    /// Unsure: the intervals do not lie on one side of the thresholds, or the signs contradict each other.
    Undecided,
    /// Unsure: the class has not been seen for long enough.
    TooShort,
    /// Unsure: expressions are not read here, or too few were.
    NotRead,
    /// Unsure: there are no figures of now.
    NoFigures,
}

impl PaceReason {
    /// The reason as one says it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Following => "most look to the front and few look strained",
            Self::Strained => "many look strained while they look to the front",
            Self::TurnedAway => "most have turned away and few look strained",
            Self::Undecided => "the signs do not agree",
            Self::TooShort => "not watched for long enough yet",
            Self::NotRead => "too few expressions could be read",
            Self::NoFigures => "no figures now",
        }
    }
}

/// What is said of the pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) pace: Pace,
    pub(super) reason: PaceReason,
}

impl Verdict {
    pub(super) const fn unsure(reason: PaceReason) -> Self {
        Self { pace: Pace::Unsure, reason }
    }
}

/// What the minutes say, when `standing` is what was said of them before.
pub(super) fn judge(history: &History, standing: Pace, config: &config::Pace) -> Verdict {
    let span = Duration::from_secs_f64(config.window_s);
    let (facing, seen) = history.mean(Figure::Facing, span);
    let Some(facing) = facing.filter(|_| seen >= config.least_seen) else {
        return Verdict::unsure(PaceReason::TooShort);
    };
    let (strained, read) = history.mean(Figure::Strained, span);
    let (Some(strained), (Some(pleasant), _)) = (strained, history.mean(Figure::Pleasant, span)) else {
        return Verdict::unsure(PaceReason::NotRead);
    };
    if read < config.least_seen {
        return Verdict::unsure(PaceReason::NotRead);
    }
    let margin = |pace: Pace| if standing == pace { config.margin } else { 0.0 };
    let (fine, fast, slow) = (margin(Pace::Fine), margin(Pace::TooFast), margin(Pace::TooSlow));
    if strained.low >= config.strained_from - fast && facing.value >= config.following_from - fast {
        Verdict { pace: Pace::TooFast, reason: PaceReason::Strained }
    } else if strained.high < config.strained_from + slow
        && facing.high <= config.turned_below + slow
        && pleasant.value < config.lively_from + slow
    {
        Verdict { pace: Pace::TooSlow, reason: PaceReason::TurnedAway }
    } else if strained.high < config.strained_from + fine && facing.low > config.turned_below - fine {
        Verdict { pace: Pace::Fine, reason: PaceReason::Following }
    } else {
        Verdict::unsure(PaceReason::Undecided)
    }
}

/// What is shown: the last verdict, until it has stood for long enough.
#[derive(Debug)]
pub(super) struct Standing {
    shown: Verdict,
    changed_at: Option<Instant>,
    hold: Duration,
}

impl Standing {
    pub(super) fn new(config: &config::Pace) -> Self {
        Self {
            shown: Verdict::unsure(PaceReason::TooShort),
            changed_at: None,
            hold: Duration::from_secs_f64(config.hold_s),
        }
    }

    /// Holds as long as `config` says from now on.
    pub(super) fn adopt(&mut self, config: &config::Pace) {
        self.hold = Duration::from_secs_f64(config.hold_s);
    }

    pub(super) fn shown(&self) -> Verdict {
        self.shown
    }

    /// Takes in what is to be said at `now`, and says it unless what is shown has only just come.
    pub(super) fn propose(&mut self, now: Instant, verdict: Verdict) {
        let due = self.changed_at.is_none_or(|at| now.saturating_duration_since(at) >= self.hold);
        if verdict.pace == self.shown.pace {
            self.shown = verdict;
        } else if due {
            (self.shown, self.changed_at) = (verdict, Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::signals::Figures;
    use super::super::signals::tests::{facing, shares};
    use super::*;
    use crate::config::EngagementWeights;

    /// A class of 30 of whom `strained` look sad and `pleasant` happy.
    fn figures(front: f64, strained: f64, pleasant: f64) -> Figures {
        let shares = shares([0.0, 0.0, 0.0, pleasant, strained, 0.0, 1.0 - strained - pleasant], 30.0);
        Figures::new(facing(front, 0.1), Some(&shares), None, &EngagementWeights::default())
    }

    fn watched(seconds: u64, figures: &Figures) -> History {
        let start = Instant::now();
        let mut history = History::new(1.0);
        (0..=seconds).for_each(|second| {
            history.add(start + Duration::from_secs(second), figures);
        });
        history
    }

    fn after_minutes(front: f64, strained: f64, pleasant: f64) -> (Pace, PaceReason) {
        let history = watched(300, &figures(front, strained, pleasant));
        let Verdict { pace, reason } = judge(&history, Pace::Unsure, &config::Pace::default());
        (pace, reason)
    }

    #[test]
    fn each_class_gets_its_verdict_and_the_reason() {
        assert_eq!(after_minutes(0.85, 0.15, 0.15), (Pace::Fine, PaceReason::Following));
        assert_eq!(after_minutes(0.70, 0.60, 0.05), (Pace::TooFast, PaceReason::Strained));
        assert_eq!(after_minutes(0.30, 0.10, 0.15), (Pace::TooSlow, PaceReason::TurnedAway));
        // They laugh together; they strain and have given up looking; a third of 30 is no clear case.
        assert_eq!(after_minutes(0.30, 0.05, 0.60), (Pace::Unsure, PaceReason::Undecided));
        assert_eq!(after_minutes(0.30, 0.60, 0.05), (Pace::Unsure, PaceReason::Undecided));
        assert_eq!(after_minutes(0.80, 0.35, 0.15), (Pace::Unsure, PaceReason::Undecided));
    }

    #[test]
    fn nothing_is_said_too_soon_or_without_expressions() {
        let config = config::Pace::default();
        let soon = judge(&watched(170, &figures(0.85, 0.1, 0.1)), Pace::Unsure, &config);
        assert_eq!(soon, Verdict::unsure(PaceReason::TooShort));
        let unread = Figures::new(facing(0.3, 0.1), None, None, &EngagementWeights::default());
        let unread = judge(&watched(300, &unread), Pace::Unsure, &config);
        assert_eq!(unread, Verdict::unsure(PaceReason::NotRead));
    }

    #[test]
    fn a_verdict_stays_until_its_figures_clearly_miss() {
        let config = config::Pace::default();
        // The low end of facing is 0.48: too little to begin with, enough to stay.
        let history = watched(300, &figures(0.58, 0.1, 0.1));
        assert_eq!(judge(&history, Pace::Unsure, &config).pace, Pace::Unsure);
        assert_eq!(judge(&history, Pace::Fine, &config).pace, Pace::Fine);
    }

    proptest! {
        #[test]
        fn whatever_comes_it_changes_at_most_once_a_minute(
            steps in prop::collection::vec((0_u64..90_000, 0_usize..5, 0.0..=1.0_f64, 0.0..=0.5_f64, 0.0..=0.5_f64), 1..400),
        ) {
            let config = config::Pace::default();
            let (mut now, mut changed_at) = (Instant::now(), None::<Instant>);
            let (mut history, mut standing) = (History::new(1.0), Standing::new(&config));
            for (elapsed_ms, kind, front, strained, pleasant) in steps {
                now += Duration::from_millis(elapsed_ms);
                history.add(now, &figures(front, strained, pleasant));
                // Also verdicts that no history would give.
                let verdict = match kind {
                    0 => Verdict { pace: Pace::Fine, reason: PaceReason::Following },
                    1 => Verdict { pace: Pace::TooFast, reason: PaceReason::Strained },
                    2 => Verdict::unsure(PaceReason::NotRead),
                    _ => judge(&history, standing.shown().pace, &config),
                };
                let before = standing.shown().pace;
                standing.propose(now, verdict);
                if standing.shown().pace != before {
                    if let Some(changed_at) = changed_at {
                        prop_assert!(now - changed_at >= Duration::from_secs(60));
                    }
                    changed_at = Some(now);
                }
            }
        }
    }
}
