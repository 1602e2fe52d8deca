//! Setting of the class: a room with seats, or the gallery of a video call with tiles.

use super::canvas::Canvas;
use super::gallery::{self, Gallery, Layout};
use super::head::Appearance;
use super::room;
use super::seating::{Seat, Seating};
use crate::Size;
use moodring_config::CameraView;

/// Positions of all people, and the background.
pub(super) enum Setting {
    /// A room. Its seats do not move.
    Room(Seating),
    /// A gallery. All tiles move when a person joins or leaves.
    Gallery(Gallery),
}

impl Setting {
    /// Largest number of people that `view` can show.
    pub(super) const fn max_people(view: CameraView) -> usize {
        match view {
            CameraView::Room => 60,
            CameraView::Gallery => gallery::MAX_TILES,
        }
    }

    /// Positions for people who arrive in the order of `arrival` (rank of each seat).
    pub(super) fn new(view: CameraView, size: Size, seed: u64, arrival: &[usize]) -> Self {
        match view {
            CameraView::Room => Self::Room(Seating::new(arrival.len(), size)),
            CameraView::Gallery => Self::Gallery(Gallery::new(size, seed, arrival.to_vec())),
        }
    }

    /// Whether the person with the arrival rank `arrival`, from 0, is visible.
    pub(super) fn shows(&self, arrival: usize) -> bool {
        match self {
            Self::Room(_) => true,
            Self::Gallery(_) => gallery::camera_is_on(arrival),
        }
    }

    /// Position and head size of `seat`.
    pub(super) fn seat(&self, seat: usize, layout: Layout) -> Seat {
        match self {
            Self::Room(seating) => seating.seats[seat],
            Self::Gallery(gallery) => gallery.seat(seat, layout),
        }
    }

    /// Direction of the light on `seat`, left (-1) to right (1). `x` is the position of the seat in picture widths.
    pub(super) fn light(&self, seat: usize, x: f32) -> f32 {
        match self {
            Self::Room(_) => 0.2 - 0.9 * x,
            Self::Gallery(gallery) => gallery.light(seat),
        }
    }

    /// Draws the background, and the people up to their necks. `present` says for each seat whether it is taken.
    pub(super) fn draw(
        &self,
        size: Size,
        appearances: &[Appearance],
        present: &[bool],
        layout: Layout,
        seed: u64,
    ) -> Canvas {
        match self {
            Self::Room(seating) => room::draw(size, seating, appearances, present, seed),
            Self::Gallery(gallery) => gallery.draw(appearances, layout),
        }
    }
}
