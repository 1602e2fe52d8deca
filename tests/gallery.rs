//! Simulated video calls, from the drawn gallery through the real networks to the mood. The clock is simulated.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use moodring_camera::simulator::{Scene, Script, ScriptEvent, SimulatorSource};
use moodring_camera::{Frame, PixelFormat};
use moodring_config::{CameraView, Config};
use moodring_contract::Expression;
use moodring_contract::{Mood, Word};
use moodring_mood::Aggregator;
use moodring_vision::{Observation, Vision};

const CYCLE: Duration = Duration::from_millis(500);

struct Call {
    scene: Scene,
    vision: Vision,
    aggregator: Aggregator,
    begun: Instant,
}

impl Call {
    fn new(people: u32, (width, height): (u32, u32), events: Vec<(Duration, ScriptEvent)>) -> Self {
        let mut config = Config::default();
        config.camera.view = CameraView::Gallery;
        // All faces are read in each cycle, however slow this machine is.
        config.vision.reading_budget_s = 10.0;
        let simulator = &mut config.camera.simulator;
        (simulator.people, simulator.width, simulator.height) = (people, width, height);
        let source = SimulatorSource::new(simulator).with_script(Script::new(events, None).unwrap());
        Self {
            scene: source.with_view(config.camera.view).scene().unwrap(),
            vision: Vision::new(&config).unwrap(),
            aggregator: Aggregator::from_config(&config).unwrap(),
            begun: Instant::now(),
        }
    }

    fn observe(&mut self, at: Duration) -> (Observation, Mood) {
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

    /// Number of people with the camera on.
    fn present(&self, at: Duration) -> usize {
        self.scene.truth(at).people.len()
    }
}

/// Checks the published people within 10 % and facing within 0.1, and that no head is found where there is none (tiles
/// without a camera, names, the toolbar).
fn check_estimates(people: u32, size: (u32, u32)) {
    let mut call = Call::new(people, size, vec![(Duration::ZERO, ScriptEvent::Facing(0.75))]);
    for step in 0..10 {
        let at = CYCLE * step;
        let (observation, mood) = call.observe(at);
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
            let published = mood.facing.unwrap().share;
            assert!(
                (published - facing).abs() <= 0.1,
                "{people} at {size:?}: {published}, in truth {facing}"
            );
        }
    }
}

#[test]
fn people_and_facing_of_25_tiles_are_right() {
    check_estimates(25, (1280, 720));
    check_estimates(25, (1920, 1080));
}

#[test]
fn people_and_facing_of_49_tiles_are_right() {
    check_estimates(49, (1280, 720));
    check_estimates(49, (1920, 1080));
}

#[test]
fn after_a_joke_happy_is_dominant() {
    let shares = |happy, surprise| [0.0, 0.0, 0.0, happy, 0.0, surprise, 1.0 - happy - surprise];
    let second = Duration::from_secs(1);
    let events = vec![
        (Duration::ZERO, ScriptEvent::Expressions(shares(0.1, 0.0))),
        (5 * second, ScriptEvent::Expressions(shares(0.65, 0.2))),
    ];
    let mut call = Call::new(25, (1280, 720), events);
    for at in 0..5 {
        assert_eq!(call.observe(second * at).1.dominant, Some(Expression::Neutral));
    }
    let last = (5..40).map(|at| call.observe(second * at).1).last().unwrap();
    assert_eq!((last.dominant, last.word), (Some(Expression::Happy), Word::Bright));
    assert!((last.expressions.unwrap().happy.share - 0.65).abs() < 0.2, "{:?}", last.expressions);
}

/// Checks a rearrangement of the tiles: no head is counted twice in any cycle, and the published number of people is right
/// after five seconds.
fn check_rearrangement(people: u32, event: ScriptEvent) {
    const BEFORE: u32 = 24;
    let mut call = Call::new(people, (1280, 720), vec![(CYCLE * BEFORE, event)]);
    let mut restless = 0.0_f64;
    for step in 0..BEFORE + 14 {
        let at = CYCLE * step;
        let (observation, mood) = call.observe(at);
        restless = restless.max(mood.restlessness.unwrap_or(0.0));
        let present = call.present(at) as f64;
        if step >= BEFORE {
            let counted = observation.people.len() as f64;
            assert!(counted <= 1.05 * present + 0.5, "{people}, {event:?}: {counted} of {present} counted");
        }
        if step >= BEFORE + 10 {
            let published = f64::from(mood.people.unwrap());
            assert!(
                (published - present).abs() <= (0.05 * present).max(1.0),
                "{people}, {event:?}: {published} of {present} published"
            );
        }
    }
    assert!(restless < 0.1, "{people}, {event:?}: restlessness {restless}");
}

#[test]
fn nobody_is_counted_twice_when_people_join() {
    check_rearrangement(25, ScriptEvent::People(30));
}

#[test]
fn nobody_is_counted_twice_when_people_leave() {
    check_rearrangement(30, ScriptEvent::People(24));
}

#[test]
fn a_shared_slide_is_not_counted_as_a_person() {
    check_rearrangement(16, ScriptEvent::Slide(Duration::from_secs(60)));
}
