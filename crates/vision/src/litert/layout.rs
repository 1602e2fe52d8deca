//! Data that LiteRT reads and writes: its structs and constants, and the comparison of a tensor with the model card.
//!
//! Layouts follow the headers of 2.3.0, which assert the same sizes.

use std::ffi::{CStr, c_int, c_void};

use crate::engine::Tensor;

/// A LiteRT object; its type depends on the function that takes it.
pub(super) type Handle = *mut c_void;
pub(super) type Destroy = unsafe extern "C" fn(Handle);
/// A function that LiteRT calls; its arguments depend on the function that takes it.
pub(super) type Callback = *const c_void;

pub(super) const ACCELERATOR_CPU: c_int = 1;
pub(super) const ACCELERATOR_GPU: c_int = 2;
const ELEMENT_FLOAT32: c_int = 1;
const ELEMENT_INT8: c_int = 9;

/// `LiteRtRankedTensorType` with its `LiteRtLayout`; their sizes are part of the library's interface.
#[repr(C)]
#[derive(Default)]
pub(super) struct TensorType {
    pub(super) element: c_int,
    /// Rank in the lower seven bits, then one bit that says whether strides are present.
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
    value: Any,
}

/// `LiteRtAny` that holds an integer or a pointer.
#[repr(C)]
struct Any {
    kind: c_int,
    value: AnyValue,
}

#[repr(C)]
union AnyValue {
    integer: i64,
    text: *const std::ffi::c_char,
}
const _: () = assert!(size_of::<EnvironmentOption>() == 24);

/// `LiteRtApiVersion`.
#[repr(C)]
pub(super) struct ApiVersion {
    pub(super) major: c_int,
    pub(super) minor: c_int,
    pub(super) patch: c_int,
}

/// The beginning of `LiteRtAcceleratorDef` version 1: its header, then its functions.
#[repr(C)]
pub(super) struct AcceleratorDefinition {
    /// Size of the library's definition, in bytes.
    size: u16,
    major_version: u16,
    minor_version: u16,
    _reserved: u16,
    pub(super) get_name: Callback,
    pub(super) get_version: Callback,
    pub(super) get_hardware_support: Callback,
    /// `is_tflite_delegate_responsible_for_jit_compilation`.
    pub(super) compiles: Callback,
    pub(super) create_delegate: Callback,
}
const _: () = assert!(std::mem::offset_of!(AcceleratorDefinition, create_delegate) == 40);

// SAFETY: the library writes it before it is loaded to the end, and nobody afterwards.
unsafe impl Sync for AcceleratorDefinition {}

impl AcceleratorDefinition {
    /// Whether the definition has the layout declared here.
    pub(super) fn is_known(&self) -> bool {
        let all = [self.get_name, self.get_version, self.get_hardware_support, self.compiles];
        self.major_version == 1
            && usize::from(self.size) >= size_of::<Self>()
            && all.iter().chain([&self.create_delegate]).all(|callback| !callback.is_null())
    }
}

/// `TfLiteDelegate` (tensorflow/lite/core/c/common.h).
#[repr(C)]
pub(super) struct TfLiteDelegate {
    data: *mut c_void,
    prepare: unsafe extern "C" fn(*mut TfLiteContext, *mut TfLiteDelegate) -> c_int,
    copy_from_buffer_handle: Callback,
    copy_to_buffer_handle: Callback,
    free_buffer_handle: Option<Destroy>,
    flags: i64,
    opaque_delegate_builder: *const c_void,
}
const _: () = assert!(size_of::<TfLiteDelegate>() == 56);

impl TfLiteDelegate {
    /// A delegate without buffers of its own.
    pub(super) fn new(
        prepare: unsafe extern "C" fn(*mut TfLiteContext, *mut TfLiteDelegate) -> c_int,
    ) -> Self {
        Self {
            data: std::ptr::null_mut(),
            prepare,
            copy_from_buffer_handle: std::ptr::null(),
            copy_to_buffer_handle: std::ptr::null(),
            free_buffer_handle: None,
            flags: 0,
            opaque_delegate_builder: std::ptr::null(),
        }
    }
}

/// The beginning of `TfLiteContext`; the rest is never read.
#[repr(C)]
pub(super) struct TfLiteContext {
    tensors_size: usize,
    pub(super) get_execution_plan: unsafe extern "C" fn(*mut TfLiteContext, *mut *const IntArray) -> c_int,
}

/// `TfLiteIntArray`: its length, then its numbers.
#[repr(C)]
pub(super) struct IntArray {
    size: c_int,
    data: [c_int; 0],
}

impl IntArray {
    /// The numbers of the array.
    ///
    /// # Safety
    /// `array` must come from TensorFlow Lite and live as long as the returned slice is used.
    pub(super) unsafe fn numbers<'a>(array: *const Self) -> &'a [c_int] {
        // SAFETY: guaranteed by the caller; the numbers follow the length without a gap.
        unsafe {
            let size = usize::try_from((*array).size).unwrap_or_default();
            std::slice::from_raw_parts((&raw const (*array).data).cast(), size)
        }
    }
}

/// A block of a model file, aligned as the file format requires, so that LiteRT can read numbers in place.
#[repr(align(64))]
#[derive(Clone, Copy)]
pub(super) struct Block([u8; 64]);

/// The file in aligned blocks; the last one is padded with zeros.
pub(super) fn aligned(bytes: &[u8]) -> Vec<Block> {
    let mut blocks = vec![Block([0; 64]); bytes.len().div_ceil(64)];
    for (block, chunk) in blocks.iter_mut().zip(bytes.chunks(64)) {
        block.0[..chunk.len()].copy_from_slice(chunk);
    }
    blocks
}

/// Options without which LiteRT searches for GPU libraries and logs each step to stderr. `registered` are the
/// accelerators that LiteRT registers by itself.
pub(super) fn environment_options(registered: c_int) -> [EnvironmentOption; 2] {
    const AUTO_REGISTER_ACCELERATORS: c_int = 24;
    const MIN_LOGGER_SEVERITY: c_int = 25;
    const INTEGER: c_int = 2;
    const ERROR: i64 = 3;
    let option =
        |tag, integer| EnvironmentOption { tag, value: Any { kind: INTEGER, value: AnyValue { integer } } };
    [option(AUTO_REGISTER_ACCELERATORS, registered.into()), option(MIN_LOGGER_SEVERITY, ERROR)]
}

/// Option for the folder in which LiteRT searches the libraries of its accelerators; `folder` must outlive the
/// environment.
pub(super) fn libraries_in(folder: &CStr) -> EnvironmentOption {
    const RUNTIME_LIBRARY_DIR: c_int = 22;
    const TEXT: c_int = 8;
    let value = Any { kind: TEXT, value: AnyValue { text: folder.as_ptr() } };
    EnvironmentOption { tag: RUNTIME_LIBRARY_DIR, value }
}

/// The first difference between a tensor of a graph and its model card. `quantization` is none when the tensor has
/// no per-tensor quantization.
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
    // The card's decimal digits identify one f32 exactly, so the comparison is exact.
    (*scale != card.scale || *zero_point != i64::from(card.zero_point)).then(|| {
        let says = format!("the card says {} and {}", card.scale, card.zero_point);
        format!("{name} has scale {scale} and zero point {zero_point}, {says}")
    })
}
