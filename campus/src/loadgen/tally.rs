//! The totals of a run, added up over its devices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use moodring_contract::payload::SpoolMetrics;
use moodring_mqtt::spool::Spool;
use moodring_runtime::process::resident_bytes;
use moodring_runtime::{Counter, Health};

/// One device, seen from outside.
#[derive(Debug)]
pub(super) struct Watched {
    spool: Spool,
    health: Arc<Health>,
    /// The spool at the start.
    before: SpoolMetrics,
    /// Messages that were put into the spool since.
    pub(super) spooled: Counter,
}

impl Watched {
    pub(super) fn new(spool: Spool, health: Arc<Health>) -> Self {
        let before = spool.metrics();
        Self { spool, health, before, spooled: Counter::default() }
    }
}

/// Connection attempts over time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Attempts {
    /// All of them.
    pub total: u64,
    /// The first second in which there was one, and the last, since the start.
    pub first_s: Option<u64>,
    /// See `first_s`.
    pub last_s: Option<u64>,
    /// Most within one second.
    pub max_per_second: u64,
    /// Attempts by the second since the start; seconds without any are left out.
    pub by_second: BTreeMap<u64, u64>,
}

impl Attempts {
    fn add(&mut self, second: u64, count: u64) {
        if count == 0 {
            return;
        }
        self.total += count;
        self.first_s.get_or_insert(second);
        self.last_s = Some(second);
        let in_second = self.by_second.entry(second).or_default();
        *in_second += count;
        self.max_per_second = self.max_per_second.max(*in_second);
    }
}

/// The totals over all devices.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Totals {
    /// Devices.
    pub devices: usize,
    /// Seconds since the start.
    pub seconds: u64,
    /// Devices that are connected now.
    pub connected: usize,
    /// Messages put into spools since the start.
    pub published: u64,
    /// Messages of spools that the broker has acknowledged since the start.
    pub acknowledged: u64,
    /// Messages that wait in spools.
    pub waiting: u64,
    /// Messages that were dropped from full spools since the start.
    pub dropped: u64,
    /// Moods that the broker has acknowledged.
    pub moods: u64,
    /// Transactions written to the disk.
    pub disk_writes: u64,
    /// Connections after the first of each device.
    pub reconnects: u64,
    /// Connection attempts.
    pub attempts: Attempts,
    /// Resident memory of the process.
    pub rss_bytes: Option<u64>,
}

/// Adds up the devices of a run.
#[derive(Debug)]
pub(super) struct Tally {
    started: Instant,
    devices: Vec<Arc<Watched>>,
    attempts: Attempts,
}

impl Default for Tally {
    fn default() -> Self {
        Self { started: Instant::now(), devices: Vec::new(), attempts: Attempts::default() }
    }
}

impl Tally {
    pub(super) fn watch(&mut self, device: Arc<Watched>) {
        self.devices.push(device);
    }

    /// Whole seconds since the start.
    pub(super) fn seconds(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    /// Counts the connection attempts since the last call.
    pub(super) fn count_attempts(&mut self) {
        let attempts: u64 = self.devices.iter().map(|device| device.health.attempts.get()).sum();
        self.attempts.add(self.seconds(), attempts.saturating_sub(self.attempts.total));
    }

    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals {
            devices: self.devices.len(),
            seconds: self.seconds(),
            attempts: self.attempts.clone(),
            rss_bytes: resident_bytes(),
            ..Totals::default()
        };
        for Watched { spool, health, before, spooled } in self.devices.iter().map(|device| &**device) {
            let now = spool.metrics();
            let (published, dropped) = (spooled.get(), now.dropped.saturating_sub(before.dropped));
            totals.connected += usize::from(health.is_up());
            totals.published += published;
            totals.acknowledged += (before.waiting + published).saturating_sub(now.waiting + dropped);
            totals.waiting += now.waiting;
            totals.dropped += dropped;
            totals.moods += health.published.get();
            totals.disk_writes += now.disk_writes;
            totals.reconnects += health.connections.get().saturating_sub(1);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moodring_mqtt::spool::Kind;

    #[test]
    fn attempts_are_counted_by_the_second() {
        let mut attempts = Attempts::default();
        for (second, count) in [(0, 3), (0, 2), (1, 0), (7, 4)] {
            attempts.add(second, count);
        }
        assert_eq!(
            (attempts.total, attempts.first_s, attempts.last_s, attempts.max_per_second),
            (9, Some(0), Some(7), 5)
        );
        assert_eq!(attempts.by_second, [(0, 5), (7, 4)].into());
    }

    #[test]
    fn what_neither_waits_nor_was_dropped_is_acknowledged() {
        let spool = Spool::in_memory(3);
        let append = || spool.append(Kind::Event, |_, _| b"x".to_vec());
        append();
        let device = Arc::new(Watched::new(spool.clone(), Arc::new(Health::new("mqtt"))));
        let mut tally = Tally::default();
        tally.watch(Arc::clone(&device));
        for _ in 0..4 {
            append();
            device.spooled.increment();
        }
        let totals = tally.totals();
        assert_eq!((totals.published, totals.acknowledged, totals.waiting, totals.dropped), (4, 0, 3, 2));
        spool.acknowledged(spool.next().unwrap().ordinal);
        assert_eq!((tally.totals().acknowledged, tally.totals().waiting), (1, 2));
    }
}
