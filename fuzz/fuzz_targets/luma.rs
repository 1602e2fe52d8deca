//! Decodes arbitrary bytes as frames of arbitrary format, size and stride. Checks that the decoder does not panic and that
//! the luma has the size of the frame.
#![no_main]

use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use moodring_camera::{Frame, PixelFormat, Size};
use moodring_vision::luma::LumaDecoder;

/// Larger frames are skipped: they are slow and find no further faults.
const MAX_AREA: usize = 1 << 20;

/// Input layout: format, width, height and stride, then the frame's bytes. `../seeds.rs` writes the same layout.
fn frame(input: &[u8]) -> Option<Frame> {
    let [format, w0, w1, h0, h1, s0, s1, data @ ..] = input else { return None };
    let format = match format % 4 {
        0 => PixelFormat::Grey,
        1 => PixelFormat::Nv12,
        2 => PixelFormat::Yuyv,
        _ => PixelFormat::Mjpeg,
    };
    let [width, height, stride] = [[*w0, *w1], [*h0, *h1], [*s0, *s1]].map(u16::from_le_bytes);
    let mut size = Size::new(width.into(), height.into());
    if format == PixelFormat::Mjpeg && stride == 0 {
        size = jpeg_size(data).unwrap_or(size);
    }
    let (captured_at, sequence, data) = (Instant::now(), 0, data.to_vec());
    (size.area() <= MAX_AREA).then_some(Frame {
        captured_at,
        sequence,
        format,
        size,
        stride: stride.into(),
        data,
    })
}

/// Size in the first JPEG frame header. Frames of another size would be refused before the decoder runs.
fn jpeg_size(data: &[u8]) -> Option<Size> {
    let header = data.windows(9).find(|bytes| bytes[0] == 0xff && (0xc0..=0xc2).contains(&bytes[1]))?;
    let length = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]).into();
    Some(Size::new(length(7), length(5)))
}

fuzz_target!(|input: &[u8]| {
    let Some(frame) = frame(input) else { return };
    let mut decoder = LumaDecoder::default();
    let Ok(luma) = decoder.decode(&frame) else { return };
    assert_eq!((luma.width, luma.height), (frame.size.width as usize, frame.size.height as usize));
    for y in 0..luma.height {
        assert_eq!(luma.line(y).len(), luma.width);
    }
});
