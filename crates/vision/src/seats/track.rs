//! Motion of one head: an alpha-beta filter, and the cost of assigning a detection to it.
//!
//! Lengths are relative to the size of the head, because a head in the front row moves more pixels than one at the
//! back.

use std::time::{Duration, Instant};

use super::assignment::FORBIDDEN;
use super::belief::decay;
use moodring_camera::PixelBox;

/// Standard deviation of a detected box around the head, in head sizes: the jitter of the detector.
const JITTER: f32 = 0.12;
/// Standard deviation of a person's movement after one second, in head sizes; grows with the square root of time.
const WANDER_PER_S: f32 = 0.15;
/// Maximum standard deviation, in head sizes: seated people return to their seat, and the neighbour is 1.5 heads away.
const MAX_DEVIATION: f32 = 0.4;
/// Standard deviation of the logarithm of a head's size between two detections.
const SIZE_DEVIATION: f32 = 0.2;
/// Maximum distance, in head sizes, and maximum ratio of sizes of the same head.
const MAX_DISTANCE: f32 = 0.8;
const MAX_GROWTH: f32 = 2.0;
/// Additional cost of boxes without overlap over identical boxes, in nats.
const NO_OVERLAP: f32 = 1.0;
/// Gains of the filter for position and size, and for velocity. Low, because heads mostly move less than boxes jitter.
const ALPHA: f32 = 0.7;
const BETA: f32 = 0.35;
/// Time constant of a movement, in seconds: people lean and walk, then stop.
const PERSISTENCE_S: f32 = 1.0;
/// Maximum time between detections from which a speed is computed.
const MOTION_WITHIN: Duration = Duration::from_secs(3);

/// Time after which the home position has moved half way to the current position.
const HOME_HALF_LIFE: Duration = Duration::from_secs(20);

/// A tracked head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    centre: (f32, f32),
    /// Slow average of the position: the seat itself.
    home: (f32, f32),
    /// In pixels per second.
    velocity: (f32, f32),
    width: f32,
    height: f32,
    seen_at: Instant,
    /// Speed between the last two detections, in head widths per second; 0 when unknown.
    pub(super) motion: f32,
}

impl Track {
    pub(super) fn new(bounds: PixelBox, at: Instant) -> Self {
        let PixelBox { width, height, .. } = bounds;
        let centre = bounds.centre();
        Self { centre, home: centre, velocity: (0.0, 0.0), width, height, seen_at: at, motion: 0.0 }
    }

    /// Time of the last detection.
    pub(super) fn seen_at(&self) -> Instant {
        self.seen_at
    }

    /// Estimated box of the head, in pixels of the frame.
    pub(super) fn bounds(&self) -> PixelBox {
        self.around(self.centre)
    }

    fn around(&self, (x, y): (f32, f32)) -> PixelBox {
        let (width, height) = (self.width, self.height);
        PixelBox { x: x - width / 2.0, y: y - height / 2.0, width, height }
    }

    fn predicted(&self, at: Instant) -> (f32, f32) {
        let elapsed = at.saturating_duration_since(self.seen_at).as_secs_f32();
        let displacement = PERSISTENCE_S * (1.0 - (-elapsed / PERSISTENCE_S).exp());
        (self.centre.0 + self.velocity.0 * displacement, self.centre.1 + self.velocity.1 * displacement)
    }

    /// Cost of assigning the head detected in `bounds` at time `at` to this track: a negative log-likelihood, in
    /// nats above that of a perfect match; [`FORBIDDEN`] when the match is impossible.
    pub(super) fn cost(&self, bounds: PixelBox, at: Instant) -> f32 {
        let size = |width: f32, height: f32| width.max(height).max(1.0);
        let (mine, other) = (size(self.width, self.height), size(bounds.width, bounds.height));
        let (x, y) = bounds.centre();
        let from = |place: (f32, f32)| (x - place.0).hypot(y - place.1);
        // Compared with the predicted position or with the seat, whichever is nearer, so that a brief false alarm
        // does not move the track off its seat.
        let predicted = self.predicted(at);
        let expected = if from(self.home) < from(predicted) { self.home } else { predicted };
        let distance = from(expected) / mine.max(other);
        let growth = (other / mine).ln().abs();
        // Negated so that NaN is rejected.
        if !(distance <= MAX_DISTANCE && growth <= MAX_GROWTH.ln()) {
            return FORBIDDEN;
        }
        let elapsed = at.saturating_duration_since(self.seen_at).as_secs_f32();
        let deviation = (JITTER + WANDER_PER_S * elapsed.sqrt()).min(MAX_DEVIATION);
        let moved = (distance / deviation).powi(2) / 2.0 + 2.0 * (deviation / JITTER).ln();
        let grown = (growth / SIZE_DEVIATION).powi(2) / 2.0;
        moved + grown + NO_OVERLAP * (1.0 - self.around(expected).iou(bounds))
    }

    /// Updates the track with a detection in `bounds` at time `at`.
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
            let displacement = (self.centre.0 - before.0).hypot(self.centre.1 - before.1);
            self.motion = displacement / self.width.max(1.0) / seconds;
        }
        let settles = 1.0 - decay(elapsed.min(MOTION_WITHIN), HOME_HALF_LIFE);
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
    fn a_moving_head_is_predicted_ahead_and_its_speed_is_measured() {
        let start = Instant::now();
        let at = |step: u64| start + Duration::from_millis(500 * step);
        let mut track = Track::new(bounds(0.0, 0.0), start);
        (1..8).for_each(|step| track.see(bounds(10.0 * step as f32, 0.0), at(step)));
        // 20 pixels per second are half a head width per second.
        assert!((track.motion - 0.5).abs() < 0.1, "{}", track.motion);
        assert!(track.cost(bounds(80.0, 0.0), at(8)) < track.cost(bounds(62.0, 0.0), at(8)));
        // After a minute without detections the speed is unknown.
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
    fn uncertainty_grows_with_time_but_excludes_the_neighbour() {
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
