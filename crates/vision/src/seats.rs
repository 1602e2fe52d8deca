//! Seat tracking: associates the heads of a frame with those of earlier frames and keeps a belief for each seat.
//!
//! All heads are assigned to seats at once with the lowest total cost. The lifetime of a seat is measured in
//! seconds, not in cycles, so it survives occlusion, a turned head and a slow cycle. All state is in memory only;
//! seat numbers have no meaning, and in a room none is used twice while the program runs.

mod assignment;
mod belief;
mod track;

use std::time::{Duration, Instant};

use assignment::Assignment;
use belief::{ExpressionBelief, FacingBelief, Memory, decay};
use track::Track;

pub(super) use belief::facing;

use super::expression::FaceView;
use super::heads::{Head, MAX_HEADS};
use super::{Expressions, Face, Person, Readability, Reading, SeatId};
use moodring_camera::PixelBox;
use moodring_config as config;

/// Maximum number of seats: twice the heads of a frame, so that the heads of one frame never evict each other.
const MAX_SEATS: usize = 2 * MAX_HEADS;

/// Cost of a head without a seat, in nats: that of a known head four deviations away with hardly any overlap. A new
/// seat implies in addition that a known head was missed.
const UNKNOWN_HEAD: f32 = 10.0;

/// Minimum share of the cycles in which a hidden head was found for it to count. A head that flickers at the
/// detector's threshold counts only in the cycles in which it is found, which keeps the count unbiased.
const STEADY_SHARE: f32 = 0.5;

/// A head that was visible only briefly is kept for this many times that duration, and for at least this many cycles.
const GHOST_FADES: u32 = 10;
const GHOST_CYCLES: u32 = 3;

/// Time after which a missed head in a gallery is gone: nobody is occluded there, so the camera is off or the person
/// has left. One second covers a hand before the face or a stuttering video, one the slowest smooth cycle.
const MISSED_IN_A_TILE: Duration = Duration::from_secs(2);

/// Kind of a seat; decides what happens when no head is found there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A chair: a missed person is hidden, and a person who returns is the same one.
    Chair,
    /// A tile of a gallery: another person soon takes its position. Numbers are reused until [`Seats::forget`], the lowest
    /// first, in the order of reading. Most people stay through a rearrangement; so nobody counts twice in the recent window, and one
    /// newcomer counts as one newcomer for the disclosure control, not as a new class.
    Tile,
}

/// A tracked seat.
#[derive(Debug, Clone)]
struct Seat {
    id: SeatId,
    track: Track,
    /// The last detection.
    head: Head,
    readability: Readability,
    facing: FacingBelief,
    reading: Option<Reading>,
    /// View in which its face is read next.
    next_view: FaceView,
    belief: ExpressionBelief,
    /// Time of the first detection, and of the last cycle.
    since: Instant,
    searched_at: Instant,
    /// Time in cycles that searched for this head and that found it, in seconds, both decaying; and the time since
    /// the previous cycle.
    searched_s: f32,
    found_s: f32,
    cycle_s: f32,
}

/// All seats of one camera.
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
    /// The lowest number that may be used: those below were used before [`Seats::forget`].
    first_id: u32,
    /// Buffers of one cycle, reused to avoid allocations.
    assignment: Assignment,
    costs: Vec<f32>,
    assigned: Vec<Option<usize>>,
    new_heads: Vec<usize>,
}

