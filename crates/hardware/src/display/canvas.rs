//! A colour picture of 240x240 pixels with anti-aliased shapes and letters.
//!
//! The coverage of a pixel is its signed distance to the outline, clamped to one pixel. This is exact enough for round
//! shapes and needs no second picture (Quilez, "2D distance functions").

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::pixelcolor::raw::{RawData, RawU16};

use super::sign::{Ink, Shape, Stroke};

/// Width and height in pixels.
pub(super) const SIDE: usize = 240;

/// The font of the large screen, reduced to ASCII; docs/reference/third-party.md describes how.
const FONT: &[u8] = include_bytes!("large/Inter-SemiBold.ascii.otf");

/// sRGB.
pub(super) type Colour = [u8; 3];

/// Alignment of a text relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// A colour picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Canvas {
    /// sRGB, row by row.
    pixels: Vec<Colour>,
    background: Colour,
}

impl std::fmt::Debug for Canvas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let drawn = self.pixels.iter().filter(|pixel| **pixel != self.background).count();
        write!(f, "Canvas of {SIDE}x{SIDE}, {drawn} pixels drawn")
    }
}

impl Canvas {
    /// A picture filled with `background`.
    pub(super) fn new(background: Colour) -> Self {
        Self { pixels: vec![background; SIDE * SIDE], background }
    }

    /// RGB565 pixels row by row, the format of the ST7789; each channel is multiplied by `brightness` (0 to 1).
    pub fn to_rgb565(&self, brightness: f64) -> Vec<u16> {
        let level = (brightness.clamp(0.0, 1.0) * 256.0) as u32;
        let channel = |value: u8, bits: u32| ((u32::from(value) * level) >> (16 - bits)) as u8;
        let pixel = |&[red, green, blue]: &Colour| {
            let colour = Rgb565::new(channel(red, 5), channel(green, 6), channel(blue, 5));
            RawU16::from(colour).into_inner()
        };
        self.pixels.iter().map(pixel).collect()
    }

    /// The picture as an image; each pixel becomes a square of `scale` pixels.
    pub fn to_image(&self, scale: u32) -> image::RgbImage {
        let side = SIDE as u32 * scale;
        image::RgbImage::from_fn(side, side, |x, y| {
            image::Rgb(self.pixels[(y / scale) as usize * SIDE + (x / scale) as usize])
        })
    }

    /// Fills an outline: `distance` is the signed distance of a point to it, negative inside. Only pixels within
    /// `bounds` (left, top, right, bottom) are tested.
    pub(super) fn shade(&mut self, bounds: [f32; 4], colour: Colour, distance: impl Fn(f32, f32) -> f32) {
        let [left, top, right, bottom] = bounds;
        let within = |value: f32| (value.max(0.0) as usize).min(SIDE);
        for y in within(top - 1.0)..within(bottom + 2.0) {
            for x in within(left - 1.0)..within(right + 2.0) {
                let coverage = (0.5 - distance(x as f32 + 0.5, y as f32 + 0.5)).clamp(0.0, 1.0);
                self.blend(x, y, colour, coverage);
            }
        }
    }

    fn blend(&mut self, x: usize, y: usize, colour: Colour, coverage: f32) {
        if coverage <= 0.0 || x >= SIDE || y >= SIDE {
            return;
        }
        let pixel = &mut self.pixels[y * SIDE + x];
        for (below, above) in pixel.iter_mut().zip(colour) {
            let mixed = f32::from(*below) + (f32::from(above) - f32::from(*below)) * coverage;
            *below = mixed.round() as u8;
        }
    }

    /// Draws a circle of `radius` around the point; the line is `width` wide, half of it on each side.
    pub(super) fn ring(&mut self, (x, y): (f32, f32), radius: f32, width: f32, colour: Colour) {
        let reach = radius + width / 2.0;
        self.shade([x - reach, y - reach, x + reach, y + reach], colour, |px, py| {
            ((px - x).hypot(py - y) - radius).abs() - width / 2.0
        });
    }

    /// Draws a filled rectangle with round corners.
    pub(super) fn rounded(&mut self, [x, y, width, height]: [f32; 4], corner: f32, colour: Colour) {
        let corner = corner.min(width / 2.0).min(height / 2.0);
        self.shade([x, y, x + width, y + height], colour, |px, py| {
            to_rectangle((px, py), [x, y, width, height], corner)
        });
    }

