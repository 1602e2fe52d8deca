//! The loop: read what the broker sends, write it, acknowledge it.
//!
//! While one batch is written the next gathers, so batches grow with the load and no message waits for others. The number of
//! messages read and not yet written is bounded, and the broker sends again what is lost with a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::Instrument;

use moodring_runtime::{Backoff, Counter, Stop, random_share};

use super::batch::{self, MAX_ROWS};
use super::broker::{self, Credentials, Delivery, Event, Link, LinkError, MAX_READ_AHEAD, Sender, Settings};
use super::devices::Devices;
use super::inventory::Inventory;
use super::message::{self, LEAVES, Refusal, Row};
use super::store::{Store, StoreError};

/// The library takes acknowledgements at once; if it does not for this long, the connection is given up.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(30);
/// The farewell may take this long.
const FAREWELL: Duration = Duration::from_millis(500);
/// `--once` ends after this much silence.
const SILENCE: Duration = Duration::from_secs(2);
/// One line of counters.
const REPORT_EVERY: Duration = Duration::from_secs(60);
const MAINTAIN_EVERY: Duration = Duration::from_secs(3600);
/// After maintenance has failed.
const MAINTAIN_AGAIN: Duration = Duration::from_secs(60);

/// When to end by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// When the broker has had nothing more for two seconds.
    pub once: bool,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Messages that came.
    pub received: u64,
    /// Rows that were new.
    pub fresh: u64,
    /// Messages that had come before.
    pub repeated: u64,
    /// Messages that could not be read.
    pub rejected: u64,
    /// Messages whose topic, device and room do not agree.
    pub quarantined: u64,
}

/// The ingest's parts.
#[derive(Debug)]
pub struct Ingest {
    /// Host and port of each broker; one at a time is used, the next when it is lost.
    pub brokers: Vec<(String, u16)>,
    /// Client id, which must not change: the broker stores messages for it while the ingest is disconnected. Another client
    /// that connects with it deletes them, so it must be secret.
    pub client_id: String,
    /// User name and password at the broker.
    pub credentials: Option<Credentials>,
    /// The authorities to trust; without them there is no TLS.
    pub tls: Option<Arc<ClientConfig>>,
    /// The database.
    pub store: Store,
    /// Where each device hangs; without it, topic and payload alone must agree.
    pub devices: Option<Devices>,
    /// The state of all devices, for Prometheus.
    pub inventory: Arc<Inventory>,
    /// When to end by itself.
    pub limits: Limits,
    /// The request to end.
    pub stop: Stop,
}

/// How a connection ended.
enum End {
    Stopped,
    Lost { error: LinkError, worked: bool },
}

/// What became of a batch.
enum Taken {
    All,
    Unacknowledged,
    Stopped,
}

impl Ingest {
    /// Works until the stop is requested or the limits are reached.
    pub async fn run(mut self) -> Totals {
        let (mut backoff, mut reported) = (new_backoff(), String::new());
        let inventory = Arc::clone(&self.inventory);
        for attempt in 0.. {
            let Some((host, port)) = self.brokers.get(attempt % self.brokers.len().max(1)).cloned() else {
                break;
            };
            let settings = Settings {
                host: host.clone(),
                port,
                client_id: self.client_id.clone(),
                credentials: self.credentials.clone(),
                tls: self.tls.clone(),
            };
            let end = self.connection(settings).instrument(tracing::info_span!("broker", host, port)).await;
            inventory.broker_up.store(false, Ordering::Relaxed);
            let End::Lost { error, worked } = end else { break };
            let problem = format!("MQTT broker at {host}:{port} {error}");
            if worked {
                backoff.reset();
                reported.clear();
            }
            if reported != problem {
                tracing::warn!("{problem}");
                reported = problem;
            }
            tokio::select! {
                () = self.stop.requested() => break,
                () = sleep(backoff.after_failure(random_share())) => {}
            }
        }
        totals(&inventory)
    }

