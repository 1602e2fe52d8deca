//! The camera light. It is on from before the camera is opened until after it is closed.
//!
//! The capture loop holds the light as a guard that is dropped after the camera. So no exit from the loop, not even a
//! panic, leaves a camera open without its light. If the light cannot be switched on, the camera stays closed, unless
//! the configuration allows otherwise.

use moodring_runtime::{Lamp, LampError};

use super::CameraError;

/// The light that shows that the camera is open, if there is one.
pub struct CameraLight {
    lamp: Option<Box<dyn Lamp>>,
    required: bool,
    /// Whether the lamp is known to be off.
    is_off: bool,
    /// The problem that was last logged.
    reported: Option<String>,
}

impl CameraLight {
    /// No light.
    pub const fn none() -> Self {
        Self { lamp: None, required: false, is_off: true, reported: None }
    }

    /// A light with this `lamp`. If it is `required`, the camera stays closed while the lamp cannot be switched on.
    pub fn new(lamp: Box<dyn Lamp>, required: bool) -> Self {
        Self { lamp: Some(lamp), required, is_off: false, reported: None }
    }

    /// Switches the light on until the guard is dropped. Create the guard before the camera is opened, and drop it
    /// after the camera is closed.
    ///
    /// # Errors
    /// [`CameraError::Light`]: the light is required and cannot be switched on.
    pub fn switch_on(&mut self) -> Result<LightGuard<'_>, CameraError> {
        // The guard exists first, so that it also switches the light off after a partial failure.
        let mut guard = LightGuard(self);
        guard.set(LightState::On)?;
        Ok(guard)
    }

    /// Switches the light off.
    ///
    /// # Errors
    /// The light may still be on.
    pub fn switch_off(&mut self) -> Result<(), LampError> {
        self.set(false)
    }

    /// Switches the light off, unless it is known to be off. A failure is logged once; the next call tries again.
    pub fn ensure_off(&mut self) {
        if !self.is_off
            && let Err(error) = self.switch_off()
        {
            self.report(&error, "the camera is closed, but its light cannot be switched off");
        }
    }

    fn set(&mut self, lit: bool) -> Result<(), LampError> {
        let Some(lamp) = &mut self.lamp else { return Ok(()) };
        self.is_off = false;
        lamp.set(lit)?;
        self.is_off = !lit;
        if self.reported.take().is_some() {
            tracing::info!("the camera light works again");
        }
        Ok(())
    }

    fn report(&mut self, error: &LampError, what: &str) {
        let problem = error.to_string();
        if self.reported.as_ref() != Some(&problem) {
            tracing::warn!(problem, "{what}");
            self.reported = Some(problem);
        }
    }
}

/// State of the light while the camera is open. It is off only during half of a blink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are sufficient")]
pub enum LightState {
    On,
    Off,
}

/// Keeps the light on or blinking. Dropping the guard switches the light off.
pub struct LightGuard<'a>(&'a mut CameraLight);

impl LightGuard<'_> {
    /// Sets the light. Called repeatedly, also without a change of `state`: this finds a lost GPIO chip and a light
    /// that another program has switched off.
    ///
    /// # Errors
    /// [`CameraError::Light`]: the light is required and cannot be set. Close the camera.
    pub fn set(&mut self, state: LightState) -> Result<(), CameraError> {
        match self.0.set(state == LightState::On) {
            Ok(()) => Ok(()),
            Err(error) if self.0.required => {
                // The caller logs this error. Switching the light off will fail in the same way and must not log again.
                self.0.reported = Some(error.to_string());
                Err(CameraError::Light(error))
            }
            Err(error) => {
                self.0.report(&error, "the camera is open without its light (camera.light.required = false)");
                Ok(())
            }
        }
    }
}

impl Drop for LightGuard<'_> {
    fn drop(&mut self) {
        self.0.ensure_off();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A lamp that records its calls, and fails if it is `broken`.
    struct ScriptedLamp {
        calls: Arc<Mutex<Vec<bool>>>,
        broken: bool,
    }

    impl Lamp for ScriptedLamp {
        fn set(&mut self, lit: bool) -> Result<(), LampError> {
            if self.broken {
                return Err(LampError("camera.light: no chip".into()));
            }
            self.calls.lock().unwrap().push(lit);
            Ok(())
        }
    }

    fn light(broken: bool, required: bool) -> (CameraLight, Arc<Mutex<Vec<bool>>>) {
        let calls = Arc::default();
        let lamp = ScriptedLamp { calls: Arc::clone(&calls), broken };
        (CameraLight::new(Box::new(lamp), required), calls)
    }

    #[test]
    fn the_light_is_on_while_the_guard_exists() {
        let (mut light, calls) = light(false, true);
        let guard = light.switch_on().unwrap();
        assert_eq!(*calls.lock().unwrap(), [true]);
        drop(guard);
        assert_eq!(*calls.lock().unwrap(), [true, false]);
    }

    #[test]
    fn a_light_left_on_by_the_last_run_is_switched_off_once() {
        let (mut light, calls) = light(false, true);
        light.ensure_off();
        light.ensure_off();
        assert_eq!(*calls.lock().unwrap(), [false]);
    }

    #[test]
    fn a_broken_light_keeps_the_camera_closed_only_if_it_is_required() {
        let refused = light(true, true).0.switch_on().map(drop).unwrap_err().to_string();
        assert_eq!(refused, "camera not opened: camera.light: no chip");
        assert!(light(true, false).0.switch_on().is_ok());
        assert!(CameraLight::none().switch_on().is_ok());
    }
}