    /// Draws the strokes of a sign, scaled by `scale`, with its upper left corner at the point.
    pub(super) fn sign(&mut self, strokes: &[Stroke], at: (f32, f32), scale: f32, colour: Colour) {
        for stroke in strokes {
            let (colour, half) = match stroke.ink {
                Ink::Fill => (colour, None),
                Ink::Clear => (self.background, None),
                Ink::Outline(width) => (colour, Some(width as f32 / 2.0)),
                Ink::ClearOutline(width) => (self.background, Some(width as f32 / 2.0)),
            };
            let [left, top, right, bottom] = bounds(stroke.shape);
            let margin = half.unwrap_or(0.0);
            let bounds = [
                at.0 + (left - margin) * scale,
                at.1 + (top - margin) * scale,
                at.0 + (right + margin) * scale,
                at.1 + (bottom + margin) * scale,
            ];
            self.shade(bounds, colour, |px, py| {
                let distance = to_shape(stroke.shape, ((px - at.0) / scale, (py - at.1) / scale));
                half.map_or(distance, |half| distance.abs() - half) * scale
            });
        }
    }

    /// Draws `text`; `size` is the font height in pixels, `at` is on the baseline.
    pub(super) fn text(&mut self, text: &str, at: (f32, f32), size: f32, align: Align, colour: Colour) {
        let Some(font) = font() else { return };
        let scaled = font.as_scaled(PxScale::from(size));
        let mut x = match align {
            Align::Left => at.0,
            Align::Centre => at.0 - text_width(text, size) / 2.0,
            Align::Right => at.0 - text_width(text, size),
        };
        let mut previous = None;
        for letter in text.chars() {
            let id = font.glyph_id(letter);
            x += previous.map_or(0.0, |previous| scaled.kern(previous, id));
            let glyph = id.with_scale_and_position(size, point(x, at.1));
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|dx, dy, coverage| {
                    let (px, py) = (corner.x + dx as f32, corner.y + dy as f32);
                    if px >= 0.0 && py >= 0.0 {
                        self.blend(px as usize, py as usize, colour, coverage.min(1.0));
                    }
                });
            }
            x += scaled.h_advance(id);
            previous = Some(id);
        }
    }
}

/// `None` only if the embedded font were invalid, which a test excludes.
fn font() -> Option<FontRef<'static>> {
    FontRef::try_from_slice(FONT).ok()
}

/// Width of `text` in pixels.
pub(super) fn text_width(text: &str, size: f32) -> f32 {
    let Some(font) = font() else { return 0.0 };
    let scaled = font.as_scaled(PxScale::from(size));
    let mut width = 0.0;
    let mut previous = None;
    for letter in text.chars() {
        let id = font.glyph_id(letter);
        width += previous.map_or(0.0, |previous| scaled.kern(previous, id)) + scaled.h_advance(id);
        previous = Some(id);
    }
    width
}

/// The largest font size up to `max` at which `text` is at most `room` pixels wide.
pub(super) fn fitting_size(text: &str, room: f32, max: f32) -> f32 {
    let width = text_width(text, max);
    if width <= room { max } else { max * room / width }
}

fn bounds(shape: Shape) -> [f32; 4] {
    match shape {
        Shape::Circle { x, y, diameter } | Shape::Arc { x, y, diameter, .. } => {
            [x as f32, y as f32, (x + diameter as i32) as f32, (y + diameter as i32) as f32]
        }
        Shape::Rectangle { x, y, width, height, .. } => {
            [x as f32, y as f32, (x + width as i32) as f32, (y + height as i32) as f32]
        }
        Shape::Line { from, to } => [
            from.0.min(to.0) as f32,
            from.1.min(to.1) as f32,
            (from.0.max(to.0) + 1) as f32,
            (from.1.max(to.1) + 1) as f32,
        ],
    }
}

