//! How long to wait before the next attempt, with full jitter: a campus that comes back after a power cut must not come
//! back all at once (M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST_CEILING: Duration = Duration::from_millis(500);
const LAST_CEILING: Duration = Duration::from_secs(30);
/// Even the luckiest draw leaves the other side this much rest.
const FLOOR: Duration = Duration::from_millis(100);

/// The failures since the last success.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure; `random` is drawn evenly from 0 to 1.
    pub(super) fn after_failure(&mut self, random: f64) -> Duration {
        let ceiling = FIRST_CEILING.saturating_mul(1 << self.failures.min(6)).min(LAST_CEILING);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(random.clamp(0.0, 1.0)).max(FLOOR)
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Evenly from 0 to 1; the standard library's only source of chance, good enough to spread attempts.
pub(super) fn random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_half_a_minute_until_something_works() {
        let mut backoff = Backoff::default();
        let ceilings: Vec<_> = (0..8).map(|_| backoff.after_failure(1.0).as_millis()).collect();
        assert_eq!(ceilings, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        backoff.reset();
        assert_eq!(backoff.after_failure(1.0), FIRST_CEILING);
        assert_eq!(backoff.after_failure(0.0), FLOOR);
    }
}
