//! `moodring-campus ingest`: from the broker to the database. campus/README.md describes its parts.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use moodring_campus::ingest::{
    Credentials, Devices, Ingest, Inventory, Limits, Store, Totals, maintain, trusting,
};
use moodring_runtime::{Stop, Supervisor, hex, text_file, watchdog};
use sha2::{Digest, Sha256};

/// Maximum size of a password file, in bytes.
const MAX_PASSWORD_BYTES: u64 = 4096;
/// Maintenance and metrics end at once; a part that hangs is left behind after this long.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// MQTT broker; give every node of a cluster: one is used, the next when it is lost
    #[arg(long, value_name = "HOST[:PORT]", value_parser = broker, required_unless_present = "init")]
    broker: Vec<(String, u16)>,
    /// User at the broker
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// File whose first line is the user's password
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// PEM file with the authorities to trust; the connection to the broker then uses TLS
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Client id. The broker stores messages for it while the ingest is disconnected. Keep it secret: another client that
    /// connects with it deletes them. Default: derived from user name and password
    #[arg(long, value_name = "ID", value_parser = client_id)]
    client_id: Option<String>,
    /// devices.csv of access.py: a message whose topic is not of its device's room is quarantined
    #[arg(long, value_name = "FILE")]
    devices: Option<PathBuf>,
    /// Database, as key=value pairs or as a postgresql:// address
    #[arg(long, value_name = "PARAMETERS", default_value = "dbname=moodring user=moodring_ingest")]
    database: String,
    /// File whose first line is the database user's password
    #[arg(long, value_name = "FILE")]
    database_password_file: Option<PathBuf>,
    /// PEM file with the authorities to trust; the connection to the database then uses TLS
    #[arg(long, value_name = "FILE")]
    database_ca: Option<PathBuf>,
    /// First apply campus/postgres/schema.sql, as the owner of the database; without --broker end then
    #[arg(long)]
    init: bool,
    /// Serve the state of all devices for Prometheus on this address, at /metrics
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    /// End when the broker has had nothing more for two seconds
    #[arg(long)]
    once: bool,
    /// End after this many seconds
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    run_for: Option<u64>,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    moodring_runtime::logging::start("info")?;
    super::runtime()?.block_on(ingest(arguments))
}

async fn ingest(arguments: Arguments) -> anyhow::Result<()> {
    let new_store = stores(&arguments)?;
    if arguments.init {
        let mut store = new_store()?;
        store.apply_schema().await.with_context(|| format!("{}: no schema", store.place()))?;
        say(&format!("moodring-campus ingest: the schema is applied to {}", store.place()));
    }
    if arguments.broker.is_empty() {
        return Ok(());
    }
    let (inventory, stop) = (Arc::new(Inventory::default()), Stop::default());
    let tls = arguments.ca.as_deref().map(trusting).transpose();
    let credentials = credentials(&arguments)?;
    let devices = arguments.devices.as_deref().map(Devices::read).transpose();
    let ingest = Ingest {
        brokers: arguments.broker.clone(),
        client_id: arguments.client_id.clone().unwrap_or_else(|| session_name(credentials.as_ref())),
        credentials,
        tls: tls.map_err(|error| anyhow!("--ca: {error}"))?,
        store: new_store()?,
        devices: devices.context("--devices")?,
        inventory: Arc::clone(&inventory),
        limits: Limits { once: arguments.once },
        stop: stop.clone(),
    };
    let supervisor = Supervisor::new(stop.clone());
    let (store, maintenance_stop) = (new_store()?, stop.clone());
    supervisor.task("maintenance", async move {
        maintain(store, maintenance_stop).await;
        Ok(())
    });
    if let Some(address) = arguments.metrics {
        let stop = stop.clone();
        supervisor.task("metrics", async move {
            tokio::select! {
                result = inventory.serve(address) => result,
                () = stop.requested() => Ok(()),
            }
        });
    }
    watchdog::start(&supervisor)?;
    let run_for = arguments.run_for.map(Duration::from_secs);
    let totals = super::until_stopped(ingest.run(), &stop, run_for).await?;
    supervisor.join(STOP_TIMEOUT).await?;
    let Totals { received, fresh, repeated, rejected, quarantined } = totals;
    say(&format!(
        "moodring-campus ingest: {received} received, {fresh} new, {repeated} had come before, {quarantined} quarantined, \
         {rejected} unreadable"
    ));
    Ok(())
}

/// Prints a line; a reader that has gone ends nothing.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Makes stores of the configured database, each with a connection of its own.
fn stores(arguments: &Arguments) -> anyhow::Result<impl Fn() -> anyhow::Result<Store> + use<>> {
    let password = arguments.database_password_file.as_deref().map(first_line).transpose()?;
    let tls = arguments.database_ca.as_deref().map(trusting).transpose();
    let tls = tls.map_err(|error| anyhow!("--database-ca: {error}"))?;
    let database = arguments.database.clone();
    Ok(move || {
        Store::new(&database, password.as_deref(), tls.clone())
            .map_err(|error| anyhow!("--database: {error}"))
    })
}

fn credentials(arguments: &Arguments) -> anyhow::Result<Option<Credentials>> {
    let Some(username) = arguments.username.clone() else { return Ok(None) };
    let password = arguments.password_file.as_deref().map(first_line).transpose()?.unwrap_or_default();
    Ok(Some(Credentials { username, password }))
}

fn first_line(path: &Path) -> anyhow::Result<String> {
    let text =
        text_file::read(path, MAX_PASSWORD_BYTES).map_err(|error| anyhow!("{} {error}", path.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn broker(text: &str) -> Result<(String, u16), String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| format!("{port:?} is not a port"))?),
        None => (text, 1883),
    };
    if host.is_empty() { Err("a host is missing".into()) } else { Ok((host.to_owned(), port)) }
}

/// A name that only who knows the password can derive: every user of the broker may connect with any client id, and taking
/// over a session destroys what waits in it.
fn session_name(credentials: Option<&Credentials>) -> String {
    let Some(Credentials { username, password }) = credentials else { return "moodring-ingest".into() };
    let digest = Sha256::digest(format!("moodring ingest session\0{username}\0{password}"));
    // 23 characters: the most that every broker accepts.
    format!("ingest-{:.16}", hex(&digest))
}

/// What every broker accepts (MQTT 3.1.1, 3.1.3.1).
fn client_id(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=23).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 23 letters, digits or hyphens".into())
    }
}
