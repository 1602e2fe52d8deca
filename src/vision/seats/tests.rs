//! The seats as a whole: who is followed, who is counted, and who is read first.

use super::*;
use crate::vision::{Expression, PixelBox};
use proptest::prelude::*;

const BEAT: Duration = Duration::from_millis(500);

fn head(x: f32, y: f32, size: f32) -> Head {
    let bounds = PixelBox { x, y, width: size, height: size };
    Head { bounds, score: 0.9, face: bounds, face_score: 0.95 }
}

fn seats() -> Seats {
    Seats::new(&config::Seats::default(), 0.8, Expressions::UNKNOWN)
}

fn follow(seats: &mut Seats, heads: &[Head], now: Instant) -> Vec<SeatId> {
    let mut places = Vec::new();
    seats.follow(heads, now, &mut places);
    places.into_iter().map(|place| seats.seats[place].id).collect()
}

/// Ten people in a row, a head and a half apart; `leaning` moves them all.
fn row(leaning: f32) -> Vec<Head> {
    (0..10).map(|seat| head(60.0 * seat as f32 + leaning, 100.0, 40.0)).collect()
}

#[test]
fn heads_that_move_a_little_keep_their_seats_in_any_order() {
    let (mut seats, start) = (seats(), Instant::now());
    let first = follow(&mut seats, &[head(0.0, 0.0, 40.0), head(60.0, 0.0, 40.0)], start);
    assert_eq!(first, [SeatId(0), SeatId(1)]);
    let second = follow(&mut seats, &[head(50.0, 5.0, 38.0), head(-10.0, 0.0, 42.0)], start + BEAT);
    assert_eq!(second, [SeatId(1), SeatId(0)]);
    // Somebody else sits down; far away or of another size is somebody else.
    let third = follow(&mut seats, &[head(50.0, 5.0, 100.0), head(300.0, 0.0, 40.0)], start + 2 * BEAT);
    assert_eq!(third, [SeatId(2), SeatId(3)]);
}

#[test]
fn a_whole_row_that_leans_aside_keeps_its_seats() {
    let (mut seats, start) = (seats(), Instant::now());
    let first = follow(&mut seats, &row(0.0), start);
    // Nearer to the neighbour's seat than to their own; taken one by one by distance they would all move up.
    assert_eq!(follow(&mut seats, &row(30.5), start + 4 * BEAT), first);
}

#[test]
fn a_seat_lasts_by_the_clock_however_slow_the_beat_is() {
    for beat in [BEAT, Duration::from_secs(20)] {
        let (mut seats, start) = (seats(), Instant::now());
        let there = [head(0.0, 0.0, 40.0)];
        for cycle in 0..80 {
            assert_eq!(follow(&mut seats, &there, start + beat * cycle), [SeatId(0)]);
        }
        let start = start + beat * 79;
        let cycles = |until: u64| (1..).map(|cycle| beat * cycle).take_while(move |at| at.as_secs() < until);
        cycles(110).for_each(|at| assert!(follow(&mut seats, &[], start + at).is_empty()));
        let back = start + Duration::from_secs(115);
        assert_eq!(follow(&mut seats, &there, back), [SeatId(0)]);
        cycles(160).for_each(|at| assert!(follow(&mut seats, &[], back + at).is_empty()));
        assert!(seats.is_empty());
    }
}

#[test]
fn what_was_seen_for_a_moment_is_soon_forgotten() {
    let (mut seats, start) = (seats(), Instant::now());
    follow(&mut seats, &[head(0.0, 0.0, 40.0)], start);
    (1..=3).for_each(|cycle| assert!(follow(&mut seats, &[], start + BEAT * cycle).is_empty()));
    assert_eq!(seats.len(), 1);
    follow(&mut seats, &[], start + BEAT * 4);
    assert!(seats.is_empty());
}

