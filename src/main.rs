//! The `moodring` command. Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration, 75 restart requested.

use std::process::ExitCode;

use clap::Parser;
use moodring::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
