//! `moodring-campus loadgen`: many devices in one process, to try a broker with.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use moodring_campus::loadgen::{self, Journal, MAX_DEVICES, Plan, Totals};
use moodring_config::{BrokerKind, Config, Protocol};
use moodring_contract::Topics;
use moodring_mqtt::Address;
use moodring_runtime::Stop;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many devices
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DEVICES)))]
    devices: u32,
    /// Campus or school that they belong to
    #[arg(long, default_value = "simulated", value_parser = level)]
    site: String,
    /// Broker; without it that of the configuration
    #[arg(long)]
    host: Option<String>,
    /// Its port
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Configuration file of a device, for `[mqtt]`; without it the defaults hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// 4 is MQTT 3.1.1, 5 is MQTT 5; without it as the configuration says
    #[arg(long, value_parser = protocol)]
    protocol: Option<Protocol>,
    /// End after this many seconds; without it Ctrl-C ends it
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    run_for: Option<Duration>,
    /// Time between two moods of a device
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    mood_every_s: Duration,
    /// Time between two minutes of a lesson; shorter than 60 is fast motion
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    minute_every_s: Duration,
    /// Keep a spool on the disk for each device, in a folder of its own below this one
    #[arg(long, value_name = "DIR")]
    storage: Option<PathBuf>,
    /// Write the key of each spooled message, one a line, to compare with what arrived
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Another seed gives other devices with other classes
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let plan = plan(arguments)?;
    moodring_runtime::logging::start("warn")?;
    loadgen::allow_files(plan.open_files())?;
    let journal = arguments.journal.as_deref().map(Journal::open).transpose()?;
    let (runtime, stop) = (super::runtime()?, Stop::default());
    let devices = loadgen::run(&plan, journal, &stop, report);
    let totals = runtime.block_on(super::until_stopped(devices, &stop, arguments.run_for));
    // A disk that hangs must not delay the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    let totals = totals??;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&totals)?)?;
    Ok(())
}

/// Prints one line a second.
fn report(totals: &Totals) {
    let Totals { seconds, devices, connected, published, acknowledged, waiting, dropped, moods, .. } = totals;
    let megabytes = totals.rss_bytes.unwrap_or(0) / 1_000_000;
    // A reader that has gone ends nothing.
    let _ = writeln!(
        std::io::stdout(),
        "{seconds} s: {connected} of {devices} connected, {published} published, {acknowledged} acknowledged, \
         {waiting} waiting, {dropped} dropped, {moods} moods, {} attempts, {} reconnects, {megabytes} MB",
        totals.attempts.total,
        totals.reconnects,
    );
}

fn plan(arguments: &Arguments) -> anyhow::Result<Plan> {
    let mut mqtt = arguments.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?.mqtt;
    mqtt.broker = BrokerKind::External;
    mqtt.protocol = arguments.protocol.unwrap_or(mqtt.protocol);
    // A simulated device has nothing to pause.
    mqtt.commands = false;
    let address = Address {
        host: arguments.host.clone().unwrap_or_else(|| mqtt.host.clone()),
        port: arguments.port.unwrap_or(mqtt.port),
    };
    Ok(Plan {
        devices: arguments.devices,
        site: arguments.site.clone(),
        address,
        mqtt,
        mood_every: arguments.mood_every_s,
        minute_every: arguments.minute_every_s,
        storage: arguments.storage.clone(),
        seed: arguments.seed,
    })
}

fn level(text: &str) -> Result<String, String> {
    if Topics::is_level(text) {
        Ok(text.to_owned())
    } else {
        Err("must be one level of a topic, of at most 64 bytes".into())
    }
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "4" => Ok(Protocol::V4),
        "5" => Ok(Protocol::V5),
        _ => Err("must be 4 (MQTT 3.1.1) or 5 (MQTT 5)".into()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.05..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("must be a number of seconds from 0.05 to 86400".into()),
    }
}
