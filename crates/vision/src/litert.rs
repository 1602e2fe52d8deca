//! LiteRT 2.3.0, loaded at run time: `Model ──▶ network`. All unsafe code of the program is in this module.
//!
//! Each network owns its complete chain of LiteRT objects, from the environment to the buffers, and shares none
//! with another network. Nothing can therefore be freed too early, and a network may move to another thread.

#![expect(unsafe_code, reason = "LiteRT is a C library; what leaves this module is safe")]

mod accelerator;
mod buffers;
mod builder;
mod graph;
mod layout;
mod library;
mod network;
mod notices;
mod plugin;
mod search;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use libloading::Library;

use self::accelerator::Accelerator;
use self::library::Api;
use self::network::LiteRtNetwork;
use super::engine::{Engine, EngineError, Model, Network};
use moodring_config::Delegate;

pub use search::library_paths;

/// Version of the headers that the declarations in this module follow.
pub const VERSION: &str = "2.3.0";

/// The loaded library; makes networks.
pub struct LiteRt {
    api: Arc<Api>,
    path: PathBuf,
    /// `None`: the processor runs all nodes.
    accelerator: Option<Accelerator>,
}

impl LiteRt {
    /// Loads the library from `configured`, or from the first of the standard [`library_paths`] that exists when
    /// `configured` is empty. Networks run on the processor.
    ///
    /// # Errors
    /// [`EngineError::LibraryAbsent`], [`EngineError::LibraryUnusable`] or [`EngineError::WrongVersion`].
    pub fn open(configured: &Path) -> Result<Self, EngineError> {
        Self::load(configured, |_, _| Ok(None))
    }

    /// As [`LiteRt::open`], but `delegate` runs all nodes that it supports.
    ///
    /// # Errors
    /// As [`LiteRt::open`]; [`EngineError::Delegate`] when the delegate cannot be loaded.
    pub fn accelerated(configured: &Path, delegate: &Delegate) -> Result<Self, EngineError> {
        Self::load(configured, |library, path| Accelerator::load(library, path, delegate))
    }

    fn load(
        configured: &Path,
        accelerator: impl FnOnce(&Library, &Path) -> Result<Option<Accelerator>, EngineError>,
    ) -> Result<Self, EngineError> {
        let searched = library_paths(configured);
        let Some(path) = searched.iter().find(|place| place.is_file()) else {
            let searched = searched.iter().map(|place| place.display().to_string()).collect();
            return Err(EngineError::LibraryAbsent { searched });
        };
        // SAFETY: runs the initialisers of the library. It is LiteRT unless somebody put something else in
        // a place that only the administrator or the developer can write to.
        let library = unsafe { Library::new(path) }.map_err(|error| EngineError::LibraryUnusable {
            path: path.clone(),
            reason: library::loader_message(&error),
        })?;
        let api = Arc::new(Api::find(&library, path)?);
        let accelerator = accelerator(&library, path)?;
        // Unloading a C++ library while its threads and thread-local objects end can crash. Loading it again
        // returns the same copy.
        std::mem::forget(library);
        Ok(Self { api, path: path.clone(), accelerator })
    }

    /// Path of the loaded library.
    pub fn library(&self) -> &Path {
        &self.path
    }
}

impl Engine for LiteRt {
    fn network(&self, model: Model, threads: u32) -> Result<Box<dyn Network>, EngineError> {
        let load = || LiteRtNetwork::new(&self.api, self.accelerator.as_ref(), model, threads);
        // What a delegate writes may be needed after a crash, so it is not held back.
        let network = if self.accelerator.is_none() { notices::without(load) } else { load() };
        Ok(Box::new(network?))
    }
}
