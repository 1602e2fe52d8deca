//! Lets one of many repeated reports pass in each interval, and counts the others.

use std::time::{Duration, Instant};

/// Limits repeated log lines and events.
#[derive(Debug)]
pub struct Throttle {
    every: Duration,
    last: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// One report may pass in each interval `every`.
    pub const fn new(every: Duration) -> Self {
        Self { every, last: None, suppressed: 0 }
    }

    /// Whether a report at `now` may pass: if so, the number of reports that were suppressed before it.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < self.every) {
            self.suppress();
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }

    /// Counts a report that may not pass at any time.
    pub const fn suppress(&mut self) {
        self.suppressed += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_report_passes_in_each_interval_with_the_number_of_the_others() {
        let (mut throttle, start) = (Throttle::new(Duration::from_secs(60)), Instant::now());
        let passed: Vec<_> =
            (0..180).filter_map(|second| throttle.admit(start + Duration::from_secs(second))).collect();
        assert_eq!(passed, [0, 59, 59]);
    }
}
