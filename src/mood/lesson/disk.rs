//! The recorder's disk: the store and the reports beside it.
//!
//! A disk that fails stops nothing: the batch goes back to the recorder and is due again in the next minute.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use tracing::{info, warn};

use super::recorder::{Batch, Recorder};
use super::{OpenLesson, Report, Store, StoreError, html};
use crate::{config, private};

/// The store and the reports beside it; opened when it is needed, and again after a fault.
#[derive(Debug)]
pub struct Disk {
    directory: PathBuf,
    zone: TimeZone,
    write_reports: bool,
    store: Option<Store>,
}

impl Disk {
    /// The disk that `config` names; nothing is opened yet.
    ///
    /// # Errors
    /// The configured time zone is unknown.
    pub fn new(config: &config::Config) -> Result<Self, jiff::Error> {
        Ok(Self {
            directory: config.storage.directory(),
            zone: config.lessons.zone()?,
            write_reports: config.lessons.report,
            store: None,
        })
    }

    /// The lesson that the last run left open.
    ///
    /// # Errors
    /// The store cannot be opened or read.
    pub fn open_lesson(&mut self) -> Result<Option<OpenLesson>, StoreError> {
        self.store()?.open_lesson()
    }

    /// Writes a batch in one transaction, and the reports of lessons that it ended.
    ///
    /// # Errors
    /// Nothing of the batch was written.
    pub fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let result = self.store()?.commit(batch);
        let done = match result {
            Ok(done) => done,
            Err(error) => {
                self.store = None;
                return Err(error);
            }
        };
        for id in &done.deleted {
            if let Err(error) = remove_report(&self.directory, *id) {
                warn!(lesson = id, "its report cannot be deleted: {error}");
            }
        }
        if self.write_reports {
            for id in &done.ended {
                if let Err(error) = self.report(*id) {
                    warn!(lesson = id, "the report cannot be written: {error:#}");
                }
            }
        }
        Ok(())
    }

    fn store(&mut self) -> Result<&mut Store, StoreError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open(&self.directory)?,
        };
        Ok(self.store.insert(store))
    }

    fn report(&mut self, id: i64) -> anyhow::Result<()> {
        let (path, zone) = (report_path(&self.directory, id), self.zone.clone());
        let report = Report::read(self.store()?, id)?;
        private::write(&path, html(&report, &zone).as_bytes())?;
        info!(lesson = id, path = %path.display(), "report written");
        Ok(())
    }
}

/// Removes the report of the lesson `id`, if there is one.
///
/// # Errors
/// It is there and stays.
pub fn remove_report(directory: &Path, id: i64) -> std::io::Result<()> {
    match std::fs::remove_file(report_path(directory, id)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where the report of the lesson `id` lies.
fn report_path(directory: &Path, id: i64) -> PathBuf {
    directory.join("reports").join(format!("lesson-{id}.html"))
}

/// Does the disk's work on a thread that may block, and tells once when it fails and once when it works again.
pub(super) struct Writer {
    /// Gone only if the thread that had it panicked.
    disk: Option<Disk>,
    failing: bool,
}

impl Writer {
    pub(super) fn new(disk: Disk) -> Self {
        Self { disk: Some(disk), failing: false }
    }

    /// The lesson that the last run left open.
    pub(super) async fn open_lesson(&mut self) -> Option<OpenLesson> {
        let found = self.blocking(Disk::open_lesson).await;
        self.tell(found)?
    }

    /// Writes what is due; what cannot be written goes back to `recorder`.
    pub(super) async fn write(&mut self, recorder: &mut Recorder, batch: Batch) {
        let (batch, result) = {
            let work = batch.clone();
            (batch, self.blocking(move |disk| disk.write(&work)).await)
        };
        if self.tell(result).is_none() {
            recorder.put_back(batch);
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

    fn tell<T>(&mut self, result: Option<Result<T, StoreError>>) -> Option<T> {
        match result? {
            Ok(value) => {
                if std::mem::take(&mut self.failing) {
                    info!("lessons are recorded again");
                }
                Some(value)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    warn!("lessons are not recorded until this is mended: {error}");
                }
                None
            }
        }
    }
}
