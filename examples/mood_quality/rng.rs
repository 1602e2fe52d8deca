//! Reproducible random numbers (SplitMix64, Steele et al. 2014): the same seed gives the same numbers.

/// A generator with its state; the first state is the seed.
pub(super) struct Rng(pub(super) u64);

impl Rng {
    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in 0 to 1, both excluded.
    pub(super) fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Uniform integer in `0..end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        ((self.uniform() * end as f64) as usize).min(end - 1)
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Gamma-distributed with scale 1 (Marsaglia, Tsang 2000; below 1 by their boost).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.gamma(shape + 1.0) * self.uniform().powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        loop {
            let x = self.normal();
            let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Dirichlet-distributed shares; their sum is 1.
    pub(super) fn dirichlet(&mut self, alpha: &[f64; 7]) -> [f64; 7] {
        let gammas = alpha.map(|alpha| self.gamma(alpha));
        let sum: f64 = gammas.iter().sum();
        gammas.map(|gamma| gamma / sum)
    }

    /// Random index with the probabilities `shares`.
    pub(super) fn choose(&mut self, shares: &[f64; 7]) -> usize {
        let mut rest = self.uniform();
        for (index, share) in shares.iter().enumerate() {
            rest -= share;
            if rest < 0.0 {
                return index;
            }
        }
        6
    }
}
