use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::line::{Line, Reading};
use super::*;
use crate::board::gpio::{Edge, GpioError};
use moodring_runtime::{Heartbeat, Stop};

/// Next step of a scripted line: it changes to a level after some milliseconds, stays unchanged for some milliseconds,
/// or is lost.
#[derive(Clone, Copy)]
enum Step {
    Becomes(bool, u64),
    Stays(u64),
    Gone,
}

/// Plays one script per opening and requests the stop after the last one.
struct ScriptedSource {
    openings: VecDeque<Option<(bool, Vec<Step>)>>,
    at: Instant,
    stop: Stop,
}

struct ScriptedLine {
    steps: VecDeque<Step>,
    active: bool,
    at: Instant,
    stop: Stop,
}

fn gone() -> GpioError {
    GpioError::NoChip { chip: "/dev/gpiochip9".into() }
}

impl LineSource for ScriptedSource {
    fn open(&mut self) -> Result<Box<dyn Line>, GpioError> {
        let opening = self.openings.pop_front();
        if self.openings.is_empty() && !matches!(opening, Some(Some(_))) {
            self.stop.request();
        }
        let (active, steps) = opening.flatten().ok_or_else(gone)?;
        Ok(Box::new(ScriptedLine { steps: steps.into(), active, at: self.at, stop: self.stop.clone() }))
    }
}

impl Line for ScriptedLine {
    fn level(&mut self) -> Result<Edge, GpioError> {
        Ok(Edge { at: self.at, active: self.active })
    }

    fn next_edge(&mut self, timeout: Duration) -> Result<Option<Edge>, GpioError> {
        let Some(step) = self.steps.front_mut() else {
            self.stop.request();
            return Ok(None);
        };
        let (Step::Becomes(_, left) | Step::Stays(left)) = step else { return Err(gone()) };
        let elapsed = timeout.min(Duration::from_millis(*left));
        *left -= elapsed.as_millis() as u64;
        self.at += elapsed;
        if *left > 0 {
            return Ok(None);
        }
        let step = self.steps.pop_front();
        let Some(Step::Becomes(active, _)) = step else { return Ok(None) };
        self.active = active;
        Ok(Some(Edge { at: self.at, active }))
    }
}

/// Plays `openings` (`None`: the chip is missing) to the end; `watch` runs the panel's code.
fn play(
    part: &'static str,
    openings: &[Option<(bool, &[Step])>],
    watch: impl FnOnce(&LineWatcher<'_>, ScriptedSource),
) -> StatusBoard {
    let (stop, heartbeat, status_board) = (Stop::default(), Heartbeat::default(), StatusBoard::default());
    let openings =
        openings.iter().map(|opening| opening.map(|(active, steps)| (active, steps.to_vec()))).collect();
    let source = ScriptedSource { openings, at: Instant::now(), stop: stop.clone() };
    let settle = Duration::from_millis(20);
    let backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
    let (shown, heartbeat, stop) = (status_board.clone(), &heartbeat, &stop);
    watch(&LineWatcher { part, settle, backoff, status_board: shown, heartbeat, stop }, source);
    status_board
}

/// Executes every command and records it.
struct Executor {
    commands: CommandSender,
    executed: Arc<Mutex<Vec<Command>>>,
}

impl Executor {
    fn new() -> Self {
        let (commands, mut requests) = CommandSender::channel();
        let executed = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&executed);
        std::thread::spawn(move || {
            while let Some(request) = requests.blocking_recv() {
                request.answer_by(|(command, source)| {
                    assert_eq!(source, CommandSource::Button);
                    seen.lock().unwrap().push(command);
                    Ok(())
                });
            }
        });
        Self { commands, executed }
    }

    fn take(&self) -> Vec<Command> {
        std::mem::take(&mut *self.executed.lock().unwrap())
    }
}

fn play_button(executor: &Executor, openings: &[Option<(bool, &[Step])>]) -> StatusBoard {
    play("button", openings, |watcher, source| {
        let button = Button::new(Thresholds::of(&Config::default().button), watcher.settle);
        watch_button(watcher, source, button, &executor.commands);
    })
}

/// A press of `held_ms`, then no change for 500 ms.
fn press(held_ms: u64) -> [Step; 3] {
    [Step::Becomes(true, 100), Step::Becomes(false, held_ms), Step::Stays(500)]
}

