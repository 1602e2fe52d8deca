//! Payloads of the publisher as messages: topic, retention, expiry.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use moodring_contract::Topics;
use moodring_contract::payload::{
    Absence, EventSchema, LessonSchema, MinuteSchema, Place, Presence, Reply, ReplySchema, Status,
    StatusSchema,
};

use crate::client::Message;
use crate::encoder::json;
use crate::outbox::Answer;
use crate::spool::{Entry, Kind};

/// MQTT 5: expiry of a spooled message; a subscriber may be offline for up to a month.
const SPOOLED_EXPIRY: Duration = Duration::from_secs(30 * 24 * 3600);
/// MQTT 5: expiry of a reply; the sender of a command does not wait longer.
const REPLY_EXPIRY: Duration = Duration::from_secs(60);

pub(crate) fn retained(
    topic: String,
    schema: &'static str,
    payload: Vec<u8>,
    expires_after: Option<Duration>,
) -> Message {
    Message { topic, payload: payload.into(), retain: true, expires_after, schema, correlation: None }
}

pub(crate) fn status(topics: &Topics, place: Place, status: Presence, reason: Option<Absence>) -> Message {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let payload = Status { schema: StatusSchema, status, reason, place, version };
    retained(topics.status(), StatusSchema::ID, json(&payload), None)
}

pub(crate) fn reply(topics: &Topics, place: Place, answer: Answer) -> Message {
    let Answer { outcome, correlation } = answer;
    let (ok, at) = (outcome.error.is_none(), Timestamp::now());
    let (command, id, error) = (outcome.command, outcome.id, outcome.error);
    let payload = json(&Reply { schema: ReplySchema, place, at, command, id, ok, error });
    let expires_after = Some(REPLY_EXPIRY);
    Message {
        retain: false,
        correlation,
        ..retained(topics.reply(), ReplySchema::ID, payload, expires_after)
    }
}

pub(crate) fn spooled(topics: &Topics, entry: Entry) -> Message {
    let schema = match entry.kind {
        Kind::Minute => MinuteSchema::ID,
        Kind::Lesson => LessonSchema::ID,
        Kind::Event => EventSchema::ID,
    };
    Message {
        topic: topics.leaf(entry.kind.name()),
        payload: Arc::clone(&entry.payload),
        retain: false,
        expires_after: Some(SPOOLED_EXPIRY),
        schema,
        correlation: None,
    }
}
