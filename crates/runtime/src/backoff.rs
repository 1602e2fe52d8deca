//! The wait before the next attempt: exponential backoff with jitter, so that many devices do not reconnect at the
//! same moment.
//!
//! Source: M. Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015).

use std::time::Duration;

/// Minimum wait, whatever the jitter.
const FLOOR: Duration = Duration::from_millis(100);

/// The current ceiling of the wait, and its limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    /// Lower end of the jitter as a share of the ceiling, 0 to 1.
    min_share: f64,
    /// A connection of at least this duration resets the ceiling.
    stable_after: Duration,
    ceiling: Duration,
}

impl Default for Backoff {
    /// For a device on a cable, such as a camera: from 0.25 s up to 10 s.
    fn default() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(10))
    }
}

impl Backoff {
    /// The ceiling starts at `first` and doubles up to `max`. Each wait is between half the ceiling and the ceiling.
    pub fn new(first: Duration, max: Duration) -> Self {
        let first = first.min(max);
        Self { first, max, min_share: 0.5, stable_after: Duration::ZERO, ceiling: first }
    }

    /// Full jitter: each wait is between the minimum of 100 ms and the ceiling. For a server that many clients share.
    #[must_use]
    pub fn with_full_jitter(self) -> Self {
        Self { min_share: 0.0, ..self }
    }

    /// Only a connection of at least this duration counts as a success.
    #[must_use]
    pub fn stable_after(self, stable_after: Duration) -> Self {
        Self { stable_after, ..self }
    }

    /// The wait after one more failure. `random` is uniformly distributed in 0 to 1.
    pub fn after_failure(&mut self, random: f64) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = ceiling.saturating_mul(2).min(self.max);
        let share = self.min_share + (1.0 - self.min_share) * random.clamp(0.0, 1.0);
        ceiling.mul_f64(share).max(FLOOR.min(self.first))
    }

    /// The wait after the loss of a connection that lasted for `lived` (zero if there was none).
    pub fn after_loss(&mut self, lived: Duration, random: f64) -> Duration {
        if !lived.is_zero() && lived >= self.stable_after {
            self.reset();
        }
        self.after_failure(random)
    }

    /// Resets the ceiling to its first value. Call it after a success.
    pub fn reset(&mut self) {
        self.ceiling = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_ceiling_doubles_up_to_the_maximum_until_a_success() {
        let mut backoff = Backoff::new(s(1), s(5));
        let waits: Vec<_> = (0..4).map(|_| backoff.after_failure(1.0)).collect();
        assert_eq!(waits, [s(1), s(2), s(4), s(5)]);
        backoff.reset();
        assert_eq!(backoff.after_failure(0.0), s(1) / 2);
    }

    #[test]
    fn full_jitter_goes_down_to_the_floor() {
        let mut backoff = Backoff::new(s(30), s(60)).with_full_jitter();
        assert_eq!(backoff.after_failure(0.0), FLOOR);
        assert_eq!(backoff.after_failure(0.5), s(30));
    }

    #[test]
    fn only_a_stable_connection_resets_the_ceiling() {
        let mut backoff = Backoff::new(s(30), s(60)).with_full_jitter().stable_after(s(60));
        let waits: Vec<_> = (0..3).map(|_| backoff.after_loss(s(59), 1.0)).collect();
        assert_eq!(waits, [s(30), s(60), s(60)]);
        assert_eq!(backoff.after_loss(s(60), 1.0), s(30));
    }
}
