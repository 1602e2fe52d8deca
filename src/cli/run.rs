//! `moodring run`: the daemon.

use std::path::PathBuf;

use tracing::info;

use super::BeginAnew;
use crate::config::Config;
use crate::overlay::Overlays;
use crate::reload::{Manager, Reload};
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
    let filter = super::logging::start(&config.log.filter)?;
    for overlay in laid {
        info!(overlay, "over the configuration");
    }
    let reload = Reload {
        file: arguments.config,
        manager: Manager::here(),
        log: std::sync::Arc::new(move |wanted| filter.change(wanted)),
    };
    let limits = daemon::Limits { overlays, reload: Some(reload), ..Default::default() };
    let report = daemon::run(&config, &limits, |_| ())?;
    if report.begins_anew { Err(BeginAnew.into()) } else { Ok(()) }
}
