//! Reads the configuration at the start, and replaces settings of the set-up page that are damaged.
//!
//! The text with which the device last started is kept as a copy. A damaged or mistyped file is set aside and replaced by
//! it. Without a copy the purpose is undeclared, so that the device opens no camera and waits with the set-up page.

use std::path::Path;

use moodring_config::{Config, ConfigError, setup_file_path};
use moodring_runtime::{atomic_file, state_file};

use crate::state;

/// A larger file was not written by the set-up page.
const MAX_BYTES: u64 = 64 * 1024;
/// The settings after both files were damaged: no purpose is declared.
const UNDECLARED: &str = "# The settings of the set-up page were damaged and are kept as setup.toml.damaged. Set the device up again (/setup).\n\
                          [purpose]\njurisdiction = \"\"\nconsent = \"\"\n";

/// The configuration of a device that starts, after [`state::mend`] has checked its files. Returns what people must be
/// told, too.
///
/// # Errors
/// Every fault of the administrator's file, or of settings that are not damaged.
pub fn recover(file: &Path) -> Result<(Config, Vec<String>), ConfigError> {
    let base = Config::load_file(file)?;
    let mut reports = state::mend(&base.storage.directory());
    let layer = setup_file_path(&base.storage);
    if let Err(problem) = check(file, &layer) {
        match replace(&base, &layer, &problem) {
            Ok(Some(report)) => reports.push(report),
            Ok(None) => {}
            Err(error) => {
                let report = format!(
                    "{} is damaged and cannot be replaced: {error}; make its folder writable",
                    layer.display()
                );
                reports.push(report);
            }
        }
    }
    let config = Config::load(file)?;
    if let Err(error) = keep_copy(&layer) {
        reports.push(format!("no copy of {} can be kept: {error}", layer.display()));
    }
    Ok((config, reports))
}

/// What is wrong with the file at `layer`.
fn check(file: &Path, layer: &Path) -> Result<(), String> {
    if std::fs::symlink_metadata(layer).is_err() {
        return Ok(());
    }
    // Commands of other users pass over a file that they may not read; the device must not.
    let text = std::fs::read(layer).map_err(|error| error.to_string())?;
    if text.is_empty() {
        return Err("it is empty".into());
    }
    match Config::load(file) {
        Err(error) if error.file != file.display().to_string() => {
            Err(error.faults.first().map_or_else(String::new, |fault| fault.message.clone()))
        }
        _ => Ok(()),
    }
}

/// Sets the file at `layer` aside and writes its replacement. `None`: it is intact; a change of the administrator's file
/// does not fit to it.
fn replace(base: &Config, layer: &Path, problem: &str) -> std::io::Result<Option<String>> {
    let copied = state_file::read(&state_file::copy_of(layer), MAX_BYTES).ok().flatten();
    if copied.is_some() && std::fs::read(layer).ok() == copied {
        return Ok(None);
    }
    let is_valid = |text: &String| base.with_page_settings(text, "copy").is_ok();
    let copy = copied.and_then(|bytes| String::from_utf8(bytes).ok()).filter(is_valid);
    let then = match copy {
        Some(_) => "the settings with which the device last started apply",
        None => "the device must be set up again (/setup)",
    };
    let aside = state_file::set_aside(layer, &problem)?;
    atomic_file::write(layer, copy.as_deref().unwrap_or(UNDECLARED).as_bytes())?;
    Ok(Some(format!(
        "{} cannot be used ({}) and is kept as {}: {then}",
        aside.path.display(),
        aside.reason,
        aside.aside.display()
    )))
}

/// Keeps the text of the file at `layer`, which is valid; deletes the copy of a deleted file.
fn keep_copy(layer: &Path) -> std::io::Result<()> {
    let copy = state_file::copy_of(layer);
    match atomic_file::read(layer, MAX_BYTES) {
        Ok(Some(text))
            if state_file::read(&copy, MAX_BYTES).is_ok_and(|copied| copied.as_ref() == Some(&text)) =>
        {
            Ok(())
        }
        Ok(Some(text)) => state_file::write(&copy, &text),
        Ok(None) if copy.exists() => std::fs::remove_file(copy),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    }
}
