//! Decides which lessons are old enough to be deleted, and whether the clock is reliable enough to delete them.
//!
//! A deletion cannot be undone, and a clock without a battery or with a wrong time server can be wrong by years. So nothing is
//! deleted while the clock is not synchronized, or before it has run for a while without a jump, compared with the
//! monotonic clock.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::clock::drift;
use moodring_config as config;

/// A clock that differs from even running by more than this was set.
const JUMP: SignedDuration = SignedDuration::from_hours(24);
/// Time for which a synchronized clock must have run evenly.
const PROVED_AFTER: Duration = Duration::from_secs(3600);
/// The same for a clock of which nobody says whether it is synchronized.
const PROVED_ALONE_AFTER: Duration = Duration::from_secs(3 * 3600);

/// How long lessons are kept, and whether the clock may decide about it.
#[derive(Debug)]
pub(super) struct Retention {
    keep: SignedDuration,
    /// Since when the clock has run evenly.
    even_since: Option<(Timestamp, Instant)>,
}

impl Retention {
    pub(super) fn new(lessons: &config::Lessons) -> Self {
        Self { keep: keep(lessons), even_since: None }
    }

    pub(super) fn reconfigure(&mut self, lessons: &config::Lessons) {
        self.keep = keep(lessons);
    }

    /// Lessons that began before this time may be deleted at `at`, which is `now` on the monotonic clock. `None`:
    /// the clock has not proved itself. `synchronised`: whether it is synchronized over the network, if anybody knows.
    pub(super) fn delete_before(
        &mut self,
        at: Timestamp,
        now: Instant,
        synchronised: Option<bool>,
    ) -> Option<Timestamp> {
        if synchronised == Some(false) {
            self.even_since = None;
            return None;
        }
        let since = match self.even_since {
            Some(since) if drift(since, at, now).abs() <= JUMP => since.1,
            _ => self.even_since.insert((at, now)).1,
        };
        let required = if synchronised == Some(true) { PROVED_AFTER } else { PROVED_ALONE_AFTER };
        (now.saturating_duration_since(since) >= required).then(|| at - self.keep)
    }
}

fn keep(lessons: &config::Lessons) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(lessons.keep_days))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    /// A device that asks every minute, and its two clocks.
    struct Clocks {
        retention: Retention,
        start: Instant,
        up_s: u64,
        ahead: SignedDuration,
    }

    impl Clocks {
        fn new() -> Self {
            let lessons = config::Lessons { keep_days: 90, ..config::Lessons::default() };
            let retention = Retention::new(&lessons);
            Self { retention, start: Instant::now(), up_s: 0, ahead: SignedDuration::ZERO }
        }

        /// Whether lessons may be deleted at any time within the next `seconds`.
        fn run(&mut self, seconds: u64, synchronised: Option<bool>) -> bool {
            let mut deletes = false;
            for _ in 0..seconds.div_ceil(60) {
                self.up_s += 60;
                let now = self.start + Duration::from_secs(self.up_s);
                let at = Timestamp::from_second(1_800_000_000 + self.up_s as i64).unwrap() + self.ahead;
                deletes |= self.retention.delete_before(at, now, synchronised).is_some();
            }
            deletes
        }
    }

    #[test]
    fn a_clock_that_runs_evenly_may_delete_after_a_while() {
        let mut clocks = Clocks::new();
        assert!(!clocks.run(HOUR, Some(true)));
        assert!(clocks.run(120, Some(true)));
        let mut alone = Clocks::new();
        assert!(!alone.run(3 * HOUR, None) && alone.run(120, None));
    }

    #[test]
    fn a_clock_that_jumps_days_ahead_deletes_nothing() {
        let mut clocks = Clocks::new();
        assert!(clocks.run(2 * HOUR, Some(true)));
        clocks.ahead = SignedDuration::from_hours(200 * 24);
        assert!(!clocks.run(60, Some(true)), "for a minute");
        clocks.ahead = SignedDuration::ZERO;
        assert!(!clocks.run(HOUR, Some(true)), "and after it is set back it must prove itself again");
        assert!(clocks.run(120, Some(true)));
    }

    #[test]
    fn an_unsynchronised_clock_deletes_nothing() {
        assert!(!Clocks::new().run(100 * HOUR, Some(false)));
        let mut clocks = Clocks::new();
        clocks.run(2 * HOUR, Some(true));
        assert!(!clocks.run(60, Some(false)) && !clocks.run(HOUR, Some(true)));
    }

    #[test]
    fn summer_time_and_corrections_are_no_jumps() {
        let mut clocks = Clocks::new();
        assert!(clocks.run(2 * HOUR, Some(true)));
        clocks.ahead = SignedDuration::from_mins(30);
        assert!(clocks.run(60, Some(true)));
    }
}
