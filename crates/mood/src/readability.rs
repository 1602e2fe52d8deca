//! Statistics of the last seconds: how many faces could not be read and why, and how much the heads move.
//!
//! Only counts are stored. Which face could not be read is discarded with its observation.

use moodring_contract::Unread;
use moodring_contract::UnreadReason;
use std::time::{Duration, Instant};

use moodring_vision::{Observation, Readability};

/// Upper limit of the motion of one head in head widths per second. Faster heads stand up, or were confused with each
/// other.
const MAX_MOTION: f64 = 1.0;

/// Exponentially decaying counts of unread faces by reason, and of motion.
#[derive(Debug)]
pub(super) struct ReadabilityStatistics {
    half_life: Duration,
    /// Minimum width of a readable face in pixels; `None` when it is not reported.
    min_face_px: Option<u32>,
    newest: Option<Instant>,
    /// Weighted number of observations.
    observations: f64,
    /// Weighted counts of the reasons, in the order of [`REASONS`].
    unread: [f64; REASONS.len()],
    /// Weighted number of observations with visible heads.
    observations_with_heads: f64,
    /// Weighted sum of the mean motion of these observations.
    motion: f64,
}

const REASONS: [UnreadReason; 5] = [
    UnreadReason::TooSmall,
    UnreadReason::Turned,
    UnreadReason::Dark,
    UnreadReason::Blurred,
    UnreadReason::Covered,
];

impl ReadabilityStatistics {
    /// The half-life of an observation is a quarter of `window`, as in [`Window`](super::window::Window).
    pub(super) fn new(window: Duration, min_face_px: Option<u32>) -> Self {
        Self {
            half_life: window / 4,
            min_face_px,
            newest: None,
            observations: 0.0,
            unread: [0.0; REASONS.len()],
            observations_with_heads: 0.0,
            motion: 0.0,
        }
    }

    /// Adds the observation of one frame. Observations older than the newest are ignored.
    pub(super) fn push(&mut self, observation: &Observation) {
        let now = observation.captured_at;
        if self.newest.is_some_and(|newest| now < newest) {
            return;
        }
        let elapsed = self.newest.map_or(Duration::ZERO, |newest| now - newest);
        let decay = (-elapsed.as_secs_f64() / self.half_life.as_secs_f64()).exp2();
        for sum in [&mut self.observations, &mut self.observations_with_heads, &mut self.motion]
            .into_iter()
            .chain(&mut self.unread)
        {
            *sum *= decay;
        }
        self.newest = Some(now);
        self.observations += 1.0;
        for person in &observation.people {
            if let Some(index) =
                REASONS.iter().position(|reason| reason_of(person.readability) == Some(*reason))
            {
                self.unread[index] += 1.0;
            }
        }
        let visible = || observation.people.iter().filter(|person| person.unseen_for.is_zero());
        let count = visible().count();
        if count > 0 {
            let motion: f64 = visible().map(|person| f64::from(person.motion).clamp(0.0, MAX_MOTION)).sum();
            self.motion += motion / count as f64;
            self.observations_with_heads += 1.0;
        }
    }

    /// Removes all observations.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.half_life * 4, self.min_face_px);
    }

    /// Mean motion of the visible heads in head widths per second, 0..=[`MAX_MOTION`]; `None` without visible heads.
    pub(super) fn motion(&self) -> Option<f64> {
        (self.observations_with_heads > 0.0).then(|| self.motion / self.observations_with_heads)
    }

    /// The most frequent reason, if it applies to at least `min_faces` of `people`.
    pub(super) fn unread(&self, people: u32, min_faces: u32) -> Option<Unread> {
        let (index, count) =
            self.unread.iter().enumerate().reduce(|max, other| if other.1 > max.1 { other } else { max })?;
        let faces = (count / self.observations.max(1.0)).round().min(f64::from(people)) as u32;
        let reason = REASONS[index];
        let below_px = self.min_face_px.filter(|_| reason == UnreadReason::TooSmall);
        (faces >= min_faces.max(1)).then_some(Unread { reason, faces, of: people, below_px })
    }
}

fn reason_of(readability: Readability) -> Option<UnreadReason> {
    match readability {
        Readability::Ok => None,
        Readability::Covered => Some(UnreadReason::Covered),
        Readability::Turned => Some(UnreadReason::Turned),
        Readability::TooSmall => Some(UnreadReason::TooSmall),
        Readability::Dark => Some(UnreadReason::Dark),
        Readability::Blurred => Some(UnreadReason::Blurred),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{observation, person};
    use super::*;

    #[test]
    fn most_frequent_reason_is_reported_when_enough_faces_are_affected() {
        let start = Instant::now();
        let mut statistics = ReadabilityStatistics::new(Duration::from_secs(30), Some(18));
        for second in 0..20 {
            let at = start + Duration::from_secs(second);
            let mut seen = observation(at, (0..31).map(|seat| person(seat, Some((6, at)))));
            seen.people[..14].iter_mut().for_each(|person| person.readability = Readability::TooSmall);
            seen.people[14..20].iter_mut().for_each(|person| person.readability = Readability::Turned);
            statistics.push(&seen);
        }
        let unread = statistics.unread(31, 5).unwrap();
        assert_eq!(unread.words(), "back rows too small: 14 of 31 faces below 18 px");
        assert_eq!(statistics.unread(31, 15), None);
        statistics.clear();
        assert_eq!((statistics.unread(31, 1), statistics.motion()), (None, None));
    }

    #[test]
    fn older_observations_decay_and_motion_is_limited() {
        let start = Instant::now();
        let mut statistics = ReadabilityStatistics::new(Duration::from_secs(40), None);
        let mut push = |second, motion: f32| {
            let at = start + Duration::from_secs(second);
            let mut seen = observation(at, (0..10).map(|seat| person(seat, None)));
            seen.people.iter_mut().for_each(|person| person.motion = motion);
            statistics.push(&seen);
            statistics.motion().unwrap()
        };
        assert!((push(0, 9.0) - 1.0).abs() < 1e-9);
        assert!((push(10, 0.0) - 1.0 / 3.0).abs() < 1e-9);
        assert!((push(5, 9.0) - 1.0 / 3.0).abs() < 1e-9, "late observations are ignored");
    }
}
