//! Decides when the spool is written to the disk: offline within seconds, online only entries that have waited a
//! minute.
//!
//! So an online device hardly writes, and an offline device loses at most the entries of the last seconds in a power
//! cut.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use moodring_runtime::Stop;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::disk::{Disk, DiskError};
use super::exchange::{Difference, Reservation};
use super::{Erasure, Spool};

/// Online: an entry that has waited this long is written.
const ONLINE: Duration = Duration::from_secs(60);
/// Offline: entries within this span share one write.
const OFFLINE: Duration = Duration::from_secs(5);
/// Delay of the write that reserves more numbers when few are left.
const URGENT: Duration = Duration::from_secs(1);
/// Wait before a failed disk is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Writes a spool to the disk.
#[derive(Debug)]
pub struct Keeper {
    spool: Spool,
    directory: PathBuf,
    disk: Option<Disk>,
    failing: bool,
    /// After a power cut: numbers whose messages may have been lost, or that were never used.
    uncertain: Option<RangeInclusive<u64>>,
}

/// Result of one write.
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
            keeper.log_failure(&error);
        }
        keeper
    }

    /// After a power cut: numbers whose messages may have been lost, or that were never used. A gap there need not be a
    /// loss.
    pub(crate) fn uncertain(&self) -> Option<&RangeInclusive<u64>> {
        self.uncertain.as_ref()
    }

    /// Writes the spool to the disk until `stop` is requested, and a last time then.
    pub async fn run(mut self, stop: Stop) {
        let mut unsaved_since = None;
        let mut not_before = if self.failing { Instant::now() + RETRY_AFTER } else { Instant::now() };
        loop {
            let spool = self.spool.clone();
            let due = spool
                .due_within()
                .map(|wait| (*unsaved_since.get_or_insert_with(Instant::now) + wait).max(not_before));
            if due.is_none() {
                unsaved_since = None;
            }
            tokio::select! {
                biased;
                () = stop.requested() => break,
                () = spool.0.unsaved.notified() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    unsaved_since = None;
                    if !self.write(false).await {
                        not_before = Instant::now() + RETRY_AFTER;
                    }
                }
            }
        }
        self.write(true).await;
    }

    /// Makes the file a copy of the spool; false if that failed. `closed`: there will be no more entries.
    async fn write(&mut self, closed: bool) -> bool {
        let (disk, directory, spool) = (self.disk.take(), self.directory.clone(), self.spool.clone());
        let done = tokio::task::spawn_blocking(move || write(disk, &directory, &spool, closed)).await;
        // Fails only if the SQLite wrapper panicked; the next attempt opens the file again.
        let Ok(written) = done else { return false };
        self.disk = written.disk;
        match written.result {
            Ok(rows) => {
                self.spool.was_written(&rows, &written.difference, &written.reservation);
                if std::mem::take(&mut self.failing) {
                    info!("waiting messages are on the disk again");
                }
                true
            }
            Err(error) => {
                self.disk = None;
                self.log_failure(&error);
                false
            }
        }
    }

    fn log_failure(&mut self, error: &DiskError) {
        if !std::mem::replace(&mut self.failing, true) {
            warn!(%error, "waiting messages are in memory only: the spool cannot be written (storage.directory)");
        }
    }
}

/// Opens the file if needed, and makes it a copy of the spool.
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
            if result.is_ok() && spool.lock().erasure == Erasure::Writing {
                disk.truncate_log();
            }
            Written { disk: Some(disk), difference, reservation, result }
        }
        Err(error) => Written { disk: None, difference, reservation, result: Err(error) },
    }
}

impl Spool {
    /// How soon the file should be written; `None` if it is up to date.
    fn due_within(&self) -> Option<Duration> {
        let state = self.lock();
        if state.numbers.runs_short() || state.erasure != Erasure::Done {
            return Some(URGENT);
        }
        state.queue.differs().then_some(if state.online { ONLINE } else { OFFLINE })
    }

    fn to_write(&self, closed: bool) -> (Difference, Reservation) {
        let mut state = self.lock();
        if state.erasure == Erasure::Due {
            state.erasure = Erasure::Writing;
        }
        let reserved = if closed { state.numbers.last() } else { state.numbers.wanted() };
        let reservation = Reservation { id: state.numbers.id().to_owned(), reserved, closed };
        (state.queue.difference(), reservation)
    }

    fn was_written(&self, rows: &[(u64, i64)], difference: &Difference, reservation: &Reservation) {
        let mut state = self.lock();
        state.queue.written(rows, &difference.delete);
        state.numbers.are_reserved(&reservation.id, reservation.reserved);
        state.disk_writes += 1;
        if state.erasure == Erasure::Writing {
            state.erasure = Erasure::Done;
        }
    }
}
