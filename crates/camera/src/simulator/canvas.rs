//! Drawing in luma: shapes with soft edges on a plane, and sprites with transparency.
//!
//! Edges come from signed distances and not from supersampling. So they are smooth at every size with one evaluation
//! per pixel.

use crate::Size;

/// Smooth step from 0 at `from` to 1 at `to`. `to` may be less than `from`.
pub(super) fn smoothstep(from: f32, to: f32, value: f32) -> f32 {
    let t = ((value - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Linear interpolation: `a` at 0, `b` at 1.
pub(super) fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// Deterministic value noise in -1..=1 with a cell size of 1.
pub(super) fn value_noise(x: f32, y: f32, salt: u32) -> f32 {
    let (cell_x, cell_y) = (x.floor(), y.floor());
    let corner = |dx: f32, dy: f32| {
        let mut hash = ((cell_x + dx) as i32 as u32).wrapping_mul(0x9E37_79B1)
            ^ ((cell_y + dy) as i32 as u32).wrapping_mul(0x85EB_CA77)
            ^ salt.wrapping_mul(0xC2B2_AE3D);
        hash = (hash ^ (hash >> 15)).wrapping_mul(0x2C1B_3C6D);
        (hash >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let (fx, fy) = (smoothstep(0.0, 1.0, x - cell_x), smoothstep(0.0, 1.0, y - cell_y));
    mix(mix(corner(0.0, 0.0), corner(1.0, 0.0), fx), mix(corner(0.0, 1.0), corner(1.0, 1.0), fx), fy)
}

/// Signed distance to an axis-aligned ellipse in units of x, negative inside (first-order estimate).
pub(super) fn ellipse(x: f32, y: f32, radius_x: f32, radius_y: f32) -> f32 {
    let (u, v) = (x / radius_x, y / radius_y);
    let level = (u * u + v * v).sqrt();
    let (gu, gv) = (u / radius_x, v / radius_y);
    let slope = (gu * gu + gv * gv).sqrt();
    if level < 1e-6 || slope < 1e-9 { -radius_x.min(radius_y) } else { level * (level - 1.0) / slope }
}

/// Signed distance to a rounded box around the origin, negative inside.
pub(super) fn rounded_box(x: f32, y: f32, half_width: f32, half_height: f32, radius: f32) -> f32 {
    let (dx, dy) = (x.abs() - half_width + radius, y.abs() - half_height + radius);
    dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius
}

/// A luma plane for drawing.
pub(super) struct Canvas {
    /// Size in pixels.
    pub(super) size: Size,
    /// Luma, 0..=255, row by row.
    pub(super) luma: Vec<f32>,
}

/// A rectangle in pixels: left, top, right, bottom (right and bottom are exclusive).
pub(super) type Window = (f32, f32, f32, f32);

impl Canvas {
    /// A black canvas.
    pub(super) fn new(size: Size) -> Self {
        Self { size, luma: vec![0.0; size.area()] }
    }

    /// Blends every pixel in `window` with `paint(x, y)`, which returns luma and cover (0..=1) for a pixel centre.
    pub(super) fn paint(&mut self, window: Window, mut paint: impl FnMut(f32, f32) -> (f32, f32)) {
        let (width, height) = (self.size.width as f32, self.size.height as f32);
        let (left, right) = (window.0.clamp(0.0, width) as usize, window.2.ceil().clamp(0.0, width) as usize);
        let (top, bottom) =
            (window.1.clamp(0.0, height) as usize, window.3.ceil().clamp(0.0, height) as usize);
        for row in top..bottom {
            let line = row * self.size.width as usize;
            for column in left..right.max(left) {
                let (luma, cover) = paint(column as f32 + 0.5, row as f32 + 0.5);
                let pixel = &mut self.luma[line + column];
                *pixel = mix(*pixel, luma, cover.clamp(0.0, 1.0));
            }
        }
    }

    /// Fills a convex polygon (clockwise on the screen) with the luma `shade(x, y)`.
    pub(super) fn polygon(&mut self, corners: &[(f32, f32)], mut shade: impl FnMut(f32, f32) -> f32) {
        let fold = |pick: fn(f32, f32) -> f32, start: f32| {
            corners
                .iter()
                .fold((start, start), |best, corner| (pick(best.0, corner.0), pick(best.1, corner.1)))
        };
        let (low, high) = (fold(f32::min, f32::MAX), fold(f32::max, f32::MIN));
        self.paint((low.0 - 1.0, low.1 - 1.0, high.0 + 1.0, high.1 + 1.0), |x, y| {
            let mut inside = f32::MAX;
            for (index, from) in corners.iter().enumerate() {
                let to = corners[(index + 1) % corners.len()];
                let (edge_x, edge_y) = (to.0 - from.0, to.1 - from.1);
                let length = edge_x.hypot(edge_y).max(1e-6);
                inside = inside.min((edge_x * (y - from.1) - edge_y * (x - from.0)) / length);
            }
            if inside < -0.5 { (0.0, 0.0) } else { (shade(x, y), inside + 0.5) }
        });
    }

    /// Blurs like a lens: a binomial 3x3 filter, blended with the original by `share`.
    pub(super) fn soften(&mut self, share: f32) {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let source = self.luma.clone();
        for row in 0..height {
            let above = row.saturating_sub(1) * width;
            let below = (row + 1).min(height - 1) * width;
            let line = row * width;
            for column in 0..width {
                let (before, after) = (column.saturating_sub(1), (column + 1).min(width - 1));
                let across = |at: usize| source[at + before] + 2.0 * source[at + column] + source[at + after];
                let blurred = (across(above) + 2.0 * across(line) + across(below)) / 16.0;
                self.luma[line + column] = mix(source[line + column], blurred, share);
            }
        }
    }
}

/// A small picture with transparency that is drawn once and placed often.
#[derive(Default)]
pub(super) struct Sprite {
    width: usize,
    height: usize,
    /// Luma and cover (0..=1) of each pixel.
    pixels: Vec<(f32, f32)>,
}

impl Sprite {
    /// Redraws the sprite and reuses its memory. `shade` gets pixel centres and returns luma and cover.
    pub(super) fn draw(
        &mut self,
        width: usize,
        height: usize,
        mut shade: impl FnMut(f32, f32) -> (f32, f32),
    ) {
        (self.width, self.height) = (width, height);
        self.pixels.clear();
        for row in 0..height {
            self.pixels.extend((0..width).map(|column| shade(column as f32 + 0.5, row as f32 + 0.5)));
        }
    }

    /// Draws the sprite on the plane with its centre at (`x`, `y`), rotated by the angle with this `sine`.
    pub(super) fn place(&self, plane: &mut [u8], size: Size, (x, y): (f32, f32), sine: f32) {
        let (width, height) = (self.width as f32, self.height as f32);
        let cosine = (1.0 - sine * sine).max(0.0).sqrt();
        let reach_x = (width * cosine + height * sine.abs()) / 2.0 + 1.0;
        let reach_y = (height * cosine + width * sine.abs()) / 2.0 + 1.0;
        let columns = span(x, reach_x, size.width);
        for row in span(y, reach_y, size.height) {
            let line = row * size.width as usize;
            for column in columns.clone() {
                let (dx, dy) = (column as f32 + 0.5 - x, row as f32 + 0.5 - y);
                let u = dx * cosine + dy * sine + width / 2.0 - 0.5;
                let v = dy * cosine - dx * sine + height / 2.0 - 0.5;
                if u < 0.0 || v < 0.0 || u >= width - 1.0 || v >= height - 1.0 {
                    continue;
                }
                let (luma, cover) = self.sample(u, v);
                if cover <= 0.0 {
                    continue;
                }
                let pixel = &mut plane[line + column];
                *pixel = mix(f32::from(*pixel), luma, cover) as u8;
            }
        }
    }

    /// Bilinear interpolation weighted by cover, so that transparent pixels do not change the luma of the edge.
    fn sample(&self, u: f32, v: f32) -> (f32, f32) {
        let (left, top) = (u as usize, v as usize);
        let (fu, fv) = (u - left as f32, v - top as f32);
        let at = top * self.width + left;
        let corners = [
            (self.pixels[at], (1.0 - fu) * (1.0 - fv)),
            (self.pixels[at + 1], fu * (1.0 - fv)),
            (self.pixels[at + self.width], (1.0 - fu) * fv),
            (self.pixels[at + self.width + 1], fu * fv),
        ];
        let (mut luma, mut cover) = (0.0, 0.0);
        for ((value, alpha), weight) in corners {
            luma += value * alpha * weight;
            cover += alpha * weight;
        }
        if cover > 1e-4 { (luma / cover, cover) } else { (0.0, 0.0) }
    }
}

/// Indices of the pixels at most `reach` from `middle`, limited to 0..`length`.
fn span(middle: f32, reach: f32, length: u32) -> std::ops::Range<usize> {
    let limit = length as f32;
    (middle - reach).clamp(0.0, limit) as usize..(middle + reach).ceil().clamp(0.0, limit) as usize
}
