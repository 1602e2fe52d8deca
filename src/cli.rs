//! The subcommands, one per file. Only these modules write to standard output.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "commands print to the terminal")]

mod aim;
mod analyze;
mod annotate;
mod baseline;
mod bench;
mod check;
mod demo;
mod doctor;
mod lessons;
mod light_off;
mod mqtt;
mod notice;
mod overlay;
mod package;
mod pair;
mod probe_delegate;
mod run;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::law::Refusal;
use moodring_config::ConfigError;
use moodring_lessons::TimetableError;

/// Estimates the mood of a class as a whole, on the device, and shows it to the teacher.
///
/// The program finds heads and visible faces in the pictures of a camera and reads their expressions. Only
/// aggregates over at least five people leave the program: never a picture, never data about a single person.
/// The results are estimates of expressions, not of feelings.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  moodring demo                          a simulated class of 30, its page on http://127.0.0.1:8080
  moodring analyze class.jpg --annotate out
  moodring check --print-defaults > moodring.toml
  moodring run --config moodring.toml
  moodring lessons export last --config moodring.toml --output lesson.html
  moodring notice --config moodring.toml > notice.html

Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration, 75 restart requested (run only)";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon with a configuration file
    Run(run::Arguments),
    /// Run a simulated class through the real networks, with page and broker on loopback only
    Demo(demo::Arguments),
    /// Analyze pictures, folders and clips: people, faces, expressions and the mood of each picture
    Analyze(analyze::Arguments),
    /// Report every fault of a configuration file, or print a commented file with all defaults
    Check(check::Arguments),
    /// Report what works on this machine, what does not, and how to fix it
    Doctor(doctor::Arguments),
    /// Measure the time of each stage from picture to mood
    Bench(bench::Arguments),
    /// List, show, export and delete recorded lessons
    Lessons(lessons::Arguments),
    /// Print the notice for the classroom door, or the data sheet for the privacy officer, as an HTML page
    Notice(notice::Arguments),
    /// Show or delete the baseline of the room
    #[command(subcommand)]
    Baseline(baseline::Arguments),
    /// Start the camera preview on the page of the running device for ten minutes, to aim the camera
    Aim(aim::Arguments),
    /// Print a code that pairs a phone with the running device
    Pair(pair::Arguments),
    /// Print this device's name at the broker, or delete its retained messages from the broker
    #[command(subcommand)]
    Mqtt(mqtt::Arguments),
    /// Create a signing key, or sign a configuration overlay for one or many devices
    #[command(subcommand)]
    Overlay(overlay::Arguments),
    /// Test a delegate in this process; the request is read from standard input
    #[command(hide = true)]
    ProbeDelegate,
    /// Switch the camera light off after the service has ended (for ExecStopPost)
    LightOff(light_off::Arguments),
    /// Print a shell completion script
    Completions {
        /// Shell that completes moodring's arguments
        shell: clap_complete::Shell,
    },
    /// Write the files that a package adds to the program: manual pages, completions, an example configuration
    #[command(hide = true)]
    PackageFiles(package::Arguments),
}

/// Option of the commands that also work without a configuration file.
#[derive(Debug, clap::Args)]
struct OptionalConfig {
    /// Configuration file; without it the defaults apply
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

impl OptionalConfig {
    fn load(&self) -> Result<moodring_config::Config, ConfigError> {
        self.config.as_deref().map_or_else(|| Ok(Default::default()), moodring_config::Config::load)
    }
}

impl Cli {
    /// Runs the command and returns the exit code.
    pub fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Run(arguments) => run::run(arguments),
            Command::Demo(arguments) => demo::run(&arguments),
            Command::Analyze(arguments) => analyze::run(&arguments),
            Command::Check(arguments) => check::run(&arguments),
            Command::Doctor(arguments) => doctor::run(&arguments),
            Command::Bench(arguments) => bench::run(&arguments),
            Command::Lessons(arguments) => lessons::run(&arguments),
            Command::Notice(arguments) => notice::run(&arguments),
            Command::Baseline(arguments) => baseline::run(&arguments),
            Command::Aim(arguments) => aim::run(&arguments),
            Command::Pair(arguments) => pair::run(&arguments),
            Command::Mqtt(arguments) => mqtt::run(&arguments),
            Command::Overlay(arguments) => overlay::run(&arguments),
            Command::ProbeDelegate => probe_delegate::run(),
            Command::LightOff(arguments) => light_off::run(&arguments),
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Self::command(), "moodring", &mut std::io::stdout());
                Ok(())
            }
            Command::PackageFiles(arguments) => package::run(&arguments),
        };
        let _ = std::io::stdout().flush();
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                if error.is::<Restart>() {
                    return ExitCode::from(EXIT_RESTART);
                }
                if !error.is::<AlreadyReported>() {
                    eprintln!("moodring: {error:#}");
                }
                let usage =
                    error.is::<ConfigError>() || error.is::<Refusal>() || error.is::<TimetableError>();
                ExitCode::from(if usage { 2 } else { 1 })
            }
        }
    }
}

/// Exit code that requests a restart from the service manager: EX_TEMPFAIL of sysexits.h.
const EXIT_RESTART: u8 = 75;

/// The daemon stopped and must be restarted with another configuration.
#[derive(Debug, thiserror::Error)]
#[error("restart requested")]
struct Restart;

/// The command failed and has already printed the reasons.
#[derive(Debug, thiserror::Error)]
#[error("failed as reported above")]
struct AlreadyReported;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }
}
