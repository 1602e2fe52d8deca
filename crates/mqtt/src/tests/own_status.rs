//! The retained status: what a late will, another device or another program writes there is corrected.

use super::contract::whole;
use super::*;

const STATUS: &str = "moodring/school/room-1/status";

/// Publishes a retained message as another client.
fn publish(dashboard: &Dashboard, topic: &str, payload: &str) {
    let options = rumqttc_v4::PublishOptions::at_least_once().retain(true);
    dashboard.client.try_publish(topic.to_owned(), payload.to_owned(), options).unwrap();
}

/// The status that a new subscriber gets.
async fn retained_status(port: u16) -> Value {
    Dashboard::new(port, STATUS).find("the retained status", |message, _| message.retain).await.1
}

#[test]
fn a_wrong_status_is_corrected_at_once() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        for protocol in [config::Protocol::V4, config::Protocol::V5] {
            let device = device(mosquitto.port, config::Mqtt { protocol, ..config::Mqtt::default() });
            let mut dashboard = Dashboard::new(mosquitto.port, STATUS);
            dashboard.find("online", |_, value| value["status"] == "online").await;
            // The will of the device that was in this room before, and an empty message.
            for wrong in [r#"{"status": "offline", "reason": "lost", "device": "moodring-old"}"#, ""] {
                publish(&dashboard, STATUS, wrong);
                dashboard.find("the wrong one", |message, _| *message.payload == *wrong.as_bytes()).await;
                dashboard.find("the correction", |_, value| value["status"] == "online").await;
                assert_eq!(retained_status(mosquitto.port).await["status"], "online");
            }
            device.stop.request();
            device.task.await.unwrap();
        }
    });
}

#[test]
fn two_programs_do_not_correct_each_other_for_ever() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let device = device(mosquitto.port, config::Mqtt::default());
        let mut dashboard = Dashboard::new(mosquitto.port, STATUS);
        dashboard.find("online", |_, value| value["status"] == "online").await;
        let mut corrections = 0;
        let battle = async {
            loop {
                publish(&dashboard, STATUS, r#"{"status": "offline"}"#);
                dashboard
                    .find("a correction", |message, value| value["status"] == "online" && !message.retain)
                    .await;
                corrections += 1;
            }
        };
        assert!(timeout(Duration::from_secs(2), battle).await.is_err());
        assert_eq!(corrections, 3);
        assert!(device.health.is_up());
    });
}

#[test]
fn two_devices_of_one_room_report_each_other() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let board = [StatusBoard::default(), StatusBoard::default()];
        let devices = [0, 1].map(|number| {
            let mut target =
                target(mosquitto.port, config::Mqtt { health_every_s: 1, ..config::Mqtt::default() });
            target.device = DeviceId::of(&format!("machine {number}"));
            let health = Arc::new(Health::on_board(board[number].clone(), "mqtt"));
            let board = board[number].clone();
            device_with(target, Spool::in_memory(9), move |publisher| publisher.shown_by(health, &board))
        });
        for (board, other) in [(&board[0], "machine 1"), (&board[1], "machine 0")] {
            let problem = until("the fault", || board.now().problems.get("mqtt_room").cloned()).await;
            let name = DeviceId::of(other);
            assert!(problem.contains("school/room-1") && problem.contains(name.as_str()), "{problem}");
        }
        // They do not answer each other: a status each second and no more.
        let mut dashboard = Dashboard::new(mosquitto.port, STATUS);
        let mut count = 0;
        let counting = async {
            loop {
                dashboard.find("a status", |_, _| true).await;
                count += 1;
            }
        };
        assert!(timeout(Duration::from_secs(3), counting).await.is_err());
        assert!((4..=9).contains(&count), "{count}");
        // One of them leaves: the other corrects its farewell, and the fault is over.
        let [first, second] = devices;
        second.stop.request();
        second.task.await.unwrap();
        until("the end of the fault", || board[0].now().problems.is_empty().then_some(())).await;
        let deadline = std::time::Instant::now() + TIMEOUT;
        while retained_status(mosquitto.port).await["device"] != DeviceId::of("machine 0").as_str() {
            assert!(std::time::Instant::now() < deadline, "the farewell of the other stays");
        }
        drop(first);
    });
}

#[test]
fn home_assistant_s_birth_is_answered_with_everything_it_needs() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let mut dashboard = Dashboard::new(mosquitto.port, "#");
        let whole = whole(mosquitto.port, |config| config.discovery = true);
        dashboard.find("health", |message, _| message.topic.ends_with(b"/health")).await;
        connected(&whole.device).await;
        let options = rumqttc_v4::PublishOptions::at_least_once();
        dashboard.client.try_publish("homeassistant/status", "online", options).unwrap();
        let mut missing = std::collections::BTreeSet::from(["status", "mood", "health", "config"]);
        dashboard.find("the birth", |message, _| &message.topic[..] == b"homeassistant/status").await;
        while !missing.is_empty() {
            let (message, _) = dashboard.find("the rest", |message, _| !message.retain).await;
            let topic = String::from_utf8(message.topic.to_vec()).unwrap();
            missing.remove(topic.rsplit('/').next().unwrap());
        }
    });
}

#[test]
fn the_status_is_repeated_with_the_health() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let config = config::Mqtt { health_every_s: 1, ..config::Mqtt::default() };
        let mut dashboard = Dashboard::new(mosquitto.port, STATUS);
        let _device = device(mosquitto.port, config);
        for _ in 0..3 {
            dashboard.find("a status", |_, value| value["status"] == "online").await;
        }
    });
}
