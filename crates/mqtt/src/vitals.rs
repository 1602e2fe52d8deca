//! The device's health, measured when it is published: `counters, thermal, camera, problems ──sample──▶ Vitals`.

use std::time::Instant;

use moodring_contract::payload::{Camera, Vitals};
use moodring_runtime::process::{clock_synchronised, load_1min, resident_bytes};
use moodring_runtime::{CameraState, Counters, Telemetry, Throttled};

/// Measures the health of a device.
pub struct Sampler(Box<dyn FnMut() -> Vitals + Send>);

impl Sampler {
    /// A sampler that calls `measure` each time.
    pub fn new(measure: impl FnMut() -> Vitals + Send + 'static) -> Self {
        Self(Box::new(measure))
    }

    /// The sampler of this device.
    pub(crate) fn of_device(telemetry: Telemetry) -> Self {
        let started = Instant::now();
        let mut before = (started, telemetry.counters.frames_captured.get());
        Self::new(move || {
            let now = Instant::now();
            let frames = telemetry.counters.frames_captured.get();
            let seconds = now.saturating_duration_since(before.0).as_secs_f64();
            let frames_per_s = frames.saturating_sub(before.1) as f64 / seconds.max(0.001);
            before = (now, frames);
            Vitals {
                uptime_s: now.saturating_duration_since(started).as_secs(),
                frames_per_s: (frames_per_s * 10.0).round() / 10.0,
                ..measure(&telemetry)
            }
        })
    }

    pub(super) fn sample(&mut self) -> Vitals {
        (self.0)()
    }
}

fn measure(telemetry: &Telemetry) -> Vitals {
    let Telemetry { counters, thermal, status, models } = telemetry;
    let status = status.borrow().clone();
    Vitals {
        models: models.clone(),
        camera: match status.camera {
            CameraState::Starting => Camera::Starting,
            CameraState::Streaming => Camera::Streaming,
            CameraState::Paused => Camera::Paused,
            CameraState::Away(_) => Camera::Away,
        },
        problems: status.problems.into_iter().map(|(part, problem)| (part.to_owned(), problem)).collect(),
        rss_bytes: resident_bytes(),
        load_1min: load_1min(),
        celsius: thermal.celsius().map(|celsius| (celsius * 10.0).round() / 10.0),
        throttled: thermal.reported_throttling().map(Throttled::is_slowed),
        inference_ms: counters.cycle_time.get().map(|time| (time.as_secs_f64() * 10_000.0).round() / 10.0),
        cycles: counters.cycles.get(),
        observations_dropped: counters.observations_dropped.get(),
        clock_synchronised: clock_synchronised(),
        engine: engine(counters),
        ..Vitals::default()
    }
}

/// The name of the delegate if it runs a part of the networks, otherwise `cpu`.
fn engine(counters: &Counters) -> String {
    let delegate = counters.engine.get().filter(|engine| engine.delegated > 0).map(|engine| engine.delegate);
    delegate.unwrap_or_else(|| "cpu".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use moodring_runtime::{CAMERA, EngineState, StatusBoard};

    #[test]
    fn vitals_contain_the_data_of_the_parts() {
        let status_board = StatusBoard::default();
        let telemetry = Telemetry::new(&status_board, Default::default());
        let mut sampler = Sampler::of_device(telemetry.clone());
        let first = sampler.sample();
        assert_eq!(
            (first.engine.as_str(), first.inference_ms, first.camera),
            ("cpu", None, Camera::Starting)
        );
        telemetry.counters.frames_captured.add(30);
        telemetry.counters.cycle_time.set(Duration::from_micros(123_456));
        let (delegate, problem) = ("libedgetpu.so.1".to_owned(), None);
        telemetry.counters.engine.set(EngineState { delegate, nodes: 83, delegated: 8, problem });
        status_board.fails(CAMERA, "unplugged");
        let second = sampler.sample();
        assert!(second.frames_per_s > 0.0 && second.rss_bytes.is_some());
        assert_eq!((second.inference_ms, second.engine.as_str()), (Some(123.5), "libedgetpu.so.1"));
        assert_eq!(second.problems["camera"], "unplugged");
        assert_eq!(second.throttled, None, "no firmware reports it");
        assert_eq!(sampler.sample().frames_per_s, 0.0, "since the last message");
    }
}
