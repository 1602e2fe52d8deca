//! Where the class is: a room with seats, or the gallery of a video call with tiles.

use super::canvas::Canvas;
use super::gallery::{self, Gallery, Layout};
use super::head::Looks;
use super::room;
use super::seating::{Seat, Seating};
use crate::camera::Size;
use crate::config::CameraView;

/// A place for everybody, and what is around them.
pub(super) enum Setting {
    /// Seats that stay where they are.
    Room(Seating),
    /// Tiles, all of which move when somebody comes or goes.
    Gallery(Gallery),
}

impl Setting {
    /// The most people that `view` can show.
    pub(super) const fn most_people(view: CameraView) -> usize {
        match view {
            CameraView::Room => 60,
            CameraView::Gallery => gallery::MOST_TILES,
        }
    }

    /// Places for those who arrive in the order of `arrival`.
    pub(super) fn new(view: CameraView, size: Size, seed: u64, arrival: &[usize]) -> Self {
        match view {
            CameraView::Room => Self::Room(Seating::new(arrival.len(), size)),
            CameraView::Gallery => Self::Gallery(Gallery::new(size, seed, arrival.to_vec())),
        }
    }

    /// Whether who arrived as number `arrival`, from 0 on, is to be seen at all.
    pub(super) fn shows(&self, arrival: usize) -> bool {
        match self {
            Self::Room(_) => true,
            Self::Gallery(_) => gallery::camera_is_on(arrival),
        }
    }

    /// Where `seat` is.
    pub(super) fn seat(&self, seat: usize, layout: Layout) -> Seat {
        match self {
            Self::Room(seating) => seating.seats[seat],
            Self::Gallery(gallery) => gallery.seat(seat, layout),
        }
    }

    /// From which side the light falls on `seat`, which is at `x` widths of the picture: left (-1) or right (1).
    pub(super) fn light(&self, seat: usize, x: f32) -> f32 {
        match self {
            Self::Room(_) => 0.2 - 0.9 * x,
            Self::Gallery(gallery) => gallery.light(seat),
        }
    }

    /// Everything that stands still, and the people of `present` up to their necks.
    pub(super) fn draw(
        &self,
        size: Size,
        looks: &[Looks],
        present: &[bool],
        layout: Layout,
        seed: u64,
    ) -> Canvas {
        match self {
            Self::Room(seating) => room::draw(size, seating, looks, present, seed),
            Self::Gallery(gallery) => gallery.draw(looks, layout),
        }
    }
}
