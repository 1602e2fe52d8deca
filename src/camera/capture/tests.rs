use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::*;
use crate::camera::light::{Lamp, LightError};
use crate::camera::{Frame, PixelFormat, Size};
use crate::latest::Taken;
use proptest::prelude::*;

/// What each opening does: fail, or give these pictures (`Some` sequence) and failures.
type Script = VecDeque<Result<VecDeque<Result<u64, CameraError>>, CameraError>>;

struct ScriptedSource {
    script: Script,
    /// Whom to stop at the end of the script.
    stop: Stop,
    /// The mailbox is emptied into here before each capture, as a quick reader would.
    frames: Arc<Frames>,
    seen: Arc<Mutex<Vec<u64>>>,
    recycled: Arc<AtomicU64>,
}

struct ScriptedCamera {
    script: VecDeque<Result<u64, CameraError>>,
    recycled: Arc<AtomicU64>,
}

impl CameraSource for ScriptedSource {
    fn open(&mut self) -> Result<Box<dyn Camera>, CameraError> {
        if let Taken::Value(frame) = self.frames.take(Duration::ZERO) {
            self.seen.lock().unwrap().push(frame.sequence);
        }
        match self.script.pop_front() {
            Some(opened) => opened.map(|script| {
                Box::new(ScriptedCamera { script, recycled: Arc::clone(&self.recycled) }) as Box<dyn Camera>
            }),
            None => {
                self.stop.request();
                Err(gone("the script is over"))
            }
        }
    }
}

impl Camera for ScriptedCamera {
    fn capture(&mut self, mut buffer: Vec<u8>) -> Result<Frame, CameraError> {
        self.recycled.fetch_add(u64::from(buffer.capacity() >= 64), Ordering::Relaxed);
        let sequence = self.script.pop_front().unwrap_or_else(|| Err(gone("pulled out")))?;
        buffer.resize(64, 0);
        let (format, size) = (PixelFormat::Grey, Size::new(8, 8));
        Ok(Frame { captured_at: Instant::now(), sequence, format, size, stride: 8, data: buffer })
    }
}

fn gone(why: &str) -> CameraError {
    CameraError::Gone(why.into())
}

struct Played {
    seen: Vec<u64>,
    recycled: u64,
    health: CameraHealth,
    counters: Counters,
}

/// Runs the loop to its end with parts of its own.
fn capture(
    source: &mut dyn CameraSource,
    frames: &Frames,
    switch: &Switch,
    stop: &Stop,
) -> (CameraHealth, Counters) {
    let (health, counters) = (CameraHealth::default(), Counters::default());
    let heartbeat = &Heartbeat::default();
    let aim = &Aim::default();
    let parts = CaptureLoop { frames, health: &health, switch, aim, counters: &counters, heartbeat, stop };
    parts.run(source, &mut CameraLight::none(), BackOff::new(Duration::ZERO, Duration::ZERO));
    (health, counters)
}

fn play(script: Script) -> Played {
    let stop = Stop::default();
    let frames = Arc::new(Frames::default());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let recycled = Arc::new(AtomicU64::new(0));
    let mut source = ScriptedSource {
        script,
        stop: stop.clone(),
        frames: Arc::clone(&frames),
        seen: Arc::clone(&seen),
        recycled: Arc::clone(&recycled),
    };
    let (health, counters) = capture(&mut source, &frames, &Switch::default(), &stop);
    let seen = seen.lock().unwrap().clone();
    Played { seen, recycled: recycled.load(Ordering::Relaxed), health, counters }
}

#[test]
fn a_camera_that_goes_is_opened_again_and_comes_back() {
    let played = play(Script::from([
        Ok(VecDeque::from([Ok(1), Err(gone("unplugged"))])),
        Err(gone("not there")),
        Err(CameraError::Unsupported("no format".into())),
        Ok(VecDeque::from([Ok(2)])),
    ]));
    assert_eq!(played.seen, [1, 2]);
    assert_eq!(played.counters.frames_captured.get(), 2);
    assert_eq!(played.counters.camera_losses.get(), 2);
    assert_eq!(played.health.state(), CameraState::Away("camera gone: pulled out".into()));
}

#[test]
fn buffers_of_unseen_frames_are_used_again_and_the_newest_stays() {
    let played = play(Script::from([Ok((1..=5).map(Ok).collect())]));
    assert_eq!(played.seen, [5]);
    // All but the first two captures (nothing was displaced yet) got the buffer of a displaced frame.
    assert_eq!(played.recycled, 4);
    assert_eq!(played.counters.frames_replaced.get(), 4);
}

