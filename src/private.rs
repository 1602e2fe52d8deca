//! Small files that only their owner reads, in folders that only their owner enters: whole or not at all, also when the
//! power goes.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Permissions of what is nobody else's business.
const OWN: u32 = 0o600;

/// Makes the folder where it is missing.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The first `most` bytes of the file; none where there is none.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(most).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(bytes))
}

/// Puts `bytes` in the place of what is there, readable by their owner only.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_as(path, bytes, OWN)
}

/// As [`write()`], with the permissions `mode` from the first byte on.
pub(crate) fn write_as(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = folder.join(name);
    // What a power cut left behind may have other permissions.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWN).open(&beside)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    // The name too must be on the disk.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_with_its_permissions_and_leaves_nothing_beside_it() {
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
