//! Disclosure control: decides which shares may be published, so that they never describe a single person.
//!
//! Flow: `window ──evidence──▶ disclosure ──Shares──▶ Mood`. Shares are those of a fixed *cohort* of seats. A person
//! who arrives or leaves alone changes nothing. Only when at least k people arrive or leave at once, a new cohort is
//! formed, so that two messages always differ by nobody or by at least k people. After a start or
//! a pause the device cannot match people with earlier ones, so it publishes nothing until the last message is old. `docs/decisions/disclosure.md`
//! has the argument.

mod record;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

pub use self::record::{PublicationRecord, record_publication};
use super::quantify::{Estimate, Seven, estimate};
use super::window::Evidence;
use moodring_contract::{Share, Shares};
use moodring_vision::model_card::Quantification;
use moodring_vision::{Expressions, SeatId};

/// A new cohort must differ by k people from all cohorts published within this time, not only from the last one. Where
/// cohorts cannot be compared, nothing is published for this time.
pub(crate) const COHORT_MEMORY: Duration = Duration::from_secs(600);
/// Maximum number of remembered cohorts; a class in constant motion forms a new one every few seconds.
const MAX_PAST_COHORTS: usize = 32;
/// Maximum age of published shares; older ones are withheld until they can be renewed.
const MAX_SHARES_AGE: Duration = Duration::from_secs(60);
/// Minimum cohort size for shares in hundredths. Smaller cohorts get twentieths: finer steps would look more exact than
/// the estimate is.
const MIN_PEOPLE_FOR_HUNDREDTHS: usize = 20;

/// Decides which shares are published.
#[derive(Debug)]
pub(super) struct Disclosure {
    /// Minimum number of people whom a published value, or a change of one, describes (`mood.min_people`).
    k: usize,
    /// Nothing is published for this long after a start and after a reset: until then the readings are fewer than those of
    /// a window.
    warm_up: Duration,
    /// When shares may be published again; `None` before the first call.
    opens_at: Option<Instant>,
    /// The seats whose shares are published.
    cohort: BTreeMap<SeatId, Member>,
    /// Cohorts published within [`COHORT_MEMORY`], each with the time of its last publication. The last entry is the
    /// present cohort.
    past: VecDeque<(Instant, BTreeSet<SeatId>)>,
    /// The newest released shares and the time of their estimate.
    published: Option<(Instant, Shares)>,
    /// Time of the newest message with shares.
    published_at: Option<Instant>,
}

/// Contribution of one seat to the published shares.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Member {
    belief: Expressions,
    read_at: Instant,
    /// Not read within the window any more. The member keeps its last contribution, even when it is read again: a
    /// return alone would be as visible as an arrival alone.
    away: bool,
}

impl Member {
    fn present(evidence: &Evidence) -> Self {
        Self { belief: evidence.belief, read_at: evidence.read_at, away: false }
    }
}

impl Disclosure {
    pub(super) fn new(min_people: u32, warm_up: Duration) -> Self {
        let k = min_people.max(1) as usize;
        Self {
            k,
            warm_up,
            opens_at: None,
            cohort: BTreeMap::new(),
            past: VecDeque::new(),
            published: None,
            published_at: None,
        }
    }

    /// Publishes nothing until `until`.
    pub(super) fn withhold(&mut self, until: Instant) {
        self.opens_at = self.opens_at.max(Some(until));
        self.published = None;
    }

    /// Resets the estimate but keeps the cohort, because people keep their seats: a lesson begins or ends at `now`.
    pub(super) fn restart(&mut self, now: Instant) {
        self.cohort.values_mut().for_each(|member| member.away = true);
        self.withhold(now + self.warm_up);
    }

    /// Discards the cohort, because seats after `now` cannot be matched with those before. Publishes nothing until the last
    /// message is older than [`COHORT_MEMORY`].
    pub(super) fn forget(&mut self, now: Instant) {
        self.cohort.clear();
        self.past.clear();
        self.withhold(now + self.warm_up);
        if let Some(at) = self.published_at {
            self.withhold(at + COHORT_MEMORY);
        }
    }

    /// The shares that may be published at `now`. `seats` are the seats with a reading within the window, `people` is
    /// the number of people in the class. `None` when fewer than k members are present, when the shares are too old, and
    /// after a start, a pause and a reset.
    pub(super) fn release(
        &mut self,
        seats: &[Evidence],
        people: u32,
        quantification: &Quantification,
        now: Instant,
    ) -> Option<Shares> {
        let read: BTreeMap<SeatId, Evidence> = seats.iter().map(|seat| (seat.seat, *seat)).collect();
        for (seat, member) in &mut self.cohort {
            member.away |= !read.contains_key(seat);
        }
        if now < *self.opens_at.get_or_insert(now + self.warm_up) {
            return None;
        }
        let is_new = self.form_cohort(&read, now) || self.readmit_returned(&read);
        if self.present().count() < self.k {
            return None;
        }
        let renewed = self.present().filter(|(seat, member)| read[*seat].read_at > member.read_at).count();
        if is_new || renewed >= self.k {
            self.update_shares(&read, people, quantification, now);
        }
        let is_fresh = |at: Instant| now.saturating_duration_since(at) <= MAX_SHARES_AGE;
        let released = self.published.filter(|(at, _)| is_fresh(*at)).map(|(_, shares)| shares);
        if released.is_some() {
            self.published_at = Some(now);
        }
        released
    }

