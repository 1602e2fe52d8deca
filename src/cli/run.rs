//! `moodring run`: the daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tracing::info;

use super::BeginAnew;
use super::logging::Filter;
use crate::config::{Config, layer_of};
use crate::daemon;
use crate::law::{self, Refusal};
use crate::outputs::web;
use crate::overlay::Overlays;
use crate::reload::{Manager, Reload};
use crate::setup::SetUp;
use crate::supervisor::{self, Stop};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file; `moodring check --print-defaults` writes one to start from
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where no purpose is declared yet, serve the set-up page on loopback, and nothing else, instead of refusing to start
    #[arg(long)]
    set_up: bool,
}

/// What the files say.
struct Found {
    config: Config,
    overlays: Option<Overlays>,
    /// What lies over the file, for the log.
    laid: Vec<String>,
}

fn find(file: &Path) -> anyhow::Result<Found> {
    let file = Config::load(file)?;
    let layer = layer_of(&file.storage);
    let overlays = Overlays::of(&file);
    let (config, mut laid) = overlays.as_ref().map_or_else(|| (file, Vec::new()), Overlays::configuration);
    if layer.exists() {
        laid.insert(0, format!("{}, set on the page", layer.display()));
    }
    Ok(Found { config, overlays, laid })
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut found = find(&arguments.config)?;
    let undeclared = matches!(law::permit(&found.config), Err(Refusal::Undeclared { .. }));
    if !(undeclared && arguments.set_up && found.config.web.enabled) {
        law::permit(&found.config)?;
    }
    let filter = super::logging::start(&found.config.log.filter)?;
    while matches!(law::permit(&found.config), Err(Refusal::Undeclared { .. })) {
        if !set_up(&arguments.config, found.config.web.listen.port())? {
            return Ok(());
        }
        if Manager::here() == Manager::StartsAnew {
            return Err(BeginAnew.into());
        }
        found = find(&arguments.config)?;
    }
    law::permit(&found.config)?;
    serve(arguments.config, found, filter)
}

fn serve(file: PathBuf, found: Found, filter: Filter) -> anyhow::Result<()> {
    let Found { config, overlays, laid } = found;
    for overlay in laid {
        info!(overlay, "over the configuration");
    }
    let log = Arc::new(move |wanted: &str| filter.change(wanted));
    let reload = Reload { file, manager: Manager::here(), log };
    let limits = daemon::Limits { overlays, reload: Some(reload), ..Default::default() };
    let report = daemon::run(&config, &limits, |_| ())?;
    if report.begins_anew { Err(BeginAnew.into()) } else { Ok(()) }
}

/// Serves the page for setting up until something was saved (true) or a signal ends it. No camera is opened, no network
/// is loaded.
fn set_up(file: &Path, port: u16) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no asynchronous runtime can be had from the system")?;
    let stop = Stop::default();
    let saved = runtime.block_on(async {
        tokio::spawn(supervisor::stop_on_signal(stop.clone()));
        let manager = tokio::spawn(supervisor::notify_service_manager(Vec::new(), stop.clone()));
        let saved = web::set_up(port, SetUp { file: file.to_owned() }, &stop).await;
        if stop.is_requested() || Manager::here() == Manager::StartsAnew {
            stop.request();
            let _ = manager.await;
        }
        saved
    });
    runtime.shutdown_timeout(std::time::Duration::ZERO);
    saved.with_context(|| {
        format!("the set-up page cannot be served at 127.0.0.1:{port}; free it or mend web.listen")
    })
}