impl Seats {
    /// An empty set of seats. Faces with a score below `face_threshold`, 0..=1, are turned away; `prior` are the
    /// shares of the expressions in the training data of the expression network.
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
            first_id: 0,
            assignment: Assignment::default(),
            costs: Vec::new(),
            assigned: Vec::new(),
            new_heads: Vec::new(),
        }
    }

    /// Treats each seat as a tile of a gallery.
    #[must_use]
    pub fn for_gallery(self) -> Self {
        Self { kind: Kind::Tile, hidden: self.hidden.min(MISSED_IN_A_TILE), ..self }
    }

    /// Deletes the seats for which `shows_another` returns true; it gets the box of the last detection.
    pub fn release(&mut self, shows_another: impl Fn(PixelBox) -> bool) {
        self.seats.retain(|seat| !shows_another(seat.head.bounds));
    }

    /// Assigns the heads of the frame captured at `now` to seats. Replaces `indices` with the seat index of each
    /// head; the methods below take these indices until the next frame. Heads beyond [`MAX_HEADS`] are ignored.
    pub fn follow(&mut self, heads: &[Head], now: Instant, indices: &mut Vec<usize>) {
        let heads = &heads[..heads.len().min(MAX_HEADS)];
        let (kind, keep) = (self.kind, self.keep);
        // A head found in the previous cycle was not missed yet, however slow the cycles are.
        let longest = |seat: &Seat| match kind {
            Kind::Tile if seat.is_missed() => keep.min(MISSED_IN_A_TILE),
            Kind::Tile | Kind::Chair => keep,
        };
        self.seats.retain(|seat| seat.is_kept(now, longest(seat)));
        self.costs.clear();
        for head in heads {
            self.costs.extend(
                self.seats.iter().map(|seat| seat.track.cost(head.bounds, now) + seat.unreliability()),
            );
        }
        let shape = (heads.len(), self.seats.len());
        self.assignment.solve(&self.costs, shape, UNKNOWN_HEAD, &mut self.assigned);
        let fades = 2 * self.hidden.max(Duration::from_secs(1));
        self.seats.iter_mut().for_each(|seat| seat.begin_cycle(now, fades));
        for (head, seat) in heads.iter().zip(&self.assigned) {
            if let Some(seat) = *seat {
                self.seats[seat].record_found(head, now, self.face_threshold, self.facing_half_life);
            }
        }
        // New seats are added last, so that they do not evict a seat that was found in this frame.
        indices.clear();
        indices.extend(self.assigned.iter().map(|seat| seat.unwrap_or_default()));
        self.new_heads.clear();
        self.new_heads.extend((0..heads.len()).filter(|&index| self.assigned[index].is_none()));
        if self.kind == Kind::Tile {
            sort_in_reading_order(&mut self.new_heads, heads);
        }
        for at in 0..self.new_heads.len() {
            let index = self.new_heads[at];
            indices[index] = self.add(&heads[index], now);
        }
    }

    /// Adds a seat and returns its index. At [`MAX_SEATS`], replaces the seat that was missed longest.
    fn add(&mut self, head: &Head, now: Instant) -> usize {
        let seat = Seat::new(self.new_id(), head, now, self.face_threshold);
        if self.seats.len() < MAX_SEATS {
            self.seats.push(seat);
            return self.seats.len() - 1;
        }
        let longest = (0..self.seats.len()).min_by_key(|&index| self.seats[index].track.seen_at());
        let index = longest.unwrap_or(0);
        self.seats[index] = seat;
        index
    }

    fn new_id(&mut self) -> SeatId {
        let is_free = |id: &u32| self.seats.iter().all(|seat| seat.id.0 != *id);
        let id = match self.kind {
            Kind::Chair => self.next_id,
            // A free number always exists: there are at most MAX_SEATS seats.
            Kind::Tile => (self.first_id..u32::MAX).find(is_free).unwrap_or(self.next_id),
        };
        self.next_id = self.next_id.max(id.wrapping_add(1));
        SeatId(id)
    }

    /// Stores the readability of the face of seat `index` in this frame.
    pub fn set_readability(&mut self, index: usize, readability: Readability) {
        self.seats[index].readability = readability;
    }

    /// The view for the next reading of seat `index`; views alternate.
    pub fn next_view(&self, index: usize) -> FaceView {
        self.seats[index].next_view
    }

    /// Updates the belief of seat `index` with a reading taken at `now`; `weight`, 0..=1, is its evidence weight.
    pub fn read(&mut self, index: usize, expressions: Expressions, weight: f32, now: Instant) {
        let seat = &mut self.seats[index];
        seat.reading = Some(Reading { expressions, read_at: now });
        seat.next_view = seat.next_view.other();
        seat.belief.read(expressions, weight, now, &self.memory);
    }

    /// Sorts `queue`, which holds positions in `indices`, by the need for a reading: uncertainty of the belief plus
    /// time since the last reading, highest first.
    pub fn sort_by_need(&self, indices: &[usize], queue: &mut [usize], now: Instant) {
        let need = |position: usize| {
            let seat = &self.seats[indices[position]];
            (seat.belief.need(now, &self.memory), seat.id)
        };
        queue.sort_unstable_by(|&a, &b| {
            let ((a, first), (b, second)) = (need(a), need(b));
            b.total_cmp(&a).then(first.cmp(&second))
        });
    }

    /// People as of `now`: those found in the frame captured at `now`, and those hidden.
    pub fn people(&self, now: Instant) -> Vec<Person> {
        // Allocated once at full size: collecting a filter would reallocate in each cycle.
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
            readability: if is_found { seat.readability } else { Readability::Covered },
            reading: seat.reading,
            belief: seat.belief.at(now, &self.memory),
        }
    }

    /// Deletes all seats. Their numbers are not used again: they would be taken for the same people.
    pub fn forget(&mut self) {
        self.seats.clear();
        self.first_id = self.next_id;
    }

    /// Number of seats.
    pub fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether there are no seats.
    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }
}

