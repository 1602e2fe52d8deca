//! Spooled messages survive restarts of brokers and devices.

use std::collections::BTreeSet;

use super::*;
use moodring_contract::payload::EventSchema;
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
        let device = device(port, config::Mqtt::default());
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

/// A broker that accepts each client, acknowledges `receipts` messages and closes the connection. The receiver yields
/// the numbers of the acknowledged events.
fn unreliable_broker(receipts: usize) -> (u16, std::sync::mpsc::Receiver<u64>) {
    use std::io::Read;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, acknowledged) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut given = 0;
            let mut packet = || -> std::io::Result<(u8, Vec<u8>)> {
                let mut byte = [0; 1];
                stream.read_exact(&mut byte)?;
                let kind = byte[0];
                let (mut length, mut shift) = (0_usize, 0);
                loop {
                    stream.read_exact(&mut byte)?;
                    length |= usize::from(byte[0] & 0x7f) << shift;
                    shift += 7;
                    if byte[0] & 0x80 == 0 {
                        break;
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body)?;
                match kind >> 4 {
                    1 => stream.write_all(b"\x20\x02\x00\x00")?,
                    3 if given < receipts => {
                        let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                        let number = &body[2 + topic..4 + topic];
                        stream.write_all(&[0x40, 2, number[0], number[1]])?;
                        given += 1;
                        let value: Value = serde_json::from_slice(&body[4 + topic..]).unwrap();
                        if value["schema"] == EventSchema::ID {
                            let _ = sender.send(value["sequence"].as_u64().unwrap());
                        }
                    }
                    3 => return Err(std::io::ErrorKind::ConnectionReset.into()),
                    _ => {}
                }
                Ok((kind, body))
            };
            while packet().is_ok() {}
        }
    });
    (port, acknowledged)
}

#[test]
fn only_a_receipt_deletes_an_entry_and_others_are_sent_again() {
    let (port, acknowledged) = unreliable_broker(6);
    runtime().block_on(async {
        let device = device(port, config::Mqtt::default());
        for _ in 0..20 {
            happen(&device);
        }
        // The clock is paused: waits between attempts take no real time.
        tokio::time::pause();
        let deadline = std::time::Instant::now() + TIMEOUT;
        while device.spool.metrics().waiting > 0 {
            assert!(std::time::Instant::now() < deadline, "{:?}", device.spool.metrics());
            tokio::time::advance(Duration::from_millis(50)).await;
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
        let numbers: Vec<u64> = acknowledged.try_iter().collect();
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

#[test]
fn a_refused_entry_stays_in_the_spool() {
    let folder = tempfile::tempdir().unwrap();
    let acl = folder.path().join("acl");
    std::fs::write(
        &acl,
        "topic readwrite moodring/school/room-1/mood\ntopic readwrite moodring/school/room-1/status\n",
    )
    .unwrap();
    open_to_everybody(folder.path(), &acl);
    let Some(mosquitto) = Mosquitto::start(&format!("allow_anonymous true\nacl_file {}", acl.display()))
    else {
        return;
    };
    runtime().block_on(async {
        let config = config::Mqtt { protocol: config::Protocol::V5, ..config::Mqtt::default() };
        let device = device(mosquitto.port, config);
        connected(&device).await;
        happen(&device);
        until("the refusal", || (device.health.errors.get() > 0).then_some(())).await;
        device.moods.send_replace(Arc::new(Mood { sequence: 1235, ..samples::live() }));
        until("moods", || (device.health.published.get() >= 2).then_some(())).await;
        assert_eq!(device.spool.metrics().waiting, 1, "it waits until the ACL is corrected");
    });
}
