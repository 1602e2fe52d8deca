//! Test double for the daemon's Control.

use std::sync::{Arc, Mutex, PoisonError};

use moodring_contract::{Command, CommandSource, Refusal};
use moodring_runtime::CommandSender;

/// Executed commands with their sources, in order.
type Executed = Vec<(Command, CommandSource)>;

/// Records the commands that it accepts.
pub(crate) struct Executor {
    commands: CommandSender,
    state: Arc<Mutex<(Executed, Option<Refusal>)>>,
}

impl Executor {
    pub(crate) fn start() -> Self {
        let (commands, mut requests) = CommandSender::channel();
        let state = Arc::new(Mutex::new((Executed::new(), None)));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                request.answer_by(|(command, source)| {
                    let (executed, refusal) = &mut *shared.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Some(refusal) = *refusal {
                        return Err(refusal);
                    }
                    executed.push((command, source));
                    Ok(())
                });
            }
        });
        Self { commands, state }
    }

    pub(crate) fn sender(&self) -> CommandSender {
        self.commands.clone()
    }

    /// From now on every command is refused for this reason; `None` accepts them again.
    pub(crate) fn refuse(&self, refusal: Option<Refusal>) {
        self.state.lock().unwrap().1 = refusal;
    }

    /// The commands that were accepted.
    pub(crate) fn executed(&self) -> Executed {
        self.state.lock().unwrap().0.clone()
    }
}
