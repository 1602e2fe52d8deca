//! The small screen on the wall, 128x64 pixels, and the devices that can show it.
//!
//! [`draw()`] is a pure function of the mood. A picture goes out only when it differs from the last one.

mod draw;
mod face;
mod picture;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use draw::draw;
pub use picture::{HEIGHT, Picture, WIDTH};

use crate::mood::Mood;
use crate::outputs::terminal::Terminal;
use crate::outputs::{Health, Moods};
use crate::supervisor::Stop;

/// How often the newest mood is looked at: well below what a person notices.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After a failure the device is left alone for this long.
const RETRY_EVERY: Duration = Duration::from_secs(2);
/// Pixels of the file for one pixel of the screen.
const FILE_SCALE: u32 = 4;

/// A device that shows one-bit pictures.
pub trait Screen: Send {
    /// Shows `picture` until the next one comes.
    ///
    /// # Errors
    /// The device does not answer; it is tried again later.
    fn show(&mut self, picture: &Picture) -> std::io::Result<()>;
}

/// A PNG file that is replaced as a whole, so that nobody reads half a picture.
pub(super) struct PngFile(pub(super) PathBuf);

impl Screen for PngFile {
    fn show(&mut self, picture: &Picture) -> std::io::Result<()> {
        let png = picture.to_png(FILE_SCALE).map_err(std::io::Error::other)?;
        replace(&self.0, &png)
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

/// The terminal, four rows of dots to a line.
pub(super) struct TerminalScreen(pub(super) Arc<Terminal>);

impl Screen for TerminalScreen {
    fn show(&mut self, picture: &Picture) -> std::io::Result<()> {
        self.0.show_display(picture.to_braille())
    }
}

/// The thread `display`: until the stop is requested, then dark.
pub(super) fn run(mut screen: impl Screen, moods: &Moods, health: &Arc<Health>, stop: &Stop) {
    let mut shown: Option<(Arc<Mood>, Picture)> = None;
    let mut wait = Duration::ZERO;
    while !stop.wait(wait) {
        wait = LOOK_EVERY;
        let mood = moods.borrow().clone();
        if shown.as_ref().is_some_and(|(last, _)| Arc::ptr_eq(last, &mood)) {
            continue;
        }
        let picture = draw(&mood);
        if let Some((last, _)) = shown.as_mut().filter(|(_, last)| *last == picture) {
            *last = mood;
            continue;
        }
        match screen.show(&picture) {
            Ok(()) => {
                health.works();
                health.published.increment();
                shown = Some((mood, picture));
            }
            Err(error) => {
                health.failed(&format!("the display cannot be drawn: {error}"));
                wait = RETRY_EVERY;
            }
        }
    }
    // Nothing more can be done about a screen that does not even go dark.
    let _ = screen.show(&Picture::default());
}

#[cfg(test)]
mod tests;
