use proptest::prelude::*;

use super::*;

const K: u32 = 5;

/// Prior like that of the shipped network, without confusions.
fn quantification() -> Quantification {
    Quantification { prior: [0.09, 0.01, 0.03, 0.29, 0.13, 0.1, 0.35], ..Quantification::default() }
}

fn believed(index: usize) -> Expressions {
    Expressions(std::array::from_fn(|other| if other == index { 0.88 } else { 0.02 }))
}

fn evidence(seat: u32, expression: usize, read_at: Instant) -> Evidence {
    Evidence { seat: SeatId(seat), belief: believed(expression), read_at }
}

/// A class of which everybody is read once per second.
struct Class {
    disclosure: Disclosure,
    start: Instant,
    second: u64,
}

impl Class {
    fn new() -> Self {
        Self { disclosure: Disclosure::new(K, Duration::ZERO), start: Instant::now(), second: 0 }
    }

    /// Releases the shares of the next second; `present` maps seats to expressions.
    fn release(&mut self, present: &BTreeMap<u32, usize>) -> Option<Shares> {
        self.second += 1;
        let now = self.start + Duration::from_secs(self.second);
        let seats: Vec<_> =
            present.iter().map(|(seat, expression)| evidence(*seat, *expression, now)).collect();
        self.disclosure.release(&seats, present.len() as u32, &quantification(), now)
    }
}

fn everybody(size: u32) -> BTreeMap<u32, usize> {
    (0..size).map(|seat| (seat, if seat % 3 == 0 { 3 } else { 6 })).collect()
}

#[test]
fn fewer_than_k_readings_release_nothing() {
    let mut class = Class::new();
    assert_eq!(class.release(&everybody(4)), None);
    assert!(class.release(&everybody(5)).is_some());
    // One leaves: four seats with readings remain.
    assert_eq!(class.release(&everybody(4)), None);
}

#[test]
fn return_with_another_expression_is_not_visible() {
    let mut class = Class::new();
    let with = |expression| {
        let mut present = everybody(12);
        present.insert(7, expression);
        present
    };
    let before = class.release(&with(3)).unwrap();
    let mut without = everybody(12);
    without.remove(&7);
    assert_eq!(class.release(&without), Some(before));
    assert_eq!(class.release(&with(0)), Some(before));
    // Four others arrive, which is not enough. With the fifth all changes are released together.
    let mut many = with(0);
    many.extend((20..24).map(|seat| (seat, 3)));
    class.release(&many);
    assert_eq!(class.disclosure.cohort.len(), 12);
    many.insert(24, 3);
    assert_ne!(class.release(&many), Some(before));
    assert_eq!(class.disclosure.cohort.len(), 17);
}

#[test]
fn class_that_turns_away_and_back_is_released_with_new_readings() {
    let mut class = Class::new();
    let before = class.release(&everybody(12));
    assert_eq!(class.release(&BTreeMap::new()), None);
    let smiling: BTreeMap<u32, usize> = (0..12).map(|seat| (seat, 3)).collect();
    let after = class.release(&smiling);
    assert!(after.is_some() && after != before);
}

#[test]
fn changes_of_present_members_are_released_at_once() {
    let mut class = Class::new();
    let mut present = everybody(20);
    let before = class.release(&present).unwrap();
    present.values_mut().for_each(|expression| *expression = 3);
    let after = class.release(&present).unwrap();
    assert!(after.happy.share > before.happy.share + 0.4, "{before:?} {after:?}");
}

#[test]
fn new_readings_of_fewer_than_k_members_change_nothing() {
    let mut disclosure = Disclosure::new(K, Duration::ZERO);
    let start = Instant::now();
    let later = start + Duration::from_secs(1);
    let mut seats: Vec<_> = (0..12).map(|seat| evidence(seat, 6, start)).collect();
    let before = disclosure.release(&seats, 12, &quantification(), start).unwrap();
    seats[..4].iter_mut().for_each(|seat| *seat = evidence(seat.seat.0, 3, later));
    assert_eq!(disclosure.release(&seats, 12, &quantification(), later), Some(before));
    seats[4] = evidence(4, 6, later);
    assert_ne!(disclosure.release(&seats, 12, &quantification(), later), Some(before));
}

#[test]
fn shares_without_renewal_are_withheld_after_a_minute() {
    let mut disclosure = Disclosure::new(K, Duration::ZERO);
    let start = Instant::now();
    let seats: Vec<_> = (0..12).map(|seat| evidence(seat, 6, start)).collect();
    let mut at =
        |seconds| disclosure.release(&seats, 12, &quantification(), start + Duration::from_secs(seconds));
    assert!(at(0).is_some() && at(60).is_some());
    assert_eq!(at(61), None);
}

#[test]
fn small_classes_are_rounded_to_twentieths() {
    for (size, steps) in [(19, 20.0), (20, 100.0)] {
        let shares = Class::new().release(&everybody(size)).unwrap();
        for (_, share) in shares.in_order() {
            for end in [share.share, share.low, share.high] {
                assert!((end * steps - (end * steps).round()).abs() < 1e-9, "{size}: {share:?}");
            }
        }
    }
}

