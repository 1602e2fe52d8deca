//! What each fault is tried on: a broker, devices, a witness, and the books at the end.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

use crate::broker::{self, Broker, ended, signal};
use crate::ledger::{Key, journal, on_disk};
use crate::report::Outcome;
use crate::witness::Witness;

/// The live mood must be back this soon after the broker is.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(10);
/// Longer than this nobody waits for it.
const GIVE_UP: Duration = Duration::from_secs(60);
/// The process of all devices of a fault may not grow by more: three spools of 5000 messages would be 18 MB.
pub(crate) const MAX_GROWTH_MB: f64 = 24.0;
/// Devices end this soon after SIGTERM.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);
const CATCH_UP: Duration = Duration::from_secs(60);

/// The process of the devices.
pub(crate) struct Devices {
    process: Child,
    out: PathBuf,
    pub(crate) log: PathBuf,
    memory: Arc<Memory>,
}

/// Resident memory in kB.
#[derive(Default)]
struct Memory {
    first: AtomicU64,
    most: AtomicU64,
    over: AtomicBool,
}

/// How to start devices.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) devices: u32,
    /// Port of the broker, or of what stands for it.
    pub(crate) port: u16,
    pub(crate) storage: PathBuf,
    pub(crate) journal: PathBuf,
    pub(crate) minute_every_s: f64,
    /// What starts the program, such as `ip netns exec NAME`.
    pub(crate) prefix: Vec<String>,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
}

