//! `moodring check`: reports the faults of a configuration file and of its calendar, or prints the defaults.

use std::path::PathBuf;

use crate::law::{self, Refusal};
use moodring_config::{Config, annotated_defaults};
use moodring_lessons::Timetable;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file to check: every fault is reported with line and column, also of its calendar
    #[arg(long, value_name = "FILE", required_unless_present = "print_defaults")]
    config: Option<PathBuf>,
    /// Check as strictly as `moodring run`: an undeclared purpose is a fault too
    #[arg(long, requires = "config")]
    run: bool,
    /// Print a complete configuration file with every key explained
    #[arg(long, conflicts_with = "config")]
    print_defaults: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.config {
        Some(path) => {
            let config = Config::load(path)?;
            for note in config.notes() {
                println!("{}: note: {note}", path.display());
            }
            if config.lessons.enabled {
                Timetable::check(&config.lessons, &config.clock.zone())?;
            }
            match law::permit(&config) {
                // `analyze`, `demo` and `bench` need no declaration, so the file may still be complete for its use.
                Err(refusal @ Refusal::Undeclared { .. }) if !arguments.run => {
                    println!("{}: ok, but `moodring run` will refuse it: {refusal}", path.display());
                }
                permitted => {
                    permitted?;
                    println!("{}: ok", path.display());
                }
            }
        }
        None => print!("{}", annotated_defaults()),
    }
    Ok(())
}
