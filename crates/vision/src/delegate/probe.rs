//! Tests a delegate in a child process: `Request ──stdin──▶ examine ──stdout──▶ Report`.
//!
//! A delegate that was built for other headers, or whose driver is broken, can crash or hang. It then does so in
//! the child, and the daemon continues without the delegate.

mod child;
mod trial;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::VisionError;
use crate::model_card::Cards;
use moodring_config::{Config, Delegate};

pub use trial::Trial;

/// Name of the hidden subcommand that the child runs.
const SUBCOMMAND: &str = "probe-delegate";

/// The delegate and the networks that a child tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `engine.library`.
    pub litert: std::path::PathBuf,
    /// The delegate to test.
    pub delegate: Delegate,
    /// The networks to run.
    pub cards: Cards,
    /// `engine.threads`.
    pub threads: u32,
}

impl Request {
    /// The request for `config`.
    pub fn of(config: &Config) -> Self {
        Self {
            litert: config.engine.library.clone(),
            delegate: config.engine.delegate.clone(),
            cards: Cards::of(config),
            threads: config.engine.threads,
        }
    }
}

/// Result of a child that tested all networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// One trial per model file.
    pub networks: Vec<Trial>,
}

/// A message of a child to its parent; one line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The step that it begins, such as `loading it`.
    Step(String),
    /// Why the delegate cannot be used.
    Fault(String),
    /// All networks were tested.
    Report(Report),
}

/// Runs the test of `request`. Sends each step to `send`, then a fault or the report.
pub fn examine(request: &Request, send: &mut dyn FnMut(Line)) {
    let result = trial::all(request, &mut |step| send(Line::Step(step)));
    send(match result {
        Ok(networks) => Line::Report(Report { networks }),
        Err(VisionError::Engine(error)) => Line::Fault(error.of_delegate()),
        Err(other) => Line::Fault(format!("cannot be probed: {other}")),
    });
}

/// The command for the child: the running executable, even if an upgrade has replaced its file.
pub fn program() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(SUBCOMMAND);
    command
}

/// Runs `program` as the child for `request`, and kills it if it has not ended after `timeout`.
///
/// # Errors
/// Why the delegate cannot be used, as the rest of a sentence that begins with its name.
pub fn run(mut program: Command, request: &Request, timeout: Duration) -> Result<Report, String> {
    let deadline = Instant::now() + timeout;
    let piped = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(|error| format!("cannot be probed: {error}"))?;
    let (lines, stderr) = child::listen(&mut child);
    // Kept open until the child has ended: the child ends itself when its standard input closes, that is, when
    // this process has died.
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        // A failure here means that the child has ended already; that is reported below.
        let _ = serde_json::to_writer(&mut *stdin, request)
            .map_err(std::io::Error::from)
            .and_then(|()| stdin.write_all(b"\n"));
    }
    let received = receive(&lines, deadline);
    let status = child::end(&mut child, deadline);
    drop(stdin);
    match (status, received.answer) {
        (None, _) => Err(format!("hangs while {}: timeout after {} s", received.step, timeout.as_secs_f32())),
        (Some(status), Some(answer)) if status.success() => answer.and_then(accept),
        (Some(status), _) => {
            let message = stderr.recv_timeout(STDERR_TIMEOUT).ok().filter(|message| !message.is_empty());
            let message = message.map_or_else(String::new, |message| format!(" ({message})"));
            Err(format!("{} while {}{message}", child::describe_end(status), received.step))
        }
    }
}

/// Maximum wait for the standard error of a child that has ended.
const STDERR_TIMEOUT: Duration = Duration::from_secs(1);

/// What a child sent until it closed its output or the deadline passed.
struct Received {
    /// The last step that it began.
    step: String,
    answer: Option<Result<Report, String>>,
}

fn receive(lines: &Receiver<Line>, deadline: Instant) -> Received {
    let mut received = Received { step: "starting".into(), answer: None };
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Line::Step(step)) => received.step = step,
            Ok(Line::Fault(reason)) => received.answer = Some(Err(reason)),
            Ok(Line::Report(report)) => {
                received.step = "ending".into();
                received.answer = Some(Ok(report));
            }
            Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => return received,
        }
    }
}

/// Returns `report` if the delegate works, otherwise the reason why it does not.
fn accept(report: Report) -> Result<Report, String> {
    if let Some(difference) = report.networks.iter().find_map(Trial::difference) {
        return Err(difference);
    }
    let sum = |of: fn(&Trial) -> usize| report.networks.iter().map(of).sum::<usize>();
    let (taken, nodes) = (sum(|trial| trial.taken), sum(|trial| trial.nodes));
    if taken == 0 {
        return Err(format!(
            "takes none of the {nodes} nodes: it may need models that are compiled for it \
             (engine.delegate.model_suffix)"
        ));
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        command
    }

    fn request() -> Request {
        Request::of(&Config::default())
    }

    fn probe(text: &str) -> Result<Report, String> {
        run(script(text), &request(), Duration::from_secs(20))
    }

    const GOOD: &str = r#"{"report":{"networks":[{"file":"a.tflite","nodes":27,"taken":3,"far_share":0.0,
        "furthest":1,"processor_ms":0.4,"delegate_ms":0.2}]}}"#;

    fn good() -> String {
        format!("echo '{}'", GOOD.replace('\n', " "))
    }

    #[test]
    fn a_child_gets_one_line_and_its_report_counts() {
        let report = probe(&format!("read request; echo 'noise of a driver'; {}", good())).unwrap();
        assert_eq!((report.networks[0].taken, report.networks[0].nodes), (3, 27));
        let request = serde_json::to_string(&request()).unwrap();
        let echoed = format!("read request; [ \"$request\" = '{request}' ] && {}", good());
        assert!(probe(&echoed).is_ok());
    }

    #[test]
    fn each_end_of_a_child_is_described() {
        let running = r#"echo '{"step":"running a.tflite"}'"#;
        for (text, expected) in [
            (format!("{running}; kill -s SEGV $$"), "crashes (SIGSEGV) while running a.tflite"),
            (
                format!("{running}; echo first >&2; echo 'assertion failed' >&2; kill -s ABRT $$"),
                "crashes (SIGABRT) while running a.tflite (assertion failed)",
            ),
            (format!("{running}; exit 3"), "ends with exit status: 3 while running a.tflite"),
            ("exit 0".into(), "ends without an answer while starting"),
            // A crash after a good report is a failure.
            (format!("{}; kill -s BUS $$", good()), "crashes (SIGBUS) while ending"),
            (r#"echo '{"fault":"has no device"}'"#.into(), "has no device"),
            (good().replace("\"taken\":3", "\"taken\":0"), "takes none of the 27 nodes"),
            (good().replace("0.0", "0.5"), "computes other values than the processor: 50.0 %"),
        ] {
            let error = probe(&text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        let absent = run(Command::new("/nowhere/program"), &request(), Duration::from_secs(1)).unwrap_err();
        // qemu-user reports a failure to start the child as an exit of the child.
        let expected = ["cannot be probed: No such file", "ends with exit status: 127"];
        assert!(expected.iter().any(|expected| absent.starts_with(expected)), "{absent}");
    }

    #[test]
    fn a_child_that_does_not_end_is_killed() {
        let begun = Instant::now();
        let result = run(
            script(r#"echo '{"step":"loading it"}'; exec sleep 100"#),
            &request(),
            Duration::from_millis(300),
        );
        assert_eq!(result.unwrap_err(), "hangs while loading it: timeout after 0.3 s");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
