//! Keeps the parts running together: one signal to stop them all, seen by threads and tasks alike.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// The request to stop. Clones share it.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    requested: Mutex<bool>,
    changed: Condvar,
    tasks: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        let tasks = watch::Sender::new(false);
        Self(Arc::new(Inner { requested: Mutex::new(false), changed: Condvar::new(), tasks }))
    }
}

impl Stop {
    /// Asks everybody to stop, at once and for good.
    pub fn request(&self) {
        *self.0.requested.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
        self.0.tasks.send_replace(true);
    }

    /// Whether the request was made.
    pub fn is_requested(&self) -> bool {
        *self.0.requested.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks a thread until the request is made, at most for `timeout`; true if it was made.
    pub fn wait(&self, timeout: Duration) -> bool {
        let requested = self.0.requested.lock().unwrap_or_else(PoisonError::into_inner);
        let (requested, _) = self
            .0
            .changed
            .wait_timeout_while(requested, timeout, |requested| !*requested)
            .unwrap_or_else(PoisonError::into_inner);
        *requested
    }

    /// Completes when the request is made.
    pub async fn requested(&self) {
        // The sender lives as long as self, so waiting cannot fail.
        let _ = self.0.tasks.subscribe().wait_for(|requested| *requested).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_thread_and_a_waiting_task_are_both_woken() {
        let stop = Stop::default();
        assert!(!stop.wait(Duration::from_millis(1)));
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || stop.wait(Duration::from_secs(60))
        });
        stop.request();
        assert!(thread.join().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(stop.requested());
        assert!(stop.is_requested());
    }
}
