//! A device under attack: malformed commands and overlays, readers that never read, pollers, clients that come and go, a
//! broker that is restarted. Memory, descriptors and log must stay bounded, and the device must serve its teacher.
//!
//! `make soak MINUTES=60` runs it for long; `make test` for a quarter of a minute.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, and this one prints its figures"
)]

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{Process, base_config, free_port, moodring, mosquitto, next, subscribe, wait_for_port};
use rumqttc_v4::{Client, MqttOptions, PublishOptions};

/// Before this the device loads, fills its caches and meets the first attackers.
const WARM_UP: Duration = Duration::from_secs(10);
/// After the attack, connections end by their timeouts.
const RECOVERY: Duration = Duration::from_secs(5);
/// Resident memory may grow by so much after the warm-up.
const MAX_GROWTH_KB: u64 = 24_000;
/// Descriptors that may remain after the attack.
const MAX_LEFT: usize = 16;
/// Lines of the log: at the start, and for each minute of the attack.
const MAX_LINES: (usize, usize) = (120, 60);
/// A busy machine may let one request in fifty wait too long.
const MIN_SERVED_PER_UNSERVED: u64 = 50;
const BROKER_LIVES: Duration = Duration::from_secs(20);
/// Connections that never read, at a time.
const SILENT: usize = 48;

/// What attackers and teacher did.
#[derive(Default)]
struct Tally {
    over: AtomicBool,
    commands: AtomicU64,
    requests: AtomicU64,
    silent: AtomicU64,
    broker_restarts: AtomicU64,
    served: AtomicU64,
    unserved: AtomicU64,
}

impl Tally {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Where the device is.
#[derive(Clone, Copy)]
struct Target {
    page: SocketAddr,
    broker: u16,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    let minutes = arguments.iter().position(|argument| argument == "--minutes").map_or(0.25, |index| {
        arguments.get(index + 1).and_then(|minutes| minutes.parse::<f64>().ok()).expect("--minutes NUMBER")
    });
    let directory = tempfile::tempdir().unwrap();
    let broker_port = free_port();
    let Some(broker) = mosquitto(broker_port, directory.path()) else { return };
    let (daemon, target) = start(directory.path(), broker_port);
    next(&subscribe(broker_port), |message| {
        message.topic.ends_with("/mood") && message.json()["state"] == "live"
    });
    attack(&daemon, target, broker, directory.path(), Duration::from_secs_f64(minutes * 60.0));
}

fn start(directory: &Path, broker: u16) -> (Process, Target) {
    let (page, path) = (free_port(), directory.join("moodring.toml"));
    let text = format!(
        "{}[camera.simulator]\npeople = 12\nwidth = 640\nheight = 384\n[vision]\ndetection_width = 640\n\
         [room]\nsite = \"site\"\nname = \"room\"\n[mqtt]\nbroker = \"external\"\nhost = \"127.0.0.1\"\nport = {broker}\n[web]\nlisten = \"127.0.0.1:{page}\"\n\
         [lessons]\nbegin = \"command\"\n",
        base_config(directory)
    );
    std::fs::write(&path, text).unwrap();
    let mut command = moodring(&["run", "--config", path.to_str().unwrap()]);
    let log = std::fs::File::create(directory.join("log")).unwrap();
    let daemon = Process(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    wait_for_port(page);
    (daemon, Target { page: (Ipv4Addr::LOCALHOST, page).into(), broker })
}

fn attack(daemon: &Process, target: Target, broker: Process, directory: &Path, duration: Duration) {
    let (tally, started) = (Tally::default(), Instant::now());
    let resources = || Resources::of(daemon.0.id());
    let before = resources();
    let (mut warm, mut most) = (before, before);
    std::thread::scope(|scope| {
        scope.spawn(|| malformed_commands(target, &tally));
        scope.spawn(|| readers_that_never_read(target, &tally));
        for _ in 0..4 {
            scope.spawn(|| pollers(target, &tally));
        }
        scope.spawn(|| restarted_broker(target, broker, directory, &tally));
        scope.spawn(|| teacher(target, &tally));
        while started.elapsed() < duration {
            std::thread::sleep(Duration::from_millis(500));
            let now = resources();
            if started.elapsed() < WARM_UP.min(duration / 2) {
                warm = now;
            }
            most = Resources {
                resident_kb: most.resident_kb.max(now.resident_kb),
                descriptors: most.descriptors.max(now.descriptors),
            };
        }
        tally.over.store(true, Ordering::Relaxed);
    });
    std::thread::sleep(RECOVERY);
    conclude(&tally, [before, warm, most, resources()], directory, duration);
}

/// Prints the figures and fails if one is out of its bounds.
fn conclude(tally: &Tally, resources: [Resources; 4], directory: &Path, duration: Duration) {
    let [before, warm, most, after] = resources;
    let minutes = duration.as_secs_f64() / 60.0;
    let lines = std::fs::read_to_string(directory.join("log")).unwrap().lines().count();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "soak: {minutes:.1} min: {} malformed messages, {} requests, {} readers that never read, {} restarts of the broker; \
         the teacher was served {} times, not served {} times; {lines} lines of log",
        count(&tally.commands),
        count(&tally.requests),
        count(&tally.silent),
        count(&tally.broker_restarts),
        count(&tally.served),
        count(&tally.unserved),
    );
    println!(
        "soak: resident memory {:.1} MB when warm, {:.1} at most, {:.1} at the end; descriptors {} before, {} at most, {} at the \
         end",
        warm.megabytes(),
        most.megabytes(),
        after.megabytes(),
        before.descriptors,
        most.descriptors,
        after.descriptors,
    );
    assert!(most.resident_kb <= warm.resident_kb + MAX_GROWTH_KB, "resident memory grew");
    assert!(after.descriptors <= before.descriptors + MAX_LEFT, "descriptors remained open");
    let allowed = MAX_LINES.0 + (minutes * MAX_LINES.1 as f64) as usize;
    assert!(lines <= allowed, "{lines} lines of log instead of {allowed} at most");
    let (served, unserved) = (count(&tally.served), count(&tally.unserved));
    assert!(unserved <= served / MIN_SERVED_PER_UNSERVED, "the teacher was not served {unserved} times");
}

/// Resources of a process.
#[derive(Clone, Copy)]
struct Resources {
    resident_kb: u64,
    descriptors: usize,
}

impl Resources {
    fn of(process: u32) -> Self {
        let status =
            std::fs::read_to_string(format!("/proc/{process}/status")).expect("the device has ended");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the device has ended");
        Self {
            resident_kb: line.trim().trim_end_matches(" kB").parse().unwrap(),
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
        }
    }

