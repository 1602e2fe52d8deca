//! Colour screens of 240x240 pixels with an ST7789 on SPI, through the crate `mipidsi`.
//!
//! Such a screen never answers. It is therefore initialized again from time to time, in case it lost power. In between,
//! only changes are sent: bands of eight rows, each from its first to its last changed column.

use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::pixelcolor::raw::RawU16;
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{ErrorType, OutputPin};
use embedded_hal::spi::SpiDevice;
use mipidsi::interface::{Interface, InterfaceKind};
use mipidsi::models::ST7789;
use mipidsi::options::{ColorInversion, Orientation, Rotation};
use mipidsi::{Builder, Display};

use super::bus::BusStats;
use super::canvas::SIDE;
use super::{Appearance, Page, Screen, ScreenError, large};

/// Rows of a band.
const BAND: usize = 8;
/// Default buffer size of spidev (module parameter `bufsiz`).
const MAX_TRANSFER_BYTES: usize = 4096;
const SOFT_RESET: u8 = 0x01;
/// The reset line must be low for 10 µs; the chip then needs 120 ms (ST7789V data sheet, 7.4.5).
const RESET_LOW_US: u32 = 20;
const RESET_MS: u32 = 120;

/// The wires of a screen in addition to the bus.
pub(super) trait Wires: Send {
    /// `true`: the next bytes are data; `false`: a command.
    fn set_data(&mut self, data: bool) -> Result<(), String>;

    /// Sets the reset line; low resets. Returns `false` if no such line is configured.
    fn set_reset(&mut self, high: bool) -> Result<bool, String>;

    /// Switches the backlight, if its line is configured.
    fn set_backlight(&mut self, on: bool) -> Result<(), String>;
}

/// Transport of commands and pixels.
struct Link<S, W> {
    spi: S,
    wires: W,
    stats: BusStats,
    buffer: Vec<u8>,
}

impl<S: SpiDevice, W: Wires> Link<S, W> {
    fn send(&mut self, data: bool, bytes: &[u8]) -> Result<(), String> {
        self.wires.set_data(data)?;
        self.stats.add(bytes.len());
        self.spi.write(bytes).map_err(|error| format!("{error:?}"))
    }

    fn flush(&mut self) -> Result<(), String> {
        let buffer = std::mem::take(&mut self.buffer);
        let sent = if buffer.is_empty() { Ok(()) } else { self.send(true, &buffer) };
        self.buffer = buffer;
        self.buffer.clear();
        sent
    }
}

impl<S: SpiDevice, W: Wires> Interface for Link<S, W> {
    type Word = u8;
    type Error = String;

    const KIND: InterfaceKind = InterfaceKind::Serial4Line;

    fn send_command(&mut self, command: u8, arguments: &[u8]) -> Result<(), String> {
        self.send(false, &[command])?;
        if arguments.is_empty() { Ok(()) } else { self.send(true, arguments) }
    }

    fn send_pixels<const N: usize>(
        &mut self,
        pixels: impl IntoIterator<Item = [u8; N]>,
    ) -> Result<(), String> {
        for pixel in pixels {
            if self.buffer.len() + N > MAX_TRANSFER_BYTES {
                self.flush()?;
            }
            self.buffer.extend(pixel);
        }
        self.flush()
    }

    fn send_repeated_pixel<const N: usize>(&mut self, pixel: [u8; N], count: u32) -> Result<(), String> {
        self.send_pixels((0..count).map(|_| pixel))
    }
}

/// The driver's reset pin: unused, because the chip is reset before the driver starts.
struct NoPin;

impl ErrorType for NoPin {
    type Error = std::convert::Infallible;
}

