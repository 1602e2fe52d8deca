//! Tests whether an observer who sees only messages can derive the expression of a person who leaves. The simulation starts
//! with detected heads, so that seats and window take part.
//!
//! Each class is simulated twice. In the second simulation, the person who leaves and one who stays have swapped their
//! expressions. All messages before the departure are equal, because the shares of the class are equal. If all messages
//! after it are equal, too, an observer can only guess which of the two expressions the person had. Messages later than
//! [`COHORT_MEMORY`] are not compared, because expressions have changed by then.
//!
//! Power: a fault that shows in one of twenty classes is missed by 100 classes with a probability of 0.6 %.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::disclosure::COHORT_MEMORY;
use super::{Aggregator, PublicationRecord};
use moodring_camera::PixelBox;
use moodring_config::{Config, Mood as Settings, Room, Seats as SeatSettings};
use moodring_contract::Mood;
use moodring_runtime::{Health, Rng};
use moodring_vision::heads::Head;
use moodring_vision::seats::Seats;
use moodring_vision::{Expressions, Observation};

const PEOPLE: usize = 7;
const CLASSES: u64 = 100;
/// Seconds of the worlds before and after the person goes.
const BEFORE: u64 = 90;
const AFTER: u64 = COHORT_MEMORY.as_secs();

/// A room, its device, and everything that was published.
struct World {
    seats: Seats,
    aggregator: Aggregator,
    start: Instant,
    second: u64,
    /// The place and the expression of each person.
    people: BTreeMap<usize, usize>,
    messages: Vec<Mood>,
}

fn aggregator() -> Aggregator {
    Aggregator::new(Room::default(), Settings::default())
}

fn seats() -> Seats {
    Seats::new(&SeatSettings::default(), 0.5, Expressions([0.09, 0.01, 0.03, 0.29, 0.13, 0.1, 0.35]))
}

impl World {
    fn new(people: &[usize]) -> Self {
        let start = Instant::now();
        let aggregator = aggregator().published_from(start, Duration::ZERO);
        let people = people.iter().copied().enumerate().collect();
        Self { seats: seats(), aggregator, start, second: 0, people, messages: Vec::new() }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.second)
    }

    /// Advances by one second: detects and reads all people in the room, then publishes a mood.
    fn advance(&mut self) {
        self.second += 1;
        let now = self.now();
        let heads: Vec<Head> = self.people.keys().map(|place| head(*place)).collect();
        let mut indices = Vec::new();
        self.seats.follow(&heads, now, &mut indices);
        for (index, expression) in indices.iter().zip(self.people.values()) {
            let read =
                Expressions(std::array::from_fn(|other| if other == *expression { 0.88 } else { 0.02 }));
            self.seats.read(*index, read, 1.0, now);
        }
        self.aggregator.observe(&Observation { captured_at: now, people: self.seats.people(now) });
        self.messages.push(self.aggregator.mood(now, Timestamp::UNIX_EPOCH));
    }

    /// The device is paused for `seconds`.
    fn pause(&mut self, seconds: u64) {
        self.seats.forget();
        self.aggregator.set_paused(true, self.now());
        self.second += seconds;
        self.aggregator.set_paused(false, self.now());
    }

    /// The program is restarted: it knows what is on disk.
    fn restart(&mut self, withheld: Duration) {
        self.seats = seats();
        self.aggregator = aggregator().published_from(self.now(), withheld);
    }
}

fn head(place: usize) -> Head {
    let bounds = PixelBox { x: 100.0 * place as f32, y: 50.0, width: 40.0, height: 50.0 };
    Head { bounds, score: 0.9, face: bounds, face_score: 0.95 }
}

/// Runs each class in both worlds: the person at place 0 goes by `event`. Asserts that the messages are equal, and that
/// expressions were published before.
fn assert_nothing_is_learned(event: impl Fn(&mut World)) {
    for class in 0..CLASSES {
        let mut rng = Rng::new(class + 1);
        let mut people: Vec<usize> = (0..PEOPLE).map(|_| (rng.unit() * 6.99) as usize).collect();
        if people[0] == people[1] {
            people[0] = (people[1] + 1) % 7;
        }
        let worlds = [(0, 1), (1, 0)].map(|(gone, stays)| {
            let mut exchanged = people.clone();
            (exchanged[0], exchanged[1]) = (people[gone], people[stays]);
            let mut world = World::new(&exchanged);
            (0..BEFORE).for_each(|_| world.advance());
            event(&mut world);
            // The last message with expressions is less than this old.
            while world.second + 1 < BEFORE + AFTER {
                world.advance();
            }
            world.messages
        });
        assert!(worlds[0].iter().any(|mood| mood.expressions.is_some()), "nothing was published at all");
        for (number, (one, other)) in worlds[0].iter().zip(&worlds[1]).enumerate() {
            assert_eq!(one, other, "class {class}, message {number}: it tells who went");
        }
    }
}

#[test]
fn a_person_who_leaves_takes_the_expression_along() {
    assert_nothing_is_learned(|world| {
        world.people.remove(&0);
    });
}

#[test]
fn a_person_who_leaves_in_a_pause_of_a_second_takes_the_expression_along() {
    assert_nothing_is_learned(|world| {
        world.pause(1);
        world.people.remove(&0);
    });
}

#[tokio::test]
async fn a_person_who_leaves_during_a_restart_takes_the_expression_along() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.storage.directory = folder.path().to_owned();
    let open = || PublicationRecord::open(&config, Health::new("disclosure"));
    assert!(open().0.renew(Instant::now()).await);
    let withheld = open().1;
    assert!(withheld >= COHORT_MEMORY);
    assert_nothing_is_learned(|world| {
        world.restart(withheld);
        world.people.remove(&0);
    });
}

#[test]
fn a_person_who_leaves_at_the_begin_of_a_lesson_takes_the_expression_along() {
    assert_nothing_is_learned(|world| {
        world.aggregator.reset(world.now());
        world.people.remove(&0);
    });
}

#[test]
fn no_expressions_are_published_before_a_whole_window_was_seen() {
    let mut world = World::new(&[3; PEOPLE]);
    let window = Settings::default().window_s as u64;
    let published = |world: &World| world.messages.last().unwrap().expressions.is_some();
    for second in 1..=2 * window {
        world.advance();
        assert_eq!(published(&world), second >= window, "second {second} after the start");
    }
    world.aggregator.reset(world.now());
    for second in 1..=2 * window {
        world.advance();
        assert_eq!(published(&world), second >= window, "second {second} of the lesson");
    }
    let last = world.second;
    world.pause(1);
    while world.second < last + AFTER + 10 {
        world.advance();
        assert_eq!(
            published(&world),
            world.second >= last + AFTER,
            "{} s after the last message",
            world.second - last
        );
    }
}

#[test]
fn people_in_other_seats_after_a_pause_are_not_taken_for_those_before() {
    // Three of ten are happy; in a pause everybody takes another seat, and nobody is happy any more.
    let mut world = World::new(&[3, 3, 3, 6, 6, 6, 6, 6, 6, 6]);
    (0..BEFORE).for_each(|_| world.advance());
    assert!(world.messages.last().unwrap().expressions.unwrap().happy.share >= 0.2);
    world.pause(1);
    world.people.values_mut().for_each(|expression| *expression = 6);
    for _ in 0..AFTER + 60 {
        world.advance();
        if let Some(shares) = world.messages.last().unwrap().expressions {
            assert!(shares.happy.share <= 0.1, "{shares:?}");
        }
    }
    assert!(world.messages.last().unwrap().expressions.is_some());
}
