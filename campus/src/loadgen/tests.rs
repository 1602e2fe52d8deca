//! Three devices against the embedded broker.

use std::collections::BTreeSet;

use super::*;
use moodring_config::{self as config, BrokerKind};
use moodring_mqtt::Address;
use moodring_mqtt::broker::Broker;

#[tokio::test]
async fn each_device_connects_publishes_and_disconnects_and_the_journal_has_every_key_once() {
    let broker = Broker::start(0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        devices: 3,
        site: "school".into(),
        address: Address { host: "127.0.0.1".into(), port: broker.port },
        mqtt: config::Mqtt { broker: BrokerKind::External, ..config::Mqtt::default() },
        mood_every: Duration::from_millis(100),
        minute_every: Duration::from_millis(50),
        storage: Some(folder.path().join("spools")),
        seed: 5,
    };
    let (journal, stop) = (folder.path().join("journal"), Stop::default());
    let until_all_have_published = |totals: &Totals| {
        if totals.connected == 3 && totals.acknowledged > 30 && totals.moods > 3 {
            stop.request();
        }
    };
    let run = run(&plan, Some(Journal::open(&journal).unwrap()), &stop, until_all_have_published);
    let totals = tokio::time::timeout(Duration::from_secs(60), run).await.unwrap().unwrap();
    assert_eq!((totals.devices, totals.dropped, totals.reconnects), (3, 0, 0));
    assert_eq!((totals.attempts.total, totals.acknowledged + totals.waiting), (3, totals.published));
    let journal = std::fs::read_to_string(journal).unwrap();
    let keys: Vec<&str> =
        journal.lines().filter_map(|line| line.rsplit_once(' ')).map(|(key, _)| key).collect();
    assert_eq!(keys.len() as u64, totals.published);
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    assert_eq!(
        keys.iter()
            .filter_map(|key| key.split_once(' '))
            .map(|(device, _)| device)
            .collect::<BTreeSet<_>>()
            .len(),
        3
    );
}
