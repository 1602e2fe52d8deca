//! Tests of the seats as a whole: tracking, counting and the order of reading.

use super::*;
use moodring_camera::PixelBox;
use moodring_contract::Expression;
use proptest::prelude::*;

const CYCLE: Duration = Duration::from_millis(500);

fn head(x: f32, y: f32, size: f32) -> Head {
    let bounds = PixelBox { x, y, width: size, height: size };
    Head { bounds, score: 0.9, face: bounds, face_score: 0.95 }
}

fn seats() -> Seats {
    Seats::new(&config::Seats::default(), 0.8, Expressions::UNKNOWN)
}

fn follow(seats: &mut Seats, heads: &[Head], now: Instant) -> Vec<SeatId> {
    let mut indices = Vec::new();
    seats.follow(heads, now, &mut indices);
    indices.into_iter().map(|index| seats.seats[index].id).collect()
}

/// Ten people in a row, 1.5 heads apart; `leaning` moves all of them, in pixels.
fn row(leaning: f32) -> Vec<Head> {
    (0..10).map(|seat| head(60.0 * seat as f32 + leaning, 100.0, 40.0)).collect()
}

#[test]
fn heads_that_move_a_little_keep_their_seats_in_any_order() {
    let (mut seats, start) = (seats(), Instant::now());
    let first = follow(&mut seats, &[head(0.0, 0.0, 40.0), head(60.0, 0.0, 40.0)], start);
    assert_eq!(first, [SeatId(0), SeatId(1)]);
    let second = follow(&mut seats, &[head(50.0, 5.0, 38.0), head(-10.0, 0.0, 42.0)], start + CYCLE);
    assert_eq!(second, [SeatId(1), SeatId(0)]);
    // New people: a head that is far away or of another size is not the same.
    let third = follow(&mut seats, &[head(50.0, 5.0, 100.0), head(300.0, 0.0, 40.0)], start + 2 * CYCLE);
    assert_eq!(third, [SeatId(2), SeatId(3)]);
}

#[test]
fn a_whole_row_that_leans_aside_keeps_its_seats() {
    let (mut seats, start) = (seats(), Instant::now());
    let first = follow(&mut seats, &row(0.0), start);
    // All heads are nearer to the neighbour's seat than to their own; greedy assignment would shift the whole row.
    assert_eq!(follow(&mut seats, &row(30.5), start + 4 * CYCLE), first);
}

