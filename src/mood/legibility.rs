//! Whether the class can be read at all, and how much its heads move: counts of the last seconds.
//!
//! Counts only: which face could not be read is forgotten with its observation.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use crate::vision::{Observation, Verdict};

/// Faster heads than this, in head widths a second, count like this: they stand up, or were mistaken for each
/// other.
const MOST_MOTION: f64 = 1.0;

/// The main reason why faces could not be read, told when it concerns enough people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Unread {
    /// The reason.
    pub reason: UnreadReason,
    /// Faces of which it holds.
    pub faces: u32,
    /// Faces in the room.
    pub of: u32,
    /// Width in pixels that a face must have, where faces are too small.
    pub below_px: Option<u32>,
}

/// Why a face could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnreadReason {
    /// Something is in front of it.
    Covered,
    /// It looks elsewhere.
    Turned,
    /// It has too few pixels: most often in the rows that are farthest.
    TooSmall,
    /// It has too little light or contrast.
    Dark,
    /// It is out of focus, or moved.
    Blurred,
}

impl Unread {
    /// The reason as one says it, with its counts.
    pub fn words(&self) -> String {
        let Self { reason, faces, of, below_px } = *self;
        match (reason, below_px) {
            (UnreadReason::TooSmall, Some(pixels)) => {
                format!("back rows too small: {faces} of {of} faces below {pixels} px")
            }
            (UnreadReason::TooSmall, None) => format!("back rows too small: {faces} of {of} faces"),
            (UnreadReason::Turned, _) => format!("turned away: {faces} of {of} faces"),
            (UnreadReason::Covered, _) => format!("hidden: {faces} of {of} faces"),
            (UnreadReason::Dark, _) => format!("too dark: {faces} of {of} faces"),
            (UnreadReason::Blurred, _) => format!("not sharp: {faces} of {of} faces"),
        }
    }
}

/// Verdicts and motion of the last seconds, older ones weighing less.
#[derive(Debug)]
pub(super) struct Legibility {
    half_life: Duration,
    /// Width in pixels below which a face is too small.
    least_face_px: Option<u32>,
    newest: Option<Instant>,
    observations: f64,
    /// Weighted counts of the reasons, in the order of [`REASONS`].
    unread: [f64; REASONS.len()],
    moving: f64,
    motion: f64,
}

const REASONS: [UnreadReason; 5] = [
    UnreadReason::TooSmall,
    UnreadReason::Turned,
    UnreadReason::Dark,
    UnreadReason::Blurred,
    UnreadReason::Covered,
];

impl Legibility {
    /// Observations count half after a quarter of `window`, as readings do.
    pub(super) fn new(window: Duration, least_face_px: Option<u32>) -> Self {
        Self {
            half_life: window / 4,
            least_face_px,
            newest: None,
            observations: 0.0,
            unread: [0.0; REASONS.len()],
            moving: 0.0,
            motion: 0.0,
        }
    }

    /// Takes in what one frame showed. Observations older than the newest are ignored.
    pub(super) fn push(&mut self, observation: &Observation) {
        let now = observation.captured_at;
        if self.newest.is_some_and(|newest| now < newest) {
            return;
        }
        let elapsed = self.newest.map_or(Duration::ZERO, |newest| now - newest);
        let kept = (-elapsed.as_secs_f64() / self.half_life.as_secs_f64()).exp2();
        for sum in
            [&mut self.observations, &mut self.moving, &mut self.motion].into_iter().chain(&mut self.unread)
        {
            *sum *= kept;
        }
        self.newest = Some(now);
        self.observations += 1.0;
        for person in &observation.people {
            if let Some(place) = REASONS.iter().position(|reason| reason_of(person.verdict) == Some(*reason))
            {
                self.unread[place] += 1.0;
            }
        }
        let visible = || observation.people.iter().filter(|person| person.unseen_for.is_zero());
        let count = visible().count();
        if count > 0 {
            let motion: f64 = visible().map(|person| f64::from(person.motion).clamp(0.0, MOST_MOTION)).sum();
            self.motion += motion / count as f64;
            self.moving += 1.0;
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.half_life * 4, self.least_face_px);
    }

    /// Mean motion of the visible heads in head widths a second.
    pub(super) fn motion(&self) -> Option<f64> {
        (self.moving > 0.0).then(|| self.motion / self.moving)
    }

    /// The reason that concerns most of `people`, if it concerns at least `least` of them.
    pub(super) fn unread(&self, people: u32, least: u32) -> Option<Unread> {
        let (place, count) = self
            .unread
            .iter()
            .enumerate()
            .reduce(|most, other| if other.1 > most.1 { other } else { most })?;
        let faces = (count / self.observations.max(1.0)).round().min(f64::from(people)) as u32;
        let reason = REASONS[place];
        let below_px = self.least_face_px.filter(|_| reason == UnreadReason::TooSmall);
        (faces >= least.max(1)).then_some(Unread { reason, faces, of: people, below_px })
    }
}

fn reason_of(verdict: Verdict) -> Option<UnreadReason> {
    match verdict {
        Verdict::Ok => None,
        Verdict::Covered => Some(UnreadReason::Covered),
        Verdict::Turned => Some(UnreadReason::Turned),
        Verdict::TooSmall => Some(UnreadReason::TooSmall),
        Verdict::Dark => Some(UnreadReason::Dark),
        Verdict::Blurred => Some(UnreadReason::Blurred),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{observation, person};
    use super::*;

    #[test]
    fn the_main_reason_is_told_with_its_counts_when_it_concerns_enough() {
        let start = Instant::now();
        let mut legibility = Legibility::new(Duration::from_secs(30), Some(18));
        for second in 0..20 {
            let at = start + Duration::from_secs(second);
            let mut seen = observation(at, (0..31).map(|seat| person(seat, Some((6, at)))));
            seen.people[..14].iter_mut().for_each(|person| person.verdict = Verdict::TooSmall);
            seen.people[14..20].iter_mut().for_each(|person| person.verdict = Verdict::Turned);
            legibility.push(&seen);
        }
        let unread = legibility.unread(31, 5).unwrap();
        assert_eq!(unread.words(), "back rows too small: 14 of 31 faces below 18 px");
        assert_eq!(legibility.unread(31, 15), None);
        legibility.clear();
        assert_eq!((legibility.unread(31, 1), legibility.motion()), (None, None));
    }

    #[test]
    fn older_pictures_weigh_less_and_a_jump_counts_as_one_width_a_second() {
        let start = Instant::now();
        let mut legibility = Legibility::new(Duration::from_secs(40), None);
        let mut push = |second, motion: f32| {
            let at = start + Duration::from_secs(second);
            let mut seen = observation(at, (0..10).map(|seat| person(seat, None)));
            seen.people.iter_mut().for_each(|person| person.motion = motion);
            legibility.push(&seen);
            legibility.motion().unwrap()
        };
        assert!((push(0, 9.0) - 1.0).abs() < 1e-9);
        assert!((push(10, 0.0) - 1.0 / 3.0).abs() < 1e-9);
        assert!((push(5, 9.0) - 1.0 / 3.0).abs() < 1e-9, "late observations are ignored");
    }
}
