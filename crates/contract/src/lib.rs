//! The public data types of a device: moods, lessons, payloads, commands, topics.
//!
//! Every payload is declared here, once: the device serializes it, the campus server parses it, and docs/schemas is
//! generated from it.
//!
//! # Invariants
//! - Plain data: no I/O, no clock, no task.
//! - Every value about a class is an aggregate. No type here can hold an image, a bounding box or a person.
//! - Within a version of a schema, fields are added and never renamed.

pub mod attention;
pub mod command;
mod event;
mod expression;
pub mod lesson;
mod mood;
pub mod payload;
#[cfg(feature = "samples")]
pub mod samples;
mod schema_id;
mod share;
mod signals;
mod topics;

pub use command::{
    Command, CommandSource, DIM_DURATION, LessonCommand, MAX_TITLE_CHARS, Refusal, SwitchPosition,
};
pub use event::{DeviceEvent, EventKind};
pub use expression::Expression;
pub use mood::{Mode, Mood, MoodSchema, State};
pub use share::{Share, Shares};
pub use signals::{
    ComparedToUsual, Comparison, Direction, Level, Pace, PaceReason, Sensitivity, Trend, TrendOf, Unread,
    UnreadReason, Word,
};
pub use topics::{OverlayScope, Topics};
