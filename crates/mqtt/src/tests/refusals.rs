//! Brokers that refuse one kind of message: the others go on, and the fault names topic and rule.

use super::fake_broker::fake_broker;
use super::*;
use crate::spool::Kind;

/// The publisher's problems on a board of its own.
fn device_on_board(target: Target) -> (Device, StatusBoard) {
    let board = StatusBoard::default();
    let health = Arc::new(Health::on_board(board.clone(), "mqtt"));
    let shown = board.clone();
    let device =
        device_with(target, Spool::in_memory(1000), move |publisher| publisher.shown_by(health, &shown));
    (device, board)
}

async fn access_problem(board: &StatusBoard, part: &str) -> String {
    until(part, || board.now().problems.get("mqtt_access").filter(|text| text.contains(part)).cloned()).await
}

/// A Mosquitto with these rules for everybody. [`Rules::change`] replaces them.
struct Rules {
    mosquitto: Mosquitto,
    folder: tempfile::TempDir,
}

impl Rules {
    fn start(rules: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let acl = folder.path().join("acl");
        std::fs::write(&acl, rules).unwrap();
        open_to_everybody(folder.path(), &acl);
        let mosquitto = Mosquitto::start(&format!("allow_anonymous true\nacl_file {}", acl.display()))?;
        Some(Self { mosquitto, folder })
    }

    fn change(&self, rules: &str) {
        std::fs::write(self.folder.path().join("acl"), rules).unwrap();
        let id = self.mosquitto.process.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    }
}

/// Lets the time pass after which a refused message is tried again.
async fn a_minute() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
}

/// Lets minutes pass until the spool is empty: the broker needs a moment to read its rules again.
async fn empty_after_minutes(device: &Device) {
    let deadline = std::time::Instant::now() + TIMEOUT;
    while device.spool.metrics().waiting > 0 {
        assert!(std::time::Instant::now() < deadline, "{:?}", device.spool.metrics());
        tokio::time::sleep(Duration::from_millis(300)).await;
        a_minute().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn spool(device: &Device, kind: Kind) {
    device.spool.append(kind, |_, number| format!("{{\"sequence\": {number}}}").into_bytes());
}

fn with_protocol(port: u16, protocol: config::Protocol) -> Target {
    target(port, config::Mqtt { protocol, ..config::Mqtt::default() })
}

#[test]
fn with_3_1_1_an_acl_of_another_room_keeps_everything_in_the_spool_until_it_is_corrected() {
    let Some(rules) = Rules::start("topic readwrite moodring/school/old/#\n") else { return };
    runtime().block_on(async {
        let (device, board) = device_on_board(with_protocol(rules.mosquitto.port, config::Protocol::V4));
        spool(&device, Kind::Lesson);
        connected(&device).await;
        // The broker acknowledges what it throws away.
        until("receipts", || (device.health.published.get() > 0).then_some(())).await;
        tokio::time::pause();
        tokio::time::advance(crate::own_status::READ_BACK_WITHIN).await;
        tokio::time::resume();
        let problem = access_problem(&board, "cannot be read back").await;
        for part in ["moodring/school/room-1/status", "topic write moodring/school/room-1/#", "topic read"] {
            assert!(problem.contains(part), "{problem}");
        }
        assert_eq!(device.spool.metrics().waiting, 1);
        rules.change("topic readwrite moodring/school/room-1/#\n");
        empty_after_minutes(&device).await;
        assert!(board.now().problems.is_empty(), "{:?}", board.now().problems);
    });
}

#[test]
fn with_5_a_refused_kind_waits_alone_and_goes_on_when_the_acl_is_corrected() {
    let all = "topic readwrite moodring/school/room-1/#\n";
    let Some(rules) = Rules::start(&format!("{all}topic deny moodring/school/room-1/lesson\n")) else {
        return;
    };
    runtime().block_on(async {
        let mut dashboard = Dashboard::new(rules.mosquitto.port, "moodring/school/room-1/#");
        assert!(timeout(Duration::from_millis(300), dashboard.find("nothing", |_, _| false)).await.is_err());
        let (device, board) = device_on_board(with_protocol(rules.mosquitto.port, config::Protocol::V5));
        [Kind::Lesson, Kind::Minute, Kind::Event].iter().for_each(|kind| spool(&device, *kind));
        dashboard.find("the minute", |message, _| message.topic.ends_with(b"/minute")).await;
        dashboard.find("the event", |message, _| message.topic.ends_with(b"/event")).await;
        let problem = access_problem(&board, "room-1/lesson is refused").await;
        assert!(problem.contains("not authorized") && problem.contains("topic write"), "{problem}");
        until("receipts", || (device.spool.metrics().waiting == 1).then_some(())).await;
        rules.change(all);
        empty_after_minutes(&device).await;
        dashboard.find("the lesson", |message, _| message.topic.ends_with(b"/lesson")).await;
        until("no problem", || board.now().problems.is_empty().then_some(())).await;
    });
}

#[test]
fn a_lesson_without_a_subscriber_waits_some_minutes_for_one() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let (device, board) = device_on_board(with_protocol(mosquitto.port, config::Protocol::V5));
        connected(&device).await;
        spool(&device, Kind::Lesson);
        let mut other = Dashboard::new(mosquitto.port, "moodring/+/+/mood");
        device.moods.send_replace(Arc::new(Mood { sequence: 1235, ..samples::live() }));
        other.find("the mood", |_, value| value["sequence"] == 1235).await;
        assert_eq!(
            device.spool.metrics().waiting,
            1,
            "an acknowledgement without a subscriber is no delivery"
        );
        assert!(board.now().problems.is_empty());
        let mut ingest = Dashboard::new(mosquitto.port, "moodring/+/+/lesson");
        assert!(timeout(Duration::from_millis(300), ingest.find("nothing", |_, _| false)).await.is_err());
        a_minute().await;
        ingest.find("the lesson", |_, value| value["sequence"] == 1).await;
    });
}

