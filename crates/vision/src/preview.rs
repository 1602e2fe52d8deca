//! Renders the images of [`CameraPreview`]: small, grey, with all heads pixelated before an image leaves this
//! module.
//!
//! No pixels are kept between images, only recent head boxes: a head that the detector misses in one picture must
//! stay pixelated in that picture.

use std::time::{Duration, Instant};

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use super::Person;
use super::detector::Detections;
use super::luma::Luma;
use super::search::Scaler;
use moodring_camera::PixelBox;
use moodring_camera::Size;
use moodring_runtime::{CameraPreview, PreviewHead, PreviewImage};

/// Longer side of the image, in pixels: enough to aim the camera, too little to recognize people at the back.
const LONGER_SIDE: u32 = 640;
/// Maximum number of blocks across the width and height of a head. The side of a block is a power of two, and blocks lie on a
/// fixed lattice of the image: blocks that moved with the boxes, which jitter, would show more of a head with each image.
const BLOCKS: f32 = 5.0;
/// Minimum side of a block, in pixels of the image.
const MIN_BLOCK_PX: f32 = 4.0;
/// Margin that is pixelated on each side of a head, as a share of its size, because boxes are not exact.
const MARGIN: f32 = 0.25;
/// How long an area stays pixelated after the last detection of a head there.
const COVERED_FOR: Duration = Duration::from_secs(3);
/// Maximum number of remembered boxes: several images of the largest class.
const MAX_COVERED: usize = 4096;
const JPEG_QUALITY: u8 = 70;

/// Minimum head score of boxes that do not count as heads but are pixelated as well, 0..=1.
pub(super) const DOUBTFUL_SCORE: f32 = 0.1;

/// Renders preview images on request.
#[derive(Default)]
pub(super) struct PreviewRenderer {
    preview: CameraPreview,
    sequence: u64,
    /// Recent head boxes in pixels of the frame, with the time of their detection.
    covered: Vec<(Instant, PixelBox)>,
}

impl PreviewRenderer {
    pub(super) fn new(preview: CameraPreview) -> Self {
        Self { preview, ..Self::default() }
    }

    /// Whether an image of the next picture is requested.
    pub(super) fn wants_image(&self, now: Instant) -> bool {
        self.preview.wants_image(now)
    }

    /// Renders an image of `luma` and publishes it. Pixelates the `detections` of this picture, the seats of
    /// `people`, and recent head boxes.
    pub(super) fn show(
        &mut self,
        luma: Luma<'_>,
        detections: &Detections<'_>,
        people: &[Person],
        now: Instant,
    ) {
        self.covered.retain(|(seen_at, _)| now.saturating_duration_since(*seen_at) < COVERED_FOR);
        let heads = detections.heads().map(|head| head.bounds);
        let boxes =
            heads.chain(detections.doubtful.iter().copied()).chain(people.iter().map(|person| person.head));
        let capacity = MAX_COVERED.saturating_sub(self.covered.len());
        self.covered.extend(boxes.map(|bounds| (now, bounds)).take(capacity));
        self.sequence += 1;
        match self.render(luma, detections) {
            Ok(image) => self.preview.show(image, now),
            Err(error) => tracing::debug!(error, "preview image not rendered"),
        }
    }

    fn render(&self, luma: Luma<'_>, detections: &Detections<'_>) -> Result<PreviewImage, String> {
        let frame = (luma.width as u32, luma.height as u32);
        let size = preview_size(Size::new(frame.0, frame.1));
        // A new scaler for each image, so that its buffers with the unpixelated picture are freed.
        let mut scaler = Scaler::default();
        let scaled = scaler.scale(luma, size).map_err(|error| error.to_string())?;
        let mut grey: Vec<u8> = (0..scaled.height).flat_map(|y| scaled.line(y)).copied().collect();
        let factor = size.width as f32 / frame.0 as f32;
        let mut areas: Vec<PixelBox> =
            self.covered.iter().map(|(_, bounds)| scale(*bounds, factor)).collect();
        // Where areas overlap, the coarser blocks remain.
        areas.sort_by_key(|area| block_side(*area));
        for area in areas {
            pixelate(&mut grey, size, area);
        }
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
            .encode(&grey, size.width, size.height, ExtendedColorType::L8)
            .map_err(|error| error.to_string())?;
        let (width, height) = (luma.width as f32, luma.height as f32);
        let preview_head = |PixelBox { x, y, width: across, height: down }: PixelBox, face| PreviewHead {
            x: x / width,
            y: y / height,
            width: across / width,
            height: down / height,
            face,
            px: across.max(down),
        };
        let heads = detections
            .heads()
            .map(|head| preview_head(head.bounds, head.face_score >= detections.face_score));
        Ok(PreviewImage { sequence: self.sequence, frame, jpeg, heads: heads.collect() })
    }
}

