//! The state of an output: a change is logged once; `/metrics` and `/healthz` read it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Counter, StatusBoard, Throttle};

/// A fault of one kind is logged at most this often, however often the output recovers in between.
const LOG_EVERY: Duration = Duration::from_secs(600);
/// Maximum number of kinds of faults whose last log line is remembered; the oldest are forgotten.
const MAX_KINDS: usize = 16;

/// The state of one output, written by it and read by others.
#[derive(Debug)]
pub struct Health {
    name: &'static str,
    /// Whether the last attempt succeeded.
    up: AtomicBool,
    faults: Mutex<Faults>,
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

/// The current problem, and what was logged.
#[derive(Debug, Default)]
struct Faults {
    problem: Option<String>,
    /// The kind of the current problem.
    kind: String,
    /// Whether the current problem was logged, so that its end is logged too.
    is_logged: bool,
    /// The kinds that were logged.
    logged: Vec<(String, Throttle)>,
}

impl Faults {
    /// A fault of `kind` has occurred at `now`. Returns the number of faults since the last log line if it is to be
    /// logged.
    fn occurs(&mut self, kind: &str, now: Instant) -> Option<u64> {
        let is_new = self.problem.is_none() || self.kind != kind;
        kind.clone_into(&mut self.kind);
        let due = match self.logged.iter_mut().find(|(logged, _)| logged == kind) {
            Some((_, throttle)) if is_new => throttle.admit(now),
            Some((_, throttle)) => {
                throttle.suppress();
                None
            }
            None => {
                self.logged.drain(..(self.logged.len() + 1).saturating_sub(MAX_KINDS));
                let mut throttle = Throttle::new(LOG_EVERY);
                let due = throttle.admit(now);
                self.logged.push((kind.to_owned(), throttle));
                due
            }
        };
        self.is_logged |= due.is_some();
        due
    }
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
            faults: Mutex::default(),
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
        self.lock().problem.clone()
    }

    /// Records a success. Logs it if a failure before it was logged.
    pub fn works(&self) {
        self.up.store(true, Ordering::Relaxed);
        let mut faults = self.lock();
        faults.problem = None;
        self.board.works(self.name);
        if std::mem::take(&mut faults.is_logged) {
            tracing::info!(output = self.name, "works again");
        }
    }

    /// Records and counts a failure. Logs `problem` if it differs from the current one.
    pub fn failed(&self, problem: &str) {
        self.failed_as(problem, problem);
    }

    /// As [`Health::failed`]; a problem of the same `kind` as the current one is not logged, whatever its text.
    pub fn failed_as(&self, kind: &str, problem: &str) {
        self.errors.increment();
        self.up.store(false, Ordering::Relaxed);
        let mut faults = self.lock();
        if let Some(unlogged) = faults.occurs(kind, Instant::now()) {
            tracing::warn!(output = self.name, problem, unlogged, "does not work");
        }
        if faults.problem.as_deref() != Some(problem) {
            faults.problem = Some(problem.to_owned());
            self.board.fails(self.name, problem);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn a_fault_that_comes_and_goes_is_logged_once_in_ten_minutes() {
        let (mut faults, start) = (Faults::default(), Instant::now());
        let mut lines = 0;
        // A day of a broker that is lost every five seconds, for one of two reasons.
        for number in 0..17_280 {
            let kind = if number % 2 == 0 { "lost" } else { "timeout" };
            if faults.occurs(kind, start + Duration::from_secs(5 * number)).is_some() {
                faults.problem = Some(kind.to_owned());
                lines += 1;
            }
            if number % 3 == 0 {
                faults.problem = None;
            }
        }
        assert!((200..=300).contains(&lines), "{lines}");
    }

    #[test]
    fn an_outage_is_logged_once_however_long_it_lasts() {
        let (mut faults, start) = (Faults::default(), Instant::now());
        assert_eq!(faults.occurs("lost", start), Some(0));
        faults.problem = Some("lost".to_owned());
        assert!(
            (1..1000).all(|minute| faults.occurs("lost", start + Duration::from_secs(60 * minute)).is_none())
        );
        faults.problem = None;
        assert_eq!(faults.occurs("lost", start + Duration::from_secs(100_000)), Some(999));
    }
}
