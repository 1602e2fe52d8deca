//! An offer to pair a phone with the device, and its code.

use std::time::Instant;

/// An offer to pair a phone with the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// What must be typed on the phone, where that is asked.
    pub code: Option<String>,
    /// From then on it is not shown any more.
    pub until: Instant,
}

/// Whether the page asks for a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// Who reaches it may use it.
    None,
    /// It is given to those who stand before the device.
    Asked,
}

impl Code {
    /// An offer that ends at `until`, with a code that nobody guesses where one is asked.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn offer(self, until: Instant) -> Result<Pairing, getrandom::Error> {
        let code = match self {
            Self::None => None,
            Self::Asked => Some(six_digits()?),
        };
        Ok(Pairing { code, until })
    }
}

fn six_digits() -> Result<String, getrandom::Error> {
    const CODES: u32 = 1_000_000;
    loop {
        let number = getrandom::u32()?;
        // Beyond the last whole million the first codes would come a little more often.
        if number < u32::MAX / CODES * CODES {
            return Ok(format!("{:06}", number % CODES));
        }
    }
}
