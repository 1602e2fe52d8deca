//! How a picture is laid over the detector's fixed input sizes.
//!
//! A picture is brought to the width at which it is to be searched, also a smaller one, because small heads
//! are found better when they are larger. One that then fits an input is padded; a larger one is covered by a
//! grid of overlapping tiles, as few and as small as possible, because the network's time grows with its
//! area. [`plan`] is a pure function of sizes; a [`Tile`] knows the way back to pixels of the frame.

use super::PixelBox;
use crate::camera::Size;

/// Tiles share at least this many pixels with their neighbour, so that a head of up to this size (in the
/// scaled picture) lies whole in one of them. Larger heads are put together by the merge of the detections.
pub const MIN_OVERLAP: u32 = 64;

/// A picture is enlarged at most so many times: beyond that it shows nothing new, and its large heads and
/// textures leave the range that the network was trained on (docs/models.md).
pub const MAX_ENLARGEMENT: f64 = 1.5;

/// A box closer than this many pixels to an edge where its tile was cut off may be part of a head only.
const CUT_MARGIN: f32 = 2.0;

/// Where one run of the network looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Left edge in the scaled picture.
    pub x: u32,
    /// Top edge in the scaled picture.
    pub y: u32,
    /// The part of the network's input that is filled with the picture; the rest is padding.
    pub size: Size,
    /// Whether the scaled picture goes on beyond the left, top, right and bottom edge.
    pub goes_on: [bool; 4],
}

impl Tile {
    /// Whether `bounds`, in pixels of the network's input, touch an edge beyond which the picture goes on.
    pub fn cuts(&self, bounds: PixelBox) -> bool {
        let PixelBox { x, y, width, height } = bounds;
        let distances = [x, y, self.size.width as f32 - (x + width), self.size.height as f32 - (y + height)];
        self.goes_on.iter().zip(distances).any(|(goes_on, distance)| *goes_on && distance < CUT_MARGIN)
    }
}

/// How a picture of one size is searched.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Size of the picture.
    pub frame: Size,
    /// Size to which the picture is brought first.
    pub scaled: Size,
    /// Which of the given input sizes is used.
    pub input: usize,
    /// The grid of tiles, line by line.
    pub tiles: Vec<Tile>,
}

impl Plan {
    /// A box in pixels of the network's input brought back to pixels of the frame.
    pub fn to_frame(&self, tile: &Tile, bounds: PixelBox) -> PixelBox {
        let across = self.frame.width as f32 / self.scaled.width as f32;
        let down = self.frame.height as f32 / self.scaled.height as f32;
        PixelBox {
            x: (bounds.x + tile.x as f32) * across,
            y: (bounds.y + tile.y as f32) * down,
            width: bounds.width * across,
            height: bounds.height * down,
        }
    }
}

/// Lays a picture of `frame` pixels, neither side 0, over networks with the input sizes `inputs`.
///
/// The picture is scaled until its longer side is `detection_width`, but enlarged at most
/// [`MAX_ENLARGEMENT`] times. Of the inputs that the grid could be made of the one is taken whose tiles have
/// the smallest area together. None only without inputs, or when all are too small to overlap.
pub fn plan(frame: Size, inputs: &[Size], detection_width: u32) -> Option<Plan> {
    lay(frame, scale(frame, detection_width), inputs)
}

/// Lays the picture of `first` over networks at half of the size at which `first` does.
pub fn plan_half(first: &Plan, inputs: &[Size]) -> Option<Plan> {
    let Size { width, height } = first.scaled;
    lay(first.frame, Size::new((width / 2).max(1), (height / 2).max(1)), inputs)
}

/// Lays a picture of `frame` pixels that is brought to `scaled` pixels over networks.
fn lay(frame: Size, scaled: Size, inputs: &[Size]) -> Option<Plan> {
    let cost = |input: &Size| {
        let across = count(scaled.width, input.width)?;
        let down = count(scaled.height, input.height)?;
        Some(u64::from(across) * u64::from(down) * input.area() as u64)
    };
    let costs = inputs.iter().enumerate().filter_map(|(index, input)| Some((cost(input)?, index)));
    let (_, index) = costs.min()?;
    let (columns, rows) =
        (spans(scaled.width, inputs[index].width)?, spans(scaled.height, inputs[index].height)?);
    let mut tiles = Vec::with_capacity(columns.len() * rows.len());
    for &(y, height) in &rows {
        for &(x, width) in &columns {
            let goes_on = [x > 0, y > 0, x + width < scaled.width, y + height < scaled.height];
            tiles.push(Tile { x, y, size: Size::new(width, height), goes_on });
        }
    }
    Some(Plan { frame, scaled, input: index, tiles })
}

/// `frame` scaled so that its longer side is `longest`, or as near as [`MAX_ENLARGEMENT`] allows; no side
/// becomes 0.
fn scale(frame: Size, longest: u32) -> Size {
    let longer = frame.width.max(frame.height);
    let factor = (f64::from(longest) / f64::from(longer)).min(MAX_ENLARGEMENT);
    let side = |side: u32| ((f64::from(side) * factor).round() as u32).clamp(1, longest);
    Size::new(side(frame.width), side(frame.height))
}

/// How many inputs of length `input` cover `length` with the least overlap.
fn count(length: u32, input: u32) -> Option<u32> {
    if length <= input {
        return (input > 0).then_some(1);
    }
    let step = input.checked_sub(MIN_OVERLAP).filter(|step| *step > 0)?;
    Some((length - input).div_ceil(step) + 1)
}

