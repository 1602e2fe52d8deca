//! The parent's side of a child process: reads its messages and waits for its end.
//!
//! Each read and each wait is bounded, whatever the child does.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::Line;

/// Maximum output of a child that is evaluated, in bytes.
const MAX_BYTES: u64 = 256 * 1024;
/// Maximum length of the reported line of standard error, in characters.
const MAX_STDERR_CHARS: usize = 200;
/// Interval at which the end of a child is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Receivers of the messages of `child`, and of the last meaningful line of its standard error.
pub(super) fn listen(child: &mut Child) -> (Receiver<Line>, Receiver<String>) {
    let ((send_line, lines), (send_stderr, stderr)) = (channel(), channel());
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            // Drivers also print to standard output: lines that are not messages are skipped.
            for line in BufReader::new(output.take(MAX_BYTES)).lines().map_while(Result::ok) {
                if let Ok(line) = serde_json::from_str(&line)
                    && send_line.send(line).is_err()
                {
                    return;
                }
            }
        });
    }
    if let Some(errors) = child.stderr.take() {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let mut errors = BufReader::new(errors);
            // A full pipe would block the child, so output beyond the limit is read and discarded.
            let _ = errors.by_ref().take(MAX_BYTES).read_to_end(&mut text);
            let _ = std::io::copy(&mut errors, &mut std::io::sink());
            let text = String::from_utf8_lossy(&text);
            let is_meaningful = |line: &&str| !line.is_empty() && !line.starts_with("INFO");
            let last = text.lines().map(str::trim).rfind(is_meaningful).unwrap_or_default();
            let _ = send_stderr.send(last.chars().take(MAX_STDERR_CHARS).collect());
        });
    }
    (lines, stderr)
}

/// Waits for `child` and returns its exit status; kills it at the deadline and returns none.
pub(super) fn end(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(POLL_INTERVAL),
            _ => {
                // Both fail only for a child that has ended already.
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
}

/// Describes the end of a child that did not succeed.
pub(super) fn describe_end(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("crashes ({})", signal_name(signal)),
        None if status.success() => "ends without an answer".into(),
        None => format!("ends with {status}"),
    }
}

/// Names of the signals that a fault of the program raises (signal(7), the same on x86_64 and aarch64).
fn signal_name(signal: i32) -> String {
    match signal {
        4 => "SIGILL".into(),
        6 => "SIGABRT".into(),
        7 => "SIGBUS".into(),
        8 => "SIGFPE".into(),
        9 => "SIGKILL".into(),
        11 => "SIGSEGV".into(),
        31 => "SIGSYS".into(),
        other => format!("signal {other}"),
    }
}