impl OutputPin for NoPin {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// A colour screen. `Open` opens bus and wires or returns the reason why it cannot.
pub(super) struct St7789<Open, S: SpiDevice, W: Wires, D> {
    open: Open,
    rotation: Rotation,
    delay: D,
    stats: BusStats,
    state: State<S, W>,
}

enum State<S: SpiDevice, W: Wires> {
    /// Bus and wires are closed.
    Closed,
    /// The screen is initialized. `held` is its content; `None` if unknown.
    Ready { display: Display<Link<S, W>, ST7789, NoPin>, held: Option<Vec<u16>> },
}

impl<S, W, D, Open> St7789<Open, S, W, D>
where
    S: SpiDevice + Send,
    W: Wires,
    D: DelayNs + Send,
    Open: FnMut() -> Result<(S, W), String> + Send,
{
    pub(super) fn new(open: Open, rotation: Rotation, delay: D) -> Self {
        Self { open, rotation, delay, stats: BusStats::default(), state: State::Closed }
    }

    fn update(&mut self, wanted: Vec<u16>) -> Result<(), ScreenError> {
        let (mut display, held) = match std::mem::replace(&mut self.state, State::Closed) {
            State::Ready { display, held: Some(held) } => (display, Some(held)),
            State::Ready { display, held: None } => (self.init(display.release().0)?, None),
            State::Closed => (self.connect()?, None),
        };
        for band in bands(held.as_deref(), &wanted) {
            let [left, top, right, bottom] = band.map(|edge| edge as u16);
            let pixels = (band[1]..=band[3]).flat_map(|y| &wanted[y * SIDE + band[0]..=y * SIDE + band[2]]);
            let colours = pixels.map(|pixel| Rgb565::from(RawU16::new(*pixel)));
            display.set_pixels(left, top, right, bottom, colours).map_err(screen_error)?;
        }
        self.state = State::Ready { display, held: Some(wanted) };
        Ok(())
    }

    /// Opens bus and wires and resets the chip.
    fn connect(&mut self) -> Result<Display<Link<S, W>, ST7789, NoPin>, ScreenError> {
        let (spi, wires) = (self.open)().map_err(ScreenError)?;
        let mut link = Link { spi, wires, stats: self.stats.clone(), buffer: Vec::new() };
        if link.wires.set_reset(false).map_err(screen_error)? {
            self.delay.delay_us(RESET_LOW_US);
            link.wires.set_reset(true).map_err(screen_error)?;
        } else {
            link.send_command(SOFT_RESET, &[]).map_err(screen_error)?;
        }
        self.delay.delay_ms(RESET_MS);
        self.init(link)
    }

    /// Initializes the chip; on an initialized chip this has no visible effect.
    fn init(&mut self, mut link: Link<S, W>) -> Result<Display<Link<S, W>, ST7789, NoPin>, ScreenError> {
        link.wires.set_backlight(true).map_err(screen_error)?;
        Builder::new(ST7789, link)
            .reset_pin(NoPin)
            .display_size(SIDE as u16, SIDE as u16)
            .orientation(Orientation::new().rotate(self.rotation))
            // The panel of these modules is normally black.
            .invert_colors(ColorInversion::Inverted)
            .init(&mut self.delay)
            .map_err(|error| screen_error(format!("{error:?}")))
    }
}

fn screen_error(error: String) -> ScreenError {
    ScreenError(format!("cannot send to the screen: {error}"))
}

impl<S, W, D, Open> Screen for St7789<Open, S, W, D>
where
    S: SpiDevice + Send,
    W: Wires,
    D: DelayNs + Send,
    Open: FnMut() -> Result<(S, W), String> + Send,
{
    fn show(&mut self, page: &Page, appearance: Appearance) -> Result<u64, ScreenError> {
        self.update(large::render(page).to_rgb565(appearance.brightness))?;
        Ok(self.stats.take_bytes())
    }

    fn invalidate(&mut self) {
        if let State::Ready { held, .. } = &mut self.state {
            *held = None;
        }
    }

    fn darken(&mut self) -> Result<(), ScreenError> {
        self.update(vec![0; SIDE * SIDE])?;
        if let State::Ready { display, .. } = std::mem::replace(&mut self.state, State::Closed) {
            let (mut link, ..) = display.release();
            link.wires.set_backlight(false).map_err(screen_error)?;
        }
        Ok(())
    }
}

/// The rectangles (left, top, right, bottom, inclusive) to send so that `held` becomes `wanted`.
fn bands(held: Option<&[u16]>, wanted: &[u16]) -> Vec<[usize; 4]> {
    let Some(held) = held else { return vec![[0, 0, SIDE - 1, SIDE - 1]] };
    let mut bands = Vec::new();
    for top in (0..SIDE).step_by(BAND) {
        let differs =
            |x: &usize| (top..top + BAND).any(|y| held.get(y * SIDE + x) != wanted.get(y * SIDE + x));
        if let Some(left) = (0..SIDE).find(differs) {
            let right = (left..SIDE).rfind(differs).unwrap_or(left);
            bands.push([left, top, right, top + BAND - 1]);
        }
    }
    bands
}

#[cfg(test)]
mod tests;
