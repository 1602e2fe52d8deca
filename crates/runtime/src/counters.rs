//! Counters of the running parts; read by `/metrics`, the health payload and the line of counters in the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A number that only grows, shared by one writer and many readers.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The current number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters from camera to mood, all since the start. Each is written by the part that it describes.
#[derive(Debug, Default)]
pub struct Counters {
    /// Pictures taken from the camera.
    pub frames_captured: Counter,
    /// Pictures that were replaced by newer ones before they were read.
    pub frames_replaced: Counter,
    /// Number of times the camera failed.
    pub camera_losses: Counter,
    /// Pictures that could not be decoded.
    pub frames_broken: Counter,
    /// Cycles of vision: pictures that were processed completely.
    pub cycles: Counter,
    /// Heads found, summed over the cycles with at least `mood.min_people` people.
    pub heads_found: Counter,
    /// Faces whose expression was read, summed over the same cycles.
    pub faces_read: Counter,
    /// Observations dropped because the mood could not process them in time.
    pub observations_dropped: Counter,
    /// Moods sent to the outputs.
    pub moods: Counter,
    /// Time needed to process the newest picture with at least `mood.min_people` people: find heads, read faces.
    pub cycle_time: Newest<Duration>,
    /// What runs the networks; `None` before they are loaded.
    pub engine: Newest<EngineState>,
}

/// The newest value of something, shared by one writer and many readers.
#[derive(Debug)]
pub struct Newest<T>(Mutex<Option<T>>);

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Newest<T> {
    /// Replaces it.
    pub fn set(&self, state: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }

    /// The value that was set last; `None` before the first.
    pub fn get(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What runs the networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineState {
    /// The configured delegate: `none`, `gpu` or a library.
    pub delegate: String,
    /// Number of nodes in the graphs of all networks.
    pub nodes: u64,
    /// Number of these nodes that the delegate runs now.
    pub delegated: u64,
    /// Why the delegate is not used; `None` if it is used or none is configured.
    pub problem: Option<String>,
}
