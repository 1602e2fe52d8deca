//! Linear algebra on 7×7 matrices for the prevalence estimation.

use super::Seven;

/// A 7×7 matrix as rows.
pub(super) type Matrix = [Seven; 7];

/// Minimum pivot of the Cholesky factorization; smaller pivots are raised to it.
const MIN_PIVOT: f64 = 1e-3;

/// Solves X · `symmetric` = `right` for X by Cholesky factorization of the positive definite matrix `symmetric`. Pivots
/// that rounding made non-positive are raised to [`MIN_PIVOT`].
pub(super) fn solve(right: &Matrix, symmetric: &Matrix) -> Matrix {
    let lower = cholesky(symmetric);
    right.map(|mut row| {
        for i in 0..7 {
            let known: f64 = (0..i).map(|k| lower[i][k] * row[k]).sum();
            row[i] = (row[i] - known) / lower[i][i];
        }
        for i in (0..7).rev() {
            let known: f64 = (i + 1..7).map(|k| lower[k][i] * row[k]).sum();
            row[i] = (row[i] - known) / lower[i][i];
        }
        row
    })
}

fn cholesky(symmetric: &Matrix) -> Matrix {
    let mut lower = [[0.0; 7]; 7];
    for i in 0..7 {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let remainder = symmetric[i][j] - known;
            lower[i][j] = if i == j { remainder.max(MIN_PIVOT).sqrt() } else { remainder / lower[j][j] };
        }
    }
    lower
}

/// Euclidean projection of `point` onto the simplex of shares (each in 0..=1, sum 1; Duchi et al. 2008).
pub(super) fn nearest_shares(point: &Seven) -> Seven {
    let mut sorted = *point;
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (mut sum, mut shift) = (0.0, 0.0);
    for (count, value) in sorted.iter().enumerate() {
        sum += value;
        let candidate = (sum - 1.0) / (count as f64 + 1.0);
        if *value > candidate {
            shift = candidate;
        }
    }
    point.map(|value| (value - shift).max(0.0))
}
