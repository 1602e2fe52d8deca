//! Which head belongs to which seat, so that the cost of all pairs together is least.
//!
//! Shortest augmenting paths (R. Jonker and A. Volgenant, Computing 38, 1987). An own implementation, because a
//! cycle must not take memory: those published allocate matrix and labels anew with every call.

/// Cost of a pair that is out of the question; far above any sum of real costs.
pub(super) const FORBIDDEN: f32 = 1e6;

const NONE: usize = usize::MAX;

/// Solves assignment problems; its memory is used again.
#[derive(Debug, Clone, Default)]
pub(super) struct Assignment {
    /// Dual variables, of rows and of columns.
    of_row: Vec<f64>,
    of_column: Vec<f64>,
    /// Which row has a column; `NONE` for a free one.
    row_of: Vec<usize>,
    /// Of each column: reduced length of the shortest path to it, the column before it, whether it is settled.
    shortest: Vec<f64>,
    before: Vec<usize>,
    settled: Vec<bool>,
}

impl Assignment {
    /// For each of `rows` the column it gets, or none: each column is given once at most, and the sum of the
    /// `costs` of the pairs (lines of `columns`) and of `alone` for each row without a column is least. A pair
    /// of cost [`FORBIDDEN`] is never made. Takes rows² · (rows + columns) steps at worst.
    pub(super) fn solve(
        &mut self,
        costs: &[f32],
        (rows, columns): (usize, usize),
        alone: f32,
        assigned: &mut Vec<Option<usize>>,
    ) {
        // Each row has a column of its own that stands for being alone; the last one is where paths begin.
        let total = columns + rows;
        self.of_row.clear();
        self.of_row.resize(rows, 0.0);
        self.of_column.clear();
        self.of_column.resize(total + 1, 0.0);
        self.row_of.clear();
        self.row_of.resize(total + 1, NONE);
        self.before.resize(total + 1, NONE);
        let cost = |row: usize, column: usize| match column.checked_sub(columns) {
            None => f64::from(costs[row * columns + column]),
            Some(own) if own == row => f64::from(alone),
            Some(_) => f64::from(FORBIDDEN),
        };
        for row in 0..rows {
            self.row_of[total] = row;
            let mut column = self.find_path(total, &cost);
            while column != total {
                let before = self.before[column];
                self.row_of[column] = self.row_of[before];
                column = before;
            }
        }
        assigned.clear();
        assigned.resize(rows, None);
        for (column, &row) in self.row_of[..columns].iter().enumerate() {
            if row != NONE && cost(row, column) < f64::from(FORBIDDEN) {
                assigned[row] = Some(column);
            }
        }
    }

    /// Finds the shortest path from the row at the column `root` to a free column, which it returns; the path
    /// leads back by `before`. There is one: each row's own column is never taken by another.
    fn find_path(&mut self, root: usize, cost: &impl Fn(usize, usize) -> f64) -> usize {
        let Self { of_row, of_column, row_of, shortest, before, settled } = self;
        shortest.clear();
        shortest.resize(root + 1, f64::INFINITY);
        settled.clear();
        settled.resize(root + 1, false);
        let mut column = root;
        while row_of[column] != NONE {
            settled[column] = true;
            let row = row_of[column];
            let (mut step, mut next) = (f64::INFINITY, root);
            for candidate in (0..root).filter(|&candidate| !settled[candidate]) {
                let through = cost(row, candidate) - of_row[row] - of_column[candidate];
                if through < shortest[candidate] {
                    shortest[candidate] = through;
                    before[candidate] = column;
                }
                if shortest[candidate] < step {
                    (step, next) = (shortest[candidate], candidate);
                }
            }
            for other in 0..=root {
                if settled[other] {
                    of_row[row_of[other]] += step;
                    of_column[other] -= step;
                } else {
                    shortest[other] -= step;
                }
            }
            column = next;
        }
        column
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn solve(costs: &[f32], shape: (usize, usize), alone: f32) -> Vec<Option<usize>> {
        let mut assigned = Vec::new();
        Assignment::default().solve(costs, shape, alone, &mut assigned);
        assigned
    }

    fn sum(costs: &[f32], columns: usize, alone: f32, assigned: &[Option<usize>]) -> f64 {
        let of = |(row, column): (usize, &Option<usize>)| column.map_or(alone, |c| costs[row * columns + c]);
        assigned.iter().enumerate().map(|pair| f64::from(of(pair))).sum()
    }

    /// The least sum, by trying everything.
    fn least(costs: &[f32], (rows, columns): (usize, usize), alone: f32, taken: u32) -> f64 {
        if rows == 0 {
            return 0.0;
        }
        let (row, others) = costs.split_at(columns);
        let mut best = f64::from(alone) + least(others, (rows - 1, columns), alone, taken);
        for column in (0..columns).filter(|column| taken & (1 << column) == 0 && row[*column] < FORBIDDEN) {
            let rest = least(others, (rows - 1, columns), alone, taken | 1 << column);
            best = best.min(f64::from(row[column]) + rest);
        }
        best
    }

    #[test]
    fn the_sum_counts_and_not_the_nearest_pair() {
        // Row 0 is nearest to column 0, but then row 1 would have to take the far one.
        assert_eq!(solve(&[0.0, 1.0, 0.5, 9.0], (2, 2), 20.0), [Some(1), Some(0)]);
        // Cheaper alone.
        assert_eq!(solve(&[0.0, 1.0, 0.5, 9.0], (2, 2), 0.4), [Some(0), None]);
        assert_eq!(solve(&[FORBIDDEN; 3], (1, 3), 5.0), [None]);
        assert_eq!(solve(&[], (2, 0), 5.0), [None, None]);
        assert_eq!(solve(&[], (0, 2), 5.0), []);
    }

    fn problem() -> impl Strategy<Value = (Vec<f32>, (usize, usize), f32)> {
        let pair = prop_oneof![4 => 0.0..10.0_f32, 1 => Just(FORBIDDEN)];
        (0_usize..6, 0_usize..6, 0.0..10.0_f32).prop_flat_map(move |(rows, columns, alone)| {
            (proptest::collection::vec(pair.clone(), rows * columns), Just((rows, columns)), Just(alone))
        })
    }

    proptest! {
        #[test]
        fn nothing_is_cheaper((costs, shape, alone) in problem()) {
            let assigned = solve(&costs, shape, alone);
            let mut given: Vec<usize> = assigned.iter().flatten().copied().collect();
            let pairs = given.len();
            given.sort_unstable();
            given.dedup();
            prop_assert_eq!(given.len(), pairs, "a column was given twice");
            let (found, best) = (sum(&costs, shape.1, alone, &assigned), least(&costs, shape, alone, 0));
            prop_assert!((found - best).abs() < 1e-4, "{} instead of {}", found, best);
        }

        #[test]
        fn the_order_of_rows_makes_no_difference((costs, (rows, columns), alone) in problem(), turn in 0_usize..6) {
            let straight = solve(&costs, (rows, columns), alone);
            let mut turned = costs;
            turned.rotate_left(if rows > 0 { turn % rows * columns } else { 0 });
            let mut found = solve(&turned, (rows, columns), alone);
            found.rotate_right(if rows > 0 { turn % rows } else { 0 });
            prop_assert_eq!(straight, found);
        }
    }
}
