//! `[lights]`: the light that shows the mood, and its connection.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Level;
use super::fault::FaultCollector;

/// More lights do not fit into one SPI message: the spidev buffer has 4096 bytes, one light takes 12, the pauses 280.
const MAX_RING_LIGHTS: f64 = 300.0;

/// Kinds of light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LightsKind {
    /// No light.
    Off,
    /// A coloured block in the terminal.
    Terminal,
    /// A ring or strip of WS2812 lights on an SPI device.
    Ring,
    /// A light of the kernel's LED class.
    Led,
    /// One or three on/off lights on GPIO lines.
    Gpio,
    /// One or three lights on hardware PWM channels.
    Pwm,
}

/// Light that shows the mood.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lights {
    /// Kind of light: `off`, `terminal`, `ring` (WS2812 on SPI), `led` (the kernel's LED class), `gpio` (on/off lights)
    /// or `pwm` (hardware PWM).
    pub kind: LightsKind,
    /// Brightness by day, 0 to 1; `night.lights` scales it at night. Lights of the kind `gpio` cannot be dimmed.
    #[schemars(extend("x-live" = true))]
    pub brightness: f64,
    /// A ring or strip of WS2812 lights. Its data wire is connected to the data pin of `board.spi`.
    pub ring: RingLights,
    /// A light of the kernel's LED class.
    pub led: LedLight,
    /// On/off lights on GPIO lines.
    pub gpio: GpioLights,
    /// Lights on hardware PWM channels.
    pub pwm: PwmLights,
}

impl Default for Lights {
    fn default() -> Self {
        Self {
            kind: LightsKind::Off,
            brightness: 0.4,
            ring: RingLights::default(),
            led: LedLight::default(),
            gpio: GpioLights::default(),
            pwm: PwmLights::default(),
        }
    }
}

/// A ring or strip of WS2812 lights. Its data wire is connected to the data pin of `board.spi`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RingLights {
    /// Number of lights, 1 to 300. All lights show the same colour. A number larger than the real one has no effect.
    pub count: u32,
}

impl Default for RingLights {
    fn default() -> Self {
        Self { count: 16 }
    }
}

/// A light of the kernel's LED class.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LedLight {
    /// Folder of the light, such as `/sys/class/leds/mood`. A multicolour light shows the colour, any other light shows
    /// only the brightness.
    pub path: PathBuf,
}

/// On/off lights on GPIO lines.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GpioLights {
    /// GPIO chip of the lights: a device file or a label. Empty: `board.gpio_chip`, or else the chip of the profile's
    /// header.
    pub chip: String,
    /// Header pins of the lights: one pin, or three for red, green and blue. Used if `lines` is empty. The board
    /// profile must have a header.
    pub pins: Vec<u8>,
    /// Line numbers on the chip, used instead of `pins`: one line, or three for red, green and blue.
    pub lines: Vec<u32>,
    /// Level at which the lights are on, `low` or `high`.
    pub lit: Level,
}

impl Default for GpioLights {
    fn default() -> Self {
        Self { chip: String::new(), pins: vec![29, 31, 33], lines: Vec::new(), lit: Level::High }
    }
}

/// Lights on hardware PWM channels.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PwmLights {
    /// Folder of the PWM chip in /sys/class/pwm. A program that was built with `--features pi` ignores it and uses the
    /// chip of the Raspberry Pi through rppal.
    pub chip: PathBuf,
    /// PWM channels on the chip, 0 to 3: one channel, or three for red, green and blue. Among Raspberry Pis only the
    /// Pi 5 has more than two.
    pub channels: Vec<u8>,
}

impl Default for PwmLights {
    fn default() -> Self {
        Self { chip: "/sys/class/pwm/pwmchip0".into(), channels: Vec::new() }
    }
}

impl Lights {
    pub(super) fn check(&self, faults: &mut FaultCollector) {
        faults.range("lights.brightness", self.brightness, 0.0, 1.0);
        faults.range("lights.ring.count", f64::from(self.ring.count), 1.0, MAX_RING_LIGHTS);
        match self.kind {
            LightsKind::Off | LightsKind::Terminal | LightsKind::Ring => {}
            LightsKind::Led => {
                if self.led.path.as_os_str().is_empty() {
                    let message =
                        "is needed if lights.kind is \"led\"; `ls /sys/class/leds` lists the lights";
                    faults.add("lights.led.path", message);
                }
            }
            LightsKind::Gpio => self.gpio.check(faults),
            LightsKind::Pwm => self.pwm.check(faults),
        }
    }
}

impl GpioLights {
    fn check(&self, faults: &mut FaultCollector) {
        let numbers: Vec<u32> = self.pins.iter().map(|pin| u32::from(*pin)).collect();
        let (key, numbers) = if self.lines.is_empty() {
            ("lights.gpio.pins", &numbers)
        } else {
            ("lights.gpio.lines", &self.lines)
        };
        let count = numbers.len();
        if count != 1 && count != 3 {
            let message =
                format!("has {count} entries, but must name one light, or three for red, green and blue");
            faults.add(key, message);
        }
        if (1..count).any(|index| numbers[..index].contains(&numbers[index])) {
            faults.add(key, "names the same light twice");
        }
    }
}

impl PwmLights {
    fn check(&self, faults: &mut FaultCollector) {
        let count = self.channels.len();
        if (count != 1 && count != 3) || self.channels.iter().any(|channel| *channel > 3) {
            let message = "must name one channel, or three for red, green and blue, each from 0 to 3";
            faults.add("lights.pwm.channels", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    fn errors(text: &str) -> String {
        Config::parse(text, "x.toml").map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn each_kind_requires_its_keys() {
        assert!(errors("[lights]\nkind = \"led\"\n").contains("lights.led.path is needed"));
        assert_eq!(errors("[lights]\nkind = \"gpio\"\n"), "");
        assert!(
            errors("[lights]\nkind = \"gpio\"\ngpio.pins = []\n").contains("lights.gpio.pins has 0 entries")
        );
        assert_eq!(errors("[lights]\nkind = \"ring\"\n"), "");
        assert_eq!(errors("[lights]\nkind = \"gpio\"\ngpio.pins = [29]\n"), "");
        assert_eq!(errors("[lights]\nkind = \"gpio\"\ngpio.lines = [5, 6, 13]\n"), "");
    }

    #[test]
    fn lights_are_one_or_three_and_different() {
        let two = errors("[lights]\nkind = \"gpio\"\ngpio.lines = [5, 6]\n");
        assert!(two.contains("lights.gpio.lines has 2 entries, but must name one light"), "{two}");
        let twice = errors("[lights]\nkind = \"gpio\"\ngpio.lines = [5, 6, 5]\n");
        assert!(twice.contains("lights.gpio.lines names the same light twice"), "{twice}");
        assert!(errors("[lights.ring]\ncount = 301\n").contains("must be from 1 to 300"));
    }
}
