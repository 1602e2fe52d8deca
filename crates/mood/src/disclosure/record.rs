//! Remembers on disk until when expressions were published, so that a restart does not reveal who left meanwhile.
//!
//! The record is written *before* messages: it names a time up to which they may be published, and is renewed when that
//! time is over. Time is counted from the boot, so that a clock that is set changes nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::COHORT_MEMORY;
use moodring_config::Config;
use moodring_runtime::process::{boot_id, clock_synchronised, uptime};
use moodring_runtime::{Health, state_file};

/// How far ahead publishing is recorded: the interval between two writes.
const RECORDED: Duration = Duration::from_secs(120);
/// Maximum size of the file in bytes; a larger file was not written by this program.
const MAX_BYTES: u64 = 4096;
const SCHEMA: &str = "moodring.disclosure/1";
const FILE_NAME: &str = "disclosure.json";

/// Content of the file.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    /// The boot of the machine, and seconds since it, up to which expressions may have been published.
    boot: String,
    until_uptime_s: f64,
    /// The same time by the clock.
    until: Timestamp,
}

/// Now, on all clocks.
#[derive(Debug, Clone)]
struct Clocks {
    boot: String,
    uptime: Duration,
    /// `None`: the clock was not checked.
    at: Option<Timestamp>,
}

impl Clocks {
    fn now() -> Self {
        let at = (clock_synchronised() == Some(true)).then(Timestamp::now);
        Self { boot: boot_id().unwrap_or_default(), uptime: uptime().unwrap_or_default(), at }
    }
}

/// The file that says until when expressions were published.
#[derive(Debug)]
pub struct PublicationRecord {
    path: PathBuf,
    until: Option<Instant>,
    health: Health,
}

impl PublicationRecord {
    /// The record in `storage.directory` of `config`, and how long expressions must be withheld from now on. A record that
    /// cannot be used withholds them for the longest time. `health` reports that the record cannot be written.
    pub fn open(config: &Config, health: Health) -> (Self, Duration) {
        let path = config.storage.directory().join(FILE_NAME);
        let withheld = match read(&path) {
            Ok(None) => Duration::ZERO,
            Ok(Some(file)) => withheld(&file, &Clocks::now()),
            Err(error) => {
                warn!(path = %path.display(), %error, "file is unusable; expressions are withheld for ten minutes");
                COHORT_MEMORY
            }
        };
        (Self { path, until: None, health }, withheld)
    }

    /// Whether the record must be written before expressions are published at `now`.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// Records that expressions are published from `now` on. Returns whether the record is on the disk; if not, they must
    /// not be published.
    pub(crate) async fn renew(&mut self, now: Instant) -> bool {
        let path = self.path.clone();
        // Writing to an SD card may take long; page and broker must not wait for it.
        let written = tokio::task::spawn_blocking(move || write(&path)).await;
        match written.unwrap_or_else(|error| Err(error.into())) {
            Ok(()) => {
                self.health.works();
                self.until = Some(now + RECORDED);
                true
            }
            Err(error) => {
                self.health.failed(&format!(
                    "expressions are withheld, because a restart could reveal who left: {} cannot be written ({error}); \
                     make space there, or make it writable",
                    self.path.display()
                ));
                false
            }
        }
    }
}

/// Writes a record in `directory` as if expressions were published now: the safe replacement of a damaged one.
///
/// # Errors
/// The file cannot be written.
pub fn record_publication(directory: &Path) -> io::Result<()> {
    write(&directory.join(FILE_NAME))
}

fn write(path: &Path) -> io::Result<()> {
    let clocks = Clocks::now();
    let ahead = jiff::SignedDuration::try_from(RECORDED).map_err(io::Error::other)?;
    let file = File {
        schema: SCHEMA.to_owned(),
        boot: clocks.boot,
        until_uptime_s: (clocks.uptime + RECORDED).as_secs_f64(),
        until: Timestamp::now().saturating_add(ahead).map_err(io::Error::other)?,
    };
    state_file::write(path, &serde_json::to_vec_pretty(&file)?)
}

