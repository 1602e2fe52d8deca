//! Writes payloads into the spool: `Record, DeviceEvent ──▶ PayloadEncoder ──▶ Spool`.

use jiff::Timestamp;
use serde::Serialize;

use moodring_contract::DeviceEvent;
use moodring_contract::lesson::{Cause, Ending, Heading, Record, Totals};
use moodring_contract::payload::{
    EventReport, EventSchema, Key, LessonEvent, LessonReport, LessonSchema, MinuteReport, MinuteSchema,
    Place, Summary,
};

use crate::spool::{Kind, Spool};
use crate::target::Target;

/// Maximum length of the detail of an event, in characters.
const MAX_DETAIL: usize = 300;

/// Writes records of lessons and events of the device into a spool.
#[derive(Debug, Clone)]
pub struct PayloadEncoder {
    /// The device and its room.
    pub(crate) place: Place,
    /// Whether titles of lessons are published.
    pub(crate) lesson_titles: bool,
}

impl PayloadEncoder {
    /// An encoder for `target`.
    pub fn new(target: &Target) -> Self {
        let place = target.place();
        Self { place, lesson_titles: target.config.lesson_titles }
    }

    /// Spools a record of a lesson; true if the oldest message was dropped.
    pub fn record(&self, spool: &Spool, record: Record) -> bool {
        match record {
            Record::Begun(heading) => self.lesson(spool, heading, None),
            Record::Ended(ending) => {
                let Ending { heading, at, cause, totals } = *ending;
                self.lesson(spool, heading, Some((at, cause, totals)))
            }
            Record::Minute { lesson, minute } => spool.append(Kind::Minute, |id, sequence| {
                json(&MinuteReport {
                    schema: MinuteSchema,
                    place: self.place.clone(),
                    key: Key { spool: id.to_owned(), sequence },
                    at: minute.at,
                    lesson,
                    number: minute.number,
                    state: minute.state,
                    live: minute.live,
                    people: minute.people,
                    coverage: minute.coverage,
                    word: minute.word,
                    pace: minute.pace,
                    metrics: minute.metrics,
                })
            }),
        }
    }

    fn lesson(
        &self,
        spool: &Spool,
        heading: Heading,
        ended: Option<(Timestamp, Cause, Option<Totals>)>,
    ) -> bool {
        let Heading { begun_at, begun_by, title, mode } = heading;
        let (ended_at, ended_by) = ended.as_ref().map(|(at, cause, _)| (*at, *cause)).unzip();
        spool.append(Kind::Lesson, |id, sequence| {
            json(&LessonReport {
                schema: LessonSchema,
                place: self.place.clone(),
                key: Key { spool: id.to_owned(), sequence },
                at: ended_at.unwrap_or(begun_at),
                kind: if ended_at.is_some() { LessonEvent::Ended } else { LessonEvent::Begun },
                lesson: begun_at,
                title: Some(title).filter(|title| self.lesson_titles && !title.is_empty()),
                mode,
                begun_by,
                ended_at,
                ended_by,
                summary: ended.and_then(|(.., totals)| totals).map(Summary::from),
            })
        })
    }

    /// Spools an event of the device; true if the oldest message was dropped.
    pub fn event(&self, spool: &Spool, event: DeviceEvent) -> bool {
        let DeviceEvent { kind, at, detail } = event;
        let detail = detail.map(|detail| detail.chars().take(MAX_DETAIL).collect());
        spool.append(Kind::Event, |id, sequence| {
            json(&EventReport {
                schema: EventSchema,
                place: self.place.clone(),
                key: Key { spool: id.to_owned(), sequence },
                at,
                kind,
                detail,
            })
        })
    }
}

/// Serializes a payload. It has strings, numbers and maps with string keys only, so this cannot fail.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
