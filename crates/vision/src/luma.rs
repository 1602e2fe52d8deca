//! Extracts the luma of a frame: the first step of `camera ──Frame──▶ vision`.
//!
//! Both networks take one channel, so nothing is ever converted to colour. GREY and the Y plane of NV12 are
//! used in place; YUYV is unpacked and MJPEG decoded into a reused buffer.

use thiserror::Error;

pub use moodring_camera::jpeg::JpegError;
use moodring_camera::jpeg::{self, Layout};
use moodring_camera::{Frame, MAX_PIXELS, PixelFormat, Size};

/// A borrowed picture of 8-bit luma: `height` lines of `width` pixels, `stride` bytes apart.
#[derive(Clone, Copy)]
pub struct Luma<'a> {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Bytes from one line to the next, at least `width`.
    pub stride: usize,
    /// The pixels; at least `stride * (height - 1) + width` bytes.
    pub pixels: &'a [u8],
}

impl<'a> Luma<'a> {
    /// A view of `pixels`, which hold a picture of `size` with lines `stride` bytes apart.
    ///
    /// # Errors
    /// [`LumaError`] when `pixels`, `size` and `stride` contradict each other.
    pub fn new(size: Size, stride: usize, pixels: &'a [u8]) -> Result<Self, LumaError> {
        let pixels = lines(pixels, size, stride, 1)?;
        Ok(Self { width: size.width as usize, height: size.height as usize, stride, pixels })
    }

    /// The pixels of line `y`, which must be below `height`.
    pub fn line(&self, y: usize) -> &'a [u8] {
        let start = y * self.stride;
        &self.pixels[start..start + self.width]
    }
}

/// Why a frame has no usable luma.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LumaError {
    /// Width or height is 0.
    #[error("frame of {0} has no pixels")]
    Empty(Size),
    /// More than [`MAX_PIXELS`].
    #[error("frame of {0} is larger than {megapixels} megapixels", megapixels = MAX_PIXELS / 1_000_000)]
    TooLarge(Size),
    /// Lines would overlap.
    #[error("lines of {line_bytes} bytes do not fit a stride of {stride} bytes")]
    Stride {
        /// Stride of the frame, in bytes.
        stride: usize,
        /// Bytes of one line.
        line_bytes: usize,
    },
    /// The frame ends before the end of its last line.
    #[error("frame is cut off: {bytes} bytes instead of {needed_bytes}")]
    Cut {
        /// Bytes in the frame.
        bytes: usize,
        /// Bytes up to the end of the last line of luma.
        needed_bytes: usize,
    },
    /// The size of the JPEG picture is not that of the frame plus a border of less than 16 pixels.
    #[error("JPEG picture is {jpeg}, the frame is {frame}")]
    JpegSize {
        /// Size in the picture's header.
        jpeg: Size,
        /// Size of the frame.
        frame: Size,
    },
    /// The JPEG picture cannot be decoded.
    #[error(transparent)]
    Jpeg(#[from] JpegError),
}

/// Extracts luma from frames. Its buffers grow to the largest frame and are reused.
#[derive(Default)]
pub struct LumaDecoder {
    pixels: Vec<u8>,
}

impl LumaDecoder {
    /// The luma of `frame`, borrowed from the frame where its format allows it.
    ///
    /// # Errors
    /// [`LumaError`] when size, stride and data of the frame contradict each other, when the frame is too
    /// large, or when its JPEG data cannot be decoded.
    pub fn decode<'a>(&'a mut self, frame: &'a Frame) -> Result<Luma<'a>, LumaError> {
        let size = frame.size;
        match frame.format {
            PixelFormat::Grey | PixelFormat::Nv12 => Luma::new(size, frame.stride, &frame.data),
            PixelFormat::Yuyv => {
                every_second_byte(lines(&frame.data, size, frame.stride, 2)?, frame, &mut self.pixels);
                Luma::new(size, size.width as usize, &self.pixels)
            }
            PixelFormat::Mjpeg => {
                check_size(size)?;
                let layout = Layout::parse(&frame.data)?;
                if !is_frame_with_border(layout.size, size) {
                    return Err(LumaError::JpegSize { jpeg: layout.size, frame: size });
                }
                jpeg::decode(&frame.data, &layout, &mut self.pixels)?;
                Luma::new(size, layout.size.width as usize, &self.pixels)
            }
        }
    }
}

fn every_second_byte(lines: &[u8], frame: &Frame, luma: &mut Vec<u8>) {
    let width = frame.size.width as usize;
    luma.resize(frame.size.area(), 0);
    for (line, packed) in luma.chunks_exact_mut(width).zip(lines.chunks(frame.stride)) {
        for (y, pair) in line.iter_mut().zip(packed.chunks_exact(2)) {
            *y = pair[0];
        }
    }
}

