//! `[board]`: the type of the computer, and the device files of its buses.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Type of the computer, and the device files of its buses.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Board {
    /// Board profile: `auto` (detected from the device tree), `pi`, `jetson` or `pc`. It supplies the value of every
    /// key below that is empty; `moodring doctor` shows these values.
    pub profile: Profile,
    /// Device file of the I2C bus of the display, such as `/dev/i2c-1`. Empty: the value of the profile.
    pub i2c: PathBuf,
    /// Device file of the SPI device of the ring or the display, such as `/dev/spidev0.0`. Empty: the value of the
    /// profile.
    pub spi: PathBuf,
    /// GPIO chip of the lines: a device file such as `/dev/gpiochip0`, or a label such as `pinctrl-rp1`. Empty: the
    /// chip of the profile's header.
    pub gpio_chip: String,
    /// Type of the thermal zone that is monitored, such as `cpu-thermal`. Empty: the value of the profile.
    pub thermal_zone: String,
}

/// Board profiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The profile for the name in `/proc/device-tree/model`.
    #[default]
    Auto,
    /// A Raspberry Pi, Zero 2 W to 5.
    Pi,
    /// An NVIDIA Jetson.
    Jetson,
    /// Any other computer: no header, and no buses unless their keys are set.
    Pc,
}
