//! Retained messages on former topics are deleted after a change of room, site or prefix.

use std::collections::BTreeSet;

use super::*;
use moodring_runtime::Telemetry;

fn renamed(port: u16, room: &str, change: impl FnOnce(&mut config::Mqtt)) -> Target {
    let mut config = config::Mqtt { discovery: true, ..config::Mqtt::default() };
    change(&mut config);
    let mut target = target(port, config);
    target.room.name = room.into();
    target
}

/// Runs a device that remembers its topics in `storage` until `done` holds for the topics that the broker retains.
async fn run_until(target: Target, storage: &Path, what: &str, done: impl Fn(&BTreeSet<String>) -> bool) {
    let port = target.address.port;
    let board = StatusBoard::default();
    let sampler = Sampler::of_device(Telemetry::new(&board, Default::default()));
    let device = device_with(target, Spool::in_memory(9), |publisher| {
        publisher.reporting(sampler).remembering(storage, board)
    });
    let deadline = std::time::Instant::now() + TIMEOUT;
    loop {
        let topics = retained(port).await;
        if done(&topics) {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{what}: {topics:?}");
    }
    device.stop.request();
    device.task.await.unwrap();
}

/// The topics with a retained message.
async fn retained(port: u16) -> BTreeSet<String> {
    let mut dashboard = Dashboard::new(port, "#");
    let mut topics = BTreeSet::new();
    let collect = async {
        loop {
            let (message, _) = dashboard.find("a message", |message, _| message.retain).await;
            topics.insert(String::from_utf8(message.topic.to_vec()).unwrap());
        }
    };
    let _ = timeout(Duration::from_millis(300), collect).await;
    topics
}

fn topics_of(room: &str, prefix: Option<&str>) -> BTreeSet<String> {
    let own = ["health", "mood", "status"].map(|leaf| format!("moodring/school/{room}/{leaf}"));
    let announcement = prefix.map(|prefix| format!("{prefix}/device/{}/config", DeviceId::of("a machine")));
    own.into_iter().chain(announcement).collect()
}

#[test]
fn a_renamed_room_leaves_nothing_behind() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    let (storage, port) = (tempfile::tempdir().unwrap(), mosquitto.port);
    runtime().block_on(async {
        let (old, new) = (topics_of("old", Some("homeassistant")), topics_of("new", Some("homeassistant")));
        run_until(renamed(port, "old", |_| {}), storage.path(), "the old room", |topics| *topics == old)
            .await;
        run_until(renamed(port, "new", |_| {}), storage.path(), "the new room", |topics| *topics == new)
            .await;
        let moved = topics_of("new", Some("ha"));
        let prefix = renamed(port, "new", |config| config.discovery_prefix = "ha".into());
        run_until(prefix, storage.path(), "the new prefix", |topics| *topics == moved).await;
        let without = topics_of("new", None);
        let off = renamed(port, "new", |config| config.discovery = false);
        run_until(off, storage.path(), "no announcement", |topics| *topics == without).await;
    });
}

#[test]
fn forget_deletes_what_was_remembered_or_what_is_named() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    let (storage, port) = (tempfile::tempdir().unwrap(), mosquitto.port);
    runtime().block_on(async {
        for room in ["old", "other"] {
            let folder = if room == "old" { storage.path().to_owned() } else { storage.path().join("other") };
            let of_room = topics_of(room, None);
            let target = renamed(port, room, |config| config.discovery = false);
            run_until(target, &folder, room, |topics| of_room.is_subset(topics)).await;
        }
        // Renamed, and never started since.
        let renamed = renamed(port, "new", |_| {});
        let forgotten = forget(&renamed, Forgotten::ThisDevice { storage: storage.path() }).await.unwrap();
        assert!(forgotten.contains(&"moodring/school/old/status".to_owned()), "{forgotten:?}");
        assert_eq!(retained(port).await, topics_of("other", None));
        let whom = Forgotten::Other { room: Some("other"), device: Some("moodring-00000000000000") };
        assert_eq!(forget(&renamed, whom).await.unwrap().len(), 4);
        assert_eq!(retained(port).await, BTreeSet::new());
    });
}