/// Some cameras pad the height to whole blocks (1088 instead of 1080 lines) and report this only in the JPEG
/// header. The picture is at the top left.
fn is_frame_with_border(jpeg: Size, frame: Size) -> bool {
    const BLOCK: u32 = 16;
    let fits = |jpeg: u32, frame: u32| jpeg.checked_sub(frame).is_some_and(|border| border < BLOCK);
    fits(jpeg.width, frame.width) && fits(jpeg.height, frame.height)
}

fn check_size(size: Size) -> Result<(), LumaError> {
    if size.width == 0 || size.height == 0 {
        return Err(LumaError::Empty(size));
    }
    if u64::from(size.width) * u64::from(size.height) > MAX_PIXELS as u64 {
        return Err(LumaError::TooLarge(size));
    }
    Ok(())
}

/// The part of `data` that holds lines of `size.width` x `bytes_per_pixel` bytes, `stride` bytes apart.
fn lines(data: &[u8], size: Size, stride: usize, bytes_per_pixel: usize) -> Result<&[u8], LumaError> {
    check_size(size)?;
    let line_bytes = size.width as usize * bytes_per_pixel;
    let last_line = (size.height as usize - 1).checked_mul(stride);
    match last_line.and_then(|start| start.checked_add(line_bytes)) {
        Some(needed_bytes) if line_bytes <= stride => {
            data.get(..needed_bytes).ok_or(LumaError::Cut { bytes: data.len(), needed_bytes })
        }
        _ => Err(LumaError::Stride { stride, line_bytes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moodring_camera::jpeg::testing::{SAMPLINGS, SceneJpeg, smooth_scene};
    use proptest::prelude::*;
    use std::time::Instant;

    fn frame(format: PixelFormat, size: Size, stride: usize, data: Vec<u8>) -> Frame {
        Frame { captured_at: Instant::now(), sequence: 0, format, size, stride, data }
    }

    /// `luma` in lines of `stride` bytes, `step` bytes from pixel to pixel; the other bytes are noise.
    fn packed(luma: &[u8], size: Size, stride: usize, step: usize) -> Vec<u8> {
        let mut data: Vec<u8> = (0..stride * size.height as usize).map(|at| (at * 89 % 251) as u8).collect();
        for (line, source) in data.chunks_mut(stride).zip(luma.chunks(size.width as usize)) {
            for (x, y) in source.iter().enumerate() {
                line[x * step] = *y;
            }
        }
        data
    }

    fn decoded(decoder: &mut LumaDecoder, frame: &Frame) -> Vec<u8> {
        let luma = decoder.decode(frame).unwrap();
        assert_eq!((luma.width, luma.height), (frame.size.width as usize, frame.size.height as usize));
        (0..luma.height).flat_map(|y| luma.line(y).to_vec()).collect()
    }

    fn furthest(a: &[u8], b: &[u8]) -> u8 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn all_formats_of_a_scene_give_the_same_luma(
            half_width in 1u32..70, height in 1u32..90, padding in 0usize..40, phase in 0u32..100,
            sampling in prop::sample::select(SAMPLINGS.to_vec()),
            restart_interval in prop::sample::select(vec![0u16, 1, 3]),
            kind in 0u8..3,
        ) {
            let size = Size::new(half_width * 2, height);
            let (width, luma) = (half_width as usize * 2, smooth_scene(size, phase));
            let mut nv12 = packed(&luma, size, width + padding, 1);
            nv12.resize(nv12.len() + (width + padding) * (height as usize).div_ceil(2), 128);
            let (progressive, without_tables) = (kind == 1, kind == 2);
            let jpeg = SceneJpeg {
                size, phase, sampling, restart_interval, progressive, without_tables, ..SceneJpeg::default()
            };
            let mut decoder = LumaDecoder::default();
            for frame in [
                frame(PixelFormat::Grey, size, width + padding, packed(&luma, size, width + padding, 1)),
                frame(PixelFormat::Nv12, size, width + padding, nv12),
                frame(PixelFormat::Yuyv, size, 2 * width + padding, packed(&luma, size, 2 * width + padding, 2)),
            ] {
                prop_assert_eq!(&decoded(&mut decoder, &frame), &luma);
            }
            let mjpeg = frame(PixelFormat::Mjpeg, size, 0, jpeg.encode());
            prop_assert!(furthest(&decoded(&mut decoder, &mjpeg), &luma) <= 2);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(
            data in prop::collection::vec(any::<u8>(), 0..400), width in 0u32..40, height in 0u32..40,
            stride in 0usize..90,
            format in prop::sample::select(vec![PixelFormat::Grey, PixelFormat::Nv12, PixelFormat::Yuyv]),
        ) {
            let frame = frame(format, Size::new(width, height), stride, data);
            if let Ok(luma) = LumaDecoder::default().decode(&frame) {
                prop_assert_eq!(luma.line(luma.height - 1).len(), width as usize);
            }
        }

        #[test]
        fn a_cut_or_damaged_jpeg_is_an_error_or_a_picture(
            keep in 0.0f64..1.0, damage in prop::collection::vec((0.0f64..1.0, any::<u8>()), 0..4),
        ) {
            let scene = SceneJpeg { size: Size::new(64, 48), ..SceneJpeg::default() };
            let mut data = scene.encode();
            let bytes = data.len() as f64;
            data.truncate((bytes * (0.2 + keep)) as usize);
            for (place, value) in damage {
                let at = (place * data.len() as f64) as usize;
                data[at] = value;
            }
            // No panic, and no picture of a wrong size.
            let frame = frame(PixelFormat::Mjpeg, scene.size, 0, data);
            if let Ok(luma) = LumaDecoder::default().decode(&frame) {
                prop_assert_eq!((luma.width, luma.height), (64, 48));
            }
        }
    }

    #[test]
    fn grey_and_nv12_are_used_in_place() {
        let frame = frame(PixelFormat::Nv12, Size::new(4, 2), 8, (0..24).collect());
        let mut decoder = LumaDecoder::default();
        let luma = decoder.decode(&frame).unwrap();
        assert!(std::ptr::eq(luma.pixels.as_ptr(), frame.data.as_ptr()));
        assert_eq!(luma.line(1), [8, 9, 10, 11]);
    }

    #[test]
    fn invalid_frames_are_reported() {
        let fault = |format, width, height, stride, bytes| {
            let frame = frame(format, Size::new(width, height), stride, vec![0; bytes]);
            LumaDecoder::default().decode(&frame).err().expect("is refused").to_string()
        };
        let cases = [
            (fault(PixelFormat::Grey, 0, 5, 0, 0), "frame of 0x5 has no pixels"),
            (fault(PixelFormat::Mjpeg, 5, 0, 0, 0), "frame of 5x0 has no pixels"),
            (fault(PixelFormat::Nv12, 4, 2, 3, 99), "lines of 4 bytes do not fit a stride of 3 bytes"),
            (fault(PixelFormat::Yuyv, 4, 2, 7, 99), "lines of 8 bytes do not fit a stride of 7 bytes"),
            (fault(PixelFormat::Yuyv, 4, 2, 8, 15), "frame is cut off: 15 bytes instead of 16"),
            (
                fault(PixelFormat::Grey, 4, 2, usize::MAX, 9),
                "lines of 4 bytes do not fit a stride of 18446744073709551615 bytes",
            ),
            (
                fault(PixelFormat::Grey, 1, 3, usize::MAX, 9),
                "lines of 1 bytes do not fit a stride of 18446744073709551615 bytes",
            ),
            (
                fault(PixelFormat::Grey, 20_000, 20_000, 20_000, 9),
                "frame of 20000x20000 is larger than 64 megapixels",
            ),
            (fault(PixelFormat::Mjpeg, 4, 2, 0, 9), "not a JPEG picture: it does not begin with FF D8"),
        ];
        for (message, expected) in cases {
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn a_width_of_twenty_thousand_pixels_decodes() {
        let size = Size::new(20_000, 16);
        let scene = SceneJpeg { size, ..SceneJpeg::default() };
        let frame = frame(PixelFormat::Mjpeg, size, 0, scene.encode());
        let mut decoder = LumaDecoder::default();
        assert!(furthest(&decoded(&mut decoder, &frame), &smooth_scene(size, scene.phase)) <= 2);
    }

    #[test]
    fn a_block_border_is_cropped_and_a_wrong_size_is_rejected() {
        let jpeg = SceneJpeg { size: Size::new(64, 48), ..SceneJpeg::default() };
        let whole = smooth_scene(jpeg.size, jpeg.phase);
        let mut decoder = LumaDecoder::default();
        let cropped = frame(PixelFormat::Mjpeg, Size::new(60, 33), 0, jpeg.encode());
        let expected: Vec<u8> = whole.chunks(64).take(33).flat_map(|line| line[..60].to_vec()).collect();
        assert!(furthest(&decoded(&mut decoder, &cropped), &expected) <= 2);
        for size in [Size::new(48, 48), Size::new(65, 48)] {
            let error = decoder.decode(&frame(PixelFormat::Mjpeg, size, 0, jpeg.encode())).err();
            assert_eq!(error, Some(LumaError::JpegSize { jpeg: jpeg.size, frame: size }));
        }
    }
}
