//! Shared by the end-to-end tests: the real binary, a real broker, a subscriber. Each process is killed when its guard
//! is dropped, and every wait has a timeout.
#![expect(dead_code, reason = "each test file uses a part of it")]

mod process;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

pub(crate) use process::{Process, TIMEOUT, free_port, skipped, wait_for_port};
use rumqttc_v4::{Client, Event, MqttOptions, Packet, QoS};

/// Command that runs the program under test with the models of this checkout.
pub(crate) fn moodring(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_moodring"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("MOODRING_LOG");
    command
}

/// First lines of the configuration of each tested service: a declared purpose and a state folder in `directory`.
pub(crate) fn base_config(directory: &Path) -> String {
    let state = directory.join("state");
    format!(
        "[purpose]\njurisdiction = \"IN\"\ninstitution = \"education\"\nconsent = \"a test\"\n\
         [storage]\ndirectory = {state:?}\n"
    )
}

/// Starts Mosquitto on loopback. Prints a skip message and returns `None` if it is not installed; `make test`
/// installs it.
pub(crate) fn mosquitto(port: u16, directory: &Path) -> Option<Process> {
    mosquitto_with(port, directory, "allow_anonymous true\n")
}

/// As [`mosquitto`], with `settings` in its configuration.
pub(crate) fn mosquitto_with(port: u16, directory: &Path, settings: &str) -> Option<Process> {
    let program =
        ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].into_iter().find(|path| Path::new(path).exists());
    let Some(program) = program else {
        assert!(
            std::env::var_os("MOODRING_REQUIRE_MOSQUITTO").is_none(),
            "mosquitto is not installed; `make test` installs it"
        );
        skipped("mosquitto is not installed");
        return None;
    };
    let config = directory.join(format!("mosquitto-{port}.conf"));
    std::fs::write(&config, format!("listener {port} 127.0.0.1\n{settings}")).unwrap();
    let child = Command::new(program)
        .arg("-c")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = Process(child);
    wait_for_port(port);
    Some(process)
}

/// A received MQTT message.
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) retained: bool,
}

impl Message {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).unwrap()
    }
}

/// Subscribes to all topics of the broker at `port`. A separate thread receives the messages.
pub(crate) fn subscribe(port: u16) -> mpsc::Receiver<Message> {
    wait_for_port(port);
    let mut options = MqttOptions::new(format!("subscriber-{}", free_port()), ("127.0.0.1", port));
    options.set_keep_alive(30).set_max_packet_size(64 * 1024, 64 * 1024);
    let (client, mut connection) = Client::builder(options).capacity(16).build();
    client.subscribe("#", QoS::AtLeastOnce).unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let _client = client;
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let message = Message {
                        topic: String::from_utf8(publish.topic.to_vec()).unwrap(),
                        payload: publish.payload.to_vec(),
                        retained: publish.retain,
                    };
                    if sender.send(message).is_err() {
                        return;
                    }
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    receiver
}

/// Returns the next message that `wanted` accepts. `wanted` is called with each message; rejected ones are dropped.
pub(crate) fn next(messages: &mpsc::Receiver<Message>, mut wanted: impl FnMut(&Message) -> bool) -> Message {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let message = messages.recv_timeout(left).expect("the expected message was not received");
        if wanted(&message) {
            return message;
        }
    }
}

/// Path of test data that is not part of the project. Prints a skip message and returns `None` if it does not exist.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MOODRING_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        skipped(&format!("{} does not exist", path.display()));
        return None;
    }
    Some(path)
}
