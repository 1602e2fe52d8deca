//! Commands from the broker: `message ──read──▶ Command ──▶ the daemon's Control`, and their answers.
//!
//! Refused are retained messages (their age is unknown), large messages, unknown fields, and too many messages per
//! second. Of those that are too many only the first in each second is answered.

use std::time::{Duration, Instant};

use moodring_contract::command::{AnyCommand, CommandError, MAX_ID_CHARS, id_of};
use moodring_contract::{Command, CommandSource};
use moodring_runtime::{CommandSender, Throttle};

use crate::client::Received;

/// Maximum size of a payload.
const MAX_BYTES: usize = 1024;
/// Maximum number of commands per second; more are sent only by a faulty program.
const MAX_IN_A_SECOND: u32 = 10;
/// Refusals are logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The result of a command, for its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Last level of the command's topic.
    pub(super) command: String,
    /// The id that the sender gave it.
    pub(super) id: Option<String>,
    /// Why it was refused; `None` if it was accepted.
    pub(super) error: Option<String>,
}

/// Checks commands and sends them to the daemon's Control.
#[derive(Debug)]
pub(super) struct CommandHandler {
    commands: CommandSender,
    second: Option<Instant>,
    in_second: u32,
    refusals: Throttle,
}

impl CommandHandler {
    pub(super) fn new(commands: CommandSender) -> Self {
        Self { commands, second: None, in_second: 0, refusals: Throttle::new(LOG_EVERY) }
    }

    /// Checks and executes the command in `message`, received on `cmd/<command>` at `now`. `None`: one of too many, which
    /// is not answered.
    pub(super) async fn handle(
        &mut self,
        command: &str,
        message: &Received,
        now: Instant,
    ) -> Option<Outcome> {
        let mut id = None;
        let read = self.admit(message, now).and_then(|()| {
            id = id_of(&message.payload);
            read(command, &message.payload)
        });
        let executed = match read {
            Ok(command) => {
                let executed = self.commands.execute(command, CommandSource::Mqtt).await;
                executed.map_err(|refusal| refusal.to_string())
            }
            Err(reason) => Err(reason),
        };
        let error = executed.err();
        match &error {
            Some(error) => {
                if let Some(unlogged) = self.refusals.admit(now) {
                    let command: String = command.chars().take(MAX_ID_CHARS).collect();
                    tracing::warn!(command, error, unlogged, "command refused");
                }
            }
            None => tracing::info!(command, "command executed"),
        }
        let is_answered = self.in_second <= MAX_IN_A_SECOND + 1;
        is_answered.then(|| Outcome { command: command.chars().take(MAX_ID_CHARS).collect(), id, error })
    }

    fn admit(&mut self, message: &Received, now: Instant) -> Result<(), String> {
        if self.second.is_none_or(|second| now.saturating_duration_since(second) >= Duration::from_secs(1)) {
            (self.second, self.in_second) = (Some(now), 0);
        }
        self.in_second += 1;
        if self.in_second > MAX_IN_A_SECOND {
            return Err(format!("more than {MAX_IN_A_SECOND} commands a second"));
        }
        if message.retained {
            return Err("commands must not be retained".to_owned());
        }
        if message.payload.len() > MAX_BYTES {
            return Err(format!("more than {MAX_BYTES} bytes"));
        }
        Ok(())
    }
}

fn read(command: &str, payload: &[u8]) -> Result<Command, String> {
    let any = AnyCommand::read(command, payload).map_err(|error| error.to_string())?;
    if any.id().is_some_and(|id| id.chars().count() > MAX_ID_CHARS) {
        return Err(format!("id has more than {MAX_ID_CHARS} characters"));
    }
    any.try_into().map_err(|error: CommandError| error.to_string())
}

#[cfg(test)]
mod tests {
    use moodring_contract::{LessonCommand, Refusal, Sensitivity};

    use super::*;
    use crate::test_executor::Executor;

    fn message(payload: &str) -> Received {
        Received { topic: String::new(), payload: payload.into(), retained: false, correlation: None }
    }

    async fn handle(handler: &mut CommandHandler, command: &str, payload: &str) -> Outcome {
        handler.handle(command, &message(payload), Instant::now()).await.unwrap()
    }

