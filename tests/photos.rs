//! Photos of real groups. They are not part of the project; the tests skip if they are absent.

#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use std::path::Path;
use std::time::Instant;

use moodring_camera::{Frame, PixelFormat, Size};
use moodring_config::Config;
use moodring_contract::Mode;
use moodring_vision::model_card::{ModelCard, Task};
use moodring_vision::{Readability, Vision};

/// The photo `name`; `None`, with a skip message, if it does not exist.
fn photo(name: &str) -> Option<Frame> {
    let path = common::shared(&format!("data/photos/{name}"))?;
    Some(moodring_camera::file::load_picture(&path).unwrap())
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
        let result = vision.analyze_still(&frame).unwrap();
        let found = &result.observation.people;
        let facing = found.iter().filter(|person| person.faces_front()).count();
        println!("{name}: {} people, {facing} facing, {:?}", found.len(), vision.stages());
        assert!(people.contains(&found.len()), "{} people in {name}", found.len());
        assert!(facing * 2 > found.len(), "{facing} of {} face the camera in {name}", found.len());
        let threshold = face_threshold();
        for (person, face_score) in found.iter().zip(&result.face_scores) {
            let expected = Some(*face_score).filter(|score| *score >= threshold);
            assert_eq!(person.face.map(|face| face.score), expected);
            assert_eq!(person.reading.is_some(), person.readability == Readability::Ok);
            assert!(person.face.is_some() || person.reading.is_none());
        }
    }
}

/// Minimum face score of a visible face, from the model card.
fn face_threshold() -> f32 {
    let card = ModelCard::read(Path::new("models/heads.toml"), Task::Heads).unwrap();
    card.thresholds.unwrap().face_score
}

#[test]
fn no_false_heads_in_photos_unlike_a_classroom() {
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
        let found = vision.analyze_still(&frame).unwrap().observation.people.len();
        assert!(people.contains(&found), "{found} people in {name}");
    }
}

#[test]
fn in_a_still_class_seats_are_kept_and_every_face_is_read_in_turn() {
    let Some(frame) = photo("group_steps.jpg") else { return };
    let mut config = Config::default();
    // The budget is enough for one face per cycle only.
    config.vision.reading_budget_s = 1e-9;
    let mut vision = Vision::new(&config).unwrap();
    let first = vision.observe(&frame).unwrap();
    let faces = first.people.iter().filter(|person| person.readability == Readability::Ok).count();
    for cycle in 1..faces {
        let next = vision.observe(&frame).unwrap();
        assert_eq!(vision.stages().faces_read, 1);
        assert_eq!(next.people.len(), first.people.len());
        let seats = |people: &[moodring_vision::Person]| people.iter().map(|p| p.seat).collect::<Vec<_>>();
        assert_eq!(seats(&next.people), seats(&first.people));
        let read = next.people.iter().filter(|person| person.reading.is_some()).count();
        assert_eq!(read, cycle + 1);
    }
}

#[test]
fn occupancy_mode_counts_people_and_reads_no_faces() {
    let Some(frame) = photo("group_office.jpg") else { return };
    let mut config = Config::default();
    config.mood.mode = Mode::Occupancy;
    // The expression network is not loaded, so an absent file is no error.
    config.models.expression = "nothing.toml".into();
    let mut vision = Vision::new(&config).unwrap();
    let observation = vision.observe(&frame).unwrap();
    assert!(observation.people.iter().any(|person| person.faces_front()));
    assert!(observation.people.iter().all(|person| person.reading.is_none()));
    assert!(vision.read_face(&frame).is_err());
}

#[test]
fn pictures_of_unusual_sizes_are_analysed() {
    let mut vision = Vision::new(&Config::default()).unwrap();
    for (width, height) in [(1, 1), (20_000, 100), (100, 20_000), (3, 700), (1279, 737)] {
        let frame = grey(width, height, vec![114; (width * height) as usize]);
        let result = vision.analyze_still(&frame).unwrap();
        assert!(result.observation.people.is_empty(), "{width}x{height}");
        let probabilities = vision.read_face(&frame).unwrap().0;
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }
}
