//! What hands reach on the device itself: the push button and the privacy switch, each at a GPIO line.
//!
//! `line ──Edge──▶ debounce ──▶ presses, position ──▶ Control`. Each line has a thread of its own, so that a chip that is gone
//! keeps nobody else waiting. Its one decision: a line that cannot be read is a button that nobody presses, but a
//! switch that is closed.

mod button;
mod debounce;
mod line;
mod presses;
mod switch;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use tracing::info;

pub use debounce::Debounce;
pub use presses::{Press, Presses, Thresholds};

use crate::board::{Board, Machine};
use crate::camera::BackOff;
use crate::config::Config;
use crate::control::{Asker, Control};
use crate::mood::lesson;
use crate::outputs::Bulletin;
use crate::supervisor::Supervisor;
use button::{Button, Heard};
use line::{Attendant, GpioLine, LineSource};
use switch::PrivacySwitch;

/// Starts a thread for each part of the panel that is configured. They run until the stop and end no other part.
///
/// # Errors
/// The system has no thread to give.
pub fn start(
    supervisor: &mut Supervisor,
    config: &Config,
    control: &Control,
    bulletin: &Bulletin,
) -> anyhow::Result<()> {
    let board = Board::of(&config.board, &Machine::here());
    if config.privacy.switch.enabled {
        let source = GpioLine::of_switch(&config.privacy.switch, &board);
        let (control, bulletin) = (control.clone(), bulletin.clone());
        supervisor
            .spawn("panel-switch", move |heartbeat, stop| {
                let (settle, back_off) = (switch::SETTLE, BackOff::default());
                let attendant =
                    Attendant { part: "privacy.switch", settle, back_off, bulletin, heartbeat, stop };
                attend_switch(&attendant, source, &control);
                Ok(())
            })
            .context("the privacy switch needs a thread")?;
    }
    if config.button.enabled {
        let source = GpioLine::of_button(&config.button, &board);
        let (control, bulletin, config) = (control.clone(), bulletin.clone(), config.button.clone());
        supervisor
            .spawn("panel-button", move |heartbeat, stop| {
                let (settle, back_off) = (Duration::from_secs_f64(config.debounce_s), BackOff::default());
                let attendant = Attendant { part: "button", settle, back_off, bulletin, heartbeat, stop };
                let button = Button::new(Thresholds::of(&config), settle);
                attend_button(&attendant, source, button, &control);
                Ok(())
            })
            .context("the button needs a thread")?;
    }
    Ok(())
}

fn attend_switch(attendant: &Attendant<'_>, mut source: impl LineSource, control: &Control) {
    let mut switch = PrivacySwitch::default();
    attendant.run(&mut source, &mut |news| control.set_switch(switch.heed(news)));
}

fn attend_button(
    attendant: &Attendant<'_>,
    mut source: impl LineSource,
    mut button: Button,
    control: &Control,
) {
    attendant.run(&mut source, &mut |news| match button.heed(news) {
        Heard::Nothing => {}
        Heard::Press(press, at) => act(press, at, control),
        Heard::Stuck => attendant.tell(
            "held for so long that nobody can mean it; something leans on it, or its wire is short-circuited",
        ),
        Heard::Free => attendant.works(),
    });
}

/// Does what a press that ended at `at` asks for.
fn act(press: Press, at: Instant, control: &Control) {
    let done = match press {
        Press::Short => control.toggle_pause(Asker::Button),
        Press::Long => control.lesson(lesson::Command::Toggle, Asker::Button),
        Press::VeryLong => control.show_pairing(at, Asker::Button).map(drop),
        Press::Aiming => control.offer_aiming(Asker::Button).map(drop),
    };
    if let Err(reason) = done {
        info!(?press, %reason, "the button was pressed in vain");
    }
}

#[cfg(test)]
mod tests;
