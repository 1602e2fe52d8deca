//! The queue of commands: `button · page · broker · signals · console ──▶ the daemon's Control`.
//!
//! The sender waits for the answer, so a page never shows a change before it was made.

use moodring_contract::{Command, CommandSource, Refusal};

use crate::requests::{Request, Requester, Requests, Unanswered};

/// Maximum number of waiting commands; more are refused.
const MAX_WAITING: usize = 16;

/// A command and where it came from; the answer says whether it was executed.
pub type CommandRequest = Request<(Command, CommandSource), Result<(), Refusal>>;
/// Receives commands.
pub type CommandRequests = Requests<(Command, CommandSource), Result<(), Refusal>>;

/// Sends commands to the part that executes them. Clones share it.
#[derive(Debug, Clone)]
pub struct CommandSender(Requester<(Command, CommandSource), Result<(), Refusal>>);

impl CommandSender {
    /// A sender, and the receiver of its commands.
    pub fn channel() -> (Self, CommandRequests) {
        let (requester, requests) = Requester::channel(MAX_WAITING);
        (Self(requester), requests)
    }

    /// Sends `command` and waits until it is executed or refused.
    ///
    /// # Errors
    /// The command was refused, too many commands wait, or the device is stopping.
    pub async fn execute(&self, command: Command, source: CommandSource) -> Result<(), Refusal> {
        self.0.ask((command, source)).await.unwrap_or_else(|unanswered| Err(refusal(unanswered)))
    }

    /// As [`CommandSender::execute`], for a thread. Must not be called in an asynchronous task.
    ///
    /// # Errors
    /// As [`CommandSender::execute`].
    pub fn execute_blocking(&self, command: Command, source: CommandSource) -> Result<(), Refusal> {
        self.0.ask_blocking((command, source)).unwrap_or_else(|unanswered| Err(refusal(unanswered)))
    }
}

const fn refusal(unanswered: Unanswered) -> Refusal {
    match unanswered {
        Unanswered::Busy => Refusal::Busy,
        Unanswered::Stopping => Refusal::Stopping,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_is_executed_and_answered() {
        let (sender, mut requests) = CommandSender::channel();
        let executor = tokio::spawn(async move {
            requests.recv().await.unwrap().answer_by(|(command, source)| {
                assert_eq!((command, source), (Command::Resume, CommandSource::Page));
                Err(Refusal::SwitchClosed)
            });
        });
        let answer = sender.execute(Command::Resume, CommandSource::Page).await;
        assert_eq!(answer, Err(Refusal::SwitchClosed));
        executor.await.unwrap();
        assert_eq!(sender.execute(Command::Pause, CommandSource::Page).await, Err(Refusal::Stopping));
    }
}
