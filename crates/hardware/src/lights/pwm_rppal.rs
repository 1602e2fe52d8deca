//! Lights on a Raspberry Pi's hardware PWM through `rppal`, for builds with the feature `pi`.

use std::io::{Error, ErrorKind};

use rppal::pwm::{self, Channel, Polarity, Pwm};

use super::{PWM_FREQUENCY_HZ, Palette, Ring};

/// One light, or one each for red, green and blue.
pub(super) struct PwmLights(Vec<Pwm>);

/// Opens the channels, turned off. `rppal` turns them off again on drop.
///
/// # Errors
/// [`ErrorKind::NotFound`] if a channel does not exist or this is not a Raspberry Pi; otherwise the system's error.
pub(super) fn open(channels: &[u8]) -> std::io::Result<PwmLights> {
    let open = |number: &u8| {
        let channel = match number {
            0 => Channel::Pwm0,
            1 => Channel::Pwm1,
            2 => Channel::Pwm2,
            _ => Channel::Pwm3,
        };
        Pwm::with_frequency(channel, PWM_FREQUENCY_HZ, 0.0, Polarity::Normal, true).map_err(system_error)
    };
    channels.iter().map(open).collect::<Result<_, _>>().map(PwmLights)
}

fn system_error(error: pwm::Error) -> Error {
    match error {
        pwm::Error::Io(error) => error,
        other => Error::new(ErrorKind::NotFound, other),
    }
}

impl Ring for PwmLights {
    fn palette(&self) -> Palette {
        if self.0.len() == 3 { Palette::Colours } else { Palette::White }
    }

    fn show(&mut self, light: [f64; 3]) -> std::io::Result<()> {
        let brightest = light.into_iter().fold(0.0, f64::max);
        let duties = if self.0.len() == 3 { light } else { [brightest; 3] };
        self.0.iter().zip(duties).try_for_each(|(pwm, duty)| pwm.set_duty_cycle(duty).map_err(system_error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computer_other_than_a_pi_has_no_channel() {
        assert_eq!(open(&[0]).err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    }
}
