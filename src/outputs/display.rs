//! The screen on the wall: `(Mood, Situation) ──draw──▶ Page ──▶ Screen`.
//!
//! Its one decision: a page knows nothing of pixels. Each [`Screen`] sets it in its own layout, so that OLED, colour
//! screen, PNG file and terminal show the same.

mod bus;
mod canvas;
mod devices;
mod files;
mod large;
mod oled;
mod page;
mod picture;
mod show;
mod sign;
mod small;
mod st7789;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use canvas::Canvas;
pub use page::{Page, Pages, Text, Turns, draw};
pub use picture::{HEIGHT, Picture, WIDTH};
pub use sign::Sign;

use crate::config;
use crate::outputs::{Health, Moods, Situations};
use crate::supervisor::Stop;
pub(crate) use devices::fault;
pub(super) use devices::screen;
use show::{Settings, Show, Step};

/// How often the newest mood is looked at: well below what a person notices.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The page on a screen of 128x64 pixels.
pub fn small(page: &Page) -> Picture {
    small::render(page)
}

/// The page on a screen of 240x240 colour pixels.
pub fn large(page: &Page) -> Canvas {
    large::render(page)
}

/// How a page is shown, whatever is on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// 0 (dark) to 1.
    pub brightness: f64,
    /// Pixels to the right and down, against burn-in.
    pub shift: (i32, i32),
}

/// Why a screen shows nothing, in one line that mends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScreenError(pub String);

/// A device that shows pages.
pub trait Screen: Send {
    /// Shows `page` until the next one comes; returns how many bytes that took.
    ///
    /// # Errors
    /// The device does not answer; it is tried again later.
    fn show(&mut self, page: &Page, look: Look) -> Result<u64, ScreenError>;

    /// What the device holds is not known any more: the next page is shown as if it were the first.
    fn forget(&mut self) {}

    /// Shows nothing.
    ///
    /// # Errors
    /// The device does not answer.
    fn darken(&mut self) -> Result<(), ScreenError>;
}

impl Screen for Box<dyn Screen> {
    fn show(&mut self, page: &Page, look: Look) -> Result<u64, ScreenError> {
        self.as_mut().show(page, look)
    }

    fn forget(&mut self) {
        self.as_mut().forget();
    }

    fn darken(&mut self) -> Result<(), ScreenError> {
        self.as_mut().darken()
    }
}

/// What the thread works from.
pub(super) struct Sources {
    pub(super) moods: Moods,
    pub(super) situations: Situations,
    pub(super) settings: config::Settings,
    /// Time zone in which it becomes night.
    pub(super) zone: TimeZone,
}

/// The thread `display`: until the stop is requested, then dark.
pub(super) fn run(screen: impl Screen, sources: &Sources, health: &Arc<Health>, stop: &Stop) {
    let mut config = sources.settings.clone();
    let mut show = Show::new(screen, Settings::of(&config.borrow_and_update()), Instant::now());
    let mut wait = Duration::ZERO;
    while !stop.wait(wait) {
        wait = LOOK_EVERY;
        if config.has_changed().unwrap_or(false) {
            show.adopt(Settings::of(&config.borrow_and_update()));
        }
        let mood = sources.moods.borrow().clone();
        let situation = sources.situations.borrow().clone();
        let time = Timestamp::now().to_zoned(sources.zone.clone()).time();
        match show.step(&mood, &situation, Instant::now(), time) {
            Step::Nothing => {}
            Step::Sent { bytes, changed } => {
                health.works();
                health.bytes_sent.add(bytes);
                if changed {
                    health.published.increment();
                }
            }
            Step::Failed(error) => health.failed(&error.to_string()),
        }
    }
    // Nothing more can be done about a screen that does not even go dark.
    let _ = show.end();
}

#[cfg(test)]
mod tests;
