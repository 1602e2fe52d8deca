//! `moodring campus`: what a campus runs beside its devices. campus/README.md says who needs which part.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::campus::{self, Credentials, Fleet, Ingest, Limits, Store, Totals};
use crate::supervisor::{self, Stop};

/// More of a password file is not read.
const MOST_PASSWORD_BYTES: u64 = 4096;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Arguments {
    /// Write what devices tell an MQTT broker into PostgreSQL, each message once
    Ingest(IngestArguments),
}

#[derive(Debug, clap::Args)]
pub(super) struct IngestArguments {
    /// MQTT broker; give every node of a cluster: one is used, the next when it is lost
    #[arg(long, value_name = "HOST[:PORT]", value_parser = broker, required_unless_present = "init")]
    broker: Vec<(String, u16)>,
    /// User at the broker
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// File whose first line is the user's password
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// PEM file with the authorities to trust: the broker is spoken to by TLS, and only then
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Name of the session that the broker keeps while this is away; no two clients may share it
    #[arg(long, value_name = "ID", default_value = "moodring-ingest", value_parser = client_id)]
    client_id: String,
    /// Database, as key=value pairs or as a postgresql:// address
    #[arg(long, value_name = "PARAMETERS", default_value = "dbname=moodring user=moodring_ingest")]
    database: String,
    /// File whose first line is the database user's password
    #[arg(long, value_name = "FILE")]
    database_password_file: Option<PathBuf>,
    /// PEM file with the authorities to trust: the database is spoken to by TLS, and only so
    #[arg(long, value_name = "FILE")]
    database_ca: Option<PathBuf>,
    /// First apply campus/postgres/schema.sql, as the database's owner; without --broker that is all
    #[arg(long)]
    init: bool,
    /// Serve the fleet's state for Prometheus on this address, at /metrics
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    /// End when the broker has had nothing more for two seconds
    #[arg(long)]
    once: bool,
    /// End after this many seconds
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    run_for: Option<u64>,
}

pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments::Ingest(arguments) = arguments;
    super::logging::start("info")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the system gives no runtime")?;
    runtime.block_on(ingest(arguments))
}

async fn ingest(arguments: IngestArguments) -> anyhow::Result<()> {
    let password = arguments.database_password_file.as_deref().map(first_line).transpose()?;
    let database_tls = arguments.database_ca.as_deref().map(campus::trusting).transpose();
    let database_tls = database_tls.map_err(|error| anyhow!("--database-ca: {error}"))?;
    let store = || {
        Store::new(&arguments.database, password.as_deref(), database_tls.clone())
            .map_err(|error| anyhow!("--database: {error}"))
    };
    if arguments.init {
        let mut store = store()?;
        store.apply_schema().await.with_context(|| format!("{}: no schema", store.place()))?;
        println!("campus ingest: the schema stands in {}", store.place());
    }
    if arguments.broker.is_empty() {
        return Ok(());
    }
    let (fleet, stop) = (Arc::new(Fleet::default()), Stop::default());
    let ingest = Ingest {
        brokers: arguments.broker.clone(),
        client_id: arguments.client_id.clone(),
        credentials: credentials(&arguments)?,
        tls: arguments
            .ca
            .as_deref()
            .map(campus::trusting)
            .transpose()
            .map_err(|error| anyhow!("--ca: {error}"))?,
        store: store()?,
        fleet: Arc::clone(&fleet),
        limits: Limits { once: arguments.once },
        stop: stop.clone(),
    };
    tokio::spawn(campus::maintain(store()?, stop.clone()));
    tokio::spawn(supervisor::notify_service_manager(Vec::new(), stop.clone()));
    let totals = tokio::select! {
        totals = ingest.run() => totals,
        result = serve(fleet, arguments.metrics) => return result,
        result = supervisor::stop_on_signal(stop.clone()) => return result,
        () = end_after(stop.clone(), arguments.run_for) => return Ok(()),
    };
    let Totals { received, fresh, repeated, rejected } = totals;
    println!(
        "campus ingest: {received} received, {fresh} new, {repeated} had come before, {rejected} unreadable"
    );
    Ok(())
}

/// Serves the metrics where they are wanted; ends only with an error.
async fn serve(fleet: Arc<Fleet>, address: Option<SocketAddr>) -> anyhow::Result<()> {
    match address {
        Some(address) => fleet.serve(address).await,
        None => std::future::pending().await,
    }
}

/// Requests the stop after so many seconds; never completes, so that the ingest can take its leave.
async fn end_after(stop: Stop, seconds: Option<u64>) {
    if let Some(seconds) = seconds {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        stop.request();
    }
    std::future::pending().await
}

fn credentials(arguments: &IngestArguments) -> anyhow::Result<Option<Credentials>> {
    let Some(username) = arguments.username.clone() else { return Ok(None) };
    let password = arguments.password_file.as_deref().map(first_line).transpose()?.unwrap_or_default();
    Ok(Some(Credentials { username, password }))
}

fn first_line(path: &Path) -> anyhow::Result<String> {
    let context = || format!("{} cannot be read", path.display());
    let file = std::fs::File::open(path).with_context(context)?;
    let mut line = String::new();
    BufReader::new(file.take(MOST_PASSWORD_BYTES)).read_line(&mut line).with_context(context)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn broker(text: &str) -> Result<(String, u16), String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| format!("{port:?} is no port"))?),
        None => (text, 1883),
    };
    if host.is_empty() { Err("a host is missing".into()) } else { Ok((host.to_owned(), port)) }
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
