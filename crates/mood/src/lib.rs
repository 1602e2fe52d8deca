//! Aggregates observations of people into the mood of a class: `vision ──Observation──▶ mood ──Mood──▶ outputs`.
//!
//! # Invariants
//! - Only aggregates over at least k people leave this crate: [`Mood`](moodring_contract::Mood) and values derived
//!   from it. The one exception is [`Attention`](moodring_contract::attention::Attention), which is not serializable.
//! - This crate publishes nothing: it has no dependency on broker, page, display or light.
//! - Values that would reveal a single person's expression are withheld (module `disclosure`).

mod aggregator;
mod attention;
pub mod baseline;
mod disclosure;
mod history;
mod lesson_signals;
mod pace;
pub mod quantify;
mod readability;
mod signals;
mod task;
mod trend;
mod window;
mod word;

pub use aggregator::Aggregator;
pub use disclosure::{PublicationRecord, record_publication};
pub use task::{Controls, Stores, run};

#[cfg(test)]
mod observer_tests;
#[cfg(test)]
pub(crate) mod tests {
    use std::time::{Duration, Instant};

    use moodring_camera::PixelBox;
    use moodring_vision::{Expressions, Face, Observation, Person, Readability, Reading, SeatId};

    /// A person in `seat`. With a `reading` (index of the expression, time of the reading) the person faces the front.
    pub(crate) fn person(seat: u32, reading: Option<(usize, Instant)>) -> Person {
        let head = PixelBox { x: 0.0, y: 0.0, width: 30.0, height: 30.0 };
        let certain = |index| Expressions(std::array::from_fn(|other| f32::from(u8::from(other == index))));
        Person {
            seat: SeatId(seat),
            head,
            head_score: 0.9,
            unseen_for: Duration::ZERO,
            face: reading.map(|_| Face { bounds: head, score: 0.9 }),
            facing: if reading.is_some() { 0.9 } else { 0.1 },
            motion: 0.0,
            readability: if reading.is_some() { Readability::Ok } else { Readability::Turned },
            reading: reading.map(|(index, read_at)| Reading { expressions: certain(index), read_at }),
            belief: reading.map(|(index, _)| certain(index)),
        }
    }

    pub(crate) fn observation(at: Instant, people: impl IntoIterator<Item = Person>) -> Observation {
        Observation { captured_at: at, people: people.into_iter().collect() }
    }
}
