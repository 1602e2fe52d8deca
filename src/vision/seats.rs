//! Seats: which head of this frame is which head of the last one.
//!
//! People in a classroom sit still, so a head belongs to the seat whose last head was nearest. A seat
//! outlives some cycles without a head, because people bend down and hide each other.

use super::heads::{Head, MAX_HEADS};
use super::{PixelBox, Reading, SeatId};

/// A seat ends after so many cycles without a head: 5 s at the default pace.
const MISSED_CYCLES: u32 = 10;

/// More seats are never kept. Twice the heads of a frame, so that a frame's heads never push each other out.
const MAX_SEATS: usize = 2 * MAX_HEADS;

/// A head may have moved this far between two cycles, in units of the larger of the two heads.
const MAX_MOVE: f32 = 0.75;

/// A head may have grown or shrunk by this factor.
const MAX_GROWTH: f32 = 2.0;

/// A seat that somebody was seen on.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Its identity.
    pub id: SeatId,
    /// The newest reading of its face.
    pub reading: Option<Reading>,
    bounds: PixelBox,
    missed_cycles: u32,
}

/// All seats.
#[derive(Debug, Clone, Default)]
pub struct Seats {
    seats: Vec<Seat>,
    next_id: u32,
    /// How far a head is from a seat, with their indices: one cycle's, kept for its memory.
    pairs: Vec<(f32, usize, usize)>,
}

impl Seats {
    /// Takes the heads of the next frame; `places` becomes the index of each head's seat.
    ///
    /// Pairs of head and seat are taken by growing distance, each head and each seat once. Heads left over
    /// get new seats; seats left over stay for some cycles. Heads beyond [`MAX_HEADS`] get no place.
    pub fn follow(&mut self, heads: &[Head], places: &mut Vec<usize>) {
        const NONE: usize = usize::MAX;
        self.seats.iter_mut().for_each(|seat| seat.missed_cycles += 1);
        self.seats.retain(|seat| seat.missed_cycles <= MISSED_CYCLES);
        let heads = &heads[..heads.len().min(MAX_HEADS)];
        places.clear();
        places.resize(heads.len(), NONE);

        self.pairs.clear();
        for (head, Head { bounds, .. }) in heads.iter().enumerate() {
            let near = |(index, seat): (usize, &Seat)| Some((distance(*bounds, seat.bounds)?, head, index));
            self.pairs.extend(self.seats.iter().enumerate().filter_map(near));
        }
        self.pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        for &(_, head, index) in &self.pairs {
            let seat = &mut self.seats[index];
            if places[head] == NONE && seat.missed_cycles > 0 {
                places[head] = index;
                (seat.bounds, seat.missed_cycles) = (heads[head].bounds, 0);
            }
        }
        for (place, head) in places.iter_mut().zip(heads).filter(|(place, _)| **place == NONE) {
            *place = self.add(head.bounds);
        }
    }

    /// A new seat; when there are too many, in the place of the one that was missed longest.
    fn add(&mut self, bounds: PixelBox) -> usize {
        let seat = Seat { id: SeatId(self.next_id), reading: None, bounds, missed_cycles: 0 };
        self.next_id = self.next_id.wrapping_add(1);
        if self.seats.len() < MAX_SEATS {
            self.seats.push(seat);
            return self.seats.len() - 1;
        }
        let longest = (0..self.seats.len()).max_by_key(|&index| self.seats[index].missed_cycles);
        let index = longest.unwrap_or(0);
        self.seats[index] = seat;
        index
    }

    /// The seat at a place that [`Seats::follow`] gave.
    pub fn at(&mut self, place: usize) -> &mut Seat {
        &mut self.seats[place]
    }

    /// Brings the indices of `places` in `turn` into the order in which their faces should be read: never
    /// read ones first, then the reading that is oldest.
    pub fn by_oldest_reading(&self, places: &[usize], turn: &mut [usize]) {
        turn.sort_unstable_by_key(|&index| {
            let seat = &self.seats[places[index]];
            (seat.reading.map(|reading| reading.read_at), seat.id)
        });
    }

    /// How many seats there are.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }
}

