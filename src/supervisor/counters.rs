//! What the parts count while they run; read by `/metrics` and by the line of counters in the log.

use std::sync::atomic::{AtomicU64, Ordering};

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
}
