use proptest::prelude::*;

use super::*;

const K: u32 = 5;

/// The readings of a network as good as the shipped one, about.
fn readings() -> Quantification {
    Quantification { prior: [0.09, 0.01, 0.03, 0.29, 0.13, 0.1, 0.35], ..Quantification::default() }
}

fn believed(index: usize) -> Expressions {
    Expressions(std::array::from_fn(|other| if other == index { 0.88 } else { 0.02 }))
}

fn evidence(seat: u32, expression: usize, read_at: Instant) -> Evidence {
    Evidence { seat: SeatId(seat), belief: believed(expression), read_at }
}

/// Who is there, and with which expression, second by second; everybody is read every second.
struct Class {
    disclosure: Disclosure,
    start: Instant,
    second: u64,
}

impl Class {
    fn new() -> Self {
        Self { disclosure: Disclosure::new(K, None), start: Instant::now(), second: 0 }
    }

    fn told(&mut self, there: &BTreeMap<u32, usize>) -> Option<Shares> {
        self.second += 1;
        let now = self.start + Duration::from_secs(self.second);
        let seats: Vec<_> =
            there.iter().map(|(seat, expression)| evidence(*seat, *expression, now)).collect();
        self.disclosure.release(&seats, there.len() as u32, &readings(), now)
    }
}

fn everybody(size: u32) -> BTreeMap<u32, usize> {
    (0..size).map(|seat| (seat, if seat % 3 == 0 { 3 } else { 6 })).collect()
}

#[test]
fn below_k_readings_nothing_is_told() {
    let mut class = Class::new();
    assert_eq!(class.told(&everybody(4)), None);
    assert!(class.told(&everybody(5)).is_some());
    // One leaves: four are left that are read.
    assert_eq!(class.told(&everybody(4)), None);
}

#[test]
fn who_leaves_and_comes_back_with_another_face_is_not_seen_to() {
    let mut class = Class::new();
    let with = |expression| {
        let mut there = everybody(12);
        there.insert(7, expression);
        there
    };
    let before = class.told(&with(3)).unwrap();
    let mut without = everybody(12);
    without.remove(&7);
    assert_eq!(class.told(&without), Some(before));
    assert_eq!(class.told(&with(0)), Some(before));
    // Four others come, which is not enough, and a fifth: all that is new is told together.
    let mut many = with(0);
    many.extend((20..24).map(|seat| (seat, 3)));
    class.told(&many);
    assert_eq!(class.disclosure.cohort.len(), 12);
    many.insert(24, 3);
    assert_ne!(class.told(&many), Some(before));
    assert_eq!(class.disclosure.cohort.len(), 17);
}

#[test]
fn when_all_turn_away_and_back_the_class_is_read_again() {
    let mut class = Class::new();
    let before = class.told(&everybody(12));
    assert_eq!(class.told(&BTreeMap::new()), None);
    let smiling: BTreeMap<u32, usize> = (0..12).map(|seat| (seat, 3)).collect();
    let after = class.told(&smiling);
    assert!(after.is_some() && after != before);
}

#[test]
fn those_who_stay_are_followed_at_once() {
    let mut class = Class::new();
    let mut there = everybody(20);
    let before = class.told(&there).unwrap();
    there.values_mut().for_each(|expression| *expression = 3);
    let after = class.told(&there).unwrap();
    assert!(after.happy.share > before.happy.share + 0.4, "{before:?} {after:?}");
}

#[test]
fn a_reading_of_fewer_than_k_alone_changes_nothing_that_is_told() {
    let mut disclosure = Disclosure::new(K, None);
    let start = Instant::now();
    let later = start + Duration::from_secs(1);
    let mut seats: Vec<_> = (0..12).map(|seat| evidence(seat, 6, start)).collect();
    let before = disclosure.release(&seats, 12, &readings(), start).unwrap();
    seats[..4].iter_mut().for_each(|seat| *seat = evidence(seat.seat.0, 3, later));
    assert_eq!(disclosure.release(&seats, 12, &readings(), later), Some(before));
    seats[4] = evidence(4, 6, later);
    assert_ne!(disclosure.release(&seats, 12, &readings(), later), Some(before));
}

#[test]
fn what_cannot_be_renewed_is_told_no_more_after_a_minute() {
    let mut disclosure = Disclosure::new(K, None);
    let start = Instant::now();
    let seats: Vec<_> = (0..12).map(|seat| evidence(seat, 6, start)).collect();
    let mut at = |seconds| disclosure.release(&seats, 12, &readings(), start + Duration::from_secs(seconds));
    assert!(at(0).is_some() && at(60).is_some());
    assert_eq!(at(61), None);
}

#[test]
fn small_classes_are_told_in_twentieths() {
    for (size, steps) in [(19, 20.0), (20, 100.0)] {
        let shares = Class::new().told(&everybody(size)).unwrap();
        for (_, share) in shares.in_order() {
            for end in [share.share, share.low, share.high] {
                assert!((end * steps - (end * steps).round()).abs() < 1e-9, "{size}: {share:?}");
            }
        }
    }
}

