//! Tests one network: compares the delegate's outputs for a fixed picture with the processor's.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Request;
use crate::VisionError;
use crate::delegate::{compiled_for, file_name};
use crate::engine::{Engine, EngineError, Model, Network};
use crate::litert::LiteRt;
use crate::model_card::ModelCard;

/// Values that differ by more than this many of the 256 int8 steps are far from the processor's. Hardware rounds
/// differently after each layer; up to this difference (0.016 of a score) the results count as equal.
const FAR_STEPS: u32 = 4;
/// Maximum share of far values in an output, 0..=1.
const MAX_FAR_SHARE: f64 = 0.01;
/// Maximum difference of a single value, in steps (0.125 of a score).
const MAX_STEPS: u32 = 32;

/// Result of one network, run by the delegate and by the processor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Name of the model file.
    pub file: String,
    /// Nodes of its graph.
    pub nodes: usize,
    /// Nodes that the delegate runs.
    pub taken: usize,
    /// Share of the values that are far from the processor's, 0..=1, in the output where it is largest.
    pub far_share: f64,
    /// Largest difference of a value, in int8 steps.
    pub furthest: u32,
    /// Duration of one run on the processor.
    pub processor_ms: f64,
    /// Duration of one run with the delegate.
    pub delegate_ms: f64,
}

impl Trial {
    /// Describes the difference to the processor's outputs; none within the limits.
    pub(super) fn difference(&self) -> Option<String> {
        (self.far_share > MAX_FAR_SHARE || self.furthest > MAX_STEPS).then(|| {
            format!(
                "computes other values than the processor: {:.1} % of an output of {} differ by more than \
                 {FAR_STEPS} of 256 steps, the largest difference is {}",
                self.far_share * 100.0,
                self.file,
                self.furthest
            )
        })
    }
}

/// Tests all networks of `request` and calls `step` with the name of each step.
///
/// # Errors
/// When a card, a model or the delegate is missing or wrong.
pub(super) fn all(request: &Request, step: &mut dyn FnMut(String)) -> Result<Vec<Trial>, VisionError> {
    let processor = LiteRt::open(&request.litert)?;
    step("loading it".into());
    let accelerated = LiteRt::accelerated(&request.litert, &request.delegate)?;
    let mut trials = Vec::new();
    for (path, task) in request.cards.tasks() {
        let card = ModelCard::read(path, task)?;
        for file in &card.files {
            let model = card.load(path.parent().unwrap_or(Path::new("")), file)?;
            trials.push(one(request, &processor, &accelerated, model, step)?);
        }
    }
    Ok(trials)
}

fn one(
    request: &Request,
    processor: &LiteRt,
    accelerated: &LiteRt,
    model: Model,
    step: &mut dyn FnMut(String),
) -> Result<Trial, EngineError> {
    let file = file_name(&model);
    let width = model.input.shape.get(2).copied().unwrap_or(1).max(1);
    let compiled = compiled_for(&request.delegate, &model)?;
    let (expected, processor_ms) = outputs(&mut *processor.network(model, request.threads)?, width)?;
    step(format!("taking {file}"));
    let mut network = accelerated.network(compiled, request.threads)?;
    let share = network.share();
    step(format!("running {file}"));
    let (found, delegate_ms) = outputs(&mut *network, width)?;
    step(format!("giving up {file}"));
    drop(network);
    let (far_share, furthest) = distance(&expected, &found);
    let (taken, nodes) = (share.taken, share.nodes);
    Ok(Trial { file, nodes, taken, far_share, furthest, processor_ms, delegate_ms })
}

/// The outputs for the fixed picture, and the duration of the second run in milliseconds. Runs on a thread other
/// than the one that made the network, as in the daemon.
fn outputs(network: &mut dyn Network, width: usize) -> Result<(Vec<Vec<i8>>, f64), EngineError> {
    let work = || {
        let (mut outputs, mut taken_ms) = (Vec::new(), 0.0);
        for _ in 0..2 {
            let begun = Instant::now();
            network.run(&mut |pixels| picture(width, pixels), &mut |found| {
                outputs = found.iter().map(|output| output.to_vec()).collect();
            })?;
            taken_ms = begun.elapsed().as_secs_f64() * 1e3;
        }
        Ok((outputs, (taken_ms * 100.0).round() / 100.0))
    };
    // Propagates a panic, so that the probe ends without an answer.
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(found) => found,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// A face-like disc with two eyes every 96 pixels, on blocks of brightness with a fine grain: exercises every
/// layer, and is computed in exact arithmetic.
fn picture(width: usize, pixels: &mut [i8]) {
    for (index, pixel) in pixels.iter_mut().enumerate() {
        let (x, y) = ((index % width) as i64, (index / width) as i64);
        let (u, v) = (x % 96 - 48, y % 96 - 48);
        let eye = |centre: i64| (u - centre).pow(2) + (v + 8).pow(2) < 20;
        let grain = (x * 7 + y * 13 + (x * y) % 17) % 23 - 11;
        let brightness = match u * u + v * v {
            _ if eye(-10) || eye(10) => -90,
            0..=700 => 60,
            701..=850 => -60,
            _ => ((x / 24) * 37 + (y / 24) * 53) % 120 - 70,
        };
        *pixel = (brightness + grain).clamp(-128, 127) as i8;
    }
}

/// The share of far values, 0..=1, in the output where it is largest, and the largest difference of all outputs,
/// in steps.
fn distance(expected: &[Vec<i8>], found: &[Vec<i8>]) -> (f64, u32) {
    let mut worst = (0.0f64, 0);
    for (expected, found) in expected.iter().zip(found) {
        let steps = || expected.iter().zip(found).map(|(&a, &b)| u32::from(a.abs_diff(b)));
        let far = steps().filter(|&steps| steps > FAR_STEPS).count() as f64 / expected.len().max(1) as f64;
        worst = (worst.0.max(far), worst.1.max(steps().max().unwrap_or_default()));
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(expected: &[Vec<i8>], found: &[Vec<i8>]) -> Trial {
        let (far_share, furthest) = distance(expected, found);
        let (file, processor_ms, delegate_ms) = ("a.tflite".into(), 1.0, 1.0);
        Trial { file, nodes: 9, taken: 1, far_share, furthest, processor_ms, delegate_ms }
    }

    #[test]
    fn rounding_is_accepted_and_wrong_values_are_rejected() {
        let expected = [vec![0i8; 1000], vec![-128; 7]];
        let mut found = expected.clone();
        found[0].fill(4);
        found[1].fill(-126);
        assert_eq!(trial(&expected, &found).difference(), None);
        found[0][..10].fill(-32);
        assert_eq!(trial(&expected, &found).difference(), None, "1 % may be far");
        found[0][10] = 5;
        assert!(trial(&expected, &found).difference().unwrap().contains("1.1 % of an output of a.tflite"));
        let mut found = expected.clone();
        found[0][3] = 33;
        assert!(trial(&expected, &found).difference().unwrap().ends_with("the largest difference is 33"));
        // A large output does not hide a small one.
        let mut found = expected.clone();
        found[1][0] = -120;
        assert!(trial(&expected, &found).difference().is_some());
    }

    #[test]
    fn the_picture_uses_the_whole_range() {
        let mut pixels = vec![0; 320 * 192];
        picture(320, &mut pixels);
        assert!(pixels.iter().any(|&p| p < -90) && pixels.iter().any(|&p| p > 60));
    }
}
