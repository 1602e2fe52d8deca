//! Files of the storage folder whose damage is noticed, and what happens to a damaged one.
//!
//! A sealed file ends with the SHA-256 of its content, so that one flipped bit is noticed and a cut or emptied file too. A
//! file that protects people has a copy beside it, from which it is restored. A damaged file is set aside under another
//! name, for a person to look at; two of them are kept.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{atomic_file, hex};

/// What stands before the checksum.
const SEAL: &[u8] = b"\nsha256 ";
/// Length of the checksum in hexadecimal digits, with the end of its line.
const SEAL_DIGITS: usize = 65;
/// Length of the page's key.
const KEY_BYTES: usize = 32;
/// Files that belong to a database: its write-ahead log and its index.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// The content of a sealed file; `None` if the file does not exist.
///
/// # Errors
/// The file cannot be read, has more than `max_bytes` bytes, or its content does not match its checksum.
pub fn read(path: &Path, max_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(mut bytes) = atomic_file::read(path, max_bytes)? else { return Ok(None) };
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "its content does not match its checksum");
    if is_of_version_0_1(&bytes) {
        return Ok(Some(bytes));
    }
    let end = bytes.len().checked_sub(SEAL.len() + SEAL_DIGITS).ok_or_else(damaged)?;
    let (content, seal) = bytes.split_at(end);
    if seal != seal_of(content) {
        return Err(damaged());
    }
    bytes.truncate(end);
    Ok(Some(bytes))
}

/// Whether a file was written by version 0.1, which had no checksums: a JSON object from its first to its last brace, or the
/// key of the page. Otherwise an update would pause the device and unpair all phones.
fn is_of_version_0_1(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_end();
    bytes.len() == KEY_BYTES || text.starts_with(b"{") && text.ends_with(b"}")
}

/// Replaces the content of a sealed file, as [`atomic_file::write`].
///
/// # Errors
/// As [`atomic_file::write`].
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    atomic_file::write(path, &[content, &seal_of(content)].concat())
}

/// As [`write()`], and writes a copy from which [`restore`] restores the file. The copy is written first.
///
/// # Errors
/// As [`write()`].
pub fn write_with_copy(path: &Path, content: &[u8]) -> io::Result<()> {
    write(&copy_of(path), content)?;
    write(path, content)
}

/// Path of the copy of `path`.
pub fn copy_of(path: &Path) -> PathBuf {
    with_suffix(path, ".copy")
}

fn seal_of(content: &[u8]) -> Vec<u8> {
    [SEAL, hex(&Sha256::digest(content)).as_bytes(), b"\n"].concat()
}

/// What [`restore`] did.
#[derive(Debug)]
pub enum Restored {
    /// The file was intact, or there is none.
    Nothing,
    /// The damaged file was replaced by its copy.
    FromCopy(SetAside),
    /// File and copy are damaged, or there is no copy. They are left where they are.
    Lost(io::Error),
}

/// Replaces a damaged sealed file by its copy, and a missing or damaged copy by the file. A file that does not exist was
/// deleted on purpose, so its copy is deleted too.
///
/// # Errors
/// The folder cannot be written.
pub fn restore(path: &Path, max_bytes: u64) -> io::Result<Restored> {
    let copy = copy_of(path);
    match read(path, max_bytes) {
        Ok(None) => match std::fs::remove_file(&copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Restored::Nothing),
        },
        Ok(Some(content)) => {
            if !read(&copy, max_bytes).is_ok_and(|copied| copied.as_ref() == Some(&content)) {
                write(&copy, &content)?;
            }
            Ok(Restored::Nothing)
        }
        Err(error) => match read(&copy, max_bytes) {
            Ok(Some(content)) => {
                let aside = set_aside(path, &error)?;
                write(path, &content)?;
                Ok(Restored::FromCopy(aside))
            }
            _ => Ok(Restored::Lost(error)),
        },
    }
}

/// A damaged file that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The file.
    pub path: PathBuf,
    /// Its new name.
    pub aside: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Renames a damaged file, with its write-ahead log if it is a database: `NAME.damaged`; an earlier one becomes