    fn megabytes(self) -> f64 {
        self.resident_kb as f64 / 1000.0
    }
}

/// Messages on the topics of commands and overlays, none of which is valid, from clients that come and go.
fn malformed_commands(target: Target, tally: &Tally) {
    let deep = "[".repeat(20_000);
    let payloads = [
        b"\xff\xfe\x00".to_vec(),
        b"{".to_vec(),
        deep.into_bytes(),
        vec![b'x'; 60_000],
        br#"{"schema":"moodring.command/1","id":"\u0000","title":null}"#.to_vec(),
    ];
    let topics = ["cmd/pause", "cmd/lesson", "cmd/no-such-command", "overlay", "cmd/../mood"];
    for attempt in 0_usize.. {
        if tally.is_over() {
            return;
        }
        let mut options = MqttOptions::new(format!("attacker-{attempt}"), ("127.0.0.1", target.broker));
        options.set_max_packet_size(128 * 1024, 128 * 1024);
        let (client, mut connection) = Client::builder(options).capacity(64).build();
        for message in 0..50 {
            let topic = format!("moodring/site/room/{}", topics[(attempt + message) % topics.len()]);
            let payload = payloads[message % payloads.len()].clone();
            if client.try_publish(topic, payload, PublishOptions::at_least_once()).is_ok() {
                Tally::count(&tally.commands);
            }
        }
        // Cut off without a farewell, in the middle of the acknowledgements.
        for event in connection.iter().take(60) {
            if event.is_err() {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Connections that ask for much and read nothing, or never finish their request.
fn readers_that_never_read(target: Target, tally: &Tally) {
    let requests: [&[u8]; 3] = [
        b"GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ",
        b"POST /api/v1/commands HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60000\r\n\r\n{",
    ];
    let mut open = std::collections::VecDeque::new();
    for request in requests.iter().cycle() {
        if tally.is_over() {
            return;
        }
        if let Ok(mut stream) = TcpStream::connect(target.page) {
            // Many requests in one go fill the answer's buffers.
            let _ = (0..32).try_for_each(|_| stream.write_all(request));
            open.push_back(stream);
            Tally::count(&tally.silent);
        }
        if open.len() > SILENT {
            open.pop_front();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn pollers(target: Target, tally: &Tally) {
    for path in ["/api/v1/mood", "/metrics", "/healthz", "/no/such/page", "/api/v1/lessons"].iter().cycle() {
        if tally.is_over() {
            return;
        }
        if get(target.page, path).is_some() {
            Tally::count(&tally.requests);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn restarted_broker(target: Target, broker: Process, directory: &Path, tally: &Tally) {
    let (mut broker, mut started) = (Some(broker), Instant::now());
    while !tally.is_over() {
        std::thread::sleep(Duration::from_millis(250));
        if started.elapsed() > BROKER_LIVES {
            broker.take();
            broker = mosquitto(target.broker, directory);
            started = Instant::now();
            Tally::count(&tally.broker_restarts);
        }
    }
}

/// The teacher's page asks for the mood each second, over a connection of its own.
fn teacher(target: Target, tally: &Tally) {
    while !tally.is_over() {
        // A browser tries again once if a connection is refused.
        let served = (0..5).any(|_| {
            let answer = get(target.page, "/api/v1/mood");
            let served = answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 200"));
            if !served {
                std::thread::sleep(Duration::from_millis(200));
            }
            served
        });
        Tally::count(if served { &tally.served } else { &tally.unserved });
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn get(page: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&page, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    // The connection may be reset after the answer.
    let _ = stream.read_to_end(&mut answer);
    (!answer.is_empty()).then(|| String::from_utf8_lossy(&answer).into_owned())
}
