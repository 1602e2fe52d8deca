//! Model cards: description, input, outputs and thresholds of a network.
//!
//! A card is a TOML file beside its model files. It contains all properties that the program relies on; they
//! are checked against the file and the graph. A model can thus be replaced without changing the program, but
//! not by accident.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::Expressions;
use super::engine::{Model, Quantization, Tensor};
use moodring_config::Config;
use moodring_contract::Mode;

/// Content of a model card.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// Name of the network.
    pub name: String,
    /// Version of the weights.
    pub version: String,
    /// What the network does.
    pub task: Task,
    /// License of the weights.
    pub license: String,
    /// Description in a few sentences.
    pub description: String,
    /// The model files, one per input size.
    #[serde(rename = "file")]
    pub files: Vec<FileEntry>,
    /// The input tensor.
    pub input: InputEntry,
    /// The output tensors, in the order of the graph.
    #[serde(rename = "output")]
    pub outputs: Vec<OutputEntry>,
    /// Score thresholds; in a `heads` card.
    pub thresholds: Option<Thresholds>,
    /// Readout of the expressions; in an `expression` card.
    pub expression: Option<Readout>,
    /// Prior and confusion of the readings; in an `expression` card.
    pub quantification: Option<Quantification>,
    /// How the network was trained, free-form.
    #[serde(default)]
    pub training: toml::Table,
    /// Accuracy and how it was measured, free-form.
    #[serde(default)]
    pub accuracy: toml::Table,
}

/// Task of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Detects heads and faces.
    Heads,
    /// Classifies the expression of one face.
    Expression,
}

/// One model file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path relative to the card.
    pub path: PathBuf,
    /// SHA-256 as 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Width of its input in pixels.
    pub width: usize,
    /// Height of its input in pixels.
    pub height: usize,
}

/// The input tensor of a network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputEntry {
    /// Order of the dimensions.
    pub layout: Layout,
    /// Values per pixel; must be 1, luma.
    pub channels: usize,
    /// Type of the values.
    pub dtype: Dtype,
    /// See [`Quantization`].
    pub scale: f32,
    /// See [`Quantization`].
    pub zero_point: i32,
}

/// Order of a tensor's dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Layout {
    /// Picture, row, column, channel.
    #[serde(rename = "NHWC")]
    Nhwc,
}

/// Type of a tensor's values. Only one is supported; a card with another one is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Signed bytes.
    Int8,
}

/// One output of a network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputEntry {
    /// Name; `NAME/STRIDE` is a map with one cell per STRIDE x STRIDE pixels of the input.
    pub name: String,
    /// Number of values; for a map, per cell.
    pub channels: usize,
    /// Type of the values.
    pub dtype: Dtype,
    /// See [`Quantization`].
    pub scale: f32,
    /// See [`Quantization`].
    pub zero_point: i32,
}

/// Thresholds of the detector, each 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// Minimum score of a head that counts.
    pub head_score: f32,
    /// Minimum face score of a visible face; heads below are turned away.
    pub face_score: f32,
    /// Intersection over union above which two boxes are the same head.
    pub nms_iou: f32,
}

/// How the output of the expression network is interpreted.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readout {
    /// Name of the output that is read.
    pub readout: String,
    /// Divisor of the logits, 0.05 to 20; 1 when the weights include it.
    pub temperature: f32,
    /// Side of the square crop, in units of the face box's longer side, 0.5 to 3.
    pub crop_scale: f32,
    /// Light normalization of the crop; none to read it unchanged.
    pub normalization: Option<Normalization>,
}

/// Target mean and contrast of each face crop, in luma levels, 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalization {
    /// Target mean luma.
    pub mean: f32,
    /// Target standard deviation.
    pub deviation: f32,
    /// Lower bound of the measured deviation, 1 to 255, so that a flat crop is not amplified to noise.
    pub min_deviation: f32,
}

/// How readings relate to true expressions, measured on faces outside the training and test data.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantification {
    /// Number of measured faces.
    pub faces: u32,
    /// Mean reading of those faces: the prior that a reading implies. Sums to 1.
    pub prior: [f64; 7],
    /// Mean reading of the faces of each true expression, one row each; rows sum to 1.
    pub confusion: [[f64; 7]; 7],
}

