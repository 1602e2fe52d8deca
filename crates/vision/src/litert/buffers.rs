//! Owners of LiteRT objects, which destroy them on drop, and the memory of tensors.

use std::ffi::c_int;
use std::path::Path;

use super::layout::{Destroy, Handle};
use super::library::{Api, OK, call};
use crate::engine::EngineError;

pub(super) const LOCK_TO_READ: c_int = 0;
pub(super) const LOCK_TO_WRITE: c_int = 1;

/// An object of LiteRT that is destroyed with this value.
pub(super) struct Owned {
    pub(super) handle: Handle,
    pub(super) destroy: Destroy,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: `handle` came from the function that belongs to `destroy`, and nobody else destroys it.
        unsafe { (self.destroy)(self.handle) }
    }
}

/// A tensor's memory, which belongs to LiteRT.
pub(super) struct Buffer {
    pub(super) owned: Owned,
    /// Length in bytes.
    pub(super) len: usize,
}

impl Buffer {
    /// A buffer of `len` bytes, filled with zeros.
    pub(super) fn zeroed(api: &Api, path: &Path, owned: Owned, len: usize) -> Result<Self, EngineError> {
        let mut buffer = Self { owned, len };
        let locked = Locked::new(api, path, &mut buffer, LOCK_TO_WRITE)?;
        // SAFETY: while locked, `memory` is `len` bytes. From here on all of them are written.
        unsafe { locked.memory.write_bytes(0, len) };
        drop(locked);
        Ok(buffer)
    }
}

/// A locked buffer, mapped into memory; unlocked on drop.
pub(super) struct Locked<'a> {
    api: &'a Api,
    buffer: &'a mut Buffer,
    memory: *mut i8,
}

impl<'a> Locked<'a> {
    pub(super) fn new(
        api: &'a Api,
        path: &Path,
        buffer: &'a mut Buffer,
        mode: c_int,
    ) -> Result<Self, EngineError> {
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

    pub(super) fn bytes(&self) -> &[i8] {
        // SAFETY: while locked, `memory` is `len` bytes, which were written by us when the buffer was made
        // or by LiteRT since; nobody writes while self is borrowed.
        unsafe { std::slice::from_raw_parts(self.memory, self.buffer.len) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [i8] {
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