/// Sorts `indices` of `heads` from left to right, line by line. Heads belong to one line when their centres are less
/// than half a head height apart.
fn sort_in_reading_order(indices: &mut [usize], heads: &[Head]) {
    let centre = |index: &usize| heads[*index].bounds.centre();
    indices.sort_by(|a, b| centre(a).1.total_cmp(&centre(b).1));
    let mut begin = 0;
    for end in 1..=indices.len() {
        let continues = indices.get(end).is_some_and(|next| {
            let last = &indices[end - 1];
            centre(next).1 - centre(last).1 < heads[*last].bounds.height / 2.0
        });
        if !continues {
            indices[begin..end].sort_by(|a, b| centre(a).0.total_cmp(&centre(b).0));
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
            readability: Readability::Ok,
            facing: FacingBelief::new(head.face_score, face_threshold, now),
            reading: None,
            next_view: FaceView::default(),
            belief: ExpressionBelief::default(),
            since: now,
            searched_at: now,
            searched_s: 0.0,
            found_s: 0.0,
            cycle_s: 0.0,
        }
    }

    /// Adds the time since the previous cycle to the searched time, after decay with `half_life`.
    fn begin_cycle(&mut self, now: Instant, half_life: Duration) {
        let elapsed = now.saturating_duration_since(self.searched_at);
        let remaining = decay(elapsed, half_life);
        self.cycle_s = elapsed.as_secs_f32();
        self.searched_s = self.searched_s * remaining + self.cycle_s;
        self.found_s *= remaining;
        self.searched_at = now;
    }

    /// Records a detection of this head; follows [`Seat::begin_cycle`].
    fn record_found(&mut self, head: &Head, now: Instant, face_threshold: f32, half_life: Duration) {
        self.found_s += self.cycle_s;
        self.track.see(head.bounds, now);
        self.facing.see(head.face_score, face_threshold, now, half_life);
        self.head = *head;
    }

    /// Cost of an assignment to this seat, in nats; lower when the head was found more steadily.
    fn unreliability(&self) -> f32 {
        ((self.searched_s + 1.0) / (self.found_s + 1.0)).ln()
    }

    /// Whether the seat is kept. A brief false alarm, such as a bag or a shadow, is dropped early; otherwise such
    /// ghosts would accumulate beside real heads and take their assignments.
    fn is_kept(&self, now: Instant, longest: Duration) -> bool {
        let seen_at = self.track.seen_at();
        let unseen = now.saturating_duration_since(seen_at);
        let known = seen_at.saturating_duration_since(self.since);
        let cycle = now.saturating_duration_since(self.searched_at);
        unseen <= longest && unseen <= (GHOST_FADES * known).max(GHOST_CYCLES * cycle)
    }

    /// Whether a cycle searched for it without success since the last detection.
    fn is_missed(&self) -> bool {
        self.searched_at > self.track.seen_at()
    }

    fn is_found(&self, now: Instant) -> bool {
        self.track.seen_at() == now
    }

    /// Whether the head counts as hidden: it was found steadily, and visible for at least as long as it is unseen.
    fn is_hidden(&self, now: Instant, longest: Duration) -> bool {
        let seen_at = self.track.seen_at();
        let unseen = now.saturating_duration_since(seen_at);
        unseen <= longest
            && unseen <= seen_at.saturating_duration_since(self.since)
            && self.found_s >= STEADY_SHARE * self.searched_s
    }
}

#[cfg(test)]
mod tests;
