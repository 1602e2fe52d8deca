//! Modes of a V4L2 camera, and the choice of one of them.

use crate::{PixelFormat, Size};

/// Sizes and the highest rate at which a camera offers one pixel layout.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraMode {
    /// Four-character code of the layout.
    pub fourcc: [u8; 4],
    /// Smallest size. Equal to `largest` if there is only one size.
    pub smallest: Size,
    /// Largest size.
    pub largest: Size,
    /// Step between two sizes in pixels, at least 1.
    pub step: Size,
    /// Highest rate in frames per second. Not every driver reports it.
    pub frames_per_s: Option<f64>,
}

impl CameraMode {
    /// The layout, if luma can be read from it.
    pub fn format(&self) -> Option<PixelFormat> {
        match &self.fourcc {
            b"GREY" => Some(PixelFormat::Grey),
            b"NV12" => Some(PixelFormat::Nv12),
            b"YUYV" => Some(PixelFormat::Yuyv),
            b"MJPG" | b"JPEG" => Some(PixelFormat::Mjpeg),
            _ => None,
        }
    }

    /// The offered size that is nearest to `wanted`.
    pub fn nearest(&self, wanted: Size) -> Size {
        Size::new(
            nearest_step(wanted.width, self.smallest.width, self.largest.width, self.step.width),
            nearest_step(wanted.height, self.smallest.height, self.largest.height, self.step.height),
        )
    }
}

impl std::fmt::Display for CameraMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.fourcc.escape_ascii(), self.smallest)?;
        if self.largest != self.smallest {
            write!(f, " to {}", self.largest)?;
        }
        match self.frames_per_s {
            Some(rate) => write!(f, " up to {rate:.3} frames/s"),
            None => Ok(()),
        }
    }
}

fn nearest_step(wanted: u32, smallest: u32, largest: u32, step: u32) -> u32 {
    let step = step.max(1);
    let above = wanted.clamp(smallest, largest.max(smallest)) - smallest;
    smallest + (above / step + u32::from(above % step * 2 > step)) * step
}

/// The mode that is requested from the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Layout.
    pub format: PixelFormat,
    /// Four-character code of the layout.
    pub fourcc: [u8; 4],
    /// Size.
    pub size: Size,
}

/// Chooses one of `modes` by three criteria in this order: the size nearest to `wanted`, because fewer pixels mean
/// fewer detected heads; a rate of at least `frames_per_s`, or else the highest rate; the layout from which luma is
/// cheapest to read. `None` if no mode has a usable layout.
///
/// GREY and NV12 are read in place, YUYV needs a pass over the pixels, and MJPEG needs a decoder. But USB 2 carries raw
/// pictures of 1280x720 at no more than 10 frames per second. If that is too slow, MJPEG is chosen.
pub fn choose(modes: &[CameraMode], wanted: Size, frames_per_s: u32) -> Option<Choice> {
    let candidates = modes.iter().filter_map(|mode| {
        let (format, size) = (mode.format()?, mode.nearest(wanted));
        let distance = size.width.abs_diff(wanted.width) + size.height.abs_diff(wanted.height);
        // 29.97 counts as 30. An unknown rate counts as sufficient.
        let reached =
            mode.frames_per_s.map_or(1.0, |rate| (rate / (0.95 * f64::from(frames_per_s))).min(1.0));
        let slowness = ((1.0 - reached) * 1000.0) as u32;
        let choice = Choice { format, fourcc: mode.fourcc, size };
        Some(((distance, std::cmp::Reverse(size.area()), slowness, cost(format)), choice))
    });
    candidates.min_by_key(|(order, _)| *order).map(|(_, choice)| choice)
}

