use std::time::Duration;

use super::*;

/// A control with default configuration. `switch`: a privacy switch is wired.
fn control(switch: bool, persisted: &PersistedPause) -> Control {
    let mut config = Config::default();
    config.privacy.switch.enabled = switch;
    control_of(&config, persisted)
}

fn control_of(config: &Config, persisted: &PersistedPause) -> Control {
    Control::new(config, persisted, None, StatusBoard::default())
}

impl Control {
    fn send_from_page(&self, command: Command) -> Result<(), Refusal> {
        self.execute(command, CommandSource::Page)
    }
}

/// Whether the device is paused. Camera switch, watch and status must agree.
fn is_paused(control: &Control) -> bool {
    let paused = *control.paused().borrow();
    assert_eq!(paused, !control.camera().is_on());
    assert_eq!(paused, control.0.board.now().is_paused());
    paused
}

#[test]
fn starts_in_the_persisted_state_and_paused_if_that_is_unreadable() {
    let unreadable = PersistedPause::Unreadable { path: "control.json".into(), reason: "not JSON".into() };
    for (persisted, paused) in [
        (PersistedPause::Nothing, false),
        (PersistedPause::Running, false),
        (PersistedPause::Paused, true),
        (unreadable, true),
    ] {
        assert_eq!(is_paused(&control(false, &persisted)), paused, "{persisted:?}");
        let mut config = Config::default();
        config.privacy.start_paused = true;
        assert!(is_paused(&control_of(&config, &persisted)), "{persisted:?}");
    }
}

#[test]
fn every_source_pauses_and_resumes() {
    let control = control(false, &PersistedPause::Nothing);
    control.execute(Command::Pause, CommandSource::Signal).unwrap();
    assert!(is_paused(&control) && *control.paused_by_command().borrow());
    control.execute(Command::TogglePause, CommandSource::Button).unwrap();
    assert!(!is_paused(&control) && !*control.paused_by_command().borrow());
    control.send_from_page(Command::TogglePause).unwrap();
    control.send_from_page(Command::Pause).unwrap();
    control.execute(Command::Resume, CommandSource::Mqtt).unwrap();
    assert!(!is_paused(&control));
    assert_eq!(control.resets().borrow().pauses, 2, "each pause, and nothing else, is a reset");
}

#[test]
fn a_closed_switch_overrides_every_command() {
    let control = control(true, &PersistedPause::Running);
    assert!(is_paused(&control), "a switch that was not read yet is closed");
    for source in [CommandSource::Button, CommandSource::Signal, CommandSource::Page, CommandSource::Mqtt] {
        assert_eq!(control.execute(Command::Resume, source), Err(Refusal::SwitchClosed));
        assert_eq!(control.execute(Command::TogglePause, source), Err(Refusal::SwitchClosed));
        assert!(is_paused(&control));
    }
    control.set_switch(SwitchPosition::Open);
    assert!(!is_paused(&control), "it was not paused by command");
    control.set_switch(SwitchPosition::Closed);
    control.send_from_page(Command::Pause).unwrap();
    control.set_switch(SwitchPosition::Open);
    assert!(is_paused(&control), "opening the switch does not undo a pause by command");
    control.execute(Command::Resume, CommandSource::Button).unwrap();
    assert!(!is_paused(&control));
}

#[test]
fn aiming_is_offered_at_the_device_and_ends_with_a_pause_or_the_switch() {
    let control = control(true, &PersistedPause::Running);
    let is_on = || control.preview().until(Instant::now()).is_some();
    let offer = |source| control.execute(Command::OfferPreview, source);
    assert_eq!(offer(CommandSource::Button), Err(Refusal::Paused), "the switch was not read yet");
    control.set_switch(SwitchPosition::Open);
    for source in [CommandSource::Page, CommandSource::Mqtt, CommandSource::Signal] {
        assert_eq!(offer(source), Err(Refusal::PreviewDisabled), "{source:?}");
    }
    assert!(!is_on());
    offer(CommandSource::Console).unwrap();
    assert!(is_on());
    control.set_switch(SwitchPosition::Closed);
    assert!(!is_on());
    control.set_switch(SwitchPosition::Open);
    assert!(!is_on(), "opening the switch does not offer aiming again");
    offer(CommandSource::Button).unwrap();
    control.send_from_page(Command::Pause).unwrap();
    control.send_from_page(Command::Resume).unwrap();
    assert!(!is_on());
    let mut config = Config::default();
    config.privacy.aiming = false;
    let control = control_of(&config, &PersistedPause::Nothing);
    let refused = control.execute(Command::OfferPreview, CommandSource::Button);
    assert_eq!(refused, Err(Refusal::PreviewDisabled));
    assert!(control.preview().until(Instant::now()).is_none());
}

#[test]
fn the_switch_is_not_persisted() {
    let control = control(true, &PersistedPause::Running);
    let paused_by_command = control.paused_by_command();
    control.set_switch(SwitchPosition::Open);
    control.set_switch(SwitchPosition::Closed);
    assert!(!paused_by_command.has_changed().unwrap() && !*paused_by_command.borrow());
}

#[test]
fn lesson_commands_are_accepted_only_if_lessons_are_recorded() {
    let (sender, mut received) = mpsc::channel(1);
    let control =
        Control::new(&Config::default(), &PersistedPause::Nothing, Some(sender), StatusBoard::default());
    assert!(control.0.board.now().records_lessons);
    assert_eq!(control.send_from_page(Command::Lesson(LessonCommand::Toggle)), Ok(()));
    assert_eq!(control.send_from_page(Command::Lesson(LessonCommand::End)), Err(Refusal::Busy));
    assert_eq!(received.try_recv().unwrap(), LessonCommand::Toggle);
    let none = self::control(false, &PersistedPause::Nothing);
    assert_eq!(none.send_from_page(Command::Lesson(LessonCommand::End)), Err(Refusal::NoLessons));
}

