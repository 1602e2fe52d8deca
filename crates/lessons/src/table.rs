//! A lesson as CSV (RFC 4180): one line per minute; a missing value is an empty field.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::store::{pace_name, state_name};
use moodring_contract::lesson::{Metric, Minute};

/// What stands between two fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Separator {
    /// A comma.
    #[default]
    Comma,
    /// A semicolon, which spreadsheets expect where the comma is the decimal sign.
    Semicolon,
    /// A tabulator.
    Tab,
}

impl Separator {
    /// All separators.
    pub const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    /// Its name in commands and addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::Comma => ',',
            Self::Semicolon => ';',
            Self::Tab => '\t',
        }
    }
}

/// The minutes as a table with a header. All fields are numbers, times and fixed words, so none needs quotes. With a `zone`
/// times are local, such as `2026-11-23 08:00:00`, else in UTC.
pub fn csv(minutes: &[Minute], separator: Separator, zone: Option<&TimeZone>) -> String {
    let text = with_commas(minutes, zone);
    // No field contains a comma.
    match separator {
        Separator::Comma => text,
        other => text.replace(',', &other.letter().to_string()),
    }
}

fn with_commas(minutes: &[Minute], zone: Option<&TimeZone>) -> String {
    let mut text = String::from("number,at,state,live,people,coverage,word,pace");
    for metric in Metric::ALL {
        let name = metric.name();
        let _ = write!(text, ",{name},{name}_low,{name}_high");
    }
    text.push_str("\r\n");
    let time = |at: Timestamp| match zone {
        Some(zone) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        None => at.to_string(),
    };
    let field = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for minute in minutes {
        let _ = write!(
            text,
            "{},{},{},{},{},{},{},{}",
            minute.number,
            time(minute.at),
            state_name(minute.state),
            minute.live,
            field(minute.people),
            field(minute.coverage),
            minute.word.name(),
            pace_name(minute.pace)
        );
        for metric in Metric::ALL {
            let level = minute.metrics.get(metric);
            let [value, low, high] =
                [level.map(|l| l.value), level.map(|l| l.low), level.map(|l| l.high)].map(field);
            let _ = write!(text, ",{value},{low},{high}");
        }
        text.push_str("\r\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::tests::minutes;
    use super::*;

    #[test]
    fn each_line_has_a_field_for_each_column() {
        let mut rows = minutes(3, |_| 0.8);
        rows[1].people = None;
        let text = csv(&rows, Separator::Comma, None);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.len() == 8 + 3 * Metric::ALL.len()), "{text}");
        assert_eq!((lines[0][4], lines[1][4], lines[2][4]), ("people", "28", ""));
        assert_eq!((lines[0][8], lines[1][8]), ("facing", "0.8"));
    }

    #[test]
    fn separator_and_local_time_can_be_chosen() {
        let zone = TimeZone::get("Asia/Kolkata").unwrap();
        for separator in Separator::ALL {
            let text = csv(&minutes(1, |_| 0.8), separator, Some(&zone));
            let fields: Vec<_> = text.lines().nth(1).unwrap().split(separator.letter()).collect();
            assert_eq!(fields.len(), 8 + 3 * Metric::ALL.len(), "{text}");
            assert_eq!((fields[1], fields[8]), ("2026-11-23 13:30:00", "0.8"));
        }
    }
}
