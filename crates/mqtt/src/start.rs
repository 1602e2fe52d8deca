//! Starts the connections to the broker and to the servers of `[[webhook]]`. Each has its own spool.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use moodring_config::{BrokerKind, Config};
use moodring_contract::DeviceEvent;
use moodring_contract::lesson::Record;
use moodring_contract::payload::Place;
use moodring_runtime::{
    CommandSender, DeviceId, Health, Moods, StatusBoard, Stop, Supervisor, Telemetry, erasures,
};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::encoder::PayloadEncoder;
use crate::feeder::{Sink, SpoolFeeder};
use crate::overlays::OverlayInbox;
use crate::publisher::Publisher;
use crate::spool::{Kind, Spool};
use crate::target::{Address, Target};
use crate::vitals::Sampler;
use crate::webhook::{self, Webhook};

/// Interval at which the messages of lessons that were deleted meanwhile are erased.
const ERASE_EVERY: Duration = Duration::from_secs(2);

/// Why publishing could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The embedded broker could not be started.
    #[cfg(feature = "broker")]
    #[error(transparent)]
    Broker(#[from] crate::broker::BrokerError),
    /// The program was built without the embedded broker.
    #[cfg(not(feature = "broker"))]
    #[error(
        "mqtt.broker is \"embedded\", but this program was built without it: set \"external\" or \"off\", or build it with --features broker"
    )]
    NoBroker,
}

/// The data to publish, and the receivers of commands and overlays from the broker.
#[derive(Debug)]
pub struct ReportSources {
    /// The newest mood.
    pub moods: Moods,
    /// Data of the device.
    pub telemetry: Telemetry,
    /// Executes commands from the broker.
    pub commands: Option<CommandSender>,
    /// Records of lessons.
    pub records: mpsc::Receiver<Record>,
    /// Events of the device.
    pub events: mpsc::Receiver<DeviceEvent>,
    /// Receives overlays from the broker; `None` if they are disabled.
    pub overlays: Option<OverlayInbox>,
}

/// What was started.
#[derive(Debug, Default)]
pub struct Reporting {
    /// The broker to which the device publishes.
    pub broker: Option<Address>,
    /// Whether records of lessons are received.
    pub receives_records: bool,
    /// The state of the connection to each broker and server.
    pub health: Vec<Arc<Health>>,
}

/// Starts the connections that `config` has, as parts of `supervisor`.
///
/// # Errors
/// The embedded broker cannot listen, or the program was built without it.
pub fn start(
    config: &Config,
    sources: ReportSources,
    supervisor: &Supervisor,
    board: &StatusBoard,
) -> Result<Reporting, StartError> {
    let broker = address(config, supervisor)?;
    if broker.is_none() && config.webhook.is_empty() {
        return Ok(Reporting::default());
    }
    let ReportSources { moods, telemetry, commands, records, events, overlays } = sources;
    // A demo writes nothing to the disk.
    let is_demo = config.mqtt.broker == BrokerKind::Embedded && config.webhook.is_empty();
    let storage = config.storage.directory();
    let device = if is_demo { DeviceId::ephemeral() } else { DeviceId::detect(&storage) };
    let mut starter = Starter {
        config,
        supervisor,
        board,
        storage,
        fed: Stop::default(),
        sinks: Vec::new(),
        spools: Vec::new(),
        health: Vec::new(),
    };
    let target = broker.clone().map(|address| Target {
        address,
        room: config.room.clone(),
        device: device.clone(),
        config: config.mqtt.clone(),
        mode: config.mood.mode,
        publishes_facing: config.publishes_facing(),
        page: config.web.url(),
    });
    if let Some(target) = target {
        starter.publisher(target, moods, telemetry, commands, overlays);
    }
    config.webhook.iter().for_each(|webhook| starter.webhook(webhook));
    let place = Place::new(&config.room.site, &config.room.name, device.as_str());
    let encoder = PayloadEncoder { place, lesson_titles: config.mqtt.lesson_titles };
    let Starter { fed, sinks, health, spools, storage, .. } = starter;
    if !spools.is_empty() {
        let erase = erase_deleted_lessons(storage, spools, supervisor.stop().clone());
        supervisor.task("lesson-eraser", erase);
    }
    let (feeder, stop) = (SpoolFeeder { encoder, records, events }, supervisor.stop().clone());
    let fed = RequestAtEnd(fed);
    supervisor.task("spool-feeder", async move {
        feeder.run(sinks, stop).await;
        drop(fed);
        Ok(())
    });
    Ok(Reporting { broker, receives_records: true, health })
}

