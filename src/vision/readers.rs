//! Reading many faces within a time budget: `faces ──▶ several readers side by side ──▶ probabilities`.
//!
//! The network is too small to be shared by threads (two bring 1.25 times the rate), so each thread has a
//! network of its own and takes the next face that waits.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::engine::{Engine, EngineError};
use super::expression::{Reader, ReadingTime, View};
use super::luma::Luma;
use super::verdict::Appearance;
use super::{Expressions, PixelBox, VisionError};

/// One reader a thread.
pub struct Readers {
    workers: Vec<Worker>,
    /// The faces that were cut out of this picture, one after the other: looked at and read as they are.
    cuts: Vec<i8>,
}

/// A face that was cut out of the picture last begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut(usize);

struct Worker {
    reader: Reader,
    /// Which faces it read in this turn, and what it read.
    read: Vec<(usize, Expressions)>,
    time: ReadingTime,
}

impl Readers {
    /// Makes the network of the card at `card` ready to run, once for each of `threads`.
    ///
    /// # Errors
    /// When the card, its file or the engine is not what it must be.
    pub fn new(card: &Path, engine: &dyn Engine, threads: u32) -> Result<Self, VisionError> {
        let worker = |_| {
            let reader = Reader::new(card, engine, 1)?;
            Ok(Worker { reader, read: Vec::new(), time: ReadingTime::default() })
        };
        let workers = (0..threads.max(1)).map(worker).collect::<Result<_, VisionError>>()?;
        Ok(Self { workers, cuts: Vec::new() })
    }

    /// The expressions that readings take for granted.
    pub fn prior(&self) -> Expressions {
        self.workers.first().map_or(Expressions::UNKNOWN, |worker| worker.reader.prior())
    }

    /// Side of the square that is read, in units of the face's longer side.
    pub fn crop_scale(&self) -> f32 {
        self.workers.first().map_or(1.0, |worker| worker.reader.crop_scale())
    }

    /// Forgets the cuts of the last picture.
    pub fn begin(&mut self) {
        self.cuts.clear();
    }

    /// Cuts out the face within `bounds` and tells what can be said of it without reading it.
    pub fn cut(&mut self, luma: Luma<'_>, bounds: PixelBox) -> Option<(Cut, Appearance)> {
        let reader = &mut self.workers.first_mut()?.reader;
        let start = self.cuts.len();
        self.cuts.resize(start + reader.face_pixels(), 0);
        Some((Cut(start), reader.cut(luma, bounds, &mut self.cuts[start..])))
    }

    /// Reads `faces`, each from its view, in their order until `budget` is spent, but at least the first, and hands each to
    /// `found` with its index. Returns the time taken, averaged over the readers that work side by side.
    ///
    /// # Errors
    /// [`EngineError::Call`] when a network fails.
    pub fn read(
        &mut self,
        faces: &[(Cut, View)],
        budget: Duration,
        mut found: impl FnMut(usize, Expressions),
    ) -> Result<ReadingTime, EngineError> {
        let (started, next) = (Instant::now(), AtomicUsize::new(0));
        let cuts = &self.cuts;
        side_by_side(&mut self.workers, faces.len(), |worker| {
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

    /// Reads a picture that is one face already cut out.
    ///
    /// # Errors
    /// [`EngineError::Call`].
    pub fn read_whole(&mut self, luma: Luma<'_>) -> Result<Expressions, EngineError> {
        // There is at least one, see `new`.
        match self.workers.first_mut() {
            Some(worker) => worker.reader.read_whole(luma),
            None => Ok(Expressions::UNKNOWN),
        }
    }

    /// Runs the networks alone, as often as for so many faces.
    ///
    /// # Errors
    /// [`EngineError::Call`].
    pub fn run_bare(&mut self, faces: usize) -> Result<(), EngineError> {
        let next = AtomicUsize::new(0);
        side_by_side(&mut self.workers, faces, |worker| {
            while next.fetch_add(1, Ordering::Relaxed) < faces {
                worker.reader.run_bare()?;
            }
            Ok(())
        })
    }
}

/// Does `work` with as many workers as there is work for: one on this thread, the others on theirs.
fn side_by_side(
    workers: &mut [Worker],
    most: usize,
    work: impl Fn(&mut Worker) -> Result<(), EngineError> + Sync,
) -> Result<(), EngineError> {
    for worker in workers.iter_mut() {
        worker.read.clear();
        worker.time = ReadingTime::default();
    }
    let used = workers.len().min(most);
    let Some((first, others)) = workers[..used].split_first_mut() else { return Ok(()) };
    std::thread::scope(|scope| {
        let others: Vec<_> = others.iter_mut().map(|worker| scope.spawn(|| work(worker))).collect();
        let mut result = work(first);
        for other in others {
            // A panic in a reader is a panic of the vision thread, as if it had read the face itself.
            result = result.and(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        result
    })
}
