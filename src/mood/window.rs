//! What was seen in the last seconds, weighed by age: [`Window`] keeps sums and counts, never a person.
//!
//! Its one decision: a seat counts once, however often it was read, so that people in front, whose faces are
//! read more easily, do not outvote the back rows.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::vision::{Expressions, Observation, SeatId};

/// Most observations that are kept: the longest window (600 s) at the fastest cycle (10 a second).
const MOST_COUNTS: usize = 6_000;
/// Most seats that are kept; more heads than this are not told apart in one picture.
const MOST_SEATS: usize = 512;

/// Observations of the last `span`, each weighing half as much after every quarter of it.
#[derive(Debug)]
pub(super) struct Window {
    span: Duration,
    half_life: Duration,
    counts: VecDeque<Count>,
    seats: HashMap<SeatId, SeatReadings>,
}

/// How many people one observation showed.
#[derive(Debug, Clone, Copy)]
struct Count {
    at: Instant,
    people: u32,
    facing: u32,
}

/// Readings of one seat, decayed to the time of the newest.
#[derive(Debug, Clone, Copy)]
struct SeatReadings {
    read_at: Instant,
    weight: f32,
    weighted: [f32; 7],
}

/// What the window holds at the time of its newest observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    /// Weighted median of the number of heads.
    pub(super) people: u32,
    /// Weighted share of heads that face the front, 0..=1; 0 without heads.
    pub(super) facing: f64,
    /// Seats of which a face was read within the window.
    pub(super) seats_read: u32,
    /// Mean over those seats of their mean probabilities, if there are any.
    pub(super) expressions: Option<[f64; 7]>,
}

impl Window {
    pub(super) fn new(span: Duration) -> Self {
        Self { span, half_life: span / 4, counts: VecDeque::new(), seats: HashMap::new() }
    }

    /// Takes in what one frame showed. Observations older than the newest are ignored.
    pub(super) fn push(&mut self, observation: &Observation) {
        let now = observation.captured_at;
        if self.newest().is_some_and(|newest| now < newest) {
            return;
        }
        self.expire(now);
        let facing = observation.people.iter().filter(|person| person.faces_front()).count();
        self.counts.push_back(Count {
            at: now,
            people: u32::try_from(observation.people.len()).unwrap_or(u32::MAX),
            facing: u32::try_from(facing).unwrap_or(u32::MAX),
        });
        for person in &observation.people {
            let Some(reading) = person.reading else { continue };
            if now.saturating_duration_since(reading.read_at) < self.span
                && (self.seats.len() < MOST_SEATS || self.seats.contains_key(&person.seat))
            {
                let half_life = self.half_life;
                self.seats
                    .entry(person.seat)
                    .or_insert(SeatReadings { read_at: reading.read_at, weight: 0.0, weighted: [0.0; 7] })
                    .add(reading.expressions, reading.read_at, half_life);
            }
        }
    }

    /// Capture time of the newest observation.
    pub(super) fn newest(&self) -> Option<Instant> {
        self.counts.back().map(|count| count.at)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.counts.clear();
        self.seats.clear();
    }

    /// The window as of its newest observation; `None` before the first.
    pub(super) fn summary(&self) -> Option<Summary> {
        let newest = self.newest()?;
        let weight = |at: Instant| f64::from(decay(newest.saturating_duration_since(at), self.half_life));
        let (mut heads, mut facing) = (0.0, 0.0);
        let mut people: Vec<(u32, f64)> = Vec::with_capacity(self.counts.len());
        for count in &self.counts {
            let weight = weight(count.at);
            heads += weight * f64::from(count.people);
            facing += weight * f64::from(count.facing);
            people.push((count.people, weight));
        }
        let mut sums = [0.0; 7];
        for seat in self.seats.values() {
            for (sum, weighted) in sums.iter_mut().zip(seat.weighted) {
                *sum += f64::from(weighted / seat.weight);
            }
        }
        let seats_read = self.seats.len();
        Some(Summary {
            people: weighted_median(&mut people),
            facing: if heads > 0.0 { facing / heads } else { 0.0 },
            seats_read: u32::try_from(seats_read).unwrap_or(u32::MAX),
            expressions: (seats_read > 0).then(|| sums.map(|sum| sum / seats_read as f64)),
        })
    }

