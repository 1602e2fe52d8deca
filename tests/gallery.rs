//! Simulated video calls, from the drawn gallery through the real networks to the mood. No clock is waited for.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use moodring::camera::simulator::{Event, Scene, Script, SimulatorSource};
use moodring::camera::{Frame, PixelFormat};
use moodring::config::{CameraView, Config};
use moodring::mood::{Aggregator, Mood, Word};
use moodring::vision::{Expression, Observation, Vision};

const BEAT: Duration = Duration::from_millis(500);

struct Call {
    scene: Scene,
    vision: Vision,
    aggregator: Aggregator,
    begun: Instant,
}

impl Call {
    fn new(people: u32, (width, height): (u32, u32), events: Vec<(Duration, Event)>) -> Self {
        let mut config = Config::default();
        config.camera.view = CameraView::Gallery;
        // So that the time of this machine makes no difference.
        config.vision.reading_budget_s = 10.0;
        let simulator = &mut config.camera.simulator;
        (simulator.people, simulator.width, simulator.height) = (people, width, height);
        let source = SimulatorSource::new(simulator).with_script(Script::new(events, None).unwrap());
        Self {
            scene: source.with_view(config.camera.view).scene().unwrap(),
            vision: Vision::new(&config).unwrap(),
            aggregator: Aggregator::of(&config).unwrap(),
            begun: Instant::now(),
        }
    }

    fn look(&mut self, at: Duration) -> (Observation, Mood) {
        let size = self.scene.size();
        let mut data = vec![0; size.area()];
        self.scene.draw(at, &mut data);
        let (captured_at, stride) = (self.begun + at, size.width as usize);
        let frame = Frame { captured_at, sequence: 0, format: PixelFormat::Grey, size, stride, data };
        let observation = self.vision.observe(&frame).unwrap();
        self.aggregator.observe(&observation);
        let mood = self.aggregator.mood(captured_at, Timestamp::UNIX_EPOCH);
        (observation, mood)
    }

    /// How many have the camera on.
    fn there(&self, at: Duration) -> usize {
        self.scene.truth(at).people.len()
    }
}

/// People within 10 %, facing within 0.1, and no head where none is: tiles without a camera, names, the toolbar.
fn is_seen_as_it_is(people: u32, size: (u32, u32)) {
    let mut call = Call::new(people, size, vec![(Duration::ZERO, Event::Facing(0.75))]);
    for step in 0..10 {
        let at = BEAT * step;
        let (observation, mood) = call.look(at);
        let truth = call.scene.truth(at).people;
        for head in &observation.people {
            assert!(
                truth.iter().any(|person| person.head.iou(head.head) > 0.3),
                "{people} at {size:?}: {head:?}"
            );
        }
        if step == 9 {
            let facing = truth.iter().filter(|person| person.faces_front).count() as f64 / truth.len() as f64;
            let (seen, of) = (f64::from(mood.people.unwrap()), truth.len() as f64);
            assert!((seen - of).abs() <= 0.1 * of, "{people} at {size:?}: {seen} of {of}");
            let told = mood.facing.unwrap().share;
            assert!((told - facing).abs() <= 0.1, "{people} at {size:?}: {told}, in truth {facing}");
        }
    }
}

#[test]
fn twenty_five_tiles_are_seen_as_they_are() {
    is_seen_as_it_is(25, (1280, 720));
    is_seen_as_it_is(25, (1920, 1080));
}

#[test]
fn forty_nine_tiles_are_seen_as_they_are() {
    is_seen_as_it_is(49, (1280, 720));
    is_seen_as_it_is(49, (1920, 1080));
}

#[test]
fn a_joke_makes_the_gallery_happy() {
    let shares = |happy, surprise| [0.0, 0.0, 0.0, happy, 0.0, surprise, 1.0 - happy - surprise];
    let second = Duration::from_secs(1);
    let events = vec![
        (Duration::ZERO, Event::Expressions(shares(0.1, 0.0))),
        (5 * second, Event::Expressions(shares(0.65, 0.2))),
    ];
    let mut call = Call::new(25, (1280, 720), events);
    for at in 0..5 {
        assert_eq!(call.look(second * at).1.dominant, Some(Expression::Neutral));
    }
    let last = (5..40).map(|at| call.look(second * at).1).last().unwrap();
    assert_eq!((last.dominant, last.word), (Some(Expression::Happy), Word::Bright));
    assert!((last.expressions.unwrap().happy.share - 0.65).abs() < 0.2, "{:?}", last.expressions);
}

/// What happens is over within a cycle for each look, and within five seconds for what is published.
fn is_right_soon_after(people: u32, event: Event) {
    const BEFORE: u32 = 24;
    let mut call = Call::new(people, (1280, 720), vec![(BEAT * BEFORE, event)]);
    let mut restless = 0.0_f64;
    for step in 0..BEFORE + 14 {
        let at = BEAT * step;
        let (observation, mood) = call.look(at);
        restless = restless.max(mood.restlessness.unwrap_or(0.0));
        let there = call.there(at) as f64;
        if step >= BEFORE {
            let counted = observation.people.len() as f64;
            assert!(counted <= 1.05 * there + 0.5, "{people}, {event:?}: {counted} of {there} counted");
        }
        if step >= BEFORE + 10 {
            let told = f64::from(mood.people.unwrap());
            assert!(
                (told - there).abs() <= (0.05 * there).max(1.0),
                "{people}, {event:?}: {told} of {there} told"
            );
        }
    }
    assert!(restless < 0.1, "{people}, {event:?}: restlessness {restless}");
}

#[test]
fn who_comes_moves_all_tiles_and_nobody_counts_twice() {
    is_right_soon_after(25, Event::People(30));
}

#[test]
fn who_goes_moves_all_tiles_and_nobody_counts_twice() {
    is_right_soon_after(30, Event::People(24));
}

#[test]
fn a_slide_that_is_shared_moves_all_tiles_and_is_nobody() {
    is_right_soon_after(16, Event::Slide(Duration::from_secs(60)));
}
