//! Who is told what happens, beside the mood: the broker, and the servers of `[[webhook]]`, each from a spool of its own.

use std::path::Path;

use tokio::sync::mpsc;

use super::broker::{Broker, BrokerError};
use super::feed::{Feed, Sink};
use super::mqtt::{self, Author, Place};
use super::spool::{Kind, Spool};
use super::webhook::{self, Webhook};
use super::{DeviceEvent, Known, Starter};
use crate::config::{BrokerKind, Config};
use crate::control::Control;
use crate::device::DeviceId;
use crate::mood::lesson::Record;
use crate::overlay;
use crate::supervisor::Stop;

/// What may be told, and what commands from the broker are carried out by.
pub(super) struct Told {
    pub(super) known: Known,
    pub(super) control: Option<Control>,
    pub(super) records: mpsc::Receiver<Record>,
    pub(super) events: mpsc::Receiver<DeviceEvent>,
    pub(super) overlays: Option<overlay::Inbox>,
}

/// The spools, by whom they are for.
#[derive(Default)]
struct Spools {
    broker: Option<Spool>,
    webhooks: Vec<Spool>,
    sinks: Vec<Sink>,
}

/// Where MQTT is told, if it is; an embedded broker is started.
///
/// # Errors
/// The embedded broker cannot listen.
pub(super) fn broker(config: &Config) -> Result<Option<mqtt::Address>, BrokerError> {
    let mqtt = &config.mqtt;
    let (host, port) = match mqtt.broker {
        BrokerKind::Off => return Ok(None),
        BrokerKind::Embedded => ("127.0.0.1".into(), Broker::start(mqtt.port)?.port),
        BrokerKind::External => (mqtt.host.clone(), mqtt.port),
    };
    Ok(Some(mqtt::Address { host, port }))
}

impl Starter {
    /// Starts whatever is told what happens: the broker at `address`, and webhooks. False if nobody is.
    pub(super) fn tell(&mut self, config: &Config, address: Option<mqtt::Address>, told: Told) -> bool {
        let Told { known, control, records, events, overlays } = told;
        if address.is_none() && config.webhook.is_empty() {
            return false;
        }
        // A demo leaves nothing behind.
        let is_demo = config.mqtt.broker == BrokerKind::Embedded && config.webhook.is_empty();
        let storage = config.storage.directory();
        let device = if is_demo { DeviceId::in_passing() } else { DeviceId::here(&storage) };
        let place = Place::new(&config.room, &device);
        let author = Author { place, lesson_titles: config.mqtt.lesson_titles };
        let fed = Stop::default();
        let Spools { broker, webhooks, sinks } = self.spools(config, &fed);
        let feeding = Feed { author, records, events }.run(sinks, self.stop.clone());
        self.task(async move {
            feeding.await;
            fed.request();
        });
        for (webhook, spool) in config.webhook.iter().zip(webhooks) {
            let health = self.new_health("webhook");
            self.task(Webhook::new(webhook.clone(), spool, health, self.stop.clone()).run());
        }
        if let Some((address, spool)) = address.zip(broker) {
            let (room, config_of_mqtt) = (config.room.clone(), config.mqtt.clone());
            let target = mqtt::Target { address, room, device, config: config_of_mqtt };
            let publisher = mqtt::Publisher::new(target, self.moods.clone(), spool, self.stop.clone())
                .reporting(mqtt::Sampler::of_device(known, self.bulletin.subscribe()))
                .remembering(storage)
                .shown_by(self.new_health("mqtt"));
            let publisher = match control {
                Some(control) => publisher.obeying(control),
                None => publisher,
            };
            self.task(publisher.overlaid(overlays).run());
        }
        true
    }

    /// Opens the spools; those on the disk are kept until `fed`. With the embedded broker nobody is ever away: memory is
    /// enough.
    fn spools(&self, config: &Config, fed: &Stop) -> Spools {
        let (storage, mqtt) = (config.storage.directory(), &config.mqtt);
        let mut spools = Spools::default();
        spools.broker = match mqtt.broker {
            BrokerKind::Off => None,
            BrokerKind::Embedded => {
                let spool = Spool::in_memory(limit(mqtt.spool_entries));
                spools.sinks.push(Sink::new(spool.clone(), Kind::ALL.to_vec(), None));
                Some(spool)
            }
            BrokerKind::External => {
                Some(self.kept(&mut spools.sinks, &storage, mqtt.spool_entries, Kind::ALL.to_vec(), fed))
            }
        };
        for webhook in &config.webhook {
            let (folder, kinds) = (webhook::folder(&storage, webhook), webhook::kinds(webhook));
            let spool = self.kept(&mut spools.sinks, &folder, webhook.spool_entries, kinds, fed);
            spools.webhooks.push(spool);
        }
        spools
    }

    /// A spool in `folder` that is fed with `kinds`, and kept until everything was `fed`: also what comes at the very end.
    fn kept(
        &self,
        sinks: &mut Vec<Sink>,
        folder: &Path,
        entries: u32,
        kinds: Vec<Kind>,
        fed: &Stop,
    ) -> Spool {
        let (spool, keeper) = Spool::open(folder, limit(entries));
        let note = keeper.uncertain().map(|numbers| {
            let (first, last) = (numbers.start(), numbers.end());
            format!("not stopped in order: of the messages {first} to {last} some may be missing")
        });
        sinks.push(Sink::new(spool.clone(), kinds, note));
        self.task(keeper.run(fed.clone()));
        spool
    }
}

fn limit(entries: u32) -> usize {
    usize::try_from(entries).unwrap_or(usize::MAX)
}
