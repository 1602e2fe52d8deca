//! Observations of the last seconds: [`Window`] stores counts, weighted by age, and the newest belief of each seat.
//!
//! Each seat counts once, with its belief after the newest reading. Otherwise people in front, whose faces are read
//! more often, would outvote the back rows.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use moodring_vision::{Expressions, Observation, SeatId};

/// Maximum number of stored observations: the longest window (600 s) at the fastest cycle (10 per second).
const MAX_COUNTS: usize = 6_000;
/// Maximum number of stored seats; vision does not distinguish more heads than this in one frame.
const MAX_SEATS: usize = 512;

/// Half-life of the number of heads in a gallery. Heads in tiles are not occluded, so that their number needs little
/// smoothing and is right within seconds after a rearrangement of the tiles.
const GALLERY_HALF_LIFE: Duration = Duration::from_secs(2);

/// Observations of the last `span`; their weight has a half-life of a quarter of it.
#[derive(Debug)]
pub(super) struct Window {
    span: Duration,
    half_life: Duration,
    /// Half-life of the number of heads.
    people_half_life: Duration,
    counts: VecDeque<Count>,
    seats: HashMap<SeatId, Evidence>,
}

/// Counts of one observation.
#[derive(Debug, Clone, Copy)]
struct Count {
    at: Instant,
    people: u32,
    facing: u32,
}

/// Belief of one seat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Evidence {
    pub(super) seat: SeatId,
    /// Probabilities of the expressions, after the newest reading.
    pub(super) belief: Expressions,
    /// Capture time of the newest reading.
    pub(super) read_at: Instant,
}

/// Content of the window at the time of its newest observation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Summary {
    /// Weighted median of the number of heads.
    pub(super) people: u32,
    /// Weighted share of heads that face the front, 0..=1; 0 without heads.
    pub(super) facing: f64,
    /// Seats with a reading within the window, sorted by seat number.
    pub(super) seats: Vec<Evidence>,
}

impl Window {
    pub(super) fn new(span: Duration) -> Self {
        let half_life = span / 4;
        Self { span, half_life, people_half_life: half_life, counts: VecDeque::new(), seats: HashMap::new() }
    }

    /// A window for the tiles of a gallery (video call), with [`GALLERY_HALF_LIFE`].
    pub(super) fn for_gallery(span: Duration) -> Self {
        Self { people_half_life: GALLERY_HALF_LIFE, ..Self::new(span) }
    }

    /// Adds the observation of one frame. Observations older than the newest are ignored.
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
            let (Some(reading), Some(belief)) = (person.reading, person.belief) else { continue };
            if now.saturating_duration_since(reading.read_at) < self.span
                && (self.seats.len() < MAX_SEATS || self.seats.contains_key(&person.seat))
            {
                let new = Evidence { seat: person.seat, belief, read_at: reading.read_at };
                let evidence = self.seats.entry(person.seat).or_insert(new);
                // Between readings a belief only fades.
                if new.read_at > evidence.read_at {
                    *evidence = new;
                }
            }
        }
    }

    /// Capture time of the newest observation.
    pub(super) fn newest(&self) -> Option<Instant> {
        self.counts.back().map(|count| count.at)
    }

    /// Removes all observations and seats.
    pub(super) fn clear(&mut self) {
        self.counts.clear();
        self.seats.clear();
    }

    /// Summary at the time of the newest observation; `None` before the first.
    pub(super) fn summary(&self) -> Option<Summary> {
        let newest = self.newest()?;
        let weight_at =
            |at: Instant, half_life| f64::from(decay(newest.saturating_duration_since(at), half_life));
        let (mut heads, mut facing) = (0.0, 0.0);
        let mut people: Vec<(u32, f64)> = Vec::with_capacity(self.counts.len());
        for count in &self.counts {
            let weight = weight_at(count.at, self.half_life);
            heads += weight * f64::from(count.people);
            facing += weight * f64::from(count.facing);
            people.push((count.people, weight_at(count.at, self.people_half_life)));
        }
        let mut seats: Vec<Evidence> = self.seats.values().copied().collect();
        seats.sort_unstable_by_key(|evidence| evidence.seat);
        Some(Summary {
            people: weighted_median(&mut people),
            facing: if heads > 0.0 { facing / heads } else { 0.0 },
            seats,
        })
    }

    fn expire(&mut self, now: Instant) {
        let span = self.span;
        let expired = |at: Instant| now.saturating_duration_since(at) >= span;
        while self.counts.front().is_some_and(|count| expired(count.at)) || self.counts.len() >= MAX_COUNTS {
            self.counts.pop_front();
        }
        self.seats.retain(|_, evidence| !expired(evidence.read_at));
    }
}

/// Weight after `age`: halved for every `half_life`.
fn decay(age: Duration, half_life: Duration) -> f32 {
    (-age.as_secs_f32() / half_life.as_secs_f32()).exp2()
}

/// The smallest value such that values up to it hold at least half of the weight; 0 without values.
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
    use moodring_contract::Expression;

    const SPAN: Duration = Duration::from_secs(40);

    #[test]
    fn seat_counts_once_with_its_newest_belief() {
        let start = Instant::now();
        let mut window = Window::new(SPAN);
        for second in 0..10 {
            let at = start + Duration::from_secs(second);
            // Seat 2 is read once, at the beginning; seat 1 in every frame.
            let expression = if second < 5 { 3 } else { 6 };
            window.push(&observation(at, [person(2, Some((3, start))), person(1, Some((expression, at)))]));
        }
        let seats = window.summary().unwrap().seats;
        let believed: Vec<_> = seats.iter().map(|seat| (seat.seat.0, seat.belief.dominant())).collect();
        assert_eq!(believed, [(1, Expression::Neutral), (2, Expression::Happy)]);
        assert_eq!((seats[0].read_at, seats[1].read_at), (start + Duration::from_secs(9), start));
    }

    #[test]
    fn single_bad_frame_does_not_change_the_number_of_people() {
        let start = Instant::now();
        let mut window = Window::new(SPAN);
        for second in 0..9 {
            let people = (0..if second == 7 { 2 } else { 6 }).map(|seat| person(seat, None));
            window.push(&observation(start + Duration::from_secs(second), people));
        }
        assert_eq!(window.summary().unwrap().people, 6);
    }

    #[test]
    fn number_of_tiles_follows_within_seconds() {
        let start = Instant::now();
        let first_correct_step = |mut window: Window| {
            let at = |step: u64| start + Duration::from_millis(500 * step);
            (0..60)
                .for_each(|step| window.push(&observation(at(step), (0..25).map(|seat| person(seat, None)))));
            (60..).find(|&step| {
                window.push(&observation(at(step), (0..30).map(|seat| person(seat, None))));
                window.summary().unwrap().people == 30
            })
        };
        assert!(first_correct_step(Window::for_gallery(SPAN)).unwrap() - 60 <= 4, "two seconds");
        assert!(first_correct_step(Window::new(SPAN)).unwrap() - 60 > 10);
    }

    #[test]
    fn evidence_older_than_the_window_is_removed() {
        let start = Instant::now();
        let mut window = Window::new(SPAN);
        window.push(&observation(start, [person(1, Some((3, start)))]));
        window.push(&observation(start + SPAN, [person(2, None)]));
        let summary = window.summary().unwrap();
        assert_eq!((summary.people, summary.seats), (1, vec![]));
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
        assert_eq!(window.counts.len(), MAX_COUNTS);
        assert_eq!(window.seats.len(), MAX_SEATS);
    }
}
