//! The subcommands, one a file. They alone write to standard output.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line speaks to its user")]

mod aim;
mod analyze;
mod annotate;
mod bench;
#[cfg(feature = "campus")]
mod campus;
mod check;
mod demo;
mod doctor;
mod fleet;
mod lessons;
mod light_off;
mod logging;
mod mqtt;
mod notice;
mod overlay;
mod package;
mod pair;
mod probe_delegate;
mod run;
mod usual;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::ConfigError;
use crate::law::Refusal;

/// Estimates how a class as a whole is doing, on the spot, and tells the teacher at a glance.
///
/// Heads and visible faces are found in the pictures of a camera, expressions are read, and what leaves the
/// program are aggregates over at least five people: never a picture, never a person. The figures are
/// estimates of expressions, not of feelings.
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

Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration, 75 (run) to be started anew";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon with a configuration file
    Run(run::Arguments),
    /// Run a simulated class through the real models, with everything that shows it, on loopback only
    Demo(demo::Arguments),
    /// Read pictures, folders and clips: people, faces, expressions and the mood of each picture
    Analyze(analyze::Arguments),
    /// Report every fault of a configuration file, or print a commented file to start from
    Check(check::Arguments),
    /// Say what works on this machine, what does not, and how to mend it
    Doctor(doctor::Arguments),
    /// Measure the time of each stage from picture to mood
    Bench(bench::Arguments),
    /// List, show, export and delete the lessons that were recorded
    Lessons(lessons::Arguments),
    /// Print the notice for the classroom door, or the data sheet for the privacy officer, as a page
    Notice(notice::Arguments),
    /// Show or forget what is usual in the room
    #[command(subcommand)]
    Usual(usual::Arguments),
    /// Let the page of the running device show what the camera sees, for ten minutes, to aim it
    Aim(aim::Arguments),
    /// Print a code with which a phone can be paired with the running device
    Pair(pair::Arguments),
    /// Show this device's name at the broker, or delete what the broker keeps of it
    #[command(subcommand)]
    Mqtt(mqtt::Arguments),
    /// Make settings for many devices: keys, and signed overlays of the configuration
    #[command(subcommand)]
    Overlay(overlay::Arguments),
    /// Simulate many devices, to try a broker with
    #[command(subcommand)]
    Fleet(fleet::Arguments),
    /// What a campus runs beside its devices
    #[cfg(feature = "campus")]
    #[command(subcommand)]
    Campus(campus::Arguments),
    /// Try a delegate in a process of its own, as asked on standard input
    #[command(hide = true)]
    ProbeDelegate,
    /// Put the camera light out after the service has ended in whatever way (for ExecStopPost)
    LightOff(light_off::Arguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell that shall complete moodring's arguments
        shell: clap_complete::Shell,
    },
    /// Write what a package ships beside the program: manual pages, completions, an example of the configuration
    #[command(hide = true)]
    PackageFiles(package::Arguments),
}

/// Configuration of the commands that need only parts of one.
#[derive(Debug, clap::Args)]
struct OptionalConfig {
    /// Configuration file; without it the defaults hold
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

impl OptionalConfig {
    fn load(&self) -> Result<crate::config::Config, ConfigError> {
        self.config.as_deref().map_or_else(|| Ok(Default::default()), crate::config::Config::load)
    }
}

impl Cli {
    /// Carries the command out and returns the exit code.
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
            Command::Usual(arguments) => usual::run(&arguments),
            Command::Aim(arguments) => aim::run(&arguments),
            Command::Pair(arguments) => pair::run(&arguments),
            Command::Mqtt(arguments) => mqtt::run(&arguments),
            Command::Overlay(arguments) => overlay::run(&arguments),
            Command::Fleet(arguments) => fleet::run(&arguments),
            #[cfg(feature = "campus")]
            Command::Campus(arguments) => campus::run(arguments),
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
                if error.is::<BeginAnew>() {
                    return ExitCode::from(BEGIN_ANEW);
                }
                if !error.is::<AlreadyTold>() {
                    eprintln!("moodring: {error:#}");
                }
                let usage = error.is::<ConfigError>() || error.is::<Refusal>();
                ExitCode::from(if usage { 2 } else { 1 })
            }
        }
    }
}

/// Exit code that asks the service manager for another start: EX_TEMPFAIL of sysexits.h.
const BEGIN_ANEW: u8 = 75;

/// The daemon ended in order, to begin anew with another configuration.
#[derive(Debug, thiserror::Error)]
#[error("begins anew")]
struct BeginAnew;

/// The command failed, and what failed was told while it went on.
#[derive(Debug, thiserror::Error)]
#[error("failed as told above")]
struct AlreadyTold;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
