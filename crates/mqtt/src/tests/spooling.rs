//! Spooled messages survive restarts of brokers and devices.

use std::collections::BTreeSet;

use super::fake_broker::fake_broker;
use super::*;
use moodring_contract::{DeviceEvent, EventKind};

/// Spools an event.
fn happen(device: &Device) {
    let encoder = PayloadEncoder::new(&target(0, config::Mqtt::default()));
    let at = jiff::Timestamp::now();
    encoder.event(&device.spool, DeviceEvent { kind: EventKind::Paused, at, detail: None });
}

/// The numbers received until `last`, in order of arrival.
async fn numbers_until(dashboard: &mut Dashboard, last: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&last) {
        let (_, value) = dashboard.find("an event", |message, _| message.topic.ends_with(b"/event")).await;
        numbers.push(value["sequence"].as_u64().unwrap());
    }
    numbers
}

async fn empty(spool: &Spool) {
    until("an empty spool", || (spool.metrics().waiting == 0).then_some(())).await;
}

#[test]
fn events_from_an_outage_of_the_broker_arrive_in_order_afterwards() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    let port = mosquitto.port;
    runtime().block_on(async {
        // With MQTT 5 the event would wait for a subscriber.
        let device = device(port, version_4());
        connected(&device).await;
        happen(&device);
        empty(&device.spool).await;
        let mut mosquitto = mosquitto;
        mosquitto.kill();
        until("the loss", || (!device.health.is_up()).then_some(())).await;
        for _ in 0..50 {
            happen(&device);
        }
        assert_eq!(device.spool.metrics().waiting, 50);
        // A new broker on the same port, without the old messages. The dashboard connects first.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mosquitto.conf");
        std::fs::copy(mosquitto.folder.path().join("mosquitto.conf"), path).unwrap();
        let _again = Mosquitto::launch(port, folder);
        let mut dashboard = Dashboard::new(port, "moodring/school/room-1/event");
        let numbers = numbers_until(&mut dashboard, 51).await;
        // The dashboard may have subscribed after the first of them; none is missing between.
        assert!(numbers.is_sorted() && numbers.windows(2).all(|pair| pair[1] - pair[0] <= 1), "{numbers:?}");
        empty(&device.spool).await;
    });
}

#[test]
fn only_a_receipt_deletes_an_entry_and_others_are_sent_again() {
    let (port, accepted) = fake_broker(|message| message.number <= 6);
    runtime().block_on(async {
        let device = device(port, config::Mqtt { reconnect_within_s: 0, ..config::Mqtt::default() });
        for _ in 0..20 {
            happen(&device);
        }
        empty(&device.spool).await;
        let events = accepted.try_iter().filter(|message| message.topic.ends_with("/event"));
        let numbers: Vec<u64> = events.map(|event| event.json()["sequence"].as_u64().unwrap()).collect();
        let different: BTreeSet<u64> = numbers.iter().copied().collect();
        assert_eq!(different, (1..=20).collect(), "every one was acknowledged: {numbers:?}");
    });
}

#[test]
fn a_device_that_restarts_offline_publishes_everything_later() {
    let Some(mut mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    let port = mosquitto.port;
    mosquitto.kill();
    let state = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        for run in 1..=3_u64 {
            let (spool, keeper) = Spool::open(state.path(), 1000);
            let stop = Stop::default();
            let keeper = tokio::spawn(keeper.run(stop.clone()));
            let device = device_with(target(port, config::Mqtt::default()), spool, |publisher| publisher);
            for _ in 0..10 {
                happen(&device);
            }
            assert_eq!(device.spool.metrics().waiting, run * 10);
            device.stop.request();
            device.task.await.unwrap();
            stop.request();
            keeper.await.unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mosquitto.conf");
        std::fs::copy(mosquitto.folder.path().join("mosquitto.conf"), path).unwrap();
        let _again = Mosquitto::launch(port, folder);
        let mut dashboard = Dashboard::new(port, "moodring/school/room-1/#");
        // Subscribed before the device starts, so that no message is missed.
        let poll = dashboard.find("nothing", |_, _| false);
        assert!(timeout(Duration::from_millis(300), poll).await.is_err());
        let (spool, _keeper) = Spool::open(state.path(), 1000);
        let device = device_with(target(port, config::Mqtt::default()), spool, |publisher| publisher);
        assert_eq!(numbers_until(&mut dashboard, 30).await, (1..=30).collect::<Vec<_>>());
        empty(&device.spool).await;
    });
}
