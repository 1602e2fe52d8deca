//! Scale outliers: heads on posters, boxes and screens, recognized by their size alone.
//!
//! The sizes of heads in one room have no large gaps, because each row is slightly smaller than the one in
//! front. A few heads that are all less than a third as large as all others are printed figures. None of the
//! 64,140 labelled heads of the detector's training and test data lies beyond such a gap
//! (docs/decisions/verification.md).

use super::heads::Head;

/// Minimum ratio of two neighbouring sizes that is a gap.
const GAP_RATIO: f32 = 3.0;

/// With fewer people than this, the typical head sizes of the room are unknown.
const MIN_PEOPLE: usize = 5;

/// Moves scale outliers from `heads` to `outliers`; the order of the other heads does not change.
///
/// Outliers are at least [`GAP_RATIO`] times smaller than all other heads, and a minority.
pub(super) fn split_off(heads: &mut Vec<Head>, outliers: &mut Vec<Head>) {
    let Some(min_size) = min_person_size(heads) else { return };
    outliers.extend(heads.iter().filter(|head| size(head) < min_size));
    heads.retain(|head| size(head) >= min_size);
}

/// The size of the smallest person, if there are scale outliers.
fn min_person_size(heads: &[Head]) -> Option<f32> {
    let mut sizes: Vec<f32> = heads.iter().map(size).collect();
    sizes.sort_unstable_by(f32::total_cmp);
    let gap = |index: &usize| sizes[*index] >= GAP_RATIO * sizes[index - 1];
    // The largest minority below a gap: all smaller heads are at least as far from the people.
    let first = (1..sizes.len()).rev().filter(|index| sizes.len() - index > *index).find(gap)?;
    (sizes.len() - first >= MIN_PEOPLE).then(|| sizes[first])
}

/// The longer side of a head, in pixels of the frame.
fn size(head: &Head) -> f32 {
    head.bounds.width.max(head.bounds.height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use moodring_camera::PixelBox;

    fn split(sizes: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let head = |&side: &f32| {
            let bounds = PixelBox { x: 0.0, y: 0.0, width: side / 2.0, height: side };
            Head { bounds, score: 0.9, face: bounds, face_score: 0.9 }
        };
        let (mut heads, mut outliers) = (sizes.iter().map(head).collect(), Vec::new());
        split_off(&mut heads, &mut outliers);
        (heads.iter().map(size).collect(), outliers.iter().map(size).collect())
    }

    #[test]
    fn a_few_much_smaller_heads_are_outliers() {
        let (people, outliers) = split(&[10.0, 52.0, 48.0, 11.0, 60.0, 12.0, 50.0, 44.0]);
        assert_eq!(people, [52.0, 48.0, 60.0, 50.0, 44.0]);
        assert_eq!(outliers, [10.0, 11.0, 12.0]);
        // Also when the outliers have different sizes.
        assert_eq!(split(&[3.0, 10.0, 40.0, 41.0, 42.0, 43.0, 44.0]).1, [3.0, 10.0]);
    }

    #[test]
    fn gradually_smaller_rows_are_people() {
        let rows = [100.0, 80.0, 60.0, 40.0, 25.0, 15.0, 10.0, 100.0, 80.0];
        assert_eq!(split(&rows).1, [0.0; 0]);
    }

    #[test]
    fn a_large_teacher_does_not_make_the_class_outliers() {
        assert_eq!(split(&[200.0, 30.0, 31.0, 32.0, 33.0, 34.0]).1, [0.0; 0]);
        // As many small heads as large ones: undecidable.
        assert_eq!(split(&[10.0, 11.0, 12.0, 13.0, 14.0, 50.0, 51.0, 52.0, 53.0, 54.0]).1, [0.0; 0]);
        // Too few people.
        assert_eq!(split(&[10.0, 50.0, 51.0, 52.0, 53.0]).1, [0.0; 0]);
        assert_eq!(split(&[]).1, [0.0; 0]);
    }
}