/// Rank of the layouts by the work that is needed to read luma.
fn cost(format: PixelFormat) -> u8 {
    match format {
        PixelFormat::Grey => 0,
        PixelFormat::Nv12 => 1,
        PixelFormat::Yuyv => 2,
        PixelFormat::Mjpeg => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HD: Size = Size::new(1280, 720);
    const VGA: Size = Size::new(640, 480);

    fn mode(fourcc: &[u8; 4], size: Size, rate: f64) -> CameraMode {
        let frames_per_s = (rate > 0.0).then_some(rate);
        CameraMode { fourcc: *fourcc, smallest: size, largest: size, step: Size::new(1, 1), frames_per_s }
    }

    fn chosen(modes: &[CameraMode], wanted: Size, frames_per_s: u32) -> Option<(PixelFormat, Size)> {
        choose(modes, wanted, frames_per_s).map(|choice| (choice.format, choice.size))
    }

    /// The modes of a common USB 2 webcam.
    fn webcam() -> Vec<CameraMode> {
        vec![
            mode(b"YUYV", VGA, 30.0),
            mode(b"YUYV", HD, 10.0),
            mode(b"MJPG", VGA, 30.0),
            mode(b"MJPG", HD, 30.0),
            mode(b"H264", HD, 30.0),
        ]
    }

    #[test]
    fn raw_pictures_are_chosen_if_they_are_fast_enough_or_else_jpeg() {
        assert_eq!(chosen(&webcam(), HD, 10), Some((PixelFormat::Yuyv, HD)));
        assert_eq!(chosen(&webcam(), HD, 15), Some((PixelFormat::Mjpeg, HD)));
        assert_eq!(chosen(&webcam(), VGA, 30), Some((PixelFormat::Yuyv, VGA)));
        // No mode reaches 60, so the fastest is chosen.
        assert_eq!(chosen(&webcam(), HD, 60), Some((PixelFormat::Mjpeg, HD)));
    }

    #[test]
    fn the_cheapest_layout_is_chosen_among_equal_modes() {
        let mut modes: Vec<CameraMode> = [b"JPEG", b"MJPG", b"YUYV", b"NV12", b"GREY"]
            .map(|fourcc| mode(fourcc, HD, 29.97))
            .into_iter()
            .collect();
        for expected in [PixelFormat::Grey, PixelFormat::Nv12, PixelFormat::Yuyv, PixelFormat::Mjpeg] {
            assert_eq!(chosen(&modes, HD, 30), Some((expected, HD)));
            modes.pop();
        }
        assert_eq!(chosen(&[mode(b"H264", HD, 30.0), mode(b"BGR3", HD, 30.0)], HD, 30), None);
        assert_eq!(chosen(&[], HD, 30), None);
    }

    #[test]
    fn the_nearest_size_is_chosen_and_the_larger_of_two_equally_near() {
        assert_eq!(chosen(&webcam(), Size::new(1920, 1080), 10), Some((PixelFormat::Yuyv, HD)));
        let around = [mode(b"GREY", Size::new(600, 480), 30.0), mode(b"MJPG", Size::new(680, 480), 30.0)];
        assert_eq!(chosen(&around, VGA, 30), Some((PixelFormat::Mjpeg, Size::new(680, 480))));
    }

    #[test]
    fn an_unknown_rate_counts_as_sufficient() {
        let modes = [mode(b"YUYV", HD, 0.0), mode(b"MJPG", HD, 30.0)];
        assert_eq!(chosen(&modes, HD, 30), Some((PixelFormat::Yuyv, HD)));
    }

    proptest! {
        #[test]
        fn the_nearest_size_of_a_range_is_offered_and_none_is_nearer(
            smallest in 1u32..300, steps in 0u32..50, step in 0u32..40, wanted in 0u32..3000,
        ) {
            let length = |steps: u32| smallest + steps * step.max(1);
            let (smallest, largest) = (Size::new(smallest, 1), Size::new(length(steps), 1));
            let range =
                CameraMode { smallest, largest, step: Size::new(step, 1), ..mode(b"GREY", VGA, 30.0) };
            let nearest = range.nearest(Size::new(wanted, 1)).width;
            let offered: Vec<u32> = (0..=steps).map(length).collect();
            prop_assert!(offered.contains(&nearest));
            let distance = offered.iter().map(|offer| offer.abs_diff(wanted)).min();
            prop_assert_eq!(Some(nearest.abs_diff(wanted)), distance);
        }
    }
}
