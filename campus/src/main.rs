//! The `moodring-campus` command. Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration.

mod cli;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use moodring_config::ConfigError;

/// What runs beside the devices of a campus
#[derive(Debug, Parser)]
#[command(name = "moodring-campus", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write the messages of an MQTT broker into PostgreSQL, each once
    Ingest(cli::ingest::Arguments),
    /// Run devices with simulated classes against a real broker; the last line is their totals, as JSON
    Loadgen(cli::loadgen::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Ingest(arguments) => cli::ingest::run(arguments),
        Command::Loadgen(arguments) => cli::loadgen::run(&arguments),
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    // Without standard error there is still the exit code.
    let _ = writeln!(std::io::stderr(), "moodring-campus: {error:#}");
    ExitCode::from(if error.is::<ConfigError>() { 2 } else { 1 })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
