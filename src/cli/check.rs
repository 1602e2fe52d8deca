//! `moodring check`: is this configuration right?

use std::path::PathBuf;

use crate::config::{Config, annotated_defaults};

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Arguments {
    /// Configuration file to check: every fault is told, with line and column
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print a complete configuration file with every key explained
    #[arg(long)]
    print_defaults: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.config {
        Some(path) => {
            Config::load(path)?;
            println!("{}: ok", path.display());
        }
        None => print!("{}", annotated_defaults()),
    }
    Ok(())
}
