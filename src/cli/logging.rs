//! Where the log goes: to the journal when a service manager reads it, else to standard error.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Variable that overrides the configured filter.
const VARIABLE: &str = "MOODRING_LOG";

/// Starts logging with `filter` unless MOODRING_LOG says otherwise.
///
/// # Errors
/// MOODRING_LOG is no filter.
pub(super) fn start(filter: &str) -> anyhow::Result<()> {
    let filter = std::env::var(VARIABLE).unwrap_or_else(|_| filter.to_owned());
    let filter = format!("{},{filter}", crate::outputs::broker::LOG_DIRECTIVE);
    let filter = EnvFilter::try_new(&filter)
        .with_context(|| format!("{VARIABLE}={filter:?} is no filter; try {VARIABLE}=debug"))?;
    let registry = tracing_subscriber::registry().with(filter);
    // systemd sets JOURNAL_STREAM when standard error is connected to the journal.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    match journal {
        Some(journal) => registry.with(journal).try_init(),
        None => {
            let layer = tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false);
            registry.with(layer).try_init()
        }
    }
    .context("logging was started twice")
}
