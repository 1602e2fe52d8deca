//! How long to wait before the next attempt: full jitter, so that a hundred devices do not come back at once.
//!
//! Source: M. Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015): the wait is drawn
//! evenly from zero to the growing ceiling. The first ceiling is half of the last, so that a fleet that loses its broker
//! at one moment comes back over that span, however soon the broker is there again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Even the luckiest draw leaves the broker this much rest.
const FLOOR: Duration = Duration::from_millis(100);
/// A connection that lived this long was a good one: the next loss begins from the start.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// The attempts since the last stable connection.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    /// No wait is longer (`mqtt.reconnect_within_s`).
    longest: Duration,
}

impl Backoff {
    pub(super) fn new(longest: Duration) -> Self {
        Self { failures: 0, longest }
    }

    /// The wait after a connection that lived for `lived` (zero if there was none) and was lost; `random`
    /// is drawn evenly from 0 to 1.
    pub(super) fn after_loss(&mut self, lived: Duration, random: f64) -> Duration {
        if lived >= STABLE_AFTER {
            self.failures = 0;
        }
        let ceiling = if self.failures == 0 { self.longest / 2 } else { self.longest };
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(random.clamp(0.0, 1.0)).max(FLOOR)
    }
}

/// Evenly from 0 to 1; the standard library's only source of chance, good enough to spread devices.
pub(super) fn random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_once_and_only_a_stable_minute_resets_it() {
        let mut backoff = Backoff::new(Duration::from_secs(60));
        let mut ceilings = Vec::new();
        for _ in 0..3 {
            ceilings.push(backoff.after_loss(Duration::from_secs(59), 1.0).as_secs());
        }
        assert_eq!(ceilings, [30, 60, 60]);
        assert_eq!(backoff.after_loss(STABLE_AFTER, 1.0).as_secs(), 30);
        assert_eq!(backoff.after_loss(Duration::ZERO, 0.0), FLOOR);
    }

    #[test]
    fn chance_is_spread_over_the_whole_range() {
        let draws: Vec<f64> = (0..1000).map(|_| random()).collect();
        let mean = draws.iter().sum::<f64>() / 1000.0;
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
