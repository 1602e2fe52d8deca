//! Heads of another scale: figures on posters, boxes and screens, told by their size alone.
//!
//! Heads of one room have sizes without great gaps: row after row a little smaller. A few that are all less
//! than a third as large as anybody else are printed: none of the 64,140 labelled heads that our detector
//! learned from and is measured on lies beyond such a gap (docs/decisions/second-look.md).

use super::heads::Head;

/// A gap: the next larger head is so many times as large.
const GAP: f32 = 3.0;

/// Of fewer people than this nobody knows which sizes are usual in the room.
const LEAST_PEOPLE: usize = 5;

/// Moves the heads that are figures from `heads` to `figures`; the order of the others stays.
///
/// Figures are at least [`GAP`] times smaller than everybody else, and fewer than they.
pub(super) fn tell_apart(heads: &mut Vec<Head>, figures: &mut Vec<Head>) {
    let Some(least) = least_size(heads) else { return };
    figures.extend(heads.iter().filter(|head| size(head) < least));
    heads.retain(|head| size(head) >= least);
}

/// The size of the smallest person, where there are smaller figures.
fn least_size(heads: &[Head]) -> Option<f32> {
    let mut sizes: Vec<f32> = heads.iter().map(size).collect();
    sizes.sort_unstable_by(f32::total_cmp);
    let gap = |index: &usize| sizes[*index] >= GAP * sizes[index - 1];
    // The widest minority below a gap: whatever lies under it is as far from the people as it.
    let first = (1..sizes.len()).rev().filter(|index| sizes.len() - index > *index).find(gap)?;
    (sizes.len() - first >= LEAST_PEOPLE).then(|| sizes[first])
}

/// The longer side of a head.
fn size(head: &Head) -> f32 {
    head.bounds.width.max(head.bounds.height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::PixelBox;

    fn apart(sizes: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let head = |&side: &f32| {
            let bounds = PixelBox { x: 0.0, y: 0.0, width: side / 2.0, height: side };
            Head { bounds, score: 0.9, face: bounds, face_score: 0.9 }
        };
        let (mut heads, mut figures) = (sizes.iter().map(head).collect(), Vec::new());
        tell_apart(&mut heads, &mut figures);
        (heads.iter().map(size).collect(), figures.iter().map(size).collect())
    }

    #[test]
    fn a_few_much_smaller_ones_are_figures() {
        let (people, figures) = apart(&[10.0, 52.0, 48.0, 11.0, 60.0, 12.0, 50.0, 44.0]);
        assert_eq!(people, [52.0, 48.0, 60.0, 50.0, 44.0]);
        assert_eq!(figures, [10.0, 11.0, 12.0]);
        // Also when the figures have different sizes.
        assert_eq!(apart(&[3.0, 10.0, 40.0, 41.0, 42.0, 43.0, 44.0]).1, [3.0, 10.0]);
    }

    #[test]
    fn rows_that_get_smaller_step_by_step_are_people() {
        let rows = [100.0, 80.0, 60.0, 40.0, 25.0, 15.0, 10.0, 100.0, 80.0];
        assert_eq!(apart(&rows).1, [0.0; 0]);
    }

    #[test]
    fn a_teacher_near_the_camera_does_not_make_figures_of_the_class() {
        assert_eq!(apart(&[200.0, 30.0, 31.0, 32.0, 33.0, 34.0]).1, [0.0; 0]);
        // As many small ones as large ones: nobody knows who is printed.
        assert_eq!(apart(&[10.0, 11.0, 12.0, 13.0, 14.0, 50.0, 51.0, 52.0, 53.0, 54.0]).1, [0.0; 0]);
        // Too few people.
        assert_eq!(apart(&[10.0, 50.0, 51.0, 52.0, 53.0]).1, [0.0; 0]);
        assert_eq!(apart(&[]).1, [0.0; 0]);
    }
}
