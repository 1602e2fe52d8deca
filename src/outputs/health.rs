//! How an output is doing: told once when it changes, kept for `/metrics`, `/healthz` and the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::situation::Bulletin;
use crate::supervisor::Count;

/// The state of one output, written by it and read by others.
#[derive(Debug)]
pub struct Health {
    name: &'static str,
    /// Whether what was last tried worked.
    up: AtomicBool,
    /// What is wrong now.
    problem: Mutex<Option<String>>,
    /// Where a problem is shown.
    bulletin: Bulletin,
    /// Moods shown or told.
    pub published: Count,
    /// Attempts to reach a counterpart, such as a broker.
    pub attempts: Count,
    /// Those of them that it answered.
    pub connections: Count,
    /// Failures since the beginning.
    pub errors: Count,
    /// Bytes sent to a device on the wall.
    pub bytes_sent: Count,
}

impl Health {
    /// A new output called `name` that has not worked yet.
    pub fn new(name: &'static str) -> Self {
        Self::shown_on(Bulletin::default(), name)
    }

    /// The same, whose problems stand on `bulletin` too.
    pub(super) fn shown_on(bulletin: Bulletin, name: &'static str) -> Self {
        Self {
            name,
            up: AtomicBool::new(false),
            problem: Mutex::new(None),
            bulletin,
            published: Count::default(),
            attempts: Count::default(),
            connections: Count::default(),
            errors: Count::default(),
            bytes_sent: Count::default(),
        }
    }

    /// The output's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it works: connected, drawing, serving.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// What is wrong now, in words.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It works. Says so if it did not before.
    pub(super) fn works(&self) {
        let was_up = self.up.swap(true, Ordering::Relaxed);
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.bulletin.works(self.name);
        if !was_up && problem.is_some() {
            tracing::info!(output = self.name, "works again");
        }
    }

    /// It failed because of `problem`, which is told only when it is not the one told last.
    pub(super) fn failed(&self, problem: &str) {
        self.errors.increment();
        self.up.store(false, Ordering::Relaxed);
        let mut known = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() != Some(problem) {
            tracing::warn!(output = self.name, problem, "does not work");
            *known = Some(problem.to_owned());
            self.bulletin.fails(self.name, problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_kept_until_it_is_over_and_failures_are_counted() {
        let bulletin = Bulletin::default();
        let health = Health::shown_on(bulletin.clone(), "mqtt");
        assert!(!health.is_up());
        health.failed("no broker");
        health.failed("no broker");
        assert_eq!((health.errors.get(), health.problem().as_deref()), (2, Some("no broker")));
        assert_eq!(bulletin.subscribe().borrow().troubles["mqtt"], "no broker");
        health.works();
        assert!(health.is_up() && health.problem().is_none());
        assert!(bulletin.subscribe().borrow().troubles.is_empty());
    }
}
