//! From a device's spool to a row in PostgreSQL: Mosquitto, `moodring-campus ingest`, how long, at what rate.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::broker::{Broker, is_root, port};
use crate::ledger::{Key, journal};
use crate::load::{Measured, STEADY, percentiles};
use crate::loadgen::{Loadgen, Usage};

/// Devices, and seconds between their minutes in fast motion: 50, 100, 200 and 400 rows a second.
const RATES: [(u64, &str); 4] = [(500, "10"), (500, "5"), (500, "2.5"), (500, "1.25")];

/// A database of its own.
struct Postgres {
    folder: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    fn start() -> Option<Self> {
        let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().collect();
        versions.sort_by_key(std::fs::DirEntry::path);
        let programs = versions.pop()?.path().join("bin");
        let postgres = Self { folder: tempfile::tempdir().unwrap(), programs, port: port() };
        if is_root() {
            assert!(
                Command::new("chown").arg("nobody").arg(postgres.folder.path()).status().unwrap().success()
            );
        }
        let data = postgres.folder.path().join("data");
        let mut initdb = postgres.program("initdb");
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-D"]).arg(&data);
        assert!(initdb.stdout(Stdio::null()).status().unwrap().success());
        // When each row was committed is what is asked; all else is as it comes.
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c track_commit_timestamp=on",
            postgres.port,
            postgres.folder.path().display()
        );
        let mut start = postgres.program("pg_ctl");
        start
            .args(["start", "-w", "-o", &options, "-D"])
            .arg(&data)
            .arg("-l")
            .arg(postgres.folder.path().join("log"));
        assert!(start.stdout(Stdio::null()).status().unwrap().success());
        postgres.ask("postgres", "create database moodring");
        Some(postgres)
    }

    /// As a user that is not root: PostgreSQL refuses to run as root.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = if is_root() { Command::new("setpriv") } else { Command::new(&path) };
        if is_root() {
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(&path);
        }
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    fn ask(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new("psql");
        psql.args([
            "-XqAt",
            "-F",
            " ",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-d",
            database,
        ]);
        let output = psql.args(["-p", &self.port.to_string(), "-c", sql]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// When the row of each message was committed, in milliseconds since 1970.
    fn commits(&self) -> HashMap<Key, f64> {
        let from = |table: &str| {
            format!(
                "select device, spool, sequence, extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000 from moodring.{table}"
            )
        };
        let text = self.ask("moodring", &["minute", "lesson", "event"].map(from).join(" union all "));
        let row = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let key =
                Key { device: words[0].into(), spool: words[1].into(), sequence: words[2].parse().unwrap() };
            (key, words[3].parse().unwrap())
        };
        text.lines().map(row).collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        let _ = self.program("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(data).output();
    }
}

/// A process that ends with its guard.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn latency() -> Result<Measured, String> {
    let postgres = Postgres::start().ok_or("PostgreSQL is missing: install the Debian package postgresql")?;
    let mut measured = Measured::new();
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), port(), "autosave_interval 1000\nmax_inflight_messages 200");
    let database = format!("host=127.0.0.1 port={} dbname=moodring user=postgres", postgres.port);
    let mut command = Command::new(env!("CARGO_BIN_EXE_moodring-campus"));
    command.args(["ingest", "--init", "--database", &database]);
    command
        .args(["--broker", &format!("127.0.0.1:{}", broker.port)])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let ingest = Guard(command.spawn().unwrap());
    std::thread::sleep(Duration::from_secs(3));
    for (devices, minute_every) in RATES {
        at_rate(&mut measured, folder.path(), &broker, &ingest, &postgres, devices, minute_every);
    }
    Ok(measured)
}

fn at_rate(
    measured: &mut Measured,
    folder: &Path,
    broker: &Broker,
    ingest: &Guard,
    postgres: &Postgres,
    devices: u64,
    minute_every: &str,
) {
    let book = folder.join(format!("journal-{minute_every}"));
    let arguments =
        ["--mood-every-s", "10", "--minute-every-s", minute_every, "--journal", book.to_str().unwrap()];
    let loadgen = Loadgen::start(folder, devices, broker.port, "", &arguments);
    let connected = loadgen.all_connected(Duration::from_secs(60)).is_some();
    measured.expect(connected, || "the devices do not connect".to_owned());
    std::thread::sleep(Duration::from_secs(5));
    let from = jiff::Timestamp::now().as_millisecond();
    let usage = [Usage::of(broker.id()), Usage::of(ingest.0.id())];
    std::thread::sleep(STEADY);
    let to = jiff::Timestamp::now().as_millisecond();
    let [(broker_cpu, broker_mb), (ingest_cpu, ingest_mb)] = usage.map(|usage| usage.now());
    std::thread::sleep(Duration::from_secs(5));
    let commits = postgres.commits();
    let watched: Vec<(Key, i64)> =
        journal(&book).into_iter().filter(|(_, given)| (from..to).contains(given)).collect();
    let times: Vec<f64> =
        watched.iter().filter_map(|(key, given)| Some(commits.get(key)? - *given as f64)).collect();
    measured.expect(times.len() == watched.len(), || {
        format!("of {} messages only {} are rows after five seconds", watched.len(), times.len())
    });
    if times.is_empty() {
        return;
    }
    let rate = times.len() as f64 / ((to - from) as f64 / 1000.0);
    let (half, most) = percentiles(times);
    measured.say(format!(
        "{rate:.0} rows a second: p50 {half:.0} ms, p99 {most:.0} ms; broker {:.0} %, {broker_mb:.0} MB; ingest {:.0} %, {ingest_mb:.0} MB",
        broker_cpu * 100.0,
        ingest_cpu * 100.0
    ));
    loadgen.stop();
}
