//! Lights on hardware PWM, through the kernel's `/sys/class/pwm` (Documentation/driver-api/pwm.rst): the same on every
//! board.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{PWM_FREQUENCY_HZ, Palette, Ring};

const PERIOD_NS: u64 = (1e9 / PWM_FREQUENCY_HZ) as u64;
/// After an export, udev needs up to this long to give the channel's files to the service's group.
const PERMISSIONS_TIMEOUT: Duration = Duration::from_millis(500);

/// One light, or one each for red, green and blue.
pub(super) struct PwmLights(Vec<Channel>);

/// An exported channel; it is turned off and disabled when dropped.
struct Channel(PathBuf);

/// Opens `channels` of the chip in the folder `chip`, turned off.
///
/// # Errors
/// [`ErrorKind::NotFound`] if the chip or a channel does not exist; otherwise the system's error.
pub(super) fn open(chip: &Path, channels: &[u8]) -> std::io::Result<PwmLights> {
    channels.iter().map(|number| Channel::open(chip, *number)).collect::<Result<_, _>>().map(PwmLights)
}

impl Channel {
    fn open(chip: &Path, number: u8) -> std::io::Result<Self> {
        let count: u8 = std::fs::read_to_string(chip.join("npwm"))?.trim().parse().map_err(Error::other)?;
        if number >= count {
            return Err(Error::new(ErrorKind::NotFound, format!("it has no channel {number}, only {count}")));
        }
        let folder = chip.join(format!("pwm{number}"));
        if !folder.exists() {
            std::fs::write(chip.join("export"), number.to_string())?;
        }
        let channel = Self(folder);
        let deadline = Instant::now() + PERMISSIONS_TIMEOUT;
        loop {
            match channel.set("period", PERIOD_NS) {
                Err(error) if error.kind() == ErrorKind::PermissionDenied && Instant::now() < deadline => {
                    std::thread::sleep(PERMISSIONS_TIMEOUT / 10);
                }
                result => break result?,
            }
        }
        channel.set("duty_cycle", 0)?;
        channel.set("enable", 1)?;
        Ok(channel)
    }

    fn set(&self, file: &str, value: u64) -> std::io::Result<()> {
        std::fs::write(self.0.join(file), value.to_string())
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // A light that cannot be turned off is beyond recovery here.
        let _ = self.set("duty_cycle", 0).and_then(|()| self.set("enable", 0));
    }
}

impl Ring for PwmLights {
    fn palette(&self) -> Palette {
        if self.0.len() == 3 { Palette::Colours } else { Palette::White }
    }

    fn show(&mut self, light: [f64; 3]) -> std::io::Result<()> {
        let brightest = light.into_iter().fold(0.0, f64::max);
        let duties = if self.0.len() == 3 { light } else { [brightest; 3] };
        let duty_ns = |duty: f64| (duty.clamp(0.0, 1.0) * PERIOD_NS as f64).round() as u64;
        self.0.iter().zip(duties).try_for_each(|(channel, duty)| channel.set("duty_cycle", duty_ns(duty)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chip with two exported channels, as the kernel presents it.
    fn chip() -> tempfile::TempDir {
        let chip = tempfile::tempdir().unwrap();
        std::fs::write(chip.path().join("npwm"), "2\n").unwrap();
        for channel in ["pwm0", "pwm1"] {
            std::fs::create_dir(chip.path().join(channel)).unwrap();
        }
        chip
    }

    #[test]
    fn a_light_is_set_by_its_duty_cycle_and_off_when_dropped() {
        let chip = chip();
        let read = |file: &str| std::fs::read_to_string(chip.path().join("pwm1").join(file)).unwrap();
        let mut light = open(chip.path(), &[1]).unwrap();
        assert_eq!((read("period").as_str(), read("duty_cycle").as_str()), ("250000", "0"));
        light.show([0.25, 0.5, 0.0]).unwrap();
        assert_eq!((read("duty_cycle").as_str(), read("enable").as_str()), ("125000", "1"));
        drop(light);
        assert_eq!((read("duty_cycle").as_str(), read("enable").as_str()), ("0", "0"));
    }

    #[test]
    fn a_missing_chip_or_channel_is_not_found() {
        let missing = |chip: &Path, channel| open(chip, &[channel]).err().map(|error| error.kind());
        assert_eq!(missing(Path::new("/nowhere"), 0), Some(ErrorKind::NotFound));
        assert_eq!(missing(chip().path(), 2), Some(ErrorKind::NotFound));
    }
}
