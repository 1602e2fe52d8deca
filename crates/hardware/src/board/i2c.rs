//! Scans an I2C bus for `moodring doctor`. It never writes: it reads one byte from each address.

use std::path::Path;

use linux_embedded_hal::i2cdev::core::I2CDevice;
use linux_embedded_hal::i2cdev::linux::{LinuxI2CDevice, LinuxI2CError};

/// Addresses of displays; scanned first.
const DISPLAYS: [u16; 2] = [0x3c, 0x3d];
/// The 7-bit addresses that are not reserved (UM10204, 3.1.12).
const ADDRESSES: std::ops::RangeInclusive<u16> = 0x08..=0x77;

/// An address that is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// 7-bit address.
    pub address: u16,
    /// Whether a kernel driver uses it; such an address is not read.
    pub has_driver: bool,
}

/// All addresses of `bus` that are in use, in ascending order.
///
/// # Errors
/// The bus cannot be opened, is not an I2C bus, or hangs.
pub fn scan(bus: &Path) -> std::io::Result<Vec<Found>> {
    scan_with(|address| {
        let mut device = LinuxI2CDevice::new(bus, address).map_err(system_error)?;
        device.smbus_read_byte().map(drop).map_err(system_error)
    })
}

fn system_error(error: LinuxI2CError) -> std::io::Error {
    match error {
        LinuxI2CError::Errno(number) => std::io::Error::from_raw_os_error(number),
        LinuxI2CError::Io(error) => error,
    }
}

/// ENXIO, EREMOTEIO and EIO: returned by drivers if no device acknowledges (Documentation/i2c/fault-codes.rst; older
/// drivers deviate from it).
const NO_ACKNOWLEDGE: [i32; 3] = [6, 121, 5];

fn scan_with(mut read: impl FnMut(u16) -> std::io::Result<()>) -> std::io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for address in DISPLAYS.into_iter().chain(ADDRESSES.filter(|address| !DISPLAYS.contains(address))) {
        match read(address) {
            Ok(()) => found.push(Found { address, has_driver: false }),
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {
                found.push(Found { address, has_driver: true });
            }
            Err(error) if error.raw_os_error().is_some_and(|number| NO_ACKNOWLEDGE.contains(&number)) => {}
            // On a hanging bus every further address would take a second.
            Err(error) => return Err(error),
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_answer_or_have_a_driver_are_found() {
        let mut scanned = Vec::new();
        let found = scan_with(|address| {
            scanned.push(address);
            match address {
                0x3c | 0x77 => Ok(()),
                0x51 => Err(std::io::Error::from_raw_os_error(16)),
                _ => Err(std::io::Error::from_raw_os_error(NO_ACKNOWLEDGE[usize::from(address) % 3])),
            }
        });
        let expected = [(0x3c, false), (0x51, true), (0x77, false)];
        assert_eq!(found.unwrap(), expected.map(|(address, has_driver)| Found { address, has_driver }));
        assert_eq!((scanned.len(), &scanned[..3]), (112, &[0x3c, 0x3d, 0x08][..]));
    }

    #[test]
    fn the_scan_of_a_hanging_bus_stops_at_once() {
        let mut reads = 0;
        let hangs = scan_with(|_| {
            reads += 1;
            Err(std::io::Error::from_raw_os_error(110))
        });
        assert_eq!((hangs.unwrap_err().kind(), reads), (std::io::ErrorKind::TimedOut, 1));
        assert_eq!(scan(Path::new("/dev/i2c-77")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
        assert_eq!(scan(Path::new("/dev/null")).unwrap_err().raw_os_error(), Some(25));
    }
}
