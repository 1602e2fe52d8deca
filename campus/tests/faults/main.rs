//! Faults of brokers, networks, disks, clocks and power, and whether messages are lost.
//!
//! `make fault-test` carries out every fault in full, `make test` a short selection. Each fault has a broker (real
//! Mosquitto), devices (`moodring-campus loadgen`, a process) and a witness of its own, so that they run side by side;
//! all on loopback. docs/reference/reliability.md lists the checks and their results.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, and this one speaks for itself"
)]

mod access;
mod broker;
mod cluster;
mod daemon;
mod device;
mod inbound;
mod ledger;
mod link;
mod load;
mod loadgen;
mod proxy;
mod report;
mod restarts;
mod rows;
mod stage;
mod storm;
mod witness;

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use report::Outcome;

/// How much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Quick,
    Full,
}

/// What trying a fault came to: an outcome, or why it cannot be tried here.
type Tried = Result<Outcome, String>;

/// A fault: its name, whether the short selection has it, and how to try it.
struct Fault {
    name: &'static str,
    quick: bool,
    attempt: fn(&'static str, Extent) -> Tried,
}

const FAULTS: &[Fault] = &[
    Fault { name: "broker stopped (TERM)", quick: true, attempt: restarts::terminated },
    Fault { name: "broker killed (KILL)", quick: true, attempt: restarts::killed },
    Fault { name: "broker stalled (STOP)", quick: true, attempt: restarts::stalled },
    Fault { name: "network black-holed", quick: true, attempt: link::black_hole },
    Fault { name: "network namespace with loss", quick: false, attempt: link::namespace },
    Fault { name: "wrong password", quick: true, attempt: access::wrong_password },
    Fault { name: "certificate expired", quick: false, attempt: access::expired_certificate },
    Fault { name: "session taken over", quick: true, attempt: access::taken_over },
    Fault { name: "large messages", quick: true, attempt: inbound::large_messages },
    Fault { name: "disk full", quick: false, attempt: device::disk_full },
    Fault { name: "disk read-only", quick: false, attempt: device::disk_read_only },
    Fault { name: "clock jumps", quick: false, attempt: device::clock_jumps },
    Fault { name: "power cut while offline", quick: false, attempt: device::power_cut_offline },
    Fault { name: "power cut while online", quick: false, attempt: device::power_cut_online },
    Fault { name: "pause confirmed, then a power cut", quick: false, attempt: daemon::durable_pause },
    Fault { name: "damaged state files", quick: false, attempt: daemon::damaged_files },
    Fault { name: "clock beyond keep_days", quick: false, attempt: daemon::clock_beyond_keep_days },
    Fault { name: "readers that never read", quick: false, attempt: daemon::silent_readers },
];

/// Side by side; more would measure the machine.
const AT_A_TIME: usize = 6;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("--list") {
        return ExitCode::SUCCESS;
    }
    if broker::mosquitto().is_none() {
        println!("SKIPPED: mosquitto is missing: install the Debian package mosquitto");
        let required = std::env::var_os("MOODRING_REQUIRE_MOSQUITTO").is_some();
        return if required { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let only: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part.as_str()));
    if has("--load") {
        return load::run(wanted);
    }
    let extent = if has("--full") { Extent::Full } else { Extent::Quick };
    let faults = FAULTS.iter().filter(|fault| (fault.quick || extent == Extent::Full) && wanted(fault.name));
    run(&faults.collect::<Vec<_>>(), extent)
}

fn run(faults: &[&Fault], extent: Extent) -> ExitCode {
    let started = Instant::now();
    let (next, tried) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(faults.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(fault) = faults.get(index) else { return };
                    let result = attempt(fault, extent);
                    tried.lock().unwrap().push((index, fault.name, result));
                }
            });
        }
    });
    let mut tried = tried.into_inner().unwrap();
    tried.sort_by_key(|(index, ..)| *index);
    let mut skipped = Vec::new();
    let mut outcomes = Vec::new();
    for (_, name, result) in tried {
        match result {
            Ok(outcome) => outcomes.push(outcome),
            Err(why) => skipped.push((name, why)),
        }
    }
    conclude(&outcomes, &skipped, started.elapsed())
}

/// A fault whose trial panics is one that was not survived.
fn attempt(fault: &Fault, extent: Extent) -> Tried {
    let (name, attempt) = (fault.name, fault.attempt);
    let result = catch_unwind(|| attempt(name, extent)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
        Ok(Outcome::broken(name, words.unwrap_or_default()))
    });
    match &result {
        Ok(outcome) => println!("{}", outcome.line()),
        Err(why) => println!("SKIPPED {name}: {why}"),
    }
    result
}

fn conclude(outcomes: &[Outcome], skipped: &[(&str, String)], took: Duration) -> ExitCode {
    report::keep("table.md", &report::table(outcomes, skipped));
    let survived = outcomes.iter().filter(|outcome| outcome.survived()).count();
    let lost: usize = outcomes.iter().map(|outcome| outcome.lost).sum();
    if !skipped.is_empty() {
        println!("faults: {} skipped, which counts as nothing", skipped.len());
    }
    println!("faults: {:.0} s, table in target/faults/table.md", took.as_secs_f64());
    println!("faults: {survived} of {} survived, {lost} messages lost", outcomes.len());
    if survived == outcomes.len() && !outcomes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
