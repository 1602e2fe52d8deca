//! `[display]`: the display on the wall, and its wiring.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::FaultCollector;

/// Kinds of display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DisplayKind {
    /// No display. The web page still shows the picture that a display would show.
    Off,
    /// A PNG file that is rewritten at every change of the picture.
    Png,
    /// A drawing in the terminal.
    Terminal,
    /// A 128x64 OLED with an SSD1306 on I2C: most modules of 0.96 inch.
    Ssd1306,
    /// A 128x64 OLED with an SH1106 on I2C: most modules of 1.3 inch.
    Sh1106,
    /// A 240x240 colour display with an ST7789 on SPI.
    St7789,
}

/// Display on the wall.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Display {
    /// Kind of display: `off`, `png`, `terminal`, `ssd1306`, `sh1106` or `st7789`.
    pub kind: DisplayKind,
    /// Path of the file that the `png` display writes.
    pub path: PathBuf,
    /// Device file of the display's bus, such as `/dev/i2c-1` or `/dev/spidev0.0`. Empty: `board.i2c` or `board.spi`.
    pub bus: PathBuf,
    /// I2C address of an OLED, 0x08 to 0x77; nearly all have `0x3c` (60) or `0x3d` (61).
    pub address: u8,
    /// Clockwise rotation of the picture in degrees: 0 or 180, on `st7789` also 90 and 270.
    pub rotation: u16,
    /// Brightness by day, 0.05 to 1; `night.display` scales it at night.
    #[schemars(extend("x-live" = true))]
    pub brightness: f64,
    /// Seconds for which the glance page (overview) is shown before the detail page, 2 to 600.
    #[schemars(extend("x-live" = true))]
    pub glance_s: f64,
    /// Seconds for which the detail page with the seven expressions is shown, 0 to 600. 0: it is never shown.
    #[schemars(extend("x-live" = true))]
    pub detail_s: f64,
    /// `st7789`: clock of the SPI bus in hertz, 1000000 to 80000000.
    pub clock_hz: u32,
    /// `st7789`: line of `board.gpio_chip` that is connected to its pin DC.
    pub dc_line: u32,
    /// `st7789`: line that is connected to its pin RST. Not set: the pin is not connected.
    pub reset_line: Option<u32>,
    /// `st7789`: line that is connected to its pin BL. Not set: the backlight is always on.
    pub backlight_line: Option<u32>,
}

impl Default for Display {
    fn default() -> Self {
        Self {
            kind: DisplayKind::Off,
            path: "display.png".into(),
            bus: PathBuf::new(),
            address: 0x3c,
            rotation: 0,
            brightness: 1.0,
            glance_s: 12.0,
            detail_s: 5.0,
            clock_hz: 32_000_000,
            dc_line: 25,
            reset_line: None,
            backlight_line: None,
        }
    }
}

impl Display {
    pub(super) fn check(&self, faults: &mut FaultCollector) {
        faults.range("display.brightness", self.brightness, 0.05, 1.0);
        faults.range("display.glance_s", self.glance_s, 2.0, 600.0);
        faults.range("display.detail_s", self.detail_s, 0.0, 600.0);
        faults.range("display.clock_hz", f64::from(self.clock_hz), 1e6, 80e6);
        // The other addresses are reserved (UM10204, table 3).
        if !(0x08..=0x77).contains(&self.address) {
            faults
                .add("display.address", "must be from 0x08 to 0x77; it is 0x3c or 0x3d on nearly all OLEDs");
        }
        let rotations: &[u16] = if self.kind == DisplayKind::St7789 { &[0, 90, 180, 270] } else { &[0, 180] };
        if !rotations.contains(&self.rotation) {
            let message = format!("is {}, but must be one of {rotations:?} for this kind", self.rotation);
            faults.add("display.rotation", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    #[test]
    fn addresses_may_be_hexadecimal_and_rotations_must_fit_the_display() {
        let parse = |text: &str| Config::parse(text, "x.toml").map_err(|error| error.to_string());
        let config = parse("[display]\nkind = \"sh1106\"\naddress = 0x3d\nrotation = 180\n").unwrap();
        assert_eq!(config.display.address, 61);
        assert!(parse("[display]\nkind = \"st7789\"\nrotation = 90\nreset_line = 27\n").is_ok());
        let refused = parse("[display]\nkind = \"ssd1306\"\nrotation = 90\naddress = 0x78\n").unwrap_err();
        assert!(
            refused.contains("x.toml:3:12: display.rotation is 90, but must be one of [0, 180]"),
            "{refused}"
        );
        assert!(refused.contains("x.toml:4:11: display.address must be from 0x08 to 0x77"), "{refused}");
    }
}
