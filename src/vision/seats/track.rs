//! Where one head is and where it may be next: an alpha-beta filter, and the cost of a head being this one.
//!
//! Lengths are in sizes of the head, because a head in front moves more pixels than one in the back row.

use std::time::{Duration, Instant};

use super::assignment::FORBIDDEN;
use super::belief::left;
use crate::vision::PixelBox;

/// How far a found box lies from the head, as a standard deviation: the jitter of the detector.
const JITTER: f32 = 0.12;
/// How far people move within a second, likewise; growing with the square root of time.
const WANDER_PER_S: f32 = 0.15;
/// But whoever sits comes back to the seat, and the neighbour's is a head and a half away.
const MOST_DEVIATION: f32 = 0.4;
/// Standard deviation of the logarithm of a head's size from one look to the next.
const SIZE_DEVIATION: f32 = 0.2;
/// A head farther away than this, or of a size that differs by more than this factor, is somebody else.
const MOST_DISTANCE: f32 = 0.8;
const MOST_GROWTH: f32 = 2.0;
/// What boxes that do not overlap cost more than boxes that are the same, in nats.
const APART: f32 = 1.0;
/// Gains of the filter: position and size, velocity. Low, because heads mostly move less than their boxes jitter.
const ALPHA: f32 = 0.7;
const BETA: f32 = 0.35;
/// A movement goes on for about this long: people lean and walk, they do not fly.
const PERSISTENCE_S: f32 = 1.0;
/// Over a longer time than this nothing can be said of the movement.
const MOTION_WITHIN: Duration = Duration::from_secs(3);

/// Who stays elsewhere for this long is half settled there.
const HOME_HALF_LIFE: Duration = Duration::from_secs(20);

/// A followed head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    centre: (f32, f32),
    /// Where it mostly was: the seat proper.
    home: (f32, f32),
    /// Pixels per second.
    velocity: (f32, f32),
    width: f32,
    height: f32,
    seen_at: Instant,
    /// Head widths per second between the last two looks; 0 when not known.
    pub(super) motion: f32,
}

impl Track {
    pub(super) fn new(bounds: PixelBox, at: Instant) -> Self {
        let PixelBox { width, height, .. } = bounds;
        let centre = bounds.centre();
        Self { centre, home: centre, velocity: (0.0, 0.0), width, height, seen_at: at, motion: 0.0 }
    }

    /// When the head was seen last.
    pub(super) fn seen_at(&self) -> Instant {
        self.seen_at
    }

    /// Where the head is, as far as it is known.
    pub(super) fn bounds(&self) -> PixelBox {
        self.around(self.centre)
    }

    fn around(&self, (x, y): (f32, f32)) -> PixelBox {
        let (width, height) = (self.width, self.height);
        PixelBox { x: x - width / 2.0, y: y - height / 2.0, width, height }
    }

    fn predicted(&self, at: Instant) -> (f32, f32) {
        let elapsed = at.saturating_duration_since(self.seen_at).as_secs_f32();
        let way = PERSISTENCE_S * (1.0 - (-elapsed / PERSISTENCE_S).exp());
        (self.centre.0 + self.velocity.0 * way, self.centre.1 + self.velocity.1 * way)
    }

    /// How unlikely it is that the head found in `bounds` at `at` is this one: a negative log-likelihood, in
    /// nats above that of a perfect match; [`FORBIDDEN`] when it is out of the question.
    pub(super) fn cost(&self, bounds: PixelBox, at: Instant) -> f32 {
        let size = |width: f32, height: f32| width.max(height).max(1.0);
        let (mine, other) = (size(self.width, self.height), size(bounds.width, bounds.height));
        let (x, y) = bounds.centre();
        let from = |place: (f32, f32)| (x - place.0).hypot(y - place.1);
        // Either where the head was going, or back on its seat: a moment's false alarm does not take a seat away.
        let predicted = self.predicted(at);
        let expected = if from(self.home) < from(predicted) { self.home } else { predicted };
        let distance = from(expected) / mine.max(other);
        let growth = (other / mine).ln().abs();
        // Written so that NaN is refused.
        if !(distance <= MOST_DISTANCE && growth <= MOST_GROWTH.ln()) {
            return FORBIDDEN;
        }
        let elapsed = at.saturating_duration_since(self.seen_at).as_secs_f32();
        let deviation = (JITTER + WANDER_PER_S * elapsed.sqrt()).min(MOST_DEVIATION);
        let moved = (distance / deviation).powi(2) / 2.0 + 2.0 * (deviation / JITTER).ln();
        let grown = (growth / SIZE_DEVIATION).powi(2) / 2.0;
        moved + grown + APART * (1.0 - self.around(expected).iou(bounds))
    }

