//! The subcommands: arguments to parts, and the totals at the end.

pub(crate) mod ingest;
pub(crate) mod loadgen;

use std::time::Duration;

use anyhow::Context;
use moodring_runtime::{Stop, stop_on_signal};

/// A runtime on this thread: the work waits for the network.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")
}

/// Runs `work` to its end. The stop is requested on SIGTERM, on SIGINT and after `run_for`.
///
/// # Errors
/// Signals cannot be received.
async fn until_stopped<T>(
    work: impl Future<Output = T>,
    stop: &Stop,
    run_for: Option<Duration>,
) -> anyhow::Result<T> {
    let end = async {
        if let Some(run_for) = run_for {
            tokio::time::sleep(run_for).await;
            stop.request();
        }
        std::future::pending::<()>().await;
    };
    let signals = async {
        match stop_on_signal(stop.clone()).await {
            // The work ends in order.
            Ok(()) => std::future::pending().await,
            Err(error) => error,
        }
    };
    tokio::select! {
        done = work => Ok(done),
        error = signals => Err(error),
        () = end => Err(anyhow::anyhow!("ended without a result")),
    }
}
