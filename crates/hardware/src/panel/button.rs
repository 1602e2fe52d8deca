//! The push button: turns readings of its line into presses.

use std::time::Duration;

use super::line::Reading;
use super::{Debounce, Press, Presses, Thresholds};

/// Event of the button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ButtonEvent {
    /// No event.
    None,
    /// A press ended.
    Press(Press),
    /// The button has been held longer than `button.stuck_from_s`; reported once.
    Stuck,
    /// A stuck button was released.
    Released,
}

/// Tracks the line of the button; resets when the line is lost.
#[derive(Debug)]
pub(super) struct Button {
    thresholds: Thresholds,
    settle: Duration,
    tracked: Option<(Debounce, Presses)>,
    stuck: bool,
}

impl Button {
    pub(super) fn new(thresholds: Thresholds, settle: Duration) -> Self {
        Self { thresholds, settle, tracked: None, stuck: false }
    }

    pub(super) fn update(&mut self, reading: Reading) -> ButtonEvent {
        let Reading::Level(edge) = reading else {
            (self.tracked, self.stuck) = (None, false);
            return ButtonEvent::None;
        };
        let (debounce, presses) = self.tracked.get_or_insert_with(|| {
            let debounce = Debounce::new(edge.active, self.settle);
            (debounce, Presses::new(self.thresholds, edge.active, edge.at))
        });
        if let Some(settled) = debounce.feed(edge)
            && let Some(press) = presses.edge(settled)
        {
            return ButtonEvent::Press(press);
        }
        let stuck = presses.is_stuck(edge.at);
        match (std::mem::replace(&mut self.stuck, stuck), stuck) {
            (false, true) => ButtonEvent::Stuck,
            (true, false) => ButtonEvent::Released,
            _ => ButtonEvent::None,
        }
    }
}
