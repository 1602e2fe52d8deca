//! What of an estimate may be told, so that figures about the class never become figures about one person.
//!
//! Place: `window ──evidence──▶ disclosure ──Shares──▶ Mood`. Its one decision: shares are those of a fixed
//! *cohort* of seats. Who comes or goes alone changes nothing; only when at least k people come or go at once is
//! the cohort a new one, so what differs between two messages always speaks of at least k people. The argument
//! stands in `docs/decisions/disclosure.md`.

mod noise;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

pub(super) use self::noise::Noise;
use super::quantify::{Estimate, Seven, estimate, probabilities};
use super::window::Evidence;
use super::{Share, Shares};
use crate::vision::model_card::Quantification;
use crate::vision::{Expressions, SeatId};

/// A cohort must also differ by k from those told of within this time, not only from the last one.
const REMEMBERED: Duration = Duration::from_secs(600);
/// So many earlier cohorts are remembered; a class in constant motion forms a new one every few seconds.
const MOST_PAST: usize = 32;
/// Shares that could not be renewed for so long are told no more.
const LONGEST_HELD: Duration = Duration::from_secs(60);
/// A room with fewer than k people for so long has ended its lesson, as far as the budget of noise goes. Lessons as they
/// are recorded can be begun by hand, which must not buy more budget.
const BREAK: Duration = Duration::from_secs(300);
/// From so many people on shares are told in hundredths, below in twentieths: a third of one person there.
const FINE_FROM: usize = 20;

/// Decides which shares are told.
#[derive(Debug)]
pub(super) struct Disclosure {
    /// Least number of people that any figure, and any change of one, may speak of.
    k: usize,
    /// The people whose shares are told.
    cohort: BTreeMap<SeatId, Member>,
    /// The cohorts told of lately, with the time when each was told of last; the present one is the last.
    past: VecDeque<(Instant, BTreeSet<SeatId>)>,
    told: Option<(Instant, Shares)>,
    noise: Option<Noise>,
    /// Since when fewer than k people have been there.
    empty_since: Option<Instant>,
}

/// What one seat adds to the shares that were told.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Member {
    belief: Expressions,
    read_at: Instant,
    /// Not read within the window any more. It stays as it was told, also when it is read again: coming back
    /// alone would be seen as coming alone is.
    away: bool,
}

impl Member {
    fn present(evidence: &Evidence) -> Self {
        Self { belief: evidence.belief, read_at: evidence.read_at, away: false }
    }
}

impl Disclosure {
    pub(super) fn new(min_people: u32, noise: Option<Noise>) -> Self {
        let k = min_people.max(1) as usize;
        Self { k, cohort: BTreeMap::new(), past: VecDeque::new(), told: None, noise, empty_since: None }
    }

    /// Nobody is to be seen for a while, and who is there afterwards may have come in between.
    pub(super) fn lose_sight(&mut self) {
        self.cohort.values_mut().for_each(|member| member.away = true);
    }

    /// The shares that may be told at `now`, when `seats` are those that were read within the window, in a class
    /// of `people`. None when they would be those of fewer than k people, or when the budget of noise is spent.
    pub(super) fn release(
        &mut self,
        seats: &[Evidence],
        people: u32,
        readings: &Quantification,
        now: Instant,
    ) -> Option<Shares> {
        self.notice_break(people, now);
        let read: BTreeMap<SeatId, Evidence> = seats.iter().map(|seat| (seat.seat, *seat)).collect();
        for (seat, member) in &mut self.cohort {
            member.away |= !read.contains_key(seat);
        }
        let is_new = self.form_cohort(&read, now) || self.take_back(&read);
        if self.present().count() < self.k {
            return None;
        }
        let renewed = self.present().filter(|(seat, told)| read[*seat].read_at > told.read_at).count();
        if is_new || renewed >= self.k {
            self.tell(&read, people, readings, now);
        }
        let longest = self.noise.as_ref().map_or(LONGEST_HELD, |noise| noise.held_for().max(LONGEST_HELD));
        let held = |at: Instant| now.saturating_duration_since(at) <= longest;
        self.told.filter(|(at, _)| held(*at)).map(|(_, shares)| shares)
    }

