//! Commands from the broker: `message ──parse──▶ Order ──▶ Control`, and how each is answered.
//!
//! Its one decision: whatever is not exactly a command is refused: retained ones (they are from whenever), large ones,
//! unknown fields, too many. A device listens to the few who may write to its topics, but never to their mistakes.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Deserialize;

use super::client::Received;
use crate::control::{Asker, Control, DIM_FOR, Refused};
use crate::mood::{Sensitivity, lesson};

/// Name and version of the commands' schema.
pub const COMMAND_SCHEMA: &str = "moodring.command/1";

/// A longer payload is no command.
const MOST_BYTES: usize = 1024;
/// Letters of an id that a reply repeats.
const MOST_ID: usize = 64;
/// Letters of a lesson's title.
const MOST_TITLE: usize = 100;
/// More than this within a second is a program gone wild.
const MOST_IN_A_SECOND: u32 = 10;

/// Payload of `cmd/pause`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Whether the camera is to be closed; opening it is refused while the privacy switch is closed.
    paused: bool,
    /// Any text; stands in the reply.
    #[schemars(length(max = 64))]
    id: Option<String>,
}

/// Payload of `cmd/lesson`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// Which of the two.
    action: Action,
    /// What the lesson is to be called.
    #[serde(default)]
    #[schemars(length(max = 100))]
    title: String,
    /// Any text; stands in the reply.
    #[schemars(length(max = 64))]
    id: Option<String>,
}

/// What to do with a lesson.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// Begin one; one that is under way ends.
    Begin,
    /// End the one that is under way.
    End,
}

/// Payload of `cmd/identify`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identify {
    /// For how many seconds lights and display show which device this is.
    #[schemars(range(min = 1, max = 60))]
    for_s: u32,
    /// Any text; stands in the reply.
    #[schemars(length(max = 64))]
    id: Option<String>,
}

/// Payload of `cmd/night`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Night {
    /// Whether lights and display are dim for three hours; `false` leaves it to the clock.
    dim: bool,
    /// Any text; stands in the reply.
    #[schemars(length(max = 64))]
    id: Option<String>,
}

/// Payload of `cmd/sensitivity`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Follow {
    /// How soon the word follows the class.
    sensitivity: Sensitivity,
    /// Any text; stands in the reply.
    #[schemars(length(max = 64))]
    id: Option<String>,
}

/// Any of the commands.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(missing_docs, reason = "described at the types")]
pub enum AnyCommand {
    Pause(Pause),
    Lesson(Lesson),
    Identify(Identify),
    Night(Night),
    Follow(Follow),
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Order {
    Pause(bool),
    Lesson(lesson::Command),
    Identify(Duration),
    Night(bool),
    Follow(Sensitivity),
}

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Last level of its topic.
    pub(super) command: String,
    /// What the asker called it.
    pub(super) id: Option<String>,
    /// Why it was not done.
    pub(super) error: Option<String>,
}

/// Obeys what may be obeyed.
#[derive(Debug)]
pub(super) struct Obedience {
    control: Control,
    second: Option<Instant>,
    in_second: u32,
}

impl Obedience {
    pub(super) fn new(control: Control) -> Self {
        Self { control, second: None, in_second: 0 }
    }

    /// Does what `message` on `cmd/<command>` asks for, at `now`.
    pub(super) fn obey(&mut self, command: &str, message: &Received, now: Instant) -> Outcome {
        let mut id = None;
        let done = self.admit(message, now).and_then(|()| {
            id = id_of(&message.payload);
            let order = parse(command, &message.payload)?;
            self.carry_out(&order, now).map_err(|refused| refused.to_string())
        });
        let error = done.err();
        match &error {
            // Of a flood one line is enough.
            Some(_) if self.in_second > MOST_IN_A_SECOND + 1 => {}
            Some(error) => tracing::warn!(command, error, "a command was refused"),
            None => tracing::info!(command, "a command was obeyed"),
        }
        Outcome { command: command.to_owned(), id, error }
    }

