//! `[night]`: the hours in which the lights and the display are dimmed.
//!
//! At full brightness they disturb in a dark room, and an OLED burns in although nobody looks at it.

use std::borrow::Cow;
use std::fmt::{Display, Formatter};
use std::str::FromStr;

use jiff::civil::Time;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::fault::FaultCollector;

/// Hours in which the lights and the display are dimmed.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Night {
    /// Time of the day at which the night begins, such as `19:00`, in the time zone of `clock.time_zone`.
    pub begins: ClockTime,
    /// Time of the day at which the night ends. The same time as `begins`: there is no night.
    pub ends: ClockTime,
    /// Factor for `lights.brightness` at night, 0 (dark) to 1.
    pub lights: f64,
    /// Factor for `display.brightness` at night, 0 (dark) to 1.
    pub display: f64,
}

impl Default for Night {
    fn default() -> Self {
        let at = |hour| ClockTime(Time::constant(hour, 0, 0, 0));
        Self { begins: at(19), ends: at(7), lights: 0.15, display: 0.2 }
    }
}

impl Night {
    /// Whether it is night at `time` of the day. The night may include midnight.
    pub fn is_night_at(&self, time: Time) -> bool {
        let (begins, ends) = (self.begins.0, self.ends.0);
        if begins <= ends { begins <= time && time < ends } else { begins <= time || time < ends }
    }

    pub(super) fn check(&self, faults: &mut FaultCollector) {
        faults.range("night.lights", self.lights, 0.0, 1.0);
        faults.range("night.display", self.display, 0.0, 1.0);
    }
}

/// A time of the day with minute precision, written such as `19:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClockTime(pub Time);

impl FromStr for ClockTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(hour, minute)| {
            let two_digits = |part: &str| (part.len() <= 2).then(|| part.parse::<i8>().ok()).flatten();
            Time::new(two_digits(hour)?, two_digits(minute)?, 0, 0).ok()
        });
        parsed
            .map(Self)
            .ok_or_else(|| format!("is {text:?}, but must be a time of the day such as \"19:00\""))
    }
}

impl TryFrom<String> for ClockTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ClockTime> for String {
    fn from(time: ClockTime) -> Self {
        time.to_string()
    }
}

impl Display for ClockTime {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0.hour(), self.0.minute())
    }
}

impl JsonSchema for ClockTime {
    fn schema_name() -> Cow<'static, str> {
        "ClockTime".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn night(begins: &str, ends: &str) -> Night {
        Night { begins: begins.parse().unwrap(), ends: ends.parse().unwrap(), ..Night::default() }
    }

    #[test]
    fn a_night_may_include_midnight() {
        let at = |text: &str| text.parse::<ClockTime>().unwrap().0;
        let default = Night::default();
        for (time, dark) in [("18:59", false), ("19:00", true), ("23:59", true), ("00:00", true)] {
            assert_eq!(default.is_night_at(at(time)), dark, "{time}");
        }
        assert!(default.is_night_at(at("06:59")) && !default.is_night_at(at("07:00")));
        let noon = night("12:00", "13:00");
        assert!(
            noon.is_night_at(at("12:30")) && !noon.is_night_at(at("13:00")) && !noon.is_night_at(at("00:00"))
        );
        assert!(!night("8:00", "08:00").is_night_at(at("08:00")));
    }

    #[test]
    fn an_invalid_time_is_reported_with_its_position() {
        for wrong in ["24:00", "7", "07:60", "-1:00", "07:00:00", "seven"] {
            let text = format!("[night]\nbegins = {wrong:?}\n");
            let message = Config::parse(&text, "x.toml").unwrap_err().to_string();
            assert!(message.contains("x.toml:2:10:") && message.contains("such as \"19:00\""), "{message}");
        }
        let message = Config::parse("[night]\nlights = 2\n", "x.toml").unwrap_err().to_string();
        assert!(message.contains("x.toml:2:10: night.lights is 2, but must be from 0 to 1"), "{message}");
    }
}
