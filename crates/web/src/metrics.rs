//! `/metrics` in the OpenMetrics text format, encoded for each request from the current values.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use moodring_contract::{Mood, State};
use moodring_runtime::process::resident_bytes;
use moodring_runtime::{Counters, Health, Telemetry, ThermalState};

type Label = [(&'static str, &'static str); 1];
type Gauges = Family<Label, Gauge<f64, AtomicU64>>;
type CounterFamily = Family<Label, Counter>;

/// The complete text.
///
/// # Errors
/// Formatting failed.
pub(super) fn text(
    mood: &Mood,
    telemetry: &Telemetry,
    outputs: &[Arc<Health>],
) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("moodring");
    register_counters(&mut registry, &telemetry.counters);
    register_thermal_state(&mut registry, &telemetry.thermal);
    register_outputs(&mut registry, outputs);
    register_mood(&mut registry, mood);
    if let Some(bytes) = resident_bytes() {
        registry.register("resident_memory_bytes", "Memory of this process", ConstGauge::new(bytes));
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

fn register_counters(registry: &mut Registry, counters: &Counters) {
    let all = [
        ("frames_captured", "Frames captured from the camera", &counters.frames_captured),
        (
            "frames_replaced",
            "Frames replaced by newer ones before vision read them",
            &counters.frames_replaced,
        ),
        ("camera_losses", "Times the camera was lost", &counters.camera_losses),
        ("frames_broken", "Frames that could not be decoded", &counters.frames_broken),
        ("cycles", "Frames that vision has finished", &counters.cycles),
        (
            "heads_found",
            "Heads found, while the class was large enough to be published",
            &counters.heads_found,
        ),
        ("faces_read", "Faces read, while the class was large enough to be published", &counters.faces_read),
        (
            "observations_dropped",
            "Observations dropped because the mood was busy",
            &counters.observations_dropped,
        ),
        ("moods", "Moods handed to the outputs", &counters.moods),
    ];
    for (name, help, count) in all {
        registry.register(name, help, ConstCounter::new(count.get()));
    }
    if let Some(engine) = counters.engine.get() {
        let named: Family<[(&'static str, String); 1], Gauge<f64, AtomicU64>> = Family::default();
        named.get_or_create(&[("delegate", engine.delegate)]).set(f64::from(u8::from(engine.delegated > 0)));
        registry.register("engine_delegate_up", "Whether the delegate runs networks: 1 or 0", named);
        registry.register("engine_nodes", "Nodes of all networks", ConstGauge::new(engine.nodes));
        let delegated = ConstGauge::new(engine.delegated);
        registry.register(
            "engine_nodes_delegated",
            "Nodes of all networks that the delegate runs",
            delegated,
        );
    }
}

fn register_thermal_state(registry: &mut Registry, thermal: &ThermalState) {
    if let Some(celsius) = thermal.celsius() {
        registry.register("temperature_celsius", "Temperature of the processor", ConstGauge::new(celsius));
    }
    let slowdown = ConstGauge::new(thermal.slowdown());
    registry.register(
        "slowdown_ratio",
        "Factor by which vision is slowed down to limit the temperature",
        slowdown,
    );
    let throttled = thermal.throttled();
    for (name, help, holds) in [
        ("throttled", "Whether the firmware slows the processor down", throttled.is_slowed()),
        ("undervolted", "Whether the supply voltage is too low", throttled.is_undervolted()),
    ] {
        registry.register(name, help, ConstGauge::new(u64::from(holds)));
    }
}

fn register_outputs(registry: &mut Registry, outputs: &[Arc<Health>]) {
    let up = Gauges::default();
    let [published, errors, bytes] = std::array::from_fn(|_| CounterFamily::default());
    for output in outputs {
        let label = [("output", output.name())];
        up.get_or_create(&label).set(f64::from(u8::from(output.is_up())));
        published.get_or_create(&label).inc_by(output.published.get());
        errors.get_or_create(&label).inc_by(output.errors.get());
        bytes.get_or_create(&label).inc_by(output.bytes_sent.get());
    }
    registry.register("output_up", "Whether an output works: 1 or 0", up);
    registry.register("output_published", "Moods that an output has shown or published", published);
    registry.register("output_errors", "Failures of an output", errors);
    registry.register("output_bytes_sent", "Bytes sent to the device of an output", bytes);
}

fn register_mood(registry: &mut Registry, mood: &Mood) {
    let states = Gauges::default();
    for state in [State::Starting, State::Live, State::Stale, State::TooFew, State::Paused] {
        states
            .get_or_create(&[("state", super::state_name(state))])
            .set(f64::from(u8::from(state == mood.state)));
    }
    registry.register("state", "State of the mood: 1 for the current state", states);
    if let Some(age_s) = mood.picture_age_s {
        registry.register("picture_age_seconds", "Age of the newest frame", ConstGauge::new(age_s));
    }
    if let Some(people) = mood.people {
        registry.register("people", "Heads in the room", ConstGauge::new(u64::from(people)));
    }
    if let Some(facing) = mood.facing {
        registry.register(
            "facing_ratio",
            "Share of the people facing the front",
            ConstGauge::new(facing.share),
        );
    }
    if let Some(shares) = mood.expressions {
        let family = Gauges::default();
        for (expression, share) in shares.in_order() {
            family.get_or_create(&[("expression", expression.name())]).set(share.share);
        }
        registry.register("expression_ratio", "Share of each expression in the class", family);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moodring_contract::samples;
    use moodring_runtime::{EngineState, StatusBoard};

    #[test]
    fn mood_counters_and_outputs_are_exported() {
        let telemetry = Telemetry::new(&StatusBoard::default(), Default::default());
        telemetry.counters.frames_captured.add(7);
        let (delegate, problem) = ("libedgetpu.so.1".to_owned(), None);
        telemetry.counters.engine.set(EngineState { delegate, nodes: 83, delegated: 8, problem });
        let outputs = [Arc::new(Health::new("mqtt")), Arc::new(Health::new("display"))];
        outputs[1].bytes_sent.add(512);
        outputs[0].works();
        let text = text(&samples::live(), &telemetry, &outputs).unwrap();
        for line in [
            "moodring_frames_captured_total 7",
            "moodring_slowdown_ratio 1.0",
            "moodring_undervolted 0",
            "moodring_engine_delegate_up{delegate=\"libedgetpu.so.1\"} 1.0",
            "moodring_engine_nodes 83",
            "moodring_engine_nodes_delegated 8",
            "moodring_people 28",
            "moodring_facing_ratio 0.82",
            "moodring_expression_ratio{expression=\"happy\"} 0.24",
            "moodring_state{state=\"live\"} 1.0",
            "moodring_state{state=\"stale\"} 0.0",
            "moodring_output_up{output=\"mqtt\"} 1.0",
            "moodring_output_published_total{output=\"mqtt\"} 0",
            "moodring_output_bytes_sent_total{output=\"display\"} 512",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn without_a_live_mood_there_are_no_gauges_of_the_class() {
        let telemetry = Telemetry::new(&StatusBoard::default(), Default::default());
        let text = text(&samples::too_few(), &telemetry, &[]).unwrap();
        assert!(!text.contains("people ") && !text.contains("expression_ratio"));
        assert!(text.contains("moodring_state{state=\"too_few\"} 1.0"));
    }
}
