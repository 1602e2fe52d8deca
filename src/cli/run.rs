//! `moodring run`: the daemon.

use std::path::PathBuf;

use crate::config::Config;
use crate::{daemon, law};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file; `moodring check --print-defaults` writes one to start from
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.config)?;
    law::permit(&config)?;
    super::logging::start(&config.log.filter)?;
    daemon::run(&config, &daemon::Limits::default(), |_| ()).map(drop)
}
