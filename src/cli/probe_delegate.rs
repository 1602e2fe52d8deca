//! `moodring probe-delegate`: the child process that tests a delegate for its parent, another moodring process.
//!
//! It reads the request, one line of JSON, from standard input and writes steps and result to standard output.

use std::io::{BufRead, Read, Write};

use anyhow::Context;

use moodring_vision::delegate::probe;

pub(super) fn run() -> anyhow::Result<()> {
    let mut input = String::new();
    std::io::stdin().lock().read_line(&mut input).context("cannot read the request")?;
    let request = serde_json::from_str(&input).context("the request is not a delegate probe")?;
    abort_at_end_of_input();
    probe::examine(&request, &mut |line| {
        let line = serde_json::to_string(&line).unwrap_or_default();
        let mut output = std::io::stdout().lock();
        // Errors are ignored: if the parent has exited, this process aborts (see `abort_at_end_of_input`).
        let _ = writeln!(output, "{line}").and_then(|()| output.flush());
    });
    Ok(())
}

/// Aborts this process when standard input is closed. The parent keeps it open while it waits, so the process also
/// ends if the parent exits while a delegate hangs.
fn abort_at_end_of_input() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock().by_ref(), &mut std::io::sink());
        // Not `exit`: it would run the delegate's exit handlers, which may hang.
        std::process::abort();
    });
}
