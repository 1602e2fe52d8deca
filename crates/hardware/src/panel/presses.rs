//! Classifies presses by their duration, from debounced edges.

use std::time::{Duration, Instant};

use crate::board::gpio::Edge;
use moodring_config as config;

/// Meaning of a press, by its duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// Pause or resume.
    Short,
    /// Begin or end a lesson.
    Long,
    /// Show the pairing page.
    VeryLong,
    /// Offer the camera preview.
    Preview,
}

/// The durations of `[button]`. A press between two spans has no meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// A short press is shorter than this.
    pub short_to: Duration,
    /// A long press is at least this long.
    pub long_from: Duration,
    /// A long press is shorter than this.
    pub long_to: Duration,
    /// A very long press is at least this long.
    pub very_long_from: Duration,
    /// A very long press is shorter than this.
    pub very_long_to: Duration,
    /// A press for the camera preview is at least this long.
    pub preview_from: Duration,
    /// From this duration on the button counts as stuck.
    pub stuck_from: Duration,
}

impl Thresholds {
    /// The durations of `config`.
    pub fn of(config: &config::Button) -> Self {
        let [short_to, long_from, long_to, very_long_from, very_long_to, preview_from, stuck_from] = [
            config.short_to_s,
            config.long_from_s,
            config.long_to_s,
            config.very_long_from_s,
            config.very_long_to_s,
            config.aiming_from_s,
            config.stuck_from_s,
        ]
        .map(Duration::from_secs_f64);
        Self { short_to, long_from, long_to, very_long_from, very_long_to, preview_from, stuck_from }
    }

    /// The meaning of a press of duration `held`; `None` between the spans.
    pub fn meaning(&self, held: Duration) -> Option<Press> {
        if held < self.short_to {
            Some(Press::Short)
        } else if (self.long_from..self.long_to).contains(&held) {
            Some(Press::Long)
        } else if (self.very_long_from..self.very_long_to).contains(&held) {
            Some(Press::VeryLong)
        } else if (self.preview_from..self.stuck_from).contains(&held) {
            Some(Press::Preview)
        } else {
            None
        }
    }
}

/// Classifies the presses of one button.
#[derive(Debug, Clone)]
pub struct Presses {
    thresholds: Thresholds,
    /// Since when the button is pressed, if it is.
    pressed_at: Option<Instant>,
    /// Whether the begin of the current press was observed.
    begin_seen: bool,
}

impl Presses {
    /// A button first read at `at`. If it is pressed then, the duration is unknown: that press has no meaning.
    pub fn new(thresholds: Thresholds, pressed: bool, at: Instant) -> Self {
        Self { thresholds, pressed_at: pressed.then_some(at), begin_seen: false }
    }

    /// Processes a press or release; a release returns the meaning of the press.
    pub fn edge(&mut self, edge: Edge) -> Option<Press> {
        if edge.active {
            if self.pressed_at.is_none() {
                (self.pressed_at, self.begin_seen) = (Some(edge.at), true);
            }
            return None;
        }
        let held = edge.at.saturating_duration_since(self.pressed_at.take()?);
        self.thresholds.meaning(held).filter(|_| self.begin_seen)
    }

    /// Whether the button has been held for `stuck_from` or longer.
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
    fn each_span_has_one_meaning_and_gaps_have_none() {
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
            (15_000, Some(Press::Preview)),
            (29_999, Some(Press::Preview)),
            (30_000, None),
            (3_600_000, None),
        ] {
            assert_eq!(after(held_ms), meaning, "{held_ms} ms");
        }
    }

    #[test]
    fn a_press_that_began_before_the_start_is_ignored_once() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut presses = Presses::new(thresholds(), true, start);
        assert!(presses.is_stuck(at(30)) && !presses.is_stuck(at(29)));
        assert_eq!(presses.edge(Edge { at: at(2), active: false }), None);
        assert!(!presses.is_stuck(at(60)));
        presses.edge(Edge { at: at(3), active: true });
        assert_eq!(presses.edge(Edge { at: at(5), active: false }), Some(Press::Long));
    }

    /// Bounces of a bad contact: 0 to 9 ms each.
    fn bounces() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(0u64..10, 0..6)
    }

    proptest! {
        #[test]
        fn each_press_with_bounces_has_one_meaning(
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
                // From the last bounce of the press to the last bounce of the release.
                let released_after = held_ms + up.iter().sum::<u64>();
                expected.extend(thresholds().meaning(Duration::from_millis(released_after)));
            }
            raw.push((ms, false));
            let mut debounce = Debounce::new(false, Duration::from_millis(20));
            let mut classifier = Presses::new(thresholds(), false, start);
            let edges = raw.iter().map(|(ms, active)| Edge { at: start + Duration::from_millis(*ms), active: *active });
            let meanings: Vec<_> =
                edges.filter_map(|edge| debounce.feed(edge)).filter_map(|edge| classifier.edge(edge)).collect();
            prop_assert_eq!(meanings, expected);
        }
    }
}
