use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::light_tests::{Event, Log, WatchedSource};
use super::*;
use crate::{Frame, PixelFormat, Size};
use moodring_runtime::Taken;
use proptest::prelude::*;

/// What each opening does: fail, or deliver these pictures (their sequence numbers) and failures.
type Script = VecDeque<Result<VecDeque<Result<u64, CameraError>>, CameraError>>;

struct ScriptedSource {
    script: Script,
    /// Requested at the end of the script.
    stop: Stop,
    /// The mailbox. Each opening takes the frame in it, as a reader would.
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

pub(super) fn gone(why: &str) -> CameraError {
    CameraError::Gone(why.into())
}

struct Outcome {
    seen: Vec<u64>,
    recycled: u64,
    health: CameraHealth,
    counters: Counters,
}

/// Runs the loop until it stops. Returns its health and counters.
fn capture(
    source: &mut dyn CameraSource,
    frames: &Frames,
    switch: &CameraSwitch,
    stop: &Stop,
) -> (CameraHealth, Counters) {
    let (health, counters) = (CameraHealth::default(), Counters::default());
    let heartbeat = &Heartbeat::default();
    let preview = &CameraPreview::default();
    let parts =
        CaptureLoop { frames, health: &health, switch, preview, counters: &counters, heartbeat, stop };
    parts.run(source, &mut CameraLight::none(), Backoff::new(Duration::ZERO, Duration::ZERO));
    (health, counters)
}

fn play(script: Script) -> Outcome {
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
    let (health, counters) = capture(&mut source, &frames, &CameraSwitch::default(), &stop);
    let seen = seen.lock().unwrap().clone();
    Outcome { seen, recycled: recycled.load(Ordering::Relaxed), health, counters }
}

#[test]
fn a_lost_camera_is_opened_again() {
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
fn buffers_of_unread_frames_are_reused_and_the_newest_frame_is_kept() {
    let played = play(Script::from([Ok((1..=5).map(Ok).collect())]));
    assert_eq!(played.seen, [5]);
    // All captures except the first two (no frame was replaced yet) got the buffer of a replaced frame.
    assert_eq!(played.recycled, 4);
    assert_eq!(played.counters.frames_replaced.get(), 4);
}

#[test]
fn each_reason_of_a_loss_is_logged_once_until_the_camera_works() {
    let mut losses = Losses::default();
    let mut logged = |reason: &str| {
        losses.report(reason);
        losses.last_is_logged()
    };
    assert_eq!(
        ["ended", "ended", "refused", "ended", "refused"].map(&mut logged),
        [true, false, true, false, false]
    );
    // Reasons that are new each time.
    let count = (0..100).filter(|number| logged(&format!("error at {number}"))).count();
    assert_eq!(count, 6, "eight reasons in all");
    losses.end();
    losses.report("ended");
    assert!(losses.last_is_logged());
}

#[test]
fn only_a_camera_that_works_for_a_while_ends_the_growth_of_the_pauses() {
    let play = |seconds: u64| {
        let (switch, stop) = (Arc::new(CameraSwitch::default()), Stop::default());
        let mut source = WatchedSource {
            log: Log::default(),
            openings: VecDeque::from([vec![Event::Picture(0), Event::Picture(seconds)]]),
            switch: Arc::clone(&switch),
            stop: stop.clone(),
        };
        let (frames, counters, health) = (Frames::default(), Counters::default(), CameraHealth::default());
        let heartbeat = Heartbeat::default();
        let preview = CameraPreview::default();
        let parts = CaptureLoop {
            frames: &frames,
            health: &health,
            switch: &switch,
            preview: &preview,
            counters: &counters,
            heartbeat: &heartbeat,
            stop: &stop,
        };
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        backoff.after_failure(1.0);
        let lost = parts.stream(&mut source, &mut CameraLight::none(), &mut backoff, &mut Losses::default());
        assert!(lost.is_err());
        backoff.after_failure(1.0)
    };
    assert_eq!(play(9), Duration::from_secs(2));
    assert_eq!(play(10), Duration::from_secs(1));
}

#[test]
fn off_closes_the_camera_and_on_opens_it_again() {
    struct Probe(Arc<AtomicU64>, Arc<CameraSwitch>);
    impl Drop for Probe {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            self.1.resume();
        }
    }
    struct PausingCamera(Probe, Stop);
    impl Camera for PausingCamera {
        fn capture(&mut self, data: Vec<u8>) -> Result<Frame, CameraError> {
            // The first opening is paused during the capture, the second is stopped.
            match self.0.0.load(Ordering::SeqCst) {
                0 => self.0.1.pause(),
                _ => self.1.request(),
            }
            let (format, size) = (PixelFormat::Grey, Size::new(0, 0));
            Ok(Frame { captured_at: Instant::now(), sequence: 7, format, size, stride: 0, data })
        }
    }
    struct PausingSource(Arc<AtomicU64>, Arc<CameraSwitch>, Stop, u64);
    impl CameraSource for PausingSource {
        fn open(&mut self) -> Result<Box<dyn Camera>, CameraError> {
            self.3 += 1;
            let probe = Probe(Arc::clone(&self.0), Arc::clone(&self.1));
            Ok(Box::new(PausingCamera(probe, self.2.clone())))
        }
    }
    let (closed, switch, stop) = (Arc::default(), Arc::new(CameraSwitch::default()), Stop::default());
    let mut source = PausingSource(Arc::clone(&closed), Arc::clone(&switch), stop.clone(), 0);
    let (_, counters) = capture(&mut source, &Frames::default(), &switch, &stop);
    assert_eq!((source.3, closed.load(Ordering::SeqCst)), (2, 2));
    // The picture that was captured during the pause was discarded.
    assert_eq!(counters.frames_captured.get(), 1);
    assert_eq!(counters.camera_losses.get(), 0);
}

#[test]
fn no_camera_is_opened_while_off() {
    let (switch, stop, health) = (CameraSwitch::default(), Stop::default(), CameraHealth::default());
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
            let preview = &CameraPreview::default();
            let parts = CaptureLoop { frames, health, switch, preview, counters, heartbeat, stop };
            parts.run(&mut Never, &mut CameraLight::none(), Backoff::default());
        });
        while health.state() != CameraState::Paused {
            std::thread::yield_now();
        }
        stop.request();
    });
}

proptest! {
    #[test]
    fn waits_grow_stay_within_limits_and_reset(
        shortest_ms in 0u64..2000, longest_ms in 0u64..20_000,
        jitters in prop::collection::vec(-1.0f64..2.0, 1..40),
    ) {
        let (shortest, longest) = (Duration::from_millis(shortest_ms), Duration::from_millis(longest_ms));
        let mut back_off = Backoff::new(shortest, longest);
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
