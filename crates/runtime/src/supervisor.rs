//! Supervises the parts of the device: named threads and tasks, and one request that stops them all.
//!
//! When a part that must run ends, by return, error or panic, all others are stopped, and the service manager
//! restarts the device: that is better than a device without one of its parts. Parts that may end are started as
//! such.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::watch;
use tracing::{Instrument, error, info_span, warn};

/// The request to stop. Clones share it.
#[derive(Debug, Clone)]
pub struct Stop(Arc<StopInner>);

#[derive(Debug)]
struct StopInner {
    requested: Mutex<bool>,
    changed: Condvar,
    tasks: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        let tasks = watch::Sender::new(false);
        Self(Arc::new(StopInner { requested: Mutex::new(false), changed: Condvar::new(), tasks }))
    }
}

impl Stop {
    /// Requests that every part stops. It cannot be revoked.
    pub fn request(&self) {
        *self.0.requested.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
        self.0.tasks.send_replace(true);
    }

    /// Whether the stop was requested.
    pub fn is_requested(&self) -> bool {
        *self.0.requested.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks the thread until the stop is requested, at most for `timeout`. Returns whether it was requested.
    pub fn wait(&self, timeout: Duration) -> bool {
        let requested = self.0.requested.lock().unwrap_or_else(PoisonError::into_inner);
        let (requested, _) = self
            .0
            .changed
            .wait_timeout_while(requested, timeout, |requested| !*requested)
            .unwrap_or_else(PoisonError::into_inner);
        *requested
    }

    /// Completes when the stop is requested.
    pub async fn requested(&self) {
        // The sender lives as long as self, so waiting cannot fail.
        let _ = self.0.tasks.subscribe().wait_for(|requested| *requested).await;
    }
}

/// Progress counter of a part, checked by the watchdog. A part beats it at each progress and after each planned wait.
#[derive(Debug, Clone, Default)]
pub struct Heartbeat {
    beats: Arc<AtomicU64>,
    /// See [`Supervisor::with_injected_panic`].
    panics: bool,
}

impl Heartbeat {
    /// Reports progress.
    pub fn beat(&self) {
        let beats = self.beats.fetch_add(1, Ordering::Relaxed);
        assert!(!self.panics || beats < HEALTHY_BEATS, "injected by camera.simulator.panic_in");
    }

    pub(crate) fn count(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }
}

/// An injected panic occurs after this many beats of a thread, or this long after the start of a task: the device
/// runs then.
const HEALTHY_BEATS: u64 = 3;
const HEALTHY_FOR: Duration = Duration::from_secs(1);

/// Whether a part may end while the device runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Its end before a requested stop is a failure and stops the device.
    MustRun,
    /// It may end at any time; only a panic stops the device.
    MayEnd,
}

/// Starts parts and observes their ends. Clones share it, so that a part can start other parts.
#[derive(Debug, Clone)]
pub struct Supervisor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stop: Stop,
    parts: Mutex<Parts>,
    /// Number of running parts.
    running: watch::Sender<usize>,
    /// See [`Supervisor::with_injected_panic`].
    panic_in: String,
}

#[derive(Debug, Default)]
struct Parts {
    running: Vec<&'static str>,
    failure: Option<anyhow::Error>,
    heartbeats: Vec<(&'static str, Heartbeat)>,
}

impl Supervisor {
    /// A supervisor without parts; its parts stop when `stop` is requested.
    pub fn new(stop: Stop) -> Self {
        Self::build(stop, String::new())
    }

    /// A new supervisor with the same stop, in which the part `part` panics once the device runs. For tests of
    /// supervision.
    #[must_use]
    pub fn with_injected_panic(self, part: String) -> Self {
        Self::build(self.0.stop.clone(), part)
    }

    fn build(stop: Stop, panic_in: String) -> Self {
        let (parts, running) = (Mutex::default(), watch::Sender::new(0));
        Self(Arc::new(Inner { stop, parts, running, panic_in }))
    }

    /// The request that stops all parts.
    pub fn stop(&self) -> &Stop {
        &self.0.stop
    }

    /// Starts the thread `name`, which must run until the stop and beat its [`Heartbeat`].
    ///
    /// # Errors
    /// The operating system cannot create the thread.
    pub fn thread(
        &self,
        name: &'static str,
        work: impl FnOnce(&Heartbeat, &Stop) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let (supervisor, heartbeat) = (self.clone(), self.heartbeat(name));
        self.started(name);
        let body = move || {
            let _span = info_span!("part", name).entered();
            let stop = supervisor.0.stop.clone();
            let result = catch_unwind(AssertUnwindSafe(|| work(&heartbeat, &stop)));
            supervisor.ended(name, Role::MustRun, result.unwrap_or_else(|_| Err(panicked())));
        };
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        if started.is_err() {
            self.ended(name, Role::MayEnd, Ok(()));
        }
        started.map(drop).with_context(|| format!("cannot start the thread {name}"))
    }

    /// Starts the task `name`, which must run until the stop.
    pub fn task(&self, name: &'static str, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.spawn(name, Role::MustRun, task);
    }

    /// Starts the task `name`, which may end at any time; only its panic stops the device.
    pub fn task_that_may_end(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(name, Role::MayEnd, async move {
            task.await;
            Ok(())
        });
    }

    /// Adds a heartbeat that the watchdog checks, and names `name` if it stalls.
    pub fn heartbeat(&self, name: &'static str) -> Heartbeat {
        let heartbeat = Heartbeat { panics: name == self.0.panic_in, ..Heartbeat::default() };
        self.lock().heartbeats.push((name, heartbeat.clone()));
        heartbeat
    }

