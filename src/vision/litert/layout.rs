//! Data that LiteRT reads and writes: its structs, its numbers, and what must agree with a model card.
//!
//! Layouts are those of the headers of 2.3.0, where their sizes are asserted too.

use std::ffi::c_int;

use crate::vision::engine::Tensor;

pub(super) const ACCELERATOR_CPU: c_int = 1;
const ELEMENT_FLOAT32: c_int = 1;
const ELEMENT_INT8: c_int = 9;

/// `LiteRtRankedTensorType` with its `LiteRtLayout`; their sizes are part of the library's interface.
#[repr(C)]
#[derive(Default)]
pub(super) struct TensorType {
    pub(super) element: c_int,
    /// Rank in the lower seven bits, then whether there are strides.
    pub(super) rank: u32,
    pub(super) dimensions: [i32; 8],
    pub(super) strides: [u32; 8],
}
const _: () = assert!(size_of::<TensorType>() == 72);

/// `LiteRtQuantizationPerTensor`.
#[repr(C)]
#[derive(Default)]
pub(super) struct PerTensor {
    pub(super) scale: f32,
    pub(super) zero_point: i64,
}
const _: () = assert!(size_of::<PerTensor>() == 16);

/// `LiteRtEnvOption`.
#[repr(C)]
pub(super) struct EnvironmentOption {
    tag: c_int,
    value: AnyInteger,
}

/// `LiteRtAny` that holds an integer.
#[repr(C)]
pub(super) struct AnyInteger {
    kind: c_int,
    integer: i64,
}
const _: () = assert!(size_of::<EnvironmentOption>() == 24);

/// A model file where LiteRT may read numbers out of it in place: aligned as the file format wants it.
#[repr(align(64))]
#[derive(Clone, Copy)]
pub(super) struct Block([u8; 64]);

/// The file in blocks; the last is filled up with zeros.
pub(super) fn aligned(bytes: &[u8]) -> Vec<Block> {
    let mut blocks = vec![Block([0; 64]); bytes.len().div_ceil(64)];
    for (block, chunk) in blocks.iter_mut().zip(bytes.chunks(64)) {
        block.0[..chunk.len()].copy_from_slice(chunk);
    }
    blocks
}

/// Without these LiteRT looks for GPU libraries and tells stderr of every step.
pub(super) fn environment_options() -> [EnvironmentOption; 2] {
    const AUTO_REGISTER_ACCELERATORS: c_int = 24;
    const MIN_LOGGER_SEVERITY: c_int = 25;
    const INTEGER: c_int = 2;
    const ERROR: i64 = 3;
    let option = |tag, integer| EnvironmentOption { tag, value: AnyInteger { kind: INTEGER, integer } };
    [option(AUTO_REGISTER_ACCELERATORS, ACCELERATOR_CPU.into()), option(MIN_LOGGER_SEVERITY, ERROR)]
}

/// What differs between a tensor of a graph and its model card; `quantization` is none when it has not one
/// for the whole tensor.
pub(super) fn difference(
    found: &TensorType,
    quantization: Option<&PerTensor>,
    wanted: &Tensor,
) -> Option<String> {
    let name = &wanted.name;
    let Some(quantization) = quantization.filter(|_| found.element == ELEMENT_INT8) else {
        let kind = match found.element {
            ELEMENT_FLOAT32 => "float32".into(),
            other => format!("of element type {other}"),
        };
        return Some(format!("{name} is {kind}; a full-INT8 model is needed"));
    };
    let rank = ((found.rank & 0x7f) as usize).min(found.dimensions.len());
    let shape = &found.dimensions[..rank];
    if !shape.iter().map(|&length| length as usize).eq(wanted.shape.iter().copied()) {
        return Some(format!("{name} has shape {shape:?}, the card says {:?}", wanted.shape));
    }
    let (PerTensor { scale, zero_point }, card) = (quantization, wanted.quantization);
    // The card's decimal digits name one f32 exactly: nothing but that one is right.
    (*scale != card.scale || *zero_point != i64::from(card.zero_point)).then(|| {
        let says = format!("the card says {} and {}", card.scale, card.zero_point);
        format!("{name} has scale {scale} and zero point {zero_point}, {says}")
    })
}
