//! Accelerators: give a delegate access to a graph before the processor, and count the nodes that it takes.
//!
//! LiteRT applies accelerators in the order of their registration, and registers the processor while it makes an
//! environment; XNNPACK would then take all nodes, and a delegate that is registered later none. The environment is
//! therefore made without the processor. Then the delegate is registered, then a census that takes no nodes and
//! counts the remaining ones, and the processor last.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::sync::Arc;

use libloading::Library;

use super::buffers::Owned;
use super::builder::NetworkBuilder;
use super::layout::{
    self, ACCELERATOR_GPU, AcceleratorDefinition, ApiVersion, Callback, Destroy, Handle, IntArray,
    TfLiteContext, TfLiteDelegate,
};
use super::library::{AcceleratorApi, OK, call, processor};
use super::plugin::Plugin;
use super::search;
use crate::engine::EngineError;
use moodring_config::Delegate;

/// `kLiteRtStatusErrorRuntimeFailure`: status returned by a callback that failed.
const FAILED: c_int = 3;

/// A delegate that takes nodes of a graph before the processor.
pub(super) struct Accelerator {
    api: AcceleratorApi,
    kind: Kind,
    processor: &'static AcceleratorDefinition,
    /// Name of the delegate as configured, for errors.
    name: String,
}

enum Kind {
    /// LiteRT finds its own GPU accelerator in this folder.
    Gpu {
        folder: CString,
    },
    External(Arc<Plugin>),
}

impl Accelerator {
    /// Returns none when no delegate is configured.
    pub(super) fn load(
        library: &Library,
        path: &Path,
        delegate: &Delegate,
    ) -> Result<Option<Self>, EngineError> {
        let kind = match delegate {
            Delegate::None => return Ok(None),
            Delegate::Gpu => Kind::Gpu { folder: gpu_folder(path)? },
            Delegate::External(external) => Kind::External(Arc::new(Plugin::load(external)?)),
        };
        let api = AcceleratorApi::find(library, path)?;
        Ok(Some(Self { api, kind, processor: processor(library, path)?, name: delegate.to_string() }))
    }

    fn refused(&self, reason: impl Into<String>) -> EngineError {
        EngineError::Delegate { name: self.name.clone(), reason: reason.into() }
    }

    /// Makes an environment with the delegate, the census and the processor, in this order.
    pub(super) fn environment(&self, builder: &NetworkBuilder<'_>) -> Result<Owned, EngineError> {
        let environment = match &self.kind {
            Kind::Gpu { folder } => {
                let [registered, severity] = layout::environment_options(ACCELERATOR_GPU);
                let found = builder.environment(&[registered, severity, layout::libraries_in(folder)])?;
                let mut count = 0;
                // SAFETY: the environment lives.
                unsafe {
                    call!(self.api, builder.path, LiteRtGetNumAccelerators(found.handle, &mut count))?;
                }
                if count != 1 {
                    return Err(self.refused("LiteRT cannot load its GPU accelerator"));
                }
                found
            }
            Kind::External(_) => {
                let nothing_registered = layout::environment_options(0);
                let made = builder.environment(&nothing_registered)?;
                self.register(builder.path, &made, &Registration::new(delegate_name, create_delegate))?;
                made
            }
        };
        self.register(builder.path, &environment, &Registration::new(census_name, create_census))?;
        let processor = Registration {
            name: self.processor.get_name,
            version: self.processor.get_version,
            hardware: self.processor.get_hardware_support,
            compiles: Some(self.processor.compiles),
            create: self.processor.create_delegate,
        };
        self.register(builder.path, &environment, &processor)?;
        Ok(environment)
    }

    fn register(
        &self,
        path: &Path,
        environment: &Owned,
        registration: &Registration,
    ) -> Result<(), EngineError> {
        let (api, mut handle) = (&self.api, std::ptr::null_mut());
        // SAFETY: the callbacks have the signatures that the setters want and live as long as the program;
        // a registered accelerator belongs to the environment. Setters fail for null only, so that nothing
        // leaks but then.
        unsafe {
            call!(api, path, LiteRtCreateAccelerator(&mut handle))?;
            call!(api, path, LiteRtSetAcceleratorGetName(handle, registration.name))?;
            call!(api, path, LiteRtSetAcceleratorGetVersion(handle, registration.version))?;
            call!(api, path, LiteRtSetAcceleratorGetHardwareSupport(handle, registration.hardware))?;
            if let Some(compiles) = registration.compiles {
                call!(
                    api,
                    path,
                    LiteRtSetIsAcceleratorDelegateResponsibleForJitCompilation(handle, compiles)
                )?;
            }
            call!(api, path, LiteRtSetDelegateFunction(handle, registration.create))?;
            let no_data = (std::ptr::null_mut(), std::ptr::null());
            call!(api, path, LiteRtRegisterAccelerator(environment.handle, handle, no_data.0, no_data.1))
        }
    }

