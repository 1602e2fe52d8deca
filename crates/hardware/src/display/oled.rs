//! OLEDs of 128x64 pixels on I2C: only changes are sent.
//!
//! After any failure bus and display are closed and initialized again. A pulled cable, a removed USB bridge and a
//! hanging bus are therefore the same case.

pub(super) mod sh1106;
pub(super) mod ssd1306;

use embedded_hal::i2c::I2c;

use super::bus::{BusError, BusStats, Monitored};
use super::picture::{Memory, PAGES, Picture, WIDTH};
use super::{Appearance, Page, Screen, ScreenError, small};
use sh1106::Sh1106;
use ssd1306::Ssd1306;

/// Setting a new address costs about this many bytes; a shorter gap of unchanged columns is sent too.
const MAX_GAP: usize = 8;

/// Commands of a display controller.
pub(super) trait Controller: Send {
    /// Initializes a display in an unknown state; its memory is not changed.
    fn init(&mut self, flip: bool) -> Result<(), BusError>;

    /// Writes `columns` into `page` from column `first` on; each column is eight rows, the topmost in bit 0.
    fn write(&mut self, page: u8, first: u8, columns: &[u8]) -> Result<(), BusError>;

    /// Sets the brightness, 0 (off) to 1 (maximum). Does not change the memory. Fails if the display is gone.
    fn set_brightness(&mut self, brightness: f64) -> Result<(), BusError>;
}

/// Controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ssd1306,
    Sh1106,
}

impl Kind {
    fn controller<B: I2c<Error = BusError> + Send + 'static>(
        self,
        bus: B,
        address: u8,
        stats: &BusStats,
    ) -> Box<dyn Controller> {
        let bus = Monitored::new(bus, stats.clone());
        match self {
            Self::Ssd1306 => Box::new(Ssd1306::new(bus, address, stats.clone())),
            Self::Sh1106 => Box::new(Sh1106::new(bus, address)),
        }
    }
}

/// Configuration of an OLED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OledConfig {
    pub(super) kind: Kind,
    /// Name of the bus for error messages.
    pub(super) bus: String,
    pub(super) address: u8,
    /// Whether the picture is rotated by 180 degrees.
    pub(super) flip: bool,
}

/// An OLED. `Open` opens its bus or returns the reason why it cannot.
pub(super) struct Oled<Open> {
    config: OledConfig,
    open: Open,
    stats: BusStats,
    connection: Option<Connection>,
}

/// An initialized display.
struct Connection {
    controller: Box<dyn Controller>,
    /// Content of its memory; `None` if unknown, as after power-on.
    held: Option<Memory>,
    brightness: f64,
}

impl<B, Open> Oled<Open>
where
    B: I2c<Error = BusError> + Send + 'static,
    Open: FnMut() -> Result<B, String> + Send,
{
    pub(super) fn new(config: OledConfig, open: Open) -> Self {
        Self { config, open, stats: BusStats::default(), connection: None }
    }

    fn update(&mut self, picture: &Picture, brightness: f64) -> Result<(), ScreenError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        match connection.update(picture, brightness) {
            Ok(()) => {
                self.connection = Some(connection);
                Ok(())
            }
            Err(error) => Err(self.screen_error(error)),
        }
    }

    fn connect(&mut self) -> Result<Connection, ScreenError> {
        let bus = (self.open)().map_err(ScreenError)?;
        let mut controller = self.config.kind.controller(bus, self.config.address, &self.stats);
        controller.init(self.config.flip).map_err(|error| self.screen_error(error))?;
        Ok(Connection { controller, held: None, brightness: -1.0 })
    }

    fn screen_error(&self, error: BusError) -> ScreenError {
        let OledConfig { bus, address, .. } = &self.config;
        ScreenError(match error {
            BusError::Nack => format!(
                "no display answers at {address:#04x} on {bus}; check its four wires and display.address (0x3c or \
                 0x3d): i2cdetect -y shows the devices that answer"
            ),
            BusError::Stuck(_) => format!("{bus} hangs ({error}); switch the display's power off and on"),
            BusError::Other(_) => format!("the display at {address:#04x} on {bus} fails: {error}"),
        })
    }
}

impl Connection {
    /// Sends one command even if nothing changed, to detect a display that is gone.
    fn update(&mut self, picture: &Picture, brightness: f64) -> Result<(), BusError> {
        let memory = picture.to_memory();
        for run in runs(self.held.as_ref(), &memory) {
            let columns = &memory[run.page][run.columns.clone()];
            self.controller.write(run.page as u8, run.columns.start as u8, columns)?;
        }
        self.held = Some(memory);
        self.brightness = brightness;
        self.controller.set_brightness(brightness)
    }
}

impl<B, Open> Screen for Oled<Open>
where
    B: I2c<Error = BusError> + Send + 'static,
    Open: FnMut() -> Result<B, String> + Send,
{
    fn show(&mut self, page: &Page, appearance: Appearance) -> Result<u64, ScreenError> {
        let picture = small::render(page).shifted(appearance.shift);
        self.update(&picture, appearance.brightness)?;
        Ok(self.stats.take_bytes())
    }

    fn invalidate(&mut self) {
        self.connection = None;
    }

    fn darken(&mut self) -> Result<(), ScreenError> {
        self.update(&Picture::default(), 0.0)
    }
}

/// Adjacent columns of one page (eight rows).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    page: usize,
    columns: std::ops::Range<usize>,
}

/// The runs to send so that `held` becomes `wanted`; everything if `held` is unknown.
fn runs(held: Option<&Memory>, wanted: &Memory) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for page in 0..PAGES {
        let mut last: Option<Run> = None;
        for column in 0..WIDTH {
            if held.is_some_and(|held| held[page][column] == wanted[page][column]) {
                continue;
            }
            match last.as_mut().filter(|run| column - run.columns.end <= MAX_GAP) {
                Some(run) => run.columns.end = column + 1,
                None => runs.extend(last.replace(Run { page, columns: column..column + 1 })),
            }
        }
        runs.extend(last);
    }
    runs
}

#[cfg(test)]
pub(super) mod glass;
#[cfg(test)]
mod tests;