#[test]
fn each_press_duration_maps_to_its_command() {
    let executor = Executor::new();
    for (held_ms, commands) in [
        (200, vec![Command::TogglePause]),
        (3000, vec![Command::Lesson(LessonCommand::Toggle)]),
        (9000, vec![Command::OfferPairing]),
        (20_000, vec![Command::OfferPreview]),
        // Neither short nor long.
        (1200, vec![]),
    ] {
        play_button(&executor, &[Some((false, &press(held_ms)))]);
        assert_eq!(executor.take(), commands, "{held_ms} ms");
    }
}

#[test]
fn losing_the_chip_discards_the_press_and_the_line_is_reopened() {
    let executor = Executor::new();
    let status_board = play_button(
        &executor,
        &[None, Some((false, &[Step::Becomes(true, 100), Step::Gone])), Some((true, &press(100)))],
    );
    assert_eq!(executor.take(), [], "it was pressed when the chip came back: that press is ignored");
    assert!(status_board.now().problems.is_empty());
    let status_board = play_button(&executor, &[Some((false, &[Step::Gone])), None]);
    let problem = status_board.now().problems["button"].clone();
    assert!(problem.starts_with("the GPIO chip \"/dev/gpiochip9\" is not there"), "{problem}");
}

#[test]
fn a_stuck_button_is_reported_and_sends_no_command() {
    let executor = Executor::new();
    let held: &[Step] = &[Step::Becomes(true, 100), Step::Stays(40_000)];
    let status_board = play_button(&executor, &[Some((false, held))]);
    assert!(status_board.now().problems["button"].contains("something leans on it"));
    let status_board = play_button(
        &executor,
        &[Some((false, &[held, &[Step::Becomes(false, 10), Step::Stays(500)]].concat()))],
    );
    assert!(status_board.now().problems.is_empty());
    assert_eq!(executor.take(), []);
}

fn play_switch(
    position: &watch::Sender<SwitchPosition>,
    openings: &[Option<(bool, &[Step])>],
) -> StatusBoard {
    play("privacy.switch", openings, |watcher, source| watch_switch(watcher, source, position))
}

#[test]
fn the_switch_is_read_at_the_start_and_at_every_edge() {
    let position = watch::Sender::new(SwitchPosition::Closed);
    play_switch(&position, &[Some((true, &[Step::Stays(500)]))]);
    assert_eq!(*position.borrow(), SwitchPosition::Open);
    play_switch(&position, &[Some((true, &[Step::Stays(500), Step::Becomes(false, 5)]))]);
    assert_eq!(*position.borrow(), SwitchPosition::Closed, "immediately");
    play_switch(&position, &[Some((false, &[Step::Becomes(true, 5), Step::Stays(500)]))]);
    assert_eq!(*position.borrow(), SwitchPosition::Open);
}

#[test]
fn a_switch_that_cannot_be_read_is_closed_and_reported() {
    let position = watch::Sender::new(SwitchPosition::Closed);
    let status_board = play_switch(&position, &[Some((true, &[Step::Stays(500), Step::Gone])), None]);
    assert_eq!(*position.borrow(), SwitchPosition::Closed);
    assert!(status_board.now().problems["privacy.switch"].contains("/dev/gpiochip9"));
    let status_board = play_switch(&position, &[None, Some((true, &[Step::Stays(500)]))]);
    assert_eq!(*position.borrow(), SwitchPosition::Open);
    assert!(status_board.now().problems.is_empty());
}

#[test]
fn a_switch_opens_only_after_its_line_was_stable() {
    let mut switch = PrivacySwitch::default();
    let start = Instant::now();
    let reading = |ms, active| Reading::Level(Edge { at: start + Duration::from_millis(ms), active });
    assert_eq!(switch.update(reading(0, true)), SwitchPosition::Closed);
    assert_eq!(switch.update(reading(49, true)), SwitchPosition::Closed);
    assert_eq!(switch.update(reading(50, true)), SwitchPosition::Open);
    assert_eq!(switch.update(reading(51, false)), SwitchPosition::Closed);
    assert_eq!(switch.update(reading(52, true)), SwitchPosition::Closed);
    assert_eq!(switch.update(reading(200, true)), SwitchPosition::Open);
    assert_eq!(switch.update(Reading::Lost), SwitchPosition::Closed);
}
