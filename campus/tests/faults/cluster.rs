//! Three NATS nodes behind a balancer. One is killed under 500 devices: nothing that was spooled is lost.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::broker::{port, wait_for};
use crate::ledger::{journal, on_disk};
use crate::load::{Measured, STEADY};
use crate::loadgen::{Loadgen, Usage};
use crate::proxy::Proxy;
use crate::witness::Witness;

const DEVICES: u64 = 500;
const BACK_WITHIN: Duration = Duration::from_secs(120);
/// What was on its way to a subscriber when its node died is sent again after this long, as in campus/nats/node.conf.
const ACK_WAIT_S: u64 = 60;
/// Time for that, and for what waits behind it.
const ARRIVES_WITHIN: Duration = Duration::from_secs(ACK_WAIT_S + 90);

struct Node {
    process: Child,
    mqtt: u16,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// As campus/nats/ has it, but for TLS, users and places: three nodes cannot have one name on one machine.
fn config(folder: &Path, node: usize, clients: u16, mqtt: u16, routes: [u16; 3]) -> String {
    let others = (0..3).filter(|other| *other != node);
    let others: Vec<String> =
        others.map(|other| format!("\"nats-route://127.0.0.1:{}\"", routes[other])).collect();
    format!(
        "server_name: nats-{node}\nlisten: \"127.0.0.1:{clients}\"\n\
         jetstream {{ store_dir: \"{}/store-{node}\", max_file_store: 2GB, max_memory_store: 256MB }}\n\
         mqtt {{ listen: \"127.0.0.1:{mqtt}\", stream_replicas: 3, max_ack_pending: 500, ack_wait: \"{ACK_WAIT_S}s\" }}\n\
         cluster {{ name: moodring, listen: \"127.0.0.1:{}\", routes: [{}] }}\n\
         max_payload: 65536\nmax_connections: 8192\n",
        folder.display(),
        routes[node],
        others.join(", ")
    )
}

fn start(folder: &Path) -> Option<Vec<Node>> {
    let routes: [u16; 3] = std::array::from_fn(|_| port());
    let mut nodes = Vec::new();
    for node in 0..3 {
        let (file, mqtt) = (folder.join(format!("{node}.conf")), port());
        std::fs::write(&file, config(folder, node, port(), mqtt, routes)).unwrap();
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        nodes.push(Node { process: command.spawn().ok()?, mqtt });
    }
    nodes.iter().for_each(|node| wait_for(node.mqtt));
    Some(nodes)
}

pub(crate) fn one_of_three_killed() -> Result<Measured, String> {
    let mut measured = Measured::new();
    let folder = tempfile::tempdir().unwrap();
    // Five hundred databases are too much for a slow disk, which is not what is measured here.
    let fast = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let mut nodes =
        start(folder.path()).ok_or("nats-server is missing: install the Debian package nats-server")?;
    let ports: Vec<u16> = nodes.iter().map(|node| node.mqtt).collect();
    let balancer = Proxy::start(TcpListener::bind((Ipv4Addr::LOCALHOST, port())).unwrap(), &ports);
    let witness = Witness::start(ports[2]);
    // A cluster that has just begun takes a while to find its leader; before that nobody's messages are kept.
    witness.subscribed(BACK_WITHIN);
    let (book, storage) = (folder.path().join("journal"), fast.path().join("spools"));
    let arguments = [
        "--mood-every-s",
        "10",
        "--minute-every-s",
        "10",
        "--protocol",
        "4",
        "--journal",
        book.to_str().unwrap(),
        "--storage",
        storage.to_str().unwrap(),
    ];
    let loadgen =
        Loadgen::start(folder.path(), DEVICES, balancer.port, "reconnect_within_s = 20\n", &arguments);
    let herd = loadgen.all_connected(BACK_WITHIN).ok_or("the devices do not even connect")?;
    measured.say(format!("start: all {DEVICES} connected after {:.1} s", herd.as_secs_f64()));
    std::thread::sleep(Duration::from_secs(10));
    let usage: Vec<Usage> = nodes.iter().map(|node| Usage::of(node.process.id())).collect();
    let before = loadgen.line();
    std::thread::sleep(STEADY);
    let after = loadgen.line();
    let messages = after.acknowledged - before.acknowledged + after.moods - before.moods;
    measured.say(format!(
        "steady: {:.0} messages a second",
        messages as f64 / (after.second - before.second) as f64
    ));
    for (number, usage) in usage.iter().enumerate() {
        let (cpu, megabytes) = usage.now();
        measured.say(format!("node {}: {:.0} % of a processor, {megabytes:.0} MB", number + 1, cpu * 100.0));
    }
    nodes.remove(0);
    let back = loadgen.all_connected(BACK_WITHIN);
    measured.expect(back.is_some(), || "not everybody was back in time".to_owned());
    measured.say(format!(
        "node 1 killed: all connected {:.1} s later",
        back.unwrap_or(BACK_WITHIN).as_secs_f64()
    ));
    std::thread::sleep(STEADY);
    let totals = loadgen.stop();
    let reconnects = totals["reconnects"].as_u64().unwrap();
    measured
        .expect(reconnects >= DEVICES / 4, || format!("{reconnects} had to come back: the node had nobody"));
    let (keys, kept) = (journal(&book), on_disk(&storage));
    let missing = || {
        let seen = witness.seen();
        keys.keys().filter(|key| !seen.keys.contains_key(key) && !kept.contains(key)).count()
    };
    let (stopped, late) = (Instant::now(), missing());
    while missing() > 0 && stopped.elapsed() < ARRIVES_WITHIN {
        std::thread::sleep(Duration::from_millis(200));
    }
    let (lost, last) = (missing(), stopped.elapsed());
    let repeated = witness.seen().keys.values().filter(|arrival| arrival.times > 1).count();
    measured.say(format!(
        "{} spooled, {} on the devices' disks at the end, {repeated} came more than once, {lost} lost, {reconnects} reconnections",
        keys.len(), kept.len()
    ));
    measured.say(format!(
        "{late} were under way when the devices ended, the last came {:.0} s later",
        last.as_secs_f64()
    ));
    measured.expect(lost == 0, || format!("{lost} messages are lost"));
    measured.expect(kept.len() * 10 < keys.len(), || format!("{} messages did not get through", kept.len()));
    Ok(measured)
}
