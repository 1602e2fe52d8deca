//! The verification pass: a large head must also be detected at half the size.
//!
//! At the resolution that small heads need, a fist, a shoulder or a sleeve can have the outline of a large
//! head. At half the size the network sees the surroundings and rejects it, while a real head of this size is
//! still detected (docs/decisions/verification.md).

use super::heads::{Candidate, Head};
use super::tiles::Plan;
use moodring_camera::PixelBox;

/// Minimum size, in pixels of the scanned picture, of heads that are verified. At half the size they have 18
/// pixels, which the network detects well; smaller heads would be lost.
const LARGE_PX: f32 = 36.0;

/// Minimum score of candidates in the verification pass, 0..=1.
pub(super) const MIN_SCORE: f32 = 0.05;

/// Minimum intersection over union at which boxes of both passes are the same head. Below the common 0.5,
/// because boxes in the smaller picture are less exact.
const SAME_IOU: f32 = 0.4;

/// Whether a head with box `bounds`, in pixels of the frame, is large enough to be verified.
pub(super) fn is_large(bounds: PixelBox, first: &Plan) -> bool {
    let scale = first.scaled.width as f32 / first.frame.width as f32;
    bounds.width.max(bounds.height) * scale >= LARGE_PX
}

/// The score of `head` after the verification pass with the candidates `rescored`: the mean of both scores,
/// but never above the first.
///
/// A plain mean would raise doubtful large heads above the threshold, which is tuned for a single pass.
pub(super) fn score(head: &Head, rescored: &[Candidate]) -> f32 {
    let same = rescored.iter().filter(|other| other.head.bounds.iou(head.bounds) > SAME_IOU);
    let second = same.map(|other| other.head.score).fold(0.0, f32::max);
    head.score.min((head.score + second) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiles;
    use moodring_camera::Size;

    const INPUTS: [Size; 3] = [Size::new(640, 384), Size::new(672, 384), Size::new(1280, 736)];

    fn head(x: f32, size: f32, score: f32) -> Head {
        let bounds = PixelBox { x, y: 10.0, width: size, height: size };
        Head { bounds, score, face: bounds, face_score: 0.5 }
    }

    fn candidate(x: f32, size: f32, score: f32) -> Candidate {
        Candidate { head: head(x, size, score), cut: false, tile: 0 }
    }

    #[test]
    fn large_is_measured_in_pixels_of_the_scanned_picture() {
        let first = tiles::plan(Size::new(1920, 1080), &INPUTS, 1280).unwrap();
        assert!(is_large(head(0.0, 54.0, 0.9).bounds, &first));
        assert!(!is_large(head(0.0, 53.0, 0.9).bounds, &first));
    }

    #[test]
    fn an_unverified_head_loses_half_of_its_score_and_no_score_rises() {
        let seen = head(100.0, 40.0, 0.6);
        let elsewhere = candidate(300.0, 40.0, 0.9);
        assert_eq!(score(&seen, &[]), 0.3);
        assert_eq!(score(&seen, &[elsewhere]), 0.3);
        assert_eq!(score(&seen, &[elsewhere, candidate(104.0, 38.0, 0.4), candidate(101.0, 40.0, 0.2)]), 0.5);
        assert_eq!(score(&seen, &[candidate(100.0, 40.0, 0.9)]), 0.6);
    }
}
