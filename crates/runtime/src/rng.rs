//! Random numbers that need not be secret: reproducible ones for simulations, and jitter for retries.
//!
//! Keys and codes use `getrandom`, not this module.

use std::hash::{BuildHasher, RandomState};

/// A reproducible sequence (SplitMix64, Steele et al. 2014): the same seed gives the same numbers.
#[derive(Debug, Clone, Copy)]
pub struct Rng(u64);

impl Rng {
    /// The sequence for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// The sequence for `seed`, `topic` and `index`; independent of numbers drawn before.
    pub fn for_item(seed: u64, topic: u64, index: u64) -> Self {
        let mut rng = Self(seed ^ topic.wrapping_mul(0xd6e8_feb8_6659_fd93));
        rng.0 = rng.next_u64() ^ index.wrapping_mul(0xa076_1d64_78bd_642f);
        rng
    }

    /// Uniformly distributed in 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniformly distributed in `low..high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// As [`Rng::between`], in single precision.
    pub fn within(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.next_u64() >> 40) as f32 / (1u64 << 24) as f32)
    }

    /// True with the probability `share`.
    pub fn chance(&mut self, share: f32) -> bool {
        self.within(0.0, 1.0) < share
    }

    /// Approximately normal with mean 0 and deviation 1: the sum of 12 uniform numbers minus 6.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// As [`Rng::normal`], in single precision and clamped to ±1.8.
    pub fn clamped_normal(&mut self) -> f32 {
        let sum: f32 = (0..12).map(|_| self.within(0.0, 1.0)).sum();
        (sum - 6.0).clamp(-1.8, 1.8)
    }

    /// Shuffles in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = (self.next_u64() % (last as u64 + 1)) as usize;
            items.swap(last, other);
        }
    }
}

/// Uniformly distributed in 0 to 1, without 1. It uses the standard library's hash keys, which are random enough for
/// jitter.
pub fn random_share() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_matches_the_publication() {
        let mut rng = Rng::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn random_shares_cover_the_whole_range() {
        let draws: Vec<f64> = (0..1000).map(|_| random_share()).collect();
        let mean = draws.iter().sum::<f64>() / 1000.0;
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
