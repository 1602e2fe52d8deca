//! Assigns heads to seats with the minimum total cost.
//!
//! Shortest augmenting paths (R. Jonker and A. Volgenant, Computing 38, 1987). Implemented here because a cycle
//! must not allocate: published implementations allocate matrix and labels with each call.

/// Cost of an impossible pair; far above any sum of real costs.
pub(super) const FORBIDDEN: f32 = 1e6;

const NONE: usize = usize::MAX;

/// Solves assignment problems. Reuses its buffers.
#[derive(Debug, Clone, Default)]
pub(super) struct Assignment {
    /// Dual variables of rows and columns.
    of_row: Vec<f64>,
    of_column: Vec<f64>,
    /// Row of each column; `NONE` for a free column.
    row_of: Vec<usize>,
    /// For each column: reduced length of the shortest path, previous column on it, and whether it is final.
    shortest: Vec<f64>,
    before: Vec<usize>,
    settled: Vec<bool>,
}

impl Assignment {
    /// Assigns to each of `rows` a column or none, and each column to at most one row. Minimizes the sum of the
    /// `costs` of the pairs (row-major, `columns` per row) and of `unassigned_cost` for each row without a
    /// column. A pair of cost [`FORBIDDEN`] is never made. Takes at most rows² · (rows + columns) steps.
    pub(super) fn solve(
        &mut self,
        costs: &[f32],
        (rows, columns): (usize, usize),
        unassigned_cost: f32,
        assigned: &mut Vec<Option<usize>>,
    ) {
        // Each row has a column of its own that represents "unassigned". Paths start at the last column.
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
            Some(own) if own == row => f64::from(unassigned_cost),
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

    /// Finds the shortest path from the row at the column `root` to a free column and returns that column;
    /// `before` leads back along the path. A path exists, because no other row takes a row's own column.
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

    fn solve(costs: &[f32], shape: (usize, usize), unassigned_cost: f32) -> Vec<Option<usize>> {
        let mut assigned = Vec::new();
        Assignment::default().solve(costs, shape, unassigned_cost, &mut assigned);
        assigned
    }

    fn sum(costs: &[f32], columns: usize, unassigned_cost: f32, assigned: &[Option<usize>]) -> f64 {
        let of = |(row, column): (usize, &Option<usize>)| {
            column.map_or(unassigned_cost, |c| costs[row * columns + c])
        };
        assigned.iter().enumerate().map(|pair| f64::from(of(pair))).sum()
    }

    /// The minimum sum over all assignments.
    fn brute_force(costs: &[f32], (rows, columns): (usize, usize), unassigned_cost: f32, taken: u32) -> f64 {
        if rows == 0 {
            return 0.0;
        }
        let (row, others) = costs.split_at(columns);
        let mut best =
            f64::from(unassigned_cost) + brute_force(others, (rows - 1, columns), unassigned_cost, taken);
        for column in (0..columns).filter(|column| taken & (1 << column) == 0 && row[*column] < FORBIDDEN) {
            let rest = brute_force(others, (rows - 1, columns), unassigned_cost, taken | 1 << column);
            best = best.min(f64::from(row[column]) + rest);
        }
        best
    }

    #[test]
    fn the_total_cost_decides_and_not_the_nearest_pair() {
        // Row 0 is nearest to column 0, but then row 1 would have to take column 1 at a cost of 9.
        assert_eq!(solve(&[0.0, 1.0, 0.5, 9.0], (2, 2), 20.0), [Some(1), Some(0)]);
        // Cheaper without a column.
        assert_eq!(solve(&[0.0, 1.0, 0.5, 9.0], (2, 2), 0.4), [Some(0), None]);
        assert_eq!(solve(&[FORBIDDEN; 3], (1, 3), 5.0), [None]);
        assert_eq!(solve(&[], (2, 0), 5.0), [None, None]);
        assert_eq!(solve(&[], (0, 2), 5.0), []);
    }

    fn problem() -> impl Strategy<Value = (Vec<f32>, (usize, usize), f32)> {
        let pair = prop_oneof![4 => 0.0..10.0_f32, 1 => Just(FORBIDDEN)];
        (0_usize..6, 0_usize..6, 0.0..10.0_f32).prop_flat_map(move |(rows, columns, unassigned_cost)| {
            (
                proptest::collection::vec(pair.clone(), rows * columns),
                Just((rows, columns)),
                Just(unassigned_cost),
            )
        })
    }

    proptest! {
        #[test]
        fn the_cost_is_minimal((costs, shape, unassigned_cost) in problem()) {
            let assigned = solve(&costs, shape, unassigned_cost);
            let mut given: Vec<usize> = assigned.iter().flatten().copied().collect();
            let pairs = given.len();
            given.sort_unstable();
            given.dedup();
            prop_assert_eq!(given.len(), pairs, "a column was assigned twice");
            let found = sum(&costs, shape.1, unassigned_cost, &assigned);
            let best = brute_force(&costs, shape, unassigned_cost, 0);
            prop_assert!((found - best).abs() < 1e-4, "{} instead of {}", found, best);
        }

        #[test]
        fn the_result_is_independent_of_the_row_order(
            (costs, (rows, columns), unassigned_cost) in problem(), turn in 0_usize..6
        ) {
            let straight = solve(&costs, (rows, columns), unassigned_cost);
            let mut turned = costs;
            turned.rotate_left(if rows > 0 { turn % rows * columns } else { 0 });
            let mut found = solve(&turned, (rows, columns), unassigned_cost);
            found.rotate_right(if rows > 0 { turn % rows } else { 0 });
            prop_assert_eq!(straight, found);
        }
    }
}
