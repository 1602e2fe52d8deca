//! One simulated device: a class that goes from lesson to lesson, a spool, a publisher.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use moodring_config::Room;
use moodring_contract::lesson::{Cause, Ending, Heading, Minute, Record, Totals};
use moodring_contract::payload::{Camera, Models, Vitals};
use moodring_contract::{DeviceEvent, EventKind, Mode, Mood};
use moodring_mqtt::spool::{Keeper, Spool};
use moodring_mqtt::{PayloadEncoder, Publisher, Sampler, Target};
use moodring_runtime::{DeviceId, Rng, Stop};

use super::class::Class;
use super::journal::Journal;
use super::plan::Plan;
use super::tally::Watched;

/// Minutes of a lesson.
const LESSON_MINUTES: u32 = 45;
/// Moods that a minute is the mean of, at most: one a second.
const MAX_MOODS: usize = 60;

/// A device that has not begun yet.
pub(super) struct Device {
    life: Life,
    keeper: Option<Keeper>,
    publisher: Publisher,
    /// Stops the publisher.
    publisher_stop: Stop,
}

/// The lessons in its room.
struct Life {
    id: DeviceId,
    class: Class,
    rng: Rng,
    encoder: PayloadEncoder,
    spool: Spool,
    moods: watch::Sender<Arc<Mood>>,
    watched: Arc<Watched>,
    journal: Option<Journal>,
    mood_every: Duration,
    minute_every: Duration,
}

impl Device {
    pub(super) fn new(plan: &Plan, index: u32, journal: Option<Journal>) -> Self {
        let room = Room { site: plan.site.clone(), name: format!("room-{:05}", index + 1) };
        let id = DeviceId::of(&format!("simulated {} {index}", plan.seed));
        let limit = usize::try_from(plan.mqtt.spool_entries).unwrap_or(usize::MAX);
        let (spool, keeper) = match &plan.storage {
            Some(folder) => {
                let (spool, keeper) = Spool::open(&folder.join(id.as_str()), limit);
                (spool, Some(keeper))
            }
            None => (Spool::in_memory(limit), None),
        };
        let mut rng = Rng::new(plan.seed.wrapping_mul(0x1_0000_0001).wrapping_add(index.into()));
        let mut class = Class::new(room.clone(), rng.next_u64());
        let (moods, receiver) = watch::channel(Arc::new(class.mood(Timestamp::now())));
        let target = Target {
            address: plan.address.clone(),
            room,
            device: id.clone(),
            config: plan.mqtt.clone(),
            mode: Mode::Mood,
            publishes_facing: true,
            page: None,
        };
        let encoder = PayloadEncoder::new(&target);
        let publisher_stop = Stop::default();
        let publisher =
            Publisher::new(target, receiver, spool.clone(), publisher_stop.clone()).reporting(sampler());
        let watched = Arc::new(Watched::new(spool.clone(), Arc::clone(publisher.health())));
        let (mood_every, minute_every) = (plan.mood_every, plan.minute_every);
        let life = Life { id, class, rng, encoder, spool, moods, watched, journal, mood_every, minute_every };
        Self { life, keeper, publisher, publisher_stop }
    }

    pub(super) fn watched(&self) -> Arc<Watched> {
        Arc::clone(&self.life.watched)
    }

    /// Runs until `stop` is requested.
    pub(super) async fn run(self, stop: Stop) -> anyhow::Result<()> {
        let Self { mut life, keeper, publisher, publisher_stop } = self;
        // Life ends first, so that its last event is published; then the publisher; then the keeper, so that messages
        // that the broker got last are not stored.
        let keeper_stop = Stop::default();
        let keeping = keeper.map(|keeper| tokio::spawn(keeper.run(keeper_stop.clone())));
        life.happens(EventKind::Started)?;
        let publishing = tokio::spawn(publisher.run());
        let lived = life.go_on(&stop).await;
        publisher_stop.request();
        publishing.await?;
        keeper_stop.request();
        if let Some(keeping) = keeping {
            keeping.await?;
        }
        lived
    }
}

