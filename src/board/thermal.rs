//! The thermal governor: vision works slower before the processor is made to.
//!
//! [`Governor`] is a pure function of readings, [`Sensors`] reads them, and [`watch`] brings both together every few
//! seconds and leaves the result in [`Climate`], where vision and `/metrics` find it.

mod sensors;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

pub use sensors::{Reading, Sensors, Throttled, Zone, zones};

use super::Kind;
use crate::config::Thermal;
use crate::supervisor::Stop;

/// A processor's mass follows its load over tens of seconds, and a reading costs next to nothing.
const READ_EVERY: Duration = Duration::from_secs(5);

/// From which temperatures on vision slows down, and how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Celsius at which slowing down begins.
    pub begin_c: f64,
    /// Celsius at which vision is slowest.
    pub full_c: f64,
    /// Celsius below which slowing down ends.
    pub end_c: f64,
    /// How many times slower it then is.
    pub slowest: f64,
}

impl Limits {
    /// What the configuration says, else what suits the kind of board.
    ///
    /// A Pi slows its cores from 80 °C on and all of the chip at 85 (Raspberry Pi documentation, "Frequency management
    /// and thermal control"); Jetsons do so in software from 97 (Nano) or 99 °C (Orin) on (NVIDIA's developer guide).
    pub fn new(config: &Thermal, kind: Kind) -> Self {
        let begin_c = config.begin_c.unwrap_or(match kind {
            Kind::Pi => 75.0,
            Kind::Jetson => 85.0,
            Kind::Pc => 90.0,
        });
        Self {
            begin_c,
            full_c: config.full_c.unwrap_or(begin_c + 5.0),
            end_c: begin_c - config.hysteresis_k,
            slowest: config.slowest,
        }
    }
}

/// Whether slowing down has just begun or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Change {
    Began,
    Ended,
}

/// Decides how much slower vision works.
#[derive(Debug, Clone)]
pub struct Governor {
    limits: Limits,
    slows: bool,
}

impl Governor {
    /// One that does not slow down yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, slows: false }
    }

    /// How many times slower vision should work after `reading`, 1 to `slowest`, and whether that has just begun or
    /// ended.
    ///
    /// While it slows down, the factor grows evenly from 1 at `end_c` to `slowest` at `full_c`, so that work and
    /// warmth settle somewhere between instead of swinging. Where the processor throttles already it is `slowest`.
    /// Without any reading nothing is slowed down.
    pub fn judge(&mut self, reading: &Reading) -> (f64, Option<Change>) {
        let Limits { begin_c, full_c, end_c, slowest } = self.limits;
        let throttled = reading.throttled.is_some_and(Throttled::is_slowed);
        let celsius = reading.celsius.unwrap_or(f64::NEG_INFINITY);
        let slows = throttled || celsius >= if self.slows { end_c } else { begin_c };
        let change = match (std::mem::replace(&mut self.slows, slows), slows) {
            (false, true) => Some(Change::Began),
            (true, false) => Some(Change::Ended),
            _ => None,
        };
        let share = ((celsius - end_c) / (full_c - end_c)).clamp(0.0, 1.0);
        let factor = match (slows, throttled) {
            (false, _) => 1.0,
            (true, true) => slowest,
            (true, false) => 1.0 + (slowest - 1.0) * share,
        };
        (factor, change)
    }
}

/// How warm it is and what follows: written by [`watch`], read by anybody.
#[derive(Debug)]
pub struct Climate {
    /// Bits of the temperature in Celsius; NaN while it is not known.
    celsius: AtomicU64,
    /// Bits of the factor by which vision works slower.
    slowdown: AtomicU64,
    throttled: AtomicU32,
    /// Whether there is a firmware that says so.
    firmware_says: AtomicBool,
}

impl Default for Climate {
    fn default() -> Self {
        Self {
            celsius: AtomicU64::new(f64::NAN.to_bits()),
            slowdown: AtomicU64::new(1.0f64.to_bits()),
            throttled: AtomicU32::new(0),
            firmware_says: AtomicBool::new(false),
        }
    }
}

impl Climate {
    /// The processor's temperature in Celsius, where it is known.
    pub fn celsius(&self) -> Option<f64> {
        Some(f64::from_bits(self.celsius.load(Ordering::Relaxed))).filter(|celsius| !celsius.is_nan())
    }

    /// How many times slower vision should work: 1 unless it is warm.
    pub fn slowdown(&self) -> f64 {
        f64::from_bits(self.slowdown.load(Ordering::Relaxed))
    }

    /// What the firmware says about throttling; nothing where it says nothing.
    pub fn throttled(&self) -> Throttled {
        Throttled(self.throttled.load(Ordering::Relaxed))
    }

    /// The same where there is a firmware that says anything.
    pub fn firmware_says(&self) -> Option<Throttled> {
        self.firmware_says.load(Ordering::Relaxed).then(|| self.throttled())
    }

    /// What is worth a note, in words.
    pub fn note(&self) -> Option<String> {
        if self.throttled().is_undervolted() {
            return Some("the supply voltage is too low: use the power supply made for the board".into());
        }
        let (slowdown, celsius) = (self.slowdown(), self.celsius()?);
        (slowdown > 1.0)
            .then(|| format!("{celsius:.0} °C: pictures are looked at {slowdown:.1} times less often"))
    }