#[test]
fn with_noise_new_shares_come_only_at_their_time_and_stop_with_the_budget() {
    let every = Duration::from_secs(60);
    let mut disclosure = Disclosure::new(K, Some(Noise::new(3.0, 1.0, every)));
    let start = Instant::now();
    let mut told = Vec::new();
    for second in 0..600 {
        let now = start + Duration::from_secs(second);
        let seats: Vec<_> = (0..30).map(|seat| evidence(seat, 3, now)).collect();
        told.push(disclosure.release(&seats, 30, &readings(), now));
    }
    assert!(told[..180].iter().all(Option::is_some));
    assert!(told[..60].iter().all(|shares| *shares == told[0]));
    assert!(told[180..].iter().all(Option::is_none), "three releases are the whole budget");
    // Five minutes with fewer than k people, and the next class has a budget of its own.
    let mut at = |second: u64, people: u32| {
        let now = start + Duration::from_secs(second);
        let seats: Vec<_> = (0..people).map(|seat| evidence(seat, 3, now)).collect();
        disclosure.release(&seats, people, &readings(), now)
    };
    assert_eq!((at(601, 4), at(899, 4)), (None, None));
    assert_eq!(at(900, 30), None);
    assert_eq!((at(901, 4), at(1201, 4)), (None, None));
    assert!(at(1202, 30).is_some());
}

/// People come (and are there then) or go, one by one; most of the time nothing happens.
fn comings_and_goings() -> impl Strategy<Value = Vec<Option<(u32, usize)>>> {
    proptest::collection::vec(proptest::option::weighted(0.6, (0_u32..24, 0_usize..7)), 1..120)
}

fn happens(there: &mut BTreeMap<u32, usize>, event: Option<(u32, usize)>) {
    if let Some((seat, expression)) = event
        && there.remove(&seat).is_none()
    {
        there.insert(seat, expression);
    }
}

proptest! {
    /// An attacker who knows the estimator subtracts each message from the one before. Nobody changes their
    /// face while they are there, so the whole difference comes from those who came, went or came again.
    #[test]
    fn two_messages_differ_by_nobody_or_by_at_least_k_people(
        size in 0_u32..20, events in comings_and_goings()
    ) {
        let (mut class, mut there) = (Class::new(), everybody(size));
        // How often each seat was taken, and of each part of the last message, since which time it was taken.
        let mut taken = BTreeMap::<u32, u32>::new();
        let mut last = BTreeMap::<SeatId, u32>::new();
        for event in events {
            happens(&mut there, event);
            if let Some((seat, _)) = event.filter(|(seat, _)| there.contains_key(seat)) {
                *taken.entry(seat).or_default() += 1;
            }
            if class.told(&there).is_none() {
                continue;
            }
            let since = |seat: &SeatId, member: &Member| match last.get(seat) {
                Some(before) if member.away => *before,
                _ => taken.get(&seat.0).copied().unwrap_or_default(),
            };
            let parts: BTreeMap<SeatId, u32> =
                class.disclosure.cohort.iter().map(|(seat, member)| (*seat, since(seat, member))).collect();
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

    /// Whatever face somebody shows who comes alone, goes and comes again: every message is the same, also while
    /// up to three others come and go.
    #[test]
    fn no_message_depends_on_who_comes_or_goes_alone(
        size in 5_u32..40, faces in (0_usize..7, 0_usize..7, 0_usize..7),
        others in proptest::collection::vec(proptest::option::weighted(0.3, (0_u32..3, 0_usize..7)), 30)
    ) {
        let one = 100;
        let messages = |first: usize, second: usize| -> Vec<Option<Shares>> {
            let (mut class, mut there) = (Class::new(), everybody(size));
            class.told(&there);
            let mut told = Vec::new();
            for (second_of_day, event) in others.iter().enumerate() {
                match second_of_day {
                    5 => drop(there.insert(one, first)),
                    15 => drop(there.remove(&one)),
                    20 => drop(there.insert(one, second)),
                    _ => {}
                }
                happens(&mut there, event.map(|(seat, expression)| (200 + seat, expression)));
                told.push(class.told(&there));
            }
            told
        };
        prop_assert_eq!(messages(faces.0, faces.1), messages(faces.1, faces.2));
    }

    /// Somebody of the class leaves: subtracting the message after from the message before leaves nothing.
    #[test]
    fn who_leaves_alone_leaves_no_difference(size in 6_u32..40, face in 0_usize..7, who in 0_u32..40) {
        let (mut class, mut there) = (Class::new(), everybody(size));
        there.insert(who % size, face);
        let before = class.told(&there);
        there.remove(&(who % size));
        prop_assert!(before.is_some());
        prop_assert_eq!(class.told(&there), before);
    }

    #[test]
    fn rounded_shares_add_up_and_stay_close(
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
