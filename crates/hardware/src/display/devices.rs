//! Creates the screen that the configuration names, on the buses of this board.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use linux_embedded_hal::{Delay, SpidevDevice};
use mipidsi::options::Rotation;

use super::Screen;
use super::bus::{KernelI2c, open_spi};
use super::files::{PngFile, TerminalScreen};
use super::oled::{Kind, Oled, OledConfig};
use super::st7789::{St7789, Wires};
use crate::board::gpio::{GpioError, Level, LineAddress, Output};
use crate::board::{Board, Bus};
use crate::terminal::Terminal;
use moodring_config::{Config, Display, DisplayKind};

/// The screen of `config`; its device is opened when the first page is shown. `None` if `display.kind` is `"off"`.
///
/// # Errors
/// The configured screen cannot work on this board; the message says why.
pub fn screen(
    config: &Config,
    board: &Board,
    terminal: &Arc<Terminal>,
) -> Result<Option<Box<dyn Screen>>, String> {
    let display = &config.display;
    let screen: Box<dyn Screen> = match display.kind {
        DisplayKind::Off => return Ok(None),
        DisplayKind::Png => Box::new(PngFile(display.path.clone())),
        DisplayKind::Terminal if Terminal::is_there() => Box::new(TerminalScreen(Arc::clone(terminal))),
        DisplayKind::Terminal => {
            return Err("display.kind is \"terminal\", but standard output is not a terminal".into());
        }
        DisplayKind::Ssd1306 => oled(Kind::Ssd1306, display, board)?,
        DisplayKind::Sh1106 => oled(Kind::Sh1106, display, board)?,
        DisplayKind::St7789 => st7789(display, board)?,
    };
    Ok(Some(screen))
}

/// The configured bus, else the board's.
fn bus(configured: &Path, default: Option<&PathBuf>, key: &str) -> Result<PathBuf, String> {
    if !configured.as_os_str().is_empty() {
        return Ok(configured.to_owned());
    }
    default.cloned().ok_or_else(|| format!("no bus is known for the display: set {key} or display.bus"))
}

fn oled(kind: Kind, display: &Display, board: &Board) -> Result<Box<dyn Screen>, String> {
    let device = bus(&display.bus, board.i2c.as_ref(), "board.i2c")?;
    let config = OledConfig {
        kind,
        bus: device.display().to_string(),
        address: display.address,
        flip: display.rotation == 180,
    };
    let board = board.clone();
    let open = move || KernelI2c::open(&device).map_err(|error| board.explain(Bus::I2c, &device, &error));
    Ok(Box::new(Oled::new(config, open)))
}

fn st7789(display: &Display, board: &Board) -> Result<Box<dyn Screen>, String> {
    let device = bus(&display.bus, board.spi.as_ref(), "board.spi")?;
    let rotation = match display.rotation {
        90 => Rotation::Deg90,
        180 => Rotation::Deg180,
        270 => Rotation::Deg270,
        _ => Rotation::Deg0,
    };
    let (display, board) = (display.clone(), board.clone());
    let open = move || -> Result<(SpidevDevice, GpioWires), String> {
        let spi =
            open_spi(&device, display.clock_hz).map_err(|error| board.explain(Bus::Spi, &device, &error))?;
        Ok((spi, GpioWires::open(&display, &board)?))
    };
    Ok(Box::new(St7789::new(open, rotation, Delay)))
}

/// The wires of a screen as GPIO lines.
struct GpioWires {
    data: Output,
    reset: Option<Output>,
    backlight: Option<Output>,
}

impl GpioWires {
    fn open(display: &Display, board: &Board) -> Result<Self, String> {
        let optional = |line: Option<u32>, key| line.map(|line| output(line, key, board)).transpose();
        Ok(Self {
            data: output(display.dc_line, "display.dc_line", board)?,
            reset: optional(display.reset_line, "display.reset_line")?,
            backlight: optional(display.backlight_line, "display.backlight_line")?,
        })
    }
}

