//! Measurements of this process and its machine, read from the system on each call.

use std::path::Path;
use std::time::Duration;

/// Resident memory of this process in bytes (proc_pid_status(5)); `None` if the system does not report it.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Load average of the machine over one minute (proc_loadavg(5)); `None` if the system does not report it.
pub fn load_1min() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Identifies the boot of the machine (random(4)); `None` if the system does not report it.
pub fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Time since the boot of the machine, with the time in which it slept (proc_uptime(5)); `None` if the system does not
/// report it.
pub fn uptime() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    Duration::try_from_secs_f64(text.split_whitespace().next()?.parse().ok()?).ok()
}

/// Whether the clock is synchronized over the network: systemd-timesyncd(8) creates a file at the first
/// synchronization. `None` if that service does not run.
pub fn clock_synchronised() -> Option<bool> {
    let folder = Path::new("/run/systemd/timesync");
    folder.exists().then(|| folder.join("synchronized").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_load_are_reported() {
        assert!(resident_bytes().unwrap() > 1024 * 1024);
        assert!(load_1min().unwrap() >= 0.0);
        assert!(uptime().unwrap() > Duration::ZERO && boot_id().unwrap().len() == 36);
    }
}
