//! The privacy switch: it closes at once, opens after its line was stable, and is closed while the line cannot be read.

use std::time::{Duration, Instant};

use super::line::Reading;
use moodring_contract::SwitchPosition;

/// The line must be "open" for this long. Slide switches bounce for some milliseconds; this delay is not noticeable.
pub(super) const SETTLE: Duration = Duration::from_millis(50);

/// Tracks the line of the switch, which is active while the camera may be open.
#[derive(Debug, Default)]
pub(super) struct PrivacySwitch {
    open_since: Option<Instant>,
}

impl PrivacySwitch {
    pub(super) fn update(&mut self, reading: Reading) -> SwitchPosition {
        let Reading::Level(edge) = reading else {
            self.open_since = None;
            return SwitchPosition::Closed;
        };
        self.open_since = edge.active.then(|| self.open_since.unwrap_or(edge.at));
        let settled = self.open_since.is_some_and(|since| edge.at.saturating_duration_since(since) >= SETTLE);
        if settled { SwitchPosition::Open } else { SwitchPosition::Closed }
    }
}
