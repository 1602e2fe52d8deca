//! The kernel's buses for displays, with errors that name the fix.
//!
//! Display drivers drop the reason of a failure. [`Monitored`] wraps the bus below the driver, keeps the last error and
//! counts the bytes.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use linux_embedded_hal::i2cdev::linux::LinuxI2CError;
use linux_embedded_hal::spidev::{SpiModeFlags, SpidevOptions};
use linux_embedded_hal::{I2cdev, SpidevDevice};

/// Why an I2C transfer failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BusError {
    /// No device acknowledged.
    #[error("no device acknowledges")]
    Nack,
    /// A device holds the lines of the bus.
    #[error("the bus hangs: {0}")]
    Stuck(String),
    /// Any other error.
    #[error("{0}")]
    Other(String),
}

impl embedded_hal::i2c::Error for BusError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Nack => ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown),
            Self::Stuck(_) => ErrorKind::Bus,
            Self::Other(_) => ErrorKind::Other,
        }
    }
}

impl From<std::io::Error> for BusError {
    /// See Documentation/i2c/fault-codes.rst of the kernel; adapters return different codes for a missing device.
    fn from(error: std::io::Error) -> Self {
        const EIO: i32 = 5;
        const ENXIO: i32 = 6;
        const ENODEV: i32 = 19;
        const ETIMEDOUT: i32 = 110;
        const EREMOTEIO: i32 = 121;
        match error.raw_os_error() {
            Some(EIO | ENXIO | ENODEV | EREMOTEIO) => Self::Nack,
            Some(ETIMEDOUT) => Self::Stuck(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// An I2C bus of the kernel.
pub(super) struct KernelI2c(I2cdev);

impl KernelI2c {
    /// Opens the bus at `device`.
    ///
    /// # Errors
    /// The device file is missing or cannot be opened.
    pub(super) fn open(device: &Path) -> std::io::Result<Self> {
        I2cdev::new(device).map(Self).map_err(system_error)
    }
}

fn system_error(error: LinuxI2CError) -> std::io::Error {
    match error {
        LinuxI2CError::Errno(number) => std::io::Error::from_raw_os_error(number),
        LinuxI2CError::Io(error) => error,
    }
}

impl ErrorType for KernelI2c {
    type Error = BusError;
}

impl I2c for KernelI2c {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        I2c::transaction(&mut self.0, address, operations).map_err(|error| {
            BusError::from(match error.inner() {
                LinuxI2CError::Errno(number) => std::io::Error::from_raw_os_error(*number),
                LinuxI2CError::Io(error) => error.raw_os_error().map_or_else(
                    || std::io::Error::other(error.to_string()),
                    std::io::Error::from_raw_os_error,
                ),
            })
        })
    }
}

/// Opens the SPI device at `device` with `clock_hz`, mode 0.
///
/// # Errors
/// The device file is missing, cannot be opened, or its controller rejects the settings.
pub(super) fn open_spi(device: &Path, clock_hz: u32) -> std::io::Result<SpidevDevice> {
    let mut spi = SpidevDevice(linux_embedded_hal::spidev::Spidev::open(device)?);
    let mode = SpiModeFlags::SPI_MODE_0;
    spi.configure(&SpidevOptions::new().bits_per_word(8).max_speed_hz(clock_hz).mode(mode).build())?;
    Ok(spi)
}

/// Bytes sent and last error of a bus. Clones share the values.
#[derive(Debug, Clone, Default)]
pub(super) struct BusStats(Arc<Values>);

#[derive(Debug, Default)]
struct Values {
    bytes: AtomicU64,
    fault: Mutex<Option<BusError>>,
}

impl BusStats {
    /// Adds bytes that were sent.
    pub(super) fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The number of bytes since the last call.
    pub(super) fn take_bytes(&self) -> u64 {
        self.0.bytes.swap(0, Ordering::Relaxed)
    }

    /// The last error; clears it.
    pub(super) fn take_fault(&self) -> Option<BusError> {
        self.0.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// An I2C bus that counts its bytes, addresses included, and keeps its last error.
pub(super) struct Monitored<B> {
    bus: B,
    stats: BusStats,
}

impl<B> Monitored<B> {
    pub(super) fn new(bus: B, stats: BusStats) -> Self {
        Self { bus, stats }
    }
}

impl<B: ErrorType> ErrorType for Monitored<B> {
    type Error = B::Error;
}

impl<B: I2c<Error = BusError>> I2c for Monitored<B> {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        let bytes = |operation: &Operation<'_>| match operation {
            Operation::Write(bytes) => bytes.len() + 1,
            Operation::Read(bytes) => bytes.len() + 1,
        };
        self.stats.add(operations.iter().map(bytes).sum());
        self.bus.transaction(address, operations).inspect_err(|error| {
            let mut fault = self.stats.0.fault.lock().unwrap_or_else(PoisonError::into_inner);
            *fault = Some(error.clone());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_codes_for_a_missing_device_map_to_nack() {
        for number in [5, 6, 19, 121] {
            assert_eq!(BusError::from(std::io::Error::from_raw_os_error(number)), BusError::Nack);
        }
        assert!(matches!(BusError::from(std::io::Error::from_raw_os_error(110)), BusError::Stuck(_)));
        assert!(BusError::from(std::io::Error::from_raw_os_error(22)).to_string().contains("Invalid"));
    }

    #[test]
    fn a_missing_bus_is_not_found() {
        let error = KernelI2c::open(Path::new("/dev/i2c-77")).err().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        let error = open_spi(Path::new("/dev/spidev77.0"), 1_000_000).err().unwrap();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
}
