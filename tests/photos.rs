//! Real pictures of real groups, which are not part of the project: without them these tests skip.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::Path;
use std::time::Instant;

use moodring::camera::{Frame, PixelFormat, Size};
use moodring::config::{Config, Mode};
use moodring::vision::model_card::{ModelCard, Task};
use moodring::vision::{Verdict, Vision};

/// The picture `name`, or none, saying so, where the pictures are not there.
fn photo(name: &str) -> Option<Frame> {
    let path = common::shared(&format!("data/photos/{name}"))?;
    Some(moodring::camera::file::load_picture(&path).unwrap())
}

fn grey(width: u32, height: u32, data: Vec<u8>) -> Frame {
    let size = Size::new(width, height);
    Frame {
        captured_at: Instant::now(),
        sequence: 1,
        format: PixelFormat::Grey,
        size,
        stride: width as usize,
        data,
    }
}

#[test]
fn groups_are_counted_and_every_readable_face_is_read() {
    let mut vision = Vision::new(&Config::default()).unwrap();
    for (name, people) in
        [("group_steps.jpg", 24..=32), ("solvay_1927.jpg", 25..=36), ("group_office.jpg", 13..=15)]
    {
        let Some(frame) = photo(name) else { return };
        let look = vision.look(&frame).unwrap();
        let found = &look.observation.people;
        let facing = found.iter().filter(|person| person.faces_front()).count();
        println!("{name}: {} people, {facing} facing, {:?}", found.len(), vision.stages());
        assert!(people.contains(&found.len()), "{} people in {name}", found.len());
        assert!(facing * 2 > found.len(), "{facing} of {} face the camera in {name}", found.len());
        let threshold = face_threshold();
        for (person, face_score) in found.iter().zip(&look.face_scores) {
            let shown = Some(*face_score).filter(|score| *score >= threshold);
            assert_eq!(person.face.map(|face| face.score), shown);
            assert_eq!(person.reading.is_some(), person.verdict == Verdict::Ok);
            assert!(person.face.is_some() || person.reading.is_none());
        }
    }
}

/// From which face score on a head shows its face, as the model card says.
fn face_threshold() -> f32 {
    let card = ModelCard::read(Path::new("models/heads.toml"), Task::Heads).unwrap();
    card.thresholds.unwrap().face_score
}

#[test]
fn pictures_unlike_a_classroom_do_not_fill_with_heads() {
    let mut config = Config::default();
    config.mood.mode = Mode::Occupancy;
    let mut vision = Vision::new(&config).unwrap();
    for (name, people) in [
        ("dogs_no_people.jpg", 0..=1),
        ("family.jpg", 6..=8),
        ("bar.jpg", 6..=8),
        ("costume.jpg", 6..=8),
        ("two.jpg", 2..=3),
    ] {
        let Some(frame) = photo(name) else { return };
        let found = vision.look(&frame).unwrap().observation.people.len();
        assert!(people.contains(&found), "{found} people in {name}");
    }
}

#[test]
fn a_still_class_keeps_its_seats_and_all_its_faces_are_read_in_turn() {
    let Some(frame) = photo("group_steps.jpg") else { return };
    let mut config = Config::default();
    // Too short for more than one face.
    config.vision.reading_budget_s = 1e-9;
    let mut vision = Vision::new(&config).unwrap();
    let first = vision.observe(&frame).unwrap();
    let faces = first.people.iter().filter(|person| person.verdict == Verdict::Ok).count();
    for cycle in 1..faces {
        let read = first.people.len();
        let next = vision.observe(&frame).unwrap();
        assert_eq!(vision.stages().faces_read, 1);
        assert_eq!(next.people.len(), read);
        let seats = |people: &[moodring::vision::Person]| people.iter().map(|p| p.seat).collect::<Vec<_>>();
        assert_eq!(seats(&next.people), seats(&first.people));
        let read = next.people.iter().filter(|person| person.reading.is_some()).count();
        assert_eq!(read, cycle + 1);
    }
}

#[test]
fn occupancy_mode_counts_and_does_not_read() {
    let Some(frame) = photo("group_office.jpg") else { return };
    let mut config = Config::default();
    config.mood.mode = Mode::Occupancy;
    // The network is not even looked for.
    config.models.expression = "nothing.toml".into();
    let mut vision = Vision::new(&config).unwrap();
    let observation = vision.observe(&frame).unwrap();
    assert!(observation.people.iter().any(|person| person.faces_front()));
    assert!(observation.people.iter().all(|person| person.reading.is_none()));
    assert!(vision.read_face(&frame).is_err());
}

#[test]
fn pictures_of_odd_shapes_are_searched() {
    let mut vision = Vision::new(&Config::default()).unwrap();
    for (width, height) in [(1, 1), (20_000, 100), (100, 20_000), (3, 700), (1279, 737)] {
        let frame = grey(width, height, vec![114; (width * height) as usize]);
        let look = vision.look(&frame).unwrap();
        assert!(look.observation.people.is_empty(), "{width}x{height}");
        let seven = vision.read_face(&frame).unwrap().0;
        assert!((seven.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }
}
