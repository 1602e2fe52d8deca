//! The recorder's disk access: the store and the report files.
//!
//! A failing disk stops nothing: the batch returns to the recorder and is due again in the next minute.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use tracing::{info, warn};

use super::batch::Batch;
use super::damaged;
use super::recorder::Recorder;
use super::{OpenLesson, Report, Store, StoreError, html};
use moodring_config as config;
use moodring_runtime::{Health, atomic_file};

/// The store and the report files. The store is opened at the first use and again after a fault.
#[derive(Debug)]
pub struct Disk {
    directory: PathBuf,
    zone: TimeZone,
    write_reports: bool,
    store: Option<Store>,
    /// Whether a damaged store was set aside since this was last asked.
    was_replaced: bool,
}

impl Disk {
    /// The disk that `config` names. Opens nothing yet.
    pub fn new(config: &config::Config) -> Self {
        Self {
            directory: config.storage.directory(),
            zone: config.clock.zone(),
            write_reports: config.lessons.report,
            store: None,
            was_replaced: false,
        }
    }

    /// The lesson that the last run left open, if there is one.
    ///
    /// # Errors
    /// The store cannot be opened or read.
    pub fn open_lesson(&mut self) -> Result<Option<OpenLesson>, StoreError> {
        self.store()?.open_lesson()
    }

    /// Writes a batch in one transaction, then the reports of the lessons that it ended.
    ///
    /// # Errors
    /// Nothing of the batch was written.
    pub fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let result = self.store()?.commit(batch);
        let outcome = match result {
            Ok(outcome) => outcome,
            Err(error) => {
                self.store = None;
                return Err(self.set_aside(error));
            }
        };
        if !outcome.deleted.is_empty() {
            info!(lessons = outcome.deleted.len(), "lessons older than lessons.keep_days were deleted");
        }
        if let Some(before) = batch.delete_before {
            damaged::expire(&self.directory, before);
        }
        for id in &outcome.deleted {
            if let Err(error) = remove_report(&self.directory, *id) {
                warn!(lesson = id, "cannot delete the report: {error}");
            }
        }
        if self.write_reports {
            for id in &outcome.ended {
                if let Err(error) = self.report(*id) {
                    warn!(lesson = id, "cannot write the report: {error:#}");
                }
            }
        }
        Ok(())
    }

    fn store(&mut self) -> Result<&mut Store, StoreError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open(&self.directory).map_err(|error| self.set_aside(error))?,
        };
        Ok(self.store.insert(store))
    }

    /// Sets the store aside if it is damaged, so that the next attempt begins a new one. Returns the `error` of this one.
    fn set_aside(&mut self, error: StoreError) -> StoreError {
        let StoreError::Broken { path, source } = &error else { return error };
        match damaged::set_aside(path, source) {
            Ok(()) => {
                self.was_replaced = true;
                error
            }
            Err(refused) => refused,
        }
    }

    fn report(&mut self, id: i64) -> anyhow::Result<()> {
        let (path, zone) = (report_path(&self.directory, id), self.zone.clone());
        let report = Report::read(self.store()?, id)?;
        atomic_file::write(&path, html(&report, &zone).as_bytes())?;
        info!(lesson = id, path = %path.display(), "report written");
        Ok(())
    }
}

/// Removes the report of the lesson `id`, if there is one.
///
/// # Errors
/// The file exists but cannot be removed.
pub fn remove_report(directory: &Path, id: i64) -> std::io::Result<()> {
    match std::fs::remove_file(report_path(directory, id)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Path of the report of the lesson `id`.
fn report_path(directory: &Path, id: i64) -> PathBuf {
    directory.join("reports").join(format!("lesson-{id}.html"))
}

/// Runs the disk's work on a blocking thread; `health` reports when it fails and when it works again.
pub(super) struct Writer {
    /// `None` only after the thread that used it panicked.
    disk: Option<Disk>,
    health: Health,
}

impl Writer {
    pub(super) fn new(disk: Disk, health: Health) -> Self {
        Self { disk: Some(disk), health }
    }

    /// The lesson that the last run left open, if there is one.
    pub(super) async fn open_lesson(&mut self) -> Option<OpenLesson> {
        let found = self.blocking(Disk::open_lesson).await;
        self.report(found)?
    }

    /// Writes `batch`; returns it to `recorder` if that fails.
    pub(super) async fn write(&mut self, recorder: &mut Recorder, batch: Batch) {
        let (batch, result) = {
            let work = batch.clone();
            (batch, self.blocking(move |disk| disk.write(&work)).await)
        };
        if self.report(result).is_none() {
            recorder.put_back(batch);
        }
        if self.disk.as_mut().is_some_and(|disk| std::mem::take(&mut disk.was_replaced)) {
            recorder.begin_again();
        }
    }

    async fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Disk) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<Result<T, StoreError>> {
        let mut disk = self.disk.take()?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&mut disk);
            (disk, result)
        });
        let (disk, result) = done.await.ok()?;
        self.disk = Some(disk);
        Some(result)
    }

    /// Reports that the disk works or fails; returns the value of a success.
    fn report<T>(&mut self, result: Option<Result<T, StoreError>>) -> Option<T> {
        match result? {
            Ok(value) => {
                self.health.works();
                Some(value)
            }
            Err(error) => {
                self.health.failed(&format!("lessons are not recorded until this is fixed: {error}"));
                None
            }
        }
    }
}