impl Life {
    /// One lesson after the other.
    async fn go_on(&mut self, stop: &Stop) -> anyhow::Result<()> {
        let (mut moods, mut minutes) = (self.ticks(self.mood_every), self.ticks(self.minute_every));
        let mut lesson = Lesson::default();
        let mut recent = vec![Mood::clone(&self.moods.borrow())];
        loop {
            tokio::select! {
                () = stop.requested() => break,
                _ = moods.tick() => {
                    let mood = self.class.mood(Timestamp::now());
                    if recent.len() < MAX_MOODS {
                        recent.push(mood.clone());
                    }
                    self.moods.send_replace(Arc::new(mood));
                }
                _ = minutes.tick() => {
                    for record in lesson.minute(Timestamp::now(), &recent) {
                        self.record(record)?;
                    }
                    recent.truncate(1);
                }
            }
        }
        self.happens(EventKind::Stopping)
    }

    /// Ticks of this device: those of others are at other moments.
    fn ticks(&mut self, every: Duration) -> Interval {
        let mut ticks = interval_at(Instant::now() + every.mul_f64(self.rng.unit()), every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    fn record(&self, record: Record) -> anyhow::Result<()> {
        self.encoder.record(&self.spool, record);
        self.spooled()
    }

    fn happens(&self, kind: EventKind) -> anyhow::Result<()> {
        self.encoder.event(&self.spool, DeviceEvent { kind, at: Timestamp::now(), detail: None });
        self.spooled()
    }

    fn spooled(&self) -> anyhow::Result<()> {
        self.watched.spooled.increment();
        let (spool, sequence) = self.spool.newest();
        self.journal.as_ref().map_or(Ok(()), |journal| journal.note(&self.id, &spool, sequence))
    }
}

/// A lesson and its minutes so far.
#[derive(Debug, Default)]
struct Lesson {
    heading: Option<Heading>,
    minutes: Vec<Minute>,
}

impl Lesson {
    /// A minute is over, and with it perhaps the lesson; the first minute begins another.
    fn minute(&mut self, at: Timestamp, moods: &[Mood]) -> Vec<Record> {
        let mut records = Vec::new();
        let heading = self.heading.get_or_insert_with(|| {
            // To the millisecond, as a recorded lesson is named.
            let begun_at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
            let title = String::new();
            let heading = Heading { begun_at, begun_by: Cause::Timetable, title, mode: Mode::Mood };
            records.push(Record::Begun(heading.clone()));
            heading
        });
        let number = u32::try_from(self.minutes.len()).unwrap_or(u32::MAX);
        let minute = Minute::of(number, at, moods);
        self.minutes.push(minute.clone());
        records.push(Record::Minute { lesson: heading.begun_at, minute: Box::new(minute) });
        if number + 1 >= LESSON_MINUTES {
            let totals = Totals::of(heading.begun_at, at, &std::mem::take(&mut self.minutes));
            let heading = heading.clone();
            self.heading = None;
            records.push(Record::Ended(Box::new(Ending { heading, at, cause: Cause::Timetable, totals })));
        }
        records
    }
}

/// The vitals of a Raspberry Pi that does well.
fn sampler() -> Sampler {
    let started = std::time::Instant::now();
    Sampler::new(move || Vitals {
        models: Models { heads: Some("0.2.0".into()), expression: Some("0.2.0".into()) },
        uptime_s: started.elapsed().as_secs(),
        camera: Camera::Streaming,
        rss_bytes: Some(120 << 20),
        load_1min: Some(1.1),
        celsius: Some(58.2),
        throttled: Some(false),
        frames_per_s: 10.0,
        inference_ms: Some(180.0),
        clock_synchronised: Some(true),
        engine: "cpu".into(),
        ..Vitals::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesson_is_its_begin_its_minutes_and_its_end() {
        let mut class = Class::new(Room::default(), 1);
        let at: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let moods = [class.mood(at), class.mood(at)];
        let mut lesson = Lesson::default();
        let records: Vec<_> = (0..=LESSON_MINUTES).flat_map(|_| lesson.minute(at, &moods)).collect();
        let kinds: String = records
            .iter()
            .map(|record| match record {
                Record::Begun(_) => 'b',
                Record::Minute { .. } => 'm',
                Record::Ended(_) => 'e',
            })
            .collect();
        assert_eq!(kinds, format!("b{}ebm", "m".repeat(45)));
        let Some(Record::Ended(ending)) = records.get(46) else { panic!("no end") };
        assert_eq!(ending.totals.as_ref().unwrap().live, 1.0);
    }
}
