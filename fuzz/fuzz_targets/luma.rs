//! Arbitrary bytes as frames of arbitrary layout, size and stride: no panic, and no luma outside the frame.
#![no_main]

use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use moodring::camera::{Frame, PixelFormat, Size};
use moodring::vision::luma::LumaDecoder;

/// Larger frames are left out: they find nothing that small ones do not, and take long.
const MAX_AREA: usize = 1 << 20;

/// Format, width, height and stride, then the frame's bytes. `../seeds.rs` writes it so.
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

/// The size in the first frame header, so that the decoder is reached although the bytes are arbitrary.
fn jpeg_size(data: &[u8]) -> Option<Size> {
    let header = data.windows(9).find(|bytes| bytes[0] == 0xff && (0xc0..=0xc2).contains(&bytes[1]))?;
    let length = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]).into();
    Some(Size::new(length(7), length(5)))
}

/// libFuzzer takes every panic for a crash. Those of the JPEG decoder are caught by the code under test; all
/// others, caught or not, are faults.
fn expect_panics_of_the_jpeg_decoder() {
    let crash = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|place| place.file().contains("/zune-")) {
            crash(panic);
        }
    }));
}

fuzz_target!(init: expect_panics_of_the_jpeg_decoder(), |input: &[u8]| {
    let Some(frame) = frame(input) else { return };
    let mut decoder = LumaDecoder::default();
    let Ok(luma) = decoder.decode(&frame) else { return };
    assert_eq!((luma.width, luma.height), (frame.size.width as usize, frame.size.height as usize));
    for y in 0..luma.height {
        assert_eq!(luma.line(y).len(), luma.width);
    }
});