    fn admit(&mut self, message: &Received, now: Instant) -> Result<(), String> {
        if self.second.is_none_or(|second| now.saturating_duration_since(second) >= Duration::from_secs(1)) {
            (self.second, self.in_second) = (Some(now), 0);
        }
        self.in_second += 1;
        if self.in_second > MOST_IN_A_SECOND {
            return Err(format!("more than {MOST_IN_A_SECOND} commands a second"));
        }
        if message.retained {
            return Err("commands must not be retained".to_owned());
        }
        if message.payload.len() > MOST_BYTES {
            return Err(format!("more than {MOST_BYTES} bytes"));
        }
        Ok(())
    }

    fn carry_out(&self, order: &Order, now: Instant) -> Result<(), Refused> {
        match order {
            Order::Pause(true) => {
                self.control.pause(Asker::Mqtt);
                Ok(())
            }
            Order::Pause(false) => self.control.resume(Asker::Mqtt),
            Order::Lesson(command) => self.control.lesson(command.clone(), Asker::Mqtt),
            Order::Identify(span) => {
                self.control.identify(now + *span, Asker::Mqtt);
                Ok(())
            }
            Order::Night(dim) => {
                self.control.dim(dim.then(|| now + DIM_FOR), Asker::Mqtt);
                Ok(())
            }
            Order::Follow(sensitivity) => {
                self.control.set_sensitivity(*sensitivity, Asker::Mqtt);
                Ok(())
            }
        }
    }
}

/// The id, also of a payload that is wrong otherwise.
fn id_of(payload: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(payload).ok()?;
    value["id"].as_str().filter(|id| id.chars().count() <= MOST_ID).map(str::to_owned)
}

fn parse(command: &str, payload: &[u8]) -> Result<Order, String> {
    let (order, id) = match command {
        "pause" => {
            let Pause { paused, id } = read(payload)?;
            (Order::Pause(paused), id)
        }
        "lesson" => {
            let Lesson { action, title, id } = read(payload)?;
            if title.chars().count() > MOST_TITLE {
                return Err(format!("title has more than {MOST_TITLE} letters"));
            }
            let command = match action {
                Action::Begin => lesson::Command::Begin { title },
                Action::End => lesson::Command::End,
            };
            (Order::Lesson(command), id)
        }
        "identify" => {
            let Identify { for_s, id } = read(payload)?;
            if !(1..=60).contains(&for_s) {
                return Err(format!("for_s is {for_s}, but must be from 1 to 60"));
            }
            (Order::Identify(Duration::from_secs(for_s.into())), id)
        }
        "night" => {
            let Night { dim, id } = read(payload)?;
            (Order::Night(dim), id)
        }
        "sensitivity" => {
            let Follow { sensitivity, id } = read(payload)?;
            (Order::Follow(sensitivity), id)
        }
        _ => return Err("there is no such command".to_owned()),
    };
    match id {
        Some(id) if id.chars().count() > MOST_ID => Err(format!("id has more than {MOST_ID} letters")),
        _ => Ok(order),
    }
}

