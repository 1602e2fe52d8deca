//! A second look at half the size: what is a head is one at either scale.
//!
//! Enlarged to where small heads are found, a fist, a shoulder or a sleeve can have the outline of a large
//! head. At half the size its surroundings tell what it is, while a real head of this size is still found
//! (docs/decisions/second-look.md).

use super::PixelBox;
use super::heads::{Candidate, Head};
use super::tiles::Plan;

/// Heads of at least so many pixels in the searched picture are looked at again. At half the size they have
/// 18, which the network finds well; smaller ones would be lost.
const LARGE_PX: f32 = 36.0;

/// At half the size places of a lower score say nothing.
pub(super) const LEAST_SCORE: f32 = 0.05;

/// Boxes of either look are the same head from this intersection over union on: below the usual half,
/// because the smaller picture is less exact.
const SAME_IOU: f32 = 0.4;

/// Whether a head at `bounds`, in pixels of the frame, is large enough to be found again.
pub(super) fn is_large(bounds: PixelBox, first: &Plan) -> bool {
    let scale = first.scaled.width as f32 / first.frame.width as f32;
    bounds.width.max(bounds.height) * scale >= LARGE_PX
}

/// The score of `head` after the second look, which found `again`: the mean of both, but never a higher one.
///
/// A plain mean would lift doubtful large heads over the threshold, which is made for one look.
pub(super) fn score(head: &Head, again: &[Candidate]) -> f32 {
    let same = again.iter().filter(|other| other.head.bounds.iou(head.bounds) > SAME_IOU);
    let second = same.map(|other| other.head.score).fold(0.0, f32::max);
    head.score.min((head.score + second) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::Size;
    use crate::vision::tiles;

    const INPUTS: [Size; 3] = [Size::new(640, 384), Size::new(672, 384), Size::new(1280, 736)];

    fn head(x: f32, size: f32, score: f32) -> Head {
        let bounds = PixelBox { x, y: 10.0, width: size, height: size };
        Head { bounds, score, face: bounds, face_score: 0.5 }
    }

    fn candidate(x: f32, size: f32, score: f32) -> Candidate {
        Candidate { head: head(x, size, score), cut: false, tile: 0 }
    }

    #[test]
    fn large_is_meant_in_pixels_of_the_searched_picture() {
        let first = tiles::plan(Size::new(1920, 1080), &INPUTS, 1280).unwrap();
        assert!(is_large(head(0.0, 54.0, 0.9).bounds, &first));
        assert!(!is_large(head(0.0, 53.0, 0.9).bounds, &first));
    }

    #[test]
    fn who_is_not_seen_again_loses_half_of_the_score_and_nobody_wins() {
        let seen = head(100.0, 40.0, 0.6);
        let elsewhere = candidate(300.0, 40.0, 0.9);
        assert_eq!(score(&seen, &[]), 0.3);
        assert_eq!(score(&seen, &[elsewhere]), 0.3);
        assert_eq!(score(&seen, &[elsewhere, candidate(104.0, 38.0, 0.4), candidate(101.0, 40.0, 0.2)]), 0.5);
        assert_eq!(score(&seen, &[candidate(100.0, 40.0, 0.9)]), 0.6);
    }
}
