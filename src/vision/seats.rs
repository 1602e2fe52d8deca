//! Seats: which head of this frame is which head of earlier ones, and what is believed of each by now.
//!
//! Heads are given to seats all at once, so that the whole costs least, and a seat lasts by the clock and not by
//! cycles: it outlives somebody in front, a look at the neighbour and a slow beat. What is known of it lives in
//! memory only, under a number that means nothing and begins anew with every lesson.

mod assignment;
mod belief;
mod track;

use std::time::{Duration, Instant};

use assignment::Assignment;
use belief::{ExpressionBelief, FacingBelief, Memory, left};
use track::Track;

pub(super) use belief::facing;

use super::expression::View;
use super::heads::{Head, MAX_HEADS};
use super::{Expressions, Face, Person, PixelBox, Reading, SeatId, Verdict};
use crate::config;

/// More seats are never kept. Twice the heads of a frame, so that a frame's heads never push each other out.
const MAX_SEATS: usize = 2 * MAX_HEADS;

/// What it costs not to recognise a head, in nats: as much as a known head four deviations away whose box hardly
/// overlaps, for a known head would then have to be missed besides.
const UNKNOWN_HEAD: f32 = 10.0;

/// A hidden head is counted when it was found in at least this share of the cycles, so that what flickers at the
/// detector's threshold is counted as often as it is found, and the count stays without bias.
const STEADY: f32 = 0.5;

/// A head that was known for a moment only is kept for so many times that moment, and at least so many cycles.
const GHOST_FADES: u32 = 10;
const GHOST_CYCLES: u32 = 3;

/// In a gallery nobody hides behind another: who is not found for this long has the camera off or is gone. A second for
/// a hand before the face or a frame that stutters, and one for the slowest beat that is still smooth.
const MISSED_IN_A_TILE: Duration = Duration::from_secs(2);

/// What a seat is, and so what becomes of it when nobody is found there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A chair: who is not seen is hidden, and who comes back is the same.
    Chair,
    /// A tile of a gallery: its place soon is somebody else's. Numbers are used again, the lowest first and in reading
    /// order: who was there before a rearrangement is mostly there after it, so nobody counts twice in what was seen
    /// lately, and one who comes is to the disclosure one who comes, and not a whole new class.
    Tile,
}

/// A seat that somebody was seen on.
#[derive(Debug, Clone)]
struct Seat {
    id: SeatId,
    track: Track,
    /// As found last.
    head: Head,
    verdict: Verdict,
    facing: FacingBelief,
    reading: Option<Reading>,
    /// From which side its face is read next.
    next_view: View,
    belief: ExpressionBelief,
    /// When this seat was first seen, and when it was last looked for.
    since: Instant,
    sought_at: Instant,
    /// For how long it was looked for and found, in seconds; both fade. And the time since the cycle before.
    sought_s: f32,
    found_s: f32,
    cycle_s: f32,
}

/// All seats.
#[derive(Debug, Clone)]
pub struct Seats {
    kind: Kind,
    memory: Memory,
    keep: Duration,
    hidden: Duration,
    facing_half_life: Duration,
    face_threshold: f32,
    seats: Vec<Seat>,
    next_id: u32,
    /// Of one cycle, kept for their memory.
    assignment: Assignment,
    costs: Vec<f32>,
    assigned: Vec<Option<usize>>,
    arriving: Vec<usize>,
}

impl Seats {
    /// No seats yet. Faces of a lower score than `face_threshold` are turned away; `prior` are the expressions
    /// of the data that the expression network was trained on.
    pub fn new(config: &config::Seats, face_threshold: f32, prior: Expressions) -> Self {
        let duration = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Self {
            kind: Kind::Chair,
            memory: Memory {
                prior,
                half_life: duration(config.belief_half_life_s),
                new_look: duration(config.new_look_s),
            },
            keep: duration(config.keep_s),
            hidden: duration(config.hidden_s),
            facing_half_life: duration(config.facing_half_life_s),
            face_threshold,
            seats: Vec::new(),
            next_id: 0,
            assignment: Assignment::default(),
            costs: Vec::new(),
            assigned: Vec::new(),
            arriving: Vec::new(),
        }
    }

    /// The same, where each place is a tile of a gallery.
    #[must_use]
    pub fn in_tiles(self) -> Self {
        Self { kind: Kind::Tile, hidden: self.hidden.min(MISSED_IN_A_TILE), ..self }
    }

    /// Gives up the seats whose place shows something else by now, as `is_other` says of where their heads were.
    pub fn give_up(&mut self, is_other: impl Fn(PixelBox) -> bool) {
        self.seats.retain(|seat| !is_other(seat.head.bounds));
    }

