//! Faults of a configuration: what is wrong, where, and how to correct it.

use std::borrow::Cow;

use moodring_contract::Topics;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Dotted key, such as `room.name`. Empty if the fault concerns the file as a whole.
    pub key: String,
    /// Line and column, both counted from 1. `None` if the fault has no position in the file.
    pub position: Option<(usize, usize)>,
    /// The fault and its remedy, beginning with the key.
    pub message: String,
}

/// Every fault of one configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Name of the file, as the caller gave it.
    pub file: String,
    /// At least one fault, in the order of the file.
    pub faults: Vec<Fault>,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            match fault.position {
                Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, fault.message)?,
                None => write!(f, "{}: {}", self.file, fault.message)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// An error that concerns the whole `file`.
    pub(super) fn of_file(file: &str, message: String) -> Self {
        Self { file: file.to_owned(), faults: vec![Fault { key: String::new(), position: None, message }] }
    }
}

/// A value that has the right type but is not valid.
pub(super) struct KeyFault {
    pub key: Cow<'static, str>,
    pub message: String,
}

/// Collects the faults of one configuration.
#[derive(Default)]
pub(super) struct FaultCollector(pub(super) Vec<KeyFault>);

impl FaultCollector {
    pub(super) fn add(&mut self, key: impl Into<Cow<'static, str>>, message: impl Into<String>) {
        self.0.push(KeyFault { key: key.into(), message: message.into() });
    }

    /// Adds a fault if `value` is not in `low..=high`.
    pub(super) fn range(&mut self, key: impl Into<Cow<'static, str>>, value: f64, low: f64, high: f64) {
        // `value < low || value > high` would accept NaN.
        if !(low..=high).contains(&value) {
            self.add(key, format!("is {value}, but must be from {low} to {high}"));
        }
    }

    /// Adds a fault if `value` cannot be one level of an MQTT topic.
    pub(super) fn topic_level(&mut self, key: &'static str, value: &str) {
        if !Topics::is_level(value) {
            self.add(
                key,
                format!(
                    "is {value:?}, but must be 1 to 64 bytes without '/', '+', '#', control characters \
                     and a leading '$'"
                ),
            );
        }
    }
}