#[test]
fn member_without_a_newer_reading_keeps_its_contribution() {
    let mut disclosure = Disclosure::new(K, Duration::ZERO);
    let start = Instant::now();
    let later = start + Duration::from_secs(1);
    let mut seats: Vec<_> = (0..7).map(|seat| evidence(seat, 6, start)).collect();
    disclosure.release(&seats, 7, &quantification(), start);
    seats[1..].iter_mut().for_each(|seat| *seat = evidence(seat.seat.0, 6, later));
    // The belief of a hidden person fades without a new reading.
    seats[0].belief = Expressions([1.0 / 7.0; 7]);
    disclosure.release(&seats, 7, &quantification(), later);
    assert_eq!(disclosure.cohort[&SeatId(0)].belief, believed(6));
}

/// Arrivals and departures of single people, and seconds without any.
fn arrivals_and_departures() -> impl Strategy<Value = Vec<Option<(u32, usize)>>> {
    proptest::collection::vec(proptest::option::weighted(0.6, (0_u32..24, 0_usize..7)), 1..120)
}

/// The person in the seat of the `event` leaves, or arrives with its expression.
fn apply(present: &mut BTreeMap<u32, usize>, event: Option<(u32, usize)>) {
    if let Some((seat, expression)) = event
        && present.remove(&seat).is_none()
    {
        present.insert(seat, expression);
    }
}

proptest! {
    /// An attacker who knows the estimator subtracts each message from the one before. Nobody changes the expression
    /// while present, so the difference comes only from people who arrived, left or returned.
    #[test]
    fn two_messages_differ_by_nobody_or_by_at_least_k_people(
        size in 0_u32..20, events in arrivals_and_departures()
    ) {
        let (mut class, mut present) = (Class::new(), everybody(size));
        // How often each seat was taken, and for each member in the last message, the count at that time.
        let mut taken = BTreeMap::<u32, u32>::new();
        let mut last = BTreeMap::<SeatId, u32>::new();
        for event in events {
            apply(&mut present, event);
            if let Some((seat, _)) = event.filter(|(seat, _)| present.contains_key(seat)) {
                *taken.entry(seat).or_default() += 1;
            }
            if class.release(&present).is_none() {
                continue;
            }
            let generation = |seat: &SeatId, member: &Member| match last.get(seat) {
                Some(before) if member.away => *before,
                _ => taken.get(&seat.0).copied().unwrap_or_default(),
            };
            let parts: BTreeMap<SeatId, u32> =
                class.disclosure.cohort.iter().map(|(seat, member)| (*seat, generation(seat, member))).collect();
            let seats: BTreeSet<_> = last.keys().chain(parts.keys()).collect();
            let differ = |of: &dyn Fn(&SeatId) -> bool| seats.iter().filter(|seat| of(seat)).count();
            let parts_differ = differ(&|seat| last.get(seat) != parts.get(seat));
            let people_differ = differ(&|seat| last.contains_key(seat) != parts.contains_key(seat));
            for count in [parts_differ, people_differ] {
                prop_assert!(count == 0 || count >= K as usize, "{} people differ", count);
            }
            prop_assert!(parts.len() >= K as usize);
            last = parts;
        }
    }

    /// One person arrives, leaves and returns alone: every message is independent of the person's expression, even
    /// while up to three others arrive and leave.
    #[test]
    fn no_message_depends_on_the_expression_of_a_single_arrival(
        size in 5_u32..40, faces in (0_usize..7, 0_usize..7, 0_usize..7),
        others in proptest::collection::vec(proptest::option::weighted(0.3, (0_u32..3, 0_usize..7)), 30)
    ) {
        let one = 100;
        let messages = |first: usize, second: usize| -> Vec<Option<Shares>> {
            let (mut class, mut present) = (Class::new(), everybody(size));
            class.release(&present);
            let mut released = Vec::new();
            for (second_of_day, event) in others.iter().enumerate() {
                match second_of_day {
                    5 => drop(present.insert(one, first)),
                    15 => drop(present.remove(&one)),
                    20 => drop(present.insert(one, second)),
                    _ => {}
                }
                apply(&mut present, event.map(|(seat, expression)| (200 + seat, expression)));
                released.push(class.release(&present));
            }
            released
        };
        prop_assert_eq!(messages(faces.0, faces.1), messages(faces.1, faces.2));
    }

    /// One member leaves: the messages before and after are equal.
    #[test]
    fn single_departure_changes_no_message(size in 6_u32..40, face in 0_usize..7, leaver in 0_u32..40) {
        let (mut class, mut present) = (Class::new(), everybody(size));
        present.insert(leaver % size, face);
        let before = class.release(&present);
        present.remove(&(leaver % size));
        prop_assert!(before.is_some());
        prop_assert_eq!(class.release(&present), before);
    }

    #[test]
    fn rounded_shares_add_up_to_one_and_stay_close(
        raw in prop::array::uniform7(0.0..1.0_f64), steps in prop_oneof![Just(20_u32), Just(100)]
    ) {
        let sum: f64 = raw.iter().sum::<f64>().max(1e-9);
        prop_assume!(sum > 1e-3);
        let shares = raw.map(|share| share / sum);
        let parts = in_steps(&shares, steps);
        prop_assert_eq!(parts.iter().sum::<u32>(), steps);
        for (part, share) in parts.iter().zip(shares) {
            prop_assert!((f64::from(*part) / f64::from(steps) - share).abs() <= 1.01 / f64::from(steps));
        }
    }
}
