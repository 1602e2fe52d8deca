//! Detects in a gallery view which tiles show another person: `Luma ──▶ grid of block means ──▶ comparison`.
//!
//! The whole area of a tile decides, with wall and shoulders, not the face: a person who moves changes a part of
//! the tile, a rearrangement changes most of it at once. Only the block means of one picture are kept; nobody can
//! be recognized from them.

use super::luma::Luma;
use moodring_camera::PixelBox;

/// Blocks along the picture's longer side: about ten along each tile of a gallery of 49.
const COLUMNS: usize = 72;
/// Sampled pixels of a block along each axis: enough to average out camera noise.
const SAMPLES: usize = 4;
/// A block has changed when its mean differs by more luma levels than this.
const CHANGED_LEVELS: i32 = 8;
/// An area shows another person when more than this share of its blocks has changed.
const CHANGED_SHARE: f32 = 0.55;
/// Compared area around a head: head widths to each side, head heights above the box and below it. Narrow enough to
/// lie within the tile, wide enough that a head leaning aside does not change most of it.
const REACH: (f32, f32, f32) = (0.9, 0.1, 0.6);

/// Compares each picture with the previous one.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Side of a block, in pixels.
    side: usize,
    columns: usize,
    previous: Vec<u8>,
    means: Vec<u8>,
}

impl Changes {
    /// Takes the next picture. A change of the picture size restarts the comparison.
    pub(super) fn update(&mut self, luma: Luma<'_>) {
        std::mem::swap(&mut self.previous, &mut self.means);
        let side = luma.width.max(luma.height).div_ceil(COLUMNS).max(1);
        let (columns, rows) = (luma.width / side, luma.height / side);
        if (side, columns) != (self.side, self.columns) {
            self.previous.clear();
        }
        (self.side, self.columns) = (side, columns);
        self.means.clear();
        for row in 0..rows {
            self.means.extend((0..columns).map(|column| mean(luma, (column * side, row * side), side)));
        }
    }

    /// Whether the area around the head in `bounds`, in pixels, differs from the previous picture. False when
    /// there is no comparable previous picture.
    pub(super) fn shows_another(&self, bounds: PixelBox) -> bool {
        if self.previous.len() != self.means.len() || self.columns == 0 {
            return false;
        }
        let PixelBox { x, y, width, height } = bounds;
        let rows = self.means.len() / self.columns;
        let block = |pixels: f32, end: usize| (pixels.max(0.0) as usize / self.side.max(1)).min(end);
        let columns =
            block(x - REACH.0 * width, self.columns)..block(x + (1.0 + REACH.0) * width, self.columns);
        let lines = block(y - REACH.1 * height, rows)..block(y + (1.0 + REACH.2) * height, rows);
        let (mut all, mut changed) = (0, 0);
        for line in lines {
            for column in columns.clone() {
                let at = line * self.columns + column;
                all += 1;
                changed += usize::from(
                    (i32::from(self.means[at]) - i32::from(self.previous[at])).abs() > CHANGED_LEVELS,
                );
            }
        }
        changed as f32 > CHANGED_SHARE * all as f32
    }
}

/// Mean of the sampled pixels of the block at (`left`, `top`).
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
    use moodring_camera::simulator::{Script, ScriptEvent, SimulatorSource};
    use moodring_config as config;
    use moodring_config::CameraView;

    fn update(changes: &mut Changes, size: (usize, usize), shade: impl Fn(usize, usize) -> u8) {
        let (width, height) = size;
        let pixels: Vec<u8> = (0..width * height).map(|at| shade(at % width, at / width)).collect();
        changes.update(Luma { width, height, stride: width, pixels: &pixels });
    }

    const HEAD: PixelBox = PixelBox { x: 300.0, y: 150.0, width: 50.0, height: 60.0 };

    #[test]
    fn leaning_aside_is_no_change_and_another_tile_is_one() {
        let mut changes = Changes::default();
        let tile = |wall: u8, head: usize| {
            move |x: usize, y: usize| {
                let in_head = (head..head + 50).contains(&x) && (150..210).contains(&y);
                if in_head { 130 } else { wall }
            }
        };
        assert!(!changes.shows_another(HEAD), "no picture yet");
        update(&mut changes, (640, 360), tile(90, 300));
        assert!(!changes.shows_another(HEAD), "no previous picture");
        update(&mut changes, (640, 360), tile(90, 325));
        assert!(!changes.shows_another(HEAD));
        update(&mut changes, (640, 360), tile(120, 300));
        assert!(changes.shows_another(HEAD));
        update(&mut changes, (1280, 720), tile(20, 300));
        assert!(!changes.shows_another(HEAD), "a picture of another size cannot be compared");
    }

    #[test]
    fn a_rearrangement_of_a_simulated_gallery_changes_all_tiles_and_nothing_else_does() {
        let beat = Duration::from_millis(500);
        for (people, event) in [
            (25, ScriptEvent::People(30)),
            (30, ScriptEvent::People(24)),
            (49, ScriptEvent::People(42)),
            (25, ScriptEvent::Slide(Duration::MAX)),
        ] {
            let config = config::Simulator { people, ..config::Simulator::default() };
            let script = Script::new(vec![(beat * 20, event)], None).unwrap();
            let source = SimulatorSource::new(&config).with_view(CameraView::Gallery).with_script(script);
            let mut scene = source.scene().unwrap();
            let mut changes = Changes::default();
            let mut luma = vec![0; scene.size().area()];
            for step in 0..=20 {
                let people_before = scene.truth(beat * step.max(1) - beat).people;
                scene.draw(beat * step, &mut luma);
                changes.update(Luma::new(scene.size(), scene.size().width as usize, &luma).unwrap());
                let other = people_before.iter().filter(|person| changes.shows_another(person.head)).count();
                if step < 20 {
                    assert_eq!(other, 0, "{people}, {event:?}, step {step}");
                } else {
                    assert!(other as f64 >= 0.9 * people_before.len() as f64, "{people}, {event:?}: {other}");
                }
            }
        }
    }

    #[test]
    fn boxes_outside_the_picture_and_tiny_pictures_are_handled() {
        let mut changes = Changes::default();
        for size in [(1, 1), (3, 2), (73, 5), (1, 1), (1, 1)] {
            update(&mut changes, size, |x, y| (x + y) as u8);
            for bounds in [HEAD, PixelBox { x: -900.0, ..HEAD }, PixelBox { x: f32::NAN, ..HEAD }] {
                assert!(!changes.shows_another(bounds));
            }
        }
    }
}
