//! The work of a thread on one line: open it, read every edge, poll it a few times per second, and reopen it when it is
//! lost. The meaning of the line is the caller's.

use std::time::{Duration, Instant};

use crate::board::Board;
use crate::board::gpio::{Edge, GpioError, Input, Level, LineAddress};
use moodring_config as config;
use moodring_runtime::Backoff;
use moodring_runtime::StatusBoard;
use moodring_runtime::{Heartbeat, Stop};

/// Polling interval without edges: corrects a lost edge and detects a stop.
const POLL_EVERY: Duration = Duration::from_millis(250);

/// A line that can be read: hardware, or a script in tests.
pub(super) trait Line {
    /// The current level.
    fn level(&mut self) -> Result<Edge, GpioError>;

    /// Waits at most `timeout` for the next edge.
    fn next_edge(&mut self, timeout: Duration) -> Result<Option<Edge>, GpioError>;
}

/// Opens a line; can be called repeatedly.
pub(super) trait LineSource {
    fn open(&mut self) -> Result<Box<dyn Line>, GpioError>;
}

/// A line of the board.
#[derive(Debug)]
pub(super) struct GpioLine {
    /// The address, or why it is unknown.
    address: Result<LineAddress, GpioError>,
    active: Level,
    debounce: Duration,
}

impl GpioLine {
    /// The line of the button; active while it is pressed.
    pub(super) fn of_button(config: &config::Button, board: &Board) -> Self {
        Self {
            address: LineAddress::of(board, &config.chip, config.line, config.pin),
            active: config.pressed.into(),
            debounce: Duration::from_secs_f64(config.debounce_s),
        }
    }

    /// The line of the privacy switch; active while the camera may be open. Without kernel debouncing: closing must
    /// take effect at once.
    pub(super) fn of_switch(config: &config::PrivacySwitch, board: &Board) -> Self {
        let address = LineAddress::of(board, &config.chip, config.line, config.pin);
        Self { address, active: config.open.into(), debounce: Duration::ZERO }
    }
}

impl LineSource for GpioLine {
    fn open(&mut self) -> Result<Box<dyn Line>, GpioError> {
        Ok(Box::new(Input::open(self.address.as_ref().map_err(Clone::clone)?, self.active, self.debounce)?))
    }
}

impl Line for Input {
    fn level(&mut self) -> Result<Edge, GpioError> {
        let active = self.is_active()?;
        Ok(Edge { at: Instant::now(), active })
    }

    fn next_edge(&mut self, timeout: Duration) -> Result<Option<Edge>, GpioError> {
        Input::next_edge(self, timeout)
    }
}

/// A reading of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// An edge, or the level at that time.
    Level(Edge),
    /// The line cannot be read.
    Lost,
}

/// Watches one line and reports its faults.
pub(super) struct LineWatcher<'a> {
    /// Name of the part: its section of the configuration.
    pub(super) part: &'static str,
    /// Time after an edge at which the level is read again.
    pub(super) settle: Duration,
    /// Delays between attempts to reopen a lost line.
    pub(super) backoff: Backoff,
    /// Receives the fault of the line.
    pub(super) status_board: StatusBoard,
    pub(super) heartbeat: &'a Heartbeat,
    pub(super) stop: &'a Stop,
}

impl LineWatcher<'_> {
    /// Passes all readings of the line to `update` until the stop. A failing line is reported once and reopened without
    /// a limit of attempts.
    pub(super) fn run(&self, source: &mut dyn LineSource, update: &mut dyn FnMut(Reading)) {
        let (mut backoff, mut reported) = (self.backoff.clone(), None);
        while !self.stop.is_requested() {
            self.heartbeat.beat();
            let Err(error) = source.open().and_then(|mut line| {
                backoff.reset();
                if reported.take().is_some() {
                    tracing::info!(part = self.part, "works again");
                    self.clear();
                }
                self.follow(line.as_mut(), update)
            }) else {
                return;
            };
            update(Reading::Lost);
            if reported.as_ref() != Some(&error) {
                self.report(&error.to_string());
                reported = Some(error);
            }
            self.stop.wait(backoff.after_failure(1.0));
        }
    }

    /// Reports a problem to the log and the status board.
    pub(super) fn report(&self, problem: &str) {
        tracing::warn!(part = self.part, problem, "does not work");
        self.status_board.fails(self.part, problem);
    }

    /// Clears the problem on the status board.
    pub(super) fn clear(&self) {
        self.status_board.works(self.part);
    }

    fn follow(&self, line: &mut dyn Line, update: &mut dyn FnMut(Reading)) -> Result<(), GpioError> {
        update(Reading::Level(line.level()?));
        let mut wait = self.settle;
        while !self.stop.is_requested() {
            self.heartbeat.beat();
            let edge = line.next_edge(wait)?;
            wait = if edge.is_some() { self.settle } else { POLL_EVERY };
            update(Reading::Level(match edge {
                Some(edge) => edge,
                None => line.level()?,
            }));
        }
        Ok(())
    }
}
