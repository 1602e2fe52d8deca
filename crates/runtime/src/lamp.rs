//! The interface of the camera light between the capture loop and the hardware.

/// Why a lamp could not be switched; names the configuration key and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LampError(pub String);

/// A light that can be switched: hardware, or a test double.
pub trait Lamp: Send {
    /// Switches the light on or off; does nothing if it is already in that state.
    ///
    /// # Errors
    /// The light could not be switched; its state is unknown.
    fn set(&mut self, lit: bool) -> Result<(), LampError>;
}