    #[tokio::test]
    async fn commands_are_executed_and_answered_with_their_id() {
        let executor = Executor::start();
        let mut handler = CommandHandler::new(executor.sender());
        let outcome = handle(&mut handler, "pause", r#"{"paused": true, "id": "7"}"#).await;
        assert_eq!(outcome, Outcome { command: "pause".into(), id: Some("7".into()), error: None });
        for (command, payload) in [
            ("lesson", r#"{"action": "begin", "title": "Physics"}"#),
            ("lesson", r#"{"action": "end"}"#),
            ("identify", r#"{"for_s": 10}"#),
            ("sensitivity", r#"{"sensitivity": "calm"}"#),
            ("night", r#"{"dim": true}"#),
        ] {
            assert_eq!(handle(&mut handler, command, payload).await.error, None, "{command} {payload}");
        }
        let lesson = LessonCommand::Begin { title: "Physics".into() };
        let executed = [
            Command::Pause,
            Command::Lesson(lesson),
            Command::Lesson(LessonCommand::End),
            Command::Identify(Duration::from_secs(10)),
            Command::SetSensitivity(Sensitivity::Calm),
            Command::Dim(true),
        ];
        assert_eq!(executor.executed(), executed.map(|command| (command, CommandSource::Mqtt)));
    }

    #[tokio::test]
    async fn a_refusal_is_in_the_reply() {
        let executor = Executor::start();
        executor.refuse(Some(Refusal::SwitchClosed));
        let mut handler = CommandHandler::new(executor.sender());
        let refused = handle(&mut handler, "pause", r#"{"paused": false, "id": "x"}"#).await;
        assert_eq!(
            (refused.id.as_deref(), refused.error.as_deref()),
            (Some("x"), Some("the privacy switch is closed"))
        );
    }

    #[tokio::test]
    async fn a_message_that_is_not_a_valid_command_is_refused() {
        let long = format!(r#"{{"paused": true, "id": "{}"}}"#, "x".repeat(65));
        let longer = format!(r#"{{"paused": true, "id": "{}"}}"#, "x".repeat(2000));
        let title = format!(r#"{{"action": "begin", "title": "{}"}}"#, "x".repeat(101));
        let executor = Executor::start();
        for (command, payload, why) in [
            ("pause", "", "invalid payload"),
            ("pause", "true", "invalid payload"),
            ("pause", r#"{"paused": "yes"}"#, "invalid payload"),
            ("pause", r#"{"paused": true, "for": 1}"#, "unknown field `for`"),
            ("sensitivity", r#"{"sensitivity": "wild"}"#, "unknown variant `wild`"),
            ("pause", &long, "id has more than 64"),
            ("pause", &longer, "more than 1024 bytes"),
            ("lesson", r#"{"action": "toggle"}"#, "invalid payload"),
            ("lesson", &title, "at most 100 characters"),
            ("identify", r#"{"for_s": 61}"#, "for_s is 61"),
            ("identify", r#"{"for_s": 0}"#, "for_s is 0"),
            ("reboot", "{}", "unknown command"),
        ] {
            let mut handler = CommandHandler::new(executor.sender());
            let error = handle(&mut handler, command, payload).await.error.unwrap();
            assert!(error.contains(why), "{command} {payload}: {error}");
        }
        let mut handler = CommandHandler::new(executor.sender());
        let retained = Received { retained: true, ..message(r#"{"paused": true}"#) };
        let outcome = handler.handle("pause", &retained, Instant::now()).await.unwrap();
        assert!(outcome.error.unwrap().contains("retained"));
        let wrong = handle(&mut handler, "pause", r#"{"pause": 1, "id": "a"}"#).await;
        assert_eq!(wrong.id.as_deref(), Some("a"), "a malformed command is answered too");
        assert_eq!(executor.executed(), []);
    }

    #[tokio::test]
    async fn ten_commands_a_second_are_accepted() {
        let executor = Executor::start();
        let mut handler = CommandHandler::new(executor.sender());
        let (now, pause) = (Instant::now(), message(r#"{"paused": true}"#));
        for _ in 0..10 {
            assert_eq!(handler.handle("pause", &pause, now).await.unwrap().error, None);
        }
        assert!(handler.handle("pause", &pause, now).await.unwrap().error.unwrap().contains("more than 10"));
        assert_eq!(handler.handle("pause", &pause, now).await, None, "one answer is enough");
        let later = now + Duration::from_secs(1);
        assert_eq!(handler.handle("pause", &pause, later).await.unwrap().error, None);
    }

    proptest::proptest! {
        #[test]
        fn no_payload_makes_it_fail(payload in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for command in ["pause", "lesson", "identify"] {
                let _ = read(command, &payload);
                let _ = id_of(&payload);
            }
        }
    }
}
