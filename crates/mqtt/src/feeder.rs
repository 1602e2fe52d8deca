//! Fills the spools: `lessons, events ──▶ payload ──▶ Spool`, independent of any connection.
//!
//! Each receiver has its own spool: an entry that one receiver has acknowledged may still wait for another.

use jiff::Timestamp;
use tokio::sync::mpsc;

use moodring_contract::lesson::Record;
use moodring_contract::{DeviceEvent, EventKind};
use moodring_runtime::Stop;

use crate::encoder::PayloadEncoder;
use crate::spool::{Kind, Spool};

/// A spool, and the kinds of messages for it.
#[derive(Debug)]
pub(super) struct Sink {
    spool: Spool,
    kinds: Vec<Kind>,
    /// Detail of the event `started`: the numbers that may be missing after a power cut.
    note: Option<String>,
    loss_reported: bool,
}

impl Sink {
    /// A sink for messages of `kinds`. The detail of its first event, `started`, is `note`.
    pub(super) fn new(spool: Spool, kinds: Vec<Kind>, note: Option<String>) -> Self {
        Self { spool, kinds, note, loss_reported: false }
    }

    /// Appends `item` to the spool if it is one of its kinds; true if the oldest message was dropped.
    fn put(&self, encoder: &PayloadEncoder, item: &Item) -> bool {
        self.kinds.contains(&item.kind())
            && match item.clone() {
                Item::Record(record) => encoder.record(&self.spool, record),
                Item::Event(event) => encoder.event(&self.spool, event),
            }
    }

    /// Reports dropped messages once for each overflow: again only after the spool was nearly empty.
    fn report_loss(&mut self, encoder: &PayloadEncoder, dropped: bool) {
        if self.spool.metrics().waiting < 2 {
            self.loss_reported = false;
        }
        if dropped && !std::mem::replace(&mut self.loss_reported, true) {
            tracing::warn!("the spool is full: the oldest messages are dropped (spool_entries)");
            let detail = format!("{} since the card is in use", self.spool.metrics().dropped);
            self.put(encoder, &now(EventKind::SpoolDropped, Some(detail)));
        }
    }
}

/// A record or an event to be spooled.
#[derive(Debug, Clone)]
enum Item {
    Record(Record),
    Event(DeviceEvent),
}

impl Item {
    fn kind(&self) -> Kind {
        match self {
            Self::Record(Record::Minute { .. }) => Kind::Minute,
            Self::Record(Record::Begun(_) | Record::Ended(_)) => Kind::Lesson,
            Self::Event(_) => Kind::Event,
        }
    }
}

fn now(kind: EventKind, detail: Option<String>) -> Item {
    Item::Event(DeviceEvent { kind, at: Timestamp::now(), detail })
}

/// Fills the spools from the records of lessons and the events of the device.
#[derive(Debug)]
pub(super) struct SpoolFeeder {
    /// Writes the payloads.
    pub(super) encoder: PayloadEncoder,
    /// Records of lessons.
    pub(super) records: mpsc::Receiver<Record>,
    /// Events of the device.
    pub(super) events: mpsc::Receiver<DeviceEvent>,
}

impl SpoolFeeder {
    /// Fills `sinks` until `stop` is requested, from the event `started` to the event `stopping`. Records that the
    /// recorder sends after that are spooled too.
    pub(super) async fn run(mut self, mut sinks: Vec<Sink>, stop: Stop) {
        for sink in &mut sinks {
            let note = sink.note.take();
            sink.put(&self.encoder, &now(EventKind::Started, note));
        }
        loop {
            let item = tokio::select! {
                biased;
                () = stop.requested() => break,
                Some(record) = self.records.recv() => Item::Record(record),
                Some(event) = self.events.recv() => Item::Event(event),
            };
            for sink in &mut sinks {
                let dropped = sink.put(&self.encoder, &item);
                sink.report_loss(&self.encoder, dropped);
            }
        }
        let last = now(EventKind::Stopping, None);
        sinks.iter().for_each(|sink| _ = sink.put(&self.encoder, &last));
        while let Some(record) = self.records.recv().await {
            let record = Item::Record(record);
            sinks.iter().for_each(|sink| _ = sink.put(&self.encoder, &record));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use moodring_contract::lesson::{Cause, Heading};
    use moodring_contract::payload::Place;
    use moodring_runtime::DeviceEvents;

    fn encoder() -> PayloadEncoder {
        PayloadEncoder {
            place: Place::new("school", "room-1", "moodring-1a2b3c4d5e6f70"),
            lesson_titles: false,
        }
    }

    /// One sink for all kinds.
    fn all(spool: &Spool) -> Vec<Sink> {
        vec![Sink::new(spool.clone(), Kind::ALL.to_vec(), None)]
    }

    fn payloads(spool: &Spool) -> Vec<Value> {
        std::iter::from_fn(|| spool.next())
            .map(|entry| serde_json::from_slice(&entry.payload).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn started_and_stopping_are_spooled_and_the_last_record_of_a_lesson() {
        let (records, received) = mpsc::channel(4);
        let (events, event_receiver) = DeviceEvents::channel();
        let encoder = encoder();
        let (spool, stop) = (Spool::in_memory(3), Stop::default());
        let feeder = SpoolFeeder { encoder, records: received, events: event_receiver };
        let task = tokio::spawn(feeder.run(all(&spool), stop.clone()));
        events.report(EventKind::CameraGone, Some("x".repeat(1000)));
        while spool.metrics().waiting < 2 {
            tokio::task::yield_now().await;
        }
        let begun_at = "2026-11-23T08:00:00Z".parse().unwrap();
        let heading = Heading {
            begun_at,
            begun_by: Cause::People,
            title: "Physics with Ms Somebody".into(),
            mode: moodring_contract::Mode::Mood,
        };
        stop.request();
        records.send(Record::Begun(heading)).await.unwrap();
        drop(records);
        task.await.unwrap();
        let all = payloads(&spool);
        let kinds: Vec<_> = all.iter().map(|payload| payload["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["camera_gone", "stopping", "begun"], "the oldest of four was dropped");
        assert_eq!(all[0]["detail"].as_str().unwrap().len(), 300);
        assert_eq!(all[2]["title"], Value::Null, "a title may name a person");
        assert_eq!((&all[2]["lesson"], &all[2]["sequence"]), (&"2026-11-23T08:00:00Z".into(), &4.into()));
    }

    #[tokio::test]
    async fn a_loss_is_reported_once() {
        let (events, event_receiver) = DeviceEvents::channel();
        let (_records, received) = mpsc::channel(1);
        let encoder = encoder();
        let (spool, stop) = (Spool::in_memory(4), Stop::default());
        let feeder = SpoolFeeder { encoder, records: received, events: event_receiver };
        let _task = tokio::spawn(feeder.run(all(&spool), stop.clone()));
        for _ in 0..10 {
            events.report(EventKind::Hot, None);
        }
        while spool.metrics().sequence < 12 {
            tokio::task::yield_now().await;
        }
        assert_eq!(spool.metrics().sequence, 12, "started, ten, and one about the loss");
    }
}
