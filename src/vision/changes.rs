//! What of a gallery changed from one picture to the next: `Luma ──▶ grid of means ──▶ which places show another`.
//!
//! Its one decision: that a tile shows somebody else is told by its whole area, wall and shoulders, and not by the face.
//! Who moves changes a part of the tile; a rearrangement changes most of it at once. Only means over blocks
//! are kept, of one picture, from which nobody can be known.

use super::PixelBox;
use super::luma::Luma;

/// Blocks along the picture's longer side: about ten along a tile of 49.
const COLUMNS: usize = 72;
/// Pixels of a block that are looked at, along each axis: enough that the noise of a camera averages out.
const SAMPLES: usize = 4;
/// A block whose mean changed by more levels than this is another.
const OTHER_LEVELS: i32 = 8;
/// A place of whose blocks a larger share is another shows somebody else.
const OTHER_SHARE: f32 = 0.55;
/// Of a head, how far the area reaches that is compared: widths to each side, heights above its top and below its chin.
/// Narrow enough to lie within the tile, wide enough that a head that leans aside does not change most of it.
const REACH: (f32, f32, f32) = (0.9, 0.1, 0.6);

/// Compares each picture with the one before.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Pixels of a block's side.
    side: usize,
    columns: usize,
    before: Vec<u8>,
    means: Vec<u8>,
}

impl Changes {
    /// Takes in the next picture. Comparing begins anew where its size is another.
    pub(super) fn look(&mut self, luma: Luma<'_>) {
        std::mem::swap(&mut self.before, &mut self.means);
        let side = luma.width.max(luma.height).div_ceil(COLUMNS).max(1);
        let (columns, rows) = (luma.width / side, luma.height / side);
        if (side, columns) != (self.side, self.columns) {
            self.before.clear();
        }
        (self.side, self.columns) = (side, columns);
        self.means.clear();
        for row in 0..rows {
            self.means.extend((0..columns).map(|column| mean(luma, (column * side, row * side), side)));
        }
    }

    /// Whether the place around the head in `bounds` shows something else than in the picture before.
    pub(super) fn is_other(&self, bounds: PixelBox) -> bool {
        if self.before.len() != self.means.len() || self.columns == 0 {
            return false;
        }
        let PixelBox { x, y, width, height } = bounds;
        let rows = self.means.len() / self.columns;
        let block = |pixels: f32, most: usize| (pixels.max(0.0) as usize / self.side.max(1)).min(most);
        let columns =
            block(x - REACH.0 * width, self.columns)..block(x + (1.0 + REACH.0) * width, self.columns);
        let lines = block(y - REACH.1 * height, rows)..block(y + (1.0 + REACH.2) * height, rows);
        let (mut all, mut other) = (0, 0);
        for line in lines {
            for column in columns.clone() {
                let at = line * self.columns + column;
                all += 1;
                other += usize::from(
                    (i32::from(self.means[at]) - i32::from(self.before[at])).abs() > OTHER_LEVELS,
                );
            }
        }
        other as f32 > OTHER_SHARE * all as f32
    }
}

/// Mean of some pixels of the block at (`left`, `top`).
fn mean(luma: Luma<'_>, (left, top): (usize, usize), side: usize) -> u8 {
    let step = side.div_ceil(SAMPLES).max(1);
    let (mut sum, mut count) = (0_u32, 0_u32);
    for y in (top..top + side).step_by(step) {
        for pixel in luma.line(y)[left..left + side].iter().step_by(step) {
            sum += u32::from(*pixel);
            count += 1;
        }
    }
    (sum / count.max(1)) as u8
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::camera::simulator::{Event, Script, SimulatorSource};
    use crate::config::{self, CameraView};

    fn look(changes: &mut Changes, size: (usize, usize), shade: impl Fn(usize, usize) -> u8) {
        let (width, height) = size;
        let pixels: Vec<u8> = (0..width * height).map(|at| shade(at % width, at / width)).collect();
        changes.look(Luma { width, height, stride: width, pixels: &pixels });
    }

    const HEAD: PixelBox = PixelBox { x: 300.0, y: 150.0, width: 50.0, height: 60.0 };

    #[test]
    fn who_leans_aside_is_the_same_and_another_tile_is_another() {
        let mut changes = Changes::default();
        let tile = |wall: u8, head: usize| {
            move |x: usize, y: usize| {
                let in_head = (head..head + 50).contains(&x) && (150..210).contains(&y);
                if in_head { 130 } else { wall }
            }
        };
        assert!(!changes.is_other(HEAD), "nothing was seen yet");
        look(&mut changes, (640, 360), tile(90, 300));
        assert!(!changes.is_other(HEAD), "there is nothing to compare with");
        look(&mut changes, (640, 360), tile(90, 325));
        assert!(!changes.is_other(HEAD));
        look(&mut changes, (640, 360), tile(120, 300));
        assert!(changes.is_other(HEAD));
        look(&mut changes, (1280, 720), tile(20, 300));
        assert!(!changes.is_other(HEAD), "a picture of another size cannot be compared");
    }

    #[test]
    fn of_a_simulated_gallery_all_places_are_others_after_a_rearrangement_and_none_before() {
        let beat = Duration::from_millis(500);
        for (people, event) in [
            (25, Event::People(30)),
            (30, Event::People(24)),
            (49, Event::People(42)),
            (25, Event::Slide(Duration::MAX)),
        ] {
            let config = config::Simulator { people, ..config::Simulator::default() };
            let script = Script::new(vec![(beat * 20, event)], None).unwrap();
            let source = SimulatorSource::new(&config).with_view(CameraView::Gallery).with_script(script);
            let mut scene = source.scene().unwrap();
            let mut changes = Changes::default();
            let mut luma = vec![0; scene.size().area()];
            for step in 0..=20 {
                let before = scene.truth(beat * step.max(1) - beat).people;
                scene.draw(beat * step, &mut luma);
                changes.look(Luma::new(scene.size(), scene.size().width as usize, &luma).unwrap());
                let other = before.iter().filter(|person| changes.is_other(person.head)).count();
                if step < 20 {
                    assert_eq!(other, 0, "{people}, {event:?}, step {step}");
                } else {
                    assert!(other as f64 >= 0.9 * before.len() as f64, "{people}, {event:?}: {other}");
                }
            }
        }
    }

    #[test]
    fn places_beyond_the_picture_and_tiny_pictures_are_no_trouble() {
        let mut changes = Changes::default();
        for size in [(1, 1), (3, 2), (73, 5), (1, 1), (1, 1)] {
            look(&mut changes, size, |x, y| (x + y) as u8);
            for bounds in [HEAD, PixelBox { x: -900.0, ..HEAD }, PixelBox { x: f32::NAN, ..HEAD }] {
                assert!(!changes.is_other(bounds));
            }
        }
    }
}