/// Start and length of each tile along one side, spread evenly from edge to edge.
fn spans(length: u32, input: u32) -> Option<Vec<(u32, u32)>> {
    let count = count(length, input)?;
    if count == 1 {
        return Some(vec![(0, length)]);
    }
    let start = |index: u32| u64::from(length - input) * u64::from(index) / u64::from(count - 1);
    Some((0..count).map(|index| (start(index) as u32, input)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INPUTS: [Size; 3] = [Size::new(640, 384), Size::new(672, 384), Size::new(1280, 736)];

    #[test]
    fn common_pictures_get_the_cheapest_grid() {
        let grid = |width, height, detection_width| {
            let plan = plan(Size::new(width, height), &INPUTS, detection_width).unwrap();
            (plan.input, plan.tiles.len(), plan.scaled)
        };
        assert_eq!(grid(1280, 720, 1280), (2, 1, Size::new(1280, 720)));
        assert_eq!(grid(1920, 1080, 1280), (2, 1, Size::new(1280, 720)));
        assert_eq!(grid(1920, 1080, 1920), (2, 4, Size::new(1920, 1080)));
        assert_eq!(grid(1024, 576, 1280), (2, 1, Size::new(1280, 720)));
        assert_eq!(grid(640, 480, 1280), (2, 1, Size::new(960, 720)));
        assert_eq!(grid(640, 480, 640), (0, 2, Size::new(640, 480)));
        assert_eq!(grid(1, 1, 1280), (0, 1, Size::new(2, 2)));
        assert_eq!(grid(20_000, 100, 1280), (1, 2, Size::new(1280, 6)));
        assert_eq!(grid(1080, 1920, 1280), (2, 2, Size::new(720, 1280)));
        assert_eq!(plan(Size::new(5, 5), &[], 1280), None);
        assert_eq!(plan(Size::new(5000, 5), &[Size::new(MIN_OVERLAP, 8)], 5000), None);
    }

    #[test]
    fn half_of_a_picture_takes_the_smallest_input() {
        let first = plan(Size::new(1920, 1080), &INPUTS, 1280).unwrap();
        let half = plan_half(&first, &INPUTS).unwrap();
        assert_eq!((half.frame, half.scaled, half.tiles.len()), (first.frame, Size::new(640, 360), 1));
        assert_eq!(INPUTS[half.input], Size::new(640, 384));
        let pixel = plan(Size::new(1, 1), &INPUTS, 320).unwrap();
        assert_eq!(plan_half(&pixel, &INPUTS).unwrap().scaled, Size::new(1, 1));
    }

    proptest! {
        #[test]
        fn tiles_cover_every_pixel_and_overlap(
            width in 1u32..5000, height in 1u32..5000, detection_width in 320u32..3840
        ) {
            let plan = plan(Size::new(width, height), &INPUTS, detection_width).unwrap();
            let input = INPUTS[plan.input];
            prop_assert!(plan.scaled.width.max(plan.scaled.height) <= detection_width);
            let enlargement = f64::from(plan.scaled.width.max(plan.scaled.height)) / f64::from(width.max(height));
            prop_assert!(enlargement <= MAX_ENLARGEMENT + 1.0, "rounded up by less than a pixel: {enlargement}");
            for along_x in [true, false] {
                let side = |size: Size| if along_x { size.width } else { size.height };
                let mut spans: Vec<(u32, u32)> = plan.tiles.iter()
                    .map(|tile| (if along_x { tile.x } else { tile.y }, side(tile.size))).collect();
                spans.sort_unstable();
                spans.dedup();
                prop_assert_eq!(spans[0].0, 0);
                prop_assert!(spans.iter().all(|(_, length)| (1..=side(input)).contains(length)));
                for pair in spans.windows(2) {
                    prop_assert!(pair[0].0 + pair[0].1 >= pair[1].0 + MIN_OVERLAP);
                }
                let (start, length) = spans[spans.len() - 1];
                prop_assert_eq!(start + length, side(plan.scaled));
            }
            // A grid: every column with every row.
            let columns: std::collections::BTreeSet<u32> = plan.tiles.iter().map(|tile| tile.x).collect();
            let rows: std::collections::BTreeSet<u32> = plan.tiles.iter().map(|tile| tile.y).collect();
            prop_assert_eq!(columns.len() * rows.len(), plan.tiles.len());
        }

        #[test]
        fn a_box_of_the_frame_comes_back_from_every_tile(
            width in 1u32..5000, height in 1u32..5000, detection_width in 320u32..3840,
            (left, top, right, bottom) in (0f32..1.0, 0f32..1.0, 0f32..1.0, 0f32..1.0)
        ) {
            let plan = plan(Size::new(width, height), &INPUTS, detection_width).unwrap();
            let (across, down) = (
                plan.scaled.width as f32 / width as f32, plan.scaled.height as f32 / height as f32
            );
            let wanted = PixelBox {
                x: left * width as f32, y: top * height as f32,
                width: right * width as f32, height: bottom * height as f32,
            };
            for tile in &plan.tiles {
                let in_tile = PixelBox {
                    x: wanted.x * across - tile.x as f32, y: wanted.y * down - tile.y as f32,
                    width: wanted.width * across, height: wanted.height * down,
                };
                let back = plan.to_frame(tile, in_tile);
                // Float32 at picture sizes of up to 5,000 pixels, scaled by up to 16.
                let close = |a: f32, b: f32| (a - b).abs() < 0.02;
                prop_assert!(close(back.x, wanted.x) && close(back.y, wanted.y), "{back:?} {wanted:?}");
                prop_assert!(close(back.width, wanted.width) && close(back.height, wanted.height));
            }
        }
    }
}
