//! A university's broker: three NATS nodes with the shipped configuration. One is killed while messages flow.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use jiff::Timestamp;
use tempfile::TempDir;

use crate::contract::{Device, Message};
use crate::process::{Process, free_port};
use crate::servers::{self, Ingest, NATS, POSTGRES, Postgres, access, campus, deliver, password, serve};

/// Three nodes on this machine.
struct Cluster {
    folder: TempDir,
    ports: Vec<u16>,
    nodes: Vec<Process>,
}

impl Cluster {
    fn start(devices: &str) -> Self {
        let folder = access(devices);
        let [clients, monitors, routes, mqtt]: [Vec<u16>; 4] =
            std::array::from_fn(|_| (0..3).map(|_| free_port()).collect());
        for node in 0..3 {
            let shipped = |name: &str| std::fs::read_to_string(campus("nats").join(name)).unwrap();
            let mut config = shipped("node.conf")
                + &shipped(&format!("nats-{}.conf", node + 1)).replace("include \"node.conf\"\n", "");
            for (number, port) in (1..).zip(&routes) {
                config = config.replace(&format!("nats-{number}:6222"), &format!("127.0.0.1:{port}"));
            }
            // Of what is shipped only places and TLS are changed: no two nodes can have one name on one machine.
            let config: String = config
                .lines()
                .filter(|line| !line.trim_start().starts_with("tls {"))
                .map(|line| format!("{line}\n"))
                .collect::<String>()
                .replace("0.0.0.0:6222", &format!("127.0.0.1:{}", routes[node]))
                .replace("0.0.0.0:8883", &format!("127.0.0.1:{}", mqtt[node]))
                .replace("127.0.0.1:4222", &format!("127.0.0.1:{}", clients[node]))
                .replace("127.0.0.1:8222", &format!("127.0.0.1:{}", monitors[node]))
                .replace("/var/lib/nats", &format!("{}/store-{node}", folder.path().display()));
            std::fs::write(folder.path().join(format!("{node}.conf")), config).unwrap();
        }
        let mut cluster = Self { folder, ports: mqtt, nodes: Vec::new() };
        for node in 0..3 {
            let process = cluster.launch(node);
            cluster.nodes.push(process);
        }
        cluster
    }

    fn launch(&self, node: usize) -> Process {
        let path = |ending: &str| self.folder.path().join(format!("{node}.{ending}"));
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(path("conf"));
        serve(&mut command, self.ports[node], Path::new(&path("log")))
    }
}

#[test]
fn killing_one_of_three_nodes_loses_nothing_that_was_acknowledged() {
    if !servers::have(&[POSTGRES, NATS]) {
        return;
    }
    let mut device = Device::new(1, "north", "b-214");
    let mut cluster = Cluster::start(&format!("{},{},{}\n", device.name, device.site, device.room));
    let postgres = Postgres::start();
    let secret = password(&cluster.folder, "moodring-ingest");
    // Both are at the first node, which goes.
    let ingest = Ingest::start(&cluster.ports, &secret, &postgres, &[]);
    ingest.wait_for_log("subscribed");
    let begun_at: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
    let messages: Vec<Message> = (0..400).map(|number| device.minute(begun_at, number)).collect();
    let (sender, acknowledged) = mpsc::channel();
    let (ports, name) = (cluster.ports.clone(), device.name.clone());
    let own = password(&cluster.folder, &name);
    let publisher = std::thread::spawn(move || deliver(&ports, (&name, &own), &messages, &sender));
    while acknowledged.recv().unwrap() < 100 {}
    cluster.nodes[0].0.kill().unwrap();
    publisher.join().unwrap();
    postgres.wait_for("select count(*) from moodring.minute", "400");
    // The node comes back and takes part again.
    cluster.nodes[0] = cluster.launch(0);
    let keys = "select count(distinct sequence), min(sequence), max(sequence) from moodring.minute";
    assert_eq!(postgres.rows(keys), [["400", "1", "400"]]);
    let summary = ingest.stop();
    assert!(summary.contains(" 400 new, "), "{summary}");
}
