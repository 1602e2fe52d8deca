//! Decodes arbitrary tensors as the detector's outputs. Checks that decoding does not panic and that the number of heads
//! stays within the limit.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use moodring_vision::heads::{Candidate, Decoder, MAX_HEADS, merge};
use moodring_vision::model_card::{ModelCard, Task};

/// The decoder of the shipped detector.
fn decoder() -> &'static Decoder {
    static DECODER: OnceLock<Decoder> = OnceLock::new();
    DECODER.get_or_init(|| {
        let card = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/heads.toml");
        Decoder::new(&ModelCard::read(&card, Task::Heads).expect("the shipped card")).expect("its outputs")
    })
}

// Input layout: width, threshold and IoU, the length of each of 12 outputs in sixteenths of the values, then the values.
fuzz_target!(|input: &[u8]| {
    let [width, threshold, iou, lengths @ ..] = input else { return };
    let Some((lengths, values)) = lengths.split_at_checked(12) else { return };
    let values: Vec<i8> = values.iter().map(|value| value.cast_signed()).collect();
    let outputs: Vec<&[i8]> = lengths
        .iter()
        .map(|sixteenths| &values[..values.len() * usize::from(sixteenths % 17) / 16])
        .collect();
    let mut candidates = Vec::new();
    decoder().decode(&outputs, usize::from(*width) * 16, f32::from(*threshold) / 255.0, |head| {
        let (cut, tile) = (candidates.len() % 3 == 0, candidates.len() % 5);
        candidates.push(Candidate { head, cut, tile });
    });
    for Candidate { head, .. } in &candidates {
        assert!((0.0..=1.0).contains(&head.score) && (0.0..=1.0).contains(&head.face_score));
        assert!(head.bounds.width >= 0.0 && head.bounds.height >= 0.0);
    }
    let found = candidates.len();
    merge(&mut candidates, f32::from(*iou) / 255.0);
    assert!(candidates.len() <= found.min(MAX_HEADS));
});
