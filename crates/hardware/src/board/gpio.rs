//! Lines of the kernel's GPIO chips: [`Input`]s with timed edges, [`Output`]s, and errors that name the fix.
//!
//! A line whose chip has no interrupts (bridges over USB or I2C) is polled at short intervals behind the same
//! interface. docs/decisions/gpio.md explains the choice of the crate `gpiocdev`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, Value};
use gpiocdev::request::Builder;
use gpiocdev::{Chip, Request};
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;

use super::Board;

/// Consumer name of requested lines; tools such as `gpioinfo` show it.
const CONSUMER: &str = "moodring";
/// Polling interval of a line without interrupts: a press lasts at least 50 ms.
const POLL_EVERY: Duration = Duration::from_millis(20);
/// Size of the kernel's edge buffer: the bounces of a bad contact in one press.
const EDGE_BUFFER_SIZE: u32 = 64;

/// Address of a line: its chip and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineAddress {
    /// Device file such as `/dev/gpiochip0`, or the chip's label such as `pinctrl-rp1`.
    pub chip: String,
    /// Number of the line on the chip, from 0.
    pub line: u32,
}

/// Voltage of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Near ground.
    Low,
    /// Near the supply.
    High,
}

impl From<moodring_config::Level> for Level {
    fn from(level: moodring_config::Level) -> Self {
        match level {
            moodring_config::Level::Low => Self::Low,
            moodring_config::Level::High => Self::High,
        }
    }
}

/// Why a line cannot be used, and the fix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GpioError {
    /// The chip does not exist, or is gone.
    #[error("the GPIO chip {chip:?} is not there; `ls /dev/gpiochip*` lists the chips")]
    NoChip {
        /// As configured.
        chip: String,
    },
    /// The board's header is unknown.
    #[error("no line is known at pin {pin} of this board; set `line` (and `chip`) instead")]
    NoPin {
        /// As configured.
        pin: u8,
    },
    /// No permission to open the chip.
    #[error("no permission to open {chip}; the user of the service must be in its group (ls -l {chip})")]
    Denied {
        /// Device file.
        chip: String,
    },
    /// The chip has fewer lines.
    #[error("{chip} has lines 0 to {last}, but no line {line}")]
    NoLine {
        /// Device file.
        chip: String,
        /// As configured.
        line: u32,
        /// Number of the last line.
        last: u32,
    },
    /// The line has another consumer.
    #[error("line {line} of {chip} is in use by {user:?}; free it or use another line")]
    Busy {
        /// Device file.
        chip: String,
        /// As configured.
        line: u32,
        /// Name of the consumer.
        user: String,
    },
    /// Any other system error.
    #[error("line {line} of {chip} does not respond: {reason}")]
    Failed {
        /// Device file.
        chip: String,
        /// As configured.
        line: u32,
        /// The system's error.
        reason: String,
    },
}

impl LineAddress {
    /// The line of the configuration keys `chip`, `line` and `pin`; the `board` supplies defaults.
    ///
    /// # Errors
    /// [`GpioError::NoPin`]: no line is configured, and the board's header is unknown.
    pub fn of(board: &Board, chip: &str, line: Option<u32>, pin: u8) -> Result<Self, GpioError> {
        let line = line.or_else(|| board.line_at_pin(pin)).ok_or(GpioError::NoPin { pin })?;
        Ok(Self { chip: board.gpio_chip(chip), line })
    }

    /// Opens the chip and checks that the line exists and is free.
    fn open_chip(&self) -> Result<Chip, GpioError> {
        let path = self.path()?;
        let chip = Chip::from_path(&path).map_err(|error| self.fault(&path.display().to_string(), &error))?;
        let name = chip.path().display().to_string();
        let lines = chip.info().map_err(|error| self.fault(&name, &error))?.num_lines;
        if self.line >= lines {
            return Err(GpioError::NoLine { chip: name, line: self.line, last: lines.saturating_sub(1) });
        }
        let info = chip.line_info(self.line).map_err(|error| self.fault(&name, &error))?;
        if info.used {
            return Err(GpioError::Busy { chip: name, line: self.line, user: info.consumer });
        }
        Ok(chip)
    }

    fn path(&self) -> Result<PathBuf, GpioError> {
        if self.chip.starts_with('/') {
            return Ok(PathBuf::from(&self.chip));
        }
        let labelled = |path: &PathBuf| {
            Chip::from_path(path).and_then(|chip| chip.info()).is_ok_and(|info| info.label == self.chip)
        };
        let chips = gpiocdev::chip::chips().unwrap_or_default();
        chips.into_iter().find(labelled).ok_or_else(|| GpioError::NoChip { chip: self.chip.clone() })
    }

