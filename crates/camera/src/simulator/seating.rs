//! Seats of the class: rows that rise towards the back, in perspective.
//!
//! The number of rows is chosen so that the heads of the last row are as large as possible, because the smallest head
//! limits what a detector can find.

use crate::Size;

/// Distance from one row to the next, in distances of the first row from the camera.
const ROW_DISTANCE: f32 = 0.17;
/// Vertical step from one row to the next, in head heights of the nearer row.
const ROW_STEP: f32 = 1.62;
/// Horizontal step from one neighbour to the next, in head heights.
const NEIGHBOUR_STEP: f32 = 1.55;
/// Largest height of a head, in heights of the picture.
const LARGEST_HEAD: f32 = 0.15;
const MAX_ROWS: usize = 7;

/// One seat.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    /// Row, 0 at the back. Rows are drawn in this order.
    pub(super) row: usize,
    /// Horizontal centre of the head in pixels, for a person who sits straight.
    pub(super) x: f32,
    /// Vertical centre of the head in pixels.
    pub(super) y: f32,
    /// Height of a head in pixels.
    pub(super) head: f32,
}

/// The seats of a class, back row first.
pub(super) struct Seating {
    /// One seat for each person, in the order of drawing.
    pub(super) seats: Vec<Seat>,
    /// For each row, back row first: vertical centre of its heads and height of a head, in pixels.
    pub(super) rows: Vec<(f32, f32)>,
}

impl Seating {
    /// Seats for exactly `people` (1 to 60) in a picture of `size`.
    pub(super) fn new(people: usize, size: Size) -> Self {
        let mut best = (0.0, 1, 1.0);
        for rows in 1..=MAX_ROWS.min(people) {
            let front = front_head(rows, people.div_ceil(rows), size);
            let last = front * scale(rows - 1);
            if last > best.0 * 1.02 {
                best = (last, rows, front);
            }
        }
        let (_, rows, front) = best;
        Self::arrange(people, rows, front, size)
    }

    fn arrange(people: usize, row_count: usize, front: f32, size: Size) -> Self {
        let (width, height) = (size.width as f32, size.height as f32);
        let free = height - front * rows_height(row_count);
        let mut y = height - front * 1.15 - free * 0.42;
        let (mut rows, mut seats) = (Vec::new(), Vec::new());
        let columns = people.div_ceil(row_count);
        for index in 0..row_count {
            let head = front * scale(index);
            rows.push((y, head));
            // Rows differ by at most one seat, so that no row is empty.
            let in_row = people / row_count + usize::from(row_count - 1 - index < people % row_count);
            let step =
                (head * NEIGHBOUR_STEP).max(width * 0.8 * scale(index) / columns as f32).min(head * 2.6);
            let shift = if index % 2 == 1 && in_row == columns { 0.25 } else { 0.0 };
            for place in 0..in_row {
                let x = width / 2.0 + (place as f32 - (in_row as f32 - 1.0) / 2.0 + shift) * step;
                seats.push(Seat { row: row_count - 1 - index, x, y, head });
            }
            y -= head * ROW_STEP;
        }
        seats.reverse();
        rows.reverse();
        Self { seats, rows }
    }
}

/// Size of row `row` (0 in front) relative to the front row.
fn scale(row: usize) -> f32 {
    1.0 / (1.0 + row as f32 * ROW_DISTANCE)
}

/// Height of all rows together, in head heights of the front row.
fn rows_height(rows: usize) -> f32 {
    1.15 + 1.0 + (0..rows - 1).map(|row| scale(row) * ROW_STEP).sum::<f32>()
}

/// Largest height in pixels of a head in the front row with which all people fit into the picture.
fn front_head(rows: usize, columns: usize, size: Size) -> f32 {
    let wide = size.width as f32 * 0.94 / (columns as f32 * NEIGHBOUR_STEP);
    let high = size.height as f32 * 0.86 / rows_height(rows);
    wide.min(high).min(size.height as f32 * LARGEST_HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_heads_are_inside_the_picture_and_apart() {
        for size in [Size::new(320, 240), Size::new(640, 480), Size::new(1280, 720), Size::new(1920, 1080)] {
            for people in 1..=60 {
                let seats = Seating::new(people, size).seats;
                assert_eq!(seats.len(), people);
                for (index, seat) in seats.iter().enumerate() {
                    assert!(seat.x - seat.head * 0.5 > 0.0 && seat.x + seat.head * 0.5 < size.width as f32);
                    assert!(seat.y - seat.head * 0.6 > 0.0 && seat.y + seat.head * 0.6 < size.height as f32);
                    for other in &seats[..index] {
                        let apart = ((seat.x - other.x) / seat.head).abs() > 0.95
                            || (seat.y - other.y).abs() / seat.head > 0.95;
                        assert!(apart, "{people} at {size}: {seat:?} {other:?}");
                        assert!(other.row <= seat.row && other.head <= seat.head);
                    }
                }
            }
        }
    }
}
