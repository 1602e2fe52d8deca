//! Fades the light to its target so slowly that it never flashes.
//!
//! Two limits guarantee this for any sequence of moods. A new target is accepted only after the last one was held for a
//! second: the light reverses at most once per second and cannot flicker at 3 Hz or faster. A change follows a straight
//! line between the two colours over up to two seconds: no channel arrives early and reverses the brightness. WCAG 2.2,
//! 2.3.1 allows three flashes per second; a test plays random moods and counts.

use std::f64::consts::TAU;
use std::time::Duration;

use super::Light;
use super::colour::Palette;

/// Minimum time of a target: a word cannot be read in less.
const HOLD: Duration = Duration::from_secs(1);
/// Duration of a change from dark to full brightness.
const FADE: Duration = Duration::from_secs(2);
/// Period of the slow breathing that marks stale values: 0.25 Hz, far below the 3 Hz above which flashing light
/// endangers people with photosensitive epilepsy.
const BREATH: Duration = Duration::from_secs(4);
/// Strength of a device that is on but has nothing to show.
const IDLE: f64 = 0.15;

/// Strength of a light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glow {
    /// Off.
    Off,
    /// Faint: the device is on but has nothing to show.
    Dim,
    /// Slowly rising and falling: the shown values are stale.
    Breathing,
    /// The maximum brightness.
    Full,
}

impl Glow {
    /// The strength, 0 to 1, at `age` after its begin.
    fn strength(self, age: Duration) -> f64 {
        match self {
            Self::Off => 0.0,
            Self::Dim => IDLE,
            Self::Breathing => 0.35 - 0.2 * (TAU * age.as_secs_f64() / BREATH.as_secs_f64()).cos(),
            Self::Full => 1.0,
        }
    }
}

/// Fades the light to its target.
#[derive(Debug, Clone, PartialEq)]
pub struct Fader {
    /// Red, green, blue, linear, each 0 to 1.
    shown: [f64; 3],
    target: Light,
    /// Time since the target was accepted.
    age: Duration,
}

impl Default for Fader {
    /// Starts dark and accepts the first target at once.
    fn default() -> Self {
        Self { shown: [0.0; 3], target: Light::OFF, age: HOLD }
    }
}

impl Fader {
    /// Fades towards `wanted` by as much as `elapsed` allows. `limit` (0 to 1) scales the strength; `palette` gives the
    /// colours. Returns the linear light to show: red, green, blue, each 0 to 1.
    pub fn step(&mut self, wanted: Light, palette: Palette, limit: f64, elapsed: Duration) -> [f64; 3] {
        self.age = self.age.saturating_add(elapsed);
        if wanted != self.target && self.age >= HOLD {
            (self.target, self.age) = (wanted, Duration::ZERO);
        }
        let strength = self.target.glow.strength(self.age) * limit.clamp(0.0, 1.0);
        let end = palette.light(self.target.word).map(|channel| channel * strength);
        let change: [f64; 3] = std::array::from_fn(|channel| end[channel] - self.shown[channel]);
        let largest = change.iter().fold(0.0, |largest: f64, part| largest.max(part.abs()));
        let max_step = elapsed.as_secs_f64() / FADE.as_secs_f64();
        if largest <= max_step {
            self.shown = end;
        } else {
            self.shown =
                std::array::from_fn(|channel| self.shown[channel] + change[channel] * max_step / largest);
        }
        self.shown
    }
}
