//! Reports changes of the device as events for the administrator, and publishes the camera's state on the status
//! board. It reads nothing about the class.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use moodring_contract::{EventKind, SwitchPosition};
use moodring_runtime::{CAMERA, CameraState, DeviceEvents, StatusBoard, Stop, ThermalState};
use tokio::sync::watch;

/// Interval between checks of temperature and clock.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// Smallest step of the wall clock that is reported, in seconds. Corrections by NTP are smaller.
const MIN_CLOCK_STEP_S: f64 = 5.0;

/// The sources of the events.
#[derive(Debug)]
pub(super) struct EventSources {
    pub(super) camera: watch::Receiver<CameraState>,
    pub(super) paused_by_command: watch::Receiver<bool>,
    pub(super) status: StatusBoard,
    pub(super) thermal: Arc<ThermalState>,
}

/// Reports changes to `events` until `stop` is requested.
///
/// # Errors
/// Never.
pub(super) async fn report(events: DeviceEvents, sources: EventSources, stop: Stop) -> anyhow::Result<()> {
    let EventSources { mut camera, mut paused_by_command, status, thermal } = sources;
    let mut updates = status.subscribe();
    let mut switch = updates.borrow_and_update().switch;
    let mut clock = Clock { wall: Timestamp::now(), monotonic: Instant::now() };
    let (mut gone, mut hot) = (false, false);
    let mut ticks = tokio::time::interval(CHECK_EVERY);
    loop {
        tokio::select! {
            () = stop.requested() => return Ok(()),
            Ok(()) = camera.changed() => {
                let state = camera.borrow_and_update().clone();
                publish_camera(&status, &state);
                if let Some((kind, detail)) = camera_event(&state, &mut gone) {
                    events.report(kind, detail);
                }
            }
            Ok(()) = paused_by_command.changed() => {
                let paused = *paused_by_command.borrow_and_update();
                events.report(if paused { EventKind::Paused } else { EventKind::Resumed }, None);
            }
            Ok(()) = updates.changed() => {
                let position = updates.borrow_and_update().switch;
                if std::mem::replace(&mut switch, position) != position {
                    let kind = match position {
                        SwitchPosition::Open => EventKind::SwitchOpened,
                        SwitchPosition::Closed => EventKind::SwitchClosed,
                    };
                    events.report(kind, None);
                }
            }
            _ = ticks.tick() => {
                let now_hot = thermal.slowdown() > 1.0;
                if std::mem::replace(&mut hot, now_hot) != now_hot {
                    let kind = if now_hot { EventKind::Hot } else { EventKind::Cooled };
                    events.report(kind, thermal.celsius().map(|celsius| format!("{celsius:.0} °C")));
                }
                if let Some(by) = clock.step(Timestamp::now(), Instant::now()) {
                    events.report(EventKind::ClockSet, Some(format!("by {by:+.0} s")));
                }
            }
        }
    }
}

/// Publishes the camera's state on the status board.
fn publish_camera(status: &StatusBoard, state: &CameraState) {
    status.update(|status| {
        status.camera = state.clone();
        match state {
            CameraState::Away(reason) => drop(status.problems.insert(CAMERA, reason.clone())),
            CameraState::Starting | CameraState::Streaming | CameraState::Paused => {
                status.problems.remove(CAMERA);
            }
        }
    });
}

/// The event for the camera's new state, if it is one. A loss is reported once, not for every failed attempt to open.
fn camera_event(state: &CameraState, gone: &mut bool) -> Option<(EventKind, Option<String>)> {
    match state {
        CameraState::Away(reason) => {
            (!std::mem::replace(gone, true)).then(|| (EventKind::CameraGone, Some(reason.clone())))
        }
        CameraState::Streaming => std::mem::take(gone).then_some((EventKind::CameraBack, None)),
        CameraState::Starting | CameraState::Paused => None,
    }
}

/// Compares the wall clock with the monotonic clock, which cannot be set.
struct Clock {
    wall: Timestamp,
    monotonic: Instant,
}

impl Clock {
    /// The step of the wall clock since the last call, in seconds; `None` below [`MIN_CLOCK_STEP_S`].
    fn step(&mut self, wall: Timestamp, monotonic: Instant) -> Option<f64> {
        let by_wall = wall.duration_since(self.wall).as_secs_f64();
        let by = by_wall - monotonic.saturating_duration_since(self.monotonic).as_secs_f64();
        (self.wall, self.monotonic) = (wall, monotonic);
        (by.abs() >= MIN_CLOCK_STEP_S).then_some(by)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_lost_camera_is_one_event_and_its_return_another() {
        let mut gone = false;
        let mut event = |state| camera_event(&state, &mut gone).map(|(kind, _)| kind);
        assert_eq!(event(CameraState::Streaming), None, "the first picture is not a return");
        assert_eq!(event(CameraState::Away("unplugged".into())), Some(EventKind::CameraGone));
        assert_eq!(event(CameraState::Away("not there".into())), None);
        assert_eq!(event(CameraState::Paused), None);
        assert_eq!(event(CameraState::Streaming), Some(EventKind::CameraBack));
    }

    #[test]
    fn a_clock_step_is_reported_with_its_size() {
        let (wall, monotonic) = (Timestamp::now(), Instant::now());
        let mut clock = Clock { wall, monotonic };
        let later = |seconds: f64| monotonic + Duration::from_secs_f64(seconds);
        assert_eq!(clock.step(wall + SignedDuration::from_secs(6), later(5.0)), None, "a small correction");
        let by = clock.step(wall + SignedDuration::from_secs(111), later(10.0)).unwrap();
        assert!((by - 100.0).abs() < 1e-6, "{by}");
        let by = clock.step(wall + SignedDuration::from_secs(16), later(15.0)).unwrap();
        assert!((by + 100.0).abs() < 1e-6, "{by}");
    }

    #[tokio::test(start_paused = true)]
    async fn pause_switch_and_camera_are_reported() {
        let (camera, states) = watch::channel(CameraState::Starting);
        let (paused, paused_by_command) = watch::channel(false);
        let (events, mut reported) = DeviceEvents::channel();
        let (status, thermal) = (StatusBoard::default(), Arc::new(ThermalState::default()));
        let sources = EventSources { camera: states, paused_by_command, status: status.clone(), thermal };
        let _task = tokio::spawn(report(events, sources, Stop::default()));
        tokio::task::yield_now().await;
        paused.send_replace(true);
        assert_eq!(reported.recv().await.unwrap().kind, EventKind::Paused);
        paused.send_replace(false);
        assert_eq!(reported.recv().await.unwrap().kind, EventKind::Resumed);
        status.update(|status| status.switch = SwitchPosition::Closed);
        assert_eq!(reported.recv().await.unwrap().kind, EventKind::SwitchClosed);
        camera.send_replace(CameraState::Away("unplugged".into()));
        let event = reported.recv().await.unwrap();
        assert_eq!((event.kind, event.detail.as_deref()), (EventKind::CameraGone, Some("unplugged")));
        assert_eq!(status.now().problems[CAMERA], "unplugged");
        camera.send_replace(CameraState::Streaming);
        assert_eq!(reported.recv().await.unwrap().kind, EventKind::CameraBack);
        assert!(status.now().problems.is_empty());
    }
}