    fn present(&self) -> impl Iterator<Item = (&SeatId, &Member)> {
        self.cohort.iter().filter(|(_, member)| !member.away)
    }

    /// Makes all seats in `read` the new cohort, if at least k people join or leave by that and it differs by nobody or
    /// by at least k people from each remembered cohort. Returns whether it did.
    fn form_cohort(&mut self, read: &BTreeMap<SeatId, Evidence>, now: Instant) -> bool {
        self.past.retain(|(published_at, _)| now.saturating_duration_since(*published_at) < COHORT_MEMORY);
        let candidate: BTreeSet<SeatId> = read.keys().copied().collect();
        let changes = candidate.iter().filter(|seat| !self.cohort.contains_key(seat)).count()
            + self.cohort.keys().filter(|seat| !candidate.contains(seat)).count();
        let is_safe = |past: &BTreeSet<SeatId>| {
            let distance = past.symmetric_difference(&candidate).count();
            distance == 0 || distance >= self.k
        };
        if changes < self.k || candidate.len() < self.k || !self.past.iter().all(|(_, past)| is_safe(past)) {
            return false;
        }
        self.cohort = read.iter().map(|(seat, evidence)| (*seat, Member::present(evidence))).collect();
        if self.past.len() >= MAX_PAST_COHORTS {
            self.past.pop_front();
        }
        self.past.push_back((now, candidate));
        true
    }

    /// Marks members that were away and are `read` again as present, if they are at least k. Returns whether it did.
    fn readmit_returned(&mut self, read: &BTreeMap<SeatId, Evidence>) -> bool {
        let is_back = |seat: &SeatId, member: &Member| member.away && read.contains_key(seat);
        if self.cohort.iter().filter(|(seat, member)| is_back(seat, member)).count() < self.k {
            return false;
        }
        for (seat, member) in &mut self.cohort {
            if let (true, Some(evidence)) = (member.away, read.get(seat)) {
                *member = Member::present(evidence);
            }
        }
        true
    }

    /// Estimates the shares from the newest readings of the present members and the last contribution of the others. A
    /// member without a newer reading keeps its contribution: what fades while a person is hidden would be a difference
    /// that describes this person alone.
    fn update_shares(
        &mut self,
        read: &BTreeMap<SeatId, Evidence>,
        people: u32,
        quantification: &Quantification,
        now: Instant,
    ) {
        for (seat, member) in &mut self.cohort {
            if let (false, Some(evidence)) = (member.away, read.get(seat))
                && evidence.read_at > member.read_at
            {
                (member.belief, member.read_at) = (evidence.belief, evidence.read_at);
            }
        }
        let beliefs: Vec<Expressions> = self.cohort.values().map(|member| member.belief).collect();
        let unread = (people as usize).saturating_sub(beliefs.len());
        let estimate = estimate(&beliefs, unread, quantification);
        let steps = if self.cohort.len() >= MIN_PEOPLE_FOR_HUNDREDTHS { 100 } else { 20 };
        self.published = Some((now, rounded(&estimate, steps)));
        if let Some(present) = self.past.back_mut() {
            present.0 = now;
        }
    }
}

/// Rounds shares and intervals to multiples of 1/`steps`; the shares add up to exactly 1.
fn rounded(estimate: &Estimate, steps: u32) -> Shares {
    let parts = in_steps(&estimate.shares, steps);
    Shares::from_order(std::array::from_fn(|index| {
        let Share { low, high, .. } = estimate.share(index);
        let share = f64::from(parts[index]) / f64::from(steps);
        Share { share, low: to_step(low, steps).min(share), high: to_step(high, steps).max(share) }
    }))
}

/// Rounds shares that add up to 1 to whole numbers that add up to `steps` (largest remainder method).
fn in_steps(shares: &Seven, steps: u32) -> [u32; 7] {
    let exact = shares.map(|share| share.clamp(0.0, 1.0) * f64::from(steps));
    let mut parts = exact.map(|exact| exact.floor() as u32);
    let mut order: [usize; 7] = std::array::from_fn(|index| index);
    order.sort_by(|a, b| (exact[*b] - exact[*b].floor()).total_cmp(&(exact[*a] - exact[*a].floor())));
    let missing = steps.saturating_sub(parts.iter().sum());
    for index in order.iter().take(missing as usize) {
        parts[*index] += 1;
    }
    parts
}

/// Rounds a share to the nearest multiple of 1/`steps`.
pub(super) fn to_step(share: f64, steps: u32) -> f64 {
    (share.clamp(0.0, 1.0) * f64::from(steps)).round() / f64::from(steps)
}

#[cfg(test)]
mod tests;