/// How unlikely it is that a head moved from `b` to `a`; none when it is out of the question.
fn distance(a: PixelBox, b: PixelBox) -> Option<f32> {
    let (size_a, size_b) = (a.width.max(a.height), b.width.max(b.height));
    let (larger, smaller) = (size_a.max(size_b), size_a.min(size_b));
    let ((x_a, y_a), (x_b, y_b)) = (a.centre(), b.centre());
    let moved = (x_a - x_b).hypot(y_a - y_b) / larger;
    // The overlap settles it between heads whose centres are equally far.
    (moved < MAX_MOVE && larger <= MAX_GROWTH * smaller).then(|| moved + 1.0 - a.iou(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::Expressions;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    fn head(x: f32, y: f32, size: f32) -> Head {
        let bounds = PixelBox { x, y, width: size, height: size };
        Head { bounds, score: 0.9, face: bounds, face_score: 0.9 }
    }

    fn follow(seats: &mut Seats, heads: &[Head]) -> Vec<SeatId> {
        let mut places = Vec::new();
        seats.follow(heads, &mut places);
        places.into_iter().map(|place| seats.at(place).id).collect()
    }

    #[test]
    fn heads_that_move_a_little_keep_their_seats_in_any_order() {
        let mut seats = Seats::default();
        let first = follow(&mut seats, &[head(0.0, 0.0, 40.0), head(60.0, 0.0, 40.0)]);
        assert_eq!(first, [SeatId(0), SeatId(1)]);
        let second = follow(&mut seats, &[head(50.0, 5.0, 38.0), head(-10.0, 0.0, 42.0)]);
        assert_eq!(second, [SeatId(1), SeatId(0)]);
        // Somebody else sits down; far away or of another size is somebody else.
        let third = follow(&mut seats, &[head(50.0, 5.0, 100.0), head(300.0, 0.0, 40.0)]);
        assert_eq!(third, [SeatId(2), SeatId(3)]);
    }

    #[test]
    fn a_seat_outlives_some_missed_cycles_and_then_ends() {
        let mut seats = Seats::default();
        let there = [head(0.0, 0.0, 40.0)];
        assert_eq!(follow(&mut seats, &there), [SeatId(0)]);
        (0..MISSED_CYCLES - 1).for_each(|_| assert!(follow(&mut seats, &[]).is_empty()));
        assert_eq!(follow(&mut seats, &there), [SeatId(0)]);
        (0..MISSED_CYCLES + 1).for_each(|_| assert!(follow(&mut seats, &[]).is_empty()));
        assert!(seats.is_empty());
        assert_eq!(follow(&mut seats, &there), [SeatId(1)]);
    }

    #[test]
    fn faces_are_read_in_turn() {
        let start = Instant::now();
        let mut seats = Seats::default();
        let heads = [head(0.0, 0.0, 40.0), head(100.0, 0.0, 40.0), head(200.0, 0.0, 40.0)];
        let mut places = Vec::new();
        let mut read = Vec::new();
        for cycle in 0..6 {
            seats.follow(&heads, &mut places);
            let mut turn = [2, 0, 1];
            seats.by_oldest_reading(&places, &mut turn);
            read.push(turn[0]);
            let read_at = start + Duration::from_secs(cycle);
            seats.at(places[turn[0]]).reading = Some(Reading { expressions: Expressions::UNKNOWN, read_at });
        }
        assert_eq!(read, [0, 1, 2, 0, 1, 2]);
    }

    proptest! {
        #[test]
        fn every_head_gets_a_seat_of_its_own_and_seats_stay_few(
            frames in proptest::collection::vec(
                proptest::collection::vec((0f32..2000.0, 0f32..1000.0, 0f32..90.0), 0..300), 1..25)
        ) {
            let mut seats = Seats::default();
            for frame in frames {
                let heads: Vec<Head> = frame.into_iter().map(|(x, y, size)| head(x, y, size)).collect();
                let mut ids = follow(&mut seats, &heads);
                prop_assert_eq!(ids.len(), heads.len().min(MAX_HEADS));
                ids.sort_unstable();
                ids.dedup();
                prop_assert_eq!(ids.len(), heads.len().min(MAX_HEADS));
                prop_assert!(seats.len() <= MAX_SEATS);
            }
        }
    }
}