#[test]
fn a_hidden_head_is_counted_for_a_while_and_a_flickering_one_is_not() {
    let (mut seats, start) = (seats(), Instant::now());
    let (steady, flickering) = (head(0.0, 0.0, 40.0), head(300.0, 0.0, 40.0));
    let mut now = start;
    for cycle in 0..120 {
        now = start + BEAT * cycle;
        let heads = [steady, flickering];
        follow(&mut seats, &heads[..if cycle % 4 == 0 { 2 } else { 1 }], now);
    }
    assert_eq!(seats.people(now).len(), 1, "the flickering one counts when it is found");
    let vanished = now + BEAT;
    follow(&mut seats, &[], vanished);
    let people = seats.people(vanished);
    assert_eq!(people.len(), 1);
    assert_eq!((people[0].verdict, people[0].face, people[0].unseen_for), (Verdict::Covered, None, BEAT));
    assert!(people[0].faces_front() && people[0].head.iou(steady.bounds) > 0.9);
    for second in 1..20 {
        let at = vanished + Duration::from_secs(second);
        follow(&mut seats, &[], at);
        assert_eq!(seats.people(at).len(), usize::from(second < 15), "after {second} s");
    }
}

#[test]
fn beliefs_outlive_hiding_and_are_forgotten_with_the_lesson() {
    let (mut seats, start) = (seats(), Instant::now());
    let (there, mut places) = ([head(0.0, 0.0, 40.0)], Vec::new());
    seats.follow(&there, start, &mut places);
    let mut happy = [0.02; 7];
    happy[3] = 0.88;
    seats.read(places[0], Expressions(happy), 1.0, start);
    let back = start + Duration::from_secs(5);
    seats.follow(&there, back, &mut places);
    let person = &seats.people(back)[0];
    assert_eq!(person.belief.unwrap().dominant(), Expression::Happy);
    assert!(person.belief.unwrap().0[3] < 0.88 && person.reading.unwrap().read_at == start);
    seats.forget();
    assert!(seats.people(back).is_empty());
    seats.follow(&there, back, &mut places);
    let stranger = &seats.people(back)[0];
    assert_eq!((stranger.seat, stranger.belief, stranger.reading), (SeatId(0), None, None));
}

#[test]
fn faces_are_read_in_turn_and_the_uncertain_ones_more_often() {
    let (mut seats, start) = (seats(), Instant::now());
    let heads = row(0.0);
    let mut places = Vec::new();
    let mut counts = [0; 10];
    for cycle in 0..200_u32 {
        let now = start + BEAT * cycle;
        seats.follow(&heads, now, &mut places);
        let mut turn: Vec<usize> = (0..heads.len()).rev().collect();
        seats.by_need(&places, &mut turn, now);
        if cycle < 10 {
            assert_eq!(turn[0], cycle as usize, "all are read once before anybody is read twice");
        }
        // The first one is clear, the others are not.
        let clear = Expressions([0.01, 0.01, 0.01, 0.94, 0.01, 0.01, 0.01]);
        let unclear = Expressions([0.1, 0.1, 0.1, 0.2, 0.2, 0.1, 0.2]);
        seats.read(places[turn[0]], if turn[0] == 0 { clear } else { unclear }, 1.0, now);
        counts[turn[0]] += 1;
    }
    assert!(counts[1..].iter().all(|count| *count > counts[0]) && counts[0] >= 4, "{counts:?}");
}

proptest! {
    // Hundreds of heads on hundreds of seats: a few cases take as long as thousands of small ones.
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_head_gets_a_seat_of_its_own_and_seats_stay_few(
        frames in proptest::collection::vec(
            proptest::collection::vec((0f32..2000.0, 0f32..1000.0, 0f32..90.0), 0..300), 1..5)
    ) {
        let (mut seats, start) = (seats(), Instant::now());
        for (cycle, frame) in frames.into_iter().enumerate() {
            let now = start + BEAT * cycle as u32;
            let heads: Vec<Head> = frame.into_iter().map(|(x, y, size)| head(x, y, size)).collect();
            let mut ids = follow(&mut seats, &heads, now);
            prop_assert_eq!(ids.len(), heads.len().min(MAX_HEADS));
            prop_assert!(seats.people(now).len() >= ids.len());
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), heads.len().min(MAX_HEADS));
            prop_assert!(seats.len() <= MAX_SEATS);
        }
    }

    #[test]
    fn the_order_of_heads_makes_no_difference(
        (heads, shuffled) in Just((0..10_usize).collect::<Vec<_>>()).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        leaning in -25f32..25.0
    ) {
        let start = Instant::now();
        let (mut straight, mut mixed) = (seats(), seats());
        let (before, after) = (row(0.0), row(leaning));
        follow(&mut straight, &before, start);
        follow(&mut mixed, &before, start);
        let first = follow(&mut straight, &after, start + BEAT);
        let turned: Vec<Head> = shuffled.iter().map(|&index| after[index]).collect();
        let second = follow(&mut mixed, &turned, start + BEAT);
        prop_assert!(heads.iter().all(|&index| second[index] == first[shuffled[index]]));
    }
}

