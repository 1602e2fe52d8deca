//! Reproducible chance: numbers that depend on a seed and a place in a row only, never on call order.
//!
//! The scene is a pure function of class and time, so nothing here keeps state between frames.

/// A row of reproducible numbers (SplitMix64, Steele et al. 2014).
#[derive(Debug, Clone, Copy)]
pub(super) struct Dice(u64);

impl Dice {
    /// The row that belongs to `seed`, `topic` and `index`.
    pub(super) fn new(seed: u64, topic: u64, index: u64) -> Self {
        let mut dice = Self(seed ^ topic.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        dice.0 = dice.next() ^ index.wrapping_mul(0xA076_1D64_78BD_642F);
        dice
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly within `low..high`.
    pub(super) fn within(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.next() >> 40) as f32 / (1u64 << 24) as f32)
    }

    /// True once in `1 / share` times.
    pub(super) fn chance(&mut self, share: f32) -> bool {
        self.within(0.0, 1.0) < share
    }

    /// Normally distributed with deviation 1, cut at ±1.8 (sum of 12 even numbers).
    pub(super) fn normal(&mut self) -> f32 {
        let sum: f32 = (0..12).map(|_| self.within(0.0, 1.0)).sum();
        (sum - 6.0).clamp(-1.8, 1.8)
    }

    /// Shuffles in place (Fisher and Yates).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = (self.next() % (last as u64 + 1)) as usize;
            items.swap(last, other);
        }
    }
}
