//! What this process and its machine say of themselves, read when somebody asks.

use std::path::Path;

/// Resident memory of this process (proc_pid_status(5)), where the system tells it.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Mean number of processes that ran or wanted to within a minute (proc_loadavg(5)).
pub(super) fn load_1min() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Whether the network sets the clock: systemd-timesyncd(8) touches a file when it first has; nobody else says.
pub(super) fn clock_synchronised() -> Option<bool> {
    let folder = Path::new("/run/systemd/timesync");
    folder.exists().then(|| folder.join("synchronized").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_load_are_told() {
        assert!(resident_bytes().unwrap() > 1024 * 1024);
        assert!(load_1min().unwrap() >= 0.0);
    }
}