    /// Takes the heads found at `now`; `places` becomes the place of each head's seat, for the methods below,
    /// until the next frame. Heads beyond [`MAX_HEADS`] get no place.
    pub fn follow(&mut self, heads: &[Head], now: Instant, places: &mut Vec<usize>) {
        let heads = &heads[..heads.len().min(MAX_HEADS)];
        let (kind, keep) = (self.kind, self.keep);
        // Who was found at the last look was not missed yet, however slow the beat is.
        let longest = |seat: &Seat| match kind {
            Kind::Tile if seat.is_missed() => keep.min(MISSED_IN_A_TILE),
            Kind::Tile | Kind::Chair => keep,
        };
        self.seats.retain(|seat| seat.is_kept(now, longest(seat)));
        if self.seats.is_empty() {
            self.next_id = 0;
        }
        self.costs.clear();
        for head in heads {
            self.costs.extend(self.seats.iter().map(|seat| seat.track.cost(head.bounds, now) + seat.doubt()));
        }
        let shape = (heads.len(), self.seats.len());
        self.assignment.solve(&self.costs, shape, UNKNOWN_HEAD, &mut self.assigned);
        let fades = 2 * self.hidden.max(Duration::from_secs(1));
        self.seats.iter_mut().for_each(|seat| seat.seek(now, fades));
        for (head, place) in heads.iter().zip(&self.assigned) {
            if let Some(place) = *place {
                self.seats[place].find(head, now, self.face_threshold, self.facing_half_life);
            }
        }
        // Only now, so that a new seat does not take the place of one that was found.
        places.clear();
        places.extend(self.assigned.iter().map(|place| place.unwrap_or_default()));
        self.arriving.clear();
        self.arriving.extend((0..heads.len()).filter(|&index| self.assigned[index].is_none()));
        if self.kind == Kind::Tile {
            in_reading_order(&mut self.arriving, heads);
        }
        for at in 0..self.arriving.len() {
            let index = self.arriving[at];
            places[index] = self.add(&heads[index], now);
        }
    }

    /// A new seat; when there are too many, in the place of the one that was missed longest.
    fn add(&mut self, head: &Head, now: Instant) -> usize {
        let seat = Seat::new(self.new_id(), head, now, self.face_threshold);
        if self.seats.len() < MAX_SEATS {
            self.seats.push(seat);
            return self.seats.len() - 1;
        }
        let longest = (0..self.seats.len()).min_by_key(|&place| self.seats[place].track.seen_at());
        let place = longest.unwrap_or(0);
        self.seats[place] = seat;
        place
    }

    fn new_id(&mut self) -> SeatId {
        let is_free = |id: &u32| self.seats.iter().all(|seat| seat.id.0 != *id);
        let id = match self.kind {
            Kind::Chair => self.next_id,
            // There are far more numbers than seats.
            Kind::Tile => (0..u32::MAX).find(is_free).unwrap_or(self.next_id),
        };
        self.next_id = id.wrapping_add(1);
        SeatId(id)
    }

    /// Notes whether the face at `place` can be read in this frame.
    pub fn judge(&mut self, place: usize, verdict: Verdict) {
        self.seats[place].verdict = verdict;
    }

    /// From which side the face at `place` is to be read: readings take turns.
    pub fn next_view(&self, place: usize) -> View {
        self.seats[place].next_view
    }

    /// Takes in what was read of the face at `place`; `weight`, 0..=1, is how much such a reading tells.
    pub fn read(&mut self, place: usize, expressions: Expressions, weight: f32, now: Instant) {
        let seat = &mut self.seats[place];
        seat.reading = Some(Reading { expressions, read_at: now });
        seat.next_view = seat.next_view.other();
        seat.belief.read(expressions, weight, now, &self.memory);
    }

    /// Brings the indices of `places` in `turn` into the order in which their faces should be read: those of
    /// whom least is known, by uncertainty and by the time since the last reading.
    pub fn by_need(&self, places: &[usize], turn: &mut [usize], now: Instant) {
        let need = |index: usize| {
            let seat = &self.seats[places[index]];
            (seat.belief.need(now, &self.memory), seat.id)
        };
        turn.sort_unstable_by(|&a, &b| {
            let ((a, first), (b, second)) = (need(a), need(b));
            b.total_cmp(&a).then(first.cmp(&second))
        });
    }

    /// Everybody as of `now`: who was found in the frame of that time, and who is hidden for the moment.
    pub fn people(&self, now: Instant) -> Vec<Person> {
        // Of the right size from the start: filtering would have the list grow and be copied in every cycle.
        let mut people = Vec::with_capacity(self.seats.len());
        let counted = self.seats.iter().filter(|seat| seat.is_found(now) || seat.is_hidden(now, self.hidden));
        people.extend(counted.map(|seat| self.person(seat, now)));
        people
    }

