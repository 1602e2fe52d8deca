//! Tests against the embedded broker and against Mosquitto.

mod contract;
mod fake_broker;
mod inbound;
mod overlays;
mod own_status;
mod refusals;
mod rename;
mod safety;
mod spooling;
mod version_5;

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rumqttc_v4::{AsyncClient, EventLoop, Incoming, MqttOptions, Publish, QoS};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use moodring_config as config;
use moodring_contract::payload::StatusSchema;
use moodring_contract::{CommandSource, Mode, Mood, Refusal, samples};
use moodring_runtime::{DeviceId, Health, StatusBoard, Stop, random_share};

use super::publisher::{DISCONNECT_TIMEOUT, RECEIPT_TIMEOUT};
use super::*;
use crate::broker::{Broker, accepts_clients};
use crate::spool::Spool;
use crate::test_executor::Executor;

const MOSQUITTO: &str = "/usr/sbin/mosquitto";
/// Long, because the machine may be busy. A passing test does not wait for it.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Prints that a test is skipped, past the test harness, which hides the output of a passing test.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

/// A Mosquitto that ends with the test.
struct Mosquitto {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Mosquitto {
    /// `None`, with a message, if Mosquitto is not installed.
    fn start(extra: &str) -> Option<Self> {
        if !Path::new(MOSQUITTO).exists() {
            let required = std::env::var_os("MOODRING_REQUIRE_MOSQUITTO").is_some_and(|value| value == "1");
            assert!(!required, "{MOSQUITTO} is missing: install the Debian package mosquitto");
            skipped("mosquitto is missing: install the Debian package mosquitto");
            return None;
        }
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        let config = format!("listener {port} 127.0.0.1\npersistence false\nlog_dest none\n{extra}\n");
        std::fs::write(folder.path().join("mosquitto.conf"), config).unwrap();
        Some(Self::launch(port, folder))
    }