    /// The budget of noise is that of one lesson, which is over when the room was as good as empty for a while.
    fn notice_break(&mut self, people: u32, now: Instant) {
        if people as usize >= self.k {
            self.empty_since = None;
            return;
        }
        let since = *self.empty_since.get_or_insert(now);
        if let Some(noise) = self.noise.as_mut().filter(|_| now.saturating_duration_since(since) >= BREAK) {
            noise.begin_lesson();
        }
    }

    fn present(&self) -> impl Iterator<Item = (&SeatId, &Member)> {
        self.cohort.iter().filter(|(_, member)| !member.away)
    }

    /// Makes all who are `read` the cohort, if at least k people come into it or go from it by that.
    fn form_cohort(&mut self, read: &BTreeMap<SeatId, Evidence>, now: Instant) -> bool {
        self.past.retain(|(told_at, _)| now.saturating_duration_since(*told_at) < REMEMBERED);
        let candidate: BTreeSet<SeatId> = read.keys().copied().collect();
        let changes = candidate.iter().filter(|seat| !self.cohort.contains_key(seat)).count()
            + self.cohort.keys().filter(|seat| !candidate.contains(seat)).count();
        let far = |past: &BTreeSet<SeatId>| {
            let distance = past.symmetric_difference(&candidate).count();
            distance == 0 || distance >= self.k
        };
        if changes < self.k || candidate.len() < self.k || !self.past.iter().all(|(_, past)| far(past)) {
            return false;
        }
        self.cohort = read.iter().map(|(seat, evidence)| (*seat, Member::present(evidence))).collect();
        if self.past.len() >= MOST_PAST {
            self.past.pop_front();
        }
        self.past.push_back((now, candidate));
        true
    }

    /// Takes in anew those who were away and are `read` again, if they are at least k: the same people as before.
    fn take_back(&mut self, read: &BTreeMap<SeatId, Evidence>) -> bool {
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

    /// Estimates anew from what is believed now of those present, and from what was told of the others.
    fn tell(
        &mut self,
        read: &BTreeMap<SeatId, Evidence>,
        people: u32,
        readings: &Quantification,
        now: Instant,
    ) {
        if self.noise.as_mut().is_some_and(|noise| !noise.is_due(now)) {
            return;
        }
        for (seat, member) in &mut self.cohort {
            if let (false, Some(evidence)) = (member.away, read.get(seat)) {
                (member.belief, member.read_at) = (evidence.belief, evidence.read_at);
            }
        }
        let beliefs: Vec<Expressions> = self.cohort.values().map(|member| member.belief).collect();
        let unread = (people as usize).saturating_sub(beliefs.len());
        let estimated = match &mut self.noise {
            None => Some(estimate(&beliefs, unread, readings)),
            Some(noise) => {
                let read: Vec<Seven> = beliefs.iter().map(probabilities).collect();
                noise.estimate(&read, readings, now)
            }
        };
        let steps = if self.cohort.len() >= FINE_FROM { 100 } else { 20 };
        self.told = estimated.map(|estimate| (now, rounded(&estimate, steps)));
        if let Some(present) = self.past.back_mut() {
            present.0 = now;
        }
    }
}

/// The shares in `steps` to the whole, adding up to exactly 1, with their intervals.
fn rounded(estimate: &Estimate, steps: u32) -> Shares {
    let parts = in_steps(&estimate.shares, steps);
    Shares::from_order(std::array::from_fn(|index| {
        let Share { low, high, .. } = estimate.share(index);
        let share = f64::from(parts[index]) / f64::from(steps);
        Share { share, low: to_step(low, steps).min(share), high: to_step(high, steps).max(share) }
    }))
}

/// Shares that add up to 1 in whole steps that add up to `steps` (largest remainders first).
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

/// A share to the nearest step.
pub(super) fn to_step(share: f64, steps: u32) -> f64 {
    (share.clamp(0.0, 1.0) * f64::from(steps)).round() / f64::from(steps)
}

#[cfg(test)]
mod tests;
