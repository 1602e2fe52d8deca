//! The light is on from before the camera opens until after it is closed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::tests::gone;
use super::*;
use crate::{Frame, PixelFormat, Size};
use moodring_runtime::{Lamp, LampError};

/// Actions of light and camera, in order.
pub(super) type Log = Arc<Mutex<Vec<&'static str>>>;

fn note(log: &Log, what: &'static str) {
    log.lock().unwrap_or_else(PoisonError::into_inner).push(what);
}

/// A lamp that logs its actions. Its script says which attempts to switch it on fail.
struct ScriptedLamp {
    log: Log,
    failures: VecDeque<bool>,
}

impl Lamp for ScriptedLamp {
    fn set(&mut self, lit: bool) -> Result<(), LampError> {
        if lit && self.failures.pop_front().unwrap_or(false) {
            note(&self.log, "cannot be lit");
            return Err(LampError("camera.light.path /sys/class/leds/camera does not exist".into()));
        }
        note(&self.log, if lit { "lit" } else { "dark" });
        Ok(())
    }
}

/// What happens during one capture of the watched camera.
#[derive(Clone, Copy)]
pub(super) enum Event {
    /// A picture, this many seconds after the previous one.
    Picture(u64),
    Pause,
    Stop,
    Unplug,
    Panic,
}

/// A camera that logs when it is opened and closed. Each opening plays one list of events.
pub(super) struct WatchedSource {
    pub(super) log: Log,
    pub(super) openings: VecDeque<Vec<Event>>,
    pub(super) switch: Arc<CameraSwitch>,
    pub(super) stop: Stop,
}

struct WatchedCamera {
    log: Log,
    events: VecDeque<Event>,
    switch: Arc<CameraSwitch>,
    stop: Stop,
    at: Instant,
}

impl CameraSource for WatchedSource {
    fn open(&mut self) -> Result<Box<dyn Camera>, CameraError> {
        let Some(events) = self.openings.pop_front() else {
            note(&self.log, "not there");
            self.stop.request();
            return Err(gone("not there"));
        };
        note(&self.log, "open");
        Ok(Box::new(WatchedCamera {
            log: Arc::clone(&self.log),
            events: events.into(),
            switch: Arc::clone(&self.switch),
            stop: self.stop.clone(),
            at: Instant::now(),
        }))
    }
}

impl Camera for WatchedCamera {
    fn capture(&mut self, data: Vec<u8>) -> Result<Frame, CameraError> {
        match self.events.pop_front() {
            Some(Event::Picture(seconds)) => self.at += Duration::from_secs(seconds),
            Some(Event::Pause) => self.switch.pause(),
            Some(Event::Stop) => self.stop.request(),
            Some(Event::Panic) => panic!("expected in this test"),
            Some(Event::Unplug) | None => return Err(gone("unplugged")),
        }
        let (format, size) = (PixelFormat::Grey, Size::new(0, 0));
        Ok(Frame { captured_at: self.at, sequence: 0, format, size, stride: 0, data })
    }
}

impl Drop for WatchedCamera {
    fn drop(&mut self) {
        note(&self.log, "closed");
        // A pause lasts until the camera is closed.
        self.switch.resume();
    }
}

/// Plays `openings` with a lamp that fails as `failures` says, and returns the actions in order.
fn watch(openings: &[&[Event]], failures: &[bool], required: bool) -> Vec<&'static str> {
    watch_while(&CameraPreview::default(), openings, failures, required)
}

/// The same with this camera preview.
fn watch_while(
    preview: &CameraPreview,
    openings: &[&[Event]],
    failures: &[bool],
    required: bool,
) -> Vec<&'static str> {
    let (log, switch, stop) = (Log::default(), Arc::new(CameraSwitch::default()), Stop::default());
    let lamp = ScriptedLamp { log: Arc::clone(&log), failures: failures.iter().copied().collect() };
    let mut light = CameraLight::new(Box::new(lamp), required);
    let mut source = WatchedSource {
        log: Arc::clone(&log),
        openings: openings.iter().map(|events| events.to_vec()).collect(),
        switch: Arc::clone(&switch),
        stop: stop.clone(),
    };
    let (frames, counters, health) = (Frames::default(), Counters::default(), CameraHealth::default());
    let heartbeat = Heartbeat::default();
    let parts = CaptureLoop {
        frames: &frames,
        health: &health,
        switch: &switch,
        preview,
        counters: &counters,
        heartbeat: &heartbeat,
        stop: &stop,
    };
    let run = || parts.run(&mut source, &mut light, Backoff::new(Duration::ZERO, Duration::ZERO));
    // The supervisor catches panics in the same way.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

