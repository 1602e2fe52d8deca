//! Interface to the inference engine: `heads, expression ──int8──▶ Network ──int8──▶ …`.
//!
//! A [`Network`] is one loaded model file with one fixed input size. It lends its own buffers to the caller,
//! so a run neither copies nor allocates.

use std::path::PathBuf;

use thiserror::Error;

/// Affine quantization of a tensor: `real = scale * (q - zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantization {
    /// Real difference between two adjacent integers, above 0.
    pub scale: f32,
    /// Integer that represents 0.
    pub zero_point: i32,
}

impl Quantization {
    /// The real number that `q` represents.
    pub fn real(self, q: i8) -> f32 {
        self.scale * (i32::from(q) - self.zero_point) as f32
    }

    /// The smallest integer that represents at least `real`, to compare a whole tensor without dequantizing
    /// it. It may lie outside the range of i8: then every q, or no q, is large enough.
    pub fn at_least(self, real: f32) -> i32 {
        // A threshold that equals a representable number must not be missed because of rounding.
        const TOLERANCE: f32 = 1e-3;
        (real / self.scale - TOLERANCE).ceil() as i32 + self.zero_point
    }
}

/// Expected shape and quantization of one input or output of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Name in the model card.
    pub name: String,
    /// Length of each dimension, outermost first.
    pub shape: Vec<usize>,
    /// Quantization of its values.
    pub quantization: Quantization,
}

impl Tensor {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The bytes of a model file and the tensors that its card describes.
#[derive(Debug, Clone)]
pub struct Model {
    /// Path that the file was read from.
    pub path: PathBuf,
    /// Content of the file.
    pub bytes: Vec<u8>,
    /// The only input.
    pub input: Tensor,
    /// Outputs in the order of the graph.
    pub outputs: Vec<Tensor>,
}

/// An inference engine.
pub trait Engine {
    /// Prepares `model` to run on `threads` threads.
    ///
    /// # Errors
    /// When the engine cannot run the model, or the model does not match its card.
    fn network(&self, model: Model, threads: u32) -> Result<Box<dyn Network>, EngineError>;
}

/// A model ready to run. It may move between threads, but runs on one at a time.
pub trait Network: Send {
    /// Calls `fill` to write the whole input, runs the network, and calls `read` with the outputs in the
    /// order of the card.
    ///
    /// # Errors
    /// [`EngineError::Call`]; the network may be run again.
    fn run(
        &mut self,
        fill: &mut dyn FnMut(&mut [i8]),
        read: &mut dyn FnMut(&[&[i8]]),
    ) -> Result<(), EngineError>;

    /// The part of its graph that a delegate runs.
    fn share(&self) -> Share;
}

/// The part of a graph that a delegate runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// Nodes that the delegate runs.
    pub taken: usize,
    /// Nodes of the whole graph.
    pub nodes: usize,
}

/// Why a network cannot run.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The library is at none of the standard paths.
    #[error(
        "LiteRT library not found: get it with `make setup` (or `scripts/fetch-litert.sh {arch} DIRECTORY`), \
         or set engine.library; searched: {}", searched.join(", "), arch = std::env::consts::ARCH
    )]
    LibraryAbsent {
        /// All paths that were searched.
        searched: Vec<String>,
    },
    /// The library exists, but the system cannot load it.
    #[error("{} cannot be loaded: {reason}", path.display())]
    LibraryUnusable {
        /// The library.
        path: PathBuf,
        /// Message of the system's loader.
        reason: String,
    },
    /// The library is not LiteRT, or a version that this program cannot call.
    #[error(
        "{} is not LiteRT {version}: it has no {symbol}; get the right one with `make setup`", path.display()
    )]
    WrongVersion {
        /// The library.
        path: PathBuf,
        /// The required version.
        version: &'static str,
        /// The first missing function.
        symbol: String,
    },
    /// The delegate cannot be used.
    #[error("{name} {reason}")]
    Delegate {
        /// The delegate as configured.
        name: String,
        /// What is wrong, as the rest of a sentence that begins with the delegate's name.
        reason: String,
    },
    /// The graph in the model file does not match the model card.
    #[error("{} does not match its model card: {what}", path.display())]
    NotAsOnCard {
        /// The model file.
        path: PathBuf,
        /// The difference.
        what: String,
    },
    /// A call into the engine failed.
    #[error("{}: {call} failed with status {status}", path.display())]
    Call {
        /// The model file.
        path: PathBuf,
        /// Name of the called function.
        call: &'static str,
        /// The engine's status code.
        status: i32,
    },
}

impl EngineError {
    /// What is wrong, as the rest of a sentence that begins with the delegate's name.
    pub fn of_delegate(self) -> String {
        match self {
            Self::Delegate { reason, .. } => reason,
            other => format!("cannot be used: {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORE: Quantization = Quantization { scale: 1.0 / 256.0, zero_point: -128 };

    #[test]
    fn integer_threshold_equals_real_threshold() {
        for threshold in [0.0, 0.05, 0.25, 0.4, 0.5, 0.8, 0.95, 1.0] {
            let bound = SCORE.at_least(threshold);
            for q in i8::MIN..=i8::MAX {
                assert_eq!(i32::from(q) >= bound, SCORE.real(q) >= threshold, "{q} against {threshold}");
            }
        }
    }
}