impl Devices {
    pub(crate) fn start(options: &Options, folder: &Path) -> Self {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let path = |end: &str| folder.join(format!("devices-{number}.{end}"));
        let (out, log) = (path("out"), path("log"));
        let words: Vec<&str> = options
            .prefix
            .iter()
            .map(String::as_str)
            .chain([env!("CARGO_BIN_EXE_moodring-campus")])
            .collect();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .args(["loadgen", "--host", "127.0.0.1", "--mood-every-s", "1", "--for", "3600"])
            .args(["--devices", &options.devices.to_string(), "--port", &options.port.to_string()])
            .args(["--minute-every-s", &options.minute_every_s.to_string()])
            .arg("--storage")
            .arg(&options.storage)
            .arg("--journal")
            .arg(&options.journal)
            .args(&options.arguments)
            .envs(options.environment.iter().cloned())
            .env("MOODRING_LOG", "info")
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&log).unwrap());
        let process = command.spawn().unwrap();
        let memory = Arc::new(Memory::default());
        let (theirs, status) = (Arc::clone(&memory), format!("/proc/{}/status", process.id()));
        std::thread::spawn(move || watch_memory(&theirs, &status));
        Self { process, out, log, memory }
    }

    /// Ends them without any warning.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks them to end; what they came to, and how long it took.
    pub(crate) fn stop(&mut self) -> (Value, Duration) {
        signal(&self.process, "TERM");
        let took = ended(&mut self.process);
        let out = std::fs::read_to_string(&self.out).unwrap();
        let last = out.lines().last().unwrap_or_default();
        let totals = serde_json::from_str(last).unwrap_or_else(|_| {
            let log = std::fs::read_to_string(&self.log).unwrap();
            panic!("the devices' last line is no JSON: {last}\n{log}")
        });
        (totals, took)
    }

    pub(crate) fn has_logged(&self, part: &str) -> bool {
        std::fs::read_to_string(&self.log).unwrap().contains(part)
    }

    /// Memory near the start and at its height, in MB.
    fn memory_mb(&self) -> (f64, f64) {
        let mb = |kilobytes: &AtomicU64| kilobytes.load(Ordering::Relaxed) as f64 / 1000.0;
        (mb(&self.memory.first), mb(&self.memory.most))
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        self.memory.over.store(true, Ordering::Relaxed);
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn watch_memory(memory: &Memory, status: &str) {
    let started = Instant::now();
    while !memory.over.load(Ordering::Relaxed) {
        let Ok(text) = std::fs::read_to_string(status) else { return };
        // What belongs to the process alone: pages of the program's file come and go.
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        if let Some(kilobytes) = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok()) {
            // The first seconds are for loading the program.
            if started.elapsed() < Duration::from_secs(3) {
                memory.first.store(kilobytes, Ordering::Relaxed);
            }
            memory.most.fetch_max(kilobytes, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// A fault's stage.
pub(crate) struct Stage {
    name: &'static str,
    pub(crate) folder: TempDir,
    pub(crate) broker: Broker,
    pub(crate) witness: Witness,
    pub(crate) options: Options,
    pub(crate) devices: Devices,
    started: Instant,
    back: Vec<Duration>,
    /// Messages that went with the power, as they may.
    cut: HashSet<Key>,
    others: Vec<PathBuf>,
    /// Messages that wait on a disk whose devices do not run any more.
    elsewhere: HashSet<Key>,
    reconnects: u64,
    memory: (f64, f64),
    /// How far the devices' clock is ahead of this machine's.
    pub(crate) clock_ahead_s: i64,
    problems: Vec<String>,
}

impl Stage {
    /// A broker with `extra` in its configuration, and two devices that are connected to it; `change` may change how.
    pub(crate) fn set(name: &'static str, extra: &str, change: impl FnOnce(&Path, &mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_path_buf();
        let broker = Broker::start(&path, broker::port(), extra);
        let witness = Witness::start(broker.port);
        let mut options = Options {
            devices: 2,
            port: broker.port,
            storage: path.join("spools"),
            journal: path.join("journal"),
            minute_every_s: 0.5,
            prefix: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
        };
        change(&path, &mut options);
        let started = Instant::now();
        let devices = Devices::start(&options, &path);
        let mut stage = Self {
            name,
            folder,
            broker,
            witness,
            options,
            devices,
            started,
            back: Vec::new(),
            cut: HashSet::new(),
            others: Vec::new(),
            elsewhere: HashSet::new(),
            reconnects: 0,
            memory: (f64::MAX, 0.0),
            clock_ahead_s: 0,
            problems: Vec::new(),
        };
        stage.live_since(started);
        // The start is no fault.
        stage.back.clear();
        stage
    }

    /// Something that must hold.
    pub(crate) fn expect(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(problem());
        }
    }

    /// Waits for a mood of each device that was estimated after `since`, when the fault was over.
    pub(crate) fn live_since(&mut self, since: Instant) {
        let rooms = usize::try_from(self.options.devices).unwrap();
        let begin = self.devices_time() - since.elapsed();
        while self.moods_since(begin) < rooms && since.elapsed() < GIVE_UP {
            std::thread::sleep(Duration::from_millis(20));
        }
        let took = since.elapsed();
        self.back.push(took);
        let name = self.name;
        self.expect(took <= BACK_WITHIN, || format!("{name}: the live mood was back only after {took:.1?}"));
    }

    /// No mood of anybody comes for a moment: the fault is there.
    pub(crate) fn silent(&mut self) {
        std::thread::sleep(Duration::from_millis(500));
        let begin = self.devices_time();
        std::thread::sleep(Duration::from_millis(2500));
        let moods = self.moods_since(begin);
        self.expect(moods == 0, || "moods came although nothing should get through".to_owned());
    }

    /// Rooms with a mood that was estimated after `begin`.
    fn moods_since(&self, begin: Timestamp) -> usize {
        self.witness.seen().moods.values().filter(|at| **at > begin).count()
    }

    /// What the devices' clock says now.
    fn devices_time(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.clock_ahead_s)
    }

    /// Waits until the devices have logged `part`.
    pub(crate) fn logged(&mut self, part: &str, within: Duration) {
        let asked = Instant::now();
        while !self.devices.has_logged(part) && asked.elapsed() < within {
            std::thread::sleep(Duration::from_millis(100));
        }
        let there = self.devices.has_logged(part);
        self.expect(there, || format!("the devices have not logged {part:?} within {within:?}"));
    }

    /// Waits until all that was spooled before the call has arrived.
    pub(crate) fn catch_up(&mut self) {
        let keys = journal(&self.options.journal);
        let asked = Instant::now();
        let missing = |stage: &Self| {
            let seen = stage.witness.seen();
            keys.keys().filter(|key| !seen.keys.contains_key(key) && !stage.cut.contains(key)).count()
        };
        while missing(self) > 0 && asked.elapsed() < CATCH_UP {
            std::thread::sleep(Duration::from_millis(100));
        }
        let left = missing(self);
        self.expect(left == 0, || format!("{left} messages have not arrived {CATCH_UP:?} after the fault"));
    }

    /// The power is cut in this moment: the process is killed. Messages that are younger than `younger_than`, and
    /// neither on the disk nor at the witness, may be gone.
    /// How many were on the disk.
    pub(crate) fn cut_power(&mut self, younger_than: Duration) -> usize {
        self.devices.kill();
        let at = Timestamp::now().as_millisecond();
        self.note_memory();
        // What is on its way between broker and witness.
        std::thread::sleep(Duration::from_millis(500));
        let (kept, seen) = (on_disk(&self.options.storage), self.witness.seen());
        let young = |given: i64| at - given <= i64::try_from(younger_than.as_millis()).unwrap();
        let gone = journal(&self.options.journal)
            .into_iter()
            .filter(|(key, given)| young(*given) && !kept.contains(key) && !seen.keys.contains_key(key));
        self.cut.extend(gone.map(|(key, _)| key));
        kept.len()
    }

    /// The devices are switched on again.
    pub(crate) fn power_on(&mut self) {
        self.devices = Devices::start(&self.options, self.folder.path());
    }

    /// Another process has spooled for itself: its journal counts too, but for what is left on its disk.
    pub(crate) fn also(&mut self, other: &Options) {
        self.others.push(other.journal.clone());
        self.elsewhere = on_disk(&other.storage);
    }

    fn note_memory(&mut self) {
        let (first, most) = self.devices.memory_mb();
        self.memory = (self.memory.0.min(first), self.memory.1.max(most));
    }

    fn stop_devices(&mut self) {
        let (totals, took) = self.devices.stop();
        self.note_memory();
        self.reconnects += totals["reconnects"].as_u64().unwrap();
        let dropped = totals["dropped"].as_u64().unwrap();
        self.expect(dropped == 0, || {
            format!("{dropped} messages were dropped from a spool that was not full")
        });
        self.expect(took <= LEAVE_WITHIN, || format!("the devices ended only {took:.1?} after SIGTERM"));
    }

    /// Everything must have arrived, or lie on a disk from which it then arrives. `breaks`: connections that the fault
    /// must have broken, else it was none.
    pub(crate) fn books(mut self, what: String, breaks: u64) -> Outcome {
        self.catch_up();
        self.stop_devices();
        let missing = |stage: &Self| {
            let seen = stage.witness.seen();
            let journals = stage.others.iter().chain([&stage.options.journal]);
            let keys: HashSet<Key> = journals.flat_map(|path| journal(path).into_keys()).collect();
            let excused = |key: &Key| stage.cut.contains(key) || stage.elsewhere.contains(key);
            let missing = keys.iter().filter(|key| !seen.keys.contains_key(key) && !excused(key));
            (missing.count(), keys.len())
        };
        std::thread::sleep(Duration::from_millis(500));
        if missing(&self).0 > 0 {
            // The farewell does not wait for a long spool: the rest lies on the disk until the next start.
            self.options.minute_every_s = 3600.0;
            self.power_on();
            self.catch_up();
            self.stop_devices();
            std::thread::sleep(Duration::from_millis(500));
        }
        // The last word of the last process may still lie there.
        self.elsewhere.extend(on_disk(&self.options.storage));
        let (lost, spooled) = missing(&self);
        let (growth, reconnects) = (self.memory.1 - self.memory.0, self.reconnects);
        self.expect(growth <= MAX_GROWTH_MB, || format!("memory grew by {growth:.1} MB"));
        self.expect(reconnects >= breaks, || {
            format!("{reconnects} reconnections: the fault has not happened")
        });
        self.expect(lost == 0, || format!("{lost} messages were lost"));
        let seen = self.witness.seen();
        let twice = seen.contradictions.len();
        let repeated = seen.keys.values().filter(|arrival| arrival.times > 1).count();
        let arrived = seen.keys.len();
        drop(seen);
        self.expect(twice == 0, || format!("{twice} numbers were given to two messages"));
        Outcome {
            fault: self.name,
            what,
            spooled,
            arrived,
            repeated,
            lost,
            cut: self.cut.len(),
            back: self.back.iter().max().copied(),
            reconnects,
            memory_mb: self.memory,
            took: self.started.elapsed(),
            problems: self.problems.clone(),
        }
    }
}

/// Writes a file that others may see only whole.
pub(crate) fn replace(path: &Path, content: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, content).unwrap();
    std::fs::rename(next, path).unwrap();
}
