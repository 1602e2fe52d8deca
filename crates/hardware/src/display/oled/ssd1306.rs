//! The SSD1306, through the crate `ssd1306`.

use embedded_hal::i2c::I2c;
use ssd1306::I2CDisplayInterface;
use ssd1306::command::AddrMode;
use ssd1306::mode::BasicMode;
use ssd1306::prelude::{Brightness, DisplayRotation, DisplaySize128x64, I2CInterface};

use super::Controller;
use crate::display::bus::{BusError, BusStats};

type Driver<B> = ssd1306::Ssd1306<I2CInterface<B>, DisplaySize128x64, BasicMode>;

pub(crate) struct Ssd1306<B> {
    driver: Driver<B>,
    /// Keeps the errors that the driver reports without their reason.
    stats: BusStats,
}

impl<B: I2c> Ssd1306<B> {
    pub(super) fn new(bus: B, address: u8, stats: BusStats) -> Self {
        let interface = I2CDisplayInterface::new_custom_address(bus, address);
        let driver = Driver::new(interface, DisplaySize128x64, DisplayRotation::Rotate0);
        Self { driver, stats }
    }

    /// Replaces the driver's error with the error of the bus.
    fn bus_result<E>(&self, result: Result<(), E>) -> Result<(), BusError> {
        result.map_err(|_| self.stats.take_fault().unwrap_or_else(|| BusError::Other("unknown".into())))
    }
}

impl<B: I2c + Send> Controller for Ssd1306<B> {
    fn init(&mut self, flip: bool) -> Result<(), BusError> {
        let rotation = if flip { DisplayRotation::Rotate180 } else { DisplayRotation::Rotate0 };
        let begun = self
            .driver
            .init_with_addr_mode(AddrMode::Horizontal)
            .and_then(|()| self.driver.set_rotation(rotation));
        self.bus_result(begun)
    }

    fn write(&mut self, page: u8, first: u8, columns: &[u8]) -> Result<(), BusError> {
        let end = first.saturating_add(u8::try_from(columns.len()).unwrap_or(u8::MAX));
        let (top, bottom) = (page * 8, page * 8 + 8);
        let written =
            self.driver.set_draw_area((first, top), (end, bottom)).and_then(|()| self.driver.draw(columns));
        self.bus_result(written)
    }

    fn set_brightness(&mut self, brightness: f64) -> Result<(), BusError> {
        let contrast = (brightness.clamp(0.0, 1.0) * 255.0).round() as u8;
        // The contrast setting dims to about a third; a shorter pre-charge dims further.
        let precharge = if brightness < 0.3 { 1 } else { 2 };
        let on = brightness > 0.0;
        let set = self
            .driver
            .set_brightness(Brightness::custom(precharge, contrast))
            .and_then(|()| self.driver.set_display_on(on));
        self.bus_result(set)
    }
}
