//! The status of the device without the mood: problems, camera, pause, lesson, page, and what is offered or shown.
//!
//! Every part updates one [`StatusBoard`]; outputs read it as [`DeviceStatus`]. Problems are stored by the name of
//! the part, so a new part needs no change here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use moodring_contract::lesson::LessonInProgress;
use moodring_contract::{Sensitivity, SwitchPosition};
use tokio::sync::watch;

use crate::CameraState;

/// The name of the camera in [`DeviceStatus::problems`].
pub const CAMERA: &str = "camera";

/// Receives the newest status.
pub type StatusUpdates = watch::Receiver<DeviceStatus>;

/// The status of the device; nothing about the class, and no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStatus {
    /// Current problems: name of the part (`camera`, `mqtt`, `web`, …) and reason as text.
    pub problems: BTreeMap<&'static str, String>,
    /// State of the camera.
    pub camera: CameraState,
    /// Whether the device is paused by a command.
    pub paused_by_command: bool,
    /// Position of the privacy switch.
    pub switch: SwitchPosition,
    /// The lesson in progress, if there is one.
    pub lesson: Option<LessonInProgress>,
    /// How quickly the word follows the class.
    pub sensitivity: Sensitivity,
    /// Whether lessons are recorded, so that they can begin and end by command.
    pub records_lessons: bool,
    /// Whether the room still has the name from the packaged configuration.
    pub is_new: bool,
    /// Address at which the page is served; `None` if it is not.
    pub page: Option<SocketAddr>,
    /// Until this time lights and displays show which device this is.
    pub identify_until: Option<Instant>,
    /// Until this time the camera preview is offered to an administrator.
    pub preview_until: Option<Instant>,
    /// Until this time lights and displays are as dim as at night.
    pub dim_until: Option<Instant>,
}

impl Default for DeviceStatus {
    fn default() -> Self {
        Self {
            problems: BTreeMap::new(),
            camera: CameraState::default(),
            paused_by_command: false,
            switch: SwitchPosition::Open,
            lesson: None,
            sensitivity: Sensitivity::default(),
            records_lessons: false,
            is_new: false,
            page: None,
            identify_until: None,
            preview_until: None,
            dim_until: None,
        }
    }
}

impl DeviceStatus {
    /// Whether the device is paused, by a command or by the privacy switch.
    pub fn is_paused(&self) -> bool {
        self.paused_by_command || self.switch == SwitchPosition::Closed
    }

    /// Time after `now` for which lights and displays show which device this is; `None` if they do not.
    pub fn identifying_at(&self, now: Instant) -> Option<Duration> {
        self.identify_until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// Whether the camera preview is offered at `now`.
    pub fn is_preview_offered_at(&self, now: Instant) -> bool {
        self.preview_until.is_some_and(|until| now < until)
    }

    /// Whether lights and displays are dimmed by a command at `now`, whatever the clock says.
    pub fn is_dimmed_at(&self, now: Instant) -> bool {
        self.dim_until.is_some_and(|until| now < until)
    }
}

/// The shared status; every part updates it. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard(watch::Sender<DeviceStatus>);

impl StatusBoard {
    /// Subscribes to changes of the status.
    pub fn subscribe(&self) -> StatusUpdates {
        self.0.subscribe()
    }

    /// A copy of the current status.
    pub fn now(&self) -> DeviceStatus {
        self.0.borrow().clone()
    }

    /// Applies `change` to the status. Returns whether it changed; only then subscribers are woken.
    pub fn update(&self, change: impl FnOnce(&mut DeviceStatus)) -> bool {
        self.0.send_if_modified(|status| {
            let before = status.clone();
            change(status);
            *status != before
        })
    }

    /// Removes the problem of `part`.
    pub fn works(&self, part: &'static str) {
        self.update(|status| drop(status.problems.remove(part)));
    }

    /// Sets the problem of `part`, with the reason as text.
    pub fn fails(&self, part: &'static str, problem: &str) {
        self.update(|status| drop(status.problems.insert(part, problem.to_owned())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_listed_until_the_part_works_and_an_unchanged_status_wakes_nobody() {
        let board = StatusBoard::default();
        let mut updates = board.subscribe();
        board.works(CAMERA);
        assert!(!updates.has_changed().unwrap());
        board.clone().fails(CAMERA, "unplugged");
        board.fails("mqtt", "refused");
        assert_eq!(updates.borrow_and_update().problems[CAMERA], "unplugged");
        board.fails(CAMERA, "unplugged");
        assert!(!updates.has_changed().unwrap());
        board.works(CAMERA);
        assert_eq!(updates.borrow_and_update().problems.keys().collect::<Vec<_>>(), [&"mqtt"]);
    }

    #[test]
    fn the_device_is_paused_by_a_command_or_by_the_switch() {
        let mut status = DeviceStatus::default();
        assert!(!status.is_paused());
        status.paused_by_command = true;
        assert!(status.is_paused());
        (status.paused_by_command, status.switch) = (false, SwitchPosition::Closed);
        assert!(status.is_paused());
    }
}
