//! A one-bit picture of 128x64 pixels and its output formats.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::framebuffer::{Framebuffer, buffer_size};
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::image::GetPixel;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::pixelcolor::raw::{BigEndian, RawU1};
use embedded_graphics::prelude::PointsIter;
use embedded_graphics::{Pixel, primitives::Rectangle};

/// Width in pixels.
pub const WIDTH: usize = 128;
/// Height in pixels.
pub const HEIGHT: usize = 64;
/// Pages of eight rows, the memory layout of OLEDs.
pub(super) const PAGES: usize = HEIGHT / 8;

/// A picture in the memory layout of OLEDs: the columns of each page, with the topmost of eight rows in bit 0.
pub(super) type Memory = [[u8; WIDTH]; PAGES];

type Pixels =
    Framebuffer<BinaryColor, RawU1, BigEndian, WIDTH, HEIGHT, { buffer_size::<BinaryColor>(WIDTH, HEIGHT) }>;

/// Colours of a lit and a dark OLED pixel in images.
const LIT: [u8; 3] = [0xe8, 0xf4, 0xff];
const DARK: [u8; 3] = [0x06, 0x0a, 0x10];

/// A one-bit picture, initially dark.
#[derive(Clone)]
pub struct Picture(Pixels);

impl Default for Picture {
    fn default() -> Self {
        Self(Pixels::new())
    }
}

impl PartialEq for Picture {
    fn eq(&self, other: &Self) -> bool {
        self.0.data() == other.0.data()
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_ascii())
    }
}

impl OriginDimensions for Picture {
    fn size(&self) -> Size {
        self.0.size()
    }
}

impl DrawTarget for Picture {
    type Color = BinaryColor;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Self::Error> {
        self.0.draw_iter(pixels)
    }

    fn fill_solid(&mut self, area: &Rectangle, color: BinaryColor) -> Result<(), Self::Error> {
        self.0.fill_solid(area, color)
    }
}

impl Picture {
    /// Whether the pixel in column `x` from the left, row `y` from the top is lit; pixels outside are dark.
    pub fn is_lit(&self, x: usize, y: usize) -> bool {
        let (Ok(x), Ok(y)) = (i32::try_from(x), i32::try_from(y)) else { return false };
        self.0.pixel(Point::new(x, y)) == Some(BinaryColor::On)
    }

    /// Turns every second pixel of `area` off: half-tone, for values that are out of date.
    pub(super) fn dim(&mut self, area: Rectangle) {
        let dark = area
            .points()
            .filter(|point| (point.x + point.y) % 2 == 0)
            .map(|point| Pixel(point, BinaryColor::Off));
        // Drawing into memory cannot fail.
        let _ = self.0.draw_iter(dark);
    }

    /// The picture moved to the right and down; pixels that leave it are lost.
    #[must_use]
    pub(super) fn shifted(&self, (right, down): (i32, i32)) -> Self {
        let mut moved = Self::default();
        let lit = Rectangle::new(Point::zero(), self.size())
            .points()
            .filter(|point| self.0.pixel(*point) == Some(BinaryColor::On))
            .map(|point| Pixel(point + Point::new(right, down), BinaryColor::On));
        // Drawing into memory cannot fail.
        let _ = moved.0.draw_iter(lit);
        moved
    }

    /// The picture in the memory layout of OLEDs.
    pub(super) fn to_memory(&self) -> Memory {
        std::array::from_fn(|page| {
            std::array::from_fn(|x| (0..8).map(|row| u8::from(self.is_lit(x, page * 8 + row)) << row).sum())
        })
    }

    /// Rows of `#` and `.`, for golden files and for differences in a terminal.
    pub fn to_ascii(&self) -> String {
        let mut text = String::with_capacity((WIDTH + 1) * HEIGHT);
        for y in 0..HEIGHT {
            text.extend((0..WIDTH).map(|x| if self.is_lit(x, y) { '#' } else { '.' }));
            text.push('\n');
        }
        text
    }

    /// Rows of Braille characters of 2x4 pixels, so that pixels are square in a terminal.
    pub fn to_braille(&self) -> Vec<String> {
        // Column, row and bit of each dot in the Unicode block U+2800: column by column, then the lowest row.
        const DOTS: [(usize, usize, u32); 8] =
            [(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 0, 3), (1, 1, 4), (1, 2, 5), (0, 3, 6), (1, 3, 7)];
        let cell = |column: usize, row: usize| {
            let lit = |(dx, dy, bit)| u32::from(self.is_lit(column * 2 + dx, row * 4 + dy)) << bit;
            char::from_u32(0x2800 + DOTS.into_iter().map(lit).sum::<u32>()).unwrap_or(' ')
        };
        (0..HEIGHT / 4).map(|row| (0..WIDTH / 2).map(|column| cell(column, row)).collect()).collect()
    }

    /// The picture as an image; each pixel becomes a square of `scale` pixels.
    pub fn to_image(&self, scale: u32) -> image::RgbImage {
        image::RgbImage::from_fn(WIDTH as u32 * scale, HEIGHT as u32 * scale, |x, y| {
            let lit = self.is_lit((x / scale) as usize, (y / scale) as usize);
            image::Rgb(if lit { LIT } else { DARK })
        })
    }

    /// The picture as a PNG file; each pixel becomes a square of `scale` pixels.
    ///
    /// # Errors
    /// The encoder fails, which happens only if memory is exhausted.
    pub fn to_png(&self, scale: u32) -> image::ImageResult<Vec<u8>> {
        let mut png = std::io::Cursor::new(Vec::new());
        self.to_image(scale).write_to(&mut png, image::ImageFormat::Png)?;
        Ok(png.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_one_pixel(x: i32, y: i32) -> Picture {
        let mut picture = Picture::default();
        picture.draw_iter([Pixel(Point::new(x, y), BinaryColor::On)]).unwrap();
        picture
    }

    #[test]
    fn a_pixel_appears_in_each_output_format() {
        let picture = with_one_pixel(3, 6);
        assert!(picture.is_lit(3, 6) && !picture.is_lit(2, 6) && !picture.is_lit(1000, 6));
        assert_eq!(picture.to_ascii().matches('#').count(), 1);
        // Second column, third row of the cell in column 1, row 1: dot 6.
        assert_eq!(picture.to_braille()[1].chars().nth(1), Some('⠠'));
        let png = image::load_from_memory(&picture.to_png(3).unwrap()).unwrap().into_rgb8();
        assert_eq!(png.dimensions(), (384, 192));
        assert_eq!(png.pixels().filter(|pixel| pixel.0 == LIT).count(), 9);
        assert_eq!(png.get_pixel(3 * 3 + 2, 6 * 3), &image::Rgb(LIT));
    }

    #[test]
    fn a_picture_is_moved_and_converted_to_columns_of_eight() {
        let moved = with_one_pixel(3, 6).shifted((2, -1));
        assert_eq!(moved, with_one_pixel(5, 5));
        assert_eq!(moved.to_memory()[0][5], 1 << 5);
        assert_eq!(with_one_pixel(127, 63).to_memory()[7][127], 1 << 7);
        assert_eq!(with_one_pixel(0, 0).shifted((-1, 0)), Picture::default());
    }

    #[test]
    fn dimming_keeps_every_second_pixel() {
        let area = Rectangle::new(Point::zero(), Size::new(10, 10));
        let mut picture = Picture::default();
        picture.fill_solid(&area, BinaryColor::On).unwrap();
        picture.dim(area);
        assert_eq!(picture.to_ascii().matches('#').count(), 50);
    }
}