    /// All heartbeats added so far, with the names of their parts.
    pub fn heartbeats(&self) -> Vec<(&'static str, Heartbeat)> {
        self.lock().heartbeats.clone()
    }

    /// Requests the stop and waits for all parts, at most for `timeout`; a part that hangs is left behind.
    ///
    /// # Errors
    /// The first failure of a part, with its name.
    pub async fn join(&self, timeout: Duration) -> anyhow::Result<()> {
        self.0.stop.request();
        let mut running = self.0.running.subscribe();
        let all_ended = running.wait_for(|running| *running == 0);
        if tokio::time::timeout(timeout, all_ended).await.is_err() {
            warn!(parts = ?self.lock().running, "did not stop in time and are left behind");
        }
        self.lock().failure.take().map_or(Ok(()), Err)
    }

    fn spawn(
        &self,
        name: &'static str,
        role: Role,
        task: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.started(name);
        let supervisor = self.clone();
        let panics = name == self.0.panic_in;
        let task = async move {
            tokio::select! {
                result = task => result,
                () = tokio::time::sleep(HEALTHY_FOR), if panics => {
                    panic!("injected by camera.simulator.panic_in")
                }
            }
        };
        let task = tokio::spawn(task.instrument(info_span!("part", name)));
        tokio::spawn(async move {
            let result = task.await.unwrap_or_else(|_| Err(panicked()));
            supervisor.ended(name, role, result);
        });
    }

    fn started(&self, name: &'static str) {
        tracing::debug!(part = name, "part started");
        self.lock().running.push(name);
        self.0.running.send_modify(|running| *running += 1);
    }

    fn ended(&self, name: &'static str, role: Role, result: anyhow::Result<()>) {
        let too_soon = role == Role::MustRun && !self.0.stop.is_requested();
        let result = match result {
            Ok(()) if too_soon => Err(anyhow!("ended although it must run")),
            result => result,
        };
        if let Err(failure) = result {
            let failure = failure.context(format!("{name} failed"));
            error!(part = name, "{failure:#}");
            let mut parts = self.lock();
            // The first failure is the cause; later ones are often its consequence.
            parts.failure.get_or_insert(failure);
            drop(parts);
            self.0.stop.request();
        }
        let mut parts = self.lock();
        if let Some(index) = parts.running.iter().position(|running| *running == name) {
            parts.running.swap_remove(index);
        }
        drop(parts);
        self.0.running.send_modify(|running| *running -= 1);
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn panicked() -> anyhow::Error {
    anyhow!("panicked; the message is on standard error")
}

/// Requests the stop on SIGTERM or SIGINT, and returns when the stop is requested. From then on a signal exits the
/// process immediately.
///
/// # Errors
/// The signal handlers cannot be installed.
pub async fn stop_on_signal(stop: Stop) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut next = async move || {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    };
    tokio::select! {
        name = next() => {
            tracing::info!(signal = name, "stopping");
            stop.request();
        }
        () = stop.requested() => {}
    }
    // No part, because it waits until the process ends.
    tokio::spawn(async move {
        let name = next().await;
        warn!(signal = name, "signal during the stop: exiting immediately");
        std::process::exit(1);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_waiting_thread_and_a_waiting_task_are_both_woken() {
        let stop = Stop::default();
        assert!(!stop.wait(Duration::from_millis(1)));
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || stop.wait(LONG)
        });
        stop.request();
        assert!(thread.join().unwrap());
        stop.requested().await;
        assert!(stop.is_requested());
    }

    #[tokio::test]
    async fn the_first_failure_stops_the_others_and_is_reported() {
        let supervisor = Supervisor::new(Stop::default());
        supervisor
            .thread("patient", |_, stop| {
                stop.wait(LONG);
                Ok(())
            })
            .unwrap();
        let stop = supervisor.stop().clone();
        supervisor.task("waiting", async move {
            stop.requested().await;
            Ok(())
        });
        supervisor.thread("hasty", |_, _| Err(anyhow!("no camera"))).unwrap();
        supervisor.stop().requested().await;
        let error = supervisor.join(LONG).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "hasty failed: no camera");
    }

    #[tokio::test]
    async fn a_panic_of_any_part_stops_the_device() {
        type Start = fn(&Supervisor);
        let starts: [Start; 3] = [
            |supervisor| supervisor.thread("clumsy", |_, _| panic!("expected in this test")).unwrap(),
            |supervisor| supervisor.task("clumsy", async { panic!("expected in this test") }),
            |supervisor| supervisor.task_that_may_end("clumsy", async { panic!("expected in this test") }),
        ];
        for start in starts {
            let supervisor = Supervisor::new(Stop::default());
            start(&supervisor);
            supervisor.stop().requested().await;
            let error = supervisor.join(LONG).await.unwrap_err();
            assert!(format!("{error:#}").starts_with("clumsy failed: panicked"), "{error:#}");
        }
    }

    #[tokio::test]
    async fn the_end_of_a_part_is_a_failure_only_if_it_must_run() {
        let supervisor = Supervisor::new(Stop::default());
        supervisor.task_that_may_end("short", async {});
        tokio::task::yield_now().await;
        assert!(!supervisor.stop().is_requested());
        supervisor.task("endless", async { Ok(()) });
        supervisor.stop().requested().await;
        let error = supervisor.join(LONG).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "endless failed: ended although it must run");
    }

    #[tokio::test]
    async fn a_part_that_hangs_is_left_behind() {
        let supervisor = Supervisor::new(Stop::default());
        supervisor.task("deaf", std::future::pending());
        supervisor.join(Duration::from_millis(1)).await.unwrap();
    }
}
