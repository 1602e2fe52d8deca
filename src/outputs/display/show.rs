//! What a screen shows when: pages in turn, dim at night, moved against burn-in, begun anew after a failure.
//!
//! Its one decision: all of it is [`Show::step`], a function of the time it is given; the thread only calls it.

use std::time::{Duration, Instant};

use jiff::civil::Time;

use super::page::{Page, Turns, draw};
use super::{Look, Screen, ScreenError};
use crate::camera::BackOff;
use crate::config::{self, Config};
use crate::mood::Mood;
use crate::outputs::Situation;

/// A screen that shows the same for this long is asked whether it is still there.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// After this long what a screen holds is no longer trusted, and with its next change it is begun anew: it may have
/// lost its power for a moment without anybody noticing.
const TRUST_FOR: Duration = Duration::from_secs(60);
/// The picture moves by one pixel this often. OLEDs lose half of their light in some 10 000 hours of the same pixels;
/// moved over fifteen places the edges of letters wear evenly.
const MOVE_EVERY: Duration = Duration::from_secs(60);
/// Pauses after failures: a plug that is put back is seen soon, a screen that is gone costs one attempt a minute.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Screens share nothing with one another, so their attempts need not be scattered.
const WHOLE_PAUSE: f64 = 1.0;

/// How pages are shown, as configured.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::outputs) struct Settings {
    turns: Turns,
    brightness: f64,
    night: config::Night,
}

impl Settings {
    pub(in crate::outputs) fn of(config: &Config) -> Self {
        let display = &config.display;
        Self {
            turns: Turns {
                glance: Duration::from_secs_f64(display.glance_s),
                detail: Duration::from_secs_f64(display.detail_s),
            },
            brightness: display.brightness,
            night: config.night.clone(),
        }
    }

    /// At `time` of the day, or as at night where somebody asked for it.
    fn brightness_at(&self, time: Time, situation: &Situation, now: Instant) -> f64 {
        let night = situation.is_dimmed_at(now) || self.night.holds_at(time);
        if night { self.brightness * self.night.display } else { self.brightness }
    }
}

/// What a step of the show came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// It was not yet time for anything.
    Nothing,
    /// So many bytes were sent; whether what is seen changed.
    Sent { bytes: u64, changed: bool },
    /// The screen failed and is left alone for a while.
    Failed(ScreenError),
}

/// A screen and what it shows.
pub(super) struct Show<S> {
    screen: S,
    settings: Settings,
    begun_at: Instant,
    shown: Option<(Page, Look)>,
    /// When the screen is touched again though nothing changes, or after a failure.
    next_at: Instant,
    trusted_until: Instant,
    back_off: BackOff,
}

impl<S: Screen> Show<S> {
    pub(super) fn new(screen: S, settings: Settings, now: Instant) -> Self {
        Self {
            screen,
            settings,
            begun_at: now,
            shown: None,
            next_at: now,
            trusted_until: now + TRUST_FOR,
            back_off: BackOff::new(SHORTEST_PAUSE, LONGEST_PAUSE),
        }
    }

    /// Goes by other settings from now on.
    pub(super) fn adopt(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Shows what is due at `now`, which is `time` of the day.
    pub(super) fn step(&mut self, mood: &Mood, situation: &Situation, now: Instant, time: Time) -> Step {
        if self.shown.is_none() && now < self.next_at {
            return Step::Nothing;
        }
        let elapsed = now.saturating_duration_since(self.begun_at);
        let pages = draw(mood, situation, self.settings.turns, now);
        let page = pages.at(elapsed);
        let brightness = self.settings.brightness_at(time, situation, now);
        let look = Look { brightness, shift: shift(elapsed) };
        let changed = self.shown.as_ref().is_none_or(|(last, lit)| last != page || *lit != look);
        if !changed && now < self.next_at {
            return Step::Nothing;
        }
        if changed && now >= self.trusted_until {
            self.screen.forget();
            self.trusted_until = now + TRUST_FOR;
        }
        match self.screen.show(page, look) {
            Ok(bytes) => {
                self.shown = Some((page.clone(), look));
                self.next_at = now + ASK_EVERY;
                self.back_off.reset();
                Step::Sent { bytes, changed }
            }
            Err(error) => {
                self.screen.forget();
                self.shown = None;
                self.next_at = now + self.back_off.after_failure(WHOLE_PAUSE);
                Step::Failed(error)
            }
        }
    }

    /// Goes dark for good.
    pub(super) fn end(mut self) -> Result<(), ScreenError> {
        self.screen.darken()
    }
}

/// Where the picture is after `elapsed`: to and fro over five columns and three rows, a pixel at a time.
pub(super) fn shift(elapsed: Duration) -> (i32, i32) {
    /// Places of a row, and of all rows.
    const ROW: u64 = 5;
    const ALL: u64 = 15;
    // It begins in the middle: whoever looks at a new device sees it as it was designed.
    let there_and_back = (elapsed.as_secs() / MOVE_EVERY.as_secs() + ALL / 2) % (2 * ALL - 2);
    let place = there_and_back.min(2 * ALL - 2 - there_and_back);
    let (row, column) = (place / ROW, place % ROW);
    let column = if row % 2 == 0 { column } else { ROW - 1 - column };
    (column as i32 - 2, row as i32 - 1)
}
