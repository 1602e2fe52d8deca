//! Detects that the clock was set, by comparison with the monotonic clock.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// A smaller difference between two moods is a correction by the time server, or a mood that was processed late.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(2);

/// By how much the clock has run ahead of the monotonic clock since both showed `since`. They show `at` and `now`.
pub(super) fn drift(since: (Timestamp, Instant), at: Timestamp, now: Instant) -> SignedDuration {
    let elapsed = SignedDuration::try_from(now.saturating_duration_since(since.1));
    at.duration_since(since.0) - elapsed.unwrap_or(SignedDuration::MAX)
}

/// Follows both clocks from mood to mood.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    last: Option<(Timestamp, Instant)>,
}

impl ClockWatch {
    /// By how much the clock was set since the last call; `None` if it was not. It shows `at`, the monotonic clock `now`.
    pub(super) fn was_set_by(&mut self, at: Timestamp, now: Instant) -> Option<SignedDuration> {
        let last = self.last.replace((at, now))?;
        let shift = drift(last, at, now);
        (at < last.0 || shift.abs() > TOLERANCE).then_some(shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_clock_that_was_set_is_detected_and_a_correction_or_a_gap_is_not() {
        let (start, at) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let mut watch = ClockWatch::default();
        let mut was_set = |clock_s: i64, up_s: u64| {
            let shift =
                watch.was_set_by(at + SignedDuration::from_secs(clock_s), start + Duration::from_secs(up_s));
            shift.map(|shift| shift.as_secs())
        };
        assert_eq!(was_set(1_000_000, 0), None, "the first mood");
        assert_eq!(was_set(1_000_060, 30), None, "a correction");
        assert_eq!(was_set(1_004_060, 4030), None, "no mood for an hour");
        assert_eq!(was_set(1_200_061, 4031), Some(196_000));
        assert_eq!(was_set(1_200_062, 4032), None);
        assert_eq!(was_set(1_200_050, 4033), Some(-13), "any step back: rows would overlap");
    }
}
