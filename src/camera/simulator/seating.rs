//! Where everybody sits: rows that rise towards the back, in perspective.
//!
//! The number of rows is the one that leaves the heads of the last row largest, because the smallest head
//! decides what a detector can see.

use crate::camera::Size;

/// Each row is this much farther away than the one before it, in distances of the first row.
const ROW_DISTANCE: f32 = 0.17;
/// Head heights from one row to the next, in heads of the nearer row.
const ROW_STEP: f32 = 1.62;
/// Head heights from one neighbour to the next.
const NEIGHBOUR_STEP: f32 = 1.55;
/// Heads are at most this high, in heights of the picture.
const LARGEST_HEAD: f32 = 0.15;
const MOST_ROWS: usize = 7;

/// One seat.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    /// Row, 0 at the back: the order of drawing.
    pub(super) row: usize,
    /// Middle of the head of somebody who sits straight, in pixels.
    pub(super) x: f32,
    /// See `x`.
    pub(super) y: f32,
    /// Height of a head in pixels.
    pub(super) head: f32,
}

/// The seats of a class, back row first.
pub(super) struct Seating {
    /// At least as many as people were asked for; the order is that of drawing.
    pub(super) seats: Vec<Seat>,
    /// Of each row, back first: height of its heads' middle and of a head, in pixels.
    pub(super) rows: Vec<(f32, f32)>,
}

impl Seating {
    /// Seats for exactly `people` (1 to 60) in a picture of `size`.
    pub(super) fn new(people: usize, size: Size) -> Self {
        let mut best = (0.0, 1, 1.0);
        for rows in 1..=MOST_ROWS.min(people) {
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
        let room = height - front * rows_height(row_count);
        let mut y = height - front * 1.15 - room * 0.42;
        let (mut rows, mut seats) = (Vec::new(), Vec::new());
        let columns = people.div_ceil(row_count);
        for index in 0..row_count {
            let head = front * scale(index);
            rows.push((y, head));
            // The rows of the middle lose seats first, so the class stays symmetrical and no row is empty.
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

fn scale(row: usize) -> f32 {
    1.0 / (1.0 + row as f32 * ROW_DISTANCE)
}

/// Height that the rows take, in heads of the front row.
fn rows_height(rows: usize) -> f32 {
    1.15 + 1.0 + (0..rows - 1).map(|row| scale(row) * ROW_STEP).sum::<f32>()
}

/// Height of a head in the front row, so that everybody fits.
fn front_head(rows: usize, columns: usize, size: Size) -> f32 {
    let wide = size.width as f32 * 0.94 / (columns as f32 * NEIGHBOUR_STEP);
    let high = size.height as f32 * 0.86 / rows_height(rows);
    wide.min(high).min(size.height as f32 * LARGEST_HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_sits_within_the_picture_and_nobody_behind_another() {
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
