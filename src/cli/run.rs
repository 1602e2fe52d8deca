//! `moodring run`: the daemon.

use std::path::PathBuf;

use tracing::info;

use super::BeginAnew;
use crate::config::Config;
use crate::overlay::Overlays;
use crate::{daemon, law};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file; `moodring check --print-defaults` writes one to start from
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let file = Config::load(&arguments.config)?;
    let overlays = Overlays::of(&file);
    let (config, laid) = overlays.as_ref().map_or_else(|| (file, Vec::new()), Overlays::configuration);
    law::permit(&config)?;
    super::logging::start(&config.log.filter)?;
    for overlay in laid {
        info!(overlay, "over the configuration");
    }
    let report = daemon::run(&config, &daemon::Limits { overlays, ..Default::default() }, |_| ())?;
    if report.begins_anew { Err(BeginAnew.into()) } else { Ok(()) }
}