/// Signed distance from a point to the outline of the shape; lines and arcs have no inside.
fn to_shape(shape: Shape, (px, py): (f32, f32)) -> f32 {
    match shape {
        Shape::Circle { x, y, diameter } => {
            let radius = diameter as f32 / 2.0;
            (px - x as f32 - radius).hypot(py - y as f32 - radius) - radius
        }
        Shape::Rectangle { x, y, width, height, corner } => {
            let sides = [x as f32, y as f32, width as f32, height as f32];
            to_rectangle((px, py), sides, corner as f32)
        }
        Shape::Line { from, to } => {
            // The coordinates are pixels: the centre is half a unit further.
            let middle = |(x, y): (i32, i32)| (x as f32 + 0.5, y as f32 + 0.5);
            to_line((px, py), middle(from), middle(to))
        }
        Shape::Arc { x, y, diameter, start, sweep } => {
            let radius = diameter as f32 / 2.0;
            let (dx, dy) = (px - x as f32 - radius, py - y as f32 - radius);
            let turned = (dy.atan2(dx).to_degrees() - start).rem_euclid(360.0);
            if turned <= sweep {
                return (dx.hypot(dy) - radius).abs();
            }
            let end = |degrees: f32| {
                let (sine, cosine) = degrees.to_radians().sin_cos();
                (dx - radius * cosine).hypot(dy - radius * sine)
            };
            end(start).min(end(start + sweep))
        }
    }
}

fn to_rectangle((px, py): (f32, f32), [x, y, width, height]: [f32; 4], corner: f32) -> f32 {
    let outside_x = (px - x - width / 2.0).abs() - width / 2.0 + corner;
    let outside_y = (py - y - height / 2.0).abs() - height / 2.0 + corner;
    outside_x.max(0.0).hypot(outside_y.max(0.0)) + outside_x.max(outside_y).min(0.0) - corner
}

fn to_line((px, py): (f32, f32), from: (f32, f32), to: (f32, f32)) -> f32 {
    let (along_x, along_y) = (to.0 - from.0, to.1 - from.1);
    let length = along_x * along_x + along_y * along_y;
    let share = ((px - from.0) * along_x + (py - from.1) * along_y) / length.max(f32::MIN_POSITIVE);
    let share = share.clamp(0.0, 1.0);
    (px - from.0 - along_x * share).hypot(py - from.1 - along_y * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLACK: Colour = [0, 0, 0];
    const WHITE: Colour = [255, 255, 255];

    #[test]
    fn the_font_is_valid_and_covers_ascii() {
        let font = font().unwrap();
        assert!((' '..='~').all(|letter| font.glyph_id(letter).0 != 0));
        assert!(text_width("mm", 20.0) > 1.9 * text_width("m", 20.0));
        assert_eq!(fitting_size("calm", 1000.0, 40.0), 40.0);
        assert!((text_width("attentive", fitting_size("attentive", 100.0, 90.0)) - 100.0).abs() < 1.0);
    }

    #[test]
    fn a_shape_covers_as_much_as_its_area() {
        let covered =
            |canvas: &Canvas| canvas.pixels.iter().map(|pixel| f32::from(pixel[0]) / 255.0).sum::<f32>();
        let mut canvas = Canvas::new(BLACK);
        canvas.rounded([10.0, 20.0, 50.0, 8.0], 0.0, WHITE);
        assert!((covered(&canvas) - 400.0).abs() < 1.0, "{}", covered(&canvas));
        let mut canvas = Canvas::new(BLACK);
        canvas.ring((120.0, 120.0), 100.0, 12.0, WHITE);
        let area = std::f32::consts::TAU * 100.0 * 12.0;
        assert!((covered(&canvas) / area - 1.0).abs() < 0.01, "{} of {area}", covered(&canvas));
        // Drawing beyond the edge is clipped and does not panic.
        canvas.ring((0.0, 239.0), 300.0, 2.0, WHITE);
        canvas.text("mmmmmmmm", (-20.0, 300.0), 80.0, Align::Left, WHITE);
    }

    #[test]
    fn dimmed_colours_keep_their_hue_and_black_stays_black() {
        let canvas = Canvas::new([255, 128, 0]);
        assert_eq!(canvas.to_rgb565(1.0)[0], 31 << 11 | 32 << 5);
        assert_eq!(canvas.to_rgb565(0.5)[0], 15 << 11 | 16 << 5);
        assert_eq!(canvas.to_rgb565(0.0)[0], 0);
    }
}
