//! The load generator as a process, what it prints, and the processor time and memory that a process uses.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::broker::{ended, signal};

/// `moodring-campus loadgen`.
pub(crate) struct Loadgen {
    process: Child,
    devices: u64,
    out: PathBuf,
}

/// What it prints each second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Line {
    pub(crate) second: u64,
    pub(crate) connected: u64,
    pub(crate) acknowledged: u64,
    pub(crate) moods: u64,
}

impl Loadgen {
    /// `mqtt`: lines for `[mqtt]` of its configuration.
    pub(crate) fn start(folder: &Path, devices: u64, port: u16, mqtt: &str, arguments: &[&str]) -> Self {
        let (config, out) = (folder.join("loadgen.toml"), folder.join("loadgen.out"));
        std::fs::write(&config, format!("[mqtt]\nbroker = \"external\"\n{mqtt}")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_moodring-campus"))
            .args(["loadgen", "--host", "127.0.0.1", "--for", "900"])
            .args(["--devices", &devices.to_string(), "--port", &port.to_string()])
            .arg("--config")
            .arg(config)
            .args(arguments)
            .env("MOODRING_LOG", "error")
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .spawn()
            .unwrap();
        Self { process, devices, out }
    }

    /// The last line that it printed.
    pub(crate) fn line(&self) -> Line {
        let text = std::fs::read_to_string(&self.out).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let Some(last) = whole.lines().last() else { return Line::default() };
        let words = last.split(|letter: char| !letter.is_ascii_digit()).filter(|word| !word.is_empty());
        let numbers: Vec<u64> = words.map(|word| word.parse().unwrap()).collect();
        Line { second: numbers[0], connected: numbers[1], acknowledged: numbers[4], moods: numbers[7] }
    }

    /// Waits until every device is connected; how long it took, if it did not take longer than `within`.
    pub(crate) fn all_connected(&self, within: Duration) -> Option<Duration> {
        let asked = Instant::now();
        // Older output does not count.
        let before = self.line().second;
        while asked.elapsed() < within {
            let line = self.line();
            if line.connected == self.devices && line.second > before {
                return Some(asked.elapsed());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        None
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it in order; its totals.
    pub(crate) fn stop(mut self) -> Value {
        signal(&self.process, "TERM");
        ended(&mut self.process);
        let out = std::fs::read_to_string(&self.out).unwrap();
        serde_json::from_str(out.lines().last().unwrap()).unwrap()
    }
}

impl Drop for Loadgen {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Connection attempts from the second `since` on, and before the second `until`.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    pub(crate) total: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) max_per_second: u64,
}

impl Attempts {
    pub(crate) fn of(totals: &Value, since: u64, until: u64) -> Self {
        let mut attempts = Self { first: u64::MAX, ..Self::default() };
        for (second, count) in totals["attempts"]["by_second"].as_object().unwrap() {
            let (second, count): (u64, u64) = (second.parse().unwrap(), count.as_u64().unwrap());
            if (since..until).contains(&second) {
                attempts.total += count;
                attempts.first = attempts.first.min(second);
                attempts.last = attempts.last.max(second);
                attempts.max_per_second = attempts.max_per_second.max(count);
            }
        }
        attempts
    }

    /// Seconds between the first and the last.
    pub(crate) fn spread(&self) -> u64 {
        self.last.saturating_sub(self.first)
    }
}

/// Processor time and memory of a process, read twice.
pub(crate) struct Usage {
    process: u32,
    at: Instant,
    ticks: u64,
}

impl Usage {
    pub(crate) fn of(process: u32) -> Self {
        Self { process, at: Instant::now(), ticks: ticks(process) }
    }

    /// Share of one processor since [`Usage::of`], and resident memory now in MB.
    pub(crate) fn now(&self) -> (f64, f64) {
        // proc(5): utime and stime count in hundredths of a second on every Linux that Debian runs on.
        let seconds = (ticks(self.process) - self.ticks) as f64 / 100.0;
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        (seconds / self.at.elapsed().as_secs_f64(), kilobytes / 1000.0)
    }
}

fn ticks(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name before may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
