//! What the parts count while they run; read by `/metrics` and by the line of counters in the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A number that only grows, shared by one writer and many readers.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of the way from camera to mood, each written by the part it is about.
#[derive(Debug, Default)]
pub struct Counters {
    /// Pictures taken from the camera.
    pub frames_captured: Count,
    /// Pictures that were replaced by newer ones before they were read.
    pub frames_replaced: Count,
    /// Times the camera was lost.
    pub camera_losses: Count,
    /// Pictures that could not be read.
    pub frames_broken: Count,
    /// Cycles of vision: pictures that were read to the end.
    pub cycles: Count,
    /// Heads found, summed over all cycles.
    pub heads_found: Count,
    /// Faces whose expression was read, summed over all cycles.
    pub faces_read: Count,
    /// Observations that the mood could not take in time.
    pub observations_dropped: Count,
    /// Moods handed to the outputs.
    pub moods: Count,
    /// How long it took to read the newest picture: heads found, faces read.
    pub cycle_time: Told<Duration>,
    /// What runs the networks; none before they are ready.
    pub engine: Told<EngineState>,
}

/// What a part says of itself, replaced as a whole whenever it changes.
#[derive(Debug)]
pub struct Told<T>(Mutex<Option<T>>);

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Told<T> {
    /// Says it anew.
    pub fn tell(&self, state: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }

    /// What was said last.
    pub fn get(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What runs the networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineState {
    /// The delegate that is wanted: `none`, `gpu` or a library.
    pub delegate: String,
    /// Nodes of the graphs of all networks.
    pub nodes: u64,
    /// Those of them that the delegate runs now.
    pub delegated: u64,
    /// Why the delegate is not used, or not any more.
    pub problem: Option<String>,
}
