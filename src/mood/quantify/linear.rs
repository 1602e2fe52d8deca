//! Linear algebra of seven by seven, as little of it as prevalence estimation needs.

use super::Seven;

/// Rows of seven.
pub(super) type Matrix = [Seven; 7];

/// Smallest pivot of a symmetric matrix that should be positive; smaller ones are raised to it.
const LEAST_PIVOT: f64 = 1e-3;

/// X of X `symmetric` = `right` for a positive definite matrix (Cholesky), row by row. Directions in which it is
/// not positive, which rounding can bring about, are taken as barely so.
pub(super) fn divide(right: &Matrix, symmetric: &Matrix) -> Matrix {
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
            let rest = symmetric[i][j] - known;
            lower[i][j] = if i == j { rest.max(LEAST_PIVOT).sqrt() } else { rest / lower[j][j] };
        }
    }
    lower
}

/// The shares (each in 0..=1, together 1) that are nearest to `point` (Duchi et al. 2008).
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
