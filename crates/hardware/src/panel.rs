//! The controls on the device: push button and privacy switch, each on a GPIO line.
//!
//! `line ──Edge──▶ debounce ──▶ presses, position ──▶ Control`. Each line has its own thread, so that a missing chip
//! does not block the other line. A line that cannot be read counts as a button that is not pressed, or as a switch
//! that is closed.

mod button;
mod debounce;
mod line;
mod presses;
mod switch;

use std::time::Duration;

use anyhow::Context as _;
use tracing::info;

pub use debounce::Debounce;
pub use presses::{Press, Presses, Thresholds};

use button::{Button, ButtonEvent};
use line::{GpioLine, LineSource, LineWatcher};
use moodring_config::Config;
use moodring_contract::{Command, CommandSource, LessonCommand, SwitchPosition};
use moodring_runtime::{Backoff, CommandSender, StatusBoard, Supervisor};
use switch::PrivacySwitch;
use tokio::sync::watch;

use crate::board::Board;

/// Outputs of the panel.
#[derive(Debug, Clone)]
pub struct PanelChannels {
    /// Executes the commands of the button.
    pub commands: CommandSender,
    /// Receives the position of the privacy switch; closed until the switch was read.
    pub switch: watch::Sender<SwitchPosition>,
    /// Receives the faults of the lines.
    pub status_board: StatusBoard,
}

/// Starts a thread for each part of the panel that is configured.
///
/// # Errors
/// The system cannot start a thread.
pub fn start(
    supervisor: &Supervisor,
    config: &Config,
    board: &Board,
    channels: &PanelChannels,
) -> anyhow::Result<()> {
    if config.privacy.switch.enabled {
        let source = GpioLine::of_switch(&config.privacy.switch, board);
        let PanelChannels { switch, status_board, .. } = channels.clone();
        supervisor
            .thread("panel-switch", move |heartbeat, stop| {
                let (settle, backoff) = (switch::SETTLE, Backoff::default());
                let watcher =
                    LineWatcher { part: "privacy.switch", settle, backoff, status_board, heartbeat, stop };
                watch_switch(&watcher, source, &switch);
                Ok(())
            })
            .context("cannot start the thread of the privacy switch")?;
    }
    if config.button.enabled {
        let source = GpioLine::of_button(&config.button, board);
        let (config, PanelChannels { commands, status_board, .. }) =
            (config.button.clone(), channels.clone());
        supervisor
            .thread("panel-button", move |heartbeat, stop| {
                let (settle, backoff) = (Duration::from_secs_f64(config.debounce_s), Backoff::default());
                let watcher = LineWatcher { part: "button", settle, backoff, status_board, heartbeat, stop };
                let button = Button::new(Thresholds::of(&config), settle);
                watch_button(&watcher, source, button, &commands);
                Ok(())
            })
            .context("cannot start the thread of the button")?;
    }
    Ok(())
}

fn watch_switch(
    watcher: &LineWatcher<'_>,
    mut source: impl LineSource,
    position: &watch::Sender<SwitchPosition>,
) {
    let mut switch = PrivacySwitch::default();
    watcher.run(&mut source, &mut |reading| {
        let now = switch.update(reading);
        position.send_if_modified(|position| std::mem::replace(position, now) != now);
    });
}

fn watch_button(
    watcher: &LineWatcher<'_>,
    mut source: impl LineSource,
    mut button: Button,
    commands: &CommandSender,
) {
    watcher.run(&mut source, &mut |reading| match button.update(reading) {
        ButtonEvent::None => {}
        ButtonEvent::Press(press) => execute(press, commands),
        ButtonEvent::Stuck => watcher.report(
            "held for longer than button.stuck_from_s; something leans on it, or its wire is short-circuited",
        ),
        ButtonEvent::Released => watcher.clear(),
    });
}

fn execute(press: Press, commands: &CommandSender) {
    let command = match press {
        Press::Short => Command::TogglePause,
        Press::Long => Command::Lesson(LessonCommand::Toggle),
        Press::VeryLong => Command::OfferPairing,
        Press::Preview => Command::OfferPreview,
    };
    if let Err(refusal) = commands.execute_blocking(command, CommandSource::Button) {
        info!(?press, %refusal, "button command refused");
    }
}

#[cfg(test)]
mod tests;
