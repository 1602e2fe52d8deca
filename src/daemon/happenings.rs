//! Turns changes of the device's state into events for the administrator; nothing of the class is looked at.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::board::thermal::Climate;
use crate::camera::CameraState;
use crate::control::SwitchPosition;
use crate::outputs::{EventKind, Events};
use crate::supervisor::Stop;

/// How often temperature and clock are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A clock that runs this far off was set; what the network corrects in passing is less.
const SET_BY: f64 = 5.0;

/// Whose changes are told.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) camera: watch::Receiver<CameraState>,
    pub(super) paused_by_hand: watch::Receiver<bool>,
    pub(super) switch: watch::Receiver<SwitchPosition>,
    pub(super) climate: Arc<Climate>,
}

/// Tells `events` what changes until `stop` is requested.
pub(super) async fn tell(events: Events, watched: Watched, stop: Stop) {
    let Watched { mut camera, mut paused_by_hand, mut switch, climate } = watched;
    let mut clock = Clock { wall: Timestamp::now(), monotonic: Instant::now() };
    let (mut gone, mut hot) = (false, false);
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = stop.requested() => return,
            Ok(()) = camera.changed() => {
                let state = camera.borrow_and_update().clone();
                if let Some((kind, detail)) = of_camera(&state, &mut gone) {
                    events.tell(kind, detail);
                }
            }
            Ok(()) = paused_by_hand.changed() => {
                let paused = *paused_by_hand.borrow_and_update();
                events.tell(if paused { EventKind::Paused } else { EventKind::Resumed }, None);
            }
            Ok(()) = switch.changed() => {
                let kind = match *switch.borrow_and_update() {
                    SwitchPosition::Open => EventKind::SwitchOpened,
                    SwitchPosition::Closed => EventKind::SwitchClosed,
                };
                events.tell(kind, None);
            }
            _ = ticks.tick() => {
                let now_hot = climate.slowdown() > 1.0;
                if std::mem::replace(&mut hot, now_hot) != now_hot {
                    let kind = if now_hot { EventKind::Hot } else { EventKind::Cooled };
                    events.tell(kind, climate.celsius().map(|celsius| format!("{celsius:.0} °C")));
                }
                if let Some(by) = clock.was_set(Timestamp::now(), Instant::now()) {
                    events.tell(EventKind::ClockSet, Some(format!("by {by:+.0} s")));
                }
            }
        }
    }
}

/// The event that the camera's new state is, if it is one: a loss is told once, however often opening it fails.
fn of_camera(state: &CameraState, gone: &mut bool) -> Option<(EventKind, Option<String>)> {
    match state {
        CameraState::Away(reason) => {
            (!std::mem::replace(gone, true)).then(|| (EventKind::CameraGone, Some(reason.clone())))
        }
        CameraState::Streaming => std::mem::take(gone).then_some((EventKind::CameraBack, None)),
        CameraState::Starting | CameraState::Paused => None,
    }
}

/// The clock on the wall beside one that nobody can set.
struct Clock {
    wall: Timestamp,
    monotonic: Instant,
}

impl Clock {
    /// By how many seconds the clock was set since this was last asked, if it was.
    fn was_set(&mut self, wall: Timestamp, monotonic: Instant) -> Option<f64> {
        let by_wall = wall.duration_since(self.wall).as_secs_f64();
        let by = by_wall - monotonic.saturating_duration_since(self.monotonic).as_secs_f64();
        (self.wall, self.monotonic) = (wall, monotonic);
        (by.abs() >= SET_BY).then_some(by)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_lost_camera_is_one_event_and_its_return_another() {
        let mut gone = false;
        let mut told = |state| of_camera(&state, &mut gone).map(|(kind, _)| kind);
        assert_eq!(told(CameraState::Streaming), None, "the first picture is no return");
        assert_eq!(told(CameraState::Away("unplugged".into())), Some(EventKind::CameraGone));
        assert_eq!(told(CameraState::Away("not there".into())), None);
        assert_eq!(told(CameraState::Paused), None);
        assert_eq!(told(CameraState::Streaming), Some(EventKind::CameraBack));
    }

    #[test]
    fn a_clock_that_is_set_is_told_by_how_much() {
        let (wall, monotonic) = (Timestamp::now(), Instant::now());
        let mut clock = Clock { wall, monotonic };
        let later = |seconds: f64| monotonic + Duration::from_secs_f64(seconds);
        assert_eq!(
            clock.was_set(wall + SignedDuration::from_secs(6), later(5.0)),
            None,
            "corrected in passing"
        );
        let by = clock.was_set(wall + SignedDuration::from_secs(111), later(10.0)).unwrap();
        assert!((by - 100.0).abs() < 1e-6, "{by}");
        let by = clock.was_set(wall + SignedDuration::from_secs(16), later(15.0)).unwrap();
        assert!((by + 100.0).abs() < 1e-6, "{by}");
    }

    #[tokio::test(start_paused = true)]
    async fn pause_switch_and_warmth_are_told() {
        let (camera, states) = watch::channel(CameraState::Starting);
        let (paused, paused_by_hand) = watch::channel(false);
        let (switched, switch) = watch::channel(SwitchPosition::Open);
        let (events, mut told) = Events::channel();
        let climate = Arc::new(Climate::default());
        let watched = Watched { camera: states, paused_by_hand, switch, climate };
        let _task = tokio::spawn(tell(events, watched, Stop::default()));
        paused.send_replace(true);
        assert_eq!(told.recv().await.unwrap().kind, EventKind::Paused);
        paused.send_replace(false);
        assert_eq!(told.recv().await.unwrap().kind, EventKind::Resumed);
        switched.send_replace(SwitchPosition::Closed);
        assert_eq!(told.recv().await.unwrap().kind, EventKind::SwitchClosed);
        camera.send_replace(CameraState::Away("unplugged".into()));
        let event = told.recv().await.unwrap();
        assert_eq!((event.kind, event.detail.as_deref()), (EventKind::CameraGone, Some("unplugged")));
    }
}
