//! What the faults came to: a line for each while they run, a table, and the line at the end.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// What one fault came to.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) fault: &'static str,
    pub(crate) what: String,
    /// Keys in the journal.
    pub(crate) spooled: usize,
    /// Keys at the witness.
    pub(crate) arrived: usize,
    /// Keys that came more than once.
    pub(crate) repeated: usize,
    pub(crate) lost: usize,
    /// Gone with the power, as they may.
    pub(crate) cut: usize,
    /// Longest time until the live mood was back.
    pub(crate) back: Option<Duration>,
    pub(crate) reconnects: u64,
    /// Of the devices' process: near the start, at its height.
    pub(crate) memory_mb: (f64, f64),
    pub(crate) took: Duration,
    pub(crate) problems: Vec<String>,
}

impl Outcome {
    /// A fault that could not even be carried out to its end.
    pub(crate) fn broken(fault: &'static str, problem: String) -> Self {
        Self {
            fault,
            what: "was not carried out to its end".into(),
            spooled: 0,
            arrived: 0,
            repeated: 0,
            lost: 0,
            cut: 0,
            back: None,
            reconnects: 0,
            memory_mb: (0.0, 0.0),
            took: Duration::ZERO,
            problems: vec![problem],
        }
    }

    pub(crate) fn survived(&self) -> bool {
        self.problems.is_empty()
    }

    fn back_s(&self) -> String {
        self.back.map_or_else(|| "-".to_owned(), |back| format!("{:.1}", back.as_secs_f64()))
    }

    pub(crate) fn line(&self) -> String {
        let verdict = if self.survived() { "survived" } else { "FAILED" };
        let mut line = format!(
            "{verdict} {}: {} spooled, {} lost, {} more than once, mood back within {} s, {:.0} s",
            self.fault,
            self.spooled,
            self.lost,
            self.repeated,
            self.back_s(),
            self.took.as_secs_f64()
        );
        for problem in &self.problems {
            let _ = write!(line, "\n    {problem}");
        }
        line
    }

    fn row(&self) -> String {
        let Self { fault, what, spooled, arrived, repeated, lost, cut, reconnects, .. } = self;
        let (first, most) = self.memory_mb;
        let verdict = if self.survived() { "yes" } else { "**no**" };
        let back = self.back_s();
        format!(
            "| {fault} | {what} | {spooled} | {arrived} | {repeated} | {lost} | {cut} | {back} | {reconnects} | {first:.0} → {most:.0} | {verdict} |\n"
        )
    }
}

/// The table for docs/reference/reliability.md.
pub(crate) fn table(outcomes: &[Outcome], skipped: &[(&str, String)]) -> String {
    let mut table = String::from(
        "| fault | what was done | spooled | arrived | more than once | lost | gone with the power | mood back within (s) | reconnections | memory (MB) | survived |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    outcomes.iter().for_each(|outcome| table += &outcome.row());
    for (fault, why) in skipped {
        let _ = writeln!(table, "\nSkipped: {fault}: {why}");
    }
    table
}

/// Writes `text` below target/, where it is to be found.
pub(crate) fn keep(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("faults");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), text).unwrap();
}
