//! A delegate in a separate library, with the two entry points of TensorFlow Lite's external delegates.
//!
//! Signatures: tensorflow/lite/delegates/external/external_delegate_interface.h. The behaviour of such a library
//! cannot be checked; a probe in another process tests it before this process loads it.

use std::ffi::{CString, c_char, c_int};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::layout::{Destroy, Handle};
use super::library;
use crate::engine::EngineError;
use moodring_config::ExternalDelegate;

const CREATE: &str = "tflite_plugin_create_delegate";
const DESTROY: &str = "tflite_plugin_destroy_delegate";

/// Callback for error messages of a delegate.
pub(super) type Report = unsafe extern "C" fn(*const c_char);
/// Arguments: keys, values, their number, and the callback for errors. Returns null when there is no delegate.
type Create = unsafe extern "C" fn(*const *const c_char, *const *const c_char, usize, Report) -> Handle;

/// The loaded library and the options for its delegates.
pub(super) struct Plugin {
    create: Create,
    destroy: Destroy,
    keys: Vec<CString>,
    values: Vec<CString>,
}

impl Plugin {
    pub(super) fn load(external: &ExternalDelegate) -> Result<Self, EngineError> {
        let refused =
            |reason: String| EngineError::Delegate { name: external.library.display().to_string(), reason };
        // All symbols are resolved now, because a missing one would end the process later.
        let flags: c_int = RTLD_NOW | RTLD_LOCAL;
        // SAFETY: runs the initialisers of a library that the administrator named.
        let library = unsafe { Library::open(Some(&external.library), flags) }
            .map_err(|error| refused(format!("cannot be loaded: {}", library::loader_message(&error))))?;
        let absent = |symbol| refused(format!("is no external delegate: it has no {symbol}"));
        // SAFETY: the signatures are those that every external delegate has.
        let create = unsafe { library.get::<Create>(CREATE) }.map_err(|_| absent(CREATE))?;
        // SAFETY: as above.
        let destroy = unsafe { library.get::<Destroy>(DESTROY) }.map_err(|_| absent(DESTROY))?;
        let (create, destroy) = (*create, *destroy);
        // Never unloaded, like LiteRT itself.
        std::mem::forget(library);
        let text = |text: &String| {
            CString::new(text.as_str()).map_err(|_| refused("has an option with a NUL in it".into()))
        };
        Ok(Self {
            create,
            destroy,
            keys: external.options.keys().map(text).collect::<Result<_, _>>()?,
            values: external.options.values().map(text).collect::<Result<_, _>>()?,
        })
    }

    /// Makes a delegate; null on failure, whose reason goes to `report`.
    pub(super) fn create(&self, report: Report) -> Handle {
        let pointers = |texts: &[CString]| texts.iter().map(|text| text.as_ptr()).collect::<Vec<_>>();
        let (keys, values) = (pointers(&self.keys), pointers(&self.values));
        // SAFETY: both arrays have as many texts as are said to be given, and outlive the call.
        unsafe { (self.create)(keys.as_ptr(), values.as_ptr(), keys.len(), report) }
    }

    /// The function that destroys a delegate of this library.
    pub(super) fn destroy(&self) -> Destroy {
        self.destroy
    }
}