    fn request(&self, active: Level) -> Result<Builder, GpioError> {
        let mut builder = Request::builder();
        builder.on_chip(self.open_chip()?.path()).with_consumer(CONSUMER).with_line(self.line);
        match active {
            Level::High => builder.as_active_high(),
            Level::Low => builder.as_active_low(),
        };
        Ok(builder)
    }

    /// Translates the system's error; `chip` is the device file.
    fn fault(&self, chip: &str, error: &gpiocdev::Error) -> GpioError {
        let (chip, line) = (chip.to_owned(), self.line);
        let system = system_error(error);
        match system.as_ref().map(std::io::Error::kind) {
            Some(std::io::ErrorKind::NotFound) => GpioError::NoChip { chip },
            Some(std::io::ErrorKind::PermissionDenied) => GpioError::Denied { chip },
            Some(std::io::ErrorKind::ResourceBusy) => {
                GpioError::Busy { chip, line, user: "another program".to_owned() }
            }
            _ => {
                let reason = system.map_or_else(|| error.to_string(), |system| system.to_string());
                GpioError::Failed { chip, line, reason }
            }
        }
    }
}

/// The kernel's error, if `error` comes from the kernel.
fn system_error(error: &gpiocdev::Error) -> Option<std::io::Error> {
    let number = match error {
        gpiocdev::Error::Os(number) => number.0,
        gpiocdev::Error::Uapi(_, gpiocdev_uapi::Error::Os(number)) => number.0,
        _ => return None,
    };
    Some(std::io::Error::from_raw_os_error(number))
}

/// A line became active or inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Time of the edge: the kernel's interrupt time if the chip has interrupts.
    pub at: Instant,
    /// The level after the edge.
    pub active: bool,
}

/// An input line.
#[derive(Debug)]
pub struct Input {
    address: LineAddress,
    request: Request,
    /// Converts the kernel's edge times; `None` if the chip has no interrupts.
    clock: Option<Clock>,
    /// The last level that was read or returned.
    active: bool,
}

impl Input {
    /// Requests the line; `active` is its active level. The line is pulled to the other level if the chip supports it.
    /// The kernel debounces for `debounce`, which may be zero.
    ///
    /// # Errors
    /// Any [`GpioError`].
    pub fn open(address: &LineAddress, active: Level, debounce: Duration) -> Result<Self, GpioError> {
        let mut builder = address.request(active)?;
        builder.as_input().with_bias(match active {
            Level::Low => Bias::PullUp,
            Level::High => Bias::PullDown,
        });
        let mut with_edges = builder.clone();
        with_edges
            .with_edge_detection(EdgeDetection::BothEdges)
            .with_kernel_event_buffer_size(EDGE_BUFFER_SIZE)
            .with_debounce_period(debounce);
        let clock = Clock::now();
        let (request, clock) = match with_edges.request() {
            Ok(request) => (request, Some(clock)),
            Err(error) => {
                tracing::debug!(?address, %error, "no interrupts: polling the line");
                (builder.request().map_err(|error| address.fault(&address.chip, &error))?, None)
            }
        };
        let mut input = Self { address: address.clone(), request, clock, active: false };
        input.active = input.is_active()?;
        Ok(input)
    }

    /// Whether the line is active now.
    ///
    /// # Errors
    /// The chip is gone or does not respond.
    pub fn is_active(&self) -> Result<bool, GpioError> {
        Ok(self.request.lone_value().map_err(|error| self.fault(&error))? == Value::Active)
    }

    /// Waits at most `timeout` for the next edge.
    ///
    /// # Errors
    /// The chip is gone or does not respond.
    pub fn next_edge(&mut self, timeout: Duration) -> Result<Option<Edge>, GpioError> {
        let edge = match &self.clock {
            Some(clock) => self.wait_for_interrupt(clock, timeout)?,
            None => self.poll_until(Instant::now() + timeout)?,
        };
        if let Some(edge) = edge {
            self.active = edge.active;
        }
        Ok(edge)
    }

    fn wait_for_interrupt(&self, clock: &Clock, timeout: Duration) -> Result<Option<Edge>, GpioError> {
        match self.request.wait_edge_event(timeout) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            // A signal to the process is not an edge.
            Err(error) if is_interruption(&error) => return Ok(None),
            Err(error) => return Err(self.fault(&error)),
        }
        // Buffer for one edge: `read_edge_event` of gpiocdev 0.8 reads up to eight edges and drops all but the first.
        let mut words = vec![0; self.request.edge_event_u64_size()];
        let event = self
            .request
            .read_edge_events_into_slice(&mut words)
            .and_then(|length| self.request.edge_event_from_slice(&words[..length]))
            .map_err(|error| self.fault(&error))?;
        Ok(Some(Edge { at: clock.instant(event.timestamp_ns), active: event.kind == EdgeKind::Rising }))
    }

    fn poll_until(&self, deadline: Instant) -> Result<Option<Edge>, GpioError> {
        loop {
            let active = self.is_active()?;
            let now = Instant::now();
            if active != self.active {
                return Ok(Some(Edge { at: now, active }));
            }
            let Some(remaining) =
                deadline.checked_duration_since(now).filter(|remaining| !remaining.is_zero())
            else {
                return Ok(None);
            };
            std::thread::sleep(remaining.min(POLL_EVERY));
        }
    }

    fn fault(&self, error: &gpiocdev::Error) -> GpioError {
        self.address.fault(&self.address.chip, error)
    }
}

