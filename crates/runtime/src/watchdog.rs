//! Reports to the service manager that the device is ready and alive: `Heartbeat of every part ──▶ sd_notify(3)`.
//!
//! The watchdog has its own thread, so that it works, and can name the asynchronous runtime, when the runtime hangs.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tracing::error;

use crate::{Heartbeat, Stop, Supervisor};

/// Interval of the heartbeat of the asynchronous runtime.
const RUNTIME_BEATS_EVERY: Duration = Duration::from_secs(1);
/// Interval at which the watchdog wakes up.
const WAKE_EVERY: Duration = Duration::from_millis(250);

/// Starts the watchdog for all heartbeats that `supervisor` has now, and reports that the device is ready. Heartbeats
/// added later are not checked.
///
/// # Errors
/// The operating system cannot create the thread.
pub fn start(supervisor: &Supervisor) -> anyhow::Result<()> {
    let (heartbeat, stop) = (supervisor.heartbeat("runtime"), supervisor.stop().clone());
    supervisor.task("runtime", async move {
        let mut beats = tokio::time::interval(RUNTIME_BEATS_EVERY);
        loop {
            tokio::select! {
                () = stop.requested() => return Ok(()),
                _ = beats.tick() => heartbeat.beat(),
            }
        }
    });
    let heartbeats = supervisor.heartbeats();
    supervisor.thread("watchdog", move |heartbeat, stop| {
        feed(heartbeats, sd_notify::watchdog_enabled(), heartbeat, stop);
        Ok(())
    })
}

/// Reports readiness, then progress twice per `limit` as long as every part makes progress, then the stop. Does nothing
/// without a service manager.
fn feed(
    heartbeats: Vec<(&'static str, Heartbeat)>,
    limit: Option<Duration>,
    own_heartbeat: &Heartbeat,
    stop: &Stop,
) {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let mut check = ProgressCheck::new(heartbeats);
    let mut checked_at = Instant::now();
    while !stop.wait(WAKE_EVERY) {
        own_heartbeat.beat();
        let Some(limit) = limit.filter(|limit| checked_at.elapsed() >= *limit / 2) else { continue };
        checked_at = Instant::now();
        let stalled = check.stalled();
        if stalled.is_empty() {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        } else {
            error!(?stalled, ?limit, "no progress: the watchdog is not fed");
        }
    }
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

/// Checks whether every part made progress since the last check.
#[derive(Debug)]
struct ProgressCheck {
    heartbeats: Vec<(&'static str, Heartbeat)>,
    seen: Vec<u64>,
}

impl ProgressCheck {
    fn new(heartbeats: Vec<(&'static str, Heartbeat)>) -> Self {
        let seen = heartbeats.iter().map(|(_, heartbeat)| heartbeat.count()).collect();
        Self { heartbeats, seen }
    }

    /// Names of the parts without a beat since the last call.
    fn stalled(&mut self) -> Vec<&'static str> {
        let mut stalled = Vec::new();
        for ((name, heartbeat), seen) in self.heartbeats.iter().zip(&mut self.seen) {
            let count = heartbeat.count();
            if count == *seen {
                stalled.push(*name);
            }
            *seen = count;
        }
        stalled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_without_progress_is_reported_as_stalled() {
        let (alive, hung) = (Heartbeat::default(), Heartbeat::default());
        let mut check = ProgressCheck::new(vec![("alive", alive.clone()), ("hung", hung.clone())]);
        alive.beat();
        hung.beat();
        assert!(check.stalled().is_empty());
        alive.beat();
        assert_eq!(check.stalled(), ["hung"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_runtime_has_a_heartbeat_and_the_watchdog_too() {
        let supervisor = Supervisor::new(Stop::default());
        start(&supervisor).unwrap();
        let names: Vec<_> = supervisor.heartbeats().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["runtime", "watchdog"]);
        let runtime = supervisor.heartbeats().remove(0).1;
        let before = runtime.count();
        tokio::time::sleep(RUNTIME_BEATS_EVERY * 3).await;
        assert!(runtime.count() >= before + 2);
        supervisor.join(Duration::from_secs(60)).await.unwrap();
    }
}
