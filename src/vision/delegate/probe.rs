//! The probe: a delegate is tried by a process of its own, `Request ──stdin──▶ examine ──stdout──▶ Report`.
//!
//! A delegate that was built for other headers, or whose driver is broken, crashes or hangs. It then does so
//! in a child that nobody needs, and the daemon goes on without it.

mod child;
mod trial;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::config::{Config, Delegate};
use crate::vision::VisionError;
use crate::vision::model_card::Cards;

pub use trial::Trial;

/// Name of the hidden subcommand that the child is.
const SUBCOMMAND: &str = "probe-delegate";

/// What a child is to try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `engine.library`.
    pub litert: std::path::PathBuf,
    /// The delegate to try.
    pub delegate: Delegate,
    /// The networks to try it with.
    pub cards: Cards,
    /// `engine.threads`.
    pub threads: u32,
}

impl Request {
    /// What `config` asks for.
    pub fn of(config: &Config) -> Self {
        Self {
            litert: config.engine.library.clone(),
            delegate: config.engine.delegate.clone(),
            cards: Cards::of(config),
            threads: config.engine.threads,
        }
    }
}

/// What a child found: each network, tried once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// One for each model file.
    pub networks: Vec<Trial>,
}

/// A line of JSON that a child tells its parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// What it is about to do, such as `loading it`.
    Step(String),
    /// The delegate cannot be used, and why.
    Fault(String),
    /// The delegate went through all of it.
    Report(Report),
}

/// Tries what `request` asks for, tells of each step, and yields what was found.
pub fn examine(request: &Request, tell: &mut dyn FnMut(Line)) {
    let found = trial::all(request, &mut |step| tell(Line::Step(step)));
    tell(match found {
        Ok(networks) => Line::Report(Report { networks }),
        Err(VisionError::Engine(error)) => Line::Fault(error.of_delegate()),
        Err(other) => Line::Fault(format!("cannot be probed: {other}")),
    });
}

/// This very program as the child: also when its file was replaced by an upgrade meanwhile.
pub fn program() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(SUBCOMMAND);
    command
}

/// Has `program` try what `request` asks for. It is killed when it has not ended after `patience`.
///
/// # Errors
/// Why the delegate cannot be used, as the rest of a sentence that begins with its name.
pub fn run(mut program: Command, request: &Request, patience: Duration) -> Result<Report, String> {
    let deadline = Instant::now() + patience;
    let piped = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(|error| format!("cannot be probed: {error}"))?;
    let (lines, complaint) = child::listen(&mut child);
    // Held open until the child has ended: at its end the child knows that nobody waits for it any more.
    let mut asked = child.stdin.take();
    if let Some(asked) = &mut asked {
        // When this fails the child has ended already, which is told below.
        let _ = serde_json::to_writer(&mut *asked, request)
            .map_err(std::io::Error::from)
            .and_then(|()| asked.write_all(b"\n"));
    }
    let heard = hear(&lines, deadline);
    let status = child::end(&mut child, deadline);
    drop(asked);
    match (status, heard.answer) {
        (None, _) => Err(format!("hangs while {}: it was given {} s", heard.step, patience.as_secs_f32())),
        (Some(status), Some(answer)) if status.success() => answer.and_then(judged),
        (Some(status), _) => {
            let said = complaint.recv_timeout(CLOSING).ok().filter(|said| !said.is_empty());
            let said = said.map_or_else(String::new, |said| format!(" ({said})"));
            Err(format!("{} while {}{said}", child::end_in_words(status), heard.step))
        }
    }
}

/// Longest wait for the last words of a child that has ended.
const CLOSING: Duration = Duration::from_secs(1);

/// What a child told until it fell silent.
struct Heard {
    /// What it was doing last.
    step: String,
    answer: Option<Result<Report, String>>,
}

fn hear(lines: &Receiver<Line>, deadline: Instant) -> Heard {
    let mut heard = Heard { step: "starting".into(), answer: None };
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Line::Step(step)) => heard.step = step,
            Ok(Line::Fault(reason)) => heard.answer = Some(Err(reason)),
            Ok(Line::Report(report)) => {
                heard.step = "ending".into();
                heard.answer = Some(Ok(report));
            }
            Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => return heard,
        }
    }
}

/// A report that shows that the delegate works, or why it does not.
fn judged(report: Report) -> Result<Report, String> {
    if let Some(wrong) = report.networks.iter().find_map(Trial::wrong) {
        return Err(wrong);
    }
    let sum = |of: fn(&Trial) -> usize| report.networks.iter().map(of).sum::<usize>();
    let (taken, nodes) = (sum(|trial| trial.taken), sum(|trial| trial.nodes));
    if taken == 0 {
        return Err(format!(
            "takes none of the {nodes} nodes: it may want models that were compiled for it \
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

    fn tried(text: &str) -> Result<Report, String> {
        run(script(text), &request(), Duration::from_secs(20))
    }

    const GOOD: &str = r#"{"report":{"networks":[{"file":"a.tflite","nodes":27,"taken":3,"far_share":0.0,
        "furthest":1,"processor_ms":0.4,"delegate_ms":0.2}]}}"#;

    fn good() -> String {
        format!("echo '{}'", GOOD.replace('\n', " "))
    }

    #[test]
    fn a_child_is_asked_in_one_line_and_its_report_is_what_counts() {
        let report = tried(&format!("read asked; echo 'noise of a driver'; {}", good())).unwrap();
        assert_eq!((report.networks[0].taken, report.networks[0].nodes), (3, 27));
        let asked = serde_json::to_string(&request()).unwrap();
        let echoed = format!("read asked; [ \"$asked\" = '{asked}' ] && {}", good());
        assert!(tried(&echoed).is_ok());
    }

    #[test]
    fn whatever_happens_to_a_child_is_told_in_words() {
        let running = r#"echo '{"step":"running a.tflite"}'"#;
        for (text, told) in [
            (format!("{running}; kill -s SEGV $$"), "crashes (SIGSEGV) while running a.tflite"),
            (
                format!("{running}; echo first >&2; echo 'assertion failed' >&2; kill -s ABRT $$"),
                "crashes (SIGABRT) while running a.tflite (assertion failed)",
            ),
            (format!("{running}; exit 3"), "ends with exit status: 3 while running a.tflite"),
            ("exit 0".into(), "ends without an answer while starting"),
            // Whoever crashes after a good answer is not good.
            (format!("{}; kill -s BUS $$", good()), "crashes (SIGBUS) while ending"),
            (r#"echo '{"fault":"has no device"}'"#.into(), "has no device"),
            (good().replace("\"taken\":3", "\"taken\":0"), "takes none of the 27 nodes"),
            (good().replace("0.0", "0.5"), "computes something else than the processor: 50.0 %"),
        ] {
            let error = tried(&text).unwrap_err();
            assert!(error.starts_with(told), "{text}: {error}");
        }
        let absent = run(Command::new("/nowhere/program"), &request(), Duration::from_secs(1)).unwrap_err();
        // qemu-user reports what the child could not start as the child's own end.
        let told = ["cannot be probed: No such file", "ends with exit status: 127"];
        assert!(told.iter().any(|told| absent.starts_with(told)), "{absent}");
    }

    #[test]
    fn a_child_that_does_not_end_is_killed() {
        let begun = Instant::now();
        let told = run(
            script(r#"echo '{"step":"loading it"}'; exec sleep 100"#),
            &request(),
            Duration::from_millis(300),
        );
        assert_eq!(told.unwrap_err(), "hangs while loading it: it was given 0.3 s");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
