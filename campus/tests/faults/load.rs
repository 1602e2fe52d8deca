//! `make load-test`: a thousand devices, a restart of their broker, a cluster that loses a node, the way to a row.

use std::process::ExitCode;
use std::time::Duration;

use crate::{cluster, report, rows, storm};

/// One measurement: lines for the report, and what did not hold.
pub(crate) struct Measured {
    pub(crate) lines: Vec<String>,
    pub(crate) problems: Vec<String>,
}

impl Measured {
    pub(crate) fn new() -> Self {
        Self { lines: Vec::new(), problems: Vec::new() }
    }

    pub(crate) fn say(&mut self, line: String) {
        println!("    {line}");
        self.lines.push(line);
    }

    pub(crate) fn expect(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            let problem = problem();
            println!("    FAILED: {problem}");
            self.problems.push(problem);
        }
    }
}

/// A measurement, or why it cannot be made here.
type Tried = Result<Measured, String>;

/// What is measured, and how.
type Measurement = (&'static str, fn() -> Tried);

const MEASUREMENTS: [Measurement; 4] = [
    ("1000 devices, restart of Mosquitto, reconnect_within_s = 60", storm::spread),
    ("1000 devices, restart of Mosquitto, reconnect_within_s = 5", storm::quick),
    ("500 devices, three NATS nodes, one killed", cluster::one_of_three_killed),
    ("publish to row in PostgreSQL", rows::latency),
];

pub(crate) fn run(wanted: impl Fn(&str) -> bool) -> ExitCode {
    let (mut all, mut held, mut text) = (0, 0, String::new());
    for (name, measure) in MEASUREMENTS.iter().filter(|(name, _)| wanted(name)) {
        println!("{name}");
        match measure() {
            Ok(measured) => {
                all += 1;
                held += usize::from(measured.problems.is_empty());
                text += &format!("{name}\n");
                let problems = measured.problems.iter().map(|problem| format!("FAILED: {problem}"));
                measured.lines.into_iter().chain(problems).for_each(|line| text += &format!("    {line}\n"));
            }
            Err(why) => {
                println!("SKIPPED {name}: {why}");
                text += &format!("SKIPPED {name}: {why}\n");
            }
        }
    }
    report::keep("load.txt", &text);
    println!("load: {held} of {all} held");
    if held == all && all > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The middle and the 99th percentile of `times`, in milliseconds.
pub(crate) fn percentiles(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    (at(0.5), at(0.99))
}

/// How long a steady state is watched.
pub(crate) const STEADY: Duration = Duration::from_secs(20);
