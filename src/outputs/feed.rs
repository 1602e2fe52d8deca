//! Fills the spools: `lessons, events ──▶ payload ──▶ Spool`, whether a broker or a server is there or not.
//!
//! Each receiver has a spool of its own: what one of them has is no reason to forget it for another.

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::events::{DeviceEvent, EventKind};
use super::mqtt::Author;
use super::spool::{Kind, Spool};
use crate::mood::lesson::Record;
use crate::supervisor::Stop;

/// A spool, and what goes into it.
#[derive(Debug)]
pub(super) struct Sink {
    spool: Spool,
    kinds: Vec<Kind>,
    /// What is to be said of the last run.
    note: Option<String>,
    told_of_loss: bool,
}

impl Sink {
    /// Messages of `kinds` go into `spool`; the first, `started`, says `note`.
    pub(super) fn new(spool: Spool, kinds: Vec<Kind>, note: Option<String>) -> Self {
        Self { spool, kinds, note, told_of_loss: false }
    }

    /// Puts `item` into the spool, if it is of a kind that goes there; true if the oldest was dropped for it.
    fn put(&self, author: &Author, item: &Item) -> bool {
        self.kinds.contains(&item.kind())
            && match item.clone() {
                Item::Record(record) => author.record(&self.spool, record),
                Item::Event(event) => author.event(&self.spool, event),
            }
    }

    /// That the oldest was `dropped` is told once, until the spool was empty again.
    fn tell_loss(&mut self, author: &Author, dropped: bool) {
        if self.spool.figures().waiting < 2 {
            self.told_of_loss = false;
        }
        if dropped && !std::mem::replace(&mut self.told_of_loss, true) {
            tracing::warn!("too much waits to be told: the oldest is dropped (spool_entries)");
            let detail = format!("{} since the card is in use", self.spool.figures().dropped);
            self.put(author, &now(EventKind::SpoolDropped, Some(detail)));
        }
    }
}

/// Something to be told.
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

/// Where what is to be spooled comes from.
#[derive(Debug)]
pub(super) struct Feed {
    /// Writes the payloads.
    pub(super) author: Author,
    /// What happens to lessons.
    pub(super) records: mpsc::Receiver<Record>,
    /// What happens to the device.
    pub(super) events: mpsc::Receiver<DeviceEvent>,
}

impl Feed {
    /// Fills `sinks` until `stop` is requested; begins with the event `started`, and ends with `stopping`. What the
    /// recorder tells at the very end is taken too.
    pub(super) async fn run(mut self, mut sinks: Vec<Sink>, stop: Stop) {
        for sink in &mut sinks {
            let note = sink.note.take();
            sink.put(&self.author, &now(EventKind::Started, note));
        }
        loop {
            let item = tokio::select! {
                biased;
                () = stop.requested() => break,
                Some(record) = self.records.recv() => Item::Record(record),
                Some(event) = self.events.recv() => Item::Event(event),
            };
            for sink in &mut sinks {
                let dropped = sink.put(&self.author, &item);
                sink.tell_loss(&self.author, dropped);
            }
        }
        let last = now(EventKind::Stopping, None);
        sinks.iter().for_each(|sink| _ = sink.put(&self.author, &last));
        while let Some(record) = self.records.recv().await {
            let record = Item::Record(record);
            sinks.iter().for_each(|sink| _ = sink.put(&self.author, &record));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::config::Room;
    use crate::device::DeviceId;
    use crate::mood::lesson::{Cause, Heading};
    use crate::outputs::events::Events;
    use crate::outputs::mqtt::Place;

    /// Everything goes into `spool`.
    fn all(spool: &Spool) -> Vec<Sink> {
        vec![Sink::new(spool.clone(), Kind::ALL.to_vec(), None)]
    }

    fn payloads(spool: &Spool) -> Vec<Value> {
        std::iter::from_fn(|| spool.next())
            .map(|entry| serde_json::from_slice(&entry.payload).unwrap())
            .collect()
    }

    #[tokio::test]
    async fn it_begins_and_ends_with_the_device_and_takes_the_last_word_of_a_lesson() {
        let (records, received) = mpsc::channel(4);
        let (events, happened) = Events::channel();
        let author = Author { place: Place::new(&Room::default(), &DeviceId::of("x")), lesson_titles: false };
        let (spool, stop) = (Spool::in_memory(3), Stop::default());
        let feed = Feed { author, records: received, events: happened };
        let task = tokio::spawn(feed.run(all(&spool), stop.clone()));
        events.tell(EventKind::CameraGone, Some("x".repeat(1000)));
        while spool.figures().waiting < 2 {
            tokio::task::yield_now().await;
        }
        let begun_at = "2026-11-23T08:00:00Z".parse().unwrap();
        let heading = Heading {
            begun_at,
            begun_by: Cause::People,
            title: "Physics with Ms Somebody".into(),
            mode: crate::config::Mode::Mood,
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
    async fn a_loss_is_told_once() {
        let (events, happened) = Events::channel();
        let (_records, received) = mpsc::channel(1);
        let author = Author { place: Place::new(&Room::default(), &DeviceId::of("x")), lesson_titles: false };
        let (spool, stop) = (Spool::in_memory(4), Stop::default());
        let feed = Feed { author, records: received, events: happened };
        let _task = tokio::spawn(feed.run(all(&spool), stop.clone()));
        for _ in 0..10 {
            events.tell(EventKind::Hot, None);
        }
        while spool.figures().sequence < 12 {
            tokio::task::yield_now().await;
        }
        assert_eq!(spool.figures().sequence, 12, "started, ten, and one about the loss");
    }
}
