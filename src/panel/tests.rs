use std::collections::VecDeque;

use super::line::{Line, News};
use super::*;
use crate::board::gpio::{Edge, GpioError};
use crate::control::{Kept, SwitchPosition};
use crate::supervisor::{Heartbeat, Stop};

/// What a scripted line does next: it becomes this after so many milliseconds, or nothing happens for as long, or it
/// is gone.
#[derive(Clone, Copy)]
enum Step {
    Becomes(bool, u64),
    Stays(u64),
    Gone,
}

/// Lines that play one script an opening, and stop everybody after the last.
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
        let passes = timeout.min(Duration::from_millis(*left));
        *left -= passes.as_millis() as u64;
        self.at += passes;
        if *left > 0 {
            return Ok(None);
        }
        let step = self.steps.pop_front();
        let Some(Step::Becomes(active, _)) = step else { return Ok(None) };
        self.active = active;
        Ok(Some(Edge { at: self.at, active }))
    }
}

/// Plays `openings` (`None`: the chip is not there) to its end; `attend` does the panel's work.
fn play(
    part: &'static str,
    openings: &[Option<(bool, &[Step])>],
    attend: impl FnOnce(&Attendant<'_>, ScriptedSource),
) -> Bulletin {
    let (stop, heartbeat, bulletin) = (Stop::default(), Heartbeat::default(), Bulletin::default());
    let openings =
        openings.iter().map(|opening| opening.map(|(active, steps)| (active, steps.to_vec()))).collect();
    let source = ScriptedSource { openings, at: Instant::now(), stop: stop.clone() };
    let settle = Duration::from_millis(20);
    let back_off = BackOff::new(Duration::ZERO, Duration::ZERO);
    let (shown, heartbeat, stop) = (bulletin.clone(), &heartbeat, &stop);
    attend(&Attendant { part, settle, back_off, bulletin: shown, heartbeat, stop }, source);
    bulletin
}

fn control(config: &Config) -> (Control, tokio::sync::mpsc::Receiver<lesson::Command>) {
    let (commands, received) = tokio::sync::mpsc::channel(8);
    (Control::new(config, &Kept::Running, Some(commands)), received)
}

fn play_button(control: &Control, openings: &[Option<(bool, &[Step])>]) -> Bulletin {
    play("button", openings, |attendant, source| {
        let button = Button::new(Thresholds::of(&Config::default().button), attendant.settle);
        attend_button(attendant, source, button, control);
    })
}

/// Pressed for `held_ms`, then left alone.
fn press(held_ms: u64) -> [Step; 3] {
    [Step::Becomes(true, 100), Step::Becomes(false, held_ms), Step::Stays(500)]
}

#[test]
fn the_button_pauses_begins_lessons_and_shows_the_page_for_pairing() {
    let (control, mut lessons) = control(&Config::default());
    play_button(&control, &[Some((false, &press(200)))]);
    assert!(*control.paused().borrow());
    play_button(&control, &[Some((false, &press(200)))]);
    assert!(!*control.paused().borrow());
    assert!(lessons.try_recv().is_err() && control.pairing().borrow().is_none());
    play_button(&control, &[Some((false, &press(3000)))]);
    assert_eq!(lessons.try_recv().unwrap(), lesson::Command::Toggle);
    play_button(&control, &[Some((false, &press(9000)))]);
    assert!(control.pairing().borrow().as_ref().is_some_and(|offer| offer.until > Instant::now()));
    play_button(&control, &[Some((false, &press(1200)))]);
    assert!(!*control.paused().borrow() && lessons.try_recv().is_err(), "neither short nor long");
}

#[test]
fn a_button_whose_chip_goes_away_forgets_the_press_and_comes_back() {
    let (control, _lessons) = control(&Config::default());
    let bulletin = play_button(
        &control,
        &[None, Some((false, &[Step::Becomes(true, 100), Step::Gone])), Some((true, &press(100)))],
    );
    assert!(!*control.paused().borrow(), "it was down when it came back: that press means nothing");
    assert!(bulletin.subscribe().borrow().troubles.is_empty());
    let bulletin = play_button(&control, &[Some((false, &[Step::Gone])), None]);
    let told = bulletin.subscribe().borrow().troubles["button"].clone();
    assert!(told.starts_with("the GPIO chip \"/dev/gpiochip9\" is not there"), "{told}");
}

#[test]
fn a_button_that_something_leans_on_is_told_and_does_nothing() {
    let (control, mut lessons) = control(&Config::default());
    let held: &[Step] = &[Step::Becomes(true, 100), Step::Stays(40_000)];
    let bulletin = play_button(&control, &[Some((false, held))]);
    assert!(bulletin.subscribe().borrow().troubles["button"].contains("something leans on it"));
    let bulletin = play_button(
        &control,
        &[Some((false, &[held, &[Step::Becomes(false, 10), Step::Stays(500)]].concat()))],
    );
    assert!(bulletin.subscribe().borrow().troubles.is_empty());
    assert!(
        !*control.paused().borrow() && lessons.try_recv().is_err() && control.pairing().borrow().is_none()
    );
}

fn switched() -> Control {
    let mut config = Config::default();
    config.privacy.switch.enabled = true;
    control(&config).0
}

fn play_switch(control: &Control, openings: &[Option<(bool, &[Step])>]) -> Bulletin {
    play("privacy.switch", openings, |attendant, source| attend_switch(attendant, source, control))
}

#[test]
fn the_switch_is_read_at_the_start_and_at_every_edge() {
    let control = switched();
    assert_eq!(control.switch(), SwitchPosition::Closed, "before it is read");
    play_switch(&control, &[Some((true, &[Step::Stays(500)]))]);
    assert_eq!(control.switch(), SwitchPosition::Open);
    play_switch(&control, &[Some((true, &[Step::Stays(500), Step::Becomes(false, 5)]))]);
    assert_eq!(control.switch(), SwitchPosition::Closed, "at once");
    play_switch(&control, &[Some((false, &[Step::Becomes(true, 5), Step::Stays(500)]))]);
    assert_eq!(control.switch(), SwitchPosition::Open);
}

#[test]
fn a_switch_that_cannot_be_read_is_closed_and_told() {
    let control = switched();
    let bulletin = play_switch(&control, &[Some((true, &[Step::Stays(500), Step::Gone])), None]);
    assert_eq!(control.switch(), SwitchPosition::Closed);
    assert!(control.resume(Asker::Button).is_err() && *control.paused().borrow());
    assert!(bulletin.subscribe().borrow().troubles["privacy.switch"].contains("/dev/gpiochip9"));
    let bulletin = play_switch(&control, &[None, Some((true, &[Step::Stays(500)]))]);
    assert_eq!(control.switch(), SwitchPosition::Open);
    assert!(bulletin.subscribe().borrow().troubles.is_empty());
}

#[test]
fn a_switch_opens_only_when_it_is_sure() {
    let mut switch = PrivacySwitch::default();
    let start = Instant::now();
    let is = |ms, active| News::Is(Edge { at: start + Duration::from_millis(ms), active });
    assert_eq!(switch.heed(is(0, true)), SwitchPosition::Closed);
    assert_eq!(switch.heed(is(49, true)), SwitchPosition::Closed);
    assert_eq!(switch.heed(is(50, true)), SwitchPosition::Open);
    assert_eq!(switch.heed(is(51, false)), SwitchPosition::Closed);
    assert_eq!(switch.heed(is(52, true)), SwitchPosition::Closed);
    assert_eq!(switch.heed(is(200, true)), SwitchPosition::Open);
    assert_eq!(switch.heed(News::Lost), SwitchPosition::Closed);
}
