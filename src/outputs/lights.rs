//! The mood as one colour of light: read in passing, by everybody, without disturbing a lesson.
//!
//! [`light`] is a pure function of the mood, [`Fader`] keeps every change slow, and what shines comes in behind
//! `Ring`: opened again for ever when it fails, dark when this ends, however it ends.

mod colour;
mod device;
mod fader;
mod led;
#[cfg(feature = "pi")]
mod pwm;
mod ring;
mod switched;
mod terminal_ring;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::camera::BackOff;
use crate::config::Settings;
use crate::mood::{Mood, State, Word};
use crate::outputs::{Health, Moods, Situations};
use crate::supervisor::Stop;

pub use colour::{Eyes, Palette, colour, linear, srgb};
pub(super) use device::opener;
pub use fader::{Fader, Glow};

/// 20 steps a second look smooth at these fades.
const STEP: Duration = Duration::from_millis(50);
/// What has not changed is shown again this often: a ring that was plugged in again knows nothing, and one that was
/// pulled out is found.
const SHOW_AGAIN: Duration = Duration::from_secs(1);

/// What the light should show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Light {
    /// Whose colour.
    pub word: Word,
    /// How strongly.
    pub glow: Glow,
}

impl Light {
    /// No light at all.
    pub const OFF: Self = Self { word: Word::Unsure, glow: Glow::Off };
}

/// What the light should show for `mood`.
pub fn light(mood: &Mood) -> Light {
    let glow = match mood.state {
        State::Paused => return Light::OFF,
        State::Starting | State::TooFew => return Light { word: Word::Unsure, glow: Glow::Dim },
        State::Live if mood.word == Word::Unsure => Glow::Dim,
        State::Live => Glow::Full,
        State::Stale => Glow::Breathing,
    };
    Light { word: mood.word, glow }
}

/// What the light should show while somebody asks which device this is, `left` before the end: no mood's colour, a second
/// on and a second off. The fader makes a swell of it, at half a hertz.
fn blink(left: Duration) -> Light {
    if left.as_secs().is_multiple_of(2) { Light { word: Word::Unsure, glow: Glow::Full } } else { Light::OFF }
}

/// Light that shows one colour: a ring, a lamp, or three.
pub(super) trait Ring: Send {
    /// What it can make of a colour.
    fn palette(&self) -> Palette;

    /// Whether it can be dimmed; if not it is as bright at night as by day.
    fn can_be_dimmed(&self) -> bool {
        true
    }

    /// Shows linear light: red, green, blue, 0 to 1 each.
    ///
    /// # Errors
    /// The device does not answer; it is opened again later.
    fn show(&mut self, light: [f64; 3]) -> std::io::Result<()>;
}

/// How bright the light may be, and when.
pub(super) struct Brightness {
    /// How bright by day, when it is night, and how much is left then.
    pub(super) settings: Settings,
    /// Where that is so.
    pub(super) zone: TimeZone,
}

impl Brightness {
    fn at(&self, now: Timestamp) -> f64 {
        let night = self.settings.borrow().night.holds_at(now.to_zoned(self.zone.clone()).time());
        if night { self.at_night() } else { self.settings.borrow().lights.brightness }
    }

    fn at_night(&self) -> f64 {
        let settings = self.settings.borrow();
        settings.lights.brightness * settings.night.lights
    }
}

/// A light that goes dark when it is dropped, also by a panic.
struct Lit(Box<dyn Ring>);

impl Drop for Lit {
    fn drop(&mut self) {
        // Nothing more can be done about a light that does not even go dark.
        let _ = self.0.show([0.0; 3]);
    }
}

/// The light's thread and what it shares with others. `Open` opens the device, or says in words why it cannot.
pub(super) struct LightLoop<'a, Open> {
    pub(super) open: Open,
    pub(super) brightness: Brightness,
    pub(super) moods: &'a Moods,
    pub(super) situations: &'a Situations,
    pub(super) health: &'a Arc<Health>,
    pub(super) stop: &'a Stop,
}

impl<Open: FnMut() -> Result<Box<dyn Ring>, String>> LightLoop<'_, Open> {
    /// Shows the newest mood until the stop is requested, then nothing.
    pub(super) fn run(mut self, mut back_off: BackOff) {
        let mut fader = Fader::default();
        let mut lit: Option<Lit> = None;
        let mut shown: Option<([f64; 3], Instant)> = None;
        let mut try_at = Instant::now();
        let mut sequence = 0;
        while !self.stop.wait(STEP) {
            let now = Instant::now();
            if lit.is_none() && now >= try_at {
                match (self.open)() {
                    Ok(ring) => (lit, shown) = (Some(Lit(ring)), None),
                    Err(problem) => try_at = now + self.failed(&problem, &mut back_off),
                }
            }
            let mood = self.moods.borrow().clone();
            let light = self.next(&mut fader, &mood, lit.as_ref());
            let Some(Lit(ring)) = &mut lit else { continue };
            if shown.is_some_and(|(last, at)| last == light && now < at + SHOW_AGAIN) {
                continue;
            }
            match ring.show(light) {
                Ok(()) => {
                    self.health.works();
                    back_off.reset();
                    shown = Some((light, now));
                    if std::mem::replace(&mut sequence, mood.sequence) != mood.sequence {
                        self.health.published.increment();
                    }
                }
                Err(error) => {
                    lit = None;
                    try_at = now + self.failed(&format!("the light does not answer: {error}"), &mut back_off);
                }
            }
        }
    }

    /// The light of the next moment; without a device the fader goes on, so that it comes back at the right place.
    fn next(&self, fader: &mut Fader, mood: &Mood, lit: Option<&Lit>) -> [f64; 3] {
        let palette = lit.map_or_else(Palette::default, |lit| lit.0.palette());
        let dims = lit.is_none_or(|lit| lit.0.can_be_dimmed());
        let dimmed = self.situations.borrow().is_dimmed_at(Instant::now());
        let limit = match (dims, dimmed) {
            (false, _) => 1.0,
            (true, true) => self.brightness.at_night(),
            (true, false) => self.brightness.at(Timestamp::now()),
        };
        let identifying = self.situations.borrow().identifying_at(Instant::now());
        fader.step(identifying.map_or_else(|| light(mood), blink), palette, limit, STEP)
    }

    /// Tells a problem; returns how long to wait before the next attempt.
    fn failed(&self, problem: &str, back_off: &mut BackOff) -> Duration {
        self.health.failed(problem);
        // Whether it is scattered well matters little, so no generator of random numbers is brought in.
        back_off.after_failure(RandomState::new().hash_one(0) as f64 / u64::MAX as f64)
    }
}

#[cfg(test)]
mod tests;
