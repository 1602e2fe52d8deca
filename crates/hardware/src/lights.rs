//! Shows the mood as one colour of light: `Mood ──light──▶ Light ──Fader──▶ Ring`.
//!
//! [`light`] is a pure function of the mood, [`Fader`] keeps every change slow, and [`Ring`] is the device. A device
//! that fails is reopened without a limit of attempts. The light goes dark when the loop ends, also after a panic.

mod colour;
mod device;
mod fader;
mod led;
#[cfg(not(feature = "pi"))]
mod pwm;
#[cfg(feature = "pi")]
mod pwm_rppal;
mod ring;
mod switched;
mod terminal_ring;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use moodring_config::Settings;
use moodring_contract::{Mood, State, Word};
use moodring_runtime::Backoff;
use moodring_runtime::{Health, Moods, StatusUpdates};
use moodring_runtime::{Heartbeat, Stop, random_share};

pub use colour::{ColourVision, Palette, colour, linear, srgb};
pub use device::opener;
pub use fader::{Fader, Glow};

/// Frequency of lights at hardware PWM. Above 3 kHz even full modulation has no observable effect on people
/// (IEEE 1789-2015).
const PWM_FREQUENCY_HZ: f64 = 4_000.0;
/// 20 steps per second look smooth at these fade times.
const STEP: Duration = Duration::from_millis(50);
/// Interval at which unchanged light is sent again: a ring that was replugged has lost its state, and an unplugged one
/// is detected.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// The light to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Light {
    /// The word that determines the colour.
    pub word: Word,
    /// Strength of the light.
    pub glow: Glow,
}

impl Light {
    /// No light.
    pub const OFF: Self = Self { word: Word::Unsure, glow: Glow::Off };
}

/// The light for `mood`.
pub fn light(mood: &Mood) -> Light {
    let glow = match mood.state {
        State::Paused => return Light::OFF,
        State::Starting | State::TooFew => return Light { word: Word::Unsure, glow: Glow::Dim },
        // In the mode `count` the light says that people are present, and nothing of what they do.
        State::Live if mood.word == Word::Unsure && mood.mode.has_word() => Glow::Dim,
        State::Live => Glow::Full,
        State::Stale => Glow::Breathing,
    };
    Light { word: mood.word, glow }
}

/// The light that identifies the device, `remaining` before its end: one second on, one second off, in the colour of
/// [`Word::Unsure`]. The fader turns this into a slow swell at 0.5 Hz.
fn blink(remaining: Duration) -> Light {
    if remaining.as_secs().is_multiple_of(2) {
        Light { word: Word::Unsure, glow: Glow::Full }
    } else {
        Light::OFF
    }
}

/// A light that shows one colour: an LED ring, one lamp, or three lamps.
pub trait Ring: Send {
    /// The colours that the device can show.
    fn palette(&self) -> Palette;

    /// Whether the device can be dimmed; if not, it is as bright at night as by day.
    fn can_be_dimmed(&self) -> bool {
        true
    }

    /// Shows linear light: red, green, blue, each 0 to 1.
    ///
    /// # Errors
    /// The device does not respond; it is reopened later.
    fn show(&mut self, light: [f64; 3]) -> std::io::Result<()>;
}

/// Maximum brightness of the light by time of day.
pub struct Brightness {
    /// Brightness by day, hours of the night, and the fraction that remains at night.
    pub settings: Settings,
    /// Time zone of the hours of the night.
    pub zone: TimeZone,
}

impl Brightness {
    fn at(&self, now: Timestamp) -> f64 {
        let night = self.settings.borrow().night.is_night_at(now.to_zoned(self.zone.clone()).time());
        if night { self.at_night() } else { self.settings.borrow().lights.brightness }
    }

    fn at_night(&self) -> f64 {
        let settings = self.settings.borrow();
        settings.lights.brightness * settings.night.lights
    }
}

/// Turns the light off when dropped, also during a panic.
struct DarkOnDrop(Box<dyn Ring>);

impl Drop for DarkOnDrop {
    fn drop(&mut self) {
        // A light that cannot be turned off is beyond recovery here.
        let _ = self.0.show([0.0; 3]);
    }
}

/// The thread of the light and its channels. `Open` opens the device or returns the reason why it cannot.
pub struct LightLoop<'a, Open> {
    /// Opens the device.
    pub open: Open,
    /// Maximum brightness.
    pub brightness: Brightness,
    /// The newest mood.
    pub moods: &'a Moods,
    /// The newest status.
    pub updates: &'a StatusUpdates,
    /// Where problems are reported.
    pub health: &'a Arc<Health>,
    /// Beats at every step.
    pub heartbeat: &'a Heartbeat,
    /// Requests the end of the loop.
    pub stop: &'a Stop,
}

impl<Open: FnMut() -> Result<Box<dyn Ring>, String>> LightLoop<'_, Open> {
    /// Shows the newest mood until the stop is requested, then turns the light off.
    pub fn run(mut self, mut backoff: Backoff) {
        let mut fader = Fader::default();
        let mut ring: Option<DarkOnDrop> = None;
        let mut shown: Option<([f64; 3], Instant)> = None;
        let mut retry_at = Instant::now();
        let mut sequence = 0;
        while !self.stop.wait(STEP) {
            self.heartbeat.beat();
            let now = Instant::now();
            if ring.is_none() && now >= retry_at {
                match (self.open)() {
                    Ok(opened) => (ring, shown) = (Some(DarkOnDrop(opened)), None),
                    Err(problem) => retry_at = now + self.failed(&problem, &mut backoff),
                }
            }
            let mood = self.moods.borrow().clone();
            let light = self.next(&mut fader, &mood, ring.as_ref());
            let Some(DarkOnDrop(device)) = &mut ring else { continue };
            if shown.is_some_and(|(last, at)| last == light && now < at + REFRESH_EVERY) {
                continue;
            }
            match device.show(light) {
                Ok(()) => {
                    self.health.works();
                    backoff.reset();
                    shown = Some((light, now));
                    if std::mem::replace(&mut sequence, mood.sequence) != mood.sequence {
                        self.health.published.increment();
                    }
                }
                Err(error) => {
                    ring = None;
                    retry_at =
                        now + self.failed(&format!("the light does not respond: {error}"), &mut backoff);
                }
            }
        }
    }

    /// The light of the next step. The fader also runs without a device, so that a reopened device shows the right
    /// state.
    fn next(&self, fader: &mut Fader, mood: &Mood, ring: Option<&DarkOnDrop>) -> [f64; 3] {
        let palette = ring.map_or_else(Palette::default, |ring| ring.0.palette());
        let dims = ring.is_none_or(|ring| ring.0.can_be_dimmed());
        let dimmed = self.updates.borrow().is_dimmed_at(Instant::now());
        let limit = match (dims, dimmed) {
            (false, _) => 1.0,
            (true, true) => self.brightness.at_night(),
            (true, false) => self.brightness.at(Timestamp::now()),
        };
        let identifying = self.updates.borrow().identifying_at(Instant::now());
        fader.step(identifying.map_or_else(|| light(mood), blink), palette, limit, STEP)
    }

    /// Reports a problem; returns the delay before the next attempt.
    fn failed(&self, problem: &str, backoff: &mut Backoff) -> Duration {
        self.health.failed(problem);
        backoff.after_failure(random_share())
    }
}

#[cfg(test)]
mod tests;
