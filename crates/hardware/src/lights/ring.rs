//! A ring of WS2812 LEDs on an SPI device, whose data line generates the one-wire signal.
//!
//! Four SPI bits encode one WS2812 bit. All bits are sent in one message: the kernel may pause between messages, and
//! the LEDs take a pause as the end. They cannot answer, so a ring without power looks like a working one.

use std::path::Path;

use linux_embedded_hal::SpidevBus;
use linux_embedded_hal::spidev::{SpiModeFlags, SpidevOptions};
use smart_leds::{RGB8, SmartLedsWrite};
use ws2812_spi::hosted::Ws2812;

use super::{Palette, Ring};

/// `ws2812-spi` allows 2 to 3.8 MHz; this clock gives pulses of 0.33 and 1.0 µs, in the middle of the range of WS2812
/// and WS2812B.
const CLOCK_HZ: u32 = 3_000_000;

/// `count` LEDs behind the writer `lights`.
pub(super) struct Ws2812Ring<W> {
    lights: W,
    count: usize,
}

/// Opens the ring of `count` LEDs on the SPI device.
///
/// # Errors
/// The system's error.
pub(super) fn open(device: &Path, count: u32) -> std::io::Result<Ws2812Ring<Ws2812<SpidevBus>>> {
    let mut bus = SpidevBus::open(device).map_err(|error| copy(error.inner()))?;
    let mut options = SpidevOptions::new();
    options.bits_per_word(8).max_speed_hz(CLOCK_HZ).mode(SpiModeFlags::SPI_MODE_0);
    bus.configure(&options.build())?;
    Ok(Ws2812Ring { lights: Ws2812::new(bus), count: count as usize })
}

/// A copy of the wrapped error, which can only be borrowed.
fn copy(error: &std::io::Error) -> std::io::Error {
    match error.raw_os_error() {
        Some(number) => std::io::Error::from_raw_os_error(number),
        None => std::io::Error::new(error.kind(), error.to_string()),
    }
}

impl<W> Ring for Ws2812Ring<W>
where
    W: SmartLedsWrite<Color = RGB8> + Send,
    W::Error: std::fmt::Debug,
{
    fn palette(&self) -> Palette {
        Palette::Colours
    }

    fn show(&mut self, light: [f64; 3]) -> std::io::Result<()> {
        let [r, g, b] = light.map(steps);
        let colours = std::iter::repeat_n(RGB8 { r, g, b }, self.count);
        self.lights.write(colours).map_err(|error| std::io::Error::other(format!("{error:?}")))
    }
}

/// The 8-bit step of a channel; a channel that is not dark gets at least step 1.
fn steps(light: f64) -> u8 {
    let steps = (light.clamp(0.0, 1.0) * 255.0).round() as u8;
    if light > 1e-4 { steps.max(1) } else { steps }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Wire(Vec<Vec<RGB8>>, bool);

    impl SmartLedsWrite for Wire {
        type Error = &'static str;
        type Color = RGB8;

        fn write<T, I>(&mut self, colours: T) -> Result<(), Self::Error>
        where
            T: IntoIterator<Item = I>,
            I: Into<RGB8>,
        {
            self.0.push(colours.into_iter().map(Into::into).collect());
            if self.1 { Err("pulled out") } else { Ok(()) }
        }
    }

    #[test]
    fn all_leds_get_the_same_colour() {
        let mut ring = Ws2812Ring { lights: Wire::default(), count: 3 };
        ring.show([1.0, 0.5, 0.001]).unwrap();
        ring.show([0.0; 3]).unwrap();
        assert_eq!(ring.lights.0[0], [RGB8 { r: 255, g: 128, b: 1 }; 3]);
        assert_eq!(ring.lights.0[1], [RGB8::default(); 3]);
        let broken = Ws2812Ring { lights: Wire(Vec::new(), true), count: 1 }.show([0.0; 3]).unwrap_err();
        assert!(broken.to_string().contains("pulled out"));
    }

    #[test]
    fn a_missing_or_wrong_device_returns_the_system_error() {
        let refused = |device: &str| open(Path::new(device), 16).err().unwrap();
        assert_eq!(refused("/dev/spidev77.7").kind(), std::io::ErrorKind::NotFound);
        assert_eq!(refused("/dev/null").raw_os_error(), Some(25), "not a device of that kind (ENOTTY)");
    }
}