const ONCE: [&str; 4] = ["lit", "open", "closed", "dark"];

#[test]
fn the_light_is_on_from_before_opening_until_after_closing() {
    use Event::{Panic, Pause, Picture, Stop, Unplug};
    for events in [&[Picture(0), Stop][..], &[Picture(0), Panic], &[Panic]] {
        assert_eq!(watch(&[events], &[], true), ONCE);
    }
    for events in [&[Picture(0), Pause][..], &[Picture(0), Unplug], &[Pause]] {
        assert_eq!(watch(&[events, &[Stop]], &[], true), [ONCE, ONCE].concat());
    }
}

#[test]
fn the_light_is_off_after_a_failed_opening() {
    assert_eq!(watch(&[], &[], true), ["lit", "not there", "dark"]);
}

#[test]
fn the_camera_stays_closed_until_its_light_works() {
    let events: &[Event] = &[Event::Stop];
    let two_failures = ["cannot be lit", "dark", "cannot be lit", "dark"];
    assert_eq!(watch(&[events], &[true, true], true), [two_failures, ONCE].concat());
    assert_eq!(
        watch(&[events], &[true], false),
        ["cannot be lit", "open", "closed", "dark"],
        "the configuration allows a camera without its light"
    );
}

#[test]
fn a_light_failure_closes_an_open_camera_within_a_second() {
    let events: &[Event] = &[Event::Picture(0), Event::Picture(1), Event::Picture(1), Event::Stop];
    let first = ["lit", "open", "lit", "cannot be lit", "closed", "dark"];
    assert_eq!(watch(&[events, &[Event::Stop]], &[false, false, true], true), [&first[..], &ONCE].concat());
}

#[test]
fn the_light_blinks_while_the_preview_is_offered_and_is_steady_afterwards() {
    let preview = CameraPreview::default();
    preview.offer(Instant::now() + Duration::from_secs(600));
    let events: &[Event] =
        &[Event::Picture(0), Event::Picture(1), Event::Picture(2), Event::Picture(3), Event::Stop];
    assert_eq!(watch_while(&preview, &[events], &[], true), ["lit", "open", "dark", "lit", "dark", "closed"]);
    preview.end();
    assert_eq!(
        watch_while(&preview, &[events], &[], true),
        ["lit", "open", "lit", "lit", "lit", "closed", "dark"]
    );
}

#[test]
fn a_paused_start_switches_a_leftover_light_off_and_opens_nothing() {
    let (log, switch, stop) = (Log::default(), CameraSwitch::default(), Stop::default());
    switch.pause();
    std::thread::scope(|scope| {
        let (log, switch, stop) = (&log, &switch, &stop);
        scope.spawn(move || {
            let lamp = ScriptedLamp { log: Arc::clone(log), failures: VecDeque::new() };
            let mut source = WatchedSource {
                log: Arc::clone(log),
                openings: VecDeque::new(),
                switch: Arc::default(),
                stop: stop.clone(),
            };
            let (frames, counters, health) =
                (&Frames::default(), &Counters::default(), &CameraHealth::default());
            let heartbeat = &Heartbeat::default();
            let preview = &CameraPreview::default();
            let parts = CaptureLoop { frames, health, switch, preview, counters, heartbeat, stop };
            parts.run(&mut source, &mut CameraLight::new(Box::new(lamp), true), Backoff::default());
        });
        while log.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        stop.request();
    });
    assert_eq!(*log.lock().unwrap(), ["dark"]);
}
