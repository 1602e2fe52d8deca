//! The thermal governor: slows vision down before the processor throttles.
//!
//! [`ThermalGovernor`] computes the slowdown from readings, [`Sensors`] reads them, and [`watch`] combines both every few
//! seconds and stores the result in [`ThermalState`], from which vision and `/metrics` read it.

mod sensors;

use moodring_runtime::ThermalState;
use std::time::Duration;

pub use sensors::{Sensors, Zone, zones};

use super::Kind;
use moodring_config::Thermal;
use moodring_runtime::{Stop, ThermalReading, Throttled};

/// The temperature follows the load over tens of seconds, and a reading costs almost nothing.
const READ_EVERY: Duration = Duration::from_secs(5);

/// Temperatures at which vision slows down, and the maximum slowdown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Celsius at which the slowdown begins.
    pub begin_c: f64,
    /// Celsius at which the slowdown is at its maximum.
    pub full_c: f64,
    /// Celsius below which the slowdown ends.
    pub end_c: f64,
    /// The maximum slowdown factor.
    pub slowest: f64,
}

impl Limits {
    /// The limits of the configuration; defaults depend on the kind of board.
    ///
    /// A Pi slows its cores from 80 °C on and the whole chip at 85 (Raspberry Pi documentation, "Frequency management
    /// and thermal control"); Jetsons throttle in software from 97 (Nano) or 99 °C (Orin) on (NVIDIA's developer
    /// guide).
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

/// The slowdown began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Change {
    Began,
    Ended,
}

/// Computes the slowdown of vision, with hysteresis.
#[derive(Debug, Clone)]
pub struct ThermalGovernor {
    limits: Limits,
    slowing: bool,
}

impl ThermalGovernor {
    /// A governor without slowdown.
    pub fn new(limits: Limits) -> Self {
        Self { limits, slowing: false }
    }

    /// The slowdown factor after `reading`, 1 to `slowest`, and whether the slowdown has just begun or ended.
    ///
    /// During a slowdown the factor grows linearly from 1 at `end_c` to `slowest` at `full_c`, so that load and
    /// temperature reach an equilibrium instead of oscillating. If the processor already throttles, it is `slowest`.
    /// Without a reading it is 1.
    pub fn judge(&mut self, reading: &ThermalReading) -> (f64, Option<Change>) {
        let Limits { begin_c, full_c, end_c, slowest } = self.limits;
        let throttled = reading.throttled.is_some_and(Throttled::is_slowed);
        let celsius = reading.celsius.unwrap_or(f64::NEG_INFINITY);
        let slowing = throttled || celsius >= if self.slowing { end_c } else { begin_c };
        let change = match (std::mem::replace(&mut self.slowing, slowing), slowing) {
            (false, true) => Some(Change::Began),
            (true, false) => Some(Change::Ended),
            _ => None,
        };
        let share = ((celsius - end_c) / (full_c - end_c)).clamp(0.0, 1.0);
        let factor = match (slowing, throttled) {
            (false, _) => 1.0,
            (true, true) => slowest,
            (true, false) => 1.0 + (slowest - 1.0) * share,
        };
        (factor, change)
    }
}

/// Reads the sensors until the stop is requested and logs the begin and end of a slowdown. Without a `governor` vision
/// is not slowed down, but temperature and throttling are published.
pub async fn watch(
    sensors: Sensors,
    mut governor: Option<ThermalGovernor>,
    thermal: &ThermalState,
    stop: &Stop,
) {
    let mut ticks = tokio::time::interval(READ_EVERY);
    let mut undervolted = false;
    loop {
        tokio::select! {
            () = stop.requested() => return,
            _ = ticks.tick() => {}
        }
        let reading = sensors.read();
        let (slowdown, change) = governor.as_mut().map_or((1.0, None), |governor| governor.judge(&reading));
        thermal.set(&reading, slowdown);
        let celsius = reading.celsius;
        match change {
            Some(Change::Began) => {
                tracing::warn!(celsius, slowdown, "high temperature: vision is slowed down");
            }
            Some(Change::Ended) => {
                tracing::info!(celsius, "normal temperature: vision runs at full speed again")
            }
            None => {}
        }
        let now_undervolted = thermal.throttled().is_undervolted();
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

    fn at(celsius: f64) -> ThermalReading {
        ThermalReading { celsius: Some(celsius), throttled: None }
    }

    fn governor() -> ThermalGovernor {
        ThermalGovernor::new(Limits::new(&Thermal::default(), Kind::Pi))
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
    fn throttling_causes_the_maximum_slowdown_at_any_temperature() {
        let mut governor = governor();
        let capped = ThermalReading { celsius: None, throttled: Some(Throttled(0b10)) };
        assert_eq!(governor.judge(&capped), (4.0, Some(Change::Began)));
        let over = ThermalReading { celsius: None, throttled: Some(Throttled(0x2_0000)) };
        assert_eq!(governor.judge(&over), (1.0, Some(Change::Ended)), "past throttling causes no slowdown");
        assert_eq!(governor.judge(&ThermalReading::default()), (1.0, None));
    }

    proptest! {
        #[test]
        fn the_slowdown_stays_within_its_limits_and_begins_and_ends_alternate(
            temperatures in prop::collection::vec(20.0f64..110.0, 1..200),
        ) {
            let mut governor = governor();
            let mut slowing = false;
            for celsius in temperatures {
                let (factor, change) = governor.judge(&at(celsius));
                prop_assert!((1.0..=4.0).contains(&factor));
                match change {
                    Some(Change::Began) => { prop_assert!(!slowing && celsius >= 75.0); slowing = true; }
                    Some(Change::Ended) => { prop_assert!(slowing && celsius < 70.0); slowing = false; }
                    None => {}
                }
                prop_assert!(slowing || factor == 1.0);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn readings_reach_the_thermal_state_and_lost_sensors_clear_it() {
        let zone = "/sys/class/thermal/thermal_zone0";
        let files = [(&*format!("{zone}/type"), "cpu-thermal\n"), (&*format!("{zone}/temp"), "81234\n")];
        let (_root, machine) = machine(&files);
        let (thermal, stop) = (std::sync::Arc::new(ThermalState::default()), Stop::default());
        assert_eq!((thermal.celsius(), thermal.slowdown(), thermal.note()), (None, 1.0, None));
        let task = tokio::spawn({
            let (thermal, stop) = (std::sync::Arc::clone(&thermal), stop.clone());
            let sensors = Sensors::new(machine.clone(), vec!["cpu-thermal".into()]);
            async move { watch(sensors, Some(governor()), &thermal, &stop).await }
        });
        tokio::time::sleep(READ_EVERY / 2).await;
        assert_eq!((thermal.celsius(), thermal.slowdown()), (Some(81.234), 4.0));
        assert_eq!(thermal.note().unwrap(), "81 °C: pictures are processed 4.0 times less often");
        let throttled = machine.path(sensors::GET_THROTTLED);
        std::fs::create_dir_all(throttled.parent().unwrap()).unwrap();
        std::fs::write(throttled, "50005\n").unwrap();
        std::fs::remove_dir_all(machine.path(zone)).unwrap();
        tokio::time::sleep(READ_EVERY).await;
        assert_eq!((thermal.celsius(), thermal.slowdown()), (None, 4.0));
        assert!(thermal.note().unwrap().contains("power supply"));
        stop.request();
        task.await.unwrap();
        assert_eq!(Sensors::new(Machine::at("/nowhere"), Vec::new()).read(), ThermalReading::default());
    }
}
