//! The journal of a simulation: the key of each spooled message, to be compared with what arrived.
//!
//! A line goes to the system with one write, so it survives this process being killed.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use jiff::Timestamp;
use moodring_runtime::DeviceId;

/// A file of lines `device spool sequence milliseconds-since-1970`. Clones share it.
#[derive(Debug, Clone)]
pub struct Journal(Arc<Mutex<File>>);

impl Journal {
    /// Appends to the file at `path`, or creates it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self(Arc::new(Mutex::new(file))))
    }

    /// The spool has given this number.
    pub(super) fn note(&self, device: &DeviceId, spool: &str, sequence: u64) -> anyhow::Result<()> {
        let line = format!("{device} {spool} {sequence} {}\n", Timestamp::now().as_millisecond());
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).context("the journal cannot be written")
    }
}
