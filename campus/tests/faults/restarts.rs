//! The broker goes: it is stopped in order, killed, or does not answer for a while.

use std::time::{Duration, Instant};

use crate::stage::Stage;
use crate::{Extent, Tried};

/// As findings of a client library that lost messages had it: longer than any time-out in between.
const STALL: Duration = Duration::from_secs(14);

fn times(extent: Extent, full: u32) -> u32 {
    if extent == Extent::Full { full } else { full.min(3) }
}

pub(crate) fn terminated(name: &'static str, extent: Extent) -> Tried {
    restarted(name, "TERM", times(extent, 20))
}

pub(crate) fn killed(name: &'static str, extent: Extent) -> Tried {
    restarted(name, "KILL", times(extent, 20))
}

fn restarted(name: &'static str, signal: &str, times: u32) -> Tried {
    let mut stage = Stage::set(name, "", |_, _| {});
    for time in 0..times {
        stage.broker.end(signal);
        // Sometimes it is back before anybody tries, sometimes it is not.
        std::thread::sleep(Duration::from_millis(u64::from(time % 4) * 700));
        let back = stage.broker.again();
        stage.live_since(back);
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(stage.books(format!("{times} times"), u64::from(times * 2)))
}

pub(crate) fn stalled(name: &'static str, extent: Extent) -> Tried {
    let times: u64 = if extent == Extent::Full { 5 } else { 1 };
    let mut stage = Stage::set(name, "", |_, _| {});
    for _ in 0..times {
        stage.broker.signal("STOP");
        std::thread::sleep(STALL);
        stage.broker.signal("CONT");
        stage.live_since(Instant::now());
        std::thread::sleep(Duration::from_secs(2));
    }
    Ok(stage.books(format!("{times} times for {} s", STALL.as_secs()), times * 2))
}
