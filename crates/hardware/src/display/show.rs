//! Decides what a screen shows: alternating pages, dimmed at night, moved against burn-in, initialized again after a
//! failure.
//!
//! All of it is [`Show::step`], which takes the time as an argument; the thread only calls it.

use std::time::{Duration, Instant};

use jiff::civil::Time;

use super::page::{Page, PageTimes, draw};
use super::{Appearance, Screen, ScreenError};
use moodring_config as config;
use moodring_config::Config;
use moodring_contract::Mood;
use moodring_runtime::Backoff;
use moodring_runtime::{DeviceStatus, PairingOffer};

/// Interval at which an unchanged screen is written, to detect its loss.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// After this time the content of a screen is considered unknown, and the next change initializes it again: it may have
/// lost power for a moment.
const TRUST_DURATION: Duration = Duration::from_secs(60);
/// Interval at which the picture moves by one pixel. OLED pixels lose half of their light in about 10 000 hours; moved
/// over fifteen positions the edges of letters wear evenly.
const MOVE_EVERY: Duration = Duration::from_secs(60);
/// Delays after failures: a replugged screen is detected soon, a missing one costs one attempt per minute.
const MIN_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(60);
/// Jitter factor of the delays: none, because screens of different devices share no resource.
const NO_JITTER: f64 = 1.0;

/// Configuration of the display.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    turns: PageTimes,
    brightness: f64,
    night: config::Night,
}

impl Settings {
    pub(crate) fn of(config: &Config) -> Self {
        let display = &config.display;
        Self {
            turns: PageTimes {
                overview: Duration::from_secs_f64(display.glance_s),
                detail: Duration::from_secs_f64(display.detail_s),
            },
            brightness: display.brightness,
            night: config.night.clone(),
        }
    }

    /// The brightness at `time` of the day; the night value also applies while a command dims the screen.
    fn brightness_at(&self, time: Time, status: &DeviceStatus, now: Instant) -> f64 {
        let night = status.is_dimmed_at(now) || self.night.is_night_at(time);
        if night { self.brightness * self.night.display } else { self.brightness }
    }
}

/// Result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing was due.
    Unchanged,
    /// The number of bytes sent, and whether the visible content changed.
    Sent { bytes: u64, changed: bool },
    /// The screen failed; the next attempt follows after a delay.
    Failed(ScreenError),
}

/// A screen and what it shows.
pub(super) struct Show<S: Screen> {
    screen: S,
    settings: Settings,
    started_at: Instant,
    shown: Option<(Page, Appearance)>,
    /// When the screen is written next although nothing changed, or retried after a failure.
    next_at: Instant,
    trusted_until: Instant,
    backoff: Backoff,
}

impl<S: Screen> Show<S> {
    pub(super) fn new(screen: S, settings: Settings, now: Instant) -> Self {
        Self {
            screen,
            settings,
            started_at: now,
            shown: None,
            next_at: now,
            trusted_until: now + TRUST_DURATION,
            backoff: Backoff::new(MIN_DELAY, MAX_DELAY),
        }
    }

    /// Applies new settings.
    pub(super) fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Shows what is due at `now`; `time` is the local time of the day.
    pub(super) fn step(
        &mut self,
        mood: &Mood,
        status: &DeviceStatus,
        offer: Option<&PairingOffer>,
        now: Instant,
        time: Time,
    ) -> Step {
        if self.shown.is_none() && now < self.next_at {
            return Step::Unchanged;
        }
        let elapsed = now.saturating_duration_since(self.started_at);
        let pages = draw(mood, status, offer, self.settings.turns, now);
        let page = pages.at(elapsed);
        let brightness = self.settings.brightness_at(time, status, now);
        let appearance = Appearance { brightness, shift: shift(elapsed) };
        let changed = self.shown.as_ref().is_none_or(|(last, old)| last != page || *old != appearance);
        if !changed && now < self.next_at {
            return Step::Unchanged;
        }
        if changed && now >= self.trusted_until {
            self.screen.invalidate();
            self.trusted_until = now + TRUST_DURATION;
        }
        match self.screen.show(page, appearance) {
            Ok(bytes) => {
                self.shown = Some((page.clone(), appearance));
                self.next_at = now + CHECK_EVERY;
                self.backoff.reset();
                Step::Sent { bytes, changed }
            }
            Err(error) => {
                self.screen.invalidate();
                self.shown = None;
                self.next_at = now + self.backoff.after_failure(NO_JITTER);
                Step::Failed(error)
            }
        }
    }
}

/// Turns the screen dark at the end, also during a panic: a stopped device must not keep showing a mood.
impl<S: Screen> Drop for Show<S> {
    fn drop(&mut self) {
        // A screen that cannot be turned dark is beyond recovery here.
        let _ = self.screen.darken();
    }
}

/// The offset of the picture after `elapsed`: back and forth over five columns and three rows, one pixel at a time.
pub(super) fn shift(elapsed: Duration) -> (i32, i32) {
    /// Positions per row, and of all rows.
    const ROW: u64 = 5;
    const ALL: u64 = 15;
    // It starts in the middle, so that a new device shows the picture as designed.
    let phase = (elapsed.as_secs() / MOVE_EVERY.as_secs() + ALL / 2) % (2 * ALL - 2);
    let position = phase.min(2 * ALL - 2 - phase);
    let (row, column) = (position / ROW, position % ROW);
    let column = if row % 2 == 0 { column } else { ROW - 1 - column };
    (column as i32 - 2, row as i32 - 1)
}
