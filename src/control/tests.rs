use std::time::Duration;

use super::*;

fn control(switch: bool, kept: &Kept) -> Control {
    let mut config = Config::default();
    config.privacy.switch.enabled = switch;
    Control::new(&config, kept, None)
}

/// Paused, by the camera's switch and by the watch, which must agree.
fn is_paused(control: &Control) -> bool {
    let paused = *control.paused().borrow();
    assert_eq!(paused, !control.camera().is_on());
    paused
}

#[test]
fn it_begins_as_it_was_left_and_stays_paused_when_that_is_unknown() {
    let unreadable = Kept::Unreadable { path: "control.json".into(), reason: "not JSON".into() };
    for (kept, paused) in
        [(Kept::Nothing, false), (Kept::Running, false), (Kept::Paused, true), (unreadable, true)]
    {
        assert_eq!(is_paused(&control(false, &kept)), paused, "{kept:?}");
        let mut config = Config::default();
        config.privacy.start_paused = true;
        assert!(is_paused(&Control::new(&config, &kept, None)), "{kept:?}");
    }
}

#[test]
fn whoever_asks_it_pauses_and_resumes() {
    let control = control(false, &Kept::Nothing);
    control.pause(Asker::Signal);
    assert!(is_paused(&control) && *control.paused_by_hand().borrow());
    control.toggle_pause(Asker::Button).unwrap();
    assert!(!is_paused(&control) && !*control.paused_by_hand().borrow());
    control.toggle_pause(Asker::Page).unwrap();
    control.pause(Asker::Page);
    control.resume(Asker::Mqtt).unwrap();
    assert!(!is_paused(&control));
    assert_eq!(*control.anew().borrow(), 2, "each pause, and nothing else, lets everybody be forgotten");
}

#[test]
fn a_closed_switch_has_the_last_word() {
    let control = control(true, &Kept::Running);
    assert!(is_paused(&control), "a switch that was not read yet is closed");
    for by in [Asker::Button, Asker::Signal, Asker::Page, Asker::Mqtt] {
        assert_eq!(control.resume(by), Err(Refused::SwitchClosed));
        assert_eq!(control.toggle_pause(by), Err(Refused::SwitchClosed));
        assert!(is_paused(&control));
    }
    control.set_switch(SwitchPosition::Open);
    assert!(!is_paused(&control), "nobody paused by hand");
    control.set_switch(SwitchPosition::Closed);
    control.pause(Asker::Page);
    control.set_switch(SwitchPosition::Open);
    assert!(is_paused(&control), "opening the switch does not undo a pause by hand");
    control.resume(Asker::Button).unwrap();
    assert!(!is_paused(&control));
}

#[test]
fn aiming_is_offered_by_a_hand_and_ends_with_a_pause_or_the_switch() {
    let control = control(true, &Kept::Running);
    let is_on = || control.aim().until(Instant::now()).is_some();
    assert_eq!(control.offer_aiming(Asker::Button), Err(Refused::Paused), "the switch was not read yet");
    control.set_switch(SwitchPosition::Open);
    assert!(!is_on(), "nobody asked");
    control.offer_aiming(Asker::Console).unwrap();
    assert!(is_on());
    control.set_switch(SwitchPosition::Closed);
    assert!(!is_on());
    control.set_switch(SwitchPosition::Open);
    assert!(!is_on(), "what was ended stays ended");
    control.offer_aiming(Asker::Button).unwrap();
    control.pause(Asker::Page);
    control.resume(Asker::Page).unwrap();
    assert!(!is_on());
    let mut config = Config::default();
    config.privacy.aiming = false;
    let control = Control::new(&config, &Kept::Nothing, None);
    assert_eq!(control.offer_aiming(Asker::Button), Err(Refused::NoAiming));
    assert!(control.aim().until(Instant::now()).is_none());
}

#[test]
fn the_switch_is_not_kept() {
    let control = control(true, &Kept::Running);
    let kept = control.paused_by_hand();
    control.set_switch(SwitchPosition::Open);
    control.set_switch(SwitchPosition::Closed);
    assert!(!kept.has_changed().unwrap() && !*kept.borrow());
}

#[test]
fn lessons_are_commanded_where_they_are_recorded() {
    let (commands, mut received) = mpsc::channel(1);
    let control = Control::new(&Config::default(), &Kept::Nothing, Some(commands));
    assert_eq!(control.lesson(lesson::Command::Toggle, Asker::Button), Ok(()));
    assert_eq!(control.lesson(lesson::Command::End, Asker::Button), Err(Refused::Busy));
    assert_eq!(received.try_recv().unwrap(), lesson::Command::Toggle);
    let none = Control::new(&Config::default(), &Kept::Nothing, None);
    assert_eq!(none.lesson(lesson::Command::End, Asker::Page), Err(Refused::NoLessons));
}

#[test]
fn the_page_for_pairing_has_an_end() {
    let control = control(false, &Kept::Nothing);
    let now = Instant::now();
    let offer = control.show_pairing(now, Asker::Button).unwrap();
    assert_eq!((offer.code.as_deref(), offer.until), (None, now + Duration::from_secs(120)));
    assert_eq!(*control.pairing().borrow(), Some(offer));
    assert_eq!(control.offer_code(Asker::Console), Err(Refused::NoPairing));
    let mut config = Config::default();
    config.web.listen = "192.0.2.7:8080".parse().unwrap();
    let control = Control::new(&config, &Kept::Nothing, None);
    let code = control.offer_code(Asker::Console).unwrap();
    assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
    assert_eq!(control.pairing().borrow().clone().unwrap().code, Some(code));
}

#[test]
fn it_is_dim_until_its_end_or_until_somebody_undoes_it() {
    let control = control(false, &Kept::Nothing);
    let (dimmed, until) = (control.dimmed(), Instant::now() + Duration::from_secs(60));
    control.dim(Some(until), Asker::Page);
    assert_eq!(*dimmed.borrow(), Some(until));
    control.dim(None, Asker::Button);
    assert_eq!(*dimmed.borrow(), None);
}

#[test]
fn the_word_follows_as_soon_as_somebody_wants_and_is_told_of_changes_only() {
    let control = control(false, &Kept::Nothing);
    let mut sensitivity = control.sensitivity();
    assert_eq!(*sensitivity.borrow_and_update(), Sensitivity::Normal);
    control.set_sensitivity(Sensitivity::Normal, Asker::Mqtt);
    assert!(!sensitivity.has_changed().unwrap());
    control.set_sensitivity(Sensitivity::Quick, Asker::Page);
    assert_eq!(*sensitivity.borrow_and_update(), Sensitivity::Quick);
}
