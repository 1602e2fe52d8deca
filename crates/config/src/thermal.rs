//! `[thermal]`: reduction of the load before the processor throttles.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::FaultCollector;

/// Reduction of the load before the processor throttles: pictures are evaluated less often. Throttling would slow down
/// every part, including the page and the messages, and heat in a closed case shortens its life.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Thermal {
    /// Whether vision slows down when the processor gets hot.
    pub enabled: bool,
    /// Temperature in degrees Celsius at which vision begins to slow down, 40 to 110. Not set: the value of the board
    /// profile, which is 75 on a Raspberry Pi (it throttles from 80), 85 on a Jetson (it throttles from 97), and 90 on
    /// other computers.
    pub begin_c: Option<f64>,
    /// Temperature in degrees Celsius at which vision is slowest, 40 to 120; more than `begin_c`, which must be set
    /// too. Not set: 5 more than `begin_c`, which is where a Raspberry Pi throttles.
    pub full_c: Option<f64>,
    /// Hysteresis in kelvin: vision is at full speed again when the temperature is this much below `begin_c`, 1 to 20.
    /// Readings vary by one or two kelvin; with a smaller value the slow-down would start and end all the time.
    pub hysteresis_k: f64,
    /// Largest factor by which vision slows down, 1.5 to 10. At 4 vision causes little heat, and with the default cycle
    /// there is one cycle every two seconds, well within `mood.stale_after_s`.
    pub slowest: f64,
}

impl Default for Thermal {
    fn default() -> Self {
        Self { enabled: true, begin_c: None, full_c: None, hysteresis_k: 5.0, slowest: 4.0 }
    }
}

impl Thermal {
    pub(super) fn check(&self, faults: &mut FaultCollector) {
        faults.range("thermal.begin_c", self.begin_c.unwrap_or(75.0), 40.0, 110.0);
        faults.range("thermal.full_c", self.full_c.unwrap_or(80.0), 40.0, 120.0);
        faults.range("thermal.hysteresis_k", self.hysteresis_k, 1.0, 20.0);
        faults.range("thermal.slowest", self.slowest, 1.5, 10.0);
        match (self.begin_c, self.full_c) {
            (Some(begin), Some(full)) if full <= begin => {
                faults.add("thermal.full_c", "must be more than thermal.begin_c");
            }
            (None, Some(_)) => faults.add("thermal.full_c", "needs thermal.begin_c; set both"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    #[test]
    fn temperatures_must_be_in_order() {
        let parse = |text: &str| Config::parse(text, "x.toml").map_err(|error| error.to_string());
        assert!(parse("[thermal]\nbegin_c = 70\nfull_c = 78\n").is_ok());
        let refused = parse("[thermal]\nbegin_c = 70\nfull_c = 70\n").unwrap_err();
        assert!(
            refused.contains("x.toml:3:10: thermal.full_c must be more than thermal.begin_c"),
            "{refused}"
        );
        assert!(parse("[thermal]\nfull_c = 70\n").unwrap_err().contains("needs thermal.begin_c"));
        assert!(parse("[thermal]\nslowest = 1\n").unwrap_err().contains("must be from 1.5 to 10"));
    }
}
