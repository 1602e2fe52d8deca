//! A lesson as CSV (RFC 4180): one line per minute; a missing value is an empty field.

use std::fmt::Write as _;

use super::store::{pace_name, state_name};
use moodring_contract::lesson::{Metric, Minute};

/// The minutes as a table with a header. All fields are numbers, times and fixed words, so none needs quotes.
pub fn csv(minutes: &[Minute]) -> String {
    let mut text = String::from("number,at,state,live,people,coverage,word,pace");
    for metric in Metric::ALL {
        let name = metric.name();
        let _ = write!(text, ",{name},{name}_low,{name}_high");
    }
    text.push_str("\r\n");
    let field = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for minute in minutes {
        let _ = write!(
            text,
            "{},{},{},{},{},{},{},{}",
            minute.number,
            minute.at,
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
        let text = csv(&rows);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|line| line.len() == 8 + 3 * Metric::ALL.len()), "{text}");
        assert_eq!((lines[0][4], lines[1][4], lines[2][4]), ("people", "28", ""));
        assert_eq!((lines[0][8], lines[1][8]), ("facing", "0.8"));
    }
}