#[test]
fn off_means_closed_and_on_means_opened_again() {
    struct Probe(Arc<AtomicU64>, Arc<Switch>);
    impl Drop for Probe {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            self.1.resume();
        }
    }
    struct PausingCamera(Probe, Stop);
    impl Camera for PausingCamera {
        fn capture(&mut self, data: Vec<u8>) -> Result<Frame, CameraError> {
            // Somebody pauses while the picture is taken; in the second opening, stops.
            match self.0.0.load(Ordering::SeqCst) {
                0 => self.0.1.pause(),
                _ => self.1.request(),
            }
            let (format, size) = (PixelFormat::Grey, Size::new(0, 0));
            Ok(Frame { captured_at: Instant::now(), sequence: 7, format, size, stride: 0, data })
        }
    }
    struct PausingSource(Arc<AtomicU64>, Arc<Switch>, Stop, u64);
    impl CameraSource for PausingSource {
        fn open(&mut self) -> Result<Box<dyn Camera>, CameraError> {
            self.3 += 1;
            let probe = Probe(Arc::clone(&self.0), Arc::clone(&self.1));
            Ok(Box::new(PausingCamera(probe, self.2.clone())))
        }
    }
    let (closed, switch, stop) = (Arc::default(), Arc::new(Switch::default()), Stop::default());
    let mut source = PausingSource(Arc::clone(&closed), Arc::clone(&switch), stop.clone(), 0);
    let (_, counters) = capture(&mut source, &Frames::default(), &switch, &stop);
    assert_eq!((source.3, closed.load(Ordering::SeqCst)), (2, 2));
    // The picture that was being taken when the pause came was not handed on.
    assert_eq!(counters.frames_captured.get(), 1);
    assert_eq!(counters.camera_losses.get(), 0);
}

#[test]
fn nothing_is_opened_while_off() {
    let (switch, stop, health) = (Switch::default(), Stop::default(), CameraHealth::default());
    switch.pause();
    std::thread::scope(|scope| {
        let (switch, stop, health) = (&switch, &stop, &health);
        scope.spawn(move || {
            struct Never;
            impl CameraSource for Never {
                fn open(&mut self) -> Result<Box<dyn Camera>, CameraError> {
                    panic!("opened while off");
                }
            }
            let (frames, counters) = (&Frames::default(), &Counters::default());
            let heartbeat = &Heartbeat::default();
            let aim = &Aim::default();
            let parts = CaptureLoop { frames, health, switch, aim, counters, heartbeat, stop };
            parts.run(&mut Never, &mut CameraLight::none(), BackOff::default());
        });
        while health.state() != CameraState::Paused {
            std::thread::yield_now();
        }
        stop.request();
    });
}

proptest! {
    #[test]
    fn pauses_grow_stay_within_limits_and_begin_anew(
        shortest_ms in 0u64..2000, longest_ms in 0u64..20_000,
        jitters in prop::collection::vec(-1.0f64..2.0, 1..40),
    ) {
        let (shortest, longest) = (Duration::from_millis(shortest_ms), Duration::from_millis(longest_ms));
        let mut back_off = BackOff::new(shortest, longest);
        let fresh = back_off.clone();
        for (failures, jitter) in jitters.iter().enumerate() {
            let whole = shortest.saturating_mul(1 << failures.min(20)).min(longest);
            let wait = back_off.after_failure(*jitter);
            prop_assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
        }
        back_off.reset();
        prop_assert_eq!(back_off, fresh);
    }
}

/// What light and camera did, in order.
type Log = Arc<Mutex<Vec<&'static str>>>;

fn note(log: &Log, what: &'static str) {
    log.lock().unwrap_or_else(PoisonError::into_inner).push(what);
}

/// A lamp that tells what is done to it, and cannot be lit for as often as its script says.
struct ScriptedLamp {
    log: Log,
    failures: VecDeque<bool>,
}

impl Lamp for ScriptedLamp {
    fn set(&mut self, lit: bool) -> Result<(), LightError> {
        if lit && self.failures.pop_front().unwrap_or(false) {
            note(&self.log, "cannot be lit");
            let reason = std::io::ErrorKind::NotFound.into();
            return Err(LightError::Led { path: "/sys/class/leds/camera".into(), reason });
        }
        note(&self.log, if lit { "lit" } else { "dark" });
        Ok(())
    }
}

