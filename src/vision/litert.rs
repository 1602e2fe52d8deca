//! LiteRT 2.3.0, loaded at run time: `Model ──▶ LiteRtNetwork`. The only file with unsafe code.
//!
//! Each network owns a whole chain of LiteRT objects, from the environment to the buffers, and shares none
//! with another: so nothing can be freed too early, and a network may move to another thread.

#![expect(unsafe_code, reason = "LiteRT is a C library; what leaves this file is safe")]

mod layout;
mod search;

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use libloading::Library;

use self::layout::{ACCELERATOR_CPU, Block, EnvironmentOption, PerTensor, TensorType};
use super::engine::{Engine, EngineError, Model, Network, Tensor};

pub use search::places;

/// The version whose headers the declarations below follow.
pub const VERSION: &str = "2.3.0";

/// A function that came with this version. Functions below had other arguments in earlier ones.
const NEW_IN_VERSION: &str = "LiteRtCompiledModelIsNonCpuFullyAccelerated";

/// More outputs than any of our networks has; the views of one run live in an array of this length.
const MAX_OUTPUTS: usize = 16;

/// Status of every call that succeeded.
const OK: c_int = 0;
const QUANTIZED_PER_TENSOR: c_int = 1;
const LOCK_TO_READ: c_int = 0;
const LOCK_TO_WRITE: c_int = 1;

/// An object of LiteRT; which kind, the function says that it is given to.
type Handle = *mut c_void;
type Destroy = unsafe extern "C" fn(Handle);

/// Declares functions of the library by their own names, and how to find them all.
macro_rules! functions {
    ($($name:ident($($argument:ty),*) $(-> $status:ty)?;)*) => {
        #[expect(non_snake_case, reason = "the library's own names")]
        struct Api {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $status)?,)*
        }

        impl Api {
            fn find(library: &Library, path: &Path) -> Result<Self, EngineError> {
                let missing = |symbol: &str| EngineError::WrongVersion {
                    path: path.to_owned(),
                    version: VERSION,
                    symbol: symbol.to_owned(),
                };
                // SAFETY: looked up only, never called.
                unsafe { library.get::<Destroy>(NEW_IN_VERSION) }.map_err(|_| missing(NEW_IN_VERSION))?;
                // SAFETY: the signatures are those of the headers of 2.3.0, and the library is not older.
                Ok(Self { $($name: *unsafe { library.get(stringify!($name)) }
                    .map_err(|_| missing(stringify!($name)))?,)* })
            }
        }
    };
}