    /// One connection from its beginning to its end.
    async fn connection(&mut self, settings: Settings) -> End {
        let (sender, link) = match broker::open(settings) {
            Ok(opened) => opened,
            Err(error) => return End::Lost { error, worked: false },
        };
        let (hand_in, mut events) = mpsc::channel(MAX_READ_AHEAD);
        let mut reader = Reader(tokio::spawn(read(link, hand_in)));
        let (mut gathered, mut worked, stop) = (Vec::new(), false, self.stop.clone());
        let mut silent_at = None;
        let mut report_at = Instant::now() + REPORT_EVERY;
        loop {
            tokio::select! {
                () = stop.requested() => break,
                () = sleep_until(silent_at.unwrap_or(report_at)), if silent_at.is_some() => break,
                () = sleep_until(report_at) => {
                    report(&self.inventory);
                    report_at += REPORT_EVERY;
                }
                count = events.recv_many(&mut gathered, MAX_ROWS) => if count == 0 {
                    return End::Lost { error: reader.error().await, worked };
                }
            }
            let mut deliveries = Vec::with_capacity(gathered.len());
            for event in gathered.drain(..) {
                worked |= self.handle(event, &sender, &mut deliveries).await;
            }
            match self.take(&sender, &deliveries).await {
                Taken::All => {}
                Taken::Unacknowledged => {
                    return End::Lost {
                        error: LinkError::Lost("it takes no acknowledgements".into()),
                        worked,
                    };
                }
                Taken::Stopped => break,
            }
            if self.limits.once && worked {
                silent_at = Some(Instant::now() + SILENCE);
            }
        }
        farewell(&sender, &mut events).await;
        End::Stopped
    }

    /// Handles an event of the connection; a message is added to `deliveries`. True once the broker has our subscriptions.
    async fn handle(&self, event: Event, sender: &Sender, deliveries: &mut Vec<Delivery>) -> bool {
        match event {
            Event::Connected { session_kept } => {
                tracing::info!(session_kept, "connected to the broker");
                sender.subscribe(LEAVES.map(|leaf| format!("moodring/+/+/{leaf}"))).await;
            }
            Event::Subscribed => {
                tracing::info!("subscribed: the broker keeps what is missed from now on");
                self.inventory.broker_up.store(true, Ordering::Relaxed);
                return true;
            }
            Event::Delivery(delivery) => deliveries.push(delivery),
            Event::Closed | Event::Other => {}
        }
        false
    }

    /// Writes what was delivered and acknowledges it.
    async fn take(&mut self, sender: &Sender, deliveries: &[Delivery]) -> Taken {
        if deliveries.is_empty() {
            return Taken::All;
        }
        let rows: Vec<Row> = deliveries.iter().map(|delivery| self.read(delivery)).collect();
        if !self.write(&rows, deliveries).await {
            return Taken::Stopped;
        }
        let acknowledge = async {
            for delivery in deliveries {
                if !sender.acknowledge(delivery).await {
                    // The connection is gone: the broker sends again what was not acknowledged.
                    break;
                }
            }
        };
        match timeout(ACKNOWLEDGE_TIMEOUT, acknowledge).await {
            Ok(()) => Taken::All,
            Err(_) => Taken::Unacknowledged,
        }
    }

    fn read(&self, delivery: &Delivery) -> Row {
        self.inventory.received.increment();
        let read =
            message::read(&delivery.topic(), delivery.payload(), self.devices.as_ref(), Timestamp::now());
        match read {
            Ok(row) => {
                self.inventory.update(&row);
                row
            }
            Err(Refusal::Unreadable(reason)) => reject(delivery, &self.inventory.rejected, &reason),
            Err(Refusal::Disagrees(reason)) => reject(delivery, &self.inventory.quarantined, &reason),
        }
    }

