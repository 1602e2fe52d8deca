//! The brightness of a picture: `Frame ──Luma──▶ heads, expression`.
//!
//! Both networks take one channel, so nothing here ever makes a colour picture.

/// A borrowed picture of 8-bit brightness: `height` lines of `width` pixels, `stride` bytes apart.
#[derive(Clone, Copy)]
pub struct Luma<'a> {
    /// Pixels in a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
    /// Bytes from one line to the next, at least `width`.
    pub stride: usize,
    /// The pixels; at least `stride * (height - 1) + width` bytes.
    pub pixels: &'a [u8],
}

impl<'a> Luma<'a> {
    /// The pixels of line `y`, which is below `height`.
    pub fn line(&self, y: usize) -> &'a [u8] {
        let start = y * self.stride;
        &self.pixels[start..start + self.width]
    }
}
