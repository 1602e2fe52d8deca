//! Watches the device's own retained status: reads it back, and notices what others write there.
//!
//! A delayed last will, or a second device, can leave `offline` there while the device works. With MQTT 3.1.1 reading
//! the status back is also the only proof that the broker does not throw messages away.

use serde::Deserialize;
use std::time::Duration;
use tokio::time::Instant;

use moodring_contract::payload::Presence;

/// What is not read back this long after its acknowledgement is lost.
pub(super) const READ_BACK_WITHIN: Duration = Duration::from_secs(5);
/// Maximum number of corrections between two regular status messages. Without a limit, two programs that publish different
/// statuses would overwrite each other endlessly.
const MAX_CORRECTIONS: u32 = 3;

/// What a message on the topic of the own status means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The device's own status was read back.
    ReadBack,
    /// Another device says that it is online in this room.
    OtherDevice(String),
    /// Another device says that it has left this room, and the own status is to be published again.
    OtherLeft,
    /// The own status is to be published again.
    Wrong,
    Nothing,
}

/// The part of a status that is read.
#[derive(Deserialize)]
struct Written {
    status: Presence,
    device: String,
}

/// Watches the own status during one connection.
#[derive(Debug)]
pub(super) struct OwnStatus {
    /// The payload that the device publishes.
    online: Vec<u8>,
    device: String,
    corrections: u32,
    /// Whether the last one sent was read back.
    is_read_back: bool,
    missing_at: Option<Instant>,
}

impl OwnStatus {
    pub(super) fn new(online: Vec<u8>, device: &str) -> Self {
        let device = device.to_owned();
        Self { online, device, corrections: 0, is_read_back: false, missing_at: None }
    }

    /// The regular status is due, so corrections may be needed again.
    pub(super) fn tick(&mut self) {
        self.corrections = 0;
    }

    /// The status was sent.
    pub(super) fn sent(&mut self) {
        self.is_read_back = false;
    }

    /// The broker has acknowledged the status at `now`.
    pub(super) fn acknowledged(&mut self, now: Instant) {
        // One that was sent meanwhile does not give the one before more time.
        let missing_at = self.missing_at.unwrap_or(now + READ_BACK_WITHIN);
        self.missing_at = (!self.is_read_back).then_some(missing_at);
    }

    /// When the status counts as lost unless it is read back before.
    pub(super) fn missing_at(&self) -> Option<Instant> {
        self.missing_at
    }

    /// Whether the status counts as lost at `now`; only once for each one sent.
    pub(super) fn take_missing(&mut self, now: Instant) -> bool {
        let is_missing = self.missing_at.is_some_and(|at| at <= now);
        if is_missing {
            self.missing_at = None;
        }
        is_missing
    }

    /// A message on the topic of the own status; `retained`: from before the subscription.
    pub(super) fn received(&mut self, payload: &[u8], retained: bool) -> Finding {
        // The status that is published on each connection replaces what was there before.
        if retained {
            return Finding::Nothing;
        }
        if payload == self.online {
            (self.is_read_back, self.missing_at) = (true, None);
            return Finding::ReadBack;
        }
        match serde_json::from_slice::<Written>(payload) {
            Ok(Written { status: Presence::Online, device }) if device != self.device => {
                Finding::OtherDevice(device)
            }
            _ if self.corrections >= MAX_CORRECTIONS => Finding::Nothing,
            written => {
                self.corrections += 1;
                let other = written.is_ok_and(|written| written.device != self.device);
                if other { Finding::OtherLeft } else { Finding::Wrong }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: &str, device: &str) -> Vec<u8> {
        format!(r#"{{"status": "{status}", "device": "{device}", "version": "1"}}"#).into_bytes()
    }

    #[test]
    fn a_wrong_status_is_corrected_a_few_times_and_another_device_is_found() {
        let mut own = OwnStatus::new(status("online", "a"), "a");
        assert_eq!(own.received(&status("offline", "a"), true), Finding::Nothing, "from before");
        assert_eq!(own.received(&status("online", "b"), false), Finding::OtherDevice("b".into()));
        assert_eq!(own.received(&status("offline", "b"), false), Finding::OtherLeft);
        for wrong in [&b""[..], b"rubbish"] {
            assert_eq!(own.received(wrong, false), Finding::Wrong);
        }
        assert_eq!(own.received(&status("offline", "a"), false), Finding::Nothing, "not in a loop");
        own.tick();
        assert_eq!(own.received(&status("offline", "a"), false), Finding::Wrong);
    }

    #[test]
    fn a_status_that_is_not_read_back_in_time_is_missing() {
        let (mut own, now) = (OwnStatus::new(status("online", "a"), "a"), Instant::now());
        own.sent();
        own.acknowledged(now);
        let later = now + READ_BACK_WITHIN;
        own.sent();
        own.acknowledged(later);
        assert!(!own.take_missing(now) && own.take_missing(later));
        // The echo may come before the acknowledgement.
        own.sent();
        assert_eq!(own.received(&status("online", "a"), false), Finding::ReadBack);
        own.acknowledged(now);
        assert_eq!(own.missing_at(), None);
    }
}
