//! The calls that make the objects of a network, in order: environment, model, options, compiled model, buffers.

use std::ffi::{CString, c_int, c_void};
use std::path::Path;

use super::buffers::{Buffer, Owned};
use super::graph::not_as_on_card;
use super::layout::{self, Block, Destroy, Handle, TensorType};
use super::library::{Api, OK, call};
use crate::engine::{EngineError, Tensor};

/// Type of the functions `LiteRtGetCompiledModel…BufferRequirements`.
type Requirements = unsafe extern "C" fn(Handle, usize, usize, *mut Handle) -> c_int;

/// The steps from a model file to a network, in order.
pub(super) struct NetworkBuilder<'a> {
    pub(super) api: &'a Api,
    /// The model file, named in errors.
    pub(super) path: &'a Path,
}

impl NetworkBuilder<'_> {
    /// Takes ownership of an object that the library function `call` made.
    fn own(&self, handle: Handle, destroy: Destroy, call: &'static str) -> Result<Owned, EngineError> {
        if handle.is_null() {
            return Err(EngineError::Call { path: self.path.to_owned(), call, status: OK });
        }
        Ok(Owned { handle, destroy })
    }

    pub(super) fn environment(&self, options: &[layout::EnvironmentOption]) -> Result<Owned, EngineError> {
        let mut handle = std::ptr::null_mut();
        let count = options.len() as c_int;
        // SAFETY: as many options are given as are said to be given; they are copied, and what they point to
        // outlives the call, which is as long as the library looks at it.
        unsafe { call!(self.api, self.path, LiteRtCreateEnvironment(count, options.as_ptr(), &mut handle))? };
        self.own(handle, self.api.LiteRtDestroyEnvironment, "LiteRtCreateEnvironment")
    }

    pub(super) fn model(
        &self,
        environment: &Owned,
        file: &[Block],
        len: usize,
    ) -> Result<Owned, EngineError> {
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

    pub(super) fn options(&self, hardware: c_int, threads: u32) -> Result<Owned, EngineError> {
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
            call!(api, path, LiteRtSetOptionsHardwareAccelerators(options.handle, hardware))?;
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

    pub(super) fn compiled(
        &self,
        environment: &Owned,
        loaded: &Owned,
        options: &Owned,
    ) -> Result<Owned, EngineError> {
        let (from, mut handle) = ((environment.handle, loaded.handle, options.handle), std::ptr::null_mut());
        // SAFETY: all three live as long as the compiled model, in the same network.
        unsafe {
            call!(self.api, self.path, LiteRtCreateCompiledModel(from.0, from.1, from.2, &mut handle))?;
        }
        self.own(handle, self.api.LiteRtDestroyCompiledModel, "LiteRtCreateCompiledModel")
    }

    /// Memory for one tensor, filled with zeros.
    pub(super) fn buffer(
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
            let create = (environment.handle, wanted);
            call!(
                api,
                path,
                LiteRtCreateManagedTensorBufferFromRequirements(create.0, kind, create.1, &mut handle)
            )?;
        }
        let owned = self.own(handle, api.LiteRtDestroyTensorBuffer, "LiteRtCreateManagedTensorBuffer")?;
        // SAFETY: the buffer lives.
        unsafe { call!(api, path, LiteRtGetTensorBufferPackedSize(owned.handle, &mut len))? };
        if len != tensor.len() {
            return Err(not_as_on_card(path, format!("{} takes {len} bytes", tensor.name)));
        }
        Buffer::zeroed(api, path, owned, len)
    }
}

/// Frees the text of opaque options.
extern "C" fn free_text(text: *mut c_void) {
    // SAFETY: LiteRT gives back, once, the pointer that `CString::into_raw` gave.
    drop(unsafe { CString::from_raw(text.cast()) });
}