    /// Takes in that the head was found in `bounds` at `at`.
    pub(super) fn see(&mut self, bounds: PixelBox, at: Instant) {
        let elapsed = at.saturating_duration_since(self.seen_at);
        let predicted = self.predicted(at);
        let (x, y) = bounds.centre();
        let residual = (x - predicted.0, y - predicted.1);
        let before = self.centre;
        self.centre = (predicted.0 + ALPHA * residual.0, predicted.1 + ALPHA * residual.1);
        self.width += ALPHA * (bounds.width - self.width);
        self.height += ALPHA * (bounds.height - self.height);
        let seconds = elapsed.as_secs_f32();
        if elapsed.is_zero() || elapsed > MOTION_WITHIN {
            (self.velocity, self.motion) = ((0.0, 0.0), 0.0);
        } else {
            let persists = (-seconds / PERSISTENCE_S).exp();
            let next = |velocity: f32, residual: f32| velocity * persists + BETA * residual / seconds;
            self.velocity = (next(self.velocity.0, residual.0), next(self.velocity.1, residual.1));
            let way = (self.centre.0 - before.0).hypot(self.centre.1 - before.1);
            self.motion = way / self.width.max(1.0) / seconds;
        }
        let settles = 1.0 - left(elapsed.min(MOTION_WITHIN), HOME_HALF_LIFE);
        self.home.0 += settles * (self.centre.0 - self.home.0);
        self.home.1 += settles * (self.centre.1 - self.home.1);
        self.seen_at = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(x: f32, y: f32) -> PixelBox {
        PixelBox { x, y, width: 40.0, height: 40.0 }
    }

    #[test]
    fn a_moving_head_is_expected_ahead_and_its_speed_is_told() {
        let start = Instant::now();
        let at = |step: u64| start + Duration::from_millis(500 * step);
        let mut track = Track::new(bounds(0.0, 0.0), start);
        (1..8).for_each(|step| track.see(bounds(10.0 * step as f32, 0.0), at(step)));
        // 20 pixels a second, half a head.
        assert!((track.motion - 0.5).abs() < 0.1, "{}", track.motion);
        assert!(track.cost(bounds(80.0, 0.0), at(8)) < track.cost(bounds(62.0, 0.0), at(8)));
        // A minute later nobody knows how it moved.
        track.see(bounds(75.0, 0.0), at(128));
        assert_eq!(track.motion, 0.0);
    }

    #[test]
    fn a_false_alarm_beside_a_hidden_head_does_not_take_its_seat_away() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut track = Track::new(bounds(0.0, 0.0), start);
        (1..60).for_each(|second| track.see(bounds(0.0, 0.0), at(second)));
        track.see(bounds(28.0, 0.0), at(62));
        assert!(track.cost(bounds(-5.0, 0.0), at(70)) < 5.0, "{}", track.cost(bounds(-5.0, 0.0), at(70)));
    }

    #[test]
    fn doubt_grows_with_time_but_not_to_the_neighbour() {
        let start = Instant::now();
        let track = Track::new(bounds(0.0, 0.0), start);
        let (soon, late) = (start + Duration::from_millis(500), start + Duration::from_secs(60));
        let (near, aside) = (bounds(2.0, 0.0), bounds(24.0, 0.0));
        assert!(track.cost(near, soon) < track.cost(aside, soon));
        assert!(track.cost(aside, late) < track.cost(aside, soon));
        assert_eq!(track.cost(bounds(60.0, 0.0), late), FORBIDDEN);
        let giant = PixelBox { x: -30.0, y: -30.0, width: 100.0, height: 100.0 };
        assert_eq!(track.cost(giant, soon), FORBIDDEN);
        let nowhere = PixelBox { x: f32::NAN, y: 0.0, width: 40.0, height: 40.0 };
        assert_eq!(track.cost(nowhere, soon), FORBIDDEN);
    }
}
