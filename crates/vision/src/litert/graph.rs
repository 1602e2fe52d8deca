//! Compares the graph in a model file with the model card.

use std::ffi::c_int;
use std::path::Path;

use super::buffers::Owned;
use super::layout::{self, Handle, PerTensor, TensorType};
use super::library::{Api, call};
use crate::engine::{EngineError, Model, Tensor};

/// Maximum number of outputs, above that of the project's networks; length of the array of views of one run.
pub(super) const MAX_OUTPUTS: usize = 16;

const QUANTIZED_PER_TENSOR: c_int = 1;

/// Properties of a graph.
pub(super) struct Graph {
    pub(super) input: TensorType,
    pub(super) outputs: Vec<TensorType>,
    /// Number of operations.
    pub(super) nodes: usize,
}

impl Graph {
    /// Compares the graph of `loaded` with the card of `model`.
    ///
    /// # Errors
    /// [`EngineError::NotAsOnCard`] for the first difference; [`EngineError::Call`].
    pub(super) fn check(api: &Api, loaded: &Owned, model: &Model) -> Result<Self, EngineError> {
        let path = &model.path;
        let (mut subgraph, mut inputs, mut outputs, mut nodes) = (std::ptr::null_mut(), 0, 0, 0);
        // SAFETY: the subgraph lives as long as the model.
        unsafe {
            call!(api, path, LiteRtGetModelSubgraph(loaded.handle, 0, &mut subgraph))?;
            call!(api, path, LiteRtGetNumSubgraphInputs(subgraph, &mut inputs))?;
            call!(api, path, LiteRtGetNumSubgraphOutputs(subgraph, &mut outputs))?;
            call!(api, path, LiteRtGetNumSubgraphOps(subgraph, &mut nodes))?;
        }
        if inputs != 1 || outputs != model.outputs.len() || outputs > MAX_OUTPUTS {
            let wanted = model.outputs.len();
            let what = format!("it has {inputs} inputs and {outputs} outputs instead of 1 and {wanted}");
            return Err(not_as_on_card(path, what));
        }
        let mut handle = std::ptr::null_mut();
        // SAFETY: as above; input 0 exists.
        unsafe { call!(api, path, LiteRtGetSubgraphInput(subgraph, 0, &mut handle))? };
        let input = tensor(api, path, handle, &model.input)?;
        let output = |(index, wanted)| {
            let mut handle = std::ptr::null_mut();
            // SAFETY: as above; there are as many outputs as tensors.
            unsafe { call!(api, path, LiteRtGetSubgraphOutput(subgraph, index, &mut handle))? };
            tensor(api, path, handle, wanted)
        };
        let outputs = model.outputs.iter().enumerate().map(output).collect::<Result<_, _>>()?;
        Ok(Self { input, outputs, nodes })
    }
}

/// Compares one tensor of the model's graph with the card.
fn tensor(api: &Api, path: &Path, handle: Handle, wanted: &Tensor) -> Result<TensorType, EngineError> {
    let (mut found, mut quantized, mut per_tensor) = (TensorType::default(), 0, None);
    // SAFETY: the handle lives as long as the model; the structs have the library's layout.
    unsafe {
        call!(api, path, LiteRtGetRankedTensorType(handle, &mut found))?;
        call!(api, path, LiteRtGetQuantizationTypeId(handle, &mut quantized))?;
        if quantized == QUANTIZED_PER_TENSOR {
            let quantization = per_tensor.insert(PerTensor::default());
            call!(api, path, LiteRtGetPerTensorQuantization(handle, quantization))?;
        }
    }
    match layout::difference(&found, per_tensor.as_ref(), wanted) {
        Some(what) => Err(not_as_on_card(path, what)),
        None => Ok(found),
    }
}

pub(super) fn not_as_on_card(path: &Path, what: String) -> EngineError {
    EngineError::NotAsOnCard { path: path.to_owned(), what }
}