impl Default for Quantification {
    /// Without a measurement: a uniform prior and no confusion.
    fn default() -> Self {
        let confusion =
            std::array::from_fn(|row| std::array::from_fn(|column| f64::from(u8::from(row == column))));
        Self { faces: 0, prior: [1.0 / 7.0; 7], confusion }
    }
}

impl Quantification {
    /// [`Quantification::prior`] as a reading.
    pub fn prior(&self) -> Expressions {
        Expressions(self.prior.map(|share| share as f32))
    }

    fn is_sound(&self) -> bool {
        let adds_up = |row: &[f64; 7]| (row.iter().sum::<f64>() - 1.0).abs() < 1e-3;
        let shares = |row: &[f64; 7]| row.iter().all(|share| (0.0..=1.0).contains(share)) && adds_up(row);
        shares(&self.prior)
            && self.prior.iter().all(|share| *share > 0.0)
            && self.confusion.iter().all(shares)
    }
}

/// Why a model cannot be used.
#[derive(Debug, Error)]
pub enum CardError {
    /// A file cannot be read.
    #[error("{what} {} cannot be read (models.directory names the folder): {source}", path.display())]
    Unreadable {
        /// `model card` or `model file`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The card is invalid.
    #[error("model card {}: {reason}", path.display())]
    Malformed {
        /// The card.
        path: PathBuf,
        /// What is wrong, with line and column for a syntax error.
        reason: String,
    },
    /// The hash of the model file differs from the card.
    #[error(
        "model file {} does not match its card: its sha256 is {found}, the card says {expected}",
        path.display()
    )]
    Hash {
        /// The model file.
        path: PathBuf,
        /// SHA-256 in the card.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
}

impl ModelCard {
    /// Reads the card at `path`, validates it and checks that its task is `task`.
    ///
    /// # Errors
    /// [`CardError::Unreadable`] or [`CardError::Malformed`].
    pub fn read(path: &Path, task: Task) -> Result<Self, CardError> {
        let unreadable = |source| CardError::Unreadable { what: "model card", path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let malformed = |reason| CardError::Malformed { path: path.to_owned(), reason };
        let card: Self = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        card.check(task).map_err(malformed)?;
        Ok(card)
    }

    fn check(&self, task: Task) -> Result<(), String> {
        if self.task != task {
            return Err(format!("task is {:?} instead of {task:?}", self.task));
        }
        if self.files.is_empty() {
            return Err("no [[file]]".into());
        }
        if self.input.channels != 1 {
            return Err(format!("input.channels is {} instead of 1 (luma only)", self.input.channels));
        }
        let scales = self.outputs.iter().map(|output| output.scale).chain([self.input.scale]);
        if !scales.into_iter().all(|scale| scale.is_finite() && scale > 0.0) {
            return Err("every scale must be above 0".into());
        }
        let within = |value: f32, low: f32, high: f32| (low..=high).contains(&value);
        let share = |value| within(value, 0.0, 1.0);
        if self.thresholds.is_some_and(|t| !(share(t.head_score) && share(t.face_score) && share(t.nms_iou)))
        {
            return Err("thresholds must lie within 0 to 1".into());
        }
        let readable =
            |read: &Readout| within(read.temperature, 0.05, 20.0) && within(read.crop_scale, 0.5, 3.0);
        if self.expression.as_ref().is_some_and(|read| !readable(read)) {
            return Err("temperature must lie within 0.05 to 20, crop_scale within 0.5 to 3".into());
        }
        if self.quantification.is_some_and(|measured| !measured.is_sound()) {
            return Err("quantification: prior and each row of confusion must be shares that add up to 1, \
                        and no share of prior may be 0"
                .into());
        }
        let luma = |value| within(value, 0.0, 255.0);
        let sound =
            |n: Normalization| luma(n.mean) && luma(n.deviation) && within(n.min_deviation, 1.0, 255.0);
        if self.expression.as_ref().and_then(|read| read.normalization).is_some_and(|n| !sound(n)) {
            return Err(
                "normalization: mean and deviation must lie within 0 to 255, min_deviation within 1 to 255"
                    .into(),
            );
        }
        Ok(())
    }

    /// Reads the model file of `file`, an entry of this card, from `directory`.
    ///
    /// # Errors
    /// [`CardError::Unreadable`] when the file cannot be read, [`CardError::Hash`] when its hash differs.
    pub fn load(&self, directory: &Path, file: &FileEntry) -> Result<Model, CardError> {
        let path = directory.join(&file.path);
        let unreadable = |source| CardError::Unreadable { what: "model file", path: path.clone(), source };
        let bytes = std::fs::read(&path).map_err(unreadable)?;
        let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if found != file.sha256 {
            return Err(CardError::Hash { path, expected: file.sha256.clone(), found });
        }
        let outputs = self.outputs.iter().map(|output| output.tensor(file)).collect();
        Ok(Model { path, bytes, input: self.input.tensor(file), outputs })
    }
}

impl InputEntry {
    fn tensor(&self, file: &FileEntry) -> Tensor {
        Tensor {
            name: "input".into(),
            shape: vec![1, file.height, file.width, self.channels],
            quantization: Quantization { scale: self.scale, zero_point: self.zero_point },
        }
    }
}

impl OutputEntry {
    /// Pixels per cell of a map; none for other outputs.
    pub fn stride(&self) -> Option<usize> {
        self.name.split_once('/')?.1.parse().ok().filter(|&stride| stride > 0)
    }

