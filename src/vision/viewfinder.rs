//! Makes the views of [`Aim`]: small, grey, with every head pixelated before anybody else gets the picture.
//!
//! Nothing of a picture is kept here from one view to the next, only where heads were a moment ago: a head that the
//! detector misses for one picture must not show its face in that one.

use std::time::{Duration, Instant};

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use super::detector::Found;
use super::luma::Luma;
use super::search::Scaler;
use super::{Person, PixelBox};
use crate::aim::{Aim, AimedHead, View};
use crate::camera::Size;

/// Longer side of the view, in pixels: enough to see where the camera looks, too little to know anybody at the back.
const LONGER_SIDE: u32 = 640;
/// A head is at most this many blocks wide and high.
const BLOCKS: f32 = 5.0;
/// A block is at least this many pixels of the view wide.
const LEAST_BLOCK: f32 = 4.0;
/// So much of a head's size is pixelated around it on every side: boxes are never exact.
const MARGIN: f32 = 0.25;
/// A place where a head was stays pixelated for so long.
const COVERED_FOR: Duration = Duration::from_secs(3);
/// More places than this are never remembered: several views of the largest class.
const MOST_COVERED: usize = 4096;
const JPEG_QUALITY: u8 = 70;

/// What in a picture might be a head though it is not counted: its score is at least this.
pub(super) const DOUBTFUL_SCORE: f32 = 0.1;

/// Makes views where they are wanted.
#[derive(Default)]
pub(super) struct Viewfinder {
    aim: Aim,
    sequence: u64,
    /// Where heads were a moment ago, in pixels of the frame.
    covered: Vec<(Instant, PixelBox)>,
}

impl Viewfinder {
    pub(super) fn new(aim: Aim) -> Self {
        Self { aim, ..Self::default() }
    }

    /// Whether a view is to be made of the next picture.
    pub(super) fn wants_view(&self, now: Instant) -> bool {
        self.aim.wants_view(now)
    }

    /// Makes a view of `luma`, in which `found` was found and in which `people` are known to sit.
    pub(super) fn show(&mut self, luma: Luma<'_>, found: &Found<'_>, people: &[Person], now: Instant) {
        self.covered.retain(|(seen_at, _)| now.saturating_duration_since(*seen_at) < COVERED_FOR);
        let heads = found.heads().map(|head| head.bounds);
        let places =
            heads.chain(found.doubtful.iter().copied()).chain(people.iter().map(|person| person.head));
        let room = MOST_COVERED.saturating_sub(self.covered.len());
        self.covered.extend(places.map(|place| (now, place)).take(room));
        self.sequence += 1;
        match self.view(luma, found) {
            Ok(view) => self.aim.show(view, now),
            Err(error) => tracing::debug!(error, "no aiming view of this picture"),
        }
    }

    fn view(&self, luma: Luma<'_>, found: &Found<'_>) -> Result<View, String> {
        let frame = (luma.width as u32, luma.height as u32);
        let size = small(Size::new(frame.0, frame.1));
        // Its buffers go with it: they hold the picture as it was.
        let mut scaler = Scaler::default();
        let scaled = scaler.scale(luma, size).map_err(|error| error.to_string())?;
        let mut grey: Vec<u8> = (0..scaled.height).flat_map(|y| scaled.line(y)).copied().collect();
        let factor = size.width as f32 / frame.0 as f32;
        for (_, place) in &self.covered {
            pixelate(&mut grey, size, scale(*place, factor));
        }
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
            .encode(&grey, size.width, size.height, ExtendedColorType::L8)
            .map_err(|error| error.to_string())?;
        let (width, height) = (luma.width as f32, luma.height as f32);
        let aimed = |PixelBox { x, y, width: across, height: down }: PixelBox, face| AimedHead {
            x: x / width,
            y: y / height,
            width: across / width,
            height: down / height,
            face,
            px: across.max(down),
        };
        let heads = found.heads().map(|head| aimed(head.bounds, head.face_score >= found.face_score));
        Ok(View { sequence: self.sequence, frame, jpeg, heads: heads.collect() })
    }
}

