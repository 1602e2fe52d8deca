//! Temperature of the processor and the slowdown of vision: written by the thermal governor, read by vision and the
//! outputs.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// One reading of temperature and throttling.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ThermalReading {
    /// Temperature of the processor in degrees Celsius; `None` if the system does not report it.
    pub celsius: Option<f64>,
    /// Throttling bits of the firmware; `None` if no firmware reports them.
    pub throttled: Option<Throttled>,
}

/// The bits of `get_throttled` (Raspberry Pi documentation, "vcgencmd"): 0 to 3 hold now, 16 to 19 at any time since
/// boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Throttled(pub u32);

impl Throttled {
    const NOW: [(u32, &str); 4] = [
        (0, "the supply voltage is too low"),
        (1, "the clock is capped"),
        (2, "the processor is throttled"),
        // Only on a Pi 3 B+: from 60 °C on the clock is reduced slightly, which is not counted as slowed.
        (3, "the soft temperature limit is reached"),
    ];

    /// Whether the supply voltage is too low now.
    pub const fn is_undervolted(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether the processor is slowed down now, because of temperature or voltage.
    pub const fn is_slowed(self) -> bool {
        self.0 & 0b110 != 0
    }

    /// The conditions that hold now, as text.
    pub fn now(self) -> Vec<&'static str> {
        self.words(0)
    }

    /// The conditions that held at any time since boot, as text.
    pub fn since_start(self) -> Vec<&'static str> {
        self.words(16)
    }

    fn words(self, shift: u32) -> Vec<&'static str> {
        Self::NOW
            .iter()
            .filter(|(bit, _)| (self.0 >> (bit + shift)) & 1 != 0)
            .map(|(_, word)| *word)
            .collect()
    }
}

/// The newest reading and slowdown, shared by one writer and many readers.
#[derive(Debug)]
pub struct ThermalState {
    /// Bits of the temperature in degrees Celsius as `f64`; NaN if it is unknown.
    celsius: AtomicU64,
    /// Bits of the slowdown factor as `f64`.
    slowdown: AtomicU64,
    throttled: AtomicU32,
    /// Whether a firmware reports throttling.
    reported_throttling: AtomicBool,
}

impl Default for ThermalState {
    fn default() -> Self {
        Self {
            celsius: AtomicU64::new(f64::NAN.to_bits()),
            slowdown: AtomicU64::new(1.0f64.to_bits()),
            throttled: AtomicU32::new(0),
            reported_throttling: AtomicBool::new(false),
        }
    }
}

impl ThermalState {
    /// Temperature of the processor in degrees Celsius; `None` if it is unknown.
    pub fn celsius(&self) -> Option<f64> {
        Some(f64::from_bits(self.celsius.load(Ordering::Relaxed))).filter(|celsius| !celsius.is_nan())
    }

    /// Factor by which vision should work slower, 1 or more; 1 unless the processor is warm.
    pub fn slowdown(&self) -> f64 {
        f64::from_bits(self.slowdown.load(Ordering::Relaxed))
    }

    /// Throttling bits of the firmware; no bit is set if no firmware reports them.
    pub fn throttled(&self) -> Throttled {
        Throttled(self.throttled.load(Ordering::Relaxed))
    }

    /// Throttling bits of the firmware; `None` if no firmware reports them.
    pub fn reported_throttling(&self) -> Option<Throttled> {
        self.reported_throttling.load(Ordering::Relaxed).then(|| self.throttled())
    }

    /// One sentence about low voltage or the slowdown, to be shown to an administrator; `None` if there is neither.
    pub fn note(&self) -> Option<String> {
        if self.throttled().is_undervolted() {
            return Some("the supply voltage is too low: use the power supply made for the board".into());
        }
        let (slowdown, celsius) = (self.slowdown(), self.celsius()?);
        (slowdown > 1.0)
            .then(|| format!("{celsius:.0} °C: pictures are processed {slowdown:.1} times less often"))
    }

    /// Stores a reading and the slowdown factor that follows from it.
    pub fn set(&self, reading: &ThermalReading, slowdown: f64) {
        self.celsius.store(reading.celsius.unwrap_or(f64::NAN).to_bits(), Ordering::Relaxed);
        self.throttled.store(reading.throttled.unwrap_or_default().0, Ordering::Relaxed);
        self.reported_throttling.store(reading.throttled.is_some(), Ordering::Relaxed);
        self.slowdown.store(slowdown.to_bits(), Ordering::Relaxed);
    }
}
