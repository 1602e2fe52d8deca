//! What happens to the device itself: its disk, its clock, its power.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::broker::is_root;
use crate::ledger::journal;
use crate::stage::{Stage, replace};
use crate::{Extent, Tried};

/// The spool writes this soon while no broker takes messages (its `OFFLINE`), and a busy machine needs a moment.
const KEPT_WITHIN: Duration = Duration::from_secs(5 + 2);
/// With a broker there, what is older has been acknowledged.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
/// The spool tries a disk that failed again after a minute (its `TRY_AGAIN`).
const MENDED_WITHIN: Duration = Duration::from_secs(60 + 15);

/// A disk of its own, taken away when this is dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: PathBuf) -> Result<Self, String> {
        if !is_root() {
            return Err("only root may mount a disk of its own".into());
        }
        std::fs::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        let status = mount.args(["-t", "tmpfs", "-o", "size=2m", "moodring-test"]).arg(&path).status();
        match status {
            Ok(status) if status.success() => Ok(Self(path)),
            _ => Err("this system lets nobody mount a tmpfs".into()),
        }
    }

    fn remount(&self, how: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status();
        assert!(status.unwrap().success(), "the disk cannot be made {how}");
    }

    /// Writes until nothing more goes on it.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("full");
        let mut file = std::fs::File::create(&path).unwrap();
        // Whole pages first, then what a page has left.
        for size in [4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

pub(crate) fn disk_full(name: &'static str, _: Extent) -> Tried {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::mount(place.path().join("disk"))?;
    let mut stage = Stage::set(name, "", |_, options| options.storage = disk.0.join("spools"));
    stage.broker.end("KILL");
    let full = disk.fill();
    stage.logged("in memory only", KEPT_WITHIN * 2);
    std::thread::sleep(Duration::from_secs(10));
    let back = stage.broker.again();
    stage.live_since(back);
    stage.catch_up();
    std::fs::remove_file(full).unwrap();
    stage.logged("on the disk again", MENDED_WITHIN);
    Ok(stage.books("while no broker was there; emptied after it was back".into(), 2))
}

pub(crate) fn disk_read_only(name: &'static str, _: Extent) -> Tried {
    let place = tempfile::tempdir().unwrap();
    let disk = Disk::mount(place.path().join("disk"))?;
    disk.remount("ro");
    let mut stage = Stage::set(name, "", |_, options| options.storage = disk.0.join("spools"));
    stage.logged("in memory only", KEPT_WITHIN);
    stage.broker.end("KILL");
    std::thread::sleep(Duration::from_secs(10));
    let back = stage.broker.again();
    stage.live_since(back);
    stage.catch_up();
    disk.remount("rw");
    stage.logged("on the disk again", MENDED_WITHIN);
    Ok(stage.books("from the start, broker killed meanwhile; then made writable".into(), 2))
}

pub(crate) fn libfaketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|folder| folder.path());
    folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists())
}

pub(crate) fn clock_jumps(name: &'static str, _: Extent) -> Tried {
    let library = libfaketime().ok_or("libfaketime is missing: install the Debian package faketime")?;
    let place = tempfile::tempdir().unwrap();
    let clock = place.path().join("clock");
    std::fs::write(&clock, "+0\n").unwrap();
    let mut stage = Stage::set(name, "", |_, options| {
        let set = |name: &str, value: &Path| (name.to_owned(), value.to_str().unwrap().to_owned());
        options.environment = vec![
            set("LD_PRELOAD", &library),
            set("FAKETIME_TIMESTAMP_FILE", &clock),
            set("FAKETIME_NO_CACHE", Path::new("1")),
            // As with a real jump only the clock on the wall jumps.
            set("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
        ];
    });
    for offset_s in [3600, 0, -3600, 0] {
        replace(&clock, &format!("{offset_s:+}\n"));
        stage.clock_ahead_s = offset_s;
        stage.live_since(Instant::now());
        std::thread::sleep(Duration::from_secs(3));
        stage.broker.end("TERM");
        std::thread::sleep(Duration::from_secs(1));
        let back = stage.broker.again();
        stage.live_since(back);
    }
    let times = journal(&stage.options.journal);
    let span = times.values().max().unwrap() - times.values().min().unwrap();
    stage.expect(span > 7_000_000, || format!("the clock went over {span} ms only: it has not jumped"));
    Ok(stage
        .books("an hour forward, back, an hour back, forward; a restart of the broker after each".into(), 8))
}

pub(crate) fn power_cut_offline(name: &'static str, _: Extent) -> Tried {
    let mut stage = Stage::set(name, "", |_, _| {});
    let spans = [9, 12, 14];
    for span in spans {
        stage.broker.end("TERM");
        std::thread::sleep(Duration::from_secs(span));
        let kept = stage.cut_power(KEPT_WITHIN);
        stage.expect(kept > 0, || "nothing was on the disk: nothing was at stake".to_owned());
        stage.power_on();
        let back = stage.broker.again();
        stage.live_since(back);
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(stage.books(format!("{} times, some seconds after the broker went", spans.len()), 0))
}

pub(crate) fn power_cut_online(name: &'static str, _: Extent) -> Tried {
    let times = 8;
    let mut stage = Stage::set(name, "", |_, options| options.minute_every_s = 0.1);
    for time in 0..times {
        std::thread::sleep(Duration::from_millis(1500 + 130 * time));
        stage.cut_power(TOLD_WITHIN);
        stage.power_on();
        stage.live_since(Instant::now());
    }
    Ok(stage.books(format!("{times} times, at 20 messages a second"), 0))
}