fn read(path: &Path) -> io::Result<Option<File>> {
    let Some(bytes) = state_file::read(path, MAX_BYTES)? else { return Ok(None) };
    let file: File = serde_json::from_slice(&bytes)?;
    if file.schema != SCHEMA || !file.until_uptime_s.is_finite() {
        return Err(io::Error::other(format!("the file is not a valid {SCHEMA} document")));
    }
    Ok(Some(file))
}

/// How long expressions must be withheld, so that [`COHORT_MEMORY`] lies between the last message before and the first one
/// now.
fn withheld(file: &File, now: &Clocks) -> Duration {
    let longest = COHORT_MEMORY + RECORDED;
    if file.boot == now.boot && !now.boot.is_empty() {
        let until = Duration::try_from_secs_f64(file.until_uptime_s).unwrap_or(Duration::MAX);
        return until.saturating_add(COHORT_MEMORY).saturating_sub(now.uptime).min(longest);
    }
    // The last message was sent before the boot: so much time has passed for certain, and more if a checked clock says so.
    let by_clock =
        now.at.and_then(|at| Duration::try_from(at.duration_since(file.until)).ok()).unwrap_or_default();
    COHORT_MEMORY.saturating_sub(now.uptime.max(by_clock))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn clocks(boot: &str, uptime_s: u64, at: Option<i64>) -> Clocks {
        let at = at.map(|second| Timestamp::from_second(second).unwrap());
        Clocks { boot: boot.into(), uptime: S(uptime_s), at }
    }

    fn file() -> File {
        let until = Timestamp::from_second(1_000_000).unwrap();
        File { schema: SCHEMA.into(), boot: "a".into(), until_uptime_s: 1000.0, until }
    }

    #[test]
    fn a_restart_withholds_until_the_last_message_is_ten_minutes_old() {
        assert_eq!(withheld(&file(), &clocks("a", 1000, None)), S(600));
        assert_eq!(withheld(&file(), &clocks("a", 1400, None)), S(200));
        assert_eq!(withheld(&file(), &clocks("a", 1600, None)), S(0));
        assert_eq!(
            withheld(&file(), &clocks("a", 1, None)),
            S(720),
            "an uptime that went back does not lock it for good"
        );
    }

    #[test]
    fn after_a_boot_only_the_uptime_and_a_checked_clock_count() {
        assert_eq!(withheld(&file(), &clocks("b", 30, None)), S(570));
        assert_eq!(withheld(&file(), &clocks("b", 30, Some(1_000_000 + 500))), S(100));
        assert_eq!(withheld(&file(), &clocks("b", 30, Some(1_000_000 + 86_400))), S(0));
        assert_eq!(
            withheld(&file(), &clocks("b", 30, Some(0))),
            S(570),
            "a clock that went back proves nothing"
        );
        assert_eq!(withheld(&file(), &clocks("b", 700, None)), S(0));
    }

    #[tokio::test]
    async fn the_record_is_written_before_publishing_and_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.directory = folder.path().to_owned();
        let open = || PublicationRecord::open(&config, Health::new("disclosure"));
        let now = Instant::now();
        let (mut record, first) = open();
        assert!(first.is_zero() && record.is_due(now), "nothing was ever published");
        assert!(record.renew(now).await);
        assert!(!record.is_due(now + S(119)) && record.is_due(now + S(120)));
        let again = open().1;
        assert!(again > S(700) && again <= S(720), "{again:?}");
        for damaged in [&b"{"[..], b"", &[0; 64], &[b' '; 5000], br#"{"schema":"moodring.disclosure/1"}"#] {
            std::fs::write(&record.path, damaged).unwrap();
            assert_eq!(open().1, COHORT_MEMORY, "{damaged:?}");
        }
        std::fs::remove_file(&record.path).unwrap();
        std::fs::create_dir(&record.path).unwrap();
        assert!(!record.renew(now).await && record.health.problem().is_some());
    }
}
