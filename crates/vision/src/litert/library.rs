//! The functions of the LiteRT library, looked up by their C names, and the macro that calls them.

use std::error::Error;
use std::ffi::{c_char, c_int, c_void};
use std::path::Path;

use libloading::Library;

use super::VERSION;
use super::layout::{
    AcceleratorDefinition, Callback, Destroy, EnvironmentOption, Handle, PerTensor, TensorType,
};
use crate::engine::EngineError;

/// A function that is new in this version. Some functions below had other arguments in earlier versions.
const NEW_IN_VERSION: &str = "LiteRtCompiledModelIsNonCpuFullyAccelerated";

/// Status of a successful call.
pub(super) const OK: c_int = 0;

/// Declares a struct of library functions under their C names, with a constructor that looks up all of them.
macro_rules! functions {
    ($(#[$about:meta])* $api:ident: $($name:ident($($argument:ty),*) $(-> $status:ty)?;)*) => {
        $(#[$about])*
        #[expect(non_snake_case, reason = "the library's own names")]
        pub(super) struct $api {
            $(pub(super) $name: unsafe extern "C" fn($($argument),*) $(-> $status)?,)*
        }

        impl $api {
            pub(super) fn find(library: &Library, path: &Path) -> Result<Self, EngineError> {
                // SAFETY: looked up only, never called.
                unsafe { library.get::<Destroy>(NEW_IN_VERSION) }.map_err(|_| missing(path, NEW_IN_VERSION))?;
                // SAFETY: the signatures are those of the headers of 2.3.0, and the library is not older.
                Ok(Self { $($name: *unsafe { library.get(stringify!($name)) }
                    .map_err(|_| missing(path, stringify!($name)))?,)* })
            }
        }
    };
}

functions! {
    /// Functions to run networks.
    Api:
    LiteRtCreateEnvironment(c_int, *const EnvironmentOption, *mut Handle) -> c_int;
    LiteRtDestroyEnvironment(Handle);
    LiteRtCreateModelFromBuffer(Handle, *const c_void, usize, *mut Handle) -> c_int;
    LiteRtDestroyModel(Handle);
    LiteRtGetModelSubgraph(Handle, usize, *mut Handle) -> c_int;
    LiteRtGetNumSubgraphInputs(Handle, *mut usize) -> c_int;
    LiteRtGetNumSubgraphOutputs(Handle, *mut usize) -> c_int;
    LiteRtGetNumSubgraphOps(Handle, *mut usize) -> c_int;
    LiteRtGetSubgraphInput(Handle, usize, *mut Handle) -> c_int;
    LiteRtGetSubgraphOutput(Handle, usize, *mut Handle) -> c_int;
    LiteRtGetRankedTensorType(Handle, *mut TensorType) -> c_int;
    LiteRtGetQuantizationTypeId(Handle, *mut c_int) -> c_int;
    LiteRtGetPerTensorQuantization(Handle, *mut PerTensor) -> c_int;
    LiteRtCreateOptions(*mut Handle) -> c_int;
    LiteRtDestroyOptions(Handle);
    LiteRtSetOptionsHardwareAccelerators(Handle, c_int) -> c_int;
    LiteRtCreateOpaqueOptions(*const c_char, *mut c_void, Destroy, *mut Handle) -> c_int;
    LiteRtDestroyOpaqueOptions(Handle);
    LiteRtAddOpaqueOptions(Handle, Handle) -> c_int;
    LiteRtCreateCompiledModel(Handle, Handle, Handle, *mut Handle) -> c_int;
    LiteRtDestroyCompiledModel(Handle);
    LiteRtGetCompiledModelInputBufferRequirements(Handle, usize, usize, *mut Handle) -> c_int;
    LiteRtGetCompiledModelOutputBufferRequirements(Handle, usize, usize, *mut Handle) -> c_int;
    LiteRtCreateManagedTensorBufferFromRequirements(Handle, *const TensorType, Handle, *mut Handle) -> c_int;
    LiteRtDestroyTensorBuffer(Handle);
    LiteRtGetTensorBufferPackedSize(Handle, *mut usize) -> c_int;
    LiteRtLockTensorBuffer(Handle, *mut *mut c_void, c_int) -> c_int;
    LiteRtUnlockTensorBuffer(Handle) -> c_int;
    LiteRtRunCompiledModel(Handle, usize, usize, *mut Handle, usize, *mut Handle) -> c_int;
}

functions! {
    /// Functions to register accelerators. Looked up only where a delegate is configured.
    AcceleratorApi:
    LiteRtCreateAccelerator(*mut Handle) -> c_int;
    LiteRtSetAcceleratorGetName(Handle, Callback) -> c_int;
    LiteRtSetAcceleratorGetVersion(Handle, Callback) -> c_int;
    LiteRtSetAcceleratorGetHardwareSupport(Handle, Callback) -> c_int;
    LiteRtSetIsAcceleratorDelegateResponsibleForJitCompilation(Handle, Callback) -> c_int;
    LiteRtSetDelegateFunction(Handle, Callback) -> c_int;
    LiteRtRegisterAccelerator(Handle, Handle, *mut c_void, Callback) -> c_int;
    LiteRtGetNumAccelerators(Handle, *mut usize) -> c_int;
    LiteRtWrapDelegate(Handle, Destroy, *mut Handle) -> c_int;
}

/// Message of the system's loader for a library that it cannot load.
pub(super) fn loader_message(error: &libloading::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |reason| reason.to_string())
}

fn missing(path: &Path, symbol: &str) -> EngineError {
    EngineError::WrongVersion { path: path.to_owned(), version: VERSION, symbol: symbol.to_owned() }
}

/// The library's own definition of the processor as an accelerator.
pub(super) fn processor(
    library: &Library,
    path: &Path,
) -> Result<&'static AcceleratorDefinition, EngineError> {
    const SYMBOL: &str = "LiteRtStaticLinkedAcceleratorCpuDef";
    let unknown = || missing(path, SYMBOL);
    // SAFETY: a variable that points to a definition; the library sets it while it is loaded, and is never
    // unloaded.
    let variable =
        unsafe { library.get::<*const *const AcceleratorDefinition>(SYMBOL) }.map_err(|_| unknown())?;
    // SAFETY: as above; every version of a definition begins with the header that is compared here, and one
    // of this version is not shorter than what is declared.
    unsafe { (**variable).as_ref() }.filter(|definition| definition.is_known()).ok_or_else(unknown)
}

/// Calls a function of the library and turns its status into a `Result`.
macro_rules! call {
    ($api:expr, $path:expr, $name:ident($($argument:expr),* $(,)?)) => {
        match ($api.$name)($($argument),*) {
            $crate::litert::library::OK => Ok(()),
            status => Err($crate::engine::EngineError::Call {
                path: $path.to_owned(),
                call: stringify!($name),
                status,
            }),
        }
    };
}
pub(super) use call;
