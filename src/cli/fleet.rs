//! `moodring fleet simulate`: many devices in one process, to try a broker with.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::config::{BrokerKind, Protocol};
use crate::fleet::{self, Journal, MOST_DEVICES, Plan, Totals};
use crate::outputs::mqtt::Address;
use crate::supervisor::{Stop, stop_on_signal};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Arguments {
    /// Run devices with simulated classes against a real broker; the last line is what they came to, as JSON
    Simulate(Simulate),
}

#[derive(Debug, clap::Args)]
pub(super) struct Simulate {
    /// How many devices
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_DEVICES)))]
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
    #[command(flatten)]
    config: super::OptionalConfig,
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
    /// Another seed is other devices with other classes
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments::Simulate(arguments) = arguments;
    let plan = plan(arguments)?;
    super::logging::start("warn")?;
    fleet::allow_files(plan.open_files())?;
    let journal = arguments.journal.as_deref().map(Journal::open).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no asynchronous runtime can be had from the system")?;
    let totals = runtime.block_on(simulate(&plan, journal, arguments.run_for));
    // A disk that hangs must not hold the end up.
    runtime.shutdown_timeout(Duration::from_millis(200));
    println!("{}", serde_json::to_string(&totals?)?);
    Ok(())
}

async fn simulate(
    plan: &Plan,
    journal: Option<Journal>,
    run_for: Option<Duration>,
) -> anyhow::Result<Totals> {
    let stop = Stop::default();
    let (signals, timer) = (stop.clone(), stop.clone());
    tokio::spawn(async move {
        if let Err(error) = stop_on_signal(signals).await {
            tracing::warn!(%error, "only --for ends this");
        }
    });
    if let Some(run_for) = run_for {
        tokio::spawn(async move {
            tokio::time::sleep(run_for).await;
            timer.request();
        });
    }
    fleet::run(plan, journal, &stop, tell).await
}

/// One line a second.
fn tell(totals: &Totals) {
    let Totals { seconds, devices, connected, published, acknowledged, waiting, dropped, moods, .. } = totals;
    let megabytes = totals.rss_bytes.unwrap_or(0) / 1_000_000;
    // Whoever reads along may have gone; that ends nothing.
    let _ = writeln!(
        std::io::stdout(),
        "{seconds} s: {connected} of {devices} connected, {published} published, {acknowledged} acknowledged, \
         {waiting} waiting, {dropped} dropped, {moods} moods, {} attempts, {} reconnects, {megabytes} MB",
        totals.attempts.total,
        totals.reconnects,
    );
}

fn plan(arguments: &Simulate) -> anyhow::Result<Plan> {
    let mut mqtt = arguments.config.load()?.mqtt;
    mqtt.broker = BrokerKind::External;
    mqtt.protocol = arguments.protocol.unwrap_or(mqtt.protocol);
    // There is nobody in these rooms who could be paused.
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
    let fits = (1..=64).contains(&text.len()) && !text.contains(['/', '+', '#', '\0']);
    if fits { Ok(text.to_owned()) } else { Err("must be one level of a topic, of at most 64 bytes".into()) }
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
