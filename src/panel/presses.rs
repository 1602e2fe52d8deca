//! From presses to what they mean: short, long, very long, or nothing. A function of debounced edges.

use std::time::{Duration, Instant};

use crate::board::gpio::Edge;
use crate::config;

/// What a press means, by how long it lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// Pause or resume.
    Short,
    /// Begin or end a lesson.
    Long,
    /// Show the page for pairing.
    VeryLong,
    /// Offer the aiming view.
    Aiming,
}

/// The spans of `[button]`. Between them a press means nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Short is less than this.
    pub short_to: Duration,
    /// Long is at least this.
    pub long_from: Duration,
    /// Long is less than this.
    pub long_to: Duration,
    /// Very long is at least this.
    pub very_long_from: Duration,
    /// Very long is less than this.
    pub very_long_to: Duration,
    /// For aiming it is held at least this long.
    pub aiming_from: Duration,
    /// Nobody presses as long as this.
    pub stuck_from: Duration,
}

impl Thresholds {
    /// As configured.
    pub fn of(config: &config::Button) -> Self {
        let [short_to, long_from, long_to, very_long_from, very_long_to, aiming_from, stuck_from] = [
            config.short_to_s,
            config.long_from_s,
            config.long_to_s,
            config.very_long_from_s,
            config.very_long_to_s,
            config.aiming_from_s,
            config.stuck_from_s,
        ]
        .map(Duration::from_secs_f64);
        Self { short_to, long_from, long_to, very_long_from, very_long_to, aiming_from, stuck_from }
    }

    /// What a press of this length means.
    pub fn meaning(&self, held: Duration) -> Option<Press> {
        if held < self.short_to {
            Some(Press::Short)
        } else if (self.long_from..self.long_to).contains(&held) {
            Some(Press::Long)
        } else if (self.very_long_from..self.very_long_to).contains(&held) {
            Some(Press::VeryLong)
        } else if (self.aiming_from..self.stuck_from).contains(&held) {
            Some(Press::Aiming)
        } else {
            None
        }
    }
}

/// Follows one button.
#[derive(Debug, Clone)]
pub struct Presses {
    thresholds: Thresholds,
    /// Since when it is pressed, if it is.
    pressed_at: Option<Instant>,
    /// Whether the press under way was seen from its beginning.
    whole: bool,
}

impl Presses {
    /// A button that is first seen at `at`. If it is pressed then, nobody knows for how long: that press means nothing.
    pub fn new(thresholds: Thresholds, pressed: bool, at: Instant) -> Self {
        Self { thresholds, pressed_at: pressed.then_some(at), whole: false }
    }

    /// Takes in that it was pressed or let go; tells what the press meant that is over now.
    pub fn edge(&mut self, edge: Edge) -> Option<Press> {
        if edge.active {
            if self.pressed_at.is_none() {
                (self.pressed_at, self.whole) = (Some(edge.at), true);
            }
            return None;
        }
        let held = edge.at.saturating_duration_since(self.pressed_at.take()?);
        self.thresholds.meaning(held).filter(|_| self.whole)
    }

    /// Whether it is held for longer than anybody means to.
    pub fn is_stuck(&self, now: Instant) -> bool {
        self.pressed_at.is_some_and(|at| now.saturating_duration_since(at) >= self.thresholds.stuck_from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::panel::Debounce;

    fn thresholds() -> Thresholds {
        Thresholds::of(&config::Button::default())
    }

    fn after(held_ms: u64) -> Option<Press> {
        let start = Instant::now();
        let mut presses = Presses::new(thresholds(), false, start);
        assert_eq!(presses.edge(Edge { at: start, active: true }), None);
        presses.edge(Edge { at: start + Duration::from_millis(held_ms), active: false })
    }

    #[test]
    fn each_span_means_one_thing_and_those_between_mean_nothing() {
        for (held_ms, meaning) in [
            (30, Some(Press::Short)),
            (999, Some(Press::Short)),
            (1000, None),
            (1499, None),
            (1500, Some(Press::Long)),
            (4999, Some(Press::Long)),
            (5000, None),
            (7999, None),
            (8000, Some(Press::VeryLong)),
            (11_999, Some(Press::VeryLong)),
            (12_000, None),
            (14_999, None),
            (15_000, Some(Press::Aiming)),
            (29_999, Some(Press::Aiming)),
            (30_000, None),
            (3_600_000, None),
        ] {
            assert_eq!(after(held_ms), meaning, "{held_ms} ms");
        }
    }

    #[test]
    fn a_button_that_was_pressed_before_anybody_looked_means_nothing_once() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut presses = Presses::new(thresholds(), true, start);
        assert!(presses.is_stuck(at(30)) && !presses.is_stuck(at(29)));
        assert_eq!(presses.edge(Edge { at: at(2), active: false }), None);
        assert!(!presses.is_stuck(at(60)));
        presses.edge(Edge { at: at(3), active: true });
        assert_eq!(presses.edge(Edge { at: at(5), active: false }), Some(Press::Long));
    }

    /// A press as a bad contact gives it: bounces of 0 to 9 ms at both ends.
    fn bounces() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(0u64..10, 0..6)
    }

    proptest! {
        #[test]
        fn any_row_of_presses_with_any_bounces_means_one_thing_each(
            presses in prop::collection::vec((40u64..40_000, 40u64..3_000, bounces(), bounces()), 1..12),
        ) {
            let (start, mut ms) = (Instant::now(), 0);
            let (mut raw, mut expected) = (Vec::new(), Vec::new());
            for (held_ms, pause_ms, down, up) in &presses {
                for (level, bounces, until) in [(true, down, *held_ms), (false, up, *pause_ms)] {
                    for gap in bounces {
                        raw.push((ms, level));
                        ms += gap / 2;
                        raw.push((ms, !level));
                        ms += gap - gap / 2;
                    }
                    raw.push((ms, level));
                    ms += until;
                }
                // From the last bounce down to the last bounce up.
                let released_after = held_ms + up.iter().sum::<u64>();
                expected.extend(thresholds().meaning(Duration::from_millis(released_after)));
            }
            raw.push((ms, false));
            let mut debounce = Debounce::new(false, Duration::from_millis(20));
            let mut follower = Presses::new(thresholds(), false, start);
            let edges = raw.iter().map(|(ms, active)| Edge { at: start + Duration::from_millis(*ms), active: *active });
            let meant: Vec<_> =
                edges.filter_map(|edge| debounce.feed(edge)).filter_map(|edge| follower.edge(edge)).collect();
            prop_assert_eq!(meant, expected);
        }
    }
}
