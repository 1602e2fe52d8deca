//! `[clock]`: local time.

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::FaultCollector;

/// Local time of the device.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Clock {
    /// Time zone of the timetable, the reports and `[night]`, such as `Asia/Kolkata`. Empty: the time zone of the
    /// system.
    pub time_zone: String,
}

impl Clock {
    /// The time zone, or that of the system if the time zone database does not know the name. [`Config::parse`]
    /// refuses such a name, so the second case is a database that changed since.
    ///
    /// [`Config::parse`]: super::Config::parse
    pub fn zone(&self) -> TimeZone {
        self.lookup().unwrap_or_else(|_| TimeZone::system())
    }

    fn lookup(&self) -> Result<TimeZone, jiff::Error> {
        if self.time_zone.is_empty() { Ok(TimeZone::system()) } else { TimeZone::get(&self.time_zone) }
    }

    pub(super) fn check(&self, faults: &mut FaultCollector) {
        if let Err(error) = self.lookup() {
            let message = format!("is {:?}: {error}; use a name such as \"Asia/Kolkata\"", self.time_zone);
            faults.add("clock.time_zone", message);
        }
    }
}
