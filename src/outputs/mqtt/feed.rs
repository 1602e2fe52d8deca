//! Fills the spool: `lessons, events ──▶ payload ──▶ Spool`, whether a broker is there or not.

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::payload::Author;
use crate::mood::lesson::Record;
use crate::outputs::events::{DeviceEvent, EventKind};
use crate::outputs::spool::Spool;
use crate::supervisor::Stop;

/// Where what is to be spooled comes from.
#[derive(Debug)]
pub struct Feed {
    /// Writes the payloads.
    pub author: Author,
    /// What happens to lessons.
    pub records: mpsc::Receiver<Record>,
    /// What happens to the device.
    pub events: mpsc::Receiver<DeviceEvent>,
}

impl Feed {
    /// Fills `spool` until `stop` is requested; begins with the event `started`, about which `note` says more, and ends
    /// with `stopping`. What the recorder tells at the very end is taken too.
    pub async fn run(mut self, spool: Spool, note: Option<String>, stop: Stop) {
        let event = |kind, detail| DeviceEvent { kind, at: Timestamp::now(), detail };
        self.author.event(&spool, event(EventKind::Started, note));
        let mut told_of_loss = false;
        loop {
            let dropped = tokio::select! {
                biased;
                () = stop.requested() => break,
                Some(record) = self.records.recv() => self.author.record(&spool, record),
                Some(event) = self.events.recv() => self.author.event(&spool, event),
            };
            if spool.figures().waiting < 2 {
                told_of_loss = false;
            }
            if dropped && !std::mem::replace(&mut told_of_loss, true) {
                tracing::warn!("too much waits for the broker: the oldest is dropped (mqtt.spool_entries)");
                let detail = format!("{} since the card is in use", spool.figures().dropped);
                self.author.event(&spool, event(EventKind::SpoolDropped, Some(detail)));
            }
        }
        self.author.event(&spool, event(EventKind::Stopping, None));
        while let Some(record) = self.records.recv().await {
            self.author.record(&spool, record);
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
    use crate::outputs::mqtt::payload::Place;

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
        let task = tokio::spawn(feed.run(spool.clone(), Some("after a power cut".into()), stop.clone()));
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
        let _task = tokio::spawn(feed.run(spool.clone(), None, stop.clone()));
        for _ in 0..10 {
            events.tell(EventKind::Hot, None);
        }
        while spool.figures().sequence < 12 {
            tokio::task::yield_now().await;
        }
        assert_eq!(spool.figures().sequence, 12, "started, ten, and one about the loss");
    }
}