fn read<'de, T: Deserialize<'de>>(payload: &'de [u8]) -> Result<T, String> {
    serde_json::from_slice(payload).map_err(|error| format!("not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::config::Config;
    use crate::control::{Kept, SwitchPosition};

    fn obedience(config: &Config) -> (Obedience, mpsc::Receiver<lesson::Command>) {
        let (commands, received) = mpsc::channel(4);
        (Obedience::new(Control::new(config, &Kept::Nothing, Some(commands))), received)
    }

    fn message(payload: &str) -> Received {
        Received { topic: String::new(), payload: payload.into(), retained: false, correlation: None }
    }

    #[test]
    fn commands_are_obeyed_and_answered_with_their_id() {
        let (mut obedience, mut lessons) = obedience(&Config::default());
        let now = Instant::now();
        let mut obey = |command: &str, payload: &str| obedience.obey(command, &message(payload), now);
        let done = obey("pause", r#"{"paused": true, "id": "7"}"#);
        assert_eq!(done, Outcome { command: "pause".into(), id: Some("7".into()), error: None });
        assert_eq!(obey("lesson", r#"{"action": "begin", "title": "Physics"}"#).error, None);
        assert_eq!(obey("lesson", r#"{"action": "end"}"#).error, None);
        assert_eq!(obey("identify", r#"{"for_s": 10}"#).error, None);
        assert_eq!(obey("sensitivity", r#"{"sensitivity": "calm"}"#).error, None);
        assert_eq!(obey("night", r#"{"dim": true}"#).error, None);
        assert_eq!(*obedience.control.sensitivity().borrow(), Sensitivity::Calm);
        assert_eq!(*obedience.control.dimmed().borrow(), Some(now + DIM_FOR));
        assert!(*obedience.control.paused().borrow());
        assert_eq!(*obedience.control.identifying().borrow(), Some(now + Duration::from_secs(10)));
        assert_eq!(lessons.try_recv(), Ok(lesson::Command::Begin { title: "Physics".into() }));
        assert_eq!(lessons.try_recv(), Ok(lesson::Command::End));
    }

    #[test]
    fn the_privacy_switch_is_above_the_broker() {
        let mut config = Config::default();
        config.privacy.switch.enabled = true;
        let (mut obedience, _lessons) = obedience(&config);
        obedience.control.set_switch(SwitchPosition::Closed);
        let refused = obedience.obey("pause", &message(r#"{"paused": false, "id": "x"}"#), Instant::now());
        assert_eq!(
            (refused.id.as_deref(), refused.error.as_deref()),
            (Some("x"), Some("the privacy switch is closed"))
        );
    }

    #[test]
    fn whatever_is_not_exactly_a_command_is_refused() {
        let long = format!(r#"{{"paused": true, "id": "{}"}}"#, "x".repeat(65));
        let longer = format!(r#"{{"paused": true, "id": "{}"}}"#, "x".repeat(2000));
        let title = format!(r#"{{"action": "begin", "title": "{}"}}"#, "x".repeat(101));
        for (command, payload, why) in [
            ("pause", "", "not understood"),
            ("pause", "true", "not understood"),
            ("pause", r#"{"paused": "yes"}"#, "not understood"),
            ("pause", r#"{"paused": true, "for": 1}"#, "unknown field `for`"),
            ("sensitivity", r#"{"sensitivity": "wild"}"#, "unknown variant `wild`"),
            ("pause", &long, "id has more than 64"),
            ("pause", &longer, "more than 1024 bytes"),
            ("lesson", r#"{"action": "toggle"}"#, "not understood"),
            ("lesson", &title, "title has more than 100"),
            ("identify", r#"{"for_s": 61}"#, "for_s is 61"),
            ("identify", r#"{"for_s": 0}"#, "for_s is 0"),
            ("reboot", "{}", "no such command"),
        ] {
            let (mut obedience, _lessons) = obedience(&Config::default());
            let error = obedience.obey(command, &message(payload), Instant::now()).error.unwrap();
            assert!(error.contains(why), "{command} {payload}: {error}");
            assert!(!*obedience.control.paused().borrow());
        }
        let (mut obedience, _lessons) = obedience(&Config::default());
        let retained = Received { retained: true, ..message(r#"{"paused": true}"#) };
        assert!(obedience.obey("pause", &retained, Instant::now()).error.unwrap().contains("retained"));
        let wrong = obedience.obey("pause", &message(r#"{"pause": 1, "id": "a"}"#), Instant::now());
        assert_eq!(wrong.id.as_deref(), Some("a"), "also who is wrong is answered");
    }

    #[test]
    fn ten_commands_a_second_are_enough() {
        let (mut obedience, _lessons) = obedience(&Config::default());
        let now = Instant::now();
        let mut error = |now| obedience.obey("pause", &message(r#"{"paused": true}"#), now).error;
        assert!((0..10).all(|_| error(now).is_none()));
        assert!(error(now).unwrap().contains("more than 10"));
        assert_eq!(error(now + Duration::from_secs(1)), None);
    }

    proptest::proptest! {
        #[test]
        fn no_payload_makes_it_fail(payload in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for command in ["pause", "lesson", "identify"] {
                let _ = parse(command, &payload);
                let _ = id_of(&payload);
            }
        }
    }
}