    /// Writes `rows`, one of each delivery, however long the database is away. False if the stop came first.
    async fn write(&mut self, rows: &[Row], deliveries: &[Delivery]) -> bool {
        match self.write_with_retries(rows).await {
            Some(Ok(())) => return true,
            None => return false,
            Some(Err(reason)) => tracing::debug!(reason, "looking for the row that cannot be stored"),
        }
        for (row, delivery) in rows.iter().zip(deliveries) {
            match self.write_with_retries(std::slice::from_ref(row)).await {
                Some(Ok(())) => {}
                None => return false,
                Some(Err(reason)) => {
                    let remembered = reject(delivery, &self.inventory.rejected, &reason);
                    if self.write_with_retries(std::slice::from_ref(&remembered)).await.is_none() {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Writes `rows` in one transaction, as often as it takes. Yields the database's message about a row that it cannot store;
    /// `None` if the stop came first.
    async fn write_with_retries(&mut self, rows: &[Row]) -> Option<Result<(), String>> {
        let (mut backoff, mut reported) = (new_backoff(), String::new());
        loop {
            let stop = self.stop.clone();
            let result = tokio::select! {
                biased;
                result = self.store.write(rows) => result,
                () = stop.requested() => return None,
            };
            self.inventory.database_up.store(result.is_ok(), Ordering::Relaxed);
            match result {
                Ok(written) => {
                    self.inventory.fresh.add(written.fresh);
                    self.inventory.repeated.add(batch::keyed(rows).saturating_sub(written.fresh));
                    if !reported.is_empty() {
                        tracing::info!("{} works again", self.store.place());
                    }
                    return Some(Ok(()));
                }
                Err(StoreError::Row(reason)) => return Some(Err(reason)),
                Err(error) => {
                    let problem = format!("{} takes no messages: {error}", self.store.place());
                    if reported != problem {
                        tracing::warn!("{problem}");
                        reported = problem;
                    }
                }
            }
            tokio::select! {
                () = stop.requested() => return None,
                () = sleep(backoff.after_failure(random_share())) => {}
            }
        }
    }
}

/// The row that remembers a refused message, which `counter` counts.
fn reject(delivery: &Delivery, counter: &Counter, reason: &str) -> Row {
    counter.increment();
    // The first of each hundred: a client that sends nonsense all day must not fill the log.
    if counter.get() % 100 == 1 {
        let topic = delivery.topic();
        tracing::warn!(%topic, reason, "a message was refused; the newest are in moodring.rejected");
    }
    message::rejected(&delivery.topic(), delivery.payload(), reason)
}

/// Attempts after a failure: full jitter, because after a power cut everything on a campus comes back at once.
fn new_backoff() -> Backoff {
    Backoff::new(Duration::from_millis(500), Duration::from_secs(30)).with_full_jitter()
}

/// Maintains the database each hour, on a connection of its own, until the stop is requested.
pub async fn maintain(mut store: Store, stop: Stop) {
    loop {
        let result = tokio::select! {
            () = stop.requested() => return,
            result = store.maintain() => result,
        };
        let wait = match result {
            Ok(done) => {
                if let Some(done) = done {
                    let super::store::Maintained { partitions, days, forgotten } = done;
                    tracing::info!(
                        partitions,
                        days,
                        forgotten,
                        "maintained: new partitions, days rolled up, rows forgotten"
                    );
                }
                MAINTAIN_EVERY
            }
            Err(error) => {
                tracing::warn!("{} was not maintained: {error}", store.place());
                MAINTAIN_AGAIN
            }
        };
        tokio::select! {
            () = stop.requested() => return,
            () = sleep(wait) => {}
        }
    }
}

/// Reads the link to its end, in a task of its own: so the broker's pings are answered while the database is away, as long
/// as there is room for what comes.
async fn read(mut link: Link, events: mpsc::Sender<Event>) -> LinkError {
    loop {
        match link.next().await {
            Ok(Event::Other) => {}
            Ok(event) => {
                if events.send(event).await.is_err() {
                    return LinkError::Lost("the ingest does not read it any more".into());
                }
            }
            Err(error) => return error,
        }
    }
}

/// The task that reads; it ends with its connection.
struct Reader(JoinHandle<LinkError>);

impl Reader {
    async fn error(&mut self) -> LinkError {
        (&mut self.0).await.unwrap_or_else(|error| LinkError::Lost(error.to_string()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits until the last acknowledgements and the disconnection are written out.
async fn farewell(sender: &Sender, events: &mut mpsc::Receiver<Event>) {
    let closed = async {
        if sender.disconnect().await {
            while !matches!(events.recv().await, None | Some(Event::Closed)) {}
        }
    };
    let _ = timeout(FAREWELL, closed).await;
}

fn totals(inventory: &Inventory) -> Totals {
    Totals {
        received: inventory.received.get(),
        fresh: inventory.fresh.get(),
        repeated: inventory.repeated.get(),
        rejected: inventory.rejected.get(),
        quarantined: inventory.quarantined.get(),
    }
}

fn report(inventory: &Inventory) {
    let Totals { received, fresh, repeated, rejected, quarantined } = totals(inventory);
    let up = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
    let (broker, database) = (up(&inventory.broker_up), up(&inventory.database_up));
    tracing::info!(received, fresh, repeated, rejected, quarantined, broker, database, "since the start");
}