/// Opens the line on the first of the board's chips that exists.
fn output(line: u32, key: &str, board: &Board) -> Result<Output, String> {
    let mut missing = format!("{key}: no GPIO chip is known for this board; set board.gpio_chip");
    for chip in &board.gpio_chips {
        match Output::open(&LineAddress { chip: chip.clone(), line }, Level::High) {
            Err(error @ GpioError::NoChip { .. }) => missing = format!("{key}: {error}"),
            opened => return opened.map_err(|error| format!("{key}: {error}")),
        }
    }
    Err(missing)
}

impl Wires for GpioWires {
    fn set_data(&mut self, data: bool) -> Result<(), String> {
        self.data.set(data).map_err(|error| error.to_string())
    }

    fn set_reset(&mut self, high: bool) -> Result<bool, String> {
        let set = self.reset.as_ref().map(|line| line.set(high));
        set.transpose().map(|done| done.is_some()).map_err(|error| error.to_string())
    }

    fn set_backlight(&mut self, on: bool) -> Result<(), String> {
        let set = self.backlight.as_ref().map(|line| line.set(on));
        set.transpose().map(drop).map_err(|error| error.to_string())
    }
}

/// Why the display's bus cannot be opened now; `None` if it can, or if no bus is needed. GPIO lines are not tested: a
/// running daemon uses them.
pub fn fault(config: &Config, board: &Board) -> Option<String> {
    let display = &config.display;
    let opened = match display.kind {
        DisplayKind::Off | DisplayKind::Png | DisplayKind::Terminal => Ok(()),
        DisplayKind::Ssd1306 | DisplayKind::Sh1106 => bus(&display.bus, board.i2c.as_ref(), "board.i2c")
            .and_then(|device| {
                let opened = KernelI2c::open(&device);
                opened.map(drop).map_err(|error| board.explain(Bus::I2c, &device, &error))
            }),
        DisplayKind::St7789 => bus(&display.bus, board.spi.as_ref(), "board.spi").and_then(|device| {
            let opened = open_spi(&device, display.clock_hz);
            opened.map(drop).map_err(|error| board.explain(Bus::Spi, &device, &error))
        }),
    };
    opened.err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Machine;
    use moodring_config as config;

    fn bus_fault(kind: DisplayKind, bus: &str) -> Option<String> {
        let root = tempfile::tempdir().unwrap();
        let board = Board::of(&config::Board::default(), &Machine::at(root.path()));
        let mut config = Config::default();
        config.display.kind = kind;
        config.display.bus = bus.into();
        fault(&config, &board)
    }

    #[test]
    fn the_error_of_an_unknown_or_missing_bus_names_key_or_path() {
        assert_eq!(bus_fault(DisplayKind::Png, ""), None);
        let unknown = bus_fault(DisplayKind::Ssd1306, "").unwrap();
        assert_eq!(unknown, "no bus is known for the display: set board.i2c or display.bus");
        let missing = bus_fault(DisplayKind::Sh1106, "/dev/i2c-77").unwrap();
        assert!(missing.starts_with("/dev/i2c-77 is not there: "), "{missing}");
        let missing = bus_fault(DisplayKind::St7789, "/dev/spidev77.0").unwrap();
        assert!(missing.starts_with("/dev/spidev77.0 is not there: "), "{missing}");
    }

    #[test]
    fn the_error_of_a_line_without_a_chip_names_its_key() {
        let root = tempfile::tempdir().unwrap();
        let mut board = Board::of(&config::Board::default(), &Machine::at(root.path()));
        board.gpio_chips.clear();
        assert!(
            output(25, "display.dc_line", &board).unwrap_err().starts_with("display.dc_line: no GPIO chip")
        );
        board.gpio_chips.push("pinctrl-of-mars".into());
        let error = output(25, "display.dc_line", &board).unwrap_err();
        assert!(error.starts_with("display.dc_line: the GPIO chip"), "{error}");
    }
}
