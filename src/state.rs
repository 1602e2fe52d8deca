//! The files that the device stores, and what happens at the start to one that is damaged.
//!
//! [`FILES`] is the one list: docs/reference/state.md is generated from it, the tests damage each of its files, and a file
//! that a running device writes must be in it. [`mend`] runs before any part opens its file.

mod table;

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use moodring_runtime::state_file::{self, Restored, SetAside};

pub use table::{FILES, is_listed, reference};

/// A larger file was not written by this program.
const MAX_BYTES: u64 = 1 << 20;
/// Permissions for others than the owner.
const OTHERS: u32 = 0o077;
/// Most folders of webhooks that are looked into.
const MAX_FOLDERS: usize = 100;

/// A kind of file in the storage folder.
pub struct StateFile {
    /// Path in the folder; `*` stands for a name or a number.
    pub name: &'static str,
    /// The part of the device that owns it.
    pub part: &'static str,
    /// What it holds.
    pub contents: &'static str,
    /// How damage is detected, and what replaces the file.
    pub kind: Kind,
    /// What the device does after damage, as the end of a sentence.
    pub then: &'static str,
}

/// How damage of a file is detected, and what replaces the file.
#[derive(Clone, Copy)]
pub enum Kind {
    /// With a checksum. The part that reads it creates a new one.
    Sealed,
    /// With a checksum. The function writes a safe replacement into the storage folder.
    Protective(fn(&Path) -> io::Result<()>),
    /// With a checksum and a copy, from which it is restored. If both are damaged, the part that reads them creates new ones.
    Copied,
    /// With a checksum and a copy. If both are damaged they stay in place, and the part that reads them refuses what they
    /// protect.
    CopiedOrRefused,
    /// A SQLite database.
    Database,
    /// One line of text.
    Line,
    /// Written by a person or the set-up page; [`crate::setup::recover`] checks it.
    Settings,
    /// Not read by the device.
    Output,
}

/// Checks every file in `folder` and renames damaged ones. Returns the reports, one sentence for each file.
pub fn mend(folder: &Path) -> Vec<String> {
    if !folder.exists() {
        return Vec::new();
    }
    let mut reports: Vec<_> = close(folder, 0o700).into_iter().collect();
    for file in FILES.iter().filter(|file| !matches!(file.kind, Kind::Output)) {
        for path in file.paths(folder) {
            reports.extend(close(&path, 0o600));
            reports.extend(file.mend(folder, &path));
        }
    }
    reports
}

/// Removes the permissions of other accounts. Returns the report if there were any.
fn close(path: &Path, mode: u32) -> Option<String> {
    let found = std::fs::symlink_metadata(path).ok()?.permissions().mode() & 0o777;
    if found & OTHERS == 0 {
        return None;
    }
    Some(match std::fs::set_permissions(path, Permissions::from_mode(mode)) {
        Ok(()) => format!("{} had the mode {found:o} and was closed for other accounts", path.display()),
        Err(error) => {
            format!("{} has the mode {found:o}: {error}; change its owner or its mode", path.display())
        }
    })
}

impl StateFile {
    /// The files of this kind that exist in `folder`.
    pub fn paths(&self, folder: &Path) -> Vec<PathBuf> {
        let mut paths = vec![folder.to_owned()];
        for part in self.name.split('/') {
            paths = paths.iter().flat_map(|path| matching(path, part)).collect();
        }
        paths
    }

    /// Whether `name`, a path in the storage folder, is a file of this kind, or belongs to one.
    pub fn covers(&self, name: &str) -> bool {
        let (pattern, parts): (Vec<_>, Vec<_>) = (self.name.split('/').collect(), name.split('/').collect());
        pattern.len() == parts.len()
            && pattern.iter().zip(parts).all(|(pattern, part)| {
                let suffixes = ["", "-wal", "-shm", ".copy", ".new", ".copy.new"];
                suffixes
                    .iter()
                    .any(|suffix| part.strip_suffix(suffix).is_some_and(|part| is_match(pattern, part)))
            })
    }

    /// Checks the file at `path`. Returns the report if it is damaged.
    fn mend(&self, folder: &Path, path: &Path) -> Option<String> {
        match self.try_mend(folder, path) {
            Ok(report) => report,
            Err(error) => Some(format!(
                "{} is damaged and cannot be set aside: {error}; make {} writable",
                path.display(),
                folder.display()
            )),
        }
    }

    fn try_mend(&self, folder: &Path, path: &Path) -> io::Result<Option<String>> {
        let fault = match self.kind {
            Kind::Sealed | Kind::Protective(_) => {
                state_file::read(path, MAX_BYTES).err().map(|e| e.to_string())
            }
            Kind::Copied | Kind::CopiedOrRefused => return self.restore(path),
            Kind::Database => moodring_lessons::check_database(path).err(),
            Kind::Line => line_fault(path),
            Kind::Settings | Kind::Output => None,
        };
        let Some(fault) = fault else { return Ok(None) };
        let aside = state_file::set_aside(path, &fault)?;
        if let Kind::Protective(replace) = self.kind {
            replace(folder)?;
        }
        Ok(Some(self.report(&aside)))
    }

    /// Restores a damaged file with a copy.
    fn restore(&self, path: &Path) -> io::Result<Option<String>> {
        Ok(match state_file::restore(path, MAX_BYTES)? {
            Restored::Nothing => None,
            Restored::FromCopy(aside) => Some(format!(
                "{} was damaged ({}) and is restored from its copy; it is kept as {}",
                aside.path.display(),
                aside.reason,
                aside.aside.display()
            )),
            Restored::Lost(error) if matches!(self.kind, Kind::CopiedOrRefused) => Some(format!(
                "{} and its copy are damaged ({error}): {}; delete both files to start without them",
                path.display(),
                self.then
            )),
            Restored::Lost(error) => {
                drop(state_file::set_aside(&state_file::copy_of(path), &error)?);
                Some(self.report(&state_file::set_aside(path, &error)?))
            }
        })
    }

    fn report(&self, aside: &SetAside) -> String {
        format!(
            "{} was damaged ({}) and is kept as {}: {}",
            aside.path.display(),
            aside.reason,
            aside.aside.display(),
            self.then
        )
    }
}

/// What is wrong with a file of one line.
fn line_fault(path: &Path) -> Option<String> {
    match moodring_runtime::text_file::read(path, MAX_BYTES) {
        Err(error) => Some(error.to_string()),
        Ok(text) if text.trim().is_empty() => Some("it is empty".into()),
        Ok(text)
            if text
                .trim_end_matches(['\r', '\n'])
                .contains(|letter: char| letter.is_control() && letter != '\n') =>
        {
            Some("it has control characters".into())
        }
        Ok(_) => None,
    }
}

/// The entries of `folder` that match `pattern`.
fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    if !pattern.contains('*') {
        let path = folder.join(pattern);
        return if std::fs::symlink_metadata(&path).is_ok() { vec![path] } else { Vec::new() };
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_original =
        |name: &str| !name.contains(".damaged") && ![".copy", ".new"].iter().any(|end| name.ends_with(end));
    let names = entries.filter(|entry| {
        entry.file_name().to_str().is_some_and(|name| is_match(pattern, name) && is_original(name))
    });
    names.map(|entry| entry.path()).take(MAX_FOLDERS).collect()
}

/// Whether `name` matches `pattern`, which has at most one `*`.
fn is_match(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((begin, end)) => {
            name.len() >= begin.len() + end.len() && name.starts_with(begin) && name.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests;