/// `NAME.damaged.1`, and the one before that is deleted.
///
/// # Errors
/// The folder cannot be written.
pub fn set_aside(path: &Path, reason: &dyn std::fmt::Display) -> io::Result<SetAside> {
    let (aside, earlier) = (with_suffix(path, ".damaged"), with_suffix(path, ".damaged.1"));
    for companion in COMPANIONS {
        let [from, to, oldest] = [path, &aside, &earlier].map(|path| with_suffix(path, companion));
        replace(&to, &oldest)?;
        replace(&from, &to)?;
    }
    Ok(SetAside { path: path.into(), aside, reason: reason.to_string() })
}

/// Renames `from` to `to`, which is deleted if it exists. Nothing happens if `from` does not exist.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    if std::fs::symlink_metadata(from).is_err() {
        return Ok(());
    }
    match std::fs::symlink_metadata(to) {
        Ok(there) if there.is_dir() => std::fs::remove_dir_all(to)?,
        Ok(_) => std::fs::remove_file(to)?,
        Err(_) => {}
    }
    std::fs::rename(from, to)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 4096;

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_sealed_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.json");
        assert!(read(&path, MAX).unwrap().is_none());
        write(&path, b"{\"until\":1000}").unwrap();
        assert_eq!(read(&path, MAX).unwrap().unwrap(), b"{\"until\":1000}");
        let sound = std::fs::read(&path).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut damaged = sound.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &damaged).unwrap();
            assert!(read(&path, MAX).is_err(), "bit {bit}");
        }
        // A cut that leaves the content whole, perhaps with the end of its line, loses nothing.
        for length in (0..sound.len()).filter(|length| ![14, 15, KEY_BYTES].contains(length)) {
            std::fs::write(&path, &sound[..length]).unwrap();
            assert!(read(&path, MAX).is_err(), "cut to {length}");
        }
        std::fs::write(&path, vec![0; sound.len()]).unwrap();
        assert!(read(&path, MAX).is_err());
        write(&path, b"").unwrap();
        assert_eq!(read(&path, MAX).unwrap().unwrap(), b"");
    }

    #[test]
    fn files_of_version_0_1_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.json");
        for content in [&b"{\"schema\":\"moodring.control/1\",\"paused\":false}"[..], &[7; KEY_BYTES]] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read(&path, MAX).unwrap().unwrap(), content);
            assert!(matches!(restore(&path, MAX).unwrap(), Restored::Nothing));
        }
    }

    #[test]
    fn a_damaged_file_is_restored_from_its_copy_and_a_deleted_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.json");
        write_with_copy(&path, b"one").unwrap();
        std::fs::write(&path, "").unwrap();
        let Restored::FromCopy(aside) = restore(&path, MAX).unwrap() else { panic!() };
        assert!(aside.aside.ends_with("file.json.damaged") && aside.aside.exists());
        assert_eq!(read(&path, MAX).unwrap().unwrap(), b"one");
        // The file is newer than its copy, or the copy is damaged.
        write(&path, b"two").unwrap();
        assert!(matches!(restore(&path, MAX).unwrap(), Restored::Nothing));
        assert_eq!(read(&copy_of(&path), MAX).unwrap().unwrap(), b"two");
        for file in [&path, &copy_of(&path)] {
            std::fs::write(file, "x").unwrap();
        }
        assert!(matches!(restore(&path, MAX).unwrap(), Restored::Lost(_)) && path.exists());
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(restore(&path, MAX).unwrap(), Restored::Nothing) && !copy_of(&path).exists());
    }

    #[test]
    fn two_damaged_files_are_kept_with_their_companions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sqlite");
        for content in ["first", "second", "third"] {
            std::fs::write(&path, content).unwrap();
            std::fs::write(folder.path().join("a.sqlite-wal"), content).unwrap();
            set_aside(&path, &"broken").unwrap();
        }
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(text("a.sqlite.damaged"), "third");
        assert_eq!(
            (text("a.sqlite.damaged.1"), text("a.sqlite.damaged.1-wal")),
            ("second".into(), "second".into())
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
        std::fs::create_dir(&path).unwrap();
        set_aside(&path, &"a folder").unwrap();
        std::fs::create_dir_all(path.join("inner")).unwrap();
        set_aside(&path, &"a folder").unwrap();
        assert!(!path.exists());
    }
}