#[test]
fn a_broker_that_hangs_up_on_a_topic_gets_everything_else() {
    let (port, accepted) = fake_broker(|message| !message.topic.starts_with("homeassistant/"));
    runtime().block_on(async {
        let config = config::Mqtt { discovery: true, reconnect_within_s: 0, ..config::Mqtt::default() };
        let (device, board) = device_on_board(target(port, config));
        [Kind::Lesson, Kind::Minute].iter().for_each(|kind| spool(&device, *kind));
        let problem = access_problem(&board, "homeassistant/device/").await;
        assert!(problem.contains("closes the connection on it"), "{problem}");
        until("an empty spool", || (device.spool.metrics().waiting == 0).then_some(())).await;
        let connections = accepted.try_iter().map(|message| message.connection).max().unwrap();
        assert!(connections <= 12, "{connections}");
    });
}

#[test]
fn an_announcement_larger_than_the_broker_takes_is_left_out() {
    for (protocol, part) in [
        (config::Protocol::V4, "closes the connection on it"),
        (config::Protocol::V5, "takes at most 4000 bytes"),
    ] {
        let Some(mosquitto) = Mosquitto::start("allow_anonymous true\nmax_packet_size 4000") else { return };
        runtime().block_on(async {
            let config =
                config::Mqtt { discovery: true, reconnect_within_s: 0, protocol, ..config::Mqtt::default() };
            let (device, board) = device_on_board(target(mosquitto.port, config));
            let problem = access_problem(&board, "/config").await;
            assert!(problem.contains(part), "{problem}");
            connected(&device).await;
            let mut dashboard = Dashboard::new(mosquitto.port, "moodring/+/+/mood");
            dashboard.find("the mood", |_, _| true).await;
        });
    }
}

#[test]
fn a_broker_without_mqtt_5_gets_3_1_1() {
    let (port, accepted) = fake_broker(|_| true);
    runtime().block_on(async {
        let device = device(port, config::Mqtt::default());
        spool(&device, Kind::Lesson);
        connected(&device).await;
        until("an empty spool", || (device.spool.metrics().waiting == 0).then_some(())).await;
        assert_eq!(device.health.errors.get(), 0);
        assert!(accepted.try_iter().any(|message| message.topic.ends_with("/lesson")));
    });
}
