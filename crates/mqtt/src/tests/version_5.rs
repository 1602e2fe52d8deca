//! Tests of the additional features of MQTT 5.

use moodring_contract::payload::StatusSchema;
use moodring_contract::{Command, CommandSource};

use super::contract::whole;
use super::*;
use crate::spool::Kind;

/// A client of MQTT 5 that has subscribed to `topic`.
async fn subscriber_v5(port: u16, topic: &str) -> (rumqttc_v5::AsyncClient, rumqttc_v5::EventLoop) {
    use rumqttc_v5::{AsyncClient, Event, MqttOptions, Packet, QoS};
    let options = MqttOptions::new(format!("dashboard{}", random_share()), ("127.0.0.1", port));
    let (client, mut events) = AsyncClient::builder(options).capacity(4).build();
    client.try_subscribe(topic.to_owned(), QoS::AtLeastOnce).unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::SubAck(_))) {}
    (client, events)
}

/// The next message of MQTT 5 on a topic that ends with `leaf`.
async fn next_v5(events: &mut rumqttc_v5::EventLoop, leaf: &str) -> rumqttc_v5::Publish {
    let search = async {
        loop {
            if let rumqttc_v5::Event::Incoming(rumqttc_v5::Packet::Publish(message)) =
                events.poll().await.unwrap()
                && message.topic.ends_with(leaf.as_bytes())
            {
                return message;
            }
        }
    };
    timeout(TIMEOUT, search).await.unwrap_or_else(|_| panic!("nothing came on {leaf}"))
}

#[test]
fn mqtt_5_carries_schema_device_and_expiry() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let (_client, mut events) = subscriber_v5(mosquitto.port, "moodring/#").await;
        let config = config::Mqtt { protocol: config::Protocol::V5, ..config::Mqtt::default() };
        let device = device(mosquitto.port, config);
        let status = next_v5(&mut events, "/status").await;
        let properties = status.properties.unwrap();
        let name = DeviceId::of("a machine").to_string();
        let expected = vec![("schema".to_owned(), StatusSchema::ID.to_owned()), ("device".to_owned(), name)];
        assert_eq!(properties.user_properties, expected);
        assert_eq!(properties.content_type.as_deref(), Some("application/json"));
        assert_eq!(properties.message_expiry_interval, None, "an offline device stays offline");
        let mood = next_v5(&mut events, "/mood").await.properties.unwrap();
        assert_eq!(mood.message_expiry_interval, Some(120));
        device.spool.append(Kind::Minute, |_, _| b"{}".to_vec());
        let minute = next_v5(&mut events, "/minute").await.properties.unwrap();
        assert_eq!(minute.message_expiry_interval, Some(30 * 86_400));
        let moods = &device.moods;
        moods.send_replace(Arc::new(Mood { sequence: 1235, ..samples::live() }));
        next_v5(&mut events, "/mood").await;
        // Aborted without DISCONNECT: the last will is published after the delay.
        device.task.abort();
        let cut_at = std::time::Instant::now();
        let will = next_v5(&mut events, "/status").await;
        assert!(cut_at.elapsed() > Duration::from_secs(5), "a short interruption is not reported");
        assert!(String::from_utf8_lossy(&will.payload).contains("\"lost\""));
    });
}

#[test]
fn mqtt_5_returns_correlation_data_on_the_device_s_own_topic() {
    use rumqttc_v5::{PublishOptions, PublishProperties};
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let (client, mut events) = subscriber_v5(mosquitto.port, "moodring/#").await;
        let whole = whole(mosquitto.port, |config| config.protocol = config::Protocol::V5);
        connected(&whole.device).await;
        next_v5(&mut events, "/status").await;
        let properties = PublishProperties {
            correlation_data: Some("7".into()),
            response_topic: Some("moodring/school/other/cmd/pause".into()),
            ..PublishProperties::default()
        };
        let options = PublishOptions::at_least_once().properties(properties);
        client.try_publish("moodring/school/room-1/cmd/identify", r#"{"for_s": 5}"#, options).unwrap();
        let reply = next_v5(&mut events, "/reply").await;
        assert_eq!(&reply.topic[..], b"moodring/school/room-1/reply");
        assert_eq!(reply.properties.unwrap().correlation_data.as_deref(), Some(&b"7"[..]));
        assert_eq!(
            whole.executor.executed(),
            [(Command::Identify(Duration::from_secs(5)), CommandSource::Mqtt)]
        );
    });
}

#[test]
fn a_copied_card_that_takes_the_name_over_is_reported() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        for protocol in [config::Protocol::V4, config::Protocol::V5] {
            let config = || config::Mqtt { reconnect_within_s: 2, protocol, ..config::Mqtt::default() };
            let devices = [config(), config()].map(|config| device(mosquitto.port, config));
            until("the problem", || {
                let problem = devices[0].health.problem()?;
                (problem.contains("seems to have the name") && problem.contains("machine-id")).then_some(())
            })
            .await;
            for device in devices {
                device.stop.request();
                device.task.await.unwrap();
            }
        }
    });
}
