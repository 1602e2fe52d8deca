//! Other clients write too much on a topic to which the device subscribes.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::stage::Stage;
use crate::{Extent, Tried};

/// Above and far above the largest packet that the library takes.
const SIZES: [usize; 2] = [70_000, 8_000_000];

/// Retained messages that are too large, on the topic of the device's own status. They end no connection, and the device
/// puts its status there again.
pub(crate) fn large_messages(name: &'static str, extent: Extent) -> Tried {
    let times = if extent == Extent::Full { 10 } else { 3 };
    let mut stage = Stage::set(name, "", |_, _| {});
    for _ in 0..times {
        for size in SIZES {
            publish(stage.options.port, &vec![b'x'; size])?;
        }
        stage.live_since(Instant::now());
        std::thread::sleep(Duration::from_secs(1));
    }
    let mut outcome = stage.books(format!("{times} times one of 70 kB and one of 8 MB, retained"), 0);
    if outcome.reconnects > 0 {
        outcome.problems.push(format!("{} connections were broken", outcome.reconnects));
    }
    Ok(outcome)
}

fn publish(port: u16, payload: &[u8]) -> Result<(), String> {
    let mut client = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-q", "1", "-r", "-s"])
        .args(["-t", "moodring/simulated/room-00001/status"])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|_| "mosquitto_pub is missing: install the Debian package mosquitto-clients".to_owned())?;
    client.stdin.take().unwrap().write_all(payload).unwrap();
    assert!(client.wait().unwrap().success(), "the large message was not published");
    Ok(())
}