    fn launch(port: u16, folder: tempfile::TempDir) -> Self {
        let mut process = Command::new(MOSQUITTO)
            .arg("-c")
            .arg(folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = std::time::Instant::now() + TIMEOUT;
        while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(std::time::Instant::now() < deadline, "mosquitto does not listen");
            assert!(process.try_wait().unwrap().is_none(), "mosquitto has ended");
            std::thread::yield_now();
        }
        Self { process, port, folder }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Kills it and starts another on the same port, without its retained messages.
    fn restart(mut self) -> Self {
        self.kill();
        let (port, path) = (self.port, self.folder.path().join("mosquitto.conf"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(path, folder.path().join("mosquitto.conf")).unwrap();
        Self::launch(port, folder)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The moods of a room and the task that publishes them.
struct Device {
    moods: watch::Sender<Arc<Mood>>,
    health: Arc<Health>,
    spool: Spool,
    stop: Stop,
    task: JoinHandle<()>,
}

fn target(port: u16, config: config::Mqtt) -> Target {
    Target {
        address: Address { host: "127.0.0.1".into(), port },
        room: config::Room { site: "school".into(), name: "room-1".into() },
        device: DeviceId::of("a machine"),
        config,
        mode: Mode::Mood,
        publishes_facing: true,
        page: None,
    }
}

fn device(port: u16, config: config::Mqtt) -> Device {
    device_with(target(port, config), Spool::in_memory(1000), |publisher| publisher)
}

/// A device with the parts that `equip` adds.
fn device_with(target: Target, spool: Spool, equip: impl FnOnce(Publisher) -> Publisher) -> Device {
    let (moods, receiver) = watch::channel(Arc::new(samples::live()));
    let stop = Stop::default();
    let publisher = equip(Publisher::new(target, receiver, spool.clone(), stop.clone()));
    let health = Arc::clone(publisher.health());
    Device { moods, health, spool, stop, task: tokio::spawn(publisher.run()) }
}

/// Another client, such as a dashboard. It reconnects after a loss and subscribes on every connection.
struct Dashboard {
    client: AsyncClient,
    events: EventLoop,
    topic: String,
}

impl Dashboard {
    fn new(port: u16, topic: &str) -> Self {
        let mut options = MqttOptions::new(format!("dashboard{}", random_share()), ("127.0.0.1", port));
        options.set_keep_alive(60).set_max_packet_size(64 * 1024, 64 * 1024);
        let (client, events) = AsyncClient::builder(options).capacity(4).build();
        Self { client, events, topic: topic.to_owned() }
    }

    /// The next message for which `wanted` holds.
    async fn find(&mut self, what: &str, wanted: impl Fn(&Publish, &Value) -> bool) -> (Publish, Value) {
        let search = async {
            loop {
                match self.events.poll().await {
                    Ok(rumqttc_v4::Event::Incoming(Incoming::ConnAck(_))) => {
                        self.client.try_subscribe(self.topic.clone(), QoS::AtLeastOnce).unwrap();
                    }
                    Ok(rumqttc_v4::Event::Incoming(Incoming::Publish(message))) => {
                        let value = serde_json::from_slice(&message.payload).unwrap_or(Value::Null);
                        if wanted(&message, &value) {
                            return (message, value);
                        }
                    }
                    Ok(_) => {}
                    Err(error) => println!("the dashboard was cut off: {error}"),
                }
            }
        };
        timeout(TIMEOUT, search).await.unwrap_or_else(|_| panic!("{what} did not come"))
    }
}

/// Runs the device until `found` returns a value. Uses the real clock, because tokio's may be paused.
async fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + TIMEOUT;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "{what} did not come");
        tokio::task::yield_now().await;
    }
}

async fn problem(health: &Health) -> String {
    until("a problem", || health.problem()).await
}

async fn connected(device: &Device) {
    let deadline = std::time::Instant::now() + TIMEOUT;
    while !device.health.is_up() {
        assert!(std::time::Instant::now() < deadline, "no connection: {:?}", device.health.problem());
        tokio::task::yield_now().await;
    }
}

/// MQTT 3.1.1.
fn version_4() -> config::Mqtt {
    config::Mqtt { protocol: config::Protocol::V4, ..config::Mqtt::default() }
}

/// Waits until a broker has accepted the connection; it may not work.
async fn accepted(device: &Device) {
    until("a connection", || (device.health.connections.get() > 0).then_some(())).await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The status and moods of a device as another client receives them: online, lost; online again, stopped.
async fn observe_device(port: u16) {
    let mut dashboard = Dashboard::new(port, "moodring/school/room-1/#");
    // It subscribes first: rumqttd may miss the first message of a topic for a client that subscribes meanwhile.
    let poll = dashboard.find("nothing", |_, _| false);
    assert!(timeout(Duration::from_millis(300), poll).await.is_err());
    let first = device(port, version_4());
    let (_, status) = dashboard.find("a status", |message, _| message.topic.ends_with(b"/status")).await;
    assert_eq!((&status["status"], &status["reason"]), (&"online".into(), &Value::Null));
    assert_eq!((&status["room"], &status["schema"]), (&"room-1".into(), &StatusSchema::ID.into()));
    dashboard.find("the first mood", |_, value| value["sequence"] == 1234).await;
    // A newer one, which is published at once, and retained for later subscribers.
    first.moods.send_replace(Arc::new(Mood { sequence: 1235, ..samples::live() }));
    dashboard.find("the second mood", |_, value| value["sequence"] == 1235).await;
    let mut late = Dashboard::new(port, "moodring/school/room-1/mood");
    let (message, value) = late.find("the retained mood", |_, _| true).await;
    assert!(message.retain && value["sequence"] == 1235 && value["word"] == "attentive");
    // Aborted, so the socket closes without DISCONNECT: the broker publishes the last will.
    first.task.abort();
    let (_, status) = dashboard.find("offline", |_, value| value["status"] == "offline").await;
    assert_eq!(status["reason"], "lost");
    graceful_stop(port, &mut dashboard).await;
}

async fn graceful_stop(port: u16, dashboard: &mut Dashboard) {
    let device = device(port, version_4());
    dashboard.find("online", |_, value| value["status"] == "online").await;
    let asked_at = Instant::now();
    device.stop.request();
    timeout(TIMEOUT, device.task).await.unwrap().unwrap();
    assert!(
        asked_at.elapsed() <= DISCONNECT_TIMEOUT + Duration::from_millis(200),
        "{:?}",
        asked_at.elapsed()
    );
    let (_, status) = dashboard.find("offline", |_, value| value["status"] == "offline").await;
    assert_eq!(status["reason"], "stopped");
    // The last will would have replaced the retained message.
    let mut late = Dashboard::new(port, "moodring/school/room-1/status");
    let (message, status) = late.find("the retained mood", |_, _| true).await;
    assert!(message.retain && status["reason"] == "stopped");
}

#[test]
fn the_embedded_broker_keeps_moods_and_publishes_the_last_will() {
    let broker = Broker::start(0).unwrap();
    runtime().block_on(observe_device(broker.port));
}

#[test]
fn mosquitto_keeps_moods_and_publishes_the_last_will() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(observe_device(mosquitto.port));
}

#[test]
fn after_a_restart_of_the_broker_status_and_mood_are_published_again() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    let port = mosquitto.port;
    runtime().block_on(async {
        let device = device(port, config::Mqtt::default());
        Dashboard::new(port, "moodring/school/room-1/mood").find("the retained mood", |_, _| true).await;
        let _mosquitto = mosquitto.restart();
        let mut dashboard = Dashboard::new(port, "moodring/school/room-1/#");
        dashboard.find("online", |_, value| value["status"] == "online").await;
        dashboard.find("the mood", |_, value| value["sequence"] == 1234).await;
        connected(&device).await;
        assert!(device.health.errors.get() >= 1);
    });
}

#[test]
fn a_wrong_password_is_reported_and_a_corrected_file_needs_no_restart() {
    if !Path::new("/usr/bin/mosquitto_passwd").exists() {
        skipped("mosquitto_passwd is missing: install the Debian package mosquitto");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (users, password_file) = (folder.path().join("users"), folder.path().join("password"));
    let mut passwd = Command::new("mosquitto_passwd");
    passwd.args(["-b", "-c"]).arg(&users).args(["moodring", "right"]).stderr(Stdio::null());
    assert!(passwd.status().unwrap().success());
    open_to_everybody(folder.path(), &users);
    let extra = format!("allow_anonymous false\npassword_file {}", users.display());
    let Some(mosquitto) = Mosquitto::start(&extra) else { return };
    std::fs::File::create(&password_file).unwrap().write_all(b"wrong\n").unwrap();
    let config = config::Mqtt {
        broker: config::BrokerKind::External,
        username: "moodring".into(),
        password_file: password_file.clone(),
        ..config::Mqtt::default()
    };
    runtime().block_on(async {
        let device = device(mosquitto.port, config);
        let problem = problem(&device.health).await;
        for part in [&format!("127.0.0.1:{}", mosquitto.port), "password", "mqtt.password_file"] {
            assert!(problem.contains(part), "{problem}");
        }
        std::fs::write(&password_file, "right\nnot this\n").unwrap();
        connected(&device).await;
    });
}

/// Mosquitto gives up root's rights before it reads its users.
fn open_to_everybody(folder: &Path, file: &Path) {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    set_permissions(file, Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn many_publishers_run_in_one_process() {
    let Some(mosquitto) = Mosquitto::start("allow_anonymous true") else { return };
    runtime().block_on(async {
        let mut dashboard = Dashboard::new(mosquitto.port, "moodring/school/+/mood");
        let devices: Vec<_> = (0..40)
            .map(|number| {
                let mut target = target(mosquitto.port, config::Mqtt::default());
                target.room.name = format!("room-{number}");
                target.device = DeviceId::of(&format!("machine {number}"));
                device_with(target, Spool::in_memory(10), |publisher| publisher)
            })
            .collect();
        let mut rooms = std::collections::HashSet::new();
        while rooms.len() < devices.len() {
            let (message, _) = dashboard.find("a mood", |_, _| true).await;
            rooms.insert(message.topic.clone());
        }
        assert!(devices.iter().all(|device| device.health.errors.get() == 0));
    });
}

#[test]
fn an_absent_broker_is_reported_with_its_address_and_a_remedy() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    assert!(!accepts_clients(port));
    runtime().block_on(async {
        let device = device(port, config::Mqtt::default());
        let problem = problem(&device.health).await;
        assert!(problem.contains(&format!("127.0.0.1:{port}")) && problem.contains("mqtt.host"), "{problem}");
        // Without a connection the stop is immediate, even in the middle of a wait.
        device.stop.request();
        timeout(TIMEOUT, device.task).await.unwrap().unwrap();
    });
}

/// A broker that accepts every client and then sends nothing more.
fn mute_broker() -> u16 {
    use std::io::Read;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = [0; 1024];
                // The first packet is CONNECT; CONNACK, accepted, accepts_clients it.
                let count = stream.read(&mut buffer).unwrap();
                assert!(count > 0 && buffer[0] == 0x10);
                stream.write_all(b"\x20\x02\x00\x00").unwrap();
                while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
            });
        }
    });
    port
}

