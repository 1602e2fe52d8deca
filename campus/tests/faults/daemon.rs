//! Faults of a whole device: the program itself, with a simulated camera and its page.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::broker::{ended, port, signal};
use crate::device::libfaketime;
use crate::report::Outcome;
use crate::stage::replace;
use crate::{Extent, Tried};

/// A device starts, with its networks, within this time on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
/// Longest wait for an answer of the page.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Pauses that are followed by a power cut.
const CUTS: usize = 5;
/// Clients that never read what they asked for.
const READERS: usize = 200;

/// A device that runs, and its files.
struct Daemon {
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Child>,
    environment: Vec<(String, PathBuf)>,
}

impl Daemon {
    /// A device that does not run yet; why there is none.
    fn new(settings: &str) -> Result<Self, String> {
        program()?;
        let (folder, port) = (tempfile::tempdir().unwrap(), port());
        let state = folder.path().join("state");
        let config = format!(
            "[purpose]\njurisdiction = \"IN\"\ninstitution = \"education\"\nconsent = \"a test\"\n\
             [storage]\ndirectory = {state:?}\n[web]\nlisten = \"127.0.0.1:{port}\"\n\
             [camera.simulator]\npeople = 8\nwidth = 640\nheight = 384\n[vision]\ndetection_width = 640\n{settings}"
        );
        std::fs::write(folder.path().join("moodring.toml"), config).unwrap();
        Ok(Self { folder, port, process: None, environment: Vec::new() })
    }

    fn state(&self, name: &str) -> PathBuf {
        self.folder.path().join("state").join(name)
    }