#[test]
fn a_seat_lasts_by_time_however_slow_the_cycle_is() {
    for beat in [CYCLE, Duration::from_secs(20)] {
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
fn a_brief_detection_is_dropped_early() {
    let (mut seats, start) = (seats(), Instant::now());
    follow(&mut seats, &[head(0.0, 0.0, 40.0)], start);
    (1..=3).for_each(|cycle| assert!(follow(&mut seats, &[], start + CYCLE * cycle).is_empty()));
    assert_eq!(seats.len(), 1);
    follow(&mut seats, &[], start + CYCLE * 4);
    assert!(seats.is_empty());
}

#[test]
fn a_hidden_head_is_counted_for_a_while_and_a_flickering_one_is_not() {
    let (mut seats, start) = (seats(), Instant::now());
    let (steady, flickering) = (head(0.0, 0.0, 40.0), head(300.0, 0.0, 40.0));
    let mut now = start;
    for cycle in 0..120 {
        now = start + CYCLE * cycle;
        let heads = [steady, flickering];
        follow(&mut seats, &heads[..if cycle % 4 == 0 { 2 } else { 1 }], now);
    }
    assert_eq!(seats.people(now).len(), 1, "the flickering head counts only when it is found");
    let vanished = now + CYCLE;
    follow(&mut seats, &[], vanished);
    let people = seats.people(vanished);
    assert_eq!(people.len(), 1);
    assert_eq!(
        (people[0].readability, people[0].face, people[0].unseen_for),
        (Readability::Covered, None, CYCLE)
    );
    assert!(people[0].faces_front() && people[0].head.iou(steady.bounds) > 0.9);
    for second in 1..20 {
        let at = vanished + Duration::from_secs(second);
        follow(&mut seats, &[], at);
        assert_eq!(seats.people(at).len(), usize::from(second < 15), "after {second} s");
    }
}

#[test]
fn beliefs_survive_occlusion_and_end_with_a_pause() {
    let (mut seats, start) = (seats(), Instant::now());
    let (there, mut indices) = ([head(0.0, 0.0, 40.0)], Vec::new());
    seats.follow(&there, start, &mut indices);
    let mut happy = [0.02; 7];
    happy[3] = 0.88;
    seats.read(indices[0], Expressions(happy), 1.0, start);
    let back = start + Duration::from_secs(5);
    seats.follow(&there, back, &mut indices);
    let person = &seats.people(back)[0];
    assert_eq!(person.belief.unwrap().dominant(), Expression::Happy);
    assert!(person.belief.unwrap().0[3] < 0.88 && person.reading.unwrap().read_at == start);
    seats.forget();
    assert!(seats.people(back).is_empty());
    seats.follow(&there, back, &mut indices);
    let new = &seats.people(back)[0];
    assert_eq!((new.seat, new.belief, new.reading), (SeatId(1), None, None), "no number is used twice");
}

#[test]
fn all_faces_are_read_and_uncertain_ones_more_often() {
    let (mut seats, start) = (seats(), Instant::now());
    let heads = row(0.0);
    let mut indices = Vec::new();
    let mut counts = [0; 10];
    for cycle in 0..200_u32 {
        let now = start + CYCLE * cycle;
        seats.follow(&heads, now, &mut indices);
        let mut queue: Vec<usize> = (0..heads.len()).rev().collect();
        seats.sort_by_need(&indices, &mut queue, now);
        if cycle < 10 {
            assert_eq!(queue[0], cycle as usize, "each seat is read once before any is read twice");
        }
        // The first face is clear, the others are not.
        let clear = Expressions([0.01, 0.01, 0.01, 0.94, 0.01, 0.01, 0.01]);
        let unclear = Expressions([0.1, 0.1, 0.1, 0.2, 0.2, 0.1, 0.2]);
        seats.read(indices[queue[0]], if queue[0] == 0 { clear } else { unclear }, 1.0, now);
        counts[queue[0]] += 1;
    }
    assert!(counts[1..].iter().all(|count| *count > counts[0]) && counts[0] >= 4, "{counts:?}");
}

proptest! {
    // Hundreds of heads and seats: a few cases take as long as thousands of small ones.
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn each_head_gets_its_own_seat_and_seats_stay_bounded(
        frames in proptest::collection::vec(
            proptest::collection::vec((0f32..2000.0, 0f32..1000.0, 0f32..90.0), 0..300), 1..5)
    ) {
        let (mut seats, start) = (seats(), Instant::now());
        for (cycle, frame) in frames.into_iter().enumerate() {
            let now = start + CYCLE * cycle as u32;
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
    fn the_result_is_independent_of_the_order_of_heads(
        (heads, shuffled) in Just((0..10_usize).collect::<Vec<_>>()).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        leaning in -25f32..25.0
    ) {
        let start = Instant::now();
        let (mut straight, mut mixed) = (seats(), seats());
        let (before, after) = (row(0.0), row(leaning));
        follow(&mut straight, &before, start);
        follow(&mut mixed, &before, start);
        let first = follow(&mut straight, &after, start + CYCLE);
        let turned: Vec<Head> = shuffled.iter().map(|&index| after[index]).collect();
        let second = follow(&mut mixed, &turned, start + CYCLE);
        prop_assert!(heads.iter().all(|&index| second[index] == first[shuffled[index]]));
    }
}

#[test]
fn each_face_is_read_in_alternating_views() {
    let (mut seats, start) = (seats(), Instant::now());
    let mut indices = Vec::new();
    seats.follow(&[head(0.0, 0.0, 40.0), head(60.0, 0.0, 40.0)], start, &mut indices);
    assert_eq!(seats.next_view(indices[0]), FaceView::AsSeen);
    seats.read(indices[0], Expressions::UNKNOWN, 1.0, start);
    assert_eq!(
        [indices[0], indices[1]].map(|index| seats.next_view(index)),
        [FaceView::Mirrored, FaceView::AsSeen]
    );
    seats.read(indices[0], Expressions::UNKNOWN, 1.0, start + CYCLE);
    assert_eq!(seats.next_view(indices[0]), FaceView::AsSeen);
}

/// Tiles in rows of `columns`, each with a head of `size` slightly off its centre.
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
fn after_a_rearrangement_all_seats_are_new_and_numbered_in_reading_order() {
    let (mut seats, start) = (seats().for_gallery(), Instant::now());
    let before = tiles(25, 5, 100.0);
    for cycle in 0..20 {
        let ids = follow(&mut seats, &before, start + CYCLE * cycle);
        assert!(ids.iter().enumerate().all(|(index, id)| id.0 == index as u32));
    }
    let mut indices = Vec::new();
    seats.follow(&before, start + CYCLE * 20, &mut indices);
    seats.read(indices[3], Expressions([0.02, 0.02, 0.02, 0.88, 0.02, 0.02, 0.02]), 1.0, start + CYCLE * 20);
    // One more person, six columns, in a different order.
    let now = start + CYCLE * 21;
    let mut after = tiles(26, 6, 80.0);
    after.rotate_left(11);
    seats.release(|_| true);
    let ids = follow(&mut seats, &after, now);
    assert!(ids.iter().enumerate().all(|(index, id)| id.0 as usize == (index + 11) % 26), "{ids:?}");
    let people = seats.people(now);
    assert_eq!(people.len(), 26, "nobody counts twice");
    assert!(people.iter().all(|person| person.belief.is_none() && person.motion == 0.0));
}

#[test]
fn in_slow_cycles_tiles_are_kept_and_a_missed_one_is_dropped_at_once() {
    let (mut seats, start) = (seats().for_gallery(), Instant::now());
    let (mut heads, mut indices) = (tiles(9, 3, 100.0), Vec::new());
    let at = |cycle: u32| start + Duration::from_secs(8) * cycle;
    for cycle in 0..4 {
        seats.follow(&heads, at(cycle), &mut indices);
        assert_eq!(seats.seats[indices[4]].reading.is_some(), cycle > 0);
        seats.read(indices[4], Expressions::UNKNOWN, 1.0, at(cycle));
    }
    heads.remove(0);
    seats.follow(&heads, at(4), &mut indices);
    assert_eq!(seats.people(at(4)).len(), 8);
    seats.follow(&heads, at(5), &mut indices);
    assert_eq!((seats.len(), seats.seats[indices[3]].id), (8, SeatId(4)));
}

#[test]
fn a_camera_turned_off_frees_its_number_after_two_seconds() {
    let (mut seats, start) = (seats().for_gallery(), Instant::now());
    let mut heads = tiles(9, 3, 100.0);
    let at = |cycle: u32| start + CYCLE * cycle;
    (0..40).for_each(|cycle| drop(follow(&mut seats, &heads, at(cycle))));
    heads.remove(4);
    for cycle in 40..50 {
        follow(&mut seats, &heads, at(cycle));
        assert_eq!(seats.people(at(cycle)).len(), if cycle < 44 { 9 } else { 8 }, "cycle {cycle}");
    }
    heads.push(head(2000.0, 0.0, 100.0));
    assert_eq!(follow(&mut seats, &heads, at(50)).last(), Some(&SeatId(4)));
}
