//! Executes commands in place of the daemon's `Control`, which this crate cannot name.

use moodring_contract::{Command, CommandSource, DIM_DURATION, LessonCommand, Refusal, SwitchPosition};
use moodring_runtime::{CameraPreview, CommandSender, PREVIEW_DURATION, Pairing, StatusBoard};
use tokio::sync::mpsc;

use super::*;

/// Applies commands to the status board and the preview, by the rules of `src/control.rs`. Clones share it.
#[derive(Clone)]
pub(super) struct Executor {
    pub(super) commands: CommandSender,
    pub(super) board: StatusBoard,
    pub(super) preview: CameraPreview,
    pub(super) pairing: Pairing,
    executed: Arc<Mutex<Vec<Command>>>,
    lessons: mpsc::Sender<LessonCommand>,
}

impl Executor {
    /// Starts the executor; lesson commands arrive in a queue of one.
    pub(super) fn start() -> (Self, mpsc::Receiver<LessonCommand>) {
        let (commands, mut requests) = CommandSender::channel();
        let (lessons, received) = mpsc::channel(1);
        let executor = Self {
            commands,
            board: StatusBoard::default(),
            preview: CameraPreview::default(),
            pairing: Pairing::new(true, Duration::from_secs(120)),
            executed: Arc::default(),
            lessons,
        };
        let running = executor.clone();
        tokio::spawn(async move {
            let mut preview = running.preview.changes();
            loop {
                tokio::select! {
                    Some(request) = requests.recv() => {
                        request.answer_by(|(command, source)| running.execute(command, source));
                    }
                    Some(until) = preview.next() => {
                        running.board.update(|status| status.preview_until = until);
                    }
                }
            }
        });
        (executor, received)
    }

    /// `web` with this executor, its board, preview and pairing.
    pub(super) fn connect(&self, web: Web) -> Web {
        Web {
            updates: self.board.subscribe(),
            telemetry: Telemetry::new(&self.board, Default::default()),
            commands: Some(self.commands.clone()),
            preview: self.preview.clone(),
            pairing: self.pairing.clone(),
            ..web
        }
    }

    /// Executes a command at once, as if it came from another source than the page.
    pub(super) fn execute(&self, command: Command, _: CommandSource) -> Result<(), Refusal> {
        match command.clone() {
            Command::Pause => {
                self.board.update(|status| status.paused_by_command = true);
                self.preview.end();
            }
            Command::Resume => {
                if self.board.now().switch == SwitchPosition::Closed {
                    return Err(Refusal::SwitchClosed);
                }
                self.board.update(|status| status.paused_by_command = false);
            }
            Command::Lesson(lesson) => self.lessons.try_send(lesson).map_err(|_| Refusal::Busy)?,
            Command::Dim(dim) => {
                self.board.update(|status| status.dim_until = dim.then(|| Instant::now() + DIM_DURATION));
            }
            Command::SetSensitivity(sensitivity) => {
                self.board.update(|status| status.sensitivity = sensitivity);
            }
            Command::OfferPreview => self.preview.offer(Instant::now() + PREVIEW_DURATION),
            Command::EndPreview => self.preview.end(),
            Command::TogglePause | Command::Identify(_) | Command::OfferPairing => {}
        }
        self.executed.lock().unwrap().push(command);
        Ok(())
    }

    /// The commands that were executed, in order.
    pub(super) fn executed(&self) -> Vec<Command> {
        self.executed.lock().unwrap().clone()
    }

    pub(super) fn is_paused(&self) -> bool {
        self.board.now().is_paused()
    }

    pub(super) fn is_aimed(&self) -> bool {
        self.preview.until(Instant::now()).is_some()
    }
}
