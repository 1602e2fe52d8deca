//! The mood as one colour on a ring of light: read in passing, by everybody, without disturbing a lesson.
//!
//! [`light`] is a pure function of mood and time; [`Fader`] keeps every change slow. Hardware comes in behind
//! [`Ring`].

mod terminal_ring;

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::mood::{Mood, State, Word};
use crate::outputs::{Health, Moods};
use crate::supervisor::Stop;

pub(super) use terminal_ring::TerminalRing;

/// What the whole ring shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Light {
    /// Colour, sRGB.
    pub rgb: [u8; 3],
    /// 0 (off) to 1 (as bright as the configuration allows).
    pub brightness: f64,
}

impl Light {
    /// No light at all.
    pub const OFF: Self = Self { rgb: [0, 0, 0], brightness: 0.0 };
}

/// Period of the slow breathing that says "these figures are old": 0.25 Hz, far below the 3 Hz from which on
/// flashing light endangers people with photosensitive epilepsy (WCAG 2.2, 2.3.1).
const BREATH: Duration = Duration::from_secs(4);
/// A change from dark to full takes this long. Faster than 3 Hz the light can then change by less than a
/// tenth, which WCAG 2.2 does not count as a flash.
const FADE: Duration = Duration::from_secs(2);
/// 20 steps a second look smooth at these fades.
const STEP: Duration = Duration::from_millis(50);
/// Of a device that is on but has nothing to say.
const IDLE: f64 = 0.15;

/// The colour of a mood word, on the ring and on the page.
///
/// Chosen by search for the largest least distance between any two of the seven, in CIELAB, for people with
/// usual colour vision and under simulated protanopia, deuteranopia and tritanopia (Machado, Oliveira,
/// Fernandes 2009, severity 1), within hues that fit the words. A test holds the distance.
pub const fn colour(word: Word) -> [u8; 3] {
    match word {
        Word::Bright => [0xfb, 0xfb, 0x23],
        Word::Attentive => [0x39, 0xe5, 0x87],
        Word::Calm => [0x35, 0x84, 0xd8],
        Word::Restless => [0xde, 0x8d, 0x10],
        Word::Strained => [0xc9, 0x0f, 0x39],
        Word::Drowsy => [0x12, 0x0b, 0x9d],
        Word::Unsure => [0x9a, 0x9b, 0x99],
    }
}

/// What the ring should show for `mood`; `at` is any steadily growing time.
pub fn light(mood: &Mood, at: Duration) -> Light {
    let idle = Light { rgb: colour(Word::Unsure), brightness: IDLE };
    match mood.state {
        State::Paused => Light::OFF,
        State::Starting | State::TooFew => idle,
        State::Live if mood.word == Word::Unsure => idle,
        State::Live => Light { rgb: colour(mood.word), brightness: 1.0 },
        State::Stale => {
            let phase = TAU * at.as_secs_f64() / BREATH.as_secs_f64();
            Light { rgb: colour(mood.word), brightness: 0.35 - 0.2 * phase.cos() }
        }
    }
}

/// Light on its way to what it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Fader {
    /// Each channel, brightness included, 0 to 1.
    shown: [f64; 3],
}

impl Default for Fader {
    /// Begins dark.
    fn default() -> Self {
        Self { shown: [0.0; 3] }
    }
}

impl Fader {
    /// Moves towards `target` by as much as `elapsed` allows; returns the channels to show, 0 to 1 each.
    pub fn step(&mut self, target: Light, elapsed: Duration) -> [f64; 3] {
        let reach = elapsed.as_secs_f64() / FADE.as_secs_f64();
        for (shown, channel) in self.shown.iter_mut().zip(target.rgb) {
            let wanted = f64::from(channel) / 255.0 * target.brightness;
            *shown += (wanted - *shown).clamp(-reach, reach);
        }
        self.shown
    }
}

/// A ring of lights that all show one colour.
pub trait Ring: Send {
    /// Shows `rgb`, 0 to 1 each.
    ///
    /// # Errors
    /// The device does not answer; it is tried again later.
    fn show(&mut self, rgb: [f64; 3]) -> std::io::Result<()>;
}

/// The thread `lights`: until the stop is requested, then dark.
pub(super) fn run(mut ring: impl Ring, brightness: f64, moods: &Moods, health: &Arc<Health>, stop: &Stop) {
    let started_at = Instant::now();
    let mut fader = Fader::default();
    let mut sequence = 0;
    while !stop.wait(STEP) {
        let mood = moods.borrow().clone();
        let target = light(&mood, started_at.elapsed());
        let shown = fader.step(target, STEP).map(|channel| channel * brightness);
        match ring.show(shown) {
            Ok(()) => health.works(),
            Err(error) => health.failed(&format!("the ring of light cannot be set: {error}")),
        }
        if std::mem::replace(&mut sequence, mood.sequence) != mood.sequence {
            health.published.increment();
        }
    }
    // Nothing more can be done about a ring that does not even go dark.
    let _ = ring.show([0.0; 3]);
}

#[cfg(test)]
mod tests;