#[test]
fn pairing_needs_a_code_only_if_the_page_is_on_the_network() {
    let control = control(false, &PersistedPause::Nothing);
    control.execute(Command::OfferPairing, CommandSource::Button).unwrap();
    let offer = control.pairing().at(Instant::now()).unwrap();
    assert!(offer.code.is_none() && offer.until > Instant::now() + Duration::from_secs(100));
    let refused = control.execute(Command::OfferPairing, CommandSource::Console);
    assert_eq!(refused, Err(Refusal::NoPairing), "a code is of no use here");
    let mut config = Config::default();
    config.web.listen = "192.0.2.7:8080".parse().unwrap();
    let control = control_of(&config, &PersistedPause::Nothing);
    control.execute(Command::OfferPairing, CommandSource::Console).unwrap();
    let code = control.pairing().at(Instant::now()).unwrap().code.unwrap();
    assert!(!format!("{:?}", control.0.board.now()).contains(&code), "the status holds no secret");
}

#[test]
fn dimming_and_identifying_are_published_on_the_status_board() {
    let control = control(false, &PersistedPause::Nothing);
    let now = Instant::now();
    control.send_from_page(Command::Dim(true)).unwrap();
    assert!(control.0.board.now().is_dimmed_at(now + DIM_DURATION - Duration::from_secs(1)));
    control.send_from_page(Command::Dim(false)).unwrap();
    assert!(!control.0.board.now().is_dimmed_at(now));
    control.send_from_page(Command::Identify(Duration::from_secs(10))).unwrap();
    assert!(control.0.board.now().identifying_at(now).is_some());
}

#[test]
fn the_sensitivity_wakes_receivers_only_when_it_changes() {
    let control = control(false, &PersistedPause::Nothing);
    let mut sensitivity = control.sensitivity();
    assert_eq!(*sensitivity.borrow_and_update(), Sensitivity::Normal);
    control.send_from_page(Command::SetSensitivity(Sensitivity::Normal)).unwrap();
    assert!(!sensitivity.has_changed().unwrap());
    control.send_from_page(Command::SetSensitivity(Sensitivity::Quick)).unwrap();
    assert_eq!(*sensitivity.borrow_and_update(), Sensitivity::Quick);
    assert_eq!(control.0.board.now().sensitivity, Sensitivity::Quick);
}

#[tokio::test]
async fn commands_arrive_from_a_sender_and_the_switch_is_handled_first() {
    let control = control(true, &PersistedPause::Nothing);
    let (commands, requests) = moodring_runtime::CommandSender::channel();
    let (position, stop) = (watch::Sender::new(SwitchPosition::Open), Stop::default());
    let running = tokio::spawn(control.clone().run(requests, position.subscribe(), None, stop.clone()));
    position.send_replace(SwitchPosition::Open);
    while is_paused(&control) {
        tokio::task::yield_now().await;
    }
    position.send_replace(SwitchPosition::Closed);
    let refused = commands.execute(Command::Resume, CommandSource::Page).await;
    assert_eq!(refused, Err(Refusal::SwitchClosed));
    stop.request();
    running.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_confirmed_when_it_is_on_the_disk_and_refused_when_it_cannot_be() {
    let directory = tempfile::tempdir().unwrap();
    let storage = moodring_config::Storage { directory: directory.path().join("state") };
    let control = control(false, &PersistedPause::Nothing);
    let (commands, requests) = moodring_runtime::CommandSender::channel();
    let stop = Stop::default();
    let (switch, attempts) = (
        watch::Sender::new(SwitchPosition::Open),
        watch::Sender::new(StoreAttempt::of(&PersistedPause::Nothing)),
    );
    let running = tokio::spawn(control.clone().run(
        requests,
        switch.subscribe(),
        Some(attempts.subscribe()),
        stop.clone(),
    ));
    let health = moodring_runtime::Health::on_board(control.0.board.clone(), "pause");
    let store = persist(storage.clone(), control.store_requests(), attempts, health, stop.clone());
    let storing = tokio::spawn(store);
    for (command, stored) in
        [(Command::Pause, PersistedPause::Paused), (Command::TogglePause, PersistedPause::Running)]
    {
        assert_eq!(commands.execute(command, CommandSource::Page).await, Ok(()));
        assert_eq!(PersistedPause::read(&storage), stored, "confirmed before it was on the disk");
    }
    // A file where the folder should be: nothing can be written.
    std::fs::remove_dir_all(&storage.directory).unwrap();
    std::fs::write(&storage.directory, "").unwrap();
    assert_eq!(commands.execute(Command::Pause, CommandSource::Page).await, Err(Refusal::NotStored));
    assert!(is_paused(&control), "the camera is closed all the same");
    assert!(control.0.board.now().problems["pause"].contains("a restart would undo"));
    std::fs::remove_file(&storage.directory).unwrap();
    assert_eq!(commands.execute(Command::Pause, CommandSource::Page).await, Ok(()));
    assert_eq!(PersistedPause::read(&storage), PersistedPause::Paused);
    assert!(control.0.board.now().problems.is_empty());
    stop.request();
    running.await.unwrap().unwrap();
    storing.await.unwrap().unwrap();
}
