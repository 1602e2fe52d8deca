//! The display: `(Mood, DeviceStatus) ──draw──▶ Page ──▶ Screen`.
//!
//! A page contains data, not pixels. Each [`Screen`] renders it in its own layout, so that OLED, colour screen, PNG
//! file and terminal show the same content.

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
pub use page::{Page, PageTimes, Pages, Text, draw};
pub use picture::{HEIGHT, Picture, WIDTH};
pub use sign::Sign;

pub use devices::{fault, screen};
use moodring_config as config;
use moodring_runtime::{Health, Moods, StatusUpdates};
use moodring_runtime::{Heartbeat, Pairing, Stop};
use show::{Settings, Show, Step};

/// Interval at which the newest mood is read: shorter than a person notices.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// Renders the page for a screen of 128x64 pixels.
pub fn small(page: &Page) -> Picture {
    small::render(page)
}

/// Renders the page for a colour screen of 240x240 pixels.
pub fn large(page: &Page) -> Canvas {
    large::render(page)
}

/// Brightness and position of a page on the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Appearance {
    /// 0 (dark) to 1.
    pub brightness: f64,
    /// Offset to the right and down in pixels, against burn-in.
    pub shift: (i32, i32),
}

/// Why a screen shows nothing; one line that names the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScreenError(pub String);

/// A device that shows pages.
pub trait Screen: Send {
    /// Shows `page` until the next call; returns the number of bytes sent.
    ///
    /// # Errors
    /// The device does not respond; the caller retries later.
    fn show(&mut self, page: &Page, appearance: Appearance) -> Result<u64, ScreenError>;

    /// Declares the device's content unknown: the next page is sent completely.
    fn invalidate(&mut self) {}

    /// Turns the screen dark.
    ///
    /// # Errors
    /// The device does not respond.
    fn darken(&mut self) -> Result<(), ScreenError>;
}

impl Screen for Box<dyn Screen> {
    fn show(&mut self, page: &Page, appearance: Appearance) -> Result<u64, ScreenError> {
        self.as_mut().show(page, appearance)
    }

    fn invalidate(&mut self) {
        self.as_mut().invalidate();
    }

    fn darken(&mut self) -> Result<(), ScreenError> {
        self.as_mut().darken()
    }
}

/// Inputs of the display thread.
pub struct Sources {
    /// The newest mood.
    pub moods: Moods,
    /// The newest status.
    pub updates: StatusUpdates,
    /// The pairing offer, while there is one.
    pub pairing: Pairing,
    /// The configuration as it changes.
    pub settings: config::Settings,
    /// Time zone of the hours of the night.
    pub zone: TimeZone,
}

/// The thread `display`: shows pages until the stop is requested, then turns the screen dark.
pub fn run(screen: impl Screen, sources: &Sources, health: &Arc<Health>, heartbeat: &Heartbeat, stop: &Stop) {
    let mut config = sources.settings.clone();
    let mut show = Show::new(screen, Settings::of(&config.borrow_and_update()), Instant::now());
    let mut wait = Duration::ZERO;
    while !stop.wait(wait) {
        wait = POLL_EVERY;
        heartbeat.beat();
        if config.has_changed().unwrap_or(false) {
            show.set_settings(Settings::of(&config.borrow_and_update()));
        }
        let mood = sources.moods.borrow().clone();
        let status = sources.updates.borrow().clone();
        let time = Timestamp::now().to_zoned(sources.zone.clone()).time();
        let now = Instant::now();
        match show.step(&mood, &status, sources.pairing.at(now).as_ref(), now, time) {
            Step::Unchanged => {}
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
}

#[cfg(test)]
mod tests;
