//! The inverse cosine transform of a block of 8x8 coefficients (T.81 section A.3.3).
//!
//! The integer algorithm of C. Loeffler, A. Ligtenberg and G. Moschytz (ICASSP 1989), as libjpeg's default: its error
//! is below one level. Eight lines are computed at once, which the compiler turns into SIMD instructions. Arithmetic
//! wraps, because the coefficients of damaged pictures may have any value.

use std::ops::{Add, Mul, Sub};

/// Fraction bits of the constants.
const FRACTION: u32 = 13;
/// Further fraction bits between the two passes.
const EXTRA: u32 = 2;

/// One value of each of eight lines.
#[derive(Clone, Copy)]
struct Lanes([i32; 8]);

impl Lanes {
    fn map(self, change: impl Fn(i32) -> i32) -> Self {
        Self(self.0.map(change))
    }
}

impl Add for Lanes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane].wrapping_add(other.0[lane])))
    }
}

impl Sub for Lanes {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|lane| self.0[lane].wrapping_sub(other.0[lane])))
    }
}

impl Mul<i32> for Lanes {
    type Output = Self;

    fn mul(self, factor: i32) -> Self {
        self.map(|value| value.wrapping_mul(factor))
    }
}

/// The 64 samples, 0 to 255, of a block of dequantized coefficients, both line by line.
pub(super) fn samples(coefficients: &[i32; 64]) -> [u8; 64] {
    if coefficients[1..].iter().all(|coefficient| *coefficient == 0) {
        // The mean, in eighths: most blocks of walls and ceilings.
        return [level(coefficients[0].wrapping_add(4) >> 3); 64];
    }
    let lines = std::array::from_fn(|line| Lanes(std::array::from_fn(|x| coefficients[8 * line + x])));
    let columns = transposed(pass(lines, FRACTION - EXTRA));
    let lines = transposed(pass(columns, FRACTION + EXTRA + 3));
    std::array::from_fn(|at| level(lines[at / 8].0[at % 8]))
}

fn level(sample: i32) -> u8 {
    sample.wrapping_add(128).clamp(0, 255) as u8
}

fn transposed(lines: [Lanes; 8]) -> [Lanes; 8] {
    std::array::from_fn(|line| Lanes(std::array::from_fn(|x| lines[x].0[line])))
}

/// The transform across the eight values, with a rounded shift to the right.
fn pass(values: [Lanes; 8], shift: u32) -> [Lanes; 8] {
    let [v0, v1, v2, v3, v4, v5, v6, v7] = values;
    let shared = (v2 + v6) * 4_433;
    let (even2, even3) = (shared - v6 * 15_137, shared + v2 * 6_270);
    let (even0, even1) = ((v0 + v4) * (1 << FRACTION), (v0 - v4) * (1 << FRACTION));
    let even = [even0 + even3, even1 + even2, even1 - even2, even0 - even3];

    let shared = (v7 + v3 + v5 + v1) * 9_633;
    let (a, b) = ((v7 + v1) * 7_373, (v5 + v3) * 20_995);
    let (c, d) = (shared - (v7 + v3) * 16_069, shared - (v5 + v1) * 3_196);
    let odd = [v1 * 12_299 - a + d, v3 * 25_172 - b + c, v5 * 16_819 - b + d, v7 * 2_446 - a + c];

    let round = |value: Lanes| value.map(|value| value.wrapping_add(1 << (shift - 1)) >> shift);
    std::array::from_fn(|at| round(if at < 4 { even[at] + odd[at] } else { even[7 - at] - odd[7 - at] }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// The definition of the transform.
    fn exact(coefficients: &[i32; 64], x: usize, y: usize) -> f64 {
        let cosine = |at: usize, frequency: usize| {
            let scale = if frequency == 0 { 0.5_f64.sqrt() } else { 1.0 };
            scale * ((2 * at + 1) as f64 * frequency as f64 * PI / 16.0).cos()
        };
        let terms = (0..64).map(|k| f64::from(coefficients[k]) * cosine(x, k % 8) * cosine(y, k / 8));
        terms.sum::<f64>() / 4.0 + 128.0
    }

    #[test]
    fn samples_are_those_of_the_definition() {
        for seed in 0..200_i32 {
            let spread = [3, 40, 300][seed as usize % 3];
            let mut coefficients: [i32; 64] = std::array::from_fn(|k| {
                (k as i32 + 1).wrapping_mul(7_919 * seed + 31) % spread / (1 + k as i32 / 4)
            });
            if seed % 5 == 0 {
                coefficients[1..].fill(0);
            }
            let found = samples(&coefficients);
            for (at, sample) in found.iter().enumerate() {
                let expected = exact(&coefficients, at % 8, at / 8).clamp(0.0, 255.0);
                assert!((f64::from(*sample) - expected).abs() < 1.0, "{seed}: {sample} for {expected}");
            }
        }
    }

    #[test]
    fn absurd_coefficients_do_not_panic() {
        samples(&[i32::MAX; 64]);
        samples(&std::array::from_fn(|k| if k % 2 == 0 { i32::MIN } else { i32::MAX }));
    }
}
