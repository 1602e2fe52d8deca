//! Writes payloads into the spool: `Record, DeviceEvent ──▶ Author ──▶ Spool`.

use jiff::Timestamp;

use super::Target;
use super::payload::{
    EVENT_SCHEMA, EventReport, Key, LESSON_SCHEMA, LessonReport, MINUTE_SCHEMA, MinuteReport, Place, Summary,
    Turn, json,
};
use crate::mood::lesson::{Cause, Ending, Heading, Record, Totals};
use crate::outputs::events::DeviceEvent;
use crate::outputs::spool::{Kind, Spool};

/// Letters of a detail: one line for the administrator.
const MOST_DETAIL: usize = 300;

/// Writes into a spool what it is told of lessons and of the device.
#[derive(Debug, Clone)]
pub struct Author {
    /// Where it is.
    pub place: Place,
    /// Whether titles of lessons are told.
    pub lesson_titles: bool,
}

impl Author {
    /// Writes for `target`.
    pub fn new(target: &Target) -> Self {
        let place = Place::new(&target.room, &target.device);
        Self { place, lesson_titles: target.config.lesson_titles }
    }

    /// Spools what a lesson came to; true if the oldest message was dropped for it.
    pub fn record(&self, spool: &Spool, record: Record) -> bool {
        match record {
            Record::Begun(heading) => self.lesson(spool, heading, None),
            Record::Ended(ending) => {
                let Ending { heading, at, cause, totals } = *ending;
                self.lesson(spool, heading, Some((at, cause, totals)))
            }
            Record::Minute { lesson, minute } => spool.append(Kind::Minute, |id, sequence| {
                json(&MinuteReport {
                    schema: MINUTE_SCHEMA,
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
                    figures: minute.figures,
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
                schema: LESSON_SCHEMA,
                place: self.place.clone(),
                key: Key { spool: id.to_owned(), sequence },
                at: ended_at.unwrap_or(begun_at),
                kind: if ended_at.is_some() { Turn::Ended } else { Turn::Begun },
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

    /// Spools what happened to the device; true if the oldest message was dropped for it.
    pub fn event(&self, spool: &Spool, event: DeviceEvent) -> bool {
        let DeviceEvent { kind, at, detail } = event;
        let detail = detail.map(|detail| detail.chars().take(MOST_DETAIL).collect());
        spool.append(Kind::Event, |id, sequence| {
            json(&EventReport {
                schema: EVENT_SCHEMA,
                place: self.place.clone(),
                key: Key { spool: id.to_owned(), sequence },
                at,
                kind,
                detail,
            })
        })
    }
}