    /// Calls `compile` for a graph of `nodes` nodes, and returns its result with the number of nodes that the
    /// delegate took.
    pub(super) fn compile(
        &self,
        nodes: usize,
        compile: impl FnOnce() -> Result<Owned, EngineError>,
    ) -> Result<(Owned, usize), EngineError> {
        let plugin = match &self.kind {
            Kind::Gpu { .. } => None,
            Kind::External(plugin) => Some(Arc::clone(plugin)),
        };
        let wrap = self.api.LiteRtWrapDelegate;
        let begun = Compilation { plugin, wrap, nodes, left: None, told: String::new() };
        COMPILATION.with(|compilation| compilation.replace(Some(begun)));
        let result = compile();
        let ended = COMPILATION.with(|compilation| compilation.take());
        let (left, told) = ended.map_or((None, String::new()), |ended| (ended.left, ended.told));
        match result {
            Err(_) if !told.is_empty() => Err(self.refused(told)),
            Err(error) => Err(self.refused(format!("does not take the graph ({error})"))),
            Ok(compiled) => match left {
                Some(left) => Ok((compiled, nodes.saturating_sub(left))),
                None => Err(self.refused("LiteRT does not say what it took")),
            },
        }
    }
}

/// The folder of LiteRT's GPU accelerator: the same as that of LiteRT.
fn gpu_folder(litert: &Path) -> Result<CString, EngineError> {
    let refused = |reason: String| EngineError::Delegate { name: Delegate::Gpu.to_string(), reason };
    let folder = litert.parent().unwrap_or(Path::new("."));
    if !search::GPU_NAMES.iter().any(|name| folder.join(name).is_file()) {
        let (library, arch, folder) = (search::GPU_NAMES[0], std::env::consts::ARCH, folder.display());
        return Err(refused(format!(
            "{library} is not in {folder}: get it with `scripts/fetch-litert.sh --gpu {arch} {folder}`"
        )));
    }
    CString::new(folder.as_os_str().as_encoded_bytes())
        .map_err(|_| refused("its folder has a NUL in its name".into()))
}

/// The callbacks with which an accelerator is registered.
struct Registration {
    name: Callback,
    version: Callback,
    hardware: Callback,
    /// Callback that says whether the accelerator is skipped unless its hardware is requested. None: never skipped.
    compiles: Option<Callback>,
    create: Callback,
}

type GetName = unsafe extern "C" fn(Handle, *mut *const c_char) -> c_int;
type CreateDelegate = unsafe extern "C" fn(Handle, Handle, Handle, Handle, *mut Handle) -> c_int;

impl Registration {
    /// A registration with the callbacks of this module.
    fn new(name: GetName, create: CreateDelegate) -> Self {
        Self {
            name: name as Callback,
            version: version as Callback,
            hardware: hardware as Callback,
            compiles: None,
            create: create as Callback,
        }
    }
}

/// Input and results of the callbacks below. LiteRT calls them on the thread that compiles.
struct Compilation {
    plugin: Option<Arc<Plugin>>,
    wrap: unsafe extern "C" fn(Handle, Destroy, *mut Handle) -> c_int,
    /// Nodes of the graph.
    nodes: usize,
    /// Number of nodes that remain for the processor; none until the census has run.
    left: Option<usize>,
    /// The first error message of the delegate.
    told: String,
}

thread_local! {
    static COMPILATION: RefCell<Option<Compilation>> = const { RefCell::new(None) };
}

/// Gives a callback access to the current compilation. Must not panic, because the caller is C.
fn with<T>(look: impl FnOnce(&mut Compilation) -> T) -> Option<T> {
    let within = |cell: &RefCell<Option<Compilation>>| Some(look(cell.try_borrow_mut().ok()?.as_mut()?));
    COMPILATION.try_with(within).ok().flatten()
}