    /// Quantization of its values.
    pub fn quantization(&self) -> Quantization {
        Quantization { scale: self.scale, zero_point: self.zero_point }
    }

    fn tensor(&self, file: &FileEntry) -> Tensor {
        let shape = match self.stride() {
            Some(stride) => vec![1, file.height / stride, file.width / stride, self.channels],
            None => vec![1, self.channels],
        };
        Tensor { name: self.name.clone(), shape, quantization: self.quantization() }
    }
}

/// Paths of the model cards that a configuration uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cards {
    /// Card of the detector.
    pub heads: PathBuf,
    /// Card of the expression network; none where expressions are not read.
    pub expression: Option<PathBuf>,
}

impl Cards {
    /// The cards that `config` uses.
    pub fn of(config: &Config) -> Self {
        let folder = directory(&config.models.directory, &config.models.heads);
        let reads = config.mood.mode == Mode::Mood;
        Self {
            heads: folder.join(&config.models.heads),
            expression: reads.then(|| folder.join(&config.models.expression)),
        }
    }

    /// The cards with their required tasks.
    pub fn tasks(&self) -> impl Iterator<Item = (&Path, Task)> {
        let expression = self.expression.as_deref().map(|path| (path, Task::Expression));
        [(self.heads.as_path(), Task::Heads)].into_iter().chain(expression)
    }
}

/// The folder of the model cards: the configured one, otherwise the first standard folder that contains `card`.
///
/// The standard folders are `models` below the program's share folder, beside the program and in the working
/// directory. If none contains the card, the last one is returned, so that the error names it.
pub fn directory(configured: &Path, card: &Path) -> PathBuf {
    if !configured.as_os_str().is_empty() {
        return configured.to_owned();
    }
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent);
    let folders =
        [beside.map(|bin| bin.join("../share/moodring/models")), beside.map(|bin| bin.join("models"))];
    let found = folders.into_iter().flatten().find(|folder| folder.join(card).is_file());
    found.unwrap_or_else(|| project().join("models"))
}

/// The project folder, which Cargo sets as `MOODRING_PROJECT` (.cargo/config.toml); otherwise an empty path, which
/// is the working directory.
pub(crate) fn project() -> PathBuf {
    std::env::var_os("MOODRING_PROJECT").map(PathBuf::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_quantification_is_valid_and_an_invalid_one_is_rejected() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/expression.toml");
        let card = ModelCard::read(&path, Task::Expression).unwrap();
        let measured = card.quantification.unwrap();
        assert!(measured.faces > 1000 && (0..7).all(|row| measured.confusion[row][row] > 0.15));
        let wrong = |change: fn(&mut Quantification)| {
            let mut measured = measured;
            change(&mut measured);
            let card = ModelCard { quantification: Some(measured), ..card.clone() };
            card.check(Task::Expression).is_err_and(|fault| fault.starts_with("quantification:"))
        };
        assert!(!wrong(|_| ()));
        assert!(wrong(|measured| measured.confusion[2][2] += 0.1));
        assert!(wrong(|measured| measured.prior = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]));
        assert!(wrong(|measured| measured.prior[0] = f64::NAN));
    }
}
