//! A thousand devices at one Mosquitto, which is restarted: when the devices come back, and at what cost.

use std::time::Duration;

use crate::broker::{Broker, port};
use crate::ledger::journal;
use crate::load::{Measured, STEADY};
use crate::loadgen::{Attempts, Loadgen, Usage};
use crate::witness::Witness;

const DEVICES: u64 = 1000;
/// All must be back this soon after the broker.
const BACK_WITHIN: Duration = Duration::from_secs(120);
/// A restart with an update in between.
const OUTAGE: Duration = Duration::from_secs(20);

/// As docs/reference/scale.md asks of many devices.
pub(crate) fn spread() -> Result<Measured, String> {
    restarts(60, 30)
}

/// The default: for single rooms and schools.
pub(crate) fn quick() -> Result<Measured, String> {
    restarts(5, 0)
}

/// `min_spread`: seconds over which the attempts after a restart must be spread.
fn restarts(reconnect_within_s: u64, min_spread: u64) -> Result<Measured, String> {
    let mut measured = Measured::new();
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(folder.path(), port(), "autosave_interval 0");
    let witness = Witness::start(broker.port);
    let book = folder.path().join("journal");
    let arguments = ["--mood-every-s", "5", "--minute-every-s", "10", "--journal", book.to_str().unwrap()];
    let config = format!("reconnect_within_s = {reconnect_within_s}\n");
    let loadgen = Loadgen::start(folder.path(), DEVICES, broker.port, &config, &arguments);
    let herd = loadgen.all_connected(BACK_WITHIN).ok_or("the devices do not even connect")?;
    measured.say(format!("start: all {DEVICES} connected after {:.1} s", herd.as_secs_f64()));
    steady(&mut measured, &loadgen, &broker);
    let mut marks = vec![loadgen.line().second];
    for (what, outage) in [("at once", Duration::ZERO), ("after 20 s", OUTAGE)] {
        broker.end("TERM");
        std::thread::sleep(outage);
        broker.again();
        let back = loadgen.all_connected(BACK_WITHIN);
        let connected = loadgen.line().connected;
        measured
            .expect(back.is_some(), || format!("{} of {DEVICES} were not back in time", DEVICES - connected));
        let back = back.unwrap_or(BACK_WITHIN).as_secs_f64();
        measured.say(format!("restart, broker back {what}: all connected {back:.1} s later"));
        // A stable minute: the next loss is a new one.
        std::thread::sleep(Duration::from_secs(62));
        marks.push(loadgen.line().second);
    }
    let totals = loadgen.stop();
    for pair in marks.windows(2) {
        let attempts = Attempts::of(&totals, pair[0], pair[1]);
        let spread = attempts.spread();
        measured.say(format!(
            "attempts: {} over {spread} s, at most {} a second",
            attempts.total, attempts.max_per_second
        ));
        measured.expect(attempts.total >= DEVICES, || "not everybody had to come back".to_owned());
        measured.expect(spread >= min_spread, || format!("spread over {spread} s only"));
    }
    let (waiting, dropped) = (totals["waiting"].as_u64().unwrap(), totals["dropped"].as_u64().unwrap());
    std::thread::sleep(Duration::from_secs(2));
    let seen = witness.seen();
    let keys = journal(&book);
    let missing = keys.keys().filter(|key| !seen.keys.contains_key(key)).count();
    measured
        .say(format!("{} spooled, {missing} not at the witness, {waiting} waiting at the end", keys.len()));
    measured.expect(missing as u64 <= waiting, || format!("{missing} messages are lost"));
    measured.expect(dropped == 0, || format!("{dropped} messages were dropped"));
    for (topic, (count, bytes)) in &seen.sizes {
        measured.say(format!("payload of {topic}: {} bytes on average", bytes / count));
    }
    Ok(measured)
}

fn steady(measured: &mut Measured, loadgen: &Loadgen, broker: &Broker) {
    // Messages that waited for the connection are sent first.
    std::thread::sleep(Duration::from_secs(5));
    let (before, broker, devices) = (loadgen.line(), Usage::of(broker.id()), Usage::of(loadgen.id()));
    std::thread::sleep(STEADY);
    let after = loadgen.line();
    let messages = after.acknowledged - before.acknowledged + after.moods - before.moods;
    let rate = messages as f64 / (after.second - before.second) as f64;
    let ((broker_cpu, broker_mb), (devices_cpu, devices_mb)) = (broker.now(), devices.now());
    measured.say(format!(
        "steady: {rate:.0} messages a second; broker {:.0} % of a processor, {broker_mb:.0} MB; \
         the devices themselves {:.0} %, {devices_mb:.0} MB",
        broker_cpu * 100.0,
        devices_cpu * 100.0
    ));
}