functions! {
    LiteRtCreateEnvironment(c_int, *const EnvironmentOption, *mut Handle) -> c_int;
    LiteRtDestroyEnvironment(Handle);
    LiteRtCreateModelFromBuffer(Handle, *const c_void, usize, *mut Handle) -> c_int;
    LiteRtDestroyModel(Handle);
    LiteRtGetModelSubgraph(Handle, usize, *mut Handle) -> c_int;
    LiteRtGetNumSubgraphInputs(Handle, *mut usize) -> c_int;
    LiteRtGetNumSubgraphOutputs(Handle, *mut usize) -> c_int;
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

/// Calls a function of the library and turns its status into a `Result`.
macro_rules! call {
    ($api:expr, $path:expr, $name:ident($($argument:expr),* $(,)?)) => {
        match ($api.$name)($($argument),*) {
            OK => Ok(()),
            status => Err(EngineError::Call { path: $path.to_owned(), call: stringify!($name), status }),
        }
    };
}

/// LiteRT, ready to make networks.
pub struct LiteRt {
    api: Arc<Api>,
    library: PathBuf,
}

impl LiteRt {
    /// Loads the library from `configured`, or when that is empty from the first of the usual [`places`]
    /// that has one.
    ///
    /// # Errors
    /// [`EngineError::LibraryAbsent`], [`EngineError::LibraryUnusable`] or [`EngineError::WrongVersion`].
    pub fn open(configured: &Path) -> Result<Self, EngineError> {
        let searched = places(configured);
        let Some(path) = searched.iter().find(|place| place.is_file()) else {
            let searched = searched.iter().map(|place| place.display().to_string()).collect();
            return Err(EngineError::LibraryAbsent { searched });
        };
        // SAFETY: runs the initialisers of the library. It is LiteRT unless somebody put something else in
        // a place that only the administrator or the developer can write to.
        let library = unsafe { Library::new(path) }.map_err(|error| EngineError::LibraryUnusable {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        let api = Api::find(&library, path)?;
        // Unloading a C++ library while its threads and thread-local objects wind down can crash; loading
        // it again gives this very copy.
        std::mem::forget(library);
        Ok(Self { api: Arc::new(api), library: path.clone() })
    }

    /// Where the library was found.
    pub fn library(&self) -> &Path {
        &self.library
    }
}

impl Engine for LiteRt {
    fn network(&self, model: Model, threads: u32) -> Result<Box<dyn Network>, EngineError> {
        LiteRtNetwork::new(&self.api, model, threads).map(|network| Box::new(network) as _)
    }
}

/// An object of LiteRT that is destroyed with this value.
struct Owned {
    handle: Handle,
    destroy: Destroy,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: `handle` came from the function that belongs to `destroy`, and nobody else destroys it.
        unsafe { (self.destroy)(self.handle) }
    }
}

/// A tensor's memory, which belongs to LiteRT.
struct Buffer {
    owned: Owned,
    len: usize,
}

/// A model compiled by LiteRT. The fields are dropped in this order: users before what they use.
struct LiteRtNetwork {
    input: Buffer,
    outputs: Vec<Buffer>,
    /// The handles in `outputs` once more: the array that a run takes.
    output_handles: Vec<Handle>,
    compiled: Owned,
    _options: Owned,
    _model: Owned,
    _file: Vec<Block>,
    _environment: Owned,
    api: Arc<Api>,
    path: PathBuf,
}

// SAFETY: on the CPU LiteRT keeps no state of the thread that made an object; it asks for one thread at a
// time, which `&mut self` and the absence of Sync give. No object is reachable from another network.
unsafe impl Send for LiteRtNetwork {}

impl LiteRtNetwork {
    fn new(api: &Arc<Api>, model: Model, threads: u32) -> Result<Self, EngineError> {
        // LiteRT registers its accelerators while an environment is made: one at a time.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);

        let maker = Maker { api, path: &model.path };
        let environment = maker.environment()?;
        let file = layout::aligned(&model.bytes);
        let graph = maker.model(&environment, &file, model.bytes.len())?;
        let types = maker.check(&graph, &model)?;
        let options = maker.options(threads)?;
        let compiled = maker.compiled(&environment, &graph, &options)?;
        let mut outputs = Vec::with_capacity(model.outputs.len());
        for (index, (tensor, kind)) in model.outputs.iter().zip(&types.outputs).enumerate() {
            let requirements = api.LiteRtGetCompiledModelOutputBufferRequirements;
            outputs.push(maker.buffer(&environment, &compiled, requirements, index, kind, tensor)?);
        }
        let requirements = api.LiteRtGetCompiledModelInputBufferRequirements;
        let input = maker.buffer(&environment, &compiled, requirements, 0, &types.input, &model.input)?;
        Ok(Self {
            output_handles: outputs.iter().map(|buffer| buffer.owned.handle).collect(),
            input,
            outputs,
            compiled,
            _options: options,
            _model: graph,
            _file: file,
            _environment: environment,
            api: Arc::clone(api),
            path: model.path,
        })
    }
}

impl Network for LiteRtNetwork {
    fn run(
        &mut self,
        fill: &mut dyn FnMut(&mut [i8]),
        read: &mut dyn FnMut(&[&[i8]]),
    ) -> Result<(), EngineError> {
        let (api, path) = (&*self.api, &self.path);
        fill(Locked::new(api, path, &mut self.input, LOCK_TO_WRITE)?.bytes_mut());
        let mut input = self.input.owned.handle;
        let (count, outputs) = (self.output_handles.len(), self.output_handles.as_mut_ptr());
        // SAFETY: all handles live as long as self, the arrays have the lengths given, the model has one
        // input, and neither buffer is locked.
        unsafe {
            call!(api, path, LiteRtRunCompiledModel(self.compiled.handle, 0, 1, &mut input, count, outputs))?;
        }
        let mut locked: [Option<Locked<'_>>; MAX_OUTPUTS] = [const { None }; MAX_OUTPUTS];
        for (slot, buffer) in locked.iter_mut().zip(&mut self.outputs) {
            *slot = Some(Locked::new(api, path, buffer, LOCK_TO_READ)?);
        }
        let mut views: [&[i8]; MAX_OUTPUTS] = [&[]; MAX_OUTPUTS];
        for (view, locked) in views.iter_mut().zip(locked.iter().flatten()) {
            *view = locked.bytes();
        }
        read(&views[..count]);
        Ok(())
    }
}

/// A buffer while it is mapped; unlocked when dropped.
struct Locked<'a> {
    api: &'a Api,
    buffer: &'a mut Buffer,
    memory: *mut i8,
}

impl<'a> Locked<'a> {
    fn new(api: &'a Api, path: &Path, buffer: &'a mut Buffer, mode: c_int) -> Result<Self, EngineError> {
        let mut memory = std::ptr::null_mut();
        // SAFETY: the buffer lives, and is not locked: a lock borrows it mutably.
        unsafe { call!(api, path, LiteRtLockTensorBuffer(buffer.owned.handle, &mut memory, mode))? };
        let locked = Self { api, buffer, memory: memory.cast() };
        if memory.is_null() {
            let call = "LiteRtLockTensorBuffer";
            return Err(EngineError::Call { path: path.to_owned(), call, status: OK });
        }
        Ok(locked)
    }

    fn bytes(&self) -> &[i8] {
        // SAFETY: while locked, `memory` is `len` bytes, which were written by us when the buffer was made
        // or by LiteRT since; nobody writes while self is borrowed.
        unsafe { std::slice::from_raw_parts(self.memory, self.buffer.len) }
    }

    fn bytes_mut(&mut self) -> &mut [i8] {
        // SAFETY: as above, and self is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.memory, self.buffer.len) }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // SAFETY: the buffer is locked and lives. A failure cannot be mended here and shows in the next lock.
        unsafe { (self.api.LiteRtUnlockTensorBuffer)(self.buffer.owned.handle) };
    }
}

/// Types of a model's tensors as the graph has them.
struct Types {
    input: TensorType,
    outputs: Vec<TensorType>,
}

/// The arguments of `LiteRtGetCompiledModel…BufferRequirements`.
type Requirements = unsafe extern "C" fn(Handle, usize, usize, *mut Handle) -> c_int;

/// The steps from a model file to a network, in their order.
struct Maker<'a> {
    api: &'a Api,
    path: &'a Path,
}

impl Maker<'_> {
    /// Wraps an object that a function of the library made.
    fn own(&self, handle: Handle, destroy: Destroy, call: &'static str) -> Result<Owned, EngineError> {
        if handle.is_null() {
            return Err(EngineError::Call { path: self.path.to_owned(), call, status: OK });
        }
        Ok(Owned { handle, destroy })
    }

    fn environment(&self) -> Result<Owned, EngineError> {
        let options = layout::environment_options();
        let mut handle = std::ptr::null_mut();
        let count = options.len() as c_int;
        // SAFETY: as many options are given as are said to be given; they are copied.
        unsafe { call!(self.api, self.path, LiteRtCreateEnvironment(count, options.as_ptr(), &mut handle))? };
        self.own(handle, self.api.LiteRtDestroyEnvironment, "LiteRtCreateEnvironment")
    }

    fn model(&self, environment: &Owned, file: &[Block], len: usize) -> Result<Owned, EngineError> {
        let (start, mut handle) = (file.as_ptr().cast(), std::ptr::null_mut());
        // SAFETY: `file` holds at least `len` bytes and is kept as long as the model, in the same network.
        unsafe {
            call!(
                self.api,
                self.path,
                LiteRtCreateModelFromBuffer(environment.handle, start, len, &mut handle)
            )?;
        }
        self.own(handle, self.api.LiteRtDestroyModel, "LiteRtCreateModelFromBuffer")
    }

    /// Compares the graph with the card.
    fn check(&self, graph: &Owned, model: &Model) -> Result<Types, EngineError> {
        let (api, path) = (self.api, self.path);
        let (mut subgraph, mut inputs, mut outputs) = (std::ptr::null_mut(), 0, 0);
        // SAFETY: the subgraph lives as long as the model.
        unsafe {
            call!(api, path, LiteRtGetModelSubgraph(graph.handle, 0, &mut subgraph))?;
            call!(api, path, LiteRtGetNumSubgraphInputs(subgraph, &mut inputs))?;
            call!(api, path, LiteRtGetNumSubgraphOutputs(subgraph, &mut outputs))?;
        }
        if inputs != 1 || outputs != model.outputs.len() || outputs > MAX_OUTPUTS {
            let wanted = model.outputs.len();
            let what = format!("it has {inputs} inputs and {outputs} outputs instead of 1 and {wanted}");
            return Err(self.not_as_on_card(what));
        }
        let mut handle = std::ptr::null_mut();
        // SAFETY: as above; input 0 exists.
        unsafe { call!(api, path, LiteRtGetSubgraphInput(subgraph, 0, &mut handle))? };
        let input = self.tensor(handle, &model.input)?;
        let output = |(index, tensor)| {
            let mut handle = std::ptr::null_mut();
            // SAFETY: as above; there are as many outputs as tensors.
            unsafe { call!(api, path, LiteRtGetSubgraphOutput(subgraph, index, &mut handle))? };
            self.tensor(handle, tensor)
        };
        let outputs = model.outputs.iter().enumerate().map(output).collect::<Result<_, _>>()?;
        Ok(Types { input, outputs })
    }

    /// Compares one tensor, a handle that the model's graph gave, with the card.
    fn tensor(&self, handle: Handle, wanted: &Tensor) -> Result<TensorType, EngineError> {
        let (api, path) = (self.api, self.path);
        let (mut found, mut quantized, mut per_tensor) = (TensorType::default(), 0, None);
        // SAFETY: the handle lives as long as the model; the structs have the library's layout.
        unsafe {
            call!(api, path, LiteRtGetRankedTensorType(handle, &mut found))?;
            call!(api, path, LiteRtGetQuantizationTypeId(handle, &mut quantized))?;
            if quantized == QUANTIZED_PER_TENSOR {
                call!(
                    api,
                    path,
                    LiteRtGetPerTensorQuantization(handle, per_tensor.insert(PerTensor::default()))
                )?;
            }
        }
        match layout::difference(&found, per_tensor.as_ref(), wanted) {
            Some(what) => Err(self.not_as_on_card(what)),
            None => Ok(found),
        }
    }

    fn not_as_on_card(&self, what: String) -> EngineError {
        EngineError::NotAsOnCard { path: self.path.to_owned(), what }
    }

    fn options(&self, threads: u32) -> Result<Owned, EngineError> {
        let (api, path) = (self.api, self.path);
        let (mut handle, mut opaque) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: writes one handle.
        unsafe { call!(api, path, LiteRtCreateOptions(&mut handle))? };
        let options = self.own(handle, api.LiteRtDestroyOptions, "LiteRtCreateOptions")?;
        let text = CString::new(format!("num_threads = {threads}\n")).unwrap_or_default().into_raw();
        // SAFETY: the text belongs to the opaque options from here on, which free it with `free_text` (when
        // creating them fails it leaks, which is a few bytes once); they in turn belong to `options` once
        // they are added, and to us when that fails.
        unsafe {
            call!(api, path, LiteRtSetOptionsHardwareAccelerators(options.handle, ACCELERATOR_CPU))?;
            let kind = c"xnnpack".as_ptr();
            call!(api, path, LiteRtCreateOpaqueOptions(kind, text.cast(), free_text, &mut opaque))?;
            let added = call!(api, path, LiteRtAddOpaqueOptions(options.handle, opaque));
            if added.is_err() {
                (api.LiteRtDestroyOpaqueOptions)(opaque);
            }
            added?;
        }
        Ok(options)
    }

    fn compiled(&self, environment: &Owned, graph: &Owned, options: &Owned) -> Result<Owned, EngineError> {
        let (from, mut handle) = ((environment.handle, graph.handle, options.handle), std::ptr::null_mut());
        // SAFETY: all three live as long as the compiled model, in the same network.
        unsafe {
            call!(self.api, self.path, LiteRtCreateCompiledModel(from.0, from.1, from.2, &mut handle))?;
        }
        self.own(handle, self.api.LiteRtDestroyCompiledModel, "LiteRtCreateCompiledModel")
    }

    /// Memory for one tensor, all zero.
    fn buffer(
        &self,
        environment: &Owned,
        compiled: &Owned,
        requirements: Requirements,
        index: usize,
        kind: &TensorType,
        tensor: &Tensor,
    ) -> Result<Buffer, EngineError> {
        let (api, path) = (self.api, self.path);
        let (mut wanted, mut handle, mut len) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
        // SAFETY: the tensor exists in the graph; the requirements belong to the compiled model, which lives.
        unsafe {
            let status = requirements(compiled.handle, 0, index, &mut wanted);
            if status != OK {
                let call = "LiteRtGetCompiledModelBufferRequirements";
                return Err(EngineError::Call { path: path.to_owned(), call, status });
            }
            call!(
                api,
                path,
                LiteRtCreateManagedTensorBufferFromRequirements(
                    environment.handle,
                    kind,
                    wanted,
                    &mut handle
                )
            )?;
        }
        let owned = self.own(handle, api.LiteRtDestroyTensorBuffer, "LiteRtCreateManagedTensorBuffer")?;
        // SAFETY: the buffer lives.
        unsafe { call!(api, path, LiteRtGetTensorBufferPackedSize(owned.handle, &mut len))? };
        if len != tensor.len() {
            return Err(self.not_as_on_card(format!("{} takes {len} bytes", tensor.name)));
        }
        let mut buffer = Buffer { owned, len };
        let locked = Locked::new(api, path, &mut buffer, LOCK_TO_WRITE)?;
        // SAFETY: while locked, `memory` is `len` bytes. From here on all of them are written.
        unsafe { locked.memory.write_bytes(0, len) };
        drop(locked);
        Ok(buffer)
    }
}

/// Frees the text of opaque options.
extern "C" fn free_text(text: *mut c_void) {
    // SAFETY: LiteRT gives back, once, the pointer that `CString::into_raw` gave.
    drop(unsafe { CString::from_raw(text.cast()) });
}