#[test]
fn a_broker_that_acknowledges_nothing_does_not_delay_the_stop() {
    let port = mute_broker();
    runtime().block_on(async {
        let device = device(port, version_4());
        accepted(&device).await;
        let asked_at = Instant::now();
        device.stop.request();
        timeout(TIMEOUT, device.task).await.unwrap().unwrap();
        assert!(
            asked_at.elapsed() <= DISCONNECT_TIMEOUT + Duration::from_millis(200),
            "{:?}",
            asked_at.elapsed()
        );
    });
}

#[test]
fn a_connection_without_receipts_is_closed() {
    let port = mute_broker();
    runtime().block_on(async {
        let device = device(port, version_4());
        accepted(&device).await;
        assert!(!device.health.is_up(), "it works after the first receipt");
        tokio::time::pause();
        tokio::time::advance(RECEIPT_TIMEOUT + Duration::from_secs(1)).await;
        let problem = problem(&device.health).await;
        assert!(problem.contains("does not answer in time"), "{problem}");
        device.stop.request();
    });
}

#[test]
fn an_unreadable_password_file_is_reported() {
    let config = config::Mqtt {
        broker: config::BrokerKind::External,
        username: "moodring".into(),
        password_file: "/nonexistent/password".into(),
        ..config::Mqtt::default()
    };
    runtime().block_on(async {
        let problem = problem(&device(1, config).health).await;
        assert!(problem.contains("mqtt.password_file /nonexistent/password"), "{problem}");
    });
}
