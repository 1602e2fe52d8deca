//! Reads many faces within a time budget: `faces ──▶ parallel readers ──▶ probabilities`.
//!
//! The network is too small to split over threads (two threads give 1.25 times the rate). Each thread therefore
//! has its own network and takes the next face from the queue.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::engine::{Engine, EngineError};
use super::expression::{FaceView, Reader, ReadingTime};
use super::luma::Luma;
use super::readability::Appearance;
use super::{Expressions, VisionError};
use moodring_camera::PixelBox;

/// One reader per thread.
pub struct Readers {
    workers: Vec<Worker>,
    /// The face crops of the current picture, one after the other: measured first, read later.
    cuts: Vec<i8>,
}

/// A face crop of the current picture, as its offset in the crops; valid until [`Readers::clear_cuts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut(usize);

struct Worker {
    reader: Reader,
    /// Index and result of each face that this worker read.
    read: Vec<(usize, Expressions)>,
    time: ReadingTime,
}

impl Readers {
    /// Loads the network of the card at `card` once for each of `threads` threads.
    ///
    /// # Errors
    /// When the card, its file or the engine is missing or wrong.
    pub fn new(card: &Path, engine: &dyn Engine, threads: u32) -> Result<Self, VisionError> {
        let worker = |_| {
            let reader = Reader::new(card, engine, 1)?;
            Ok(Worker { reader, read: Vec::new(), time: ReadingTime::default() })
        };
        let workers = (0..threads.max(1)).map(worker).collect::<Result<_, VisionError>>()?;
        Ok(Self { workers, cuts: Vec::new() })
    }

    /// The prior of the readings; see [`Reader::prior`].
    pub fn prior(&self) -> Expressions {
        self.workers.first().map_or(Expressions::UNKNOWN, |worker| worker.reader.prior())
    }

    /// Side of the square crop, in units of the face box's longer side.
    pub fn crop_scale(&self) -> f32 {
        self.workers.first().map_or(1.0, |worker| worker.reader.crop_scale())
    }

    /// Discards the crops of the previous picture.
    pub fn clear_cuts(&mut self) {
        self.cuts.clear();
    }

    /// Erases all pictures and everything computed from them.
    ///
    /// # Errors
    /// [`EngineError::Call`] when a network fails.
    pub(super) fn wipe(&mut self) -> Result<(), EngineError> {
        self.cuts = Vec::new();
        self.workers.iter_mut().try_for_each(|worker| {
            worker.read = Vec::new();
            worker.reader.wipe()
        })
    }

    /// Crops the face with the box `bounds`, in pixels of `luma`, and measures the crop.
    pub fn cut(&mut self, luma: Luma<'_>, bounds: PixelBox) -> Option<(Cut, Appearance)> {
        let reader = &mut self.workers.first_mut()?.reader;
        let start = self.cuts.len();
        self.cuts.resize(start + reader.face_pixels(), 0);
        Some((Cut(start), reader.cut(luma, bounds, &mut self.cuts[start..])))
    }

    /// Reads `faces` in their order until `budget` is spent, but at least the first, and calls `found` with the
    /// index and the result of each. Returns the durations, averaged over the parallel readers.
    ///
    /// # Errors
    /// [`EngineError::Call`] when a network fails.
    pub fn read(
        &mut self,
        faces: &[(Cut, FaceView)],
        budget: Duration,
        mut found: impl FnMut(usize, Expressions),
    ) -> Result<ReadingTime, EngineError> {
        let (started, next) = (Instant::now(), AtomicUsize::new(0));
        let cuts = &self.cuts;
        in_parallel(&mut self.workers, faces.len(), |worker| {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(&(Cut(start), view)) = faces.get(index) else { return Ok(()) };
                if index > 0 && started.elapsed() >= budget {
                    return Ok(());
                }
                let face = cuts.get(start..start + worker.reader.face_pixels()).unwrap_or_default();
                let expressions = worker.reader.read(face, view, &mut worker.time)?;
                worker.read.push((index, expressions));
            }
        })?;
        let mut time = ReadingTime::default();
        for worker in &mut self.workers {
            time.crop += worker.time.crop;
            time.network += worker.time.network;
            worker.read.drain(..).for_each(|(index, expressions)| found(index, expressions));
        }
        let used = self.workers.len().min(faces.len()).max(1) as u32;
        Ok(ReadingTime { crop: time.crop / used, network: time.network / used })
    }

    /// Reads a picture that is a single cropped face.
    ///
    /// # Errors
    /// [`EngineError::Call`].
    pub fn read_whole(&mut self, luma: Luma<'_>) -> Result<Expressions, EngineError> {
        // `new` makes at least one worker.
        match self.workers.first_mut() {
            Some(worker) => worker.reader.read_whole(luma),
            None => Ok(Expressions::UNKNOWN),
        }
    }

    /// Runs the networks as often as for `faces` faces, without filling their inputs.
    ///
    /// # Errors
    /// [`EngineError::Call`].
    pub fn run_bare(&mut self, faces: usize) -> Result<(), EngineError> {
        let next = AtomicUsize::new(0);
        in_parallel(&mut self.workers, faces, |worker| {
            while next.fetch_add(1, Ordering::Relaxed) < faces {
                worker.reader.run_bare()?;
            }
            Ok(())
        })
    }
}

/// Runs `work` on up to `tasks` workers in parallel, the first on this thread.
fn in_parallel(
    workers: &mut [Worker],
    tasks: usize,
    work: impl Fn(&mut Worker) -> Result<(), EngineError> + Sync,
) -> Result<(), EngineError> {
    for worker in workers.iter_mut() {
        worker.read.clear();
        worker.time = ReadingTime::default();
    }
    let used = workers.len().min(tasks);
    let Some((first, others)) = workers[..used].split_first_mut() else { return Ok(()) };
    std::thread::scope(|scope| {
        let others: Vec<_> = others.iter_mut().map(|worker| scope.spawn(|| work(worker))).collect();
        let mut result = work(first);
        for other in others {
            // Propagates a panic of a reader to the vision thread.
            result = result.and(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        result
    })
}