#[test]
fn each_face_is_read_from_both_sides_in_turn() {
    let (mut seats, start) = (seats(), Instant::now());
    let mut places = Vec::new();
    seats.follow(&[head(0.0, 0.0, 40.0), head(60.0, 0.0, 40.0)], start, &mut places);
    assert_eq!(seats.next_view(places[0]), View::AsSeen);
    seats.read(places[0], Expressions::UNKNOWN, 1.0, start);
    assert_eq!([places[0], places[1]].map(|place| seats.next_view(place)), [View::Mirrored, View::AsSeen]);
    seats.read(places[0], Expressions::UNKNOWN, 1.0, start + BEAT);
    assert_eq!(seats.next_view(places[0]), View::AsSeen);
}

/// Tiles in lines of `columns`, each with a head of `size` a bit off its middle.
fn tiles(people: usize, columns: usize, size: f32) -> Vec<Head> {
    let off = |index: usize| (index * 7 % 5) as f32 * size * 0.04;
    (0..people)
        .map(|index| {
            let (row, column) = (index / columns, index % columns);
            head(column as f32 * 3.2 * size + off(index), row as f32 * 1.8 * size + off(index + 2), size)
        })
        .collect()
}

#[test]
fn after_a_rearrangement_everybody_is_new_and_numbered_as_one_reads() {
    let (mut seats, start) = (seats().in_tiles(), Instant::now());
    let before = tiles(25, 5, 100.0);
    for cycle in 0..20 {
        let ids = follow(&mut seats, &before, start + BEAT * cycle);
        assert!(ids.iter().enumerate().all(|(index, id)| id.0 == index as u32));
    }
    let mut places = Vec::new();
    seats.follow(&before, start + BEAT * 20, &mut places);
    seats.read(places[3], Expressions([0.02, 0.02, 0.02, 0.88, 0.02, 0.02, 0.02]), 1.0, start + BEAT * 20);
    // One more, six columns, in any order.
    let now = start + BEAT * 21;
    let mut after = tiles(26, 6, 80.0);
    after.rotate_left(11);
    seats.give_up(|_| true);
    let ids = follow(&mut seats, &after, now);
    assert!(ids.iter().enumerate().all(|(index, id)| id.0 as usize == (index + 11) % 26), "{ids:?}");
    let people = seats.people(now);
    assert_eq!(people.len(), 26, "nobody counts twice");
    assert!(people.iter().all(|person| person.belief.is_none() && person.motion == 0.0));
}

#[test]
fn on_a_slow_beat_tiles_stay_known_and_who_is_missed_is_gone_at_once() {
    let (mut seats, start) = (seats().in_tiles(), Instant::now());
    let (mut heads, mut places) = (tiles(9, 3, 100.0), Vec::new());
    let at = |cycle: u32| start + Duration::from_secs(8) * cycle;
    for cycle in 0..4 {
        seats.follow(&heads, at(cycle), &mut places);
        assert_eq!(seats.seats[places[4]].reading.is_some(), cycle > 0);
        seats.read(places[4], Expressions::UNKNOWN, 1.0, at(cycle));
    }
    heads.remove(0);
    seats.follow(&heads, at(4), &mut places);
    assert_eq!(seats.people(at(4)).len(), 8);
    seats.follow(&heads, at(5), &mut places);
    assert_eq!((seats.len(), seats.seats[places[3]].id), (8, SeatId(4)));
}

#[test]
fn who_switches_the_camera_off_is_gone_after_two_seconds_and_the_next_one_gets_the_number() {
    let (mut seats, start) = (seats().in_tiles(), Instant::now());
    let mut heads = tiles(9, 3, 100.0);
    let at = |cycle: u32| start + BEAT * cycle;
    (0..40).for_each(|cycle| drop(follow(&mut seats, &heads, at(cycle))));
    heads.remove(4);
    for cycle in 40..50 {
        follow(&mut seats, &heads, at(cycle));
        assert_eq!(seats.people(at(cycle)).len(), if cycle < 44 { 9 } else { 8 }, "cycle {cycle}");
    }
    heads.push(head(2000.0, 0.0, 100.0));
    assert_eq!(follow(&mut seats, &heads, at(50)).last(), Some(&SeatId(4)));
}