/// The size of the view of a picture of `size`; never larger than that.
fn small(size: Size) -> Size {
    let longer = size.width.max(size.height).max(1);
    let shorten = |side: u32| (u64::from(side) * u64::from(LONGER_SIDE) / u64::from(longer)).max(1) as u32;
    if longer <= LONGER_SIDE { size } else { Size::new(shorten(size.width), shorten(size.height)) }
}

fn scale(PixelBox { x, y, width, height }: PixelBox, factor: f32) -> PixelBox {
    PixelBox { x: x * factor, y: y * factor, width: width * factor, height: height * factor }
}

/// Puts the mean of each block of `area`, with its margin, in the block's place.
fn pixelate(grey: &mut [u8], size: Size, area: PixelBox) {
    let (width, height) = (size.width as usize, size.height as usize);
    let (left, right) = span(area.x, area.width, width);
    let (top, bottom) = span(area.y, area.height, height);
    let block = (area.width.max(area.height) / BLOCKS).ceil().max(LEAST_BLOCK) as usize;
    for y in (top..bottom).step_by(block) {
        for x in (left..right).step_by(block) {
            let (to_x, to_y) = (x.saturating_add(block).min(right), y.saturating_add(block).min(bottom));
            let sum: u64 = (y..to_y)
                .flat_map(|y| &grey[y * width + x..y * width + to_x])
                .map(|&luma| u64::from(luma))
                .sum();
            let mean = sum / ((to_x - x) * (to_y - y)).max(1) as u64;
            for y in y..to_y {
                grey[y * width + x..y * width + to_x].fill(mean as u8);
            }
        }
    }
}

/// From where to where a box reaches with its margin, within `0..end`; empty where its numbers are none.
fn span(from: f32, length: f32, end: usize) -> (usize, usize) {
    let margin = length * MARGIN;
    let within = |at: f32| at.clamp(0.0, end as f32) as usize;
    let (from, to) = (within((from - margin).floor()), within((from + length + margin).ceil()));
    (from.min(to), to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_view_is_larger_than_its_picture() {
        assert_eq!(small(Size::new(1280, 720)), Size::new(640, 360));
        assert_eq!(small(Size::new(1080, 1920)), Size::new(360, 640));
        assert_eq!(small(Size::new(320, 240)), Size::new(320, 240));
        assert_eq!(small(Size::new(5000, 1)), Size::new(640, 1));
    }

    #[test]
    fn a_block_has_one_grey_and_what_lies_outside_stays() {
        let size = Size::new(100, 100);
        let before: Vec<u8> = (0..10_000usize).map(|index| (index * 37 % 251) as u8).collect();
        let mut grey = before.clone();
        pixelate(&mut grey, size, PixelBox { x: 30.0, y: 40.0, width: 20.0, height: 20.0 });
        let greys: std::collections::BTreeSet<u8> =
            (35..65).flat_map(|y| grey[y * 100 + 25..y * 100 + 55].to_vec()).collect();
        assert!(greys.len() <= 8 * 8, "{} greys", greys.len());
        let outside =
            |index: &usize| !((25..55).contains(&(index % 100)) && (35..65).contains(&(index / 100)));
        assert!((0..10_000).filter(outside).all(|index| grey[index] == before[index]));
        let row: Vec<u8> = grey[45 * 100 + 25..45 * 100 + 29].to_vec();
        assert!(row.iter().all(|luma| *luma == row[0]));
    }

    proptest! {
        #[test]
        fn any_box_can_be_pixelated(x in any::<f32>(), y in any::<f32>(), width in any::<f32>(), height in any::<f32>()) {
            let mut grey = vec![7; 64 * 48];
            pixelate(&mut grey, Size::new(64, 48), PixelBox { x, y, width, height });
            prop_assert!(grey.iter().all(|luma| *luma == 7));
        }
    }
}
