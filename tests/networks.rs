//! The outputs of every model file are bit-exact with the golden values in `tests/golden/networks.txt`.
//!
//! LiteRT's INT8 results are the same on x86_64 and aarch64. After a change of a model file or of LiteRT:
//! run `MOODRING_RENEW_GOLDEN=1 cargo test --test networks`, and explain the change in the commit message.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;
use std::path::Path;

use moodring_vision::engine::{Engine, EngineError};
use moodring_vision::litert::LiteRt;
use moodring_vision::model_card::{CardError, ModelCard, Task};
use sha2::{Digest, Sha256};

const GOLDEN: &str = "tests/golden/networks.txt";

fn engine() -> LiteRt {
    LiteRt::open(Path::new("")).unwrap()
}

fn cards() -> [ModelCard; 2] {
    [("models/heads.toml", Task::Heads), ("models/expression.toml", Task::Expression)]
        .map(|(path, task)| ModelCard::read(Path::new(path), task).unwrap())
}

fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
    bytes.into_iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Draws a face-like pattern every 96 pixels on a gradient: bright discs with two dark eyes, in integer arithmetic.
fn scene(width: usize, pixels: &mut [i8]) {
    for (index, pixel) in pixels.iter_mut().enumerate() {
        let (x, y) = ((index % width) as i64, (index / width) as i64);
        let (u, v) = (x % 96 - 48, y % 96 - 48);
        let eye = |centre: i64| (u - centre).pow(2) + (v + 6).pow(2) < 16;
        *pixel = match u * u + v * v {
            _ if eye(-8) || eye(8) => -90,
            0..=576 => 70,
            577..=700 => -60,
            _ => ((x + y) % 64 - 40) as i8,
        };
    }
}

#[test]
fn outputs_are_bit_exact() {
    let engine = engine();
    let mut found = String::from("# Written by: MOODRING_RENEW_GOLDEN=1 cargo test --test networks\n");
    for card in cards() {
        for file in &card.files {
            let model = card.load(Path::new("models"), file).unwrap();
            let mut network = engine.network(model, 2).unwrap();
            let mut runs = Vec::new();
            for _ in 0..2 {
                let mut read = |outputs: &[&[i8]]| {
                    let bytes = || outputs.iter().flat_map(|output| output.iter().map(|&q| q as u8));
                    runs.push(match bytes().count() {
                        0..=64 => hex(bytes()),
                        _ => hex(Sha256::digest(bytes().collect::<Vec<u8>>())),
                    });
                };
                network.run(&mut |pixels| scene(file.width, pixels), &mut read).unwrap();
            }
            assert_eq!(runs[0], runs[1], "a second run of {} differs", file.path.display());
            writeln!(found, "{} {}", file.path.display(), runs[0]).unwrap();
        }
    }
    if std::env::var_os("MOODRING_RENEW_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(GOLDEN).unwrap());
}

#[test]
fn the_number_of_threads_does_not_change_an_output() {
    let [heads, _] = cards();
    let engine = engine();
    let outputs = [1, 2].map(|threads| {
        let model = heads.load(Path::new("models"), &heads.files[0]).unwrap();
        let mut network = engine.network(model, threads).unwrap();
        let mut all = Vec::new();
        let mut read = |outputs: &[&[i8]]| all = outputs.concat();
        network.run(&mut |pixels| scene(heads.files[0].width, pixels), &mut read).unwrap();
        all
    });
    assert!(outputs[0] == outputs[1]);
}

#[test]
fn a_network_runs_in_another_thread_than_the_one_that_created_it() {
    let [_, expression] = cards();
    let model = expression.load(Path::new("models"), &expression.files[0]).unwrap();
    let mut network = engine().network(model, 1).unwrap();
    let thread = std::thread::spawn(move || {
        let mut length = 0;
        network.run(&mut |pixels| pixels.fill(0), &mut |outputs| length = outputs[1].len()).unwrap();
        length
    });
    assert_eq!(thread.join().unwrap(), 8);
}

#[test]
fn a_library_that_is_absent_or_not_litert_gives_a_clear_error() {
    let absent = LiteRt::open(Path::new("/nowhere/libLiteRt.so")).err().unwrap().to_string();
    assert!(absent.contains("/nowhere/libLiteRt.so") && absent.contains("make setup"), "{absent}");
    let text = LiteRt::open(Path::new("Cargo.toml")).err().unwrap();
    assert!(matches!(text, EngineError::LibraryUnusable { .. }), "{text}");
    // The C library can be loaded but is not LiteRT.
    let libc = std::fs::read_to_string("/proc/self/maps").unwrap();
    let libc =
        libc.lines().find_map(|line| line.split_whitespace().last().filter(|at| at.contains("libc.so")));
    let other = LiteRt::open(Path::new(libc.unwrap())).err().unwrap();
    assert!(matches!(other, EngineError::WrongVersion { .. }), "{other}");
}

#[test]
fn a_model_that_differs_from_its_card_is_refused() {
    let [heads, mut expression] = cards();
    let engine = engine();
    let refused = |card: &ModelCard| {
        let model = card.load(Path::new("models"), &card.files[0]).unwrap();
        engine.network(model, 1).err().unwrap().to_string()
    };
    let mut wrong = heads.clone();
    wrong.files[0].width = 320;
    assert!(refused(&wrong).contains("input has shape [1, 384, 640, 1]"), "{}", refused(&wrong));
    let mut wrong = heads.clone();
    wrong.outputs.swap(0, 1);
    assert!(refused(&wrong).contains("head_box/8 has shape"), "{}", refused(&wrong));
    let mut wrong = heads.clone();
    wrong.outputs[1].zero_point += 1;
    assert!(refused(&wrong).contains("zero point -108"), "{}", refused(&wrong));
    expression.outputs.pop();
    assert!(refused(&expression).contains("1 inputs and 2 outputs"), "{}", refused(&expression));
}

#[test]
fn a_wrong_or_absent_model_file_is_refused() {
    let [mut heads, expression] = cards();
    heads.files[0].path = expression.files[0].path.clone();
    let exchanged = heads.load(Path::new("models"), &heads.files[0]).err().unwrap();
    assert!(matches!(exchanged, CardError::Hash { .. }), "{exchanged}");
    heads.files[0].path = "nothing.tflite".into();
    let absent = heads.load(Path::new("models"), &heads.files[0]).err().unwrap().to_string();
    assert!(absent.contains("models/nothing.tflite"), "{absent}");
    let wrong_task = ModelCard::read(Path::new("models/heads.toml"), Task::Expression).err().unwrap();
    assert!(wrong_task.to_string().contains("task is Heads"), "{wrong_task}");
}