/// What a picture of the watched camera is, and what happens while it is taken.
#[derive(Clone, Copy)]
enum Event {
    /// A picture, so many seconds after the one before.
    Picture(u64),
    Pause,
    Stop,
    Unplug,
    Panic,
}

/// A camera that tells when it is opened and closed; each opening plays one list of events.
struct WatchedSource {
    log: Log,
    openings: VecDeque<Vec<Event>>,
    switch: Arc<Switch>,
    stop: Stop,
}

struct WatchedCamera {
    log: Log,
    events: VecDeque<Event>,
    switch: Arc<Switch>,
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
        // A pause lasts until the camera is closed; then somebody resumes.
        self.switch.resume();
    }
}

/// Plays `openings` beside a lamp that fails as `failures` says, and tells what happened in which order.
fn watch(openings: &[&[Event]], failures: &[bool], required: bool) -> Vec<&'static str> {
    watch_while(&Aim::default(), openings, failures, required)
}

/// The same while the camera is aimed as `aim` says.
fn watch_while(aim: &Aim, openings: &[&[Event]], failures: &[bool], required: bool) -> Vec<&'static str> {
    let (log, switch, stop) = (Log::default(), Arc::new(Switch::default()), Stop::default());
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
        aim,
        counters: &counters,
        heartbeat: &heartbeat,
        stop: &stop,
    };
    let run = || parts.run(&mut source, &mut light, BackOff::new(Duration::ZERO, Duration::ZERO));
    // As the supervisor does.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

const ONCE: [&str; 4] = ["lit", "open", "closed", "dark"];

#[test]
fn the_light_is_on_from_before_the_camera_is_open_until_after_it_is_closed() {
    use Event::{Panic, Pause, Picture, Stop, Unplug};
    for events in [&[Picture(0), Stop][..], &[Picture(0), Panic], &[Panic]] {
        assert_eq!(watch(&[events], &[], true), ONCE);
    }
    for events in [&[Picture(0), Pause][..], &[Picture(0), Unplug], &[Pause]] {
        assert_eq!(watch(&[events, &[Stop]], &[], true), [ONCE, ONCE].concat());
    }
}

#[test]
fn a_camera_that_does_not_open_leaves_no_light() {
    assert_eq!(watch(&[], &[], true), ["lit", "not there", "dark"]);
}

#[test]
fn without_its_light_the_camera_stays_closed_and_is_opened_when_it_shines_again() {
    let events: &[Event] = &[Event::Stop];
    let twice_in_vain = ["cannot be lit", "dark", "cannot be lit", "dark"];
    assert_eq!(watch(&[events], &[true, true], true), [twice_in_vain, ONCE].concat());
    assert_eq!(
        watch(&[events], &[true], false),
        ["cannot be lit", "open", "closed", "dark"],
        "the configuration says that it may do without"
    );
}

#[test]
fn a_light_that_fails_while_the_camera_is_open_closes_it_within_a_second() {
    let events: &[Event] = &[Event::Picture(0), Event::Picture(1), Event::Picture(1), Event::Stop];
    let first = ["lit", "open", "lit", "cannot be lit", "closed", "dark"];
    assert_eq!(watch(&[events, &[Event::Stop]], &[false, false, true], true), [&first[..], &ONCE].concat());
}

#[test]
fn the_light_blinks_while_somebody_may_look_through_the_camera_and_shines_afterwards() {
    let aim = Aim::default();
    aim.offer(Instant::now() + Duration::from_secs(600));
    let events: &[Event] =
        &[Event::Picture(0), Event::Picture(1), Event::Picture(2), Event::Picture(3), Event::Stop];
    assert_eq!(watch_while(&aim, &[events], &[], true), ["lit", "open", "dark", "lit", "dark", "closed"]);
    aim.end();
    assert_eq!(
        watch_while(&aim, &[events], &[], true),
        ["lit", "open", "lit", "lit", "lit", "closed", "dark"]
    );
}

#[test]
fn a_paused_start_puts_out_what_the_last_run_left_lit_and_opens_nothing() {
    let (log, switch, stop) = (Log::default(), Switch::default(), Stop::default());
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
            let aim = &Aim::default();
            let parts = CaptureLoop { frames, health, switch, aim, counters, heartbeat, stop };
            parts.run(&mut source, &mut CameraLight::new(Box::new(lamp), true), BackOff::default());
        });
        while log.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        stop.request();
    });
    assert_eq!(*log.lock().unwrap(), ["dark"]);
}
