//! The SH1106: like an SSD1306, but with a memory of 132 columns, of which 128 are visible, and without address
//! windows: each write sets page and column, then sends data.
//!
//! Source of the commands: SINO WEALTH, SH1106 data sheet, version 2.3, "Command Table".

use embedded_hal::i2c::I2c;

use super::Controller;
use crate::display::bus::BusError;

/// Columns of the memory left of the visible area.
const HIDDEN_COLUMNS: u8 = 2;
/// Control byte at the begin of a message: commands or data.
const COMMANDS: u8 = 0x00;
const DATA: u8 = 0x40;
const DISPLAY_OFF: u8 = 0xae;
const DISPLAY_ON: u8 = 0xaf;
const SET_CONTRAST: u8 = 0x81;
const SET_PRECHARGE: u8 = 0xd9;

pub(crate) struct Sh1106<B> {
    bus: B,
    address: u8,
}

impl<B: I2c<Error = BusError>> Sh1106<B> {
    pub(super) fn new(bus: B, address: u8) -> Self {
        Self { bus, address }
    }

    fn command<const N: usize>(&mut self, commands: [u8; N]) -> Result<(), BusError> {
        let mut bytes = vec![COMMANDS];
        bytes.extend(commands);
        self.bus.write(self.address, &bytes)
    }
}

impl<B: I2c<Error = BusError> + Send> Controller for Sh1106<B> {
    fn init(&mut self, flip: bool) -> Result<(), BusError> {
        let (segments, rows) = if flip { (0xa0, 0xc0) } else { (0xa1, 0xc8) };
        self.command([
            DISPLAY_OFF,
            // Clock 80: the middle of the range.
            0xd5,
            0x80, //
            // 64 rows, no offset, from row 0 on.
            0xa8,
            63,
            0xd3,
            0,
            0x40, //
            // The built-in converter makes the panel's voltage from 3.3 V.
            0xad,
            0x8b,
            0x33, //
            segments,
            rows, //
            // Row lines alternate between the two sides of the panel.
            0xda,
            0x12, //
            // VCOM deselect level 0x35, the reset value of the data sheet.
            0xdb,
            0x35, //
            // Show the memory, not inverted.
            0xa4,
            0xa6,
        ])
    }

    fn write(&mut self, page: u8, first: u8, columns: &[u8]) -> Result<(), BusError> {
        let column = first + HIDDEN_COLUMNS;
        self.command([0xb0 | page, column & 0x0f, 0x10 | column >> 4])?;
        let mut bytes = vec![DATA];
        bytes.extend(columns);
        self.bus.write(self.address, &bytes)
    }

    fn set_brightness(&mut self, brightness: f64) -> Result<(), BusError> {
        let contrast = (brightness.clamp(0.0, 1.0) * 255.0).round() as u8;
        let precharge = if brightness < 0.3 { 0x21 } else { 0x22 };
        let power = if brightness > 0.0 { DISPLAY_ON } else { DISPLAY_OFF };
        self.command([SET_PRECHARGE, precharge, SET_CONTRAST, contrast, power])
    }
}
