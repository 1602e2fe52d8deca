//! On/off lamps on GPIO lines: one, or one each for red, green and blue.
//!
//! They cannot be dimmed: breathing becomes slow blinking, and dim light is off.

use super::{Palette, Ring};

/// A lamp is turned on at this level and off below [`OFF_BELOW`]; between the two it stays as it is. Dim light is below
/// both; breathing crosses both once in four seconds.
const ON_FROM: f64 = 0.4;
const OFF_BELOW: f64 = 0.3;

/// A lamp that can be switched.
pub(super) trait Lamp: Send {
    /// # Errors
    /// The lamp does not respond.
    fn set(&mut self, on: bool) -> std::io::Result<()>;
}

impl Lamp for crate::board::gpio::Output {
    fn set(&mut self, on: bool) -> std::io::Result<()> {
        Self::set(self, on).map_err(std::io::Error::other)
    }
}

/// One lamp, or three for red, green and blue.
pub(super) struct Switched<L> {
    /// One, or red, green and blue in this order.
    lamps: Vec<L>,
    on: [bool; 3],
}

impl<L: Lamp> Switched<L> {
    /// With one lamp, or three for red, green and blue, all off.
    pub(super) fn new(lamps: Vec<L>) -> Self {
        Self { lamps, on: [false; 3] }
    }
}

impl<L: Lamp> Ring for Switched<L> {
    fn palette(&self) -> Palette {
        if self.lamps.len() == 3 { Palette::Primaries } else { Palette::White }
    }

    fn can_be_dimmed(&self) -> bool {
        false
    }

    fn show(&mut self, light: [f64; 3]) -> std::io::Result<()> {
        for (on, light) in self.on.iter_mut().zip(light) {
            *on = light >= if *on { OFF_BELOW } else { ON_FROM };
        }
        self.lamps.iter_mut().zip(self.on).try_for_each(|(lamp, on)| lamp.set(on))
    }
}
