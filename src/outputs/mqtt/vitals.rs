//! How the device is, measured when it is to be told: `counters, climate, camera, troubles ──sample──▶ Vitals`.

use std::time::Instant;

use super::payload::{Camera, Vitals};
use crate::camera::CameraState;
use crate::outputs::process::{clock_synchronised, load_1min, resident_bytes};
use crate::outputs::{Known, Situations};
use crate::supervisor::Counters;

/// Measures how a device is.
pub struct Sampler(Box<dyn FnMut() -> Vitals + Send>);

impl Sampler {
    /// One that asks `measure` each time.
    pub fn new(measure: impl FnMut() -> Vitals + Send + 'static) -> Self {
        Self(Box::new(measure))
    }

    /// The one of this device.
    pub(in crate::outputs) fn of_device(known: Known, situations: Situations) -> Self {
        let started = Instant::now();
        let mut before = (started, known.counters.frames_captured.get());
        Self::new(move || {
            let now = Instant::now();
            let frames = known.counters.frames_captured.get();
            let seconds = now.saturating_duration_since(before.0).as_secs_f64();
            let frames_per_s = frames.saturating_sub(before.1) as f64 / seconds.max(0.001);
            before = (now, frames);
            Vitals {
                uptime_s: now.saturating_duration_since(started).as_secs(),
                frames_per_s: (frames_per_s * 10.0).round() / 10.0,
                ..measure(&known, &situations)
            }
        })
    }

    pub(super) fn sample(&mut self) -> Vitals {
        (self.0)()
    }
}

fn measure(known: &Known, situations: &Situations) -> Vitals {
    let Known { counters, climate, camera, models } = known;
    let troubles = situations.borrow().troubles.clone();
    Vitals {
        models: models.clone(),
        camera: camera.as_ref().map_or(Camera::Starting, |camera| match *camera.borrow() {
            CameraState::Starting => Camera::Starting,
            CameraState::Streaming => Camera::Streaming,
            CameraState::Paused => Camera::Paused,
            CameraState::Away(_) => Camera::Away,
        }),
        problems: troubles.into_iter().map(|(part, problem)| (part.to_owned(), problem)).collect(),
        rss_bytes: resident_bytes(),
        load_1min: load_1min(),
        celsius: climate.celsius().map(|celsius| (celsius * 10.0).round() / 10.0),
        throttled: climate.firmware_says().map(crate::board::thermal::Throttled::is_slowed),
        inference_ms: counters.cycle_time.get().map(|time| (time.as_secs_f64() * 10_000.0).round() / 10.0),
        cycles: counters.cycles.get(),
        observations_dropped: counters.observations_dropped.get(),
        clock_synchronised: clock_synchronised(),
        engine: engine(counters),
        ..Vitals::default()
    }
}

/// What runs the networks: a delegate's name where it runs a part of them, else the processor.
fn engine(counters: &Counters) -> String {
    let delegate = counters.engine.get().filter(|engine| engine.delegated > 0).map(|engine| engine.delegate);
    delegate.unwrap_or_else(|| "cpu".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outputs::{Bulletin, CAMERA};
    use crate::supervisor::EngineState;

    #[test]
    fn a_device_tells_what_its_parts_know() {
        let (known, bulletin) = (Known::default(), Bulletin::default());
        let mut sampler = Sampler::of_device(known.clone(), bulletin.subscribe());
        let first = sampler.sample();
        assert_eq!(
            (first.engine.as_str(), first.inference_ms, first.camera),
            ("cpu", None, Camera::Starting)
        );
        known.counters.frames_captured.add(30);
        known.counters.cycle_time.tell(Duration::from_micros(123_456));
        let (delegate, problem) = ("libedgetpu.so.1".to_owned(), None);
        known.counters.engine.tell(EngineState { delegate, nodes: 83, delegated: 8, problem });
        bulletin.fails(CAMERA, "unplugged");
        let second = sampler.sample();
        assert!(second.frames_per_s > 0.0 && second.rss_bytes.is_some());
        assert_eq!((second.inference_ms, second.engine.as_str()), (Some(123.5), "libedgetpu.so.1"));
        assert_eq!(second.problems["camera"], "unplugged");
        assert_eq!(second.throttled, None, "no firmware says so");
        assert_eq!(sampler.sample().frames_per_s, 0.0, "since the last message");
    }
}
