//! Lists the GPIO chips and their lines, to find the header's chip and for `moodring doctor`.

use std::path::{Path, PathBuf};

use super::Machine;

/// A GPIO chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chip {
    /// Its device file.
    pub path: PathBuf,
    /// Label from its driver; empty if the chip could not be read.
    pub label: String,
    /// Its lines, by number.
    pub lines: Vec<Line>,
    /// The error, if the chip could not be read.
    pub error: Option<String>,
    /// Whether reading failed for lack of permission.
    pub denied: bool,
}

/// A line of a chip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Name from the board; often empty.
    pub name: String,
    /// The consumer; empty if the line is free, `?` if the consumer has no name.
    pub user: String,
}

impl Chip {
    /// Whether `name` is this chip's device file or label.
    pub fn is_called(&self, name: &str) -> bool {
        self.label == name || self.path == Path::new(name)
    }
}

/// All GPIO chips of `machine`, sorted by number.
pub fn list(machine: &Machine) -> Vec<Chip> {
    machine.numbered("/dev", "gpiochip").into_iter().map(describe).collect()
}

fn describe(path: PathBuf) -> Chip {
    let read = gpiocdev::Chip::from_path(&path).and_then(|chip| {
        let label = chip.info()?.label;
        let lines = chip.line_info_iter()?.collect::<Result<Vec<_>, _>>()?;
        Ok((label, lines))
    });
    match read {
        Ok((label, lines)) => {
            let line = |line: gpiocdev::line::Info| {
                // A consumer may have no name.
                let unnamed = line.used && line.consumer.is_empty();
                Line { name: line.name, user: if unnamed { "?".into() } else { line.consumer } }
            };
            Chip { path, label, lines: lines.into_iter().map(line).collect(), error: None, denied: false }
        }
        Err(error) => {
            let denied = std::fs::File::open(&path)
                .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
            Chip { path, label: String::new(), lines: Vec::new(), error: Some(error.to_string()), denied }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::machine;

    #[test]
    fn a_file_that_is_not_a_chip_is_listed_with_its_error() {
        let (_root, machine) = machine(&[("/dev/gpiochip0", ""), ("/dev/gpiomem", "")]);
        let chips = list(&machine);
        assert_eq!(chips.len(), 1);
        assert!(chips[0].error.is_some() && !chips[0].denied);
        let path = machine.path("/dev/gpiochip0");
        assert!(chips[0].is_called(&path.display().to_string()) && !chips[0].is_called("pinctrl-rp1"));
    }
}
