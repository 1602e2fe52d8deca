//! Keeps the library's notices (`INFO: Created TensorFlow Lite XNNPACK delegate for CPU.`) off standard error.
//!
//! The library writes them to the file descriptor and offers no switch. So the descriptor leads to a file in memory
//! while a network is loaded, and everything else that was written is passed on afterwards.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::fs::MemfdFlags;

/// Beginning of the lines that are left out.
const NOTICE: &[u8] = b"INFO: ";
/// More of what was written meanwhile is lost.
const MAX_BYTES: u64 = 64 * 1024;

/// Runs `work` without the library's notices.
pub(super) fn without<T>(work: impl FnOnce() -> T) -> T {
    // Two at a time would restore each other's file.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let _redirection = Redirection::start();
    work()
}

/// Standard error leads to a file in memory until this is dropped.
struct Redirection {
    original: OwnedFd,
    written: File,
}

impl Redirection {
    /// `None` if the system refuses. Then the notices appear.
    fn start() -> Option<Self> {
        let original = rustix::io::dup(rustix::stdio::stderr()).ok()?;
        let written = File::from(rustix::fs::memfd_create("notices", MemfdFlags::CLOEXEC).ok()?);
        rustix::stdio::dup2_stderr(&written).ok()?;
        Some(Self { original, written })
    }
}

impl Drop for Redirection {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, nor reported.
        let _ = rustix::stdio::dup2_stderr(&self.original);
        let mut written = Vec::new();
        let _ = self.written.rewind();
        let _ = (&self.written).take(MAX_BYTES).read_to_end(&mut written);
        let _ = io::stderr().write_all(&without_notices(&written));
    }
}

fn without_notices(written: &[u8]) -> Vec<u8> {
    written
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !line.starts_with(NOTICE))
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_notices_are_left_out() {
        let written =
            b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\nERROR: no memory\nhalf a line";
        assert_eq!(without_notices(written), b"ERROR: no memory\nhalf a line");
        assert_eq!(without(|| 7), 7);
    }
}
