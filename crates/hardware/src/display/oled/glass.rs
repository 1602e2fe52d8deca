//! Simulated OLED for tests: decodes the bytes like the controller and returns the visible picture.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use embedded_hal::i2c::{ErrorType, I2c, Operation};

use super::Kind;
use crate::display::bus::BusError;
use crate::display::picture::{HEIGHT, WIDTH};

/// A simulated OLED on its bus. Clones are the same display.
#[derive(Clone)]
pub(crate) struct Glass(Arc<Mutex<Chip>>);

/// State of the controller.
pub(crate) struct Chip {
    kind: Kind,
    address: u8,
    /// Rows of eight pixels; an SH1106 has two columns more on either side.
    memory: [[u8; 132]; 8],
    /// A command whose arguments are incomplete.
    pending: Vec<u8>,
    columns: (usize, usize),
    pages: (usize, usize),
    column: usize,
    page: usize,
    upright: (bool, bool),
    charge_pump: bool,
    pub(crate) on: bool,
    pub(crate) contrast: u8,
    /// Errors of the next transactions; `None` is a success.
    pub(crate) script: VecDeque<Option<BusError>>,
    pub(crate) transactions: usize,
}

impl Chip {
    fn new(kind: Kind, address: u8) -> Self {
        Self {
            kind,
            address,
            // After power-on the memory content is undefined.
            memory: [[0x5a; 132]; 8],
            pending: Vec::new(),
            columns: (0, 127),
            pages: (0, 7),
            column: 0,
            page: 0,
            upright: (false, false),
            charge_pump: false,
            on: false,
            contrast: 0x7f,
            script: VecDeque::new(),
            transactions: 0,
        }
    }

    /// Simulates a loss of power.
    pub(crate) fn lose_power(&mut self) {
        *self = Self { script: std::mem::take(&mut self.script), ..Self::new(self.kind, self.address) };
    }

    fn command(&mut self, byte: u8) {
        self.pending.push(byte);
        let arguments = match (self.pending[0], self.kind) {
            (0x21 | 0x22, Kind::Ssd1306) => 2,
            (0x20 | 0x8d, Kind::Ssd1306) | (0xad, Kind::Sh1106) => 1,
            (0x81 | 0xa8 | 0xd3 | 0xd5 | 0xd9 | 0xda | 0xdb, _) => 1,
            _ => 0,
        };
        if self.pending.len() <= arguments {
            return;
        }
        let command = std::mem::take(&mut self.pending);
        match (command[0], self.kind) {
            (0x20, Kind::Ssd1306) => {
                assert_eq!(command[1], 0, "only horizontal addressing is simulated")
            }
            (0x21, Kind::Ssd1306) => {
                self.columns = (command[1].into(), command[2].into());
                self.column = self.columns.0;
            }
            (0x22, Kind::Ssd1306) => {
                self.pages = (command[1].into(), command[2].into());
                self.page = self.pages.0;
            }
            (0x8d, Kind::Ssd1306) => self.charge_pump = command[1] & 4 != 0,
            (0xad, Kind::Sh1106) => self.charge_pump = command[1] & 1 != 0,
            (low @ 0x00..=0x0f, Kind::Sh1106) => self.column = self.column & 0xf0 | usize::from(low),
            (high @ 0x10..=0x1f, Kind::Sh1106) => {
                self.column = self.column & 0x0f | usize::from(high & 0x0f) << 4;
            }
            (page @ 0xb0..=0xb7, Kind::Sh1106) => self.page = usize::from(page & 7),
            (0x81, _) => self.contrast = command[1],
            (0xa8, _) => assert_eq!(command[1], 63),
            (0xd3, _) => assert_eq!(command[1], 0),
            (remap @ (0xa0 | 0xa1), _) => self.upright.0 = remap == 0xa1,
            (0xc0, _) => self.upright.1 = false,
            (0xc8, _) => self.upright.1 = true,
            (0xae, _) => self.on = false,
            (0xaf, _) => self.on = true,
            (0x30..=0x33, Kind::Sh1106) | (0x2e | 0x40 | 0xa4 | 0xa6 | 0xd5 | 0xd9 | 0xda | 0xdb, _) => {}
            (other, kind) => panic!("{kind:?} has no command {other:#04x}"),
        }
    }

    fn data(&mut self, byte: u8) {
        self.memory[self.page][self.column] = byte;
        if self.kind == Kind::Sh1106 {
            self.column = (self.column + 1).min(131);
        } else if self.column < self.columns.1 {
            self.column += 1;
        } else {
            self.column = self.columns.0;
            self.page = if self.page < self.pages.1 { self.page + 1 } else { self.pages.0 };
        }
    }

    /// The visible picture with the module upright, in the format of [`super::Picture::to_ascii`].
    pub(crate) fn seen(&self) -> String {
        let hidden = if self.kind == Kind::Sh1106 { 2 } else { 0 };
        let mut text = String::new();
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let column = if self.upright.0 { x } else { WIDTH - 1 - x };
                let row = if self.upright.1 { y } else { HEIGHT - 1 - y };
                let lit = self.memory[row / 8][column + hidden] >> (row % 8) & 1 == 1;
                text.push(if lit && self.on && self.charge_pump { '#' } else { '.' });
            }
            text.push('\n');
        }
        text
    }
}

impl Glass {
    pub(crate) fn new(kind: Kind, address: u8) -> Self {
        Self(Arc::new(Mutex::new(Chip::new(kind, address))))
    }

    pub(crate) fn chip(&self) -> std::sync::MutexGuard<'_, Chip> {
        self.0.lock().unwrap()
    }
}

impl ErrorType for Glass {
    type Error = BusError;
}

impl I2c for Glass {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        let mut chip = self.chip();
        chip.transactions += 1;
        if let Some(Some(error)) = chip.script.pop_front() {
            return Err(error);
        }
        if address != chip.address {
            return Err(BusError::Nack);
        }
        for operation in operations {
            let Operation::Write(bytes) = operation else { panic!("these displays are never read") };
            match bytes.split_first() {
                Some((0x00, commands)) => commands.iter().for_each(|byte| chip.command(*byte)),
                Some((0x40, data)) => data.iter().for_each(|byte| chip.data(*byte)),
                other => panic!("neither commands nor data: {other:?}"),
            }
        }
        Ok(())
    }
}
