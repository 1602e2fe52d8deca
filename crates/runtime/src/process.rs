//! Measurements of this process and its machine, read from the system on each call.

use std::path::Path;

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
    }
}