/// Erases the messages of deleted lessons from `spools` until `stop` is requested.
async fn erase_deleted_lessons(storage: PathBuf, spools: Vec<Spool>, stop: Stop) -> anyhow::Result<()> {
    loop {
        let lessons = erasures::pending(&storage);
        for lesson in &lessons {
            spools.iter().for_each(|spool| spool.erase(*lesson));
        }
        tokio::select! {
            () = stop.requested() => return Ok(()),
            () = sleep(ERASE_EVERY) => {}
        }
        // After a power cut before this they are erased again.
        if spools.iter().all(Spool::is_erased) {
            lessons.into_iter().for_each(|lesson| erasures::done(&storage, lesson));
        }
    }
}

/// Requests the stop when it is dropped, so that the spools are written and closed after a panic of the feeder too.
struct RequestAtEnd(Stop);

impl Drop for RequestAtEnd {
    fn drop(&mut self) {
        self.0.request();
    }
}

/// The address of the broker; starts the embedded one. `None` if there is no broker.
fn address(config: &Config, supervisor: &Supervisor) -> Result<Option<Address>, StartError> {
    let mqtt = &config.mqtt;
    Ok(match mqtt.broker {
        BrokerKind::Off => None,
        #[cfg(feature = "broker")]
        BrokerKind::Embedded => {
            let broker = crate::broker::Broker::start(mqtt.port)?;
            let port = broker.port;
            broker.watch(supervisor)?;
            Some(Address { host: "127.0.0.1".into(), port })
        }
        #[cfg(not(feature = "broker"))]
        BrokerKind::Embedded => {
            let _ = supervisor;
            return Err(StartError::NoBroker);
        }
        BrokerKind::External => Some(Address { host: mqtt.host.clone(), port: mqtt.port }),
    })
}

struct Starter<'a> {
    config: &'a Config,
    supervisor: &'a Supervisor,
    board: &'a StatusBoard,
    storage: PathBuf,
    /// Requested when the feeder has filled the spools for the last time.
    fed: Stop,
    sinks: Vec<Sink>,
    /// The spools on the disk.
    spools: Vec<Spool>,
    health: Vec<Arc<Health>>,
}

impl Starter<'_> {
    fn publisher(
        &mut self,
        target: Target,
        moods: Moods,
        telemetry: Telemetry,
        commands: Option<CommandSender>,
        overlays: Option<OverlayInbox>,
    ) {
        let mqtt = &self.config.mqtt;
        let spool = if mqtt.broker == BrokerKind::Embedded {
            // The embedded broker is always reachable, so a spool in memory is enough.
            let spool = Spool::in_memory(limit(mqtt.spool_entries));
            self.sinks.push(Sink::new(spool.clone(), Kind::ALL.to_vec(), None));
            spool
        } else {
            self.spool_on_disk(&self.storage.clone(), mqtt.spool_entries, Kind::ALL.to_vec())
        };
        let health = self.new_health("mqtt");
        let mut publisher = Publisher::new(target, moods, spool, self.supervisor.stop().clone())
            .reporting(Sampler::of_device(telemetry))
            .shown_by(health, self.board)
            .overlaid(overlays);
        // The embedded broker forgets everything at its end.
        if mqtt.broker == BrokerKind::External {
            publisher = publisher.remembering(&self.storage, self.board.clone());
        }
        let publisher = match commands {
            Some(commands) => publisher.accepting(commands),
            None => publisher,
        };
        self.supervisor.task("mqtt", async move {
            publisher.run().await;
            Ok(())
        });
    }

    fn webhook(&mut self, webhook: &moodring_config::Webhook) {
        let (folder, kinds) = (webhook::folder(&self.storage, webhook), webhook::kinds(webhook));
        let spool = self.spool_on_disk(&folder, webhook.spool_entries, kinds);
        let webhook =
            Webhook::new(webhook.clone(), spool, self.new_health("webhook"), self.supervisor.stop().clone());
        self.supervisor.task("webhook", async move {
            webhook.run().await;
            Ok(())
        });
    }

    /// A spool in `folder` for messages of `kinds`; it is written to the disk until the feeder has ended.
    fn spool_on_disk(&mut self, folder: &Path, entries: u32, kinds: Vec<Kind>) -> Spool {
        let (spool, keeper) = Spool::open(folder, limit(entries));
        let note = keeper.uncertain().map(|numbers| {
            let (first, last) = (numbers.start(), numbers.end());
            format!("not stopped in order: of the messages {first} to {last} some may be missing")
        });
        self.sinks.push(Sink::new(spool.clone(), kinds, note));
        // Before anything is sent.
        erasures::pending(&self.storage).into_iter().for_each(|lesson| spool.erase(lesson));
        self.spools.push(spool.clone());
        let fed = self.fed.clone();
        self.supervisor.task("spool-keeper", async move {
            keeper.run(fed).await;
            Ok(())
        });
        spool
    }

    fn new_health(&mut self, name: &'static str) -> Arc<Health> {
        let health = Arc::new(Health::on_board(self.board.clone(), name));
        self.health.push(Arc::clone(&health));
        health
    }
}

fn limit(entries: u32) -> usize {
    usize::try_from(entries).unwrap_or(usize::MAX)
}
