//! The camera light: on from before the camera is opened until after it is closed.
//!
//! Its one decision: the capture loop itself holds the light, as a guard that is let go after the camera, so that no path
//! out of the loop, not even a panic, leaves a camera open in the dark. A light that cannot be lit keeps the camera
//! closed, unless the configuration says otherwise.

use std::path::PathBuf;

use thiserror::Error;

use super::CameraError;
use crate::board::Board;
use crate::board::gpio::{GpioError, Level, LineAddress, Output};
use crate::config;

/// Why the light does not do what it is told.
#[derive(Debug, Error)]
pub enum LightError {
    /// Its GPIO line.
    #[error("camera.light: {0}")]
    Gpio(GpioError),
    /// Its file in the LED class.
    #[error("camera.light.path: {} cannot be used ({reason}); `ls /sys/class/leds` lists what there is", .path.display())]
    Led {
        /// The file that could not be read or written.
        path: PathBuf,
        /// The system's reason.
        reason: std::io::Error,
    },
}

/// No source of its own: the line's error is told in full, and a chain would tell it twice.
impl From<GpioError> for LightError {
    fn from(error: GpioError) -> Self {
        Self::Gpio(error)
    }
}

/// Something that can be lit: hardware, or a script in tests.
pub trait Lamp: Send {
    /// Lights it up or puts it out; what it is already, it stays.
    ///
    /// # Errors
    /// Nobody knows whether it is lit then.
    fn set(&mut self, lit: bool) -> Result<(), LightError>;
}

/// A lamp at a GPIO line, requested when it is first needed and again after a fault.
struct GpioLamp {
    /// Where it is, or why nobody knows.
    address: Result<LineAddress, GpioError>,
    lit: Level,
    output: Option<Output>,
}

impl Lamp for GpioLamp {
    fn set(&mut self, lit: bool) -> Result<(), LightError> {
        let output = match self.output.take() {
            Some(output) => output,
            None => Output::open(self.address.as_ref().map_err(Clone::clone)?, self.lit)?,
        };
        output.set(lit)?;
        self.output = Some(output);
        Ok(())
    }
}

/// A lamp of the kernel's LED class; `folder` is its folder in /sys/class/leds.
struct LedLamp {
    folder: PathBuf,
}

impl LedLamp {
    fn write(&self, file: &str, value: &str) -> Result<(), LightError> {
        let path = self.folder.join(file);
        std::fs::write(&path, value).map_err(|reason| LightError::Led { path, reason })
    }

    fn brightest(&self) -> Result<String, LightError> {
        let path = self.folder.join("max_brightness");
        std::fs::read_to_string(&path).map_err(|reason| LightError::Led { path, reason })
    }
}

impl Lamp for LedLamp {
    fn set(&mut self, lit: bool) -> Result<(), LightError> {
        if !lit {
            // By the kernel's word this also removes what else drives the light (Documentation/leds/leds-class.rst).
            return self.write("brightness", "0");
        }
        // A trigger such as `mmc0` would put it out again. Some lights have none.
        if self.folder.join("trigger").exists() {
            self.write("trigger", "none")?;
        }
        self.write("brightness", self.brightest()?.trim())
    }
}

/// The light that tells that the camera is open, if there is one.
pub struct CameraLight {
    lamp: Option<Box<dyn Lamp>>,
    required: bool,
    /// Whether it is known to be dark.
    dark: bool,
    /// What was last told to be wrong.
    told: Option<String>,
}

impl CameraLight {
    /// No light.
    pub const fn none() -> Self {
        Self { lamp: None, required: false, dark: true, told: None }
    }

    /// The light that `lamp` is. If it is `required`, the camera stays closed while it cannot be lit.
    pub fn new(lamp: Box<dyn Lamp>, required: bool) -> Self {
        Self { lamp: Some(lamp), required, dark: false, told: None }
    }

    /// The light that the configuration names, on this `board`; nothing is opened yet.
    pub fn of(config: &config::CameraLight, board: &Board) -> Self {
        let lamp: Box<dyn Lamp> = match config.kind {
            config::CameraLightKind::Off => return Self::none(),
            config::CameraLightKind::Gpio => {
                let address = LineAddress::of(board, &config.chip, config.line, config.pin);
                Box::new(GpioLamp { address, lit: config.lit.into(), output: None })
            }
            config::CameraLightKind::Led => Box::new(LedLamp { folder: config.path.clone() }),
        };
        Self::new(lamp, config.required)
    }