    fn expire(&mut self, now: Instant) {
        let span = self.span;
        let expired = |at: Instant| now.saturating_duration_since(at) >= span;
        while self.counts.front().is_some_and(|count| expired(count.at)) || self.counts.len() >= MOST_COUNTS {
            self.counts.pop_front();
        }
        self.seats.retain(|_, seat| !expired(seat.read_at));
    }
}

impl SeatReadings {
    /// Adds a reading; the same reading, seen again in a later observation, changes nothing.
    fn add(&mut self, expressions: Expressions, read_at: Instant, half_life: Duration) {
        if self.weight > 0.0 && read_at <= self.read_at {
            return;
        }
        let kept = decay(read_at.saturating_duration_since(self.read_at), half_life);
        self.weight = self.weight * kept + 1.0;
        for (sum, probability) in self.weighted.iter_mut().zip(expressions.0) {
            *sum = *sum * kept + probability;
        }
        self.read_at = read_at;
    }
}

/// Weight that is left after `age`: one half for every `half_life`.
fn decay(age: Duration, half_life: Duration) -> f32 {
    (-age.as_secs_f32() / half_life.as_secs_f32()).exp2()
}

/// The smallest value that at least half of the weight does not exceed; 0 for no values.
fn weighted_median(values: &mut [(u32, f64)]) -> u32 {
    values.sort_unstable_by_key(|(value, _)| *value);
    let half = values.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    for (value, weight) in values.iter() {
        sum += weight;
        if sum >= half {
            return *value;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::super::tests::{observation, person};
    use super::*;

    const SPAN: Duration = Duration::from_secs(40);

    #[test]
    fn a_reading_counts_once_however_often_it_is_reported() {
        let start = Instant::now();
        let mut window = Window::new(SPAN);
        for second in 0..10 {
            let at = start + Duration::from_secs(second);
            // Seat 1 was read once, at the beginning; seat 2 is read in every frame.
            window.push(&observation(at, [person(1, Some((3, start))), person(2, Some((6, at)))]));
        }
        let shares = window.summary().unwrap().expressions.unwrap();
        assert!((shares[3] - 0.5).abs() < 1e-6, "{shares:?}");
        assert!((shares[6] - 0.5).abs() < 1e-6, "{shares:?}");
    }

    #[test]
    fn newer_readings_of_a_seat_weigh_more() {
        let start = Instant::now();
        let mut window = Window::new(SPAN);
        window.push(&observation(start, [person(1, Some((3, start)))]));
        let later = start + SPAN / 4;
        window.push(&observation(later, [person(1, Some((6, later)))]));
        let shares = window.summary().unwrap().expressions.unwrap();
        assert!((shares[3] - 1.0 / 3.0).abs() < 1e-6 && (shares[6] - 2.0 / 3.0).abs() < 1e-6, "{shares:?}");
    }

    #[test]
    fn one_bad_frame_does_not_change_the_number_of_people() {
        let start = Instant::now();
        let mut window = Window::new(SPAN);
        for second in 0..9 {
            let people = (0..if second == 7 { 2 } else { 6 }).map(|seat| person(seat, None));
            window.push(&observation(start + Duration::from_secs(second), people));
        }
        assert_eq!(window.summary().unwrap().people, 6);
    }

    #[test]
    fn what_is_older_than_the_window_is_gone() {
        let start = Instant::now();
        let mut window = Window::new(SPAN);
        window.push(&observation(start, [person(1, Some((3, start)))]));
        window.push(&observation(start + SPAN, [person(2, None)]));
        let summary = window.summary().unwrap();
        assert_eq!((summary.people, summary.seats_read, summary.expressions), (1, 0, None));
        window.clear();
        assert_eq!(window.summary(), None);
    }

    #[test]
    fn seats_and_observations_are_bounded() {
        let start = Instant::now();
        let mut window = Window::new(Duration::from_secs(600));
        for step in 0..7_000_u32 {
            let at = start + Duration::from_millis(u64::from(step));
            window.push(&observation(at, [person(step, Some((0, at)))]));
        }
        assert_eq!(window.counts.len(), MOST_COUNTS);
        assert_eq!(window.seats.len(), MOST_SEATS);
    }
}