    fn set(&self, reading: &Reading, slowdown: f64) {
        self.celsius.store(reading.celsius.unwrap_or(f64::NAN).to_bits(), Ordering::Relaxed);
        self.throttled.store(reading.throttled.unwrap_or_default().0, Ordering::Relaxed);
        self.firmware_says.store(reading.throttled.is_some(), Ordering::Relaxed);
        self.slowdown.store(slowdown.to_bits(), Ordering::Relaxed);
    }
}

/// Reads the sensors until the stop is requested, and says once when slowing down begins and when it ends. Without a
/// `governor` nothing is slowed down, but all is told.
pub async fn watch(sensors: Sensors, mut governor: Option<Governor>, climate: &Climate, stop: &Stop) {
    let mut ticks = tokio::time::interval(READ_EVERY);
    let mut undervolted = false;
    loop {
        tokio::select! {
            () = stop.requested() => return,
            _ = ticks.tick() => {}
        }
        let reading = sensors.read();
        let (slowdown, change) = governor.as_mut().map_or((1.0, None), |governor| governor.judge(&reading));
        climate.set(&reading, slowdown);
        let celsius = reading.celsius;
        match change {
            Some(Change::Began) => {
                tracing::warn!(celsius, slowdown, "it gets warm: vision works slower until it is cooler");
            }
            Some(Change::Ended) => tracing::info!(celsius, "cool enough: vision works at full speed again"),
            None => {}
        }
        let now_undervolted = climate.throttled().is_undervolted();
        if now_undervolted && !std::mem::replace(&mut undervolted, now_undervolted) {
            tracing::warn!("the supply voltage is too low: use the power supply made for the board");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Machine;
    use crate::board::tests::machine;
    use proptest::prelude::*;

    fn at(celsius: f64) -> Reading {
        Reading { celsius: Some(celsius), throttled: None }
    }

    fn governor() -> Governor {
        Governor::new(Limits::new(&Thermal::default(), Kind::Pi))
    }

    #[test]
    fn it_begins_at_75_ends_below_70_and_is_slowest_at_80() {
        let mut governor = governor();
        assert_eq!(governor.judge(&at(74.9)), (1.0, None));
        assert_eq!(governor.judge(&at(75.0)), (2.5, Some(Change::Began)));
        assert_eq!(governor.judge(&at(80.0)), (4.0, None));
        assert_eq!(governor.judge(&at(120.0)), (4.0, None));
        assert_eq!(governor.judge(&at(70.0)), (1.0, None));
        assert_eq!(governor.judge(&at(72.0)).1, None, "between 70 and 75 it stays as it is");
        assert_eq!(governor.judge(&at(69.9)), (1.0, Some(Change::Ended)));
        assert_eq!(governor.judge(&at(72.0)), (1.0, None));
    }

    #[test]
    fn throttling_is_answered_by_the_slowest_pace_however_warm_it_is() {
        let mut governor = governor();
        let capped = Reading { celsius: None, throttled: Some(Throttled(0b10)) };
        assert_eq!(governor.judge(&capped), (4.0, Some(Change::Began)));
        let over = Reading { celsius: None, throttled: Some(Throttled(0x2_0000)) };
        assert_eq!(governor.judge(&over), (1.0, Some(Change::Ended)), "what has happened is no reason");
        assert_eq!(governor.judge(&Reading::default()), (1.0, None));
    }

    proptest! {
        #[test]
        fn pace_stays_within_its_limits_and_beginnings_and_ends_alternate(
            temperatures in prop::collection::vec(20.0f64..110.0, 1..200),
        ) {
            let mut governor = governor();
            let mut slows = false;
            for celsius in temperatures {
                let (factor, change) = governor.judge(&at(celsius));
                prop_assert!((1.0..=4.0).contains(&factor));
                match change {
                    Some(Change::Began) => { prop_assert!(!slows && celsius >= 75.0); slows = true; }
                    Some(Change::Ended) => { prop_assert!(slows && celsius < 70.0); slows = false; }
                    None => {}
                }
                prop_assert!(slows || factor == 1.0);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_reaches_the_climate_and_what_is_gone_leaves_it() {
        let zone = "/sys/class/thermal/thermal_zone0";
        let files = [(&*format!("{zone}/type"), "cpu-thermal\n"), (&*format!("{zone}/temp"), "81234\n")];
        let (_root, machine) = machine(&files);
        let (climate, stop) = (std::sync::Arc::new(Climate::default()), Stop::default());
        assert_eq!((climate.celsius(), climate.slowdown(), climate.note()), (None, 1.0, None));
        let task = tokio::spawn({
            let (climate, stop) = (std::sync::Arc::clone(&climate), stop.clone());
            let sensors = Sensors::new(machine.clone(), vec!["cpu-thermal".into()]);
            async move { watch(sensors, Some(governor()), &climate, &stop).await }
        });
        tokio::time::sleep(READ_EVERY / 2).await;
        assert_eq!((climate.celsius(), climate.slowdown()), (Some(81.234), 4.0));
        assert_eq!(climate.note().unwrap(), "81 °C: pictures are looked at 4.0 times less often");
        let throttled = machine.path(sensors::GET_THROTTLED);
        std::fs::create_dir_all(throttled.parent().unwrap()).unwrap();
        std::fs::write(throttled, "50005\n").unwrap();
        std::fs::remove_dir_all(machine.path(zone)).unwrap();
        tokio::time::sleep(READ_EVERY).await;
        assert_eq!((climate.celsius(), climate.slowdown()), (None, 4.0));
        assert!(climate.note().unwrap().contains("power supply"));
        stop.request();
        task.await.unwrap();
        assert_eq!(Sensors::new(Machine::at("/nowhere"), Vec::new()).read(), Reading::default());
    }
}
