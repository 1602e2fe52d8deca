//! The state of an output: a change is logged once; `/metrics` and `/healthz` read it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::Counter;
use crate::StatusBoard;

/// The state of one output, written by it and read by others.
#[derive(Debug)]
pub struct Health {
    name: &'static str,
    /// Whether the last attempt succeeded.
    up: AtomicBool,
    /// The current problem.
    problem: Mutex<Option<String>>,
    /// Lists the problem for the other outputs.
    board: StatusBoard,
    /// Moods shown or published.
    pub published: Counter,
    /// Attempts to connect, for example to a broker.
    pub attempts: Counter,
    /// Successful attempts.
    pub connections: Counter,
    /// Failures since the start.
    pub errors: Counter,
    /// Bytes sent to a device on the wall, such as a display.
    pub bytes_sent: Counter,
}

impl Health {
    /// The state of the output `name` before its first success, without a shared board.
    pub fn new(name: &'static str) -> Self {
        Self::on_board(StatusBoard::default(), name)
    }

    /// As [`Health::new`]; problems are also listed on `board`.
    pub fn on_board(board: StatusBoard, name: &'static str) -> Self {
        Self {
            name,
            up: AtomicBool::new(false),
            problem: Mutex::new(None),
            board,
            published: Counter::default(),
            attempts: Counter::default(),
            connections: Counter::default(),
            errors: Counter::default(),
            bytes_sent: Counter::default(),
        }
    }

    /// The output's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the output works: connected, drawing, serving.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// The current problem as text; `None` if there is none.
    pub fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records a success. Logs it if the output had failed before.
    pub fn works(&self) {
        let was_up = self.up.swap(true, Ordering::Relaxed);
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.board.works(self.name);
        if !was_up && problem.is_some() {
            tracing::info!(output = self.name, "works again");
        }
    }

    /// Records and counts a failure. Logs `problem` only if it differs from the current one.
    pub fn failed(&self, problem: &str) {
        self.errors.increment();
        self.up.store(false, Ordering::Relaxed);
        let mut current = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_deref() != Some(problem) {
            tracing::warn!(output = self.name, problem, "does not work");
            *current = Some(problem.to_owned());
            self.board.fails(self.name, problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_listed_until_a_success_and_failures_are_counted() {
        let board = StatusBoard::default();
        let health = Health::on_board(board.clone(), "mqtt");
        assert!(!health.is_up());
        health.failed("no broker");
        health.failed("no broker");
        assert_eq!((health.errors.get(), health.problem().as_deref()), (2, Some("no broker")));
        assert_eq!(board.subscribe().borrow().problems["mqtt"], "no broker");
        health.works();
        assert!(health.is_up() && health.problem().is_none());
        assert!(board.subscribe().borrow().problems.is_empty());
    }
}
