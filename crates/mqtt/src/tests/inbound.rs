//! Messages from the broker that are too large or too many never end the connection, nor fill the spool.

use super::contract::whole;
use super::fake_broker::broker_with_a_huge_message;
use super::*;

fn publish(client: &AsyncClient, topic: &str, payload: Vec<u8>, retain: bool) {
    let options = rumqttc_v4::PublishOptions::at_least_once().retain(retain);
    client.try_publish(topic.to_owned(), payload, options).unwrap();
}

/// A client that may send large messages.
async fn attacker(port: u16) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(format!("attacker{}", random_share()), ("127.0.0.1", port));
    options.set_max_packet_size(9_000_000, 9_000_000);
    let (client, mut events) = AsyncClient::builder(options).capacity(100).build();
    while !matches!(events.poll().await.unwrap(), rumqttc_v4::Event::Incoming(Incoming::ConnAck(_))) {}
    (client, events)
}

#[test]
fn a_large_retained_message_does_not_end_the_connection() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let (client, mut events) = attacker(mosquitto.port).await;
        for topic in ["cmd/pause", "status", "overlay"] {
            for size in [70_000, 8_000_000] {
                publish(&client, &format!("moodring/school/room-1/{topic}"), vec![b'x'; size], true);
                let is_acknowledged =
                    |event| matches!(event, rumqttc_v4::Event::Incoming(Incoming::PubAck(_)));
                while !is_acknowledged(events.poll().await.unwrap()) {}
            }
        }
        for protocol in [config::Protocol::V4, config::Protocol::V5] {
            let whole = whole(mosquitto.port, |config| config.protocol = protocol);
            until("moods", || (whole.device.health.published.get() > 0).then_some(())).await;
            assert_eq!((whole.device.health.connections.get(), whole.device.health.errors.get()), (1, 0));
            // Commands are executed all the same.
            publish(&client, "moodring/school/room-1/cmd/identify", br#"{"for_s": 5}"#.to_vec(), false);
            let executed = async {
                while whole.executor.executed().is_empty() {
                    let _ = timeout(Duration::from_millis(10), events.poll()).await;
                }
            };
            timeout(TIMEOUT, executed).await.unwrap();
            whole.device.stop.request();
            whole.device.task.await.unwrap();
        }
    });
}

#[test]
fn a_flood_of_commands_gets_few_answers() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let whole = whole(mosquitto.port, |_| {});
        let mut dashboard = Dashboard::new(mosquitto.port, "moodring/school/room-1/reply");
        connected(&whole.device).await;
        assert!(timeout(Duration::from_millis(300), dashboard.find("nothing", |_, _| false)).await.is_err());
        let (client, mut events) = attacker(mosquitto.port).await;
        let mut replies = 0;
        let flood = async {
            for _ in 0..20 {
                for _ in 0..100 {
                    let options = rumqttc_v4::PublishOptions::at_most_once();
                    client.try_publish("moodring/school/room-1/cmd/reboot", "{}", options).unwrap();
                }
                while timeout(Duration::from_millis(20), events.poll()).await.is_ok() {}
            }
        };
        let counting = async {
            loop {
                dashboard.find("a reply", |_, _| true).await;
                replies += 1;
            }
        };
        let both = async {
            tokio::select! { () = flood => {}, () = counting => {} }
        };
        let begun = std::time::Instant::now();
        timeout(TIMEOUT, both).await.unwrap();
        let seconds = begun.elapsed().as_secs() + 2;
        assert!((1..=11 * seconds).contains(&replies), "{replies} in {seconds} s");
        assert_eq!((whole.device.health.connections.get(), whole.device.spool.metrics().dropped), (1, 0));
    });
}

#[test]
fn a_subscription_whose_message_never_arrives_whole_is_left_out() {
    // The broker begins to deliver a message of 200 MB and closes the connection in the middle.
    let (port, _accepted) = broker_with_a_huge_message("moodring/school/room-1/cmd/pause");
    runtime().block_on(async {
        let board = StatusBoard::default();
        let health = Arc::new(Health::on_board(board.clone(), "mqtt"));
        let executor = Executor::start();
        let commands = executor.sender();
        let shown = board.clone();
        let config = config::Mqtt { reconnect_within_s: 0, ..config::Mqtt::default() };
        let device = device_with(target(port, config), Spool::in_memory(9), move |publisher| {
            publisher.accepting(commands).shown_by(health, &shown)
        });
        until("moods", || (device.health.published.get() > 0).then_some(())).await;
        let problem = until("the fault", || board.now().problems.get("mqtt_access").cloned()).await;
        assert!(problem.contains("cmd/+ is left out, because a message there is too large"), "{problem}");
    });
}
