//! The lamp of the camera light: a GPIO line or a light of the kernel's LED class.
//!
//! The capture loop decides when it is lit: it holds the lamp as a guard of the open camera.

use std::path::PathBuf;

use moodring_config as config;
use moodring_runtime::{Lamp, LampError};
use thiserror::Error;

use crate::board::Board;
use crate::board::gpio::{GpioError, Level, LineAddress, Output};

/// Why the light cannot be switched.
#[derive(Debug, Error)]
enum LightError {
    /// The GPIO line failed.
    #[error("camera.light: {0}")]
    Gpio(GpioError),
    /// A file of the LED class failed.
    #[error("camera.light.path: {} cannot be used ({reason}); `ls /sys/class/leds` lists the lights", .path.display())]
    Led {
        /// The file that could not be read or written.
        path: PathBuf,
        /// The system's error.
        reason: std::io::Error,
    },
}

/// Without `#[source]`: the message contains the line's error, and an error chain would print it twice.
impl From<GpioError> for LightError {
    fn from(error: GpioError) -> Self {
        Self::Gpio(error)
    }
}

/// A lamp on a GPIO line; the line is requested at the first use and again after a fault.
struct GpioLamp {
    /// The address, or why it is unknown.
    address: Result<LineAddress, GpioError>,
    lit: Level,
    output: Option<Output>,
}

impl Lamp for GpioLamp {
    fn set(&mut self, lit: bool) -> Result<(), LampError> {
        self.try_set(lit).map_err(|error| LampError(error.to_string()))
    }
}

impl GpioLamp {
    fn try_set(&mut self, lit: bool) -> Result<(), LightError> {
        let output = match self.output.take() {
            Some(output) => output,
            None => Output::open(self.address.as_ref().map_err(Clone::clone)?, self.lit)?,
        };
        output.set(lit)?;
        self.output = Some(output);
        Ok(())
    }
}

/// A lamp of the kernel's LED class; `folder` is its folder below /sys/class/leds.
struct LedLamp {
    folder: PathBuf,
}

impl LedLamp {
    fn write(&self, file: &str, value: &str) -> Result<(), LightError> {
        let path = self.folder.join(file);
        std::fs::write(&path, value).map_err(|reason| LightError::Led { path, reason })
    }

    fn max_brightness(&self) -> Result<String, LightError> {
        let path = self.folder.join("max_brightness");
        std::fs::read_to_string(&path).map_err(|reason| LightError::Led { path, reason })
    }
}

impl Lamp for LedLamp {
    fn set(&mut self, lit: bool) -> Result<(), LampError> {
        self.try_set(lit).map_err(|error| LampError(error.to_string()))
    }
}

impl LedLamp {
    fn try_set(&mut self, lit: bool) -> Result<(), LightError> {
        if !lit {
            // This also removes the trigger that drives the light (Documentation/leds/leds-class.rst).
            return self.write("brightness", "0");
        }
        // A trigger such as `mmc0` would turn the light off again. Some lights have no trigger.
        if self.folder.join("trigger").exists() {
            self.write("trigger", "none")?;
        }
        self.write("brightness", self.max_brightness()?.trim())
    }
}

/// The lamp that the configuration names, on this `board`; `None` if it names none. Opens nothing yet.
pub fn lamp(config: &config::CameraLight, board: &Board) -> Option<Box<dyn Lamp>> {
    match config.kind {
        config::CameraLightKind::Off => None,
        config::CameraLightKind::Gpio => {
            let address = LineAddress::of(board, &config.chip, config.line, config.pin);
            Some(Box::new(GpioLamp { address, lit: config.lit.into(), output: None }))
        }
        config::CameraLightKind::Led => Some(Box::new(LedLamp { folder: config.path.clone() })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Machine;

    fn open(config: &config::CameraLight) -> Box<dyn Lamp> {
        lamp(config, &Board::of(&config::Board::default(), &Machine::at("/nowhere"))).unwrap()
    }

    fn led(folder: &std::path::Path) -> Box<dyn Lamp> {
        let kind = config::CameraLightKind::Led;
        open(&config::CameraLight { kind, path: folder.into(), ..Default::default() })
    }

    #[test]
    fn the_trigger_of_an_led_class_light_is_disabled() {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [("brightness", "0"), ("max_brightness", "255\n"), ("trigger", "[mmc0] none")] {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        let read = |file: &str| std::fs::read_to_string(folder.path().join(file)).unwrap();
        let mut lamp = led(folder.path());
        lamp.set(true).unwrap();
        assert_eq!((read("brightness").as_str(), read("trigger").as_str()), ("255", "none"));
        lamp.set(false).unwrap();
        assert_eq!(read("brightness"), "0");
    }

    #[test]
    fn the_error_of_a_missing_light_names_key_and_fix() {
        let folder = tempfile::tempdir().unwrap();
        let refused = led(&folder.path().join("gone")).set(true).unwrap_err().to_string();
        assert!(
            refused.starts_with("camera.light.path: ") && refused.contains("max_brightness cannot be used")
        );
        assert!(refused.contains("/sys/class/leds"), "{refused}");
        let gpio = config::CameraLight {
            kind: config::CameraLightKind::Gpio,
            chip: "/dev/gpiochip77".into(),
            line: Some(27),
            ..Default::default()
        };
        let refused = open(&gpio).set(true).unwrap_err().to_string();
        assert!(
            refused.contains("camera.light: the GPIO chip \"/dev/gpiochip77\" is not there"),
            "{refused}"
        );
    }
}