/// The size of the image for a picture of `size`; never larger than `size`.
fn preview_size(size: Size) -> Size {
    let longer = size.width.max(size.height).max(1);
    let shorten = |side: u32| (u64::from(side) * u64::from(LONGER_SIDE) / u64::from(longer)).max(1) as u32;
    if longer <= LONGER_SIDE { size } else { Size::new(shorten(size.width), shorten(size.height)) }
}

fn scale(PixelBox { x, y, width, height }: PixelBox, factor: f32) -> PixelBox {
    PixelBox { x: x * factor, y: y * factor, width: width * factor, height: height * factor }
}

/// Side of the blocks in `area`, in pixels.
fn block_side(area: PixelBox) -> usize {
    let side = (area.width.max(area.height) / BLOCKS).ceil().clamp(MIN_BLOCK_PX, LONGER_SIDE as f32);
    (side as usize).next_power_of_two()
}

/// Replaces each block of the lattice that `area` and its margin touch with the block's mean.
fn pixelate(grey: &mut [u8], size: Size, area: PixelBox) {
    let (width, height, block) = (size.width as usize, size.height as usize, block_side(area));
    let on_lattice = |(from, to): (usize, usize), end: usize| {
        if from == to { (from, to) } else { (from / block * block, to.next_multiple_of(block).min(end)) }
    };
    let (left, right) = on_lattice(span(area.x, area.width, width), width);
    let (top, bottom) = on_lattice(span(area.y, area.height, height), height);
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

/// Start and end of one side of a box with its margin, clamped to `0..end`; empty for NaN.
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
    fn no_image_is_larger_than_its_picture() {
        assert_eq!(preview_size(Size::new(1280, 720)), Size::new(640, 360));
        assert_eq!(preview_size(Size::new(1080, 1920)), Size::new(360, 640));
        assert_eq!(preview_size(Size::new(320, 240)), Size::new(320, 240));
        assert_eq!(preview_size(Size::new(5000, 1)), Size::new(640, 1));
    }

    #[test]
    fn a_block_is_uniform_and_pixels_outside_are_unchanged() {
        let size = Size::new(100, 100);
        let before: Vec<u8> = (0..10_000usize).map(|index| (index * 37 % 251) as u8).collect();
        let mut grey = before.clone();
        pixelate(&mut grey, size, PixelBox { x: 30.0, y: 40.0, width: 20.0, height: 20.0 });
        let greys: std::collections::BTreeSet<u8> =
            (32..68).flat_map(|y| grey[y * 100 + 24..y * 100 + 56].to_vec()).collect();
        assert!(greys.len() <= 9 * 8, "{} greys", greys.len());
        let outside =
            |index: &usize| !((24..56).contains(&(index % 100)) && (32..68).contains(&(index / 100)));
        assert!((0..10_000).filter(outside).all(|index| grey[index] == before[index]));
        let row: Vec<u8> = grey[45 * 100 + 24..45 * 100 + 28].to_vec();
        assert!(row.iter().all(|luma| *luma == row[0]));
    }

    #[test]
    fn many_images_with_jittering_boxes_show_no_more_of_a_head_than_one() {
        let size = Size::new(100, 100);
        let face: Vec<u8> = (0..10_000usize).map(|index| (index * 37 % 251) as u8).collect();
        let views: std::collections::BTreeSet<Vec<u8>> = (0..100)
            .map(|view| {
                let mut grey = face.clone();
                let jitter = |step: u32| (view / step % 10) as f32 * 0.3;
                let area = PixelBox { x: 38.0 + jitter(1), y: 38.0 + jitter(10), width: 24.0, height: 24.0 };
                pixelate(&mut grey, size, area);
                // The middle of the head, which is inside each box.
                (40..60).flat_map(|y| grey[y * 100 + 40..y * 100 + 60].to_vec()).collect()
            })
            .collect();
        assert_eq!(views.len(), 1);
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
