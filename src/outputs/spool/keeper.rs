//! When the spool is written: within seconds while no broker takes it, else only what has waited for a minute.
//!
//! So a device that is online writes next to nothing, and one that is cut off loses at most what came in the last
//! seconds before the power went.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::Spool;
use super::disk::{Disk, DiskError, Reservation};
use super::queue::Difference;
use crate::supervisor::Stop;

/// While a broker takes entries, one that waits for so long is worth a write.
const ONLINE: Duration = Duration::from_secs(60);
/// While none does, what comes within this span is one write.
const OFFLINE: Duration = Duration::from_secs(5);
/// Numbers that are about to run out do not wait.
const URGENT: Duration = Duration::from_secs(1);
/// A disk that failed is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// Keeps a spool on the disk.
#[derive(Debug)]
pub struct Keeper {
    spool: Spool,
    directory: PathBuf,
    disk: Option<Disk>,
    failing: bool,
    /// After a power cut: numbers that may have been lost with it, or never given.
    uncertain: Option<RangeInclusive<u64>>,
}

/// What one write came to.
struct Written {
    disk: Option<Disk>,
    difference: Difference,
    reservation: Reservation,
    result: Result<Vec<(u64, i64)>, DiskError>,
}

impl Keeper {
    pub(super) fn new(
        spool: Spool,
        directory: &Path,
        disk: Option<Disk>,
        error: Option<DiskError>,
        uncertain: Option<RangeInclusive<u64>>,
    ) -> Self {
        let mut keeper = Self { spool, directory: directory.into(), disk, failing: false, uncertain };
        if let Some(error) = error {
            keeper.tell_failure(&error);
        }
        keeper
    }

    /// After a power cut the numbers that may have been lost with it, or never given: gaps among them may be no loss.
    pub fn uncertain(&self) -> Option<&RangeInclusive<u64>> {
        self.uncertain.as_ref()
    }

    /// Keeps the spool on the disk until `stop` is requested; what waits then is written at last.
    pub async fn run(mut self, stop: Stop) {
        let mut unkept_since = None;
        let mut not_before = if self.failing { Instant::now() + TRY_AGAIN } else { Instant::now() };
        loop {
            let spool = self.spool.clone();
            let due = spool
                .due_within()
                .map(|patience| (*unkept_since.get_or_insert_with(Instant::now) + patience).max(not_before));
            if due.is_none() {
                unkept_since = None;
            }
            tokio::select! {
                biased;
                () = stop.requested() => break,
                () = spool.0.unkept.notified() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    unkept_since = None;
                    if !self.write(false).await {
                        not_before = Instant::now() + TRY_AGAIN;
                    }
                }
            }
        }
        self.write(true).await;
    }

    /// Makes the disk a copy of the spool; false if it failed. `closed`: no more entries come.
    async fn write(&mut self, closed: bool) -> bool {
        let (disk, directory, spool) = (self.disk.take(), self.directory.clone(), self.spool.clone());
        let done = tokio::task::spawn_blocking(move || write(disk, &directory, &spool, closed)).await;
        // Only a panic of SQLite's wrapper ends here; the next attempt opens the file anew.
        let Ok(written) = done else { return false };
        self.disk = written.disk;
        match written.result {
            Ok(rows) => {
                self.spool.was_written(&rows, &written.difference, &written.reservation);
                if std::mem::take(&mut self.failing) {
                    info!("what waits for the broker is kept on the disk again");
                }
                true
            }
            Err(error) => {
                self.disk = None;
                self.tell_failure(&error);
                false
            }
        }
    }

    fn tell_failure(&mut self, error: &DiskError) {
        if !std::mem::replace(&mut self.failing, true) {
            warn!(%error, "what waits for the broker is in memory only until this is mended (storage.directory)");
        }
    }
}

/// Opens the disk if it is not, and writes what it lacks.
fn write(disk: Option<Disk>, directory: &Path, spool: &Spool, closed: bool) -> Written {
    let opened = match disk {
        Some(disk) => Ok(disk),
        None => Disk::open(directory).map(|(disk, loaded)| {
            spool.lock().queue.adopt(loaded);
            spool.0.grown.notify_one();
            disk
        }),
    };
    let (difference, reservation) = spool.to_write(closed);
    match opened {
        Ok(mut disk) => {
            let result = disk.write(&difference, &reservation);
            Written { disk: Some(disk), difference, reservation, result }
        }
        Err(error) => Written { disk: None, difference, reservation, result: Err(error) },
    }
}

impl Spool {
    /// How soon the disk should be written; `None`: it is a copy.
    fn due_within(&self) -> Option<Duration> {
        let state = self.lock();
        if state.numbers.runs_short() {
            return Some(URGENT);
        }
        state.queue.differs().then_some(if state.online { ONLINE } else { OFFLINE })
    }

    fn to_write(&self, closed: bool) -> (Difference, Reservation) {
        let state = self.lock();
        let reserved = if closed { state.numbers.last() } else { state.numbers.wanted() };
        let reservation = Reservation { id: state.numbers.id().to_owned(), reserved, closed };
        (state.queue.difference(), reservation)
    }

    fn was_written(&self, rows: &[(u64, i64)], difference: &Difference, reservation: &Reservation) {
        let mut state = self.lock();
        state.queue.written(rows, &difference.delete);
        state.numbers.are_reserved(&reservation.id, reservation.reserved);
        state.disk_writes += 1;
    }
}