    /// Lights up until the guard is dropped: get it before the camera is opened, let it go after it is closed.
    ///
    /// # Errors
    /// [`CameraError::Light`]: it is required, and cannot be lit.
    pub fn light_up(&mut self) -> Result<Lit<'_>, CameraError> {
        // From here on the guard puts it out, also when lighting it up failed halfway.
        let mut lit = Lit(self);
        lit.confirm(Shine::On)?;
        Ok(lit)
    }

    /// Puts the light out.
    ///
    /// # Errors
    /// It may still shine.
    pub fn extinguish(&mut self) -> Result<(), LightError> {
        self.set(false)
    }

    /// Puts the light out, if it is not known to be dark. What fails is told once and tried at the next call.
    pub fn put_out(&mut self) {
        if !self.dark
            && let Err(error) = self.extinguish()
        {
            self.tell(&error, "the camera light cannot be put out although the camera is closed");
        }
    }

    fn set(&mut self, lit: bool) -> Result<(), LightError> {
        let Some(lamp) = &mut self.lamp else { return Ok(()) };
        self.dark = false;
        lamp.set(lit)?;
        self.dark = !lit;
        if self.told.take().is_some() {
            tracing::info!("the camera light works again");
        }
        Ok(())
    }

    fn tell(&mut self, error: &LightError, what: &str) {
        let problem = error.to_string();
        if self.told.as_ref() != Some(&problem) {
            tracing::warn!(problem, "{what}");
            self.told = Some(problem);
        }
    }
}

/// What the light of an open camera does: dark only for the half of a blink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Shine {
    On,
    Off,
}

/// While this lives the light is on, or blinks; dropping it puts the light out.
pub struct Lit<'a>(&'a mut CameraLight);

impl Lit<'_> {
    /// Tells it once more what to do, which changes nothing unless it blinks, its chip has gone or somebody else put it
    /// out.
    ///
    /// # Errors
    /// [`CameraError::Light`]: it is required, and cannot be lit: close the camera.
    pub fn confirm(&mut self, shine: Shine) -> Result<(), CameraError> {
        match self.0.set(shine == Shine::On) {
            Ok(()) => Ok(()),
            Err(error) if self.0.required => {
                // Whoever gets this tells it; putting the light out will fail in the same way.
                self.0.told = Some(error.to_string());
                Err(CameraError::Light(error))
            }
            Err(error) => {
                self.0.tell(&error, "the camera is open without its light (camera.light.required = false)");
                Ok(())
            }
        }
    }
}

impl Drop for Lit<'_> {
    fn drop(&mut self) {
        self.0.put_out();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Machine;

    fn nowhere() -> Board {
        Board::of(&config::Board::default(), &Machine::at("/nowhere"))
    }

    /// A folder such as the kernel makes for a light.
    fn led(brightness: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in
            [("brightness", brightness), ("max_brightness", "255\n"), ("trigger", "[mmc0] none")]
        {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        folder
    }

    fn light(folder: &std::path::Path, required: bool) -> CameraLight {
        let kind = config::CameraLightKind::Led;
        let config = config::CameraLight { kind, path: folder.into(), required, ..Default::default() };
        CameraLight::of(&config, &nowhere())
    }

    #[test]
    fn a_light_of_the_led_class_is_taken_from_its_trigger_and_lit_while_the_guard_lives() {
        let folder = led("0");
        let read = |file: &str| std::fs::read_to_string(folder.path().join(file)).unwrap();
        let mut light = light(folder.path(), true);
        let guard = light.light_up().unwrap();
        assert_eq!((read("brightness").as_str(), read("trigger").as_str()), ("255", "none"));
        drop(guard);
        assert_eq!(read("brightness"), "0");
    }

    #[test]
    fn a_light_that_the_last_run_left_on_is_put_out() {
        let folder = led("255");
        light(folder.path(), true).put_out();
        assert_eq!(std::fs::read_to_string(folder.path().join("brightness")).unwrap(), "0");
    }

    #[test]
    fn a_missing_light_keeps_the_camera_closed_only_where_it_is_required() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let refused = light(&gone, true).light_up().map(drop).unwrap_err().to_string();
        assert!(refused.starts_with("camera not opened: camera.light.path: "), "{refused}");
        assert!(refused.contains("max_brightness cannot be used") && refused.contains("/sys/class/leds"));
        assert!(light(&gone, false).light_up().is_ok());
        assert!(CameraLight::none().light_up().is_ok());
        let at_gpio = config::CameraLight {
            kind: config::CameraLightKind::Gpio,
            chip: "/dev/gpiochip77".into(),
            line: Some(27),
            ..Default::default()
        };
        let refused = CameraLight::of(&at_gpio, &nowhere()).light_up().map(drop).unwrap_err().to_string();
        assert!(
            refused.contains("camera.light: the GPIO chip \"/dev/gpiochip77\" is not there"),
            "{refused}"
        );
    }
}
