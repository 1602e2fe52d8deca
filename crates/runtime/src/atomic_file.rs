//! Small private files, written atomically: mode 0600 in folders of mode 0700.
//!
//! A file is written under another name, synced and renamed, so a power cut leaves the old or the new content, never
//! a part.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Permissions: only the owner reads and writes.
const OWNER_ONLY: u32 = 0o600;

/// Creates the folder and its missing parents with mode 0700.
///
/// # Errors
/// A folder cannot be created.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The first `max_bytes` bytes of the file; `None` if the file does not exist.
///
/// # Errors
/// The file exists and cannot be read.
pub fn read(path: &Path, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(max_bytes).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(bytes))
}

/// Replaces the content of the file with `bytes`, mode 0600. Creates missing folders. Returns when everything is on
/// the disk.
///
/// # Errors
/// A file operation failed. Unless only the last sync of the folder failed, the old file is unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_as(path, bytes, OWNER_ONLY)
}

/// As [`write()`], with the permissions `mode`, which are set before the first byte is written.
///
/// # Errors
/// As [`write()`].
pub fn write_as(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = folder.join(name);
    // A file left by a power cut may have other permissions.
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(&new)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    // Syncing the folder makes the rename durable.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_atomically_with_its_permissions_and_no_other_file_remains() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/deep/file.json");
        assert_eq!(read(&path, 9).unwrap(), None);
        write(&path, b"first").unwrap();
        std::fs::write(path.with_extension("json.new"), "cut off").unwrap();
        write(&path, b"second").unwrap();
        assert_eq!(read(&path, 99).unwrap().as_deref(), Some(&b"second"[..]));
        assert_eq!(read(&path, 3).unwrap().as_deref(), Some(&b"sec"[..]));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        write_as(&path, b"third", 0o644).unwrap();
        assert_eq!((mode(&path), std::fs::read_dir(path.parent().unwrap()).unwrap().count()), (0o644, 1));
    }
}