fn is_interruption(error: &gpiocdev::Error) -> bool {
    system_error(error).is_some_and(|system| system.kind() == std::io::ErrorKind::Interrupted)
}

/// Converts the kernel's monotonic time, the time base of edges, into [`Instant`]s.
#[derive(Debug)]
struct Clock {
    instant: Instant,
    monotonic: Duration,
}

impl Clock {
    fn now() -> Self {
        let instant = Instant::now();
        let time = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self { instant, monotonic: Duration::new(seconds, nanoseconds) }
    }

    fn instant(&self, timestamp_ns: u64) -> Instant {
        let since = Duration::from_nanos(timestamp_ns).saturating_sub(self.monotonic);
        self.instant + since
    }
}

/// An output line.
#[derive(Debug)]
pub struct Output {
    address: LineAddress,
    request: Request,
}

impl Output {
    /// Requests the line and drives it inactive; `active` is its active level. On drop or at the end of the process the
    /// kernel releases the line; whether the level stays depends on the chip.
    ///
    /// # Errors
    /// Any [`GpioError`].
    pub fn open(address: &LineAddress, active: Level) -> Result<Self, GpioError> {
        let mut builder = address.request(active)?;
        builder.as_output(Value::Inactive);
        let request = builder.request().map_err(|error| address.fault(&address.chip, &error))?;
        Ok(Self { address: address.clone(), request })
    }

    /// Drives the line active or inactive.
    ///
    /// # Errors
    /// The chip is gone or does not respond.
    pub fn set(&self, active: bool) -> Result<(), GpioError> {
        let value = if active { Value::Active } else { Value::Inactive };
        self.request.set_lone_value(value).map_err(|error| self.address.fault(&self.address.chip, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::machine;
    use moodring_config as config;

    fn address(chip: &str) -> LineAddress {
        LineAddress { chip: chip.to_owned(), line: 17 }
    }

    #[test]
    fn errors_name_a_missing_chip_and_a_file_that_is_not_a_chip() {
        let error = |chip: &str| Output::open(&address(chip), Level::High).unwrap_err().to_string();
        assert!(error("/dev/gpiochip77").starts_with("the GPIO chip \"/dev/gpiochip77\" is not there"));
        assert!(error("pinctrl-of-mars").contains("\"pinctrl-of-mars\" is not there"));
        let error = error("/dev/null");
        assert!(error.contains("line 17 of /dev/null") && error.contains("is not a GPIO"), "{error}");
    }

    #[test]
    fn the_board_supplies_defaults_for_empty_keys() {
        let (_root, pi) = machine(&[("/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0")]);
        let pi = Board::of(&config::Board::default(), &pi);
        let named = |chip: &str, line| LineAddress { chip: chip.into(), line };
        assert_eq!(LineAddress::of(&pi, "", None, 11), Ok(named("pinctrl-rp1", 17)));
        assert_eq!(LineAddress::of(&pi, "/dev/gpiochip9", Some(2), 11), Ok(named("/dev/gpiochip9", 2)));
        let (_root, pc) = machine(&[]);
        let pc = Board::of(&config::Board::default(), &pc);
        assert_eq!(LineAddress::of(&pc, "", None, 11), Err(GpioError::NoPin { pin: 11 }));
    }

    #[test]
    fn system_errors_name_the_fix() {
        let refused = |number| {
            let error = gpiocdev::Error::Os(gpiocdev_uapi::Errno(number));
            address("/dev/gpiochip0").fault("/dev/gpiochip0", &error).to_string()
        };
        assert!(refused(13).contains("must be in its group (ls -l /dev/gpiochip0)"));
        assert!(refused(16).contains("line 17 of /dev/gpiochip0 is in use"));
        assert!(refused(19).contains("does not respond: No such device"));
    }

    #[test]
    fn kernel_times_are_converted_to_instants() {
        let clock = Clock { instant: Instant::now(), monotonic: Duration::from_secs(100) };
        assert_eq!(clock.instant(100_250_000_000), clock.instant + Duration::from_millis(250));
        assert_eq!(clock.instant(99_000_000_000), clock.instant, "an earlier edge counts as now");
    }
}