    /// Starts it and waits for its page.
    fn start(&mut self) -> Result<(), String> {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(program()?);
        command
            .args(["run", "--config"])
            .arg(self.folder.path().join("moodring.toml"))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("NO_COLOR", "1")
            .stdout(Stdio::null())
            .stderr(log);
        self.process = Some(command.spawn().unwrap());
        let started = Instant::now();
        while self.get("/api/v1/device").is_none() {
            let ended = self.process.as_mut().is_some_and(|process| process.try_wait().unwrap().is_some());
            if ended || started.elapsed() > STARTS_WITHIN {
                return Err(format!("the device does not start: {}", self.log()));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal(&process, "TERM");
            ended(&mut process);
        }
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let stream = TcpStream::connect_timeout(&address, ANSWERS_WITHIN)?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        Ok(stream)
    }

    /// The answer to a request: status and body.
    fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
        let mut stream = self.connect().ok()?;
        stream.write_all(self.request(method, path, body, "close").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let body = answer.split_once("\r\n\r\n")?.1;
        Some((status, serde_json::from_str(body).unwrap_or_default()))
    }

    fn request(&self, method: &str, path: &str, body: &str, connection: &str) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: {connection}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        )
    }

    fn get(&self, path: &str) -> Option<Value> {
        self.ask("GET", path, "").filter(|(status, _)| *status == 200).map(|(_, body)| body)
    }

    fn pause(&self, paused: bool) -> Option<u16> {
        self.ask("POST", "/api/v1/pause", &format!("{{\"paused\":{paused}}}")).map(|(status, _)| status)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program of the device, built beside this one.
fn program() -> Result<PathBuf, String> {
    let path = Path::new(env!("CARGO_BIN_EXE_moodring-campus")).with_file_name("moodring");
    if path.exists() {
        Ok(path)
    } else {
        Err("the program moodring is not built: make fault-test builds it".into())
    }
}

fn outcome(name: &'static str, what: String, started: Instant, problems: Vec<String>) -> Outcome {
    Outcome { what, took: started.elapsed(), problems, ..Outcome::broken(name, String::new()) }
}

/// The power is cut right after the page has confirmed a pause.
pub(crate) fn durable_pause(name: &'static str, _: Extent) -> Tried {
    let mut daemon = Daemon::new("")?;
    let (started, mut problems) = (Instant::now(), Vec::new());
    daemon.start()?;
    for cut in 0..CUTS {
        let answer = daemon.pause(true);
        daemon.kill();
        daemon.start()?;
        let paused = daemon.get("/api/v1/device").is_some_and(|device| device["paused"] == true);
        if answer != Some(200) || !paused {
            problems.push(format!("cut {cut}: answer {answer:?}, paused after the restart: {paused}"));
        }
        daemon.pause(false);
    }
    Ok(outcome(
        name,
        format!("{CUTS} times killed right after the confirmation of a pause"),
        started,
        problems,
    ))
}

/// Each stored file is damaged in four ways; the device must start and report it.
pub(crate) fn damaged_files(name: &'static str, _: Extent) -> Tried {
    type Damage = (&'static str, fn(&mut Vec<u8>));
    let damages: [Damage; 4] = [
        ("one flipped bit", |bytes| bytes.iter_mut().take(1).for_each(|byte| *byte ^= 0x40)),
        ("cut in half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("emptied", Vec::clear),
        ("filled with zeros", |bytes| bytes.fill(0)),
    ];
    let mut daemon = Daemon::new("")?;
    let (started, mut problems) = (Instant::now(), Vec::new());
    daemon.start()?;
    for (what, damage) in damages {
        daemon.pause(true);
        daemon.pause(false);
        daemon.stop();
        for file in ["control.json", "lessons.sqlite"] {
            let mut bytes = std::fs::read(daemon.state(file)).unwrap();
            damage(&mut bytes);
            std::fs::write(daemon.state(file), bytes).unwrap();
        }
        daemon.start()?;
        let device = daemon.get("/api/v1/device").unwrap_or_default();
        let reported = device["problems"]["storage"].as_str().unwrap_or_default();
        let is_reported = reported.contains("control.json") && reported.contains("lessons.sqlite");
        if device["paused"] != true || !is_reported {
            problems.push(format!("{what}: {device}"));
        }
    }
    Ok(outcome(
        name,
        "pause state and lessons damaged in 4 ways, a restart after each".into(),
        started,
        problems,
    ))
}

/// The clock jumps 200 days ahead for some seconds: no lesson may be deleted.
pub(crate) fn clock_beyond_keep_days(name: &'static str, _: Extent) -> Tried {
    let library = libfaketime().ok_or("libfaketime is missing: install the Debian package faketime")?;
    let mut daemon = Daemon::new("[lessons]\nbegin = \"command\"\n")?;
    let (started, mut problems) = (Instant::now(), Vec::new());
    daemon.start()?;
    daemon.stop();
    let lessons = rusqlite::Connection::open(daemon.state("lessons.sqlite")).unwrap();
    let insert = "INSERT INTO lesson (site, room, title, mode, begun_at, begun_by, ended_at, ended_by)
         VALUES ('school', 'room-1', '', 'mood', ?1, 'command', ?1 + 2700000, 'command')";
    let yesterday = jiff::Timestamp::now().as_millisecond() - 86_400_000;
    lessons.execute(insert, [yesterday]).unwrap();
    drop(lessons);
    let clock = daemon.folder.path().join("clock");
    std::fs::write(&clock, "+0\n").unwrap();
    let set = |name: &str, value: &Path| (name.to_owned(), value.to_owned());
    daemon.environment = vec![
        set("LD_PRELOAD", &library),
        set("FAKETIME_TIMESTAMP_FILE", &clock),
        set("FAKETIME_NO_CACHE", Path::new("1")),
        set("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
    ];
    daemon.start()?;
    for offset in ["+200d", "+0"] {
        replace(&clock, &format!("{offset}\n"));
        std::thread::sleep(Duration::from_secs(5));
    }
    daemon.stop();
    let lessons = rusqlite::Connection::open(daemon.state("lessons.sqlite")).unwrap();
    let left: i64 = lessons.query_row("SELECT count(*) FROM lesson", [], |row| row.get(0)).unwrap();
    if left != 1 {
        problems.push(format!("{left} of 1 lessons are left"));
    }
    Ok(outcome(name, "200 days ahead for 5 s, with lessons kept for 90 days".into(), started, problems))
}

/// Clients that ask for much and never read an answer: the page must stay open for others.
pub(crate) fn silent_readers(name: &'static str, _: Extent) -> Tried {
    let mut daemon = Daemon::new("")?;
    let (started, mut problems) = (Instant::now(), Vec::new());
    daemon.start()?;
    let request = daemon.request("GET", "/api/v1/openapi.json", "", "keep-alive").repeat(50);
    let readers: Vec<_> = (0..READERS)
        .filter_map(|_| {
            let mut stream = daemon.connect().ok()?;
            stream.set_write_timeout(Some(Duration::from_millis(20))).ok()?;
            let _ = stream.write_all(request.as_bytes());
            Some(stream)
        })
        .collect();
    let asked = Instant::now();
    while daemon.get("/api/v1/device").is_none() {
        if asked.elapsed() > Duration::from_secs(60) {
            problems.push(format!("{} silent readers close the page for a minute", readers.len()));
            break;
        }
    }
    let what = format!(
        "{} clients; another was answered after {:.0} s",
        readers.len(),
        asked.elapsed().as_secs_f64()
    );
    Ok(outcome(name, what, started, problems))
}
