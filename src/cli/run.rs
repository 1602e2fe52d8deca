//! `moodring run`: loads the configuration and runs the daemon, or the set-up page while no purpose is declared.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::watch;
use tracing::{info, warn};

use super::Restart;
use crate::daemon;
use crate::law::{self, Refusal};
use crate::overlay::Overlays;
use crate::reload::{Reload, ServiceManager};
use crate::setup::{self, OnSaved, SetupFiles};
use moodring_config::{Config, setup_file_path};
use moodring_runtime::logging::Filter;
use moodring_runtime::{Stop, Supervisor, stop_on_signal, watchdog};
use moodring_web as web;

/// Time in which all parts of the set-up page must stop.
const STOP_TIMEOUT: Duration = Duration::from_millis(900);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Configuration file; `moodring check --print-defaults` prints one with all defaults
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// If no purpose is declared yet, serve only the set-up page, on loopback, instead of refusing to start
    #[arg(long)]
    set_up: bool,
}

/// The configuration with all layers applied.
struct LoadedConfig {
    config: Config,
    overlays: Option<Overlays>,
    /// Names of the layers over the file, for the log.
    layers: Vec<String>,
    /// What people must be told about damaged files.
    reports: Vec<String>,
}

impl LoadedConfig {
    fn log(&self) {
        for layer in &self.layers {
            info!(layer, "configuration layer applied");
        }
        for note in self.config.notes() {
            warn!(note, "configuration");
        }
        for report in &self.reports {
            warn!(report, "stored file");
        }
    }
}

fn load(file: &Path) -> anyhow::Result<LoadedConfig> {
    let (file, reports) = setup::recover(file)?;
    let setup_file = setup_file_path(&file.storage);
    let overlays = Overlays::from_config(&file);
    let (config, mut layers) = overlays.as_ref().map_or_else(|| (file, Vec::new()), Overlays::configuration);
    if setup_file.exists() {
        layers.insert(0, format!("{}, saved on the page", setup_file.display()));
    }
    Ok(LoadedConfig { config, overlays, layers, reports })
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let mut loaded = load(&arguments.config)?;
    let undeclared = matches!(law::permit(&loaded.config), Err(Refusal::Undeclared { .. }));
    if !(undeclared && arguments.set_up && loaded.config.web.enabled) {
        law::permit(&loaded.config)?;
    }
    let filter = moodring_runtime::logging::start(&loaded.config.log.filter)?;
    loaded.log();
    while matches!(law::permit(&loaded.config), Err(Refusal::Undeclared { .. })) {
        if !set_up(&arguments.config, loaded.config.web.listen.port())? {
            return Ok(());
        }
        if ServiceManager::detect() == ServiceManager::Systemd {
            return Err(Restart.into());
        }
        loaded = load(&arguments.config)?;
        loaded.log();
    }
    law::permit(&loaded.config)?;
    serve(arguments.config, loaded, filter)
}

fn serve(file: PathBuf, loaded: LoadedConfig, filter: Filter) -> anyhow::Result<()> {
    let LoadedConfig { config, overlays, reports, .. } = loaded;
    let log = Arc::new(move |new: &str| filter.change(new));
    let reload = Reload { file, manager: ServiceManager::detect(), log };
    let options = daemon::Options { overlays, reload: Some(reload), reports, ..Default::default() };
    let report = daemon::run(&config, &options, |_| ())?;
    if report.restart { Err(Restart.into()) } else { Ok(()) }
}

/// Serves the set-up page until a configuration is saved (returns true) or a signal arrives (false). Opens no camera
/// and loads no network.
fn set_up(file: &Path, port: u16) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot create the asynchronous runtime")?;
    let saved = runtime.block_on(async {
        let supervisor = Supervisor::new(Stop::default());
        let stop = supervisor.stop().clone();
        supervisor.task("signals", stop_on_signal(stop.clone()));
        let (service, requests) = web::setup::SetupService::channel();
        let (sender, is_saved) = watch::channel(false);
        let files = SetupFiles { file: file.to_owned() };
        supervisor.task("setup", setup::serve(files, OnSaved::Start(sender), requests, stop.clone()));
        watchdog::start(&supervisor)?;
        let saved = web::set_up(port, service, is_saved, &stop).await;
        supervisor.join(STOP_TIMEOUT).await?;
        saved.with_context(|| {
            format!(
                "the set-up page cannot be served at 127.0.0.1:{port}; free the port or change web.listen"
            )
        })
    });
    runtime.shutdown_timeout(Duration::ZERO);
    saved
}