unsafe extern "C" fn delegate_name(_accelerator: Handle, name: *mut *const c_char) -> c_int {
    // SAFETY: LiteRT requires a text that stays valid.
    unsafe { name.write(c"moodring delegate".as_ptr()) };
    OK
}

unsafe extern "C" fn census_name(_accelerator: Handle, name: *mut *const c_char) -> c_int {
    // SAFETY: as above.
    unsafe { name.write(c"moodring census".as_ptr()) };
    OK
}

unsafe extern "C" fn version(_accelerator: Handle, version: *mut ApiVersion) -> c_int {
    // SAFETY: LiteRT requires that it is written.
    unsafe { version.write(ApiVersion { major: 1, minor: 0, patch: 0 }) };
    OK
}

/// An accelerator must claim a kind of hardware; one that claims an NPU is never applied.
unsafe extern "C" fn hardware(_accelerator: Handle, hardware: *mut c_int) -> c_int {
    // SAFETY: LiteRT requires that it is written.
    unsafe { hardware.write(ACCELERATOR_GPU) };
    OK
}

/// Makes a delegate of the plugin for the graph that LiteRT compiles now.
unsafe extern "C" fn create_delegate(
    _runtime: Handle,
    _environment: Handle,
    _accelerator: Handle,
    _options: Handle,
    wrapper: *mut Handle,
) -> c_int {
    let Some((Some(plugin), wrap)) = with(|now| (now.plugin.clone(), now.wrap)) else { return FAILED };
    let delegate = plugin.create(complained);
    if delegate.is_null() {
        with(|now| now.told.insert_str(0, if now.told.is_empty() { NO_DEVICE } else { NO_DEVICE_BUT }));
        return FAILED;
    }
    // SAFETY: the delegate is a new one of this plugin; from here on it belongs to the compiled model.
    unsafe { wrap(delegate, plugin.destroy(), wrapper) }
}

const NO_DEVICE: &str = "makes no delegate; is its device there?";
const NO_DEVICE_BUT: &str = "makes no delegate: ";

/// Maximum length of the stored error message of a delegate, in characters.
const LONGEST_COMPLAINT: usize = 300;

/// Stores the first error message of a delegate.
unsafe extern "C" fn complained(what: *const c_char) {
    if what.is_null() {
        return;
    }
    // SAFETY: a C string that is valid for the time of the call.
    let what = unsafe { CStr::from_ptr(what) }.to_string_lossy();
    with(|now| {
        if now.told.is_empty() {
            now.told.extend(what.trim().chars().take(LONGEST_COMPLAINT));
        }
    });
}

/// Makes the census: a delegate that counts nodes and takes none.
unsafe extern "C" fn create_census(
    _runtime: Handle,
    _environment: Handle,
    _accelerator: Handle,
    _options: Handle,
    wrapper: *mut Handle,
) -> c_int {
    let Some(wrap) = with(|now| now.wrap) else { return FAILED };
    let census = Box::into_raw(Box::new(TfLiteDelegate::new(count)));
    // SAFETY: from here on the census belongs to the compiled model, which ends it with `end_census`.
    unsafe { wrap(census.cast(), end_census, wrapper) }
}

/// Frees the delegate that `create_census` made.
unsafe extern "C" fn end_census(census: *mut c_void) {
    // SAFETY: LiteRT gives back, once, the pointer that `Box::into_raw` gave.
    drop(unsafe { Box::from_raw(census.cast::<TfLiteDelegate>()) });
}

/// Counts the remaining nodes of the graph. They keep their numbers; nodes that replace those taken by a delegate get
/// higher numbers.
unsafe extern "C" fn count(context: *mut TfLiteContext, _census: *mut TfLiteDelegate) -> c_int {
    let mut plan: *const IntArray = std::ptr::null();
    // SAFETY: the context lives for the time of the call, and so does the plan that it gives.
    let status = unsafe { ((*context).get_execution_plan)(context, &mut plan) };
    if status == OK && !plan.is_null() {
        // SAFETY: a plan is its length and as many numbers.
        let numbers = unsafe { IntArray::numbers(plan) };
        with(|now| {
            let of_graph = |&&number: &&c_int| usize::try_from(number).is_ok_and(|n| n < now.nodes);
            now.left = Some(numbers.iter().filter(of_graph).count());
        });
    }
    OK
}
