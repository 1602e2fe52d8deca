//! Small files in the storage folder that only their owner can read.

use std::io::{self, Read, Write};
use std::path::Path;

/// A larger file is not one of ours.
const MOST_BYTES: u64 = 64 * 1024;

/// What is in the file; none where there is none.
pub(super) fn load(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match std::fs::File::open(path) {
        Ok(file) => file.take(MOST_BYTES).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(bytes))
}

/// Written beside the old one and moved over it, so that a power cut leaves one of the two.
pub(super) fn store(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let next = directory.join(format!("{name}.new"));
    // What a power cut left behind may have other rights.
    match std::fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&next, directory.join(name))?;
    std::fs::File::open(directory)?.sync_all()
}
