//! Screens without hardware: a PNG file and the terminal. They ignore brightness and burn-in shift.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Appearance, Page, Picture, Screen, ScreenError, small};
use crate::terminal::Terminal;

/// Side of a screen pixel in the file, in pixels.
pub(super) const FILE_SCALE: u32 = 4;

/// A PNG file that is replaced atomically, so that no reader sees half a picture.
pub(crate) struct PngFile(pub(crate) PathBuf);

impl PngFile {
    fn write(&self, picture: &Picture) -> Result<u64, ScreenError> {
        let screen_error = |error: &dyn std::fmt::Display| {
            ScreenError(format!("cannot write display.path {}: {error}", self.0.display()))
        };
        let png = picture.to_png(FILE_SCALE).map_err(|error| screen_error(&error))?;
        replace(&self.0, &png).map_err(|error| screen_error(&error))?;
        Ok(png.len() as u64)
    }
}

impl Screen for PngFile {
    fn show(&mut self, page: &Page, _: Appearance) -> Result<u64, ScreenError> {
        self.write(&small::render(page))
    }

    fn darken(&mut self) -> Result<(), ScreenError> {
        self.write(&Picture::default()).map(drop)
    }
}

fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let mut file = std::fs::File::create(&new)?;
    file.write_all(content)?;
    drop(file);
    std::fs::rename(&new, path)
}

/// The terminal in Braille characters, four rows of pixels per line.
pub(crate) struct TerminalScreen(pub(crate) Arc<Terminal>);

impl TerminalScreen {
    fn draw(&self, picture: &Picture) -> Result<u64, ScreenError> {
        let lines = picture.to_braille();
        let bytes = lines.iter().map(String::len).sum::<usize>();
        match self.0.show_display(lines) {
            Ok(()) => Ok(bytes as u64),
            Err(error) => Err(ScreenError(format!("cannot draw in the terminal: {error}"))),
        }
    }
}

impl Screen for TerminalScreen {
    fn show(&mut self, page: &Page, _: Appearance) -> Result<u64, ScreenError> {
        self.draw(&small::render(page))
    }

    fn darken(&mut self) -> Result<(), ScreenError> {
        self.draw(&Picture::default()).map(drop)
    }
}
