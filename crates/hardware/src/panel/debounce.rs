//! Debounces a contact: a level counts after it has lasted for the settle time. The edges carry their times.

use std::time::{Duration, Instant};

use crate::board::gpio::Edge;

/// Removes bounces from a line. Some kernels and chips debounce too; this works with all of them.
#[derive(Debug, Clone)]
pub struct Debounce {
    settle: Duration,
    /// The debounced level.
    active: bool,
    /// Since when the raw line has had the other level, if it has.
    other_since: Option<Instant>,
}

impl Debounce {
    /// A line that starts `active`; it changes after the other level has lasted for `settle`.
    pub fn new(active: bool, settle: Duration) -> Self {
        Self { settle, active, other_since: None }
    }

    /// Processes an edge, or the level at some time. Returns the change that has settled by then, with the time at
    /// which the new level began.
    pub fn feed(&mut self, raw: Edge) -> Option<Edge> {
        let settled = self.settled_by(raw.at);
        if raw.active == self.active {
            self.other_since = None;
        } else if self.other_since.is_none() {
            self.other_since = Some(raw.at);
            // With a settle time of zero the change counts at once.
            return settled.or_else(|| self.settled_by(raw.at));
        }
        settled
    }

    fn settled_by(&mut self, now: Instant) -> Option<Edge> {
        let at = self.other_since.filter(|since| now.saturating_duration_since(*since) >= self.settle)?;
        self.other_since = None;
        self.active = !self.active;
        Some(Edge { at, active: self.active })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTLE: Duration = Duration::from_millis(20);

    /// The debounced edges of raw edges `(millisecond, active)`.
    fn settled(raw: &[(u64, bool)]) -> Vec<(u64, bool)> {
        let start = Instant::now();
        let mut debounce = Debounce::new(false, SETTLE);
        let edges =
            raw.iter().map(|(ms, active)| Edge { at: start + Duration::from_millis(*ms), active: *active });
        let settled = edges.filter_map(|edge| debounce.feed(edge));
        settled.map(|edge| ((edge.at - start).as_millis() as u64, edge.active)).collect()
    }

    #[test]
    fn a_press_with_bounces_is_one_press() {
        let raw = [
            (0, true),
            (2, false),
            (3, true),
            (5, false),
            (6, true),
            (300, false),
            (304, true),
            (305, false),
        ];
        assert_eq!(settled(&raw), [(6, true)], "the release has not lasted yet");
        assert_eq!(settled(&[&raw[..], &[(325, false)]].concat()), [(6, true), (305, false)]);
    }

    #[test]
    fn a_spike_is_ignored() {
        assert_eq!(settled(&[(0, true), (19, false), (500, false)]), []);
    }

    #[test]
    fn a_polled_level_counts_like_an_edge() {
        assert_eq!(
            settled(&[(0, true), (20, true), (250, true), (500, false), (521, false)]),
            [(0, true), (500, false)]
        );
    }

    proptest! {
        #[test]
        fn debounced_changes_alternate_and_last(
            gaps in prop::collection::vec((0u64..60, any::<bool>()), 0..80),
        ) {
            let mut ms = 0;
            let raw: Vec<_> = gaps.iter().map(|(gap, active)| { ms += gap; (ms, *active) }).collect();
            let changes = settled(&raw);
            let level_at = |at: u64| raw.iter().rev().find(|(ms, _)| *ms <= at).is_some_and(|(_, active)| *active);
            for (index, (at, active)) in changes.iter().enumerate() {
                prop_assert_eq!(*active, index % 2 == 0, "each change is to the other level");
                // From its time on, the raw line kept this level until it had settled.
                let changed_back = raw.iter().any(|(ms, level)| ms > at && ms - at < 20 && level != active);
                prop_assert!(level_at(*at) == *active && !changed_back, "{:?} of {:?}", (at, active), raw);
            }
        }
    }
}
