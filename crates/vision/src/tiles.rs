//! Plans how a picture is scaled and tiled for the detector's fixed input sizes.
//!
//! A picture is scaled to the detection width; smaller pictures are enlarged, because small heads are detected
//! better at a larger size. A scaled picture that fits an input is padded. A larger one is covered by a grid of
//! overlapping tiles with the smallest total area, because inference time grows with area. [`plan`] is a pure
//! function of sizes; [`Plan::to_frame`] converts boxes of a [`Tile`] back to pixels of the frame.

use moodring_camera::PixelBox;
use moodring_camera::Size;

/// Minimum overlap of neighbouring tiles, in pixels of the scaled picture, so that a head of up to this size
/// lies completely in one tile. The parts of larger heads are merged after detection.
pub const MIN_OVERLAP: u32 = 64;

/// Maximum enlargement factor. A larger factor adds no detail, and large heads and textures would leave the
/// range of the training data (docs/models.md).
pub const MAX_ENLARGEMENT: f64 = 1.5;

/// A box closer than this to an inner edge of its tile, in pixels, may be only a part of a head.
const CUT_MARGIN: f32 = 2.0;

/// The part of the scaled picture for one run of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Left edge in the scaled picture.
    pub x: u32,
    /// Top edge in the scaled picture.
    pub y: u32,
    /// The part of the network's input that is filled with the picture; the rest is padding.
    pub size: Size,
    /// Whether the scaled picture continues beyond the left, top, right and bottom edge.
    pub continues: [bool; 4],
}

impl Tile {
    /// Whether `bounds`, in pixels of the network's input, touch an edge beyond which the picture continues.
    pub fn cuts(&self, bounds: PixelBox) -> bool {
        let PixelBox { x, y, width, height } = bounds;
        let distances = [x, y, self.size.width as f32 - (x + width), self.size.height as f32 - (y + height)];
        self.continues.iter().zip(distances).any(|(continues, distance)| *continues && distance < CUT_MARGIN)
    }
}

/// How a picture of one size is searched.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Size of the picture.
    pub frame: Size,
    /// Size after scaling.
    pub scaled: Size,
    /// Index of the chosen input size.
    pub input: usize,
    /// The grid of tiles, row by row.
    pub tiles: Vec<Tile>,
}

impl Plan {
    /// Converts a box from pixels of the network's input to pixels of the frame.
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

/// Plans the scan of a picture of size `frame`, neither side 0, with networks of the input sizes `inputs`.
///
/// The longer side is scaled to `detection_width`, but enlarged at most [`MAX_ENLARGEMENT`] times. The input
/// with the smallest total tile area is chosen. `None` without inputs, or when all are too small to overlap.
pub fn plan(frame: Size, inputs: &[Size], detection_width: u32) -> Option<Plan> {
    plan_scaled(frame, scale(frame, detection_width), inputs)
}

/// Plans the scan of the same picture at half the scaled size of `first`.
pub fn plan_half(first: &Plan, inputs: &[Size]) -> Option<Plan> {
    let Size { width, height } = first.scaled;
    plan_scaled(first.frame, Size::new((width / 2).max(1), (height / 2).max(1)), inputs)
}

/// Plans the scan of a picture of size `frame` that is scaled to `scaled`.
fn plan_scaled(frame: Size, scaled: Size, inputs: &[Size]) -> Option<Plan> {
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
            let continues = [x > 0, y > 0, x + width < scaled.width, y + height < scaled.height];
            tiles.push(Tile { x, y, size: Size::new(width, height), continues });
        }
    }
    Some(Plan { frame, scaled, input: index, tiles })
}

/// Scales `frame` so that its longer side is `longest`, or as close as [`MAX_ENLARGEMENT`] allows. No side
/// becomes 0.
fn scale(frame: Size, longest: u32) -> Size {
    let longer = frame.width.max(frame.height);
    let factor = (f64::from(longest) / f64::from(longer)).min(MAX_ENLARGEMENT);
    let side = |side: u32| ((f64::from(side) * factor).round() as u32).clamp(1, longest);
    Size::new(side(frame.width), side(frame.height))
}

/// Number of inputs of length `input` that cover `length` with at least [`MIN_OVERLAP`].
fn count(length: u32, input: u32) -> Option<u32> {
    if length <= input {
        return (input > 0).then_some(1);
    }
    let step = input.checked_sub(MIN_OVERLAP).filter(|step| *step > 0)?;
    Some((length - input).div_ceil(step) + 1)
}

/// Start and length of each tile along one axis, evenly spread from edge to edge.
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
    fn common_sizes_get_the_cheapest_grid() {
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
    fn half_size_uses_the_smallest_input() {
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
            // A grid: each column is combined with each row.
            let columns: std::collections::BTreeSet<u32> = plan.tiles.iter().map(|tile| tile.x).collect();
            let rows: std::collections::BTreeSet<u32> = plan.tiles.iter().map(|tile| tile.y).collect();
            prop_assert_eq!(columns.len() * rows.len(), plan.tiles.len());
        }

        #[test]
        fn boxes_round_trip_through_each_tile(
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
