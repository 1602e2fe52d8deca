//! Temperature sensors of the kernel, and on a Pi the firmware's throttling state.

use moodring_runtime::ThermalReading;
use moodring_runtime::Throttled;
use std::path::PathBuf;

use crate::board::Machine;

/// The firmware's throttling bits, in hexadecimal, as `vcgencmd get_throttled` shows them.
pub(crate) const GET_THROTTLED: &str = "/sys/devices/platform/soc/soc:firmware/get_throttled";

/// A thermal zone of the kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// Its folder.
    pub path: PathBuf,
    /// Type of the zone, such as `cpu-thermal`.
    pub kind: String,
    /// Celsius; `None` if the sensor does not respond.
    pub celsius: Option<f64>,
}

/// All thermal zones of `machine`.
pub fn zones(machine: &Machine) -> Vec<Zone> {
    let zone = |path: PathBuf| {
        let text = |name: &str| std::fs::read_to_string(path.join(name)).ok();
        let kind = text("type")?.trim().to_owned();
        // Documentation/driver-api/thermal/sysfs-api.rst: thousandths of a degree.
        let celsius = text("temp").and_then(|temp| temp.trim().parse::<f64>().ok()).map(|temp| temp / 1000.0);
        Some(Zone { path, kind, celsius })
    };
    machine.numbered("/sys/class/thermal", "thermal_zone").into_iter().filter_map(zone).collect()
}

/// Reads the processor's temperature and throttling state.
#[derive(Debug, Clone)]
pub struct Sensors {
    machine: Machine,
    kinds: Vec<String>,
}

impl Sensors {
    /// The sensors of `machine`; the first type of `kinds` that exists is used.
    pub fn new(machine: Machine, kinds: Vec<String>) -> Self {
        Self { machine, kinds }
    }

    /// The zone in use, if it exists. Of several zones of its type (a PC has one per socket) the warmest.
    pub fn zone(&self) -> Option<Zone> {
        let zones = zones(&self.machine);
        let warmest = |kind: &String| {
            let of_kind = zones.iter().filter(|zone| zone.kind == *kind && zone.celsius.is_some());
            of_kind.max_by(|one, other| {
                one.celsius.partial_cmp(&other.celsius).unwrap_or(std::cmp::Ordering::Equal)
            })
        };
        self.kinds.iter().find_map(warmest).cloned()
    }

    /// Reads temperature and throttling state.
    pub fn read(&self) -> ThermalReading {
        let throttled = self.machine.read(GET_THROTTLED).and_then(|bits| {
            let bits = bits.trim_start_matches("0x");
            u32::from_str_radix(bits, 16).ok().map(Throttled)
        });
        ThermalReading { celsius: self.zone().and_then(|zone| zone.celsius), throttled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::machine;

    #[test]
    fn the_warmest_zone_of_the_first_existing_type_is_used() {
        let zone = |number: u8, file: &str| format!("/sys/class/thermal/thermal_zone{number}/{file}");
        let (_root, machine) = machine(&[
            (&zone(0, "type"), "acpitz\n"),
            (&zone(0, "temp"), "27800\n"),
            (&zone(1, "type"), "x86_pkg_temp\n"),
            (&zone(1, "temp"), "41000\n"),
            (&zone(2, "type"), "x86_pkg_temp\n"),
            (&zone(2, "temp"), "63500\n"),
            (&zone(3, "type"), "iwlwifi\n"),
            (GET_THROTTLED, "0x50004\n"),
        ]);
        let kinds = |kinds: &[&str]| kinds.iter().map(|&kind| kind.to_owned()).collect::<Vec<_>>();
        let read = |of: &[&str]| Sensors::new(machine.clone(), kinds(of)).read();
        assert_eq!(read(&["cpu-thermal", "x86_pkg_temp", "acpitz"]).celsius, Some(63.5));
        assert_eq!(read(&["acpitz"]).celsius, Some(27.8));
        assert_eq!(read(&["iwlwifi"]).celsius, None, "the sensor does not respond");
        let throttled = read(&[]).throttled.unwrap();
        assert_eq!(throttled.now(), ["the processor is throttled"]);
        assert_eq!(throttled.since_start(), ["the supply voltage is too low", "the processor is throttled"]);
        assert!(throttled.is_slowed() && !throttled.is_undervolted());
        assert_eq!(zones(&machine).len(), 4);
    }
}