    fn person(&self, seat: &Seat, now: Instant) -> Person {
        let is_found = seat.is_found(now);
        let face = Face { bounds: seat.head.face, score: seat.head.face_score };
        Person {
            seat: seat.id,
            head: if is_found { seat.head.bounds } else { seat.track.bounds() },
            head_score: if is_found { seat.head.score } else { 0.0 },
            unseen_for: now.saturating_duration_since(seat.track.seen_at()),
            face: (is_found && face.score >= self.face_threshold).then_some(face),
            facing: seat.facing.at(now, self.facing_half_life),
            motion: if is_found { seat.track.motion } else { 0.0 },
            verdict: if is_found { seat.verdict } else { Verdict::Covered },
            reading: seat.reading,
            belief: seat.belief.at(now, &self.memory),
        }
    }

    /// Forgets everybody: a new lesson begins, and with it the numbers.
    pub fn forget(&mut self) {
        self.seats.clear();
        self.next_id = 0;
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

/// Brings the indices of `arriving` into the order in which one reads: line by line, where a line is what lies within half
/// a head.
fn in_reading_order(arriving: &mut [usize], heads: &[Head]) {
    let centre = |index: &usize| heads[*index].bounds.centre();
    arriving.sort_by(|a, b| centre(a).1.total_cmp(&centre(b).1));
    let mut begin = 0;
    for end in 1..=arriving.len() {
        let goes_on = arriving.get(end).is_some_and(|next| {
            let last = &arriving[end - 1];
            centre(next).1 - centre(last).1 < heads[*last].bounds.height / 2.0
        });
        if !goes_on {
            arriving[begin..end].sort_by(|a, b| centre(a).0.total_cmp(&centre(b).0));
            begin = end;
        }
    }
}

impl Seat {
    fn new(id: SeatId, head: &Head, now: Instant, face_threshold: f32) -> Self {
        Self {
            id,
            track: Track::new(head.bounds, now),
            head: *head,
            verdict: Verdict::Ok,
            facing: FacingBelief::new(head.face_score, face_threshold, now),
            reading: None,
            next_view: View::default(),
            belief: ExpressionBelief::default(),
            since: now,
            sought_at: now,
            sought_s: 0.0,
            found_s: 0.0,
            cycle_s: 0.0,
        }
    }

    /// Another cycle looks for this head; what was before fades by half within `half_life`.
    fn seek(&mut self, now: Instant, half_life: Duration) {
        let elapsed = now.saturating_duration_since(self.sought_at);
        let kept = left(elapsed, half_life);
        self.cycle_s = elapsed.as_secs_f32();
        self.sought_s = self.sought_s * kept + self.cycle_s;
        self.found_s *= kept;
        self.sought_at = now;
    }

    /// The head was found, after [`Seat::seek`].
    fn find(&mut self, head: &Head, now: Instant, face_threshold: f32, half_life: Duration) {
        self.found_s += self.cycle_s;
        self.track.see(head.bounds, now);
        self.facing.see(head.face_score, face_threshold, now, half_life);
        self.head = *head;
    }

    /// What it costs to expect somebody here, in nats: the less, the more steadily the head was found.
    fn doubt(&self) -> f32 {
        ((self.sought_s + 1.0) / (self.found_s + 1.0)).ln()
    }

    /// Whether the seat is still somebody's. What was found for a moment only, a bag or a shadow, is not kept for
    /// long, or such ghosts would in time stand beside everybody and take their places.
    fn is_kept(&self, now: Instant, longest: Duration) -> bool {
        let seen_at = self.track.seen_at();
        let unseen = now.saturating_duration_since(seen_at);
        let known = seen_at.saturating_duration_since(self.since);
        let cycle = now.saturating_duration_since(self.sought_at);
        unseen <= longest && unseen <= (GHOST_FADES * known).max(GHOST_CYCLES * cycle)
    }

    /// Whether it was looked for in vain since it was seen.
    fn is_missed(&self) -> bool {
        self.sought_at > self.track.seen_at()
    }

    fn is_found(&self, now: Instant) -> bool {
        self.track.seen_at() == now
    }

    /// Whether somebody sits here unseen: found steadily until lately, for at least as long as unseen by now.
    fn is_hidden(&self, now: Instant, longest: Duration) -> bool {
        let seen_at = self.track.seen_at();
        let unseen = now.saturating_duration_since(seen_at);
        unseen <= longest
            && unseen <= seen_at.saturating_duration_since(self.since)
            && self.found_s >= STEADY * self.sought_s
    }
}

#[cfg(test)]
mod tests;
