//! The gallery of a video call: positions of the tiles, and their contents without the heads.
//!
//! The layout is that of common video call programs: 16:9 tiles in rows, with as many columns as the square root of
//! their number, rounded up. So all tiles move when one person joins or leaves. Every twelfth camera is off.

use super::canvas::{Canvas, ellipse, rounded_box, smoothstep, value_noise};
use super::head::Appearance;
use super::lettering;
use super::room;
use super::seating::Seat;
use crate::Size;
use moodring_runtime::Rng;

/// Largest number of tiles on one page of a gallery.
pub(super) const MAX_TILES: usize = 49;
/// In every dozen of arrivals, the person with this index (from 0) has the camera off.
const CAMERA_OFF: (usize, usize) = (7, 12);
const ASPECT: f32 = 16.0 / 9.0;
/// Luma of the background, of the toolbar, of a tile without a picture, and of letters.
const BACKGROUND: f32 = 20.0;
const TOOLBAR: f32 = 34.0;
const EMPTY: f32 = 46.0;
const LETTERS: f32 = 232.0;
/// Height of the toolbar, and the gap between tiles, in heights of the picture.
const TOOLBAR_HEIGHT: f32 = 0.066;
const GAP: f32 = 0.008;
/// Width of the tile area beside a slide, in widths of the picture.
const TILES_WIDTH_WITH_SLIDE: f32 = 0.28;

/// A rectangle in pixels: left, top, width, height.
type Area = (f32, f32, f32, f32);

/// Layout of the gallery at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Number of people in the call, including those whose camera is off.
    pub(super) people: usize,
    /// Whether a slide is shown beside the tiles.
    pub(super) slide: bool,
}

/// The tiles of a call.
pub(super) struct Gallery {
    size: Size,
    seed: u64,
    /// Arrival rank of each seat. Tiles are in the order of the seats, so a new tile may be inserted anywhere.
    arrival: Vec<usize>,
}

/// Whether the camera is on for the person with the arrival rank `arrival`, from 0.
pub(super) fn camera_is_on(arrival: usize) -> bool {
    arrival % CAMERA_OFF.1 != CAMERA_OFF.0
}

impl Gallery {
    pub(super) fn new(size: Size, seed: u64, arrival: Vec<usize>) -> Self {
        Self { size, seed, arrival }
    }

    /// Converts picture heights to whole pixels.
    fn pixels(&self, heights: f32) -> f32 {
        (heights * self.size.height as f32).round()
    }

    /// Area for the tiles.
    fn area(&self, layout: Layout) -> Area {
        let (width, height) = (self.size.width as f32, self.size.height as f32);
        let high = height - self.pixels(TOOLBAR_HEIGHT);
        let left = if layout.slide { (width * (1.0 - TILES_WIDTH_WITH_SLIDE)).round() } else { 0.0 };
        (left, 0.0, width - left, high)
    }

    /// Tile number `index` of the people in the call, in whole pixels.
    fn tile(&self, index: usize, layout: Layout) -> Area {
        let area = self.area(layout);
        let gap = self.pixels(GAP).max(2.0);
        let size = |columns: usize| {
            let rows = layout.people.div_ceil(columns);
            let wide = (area.2 - gap) / columns as f32 - gap;
            let high = (area.3 - gap) / rows as f32 - gap;
            wide.min(high * ASPECT)
        };
        let columns = if layout.slide {
            let larger = |best, columns| if size(columns) > size(best) { columns } else { best };
            (1..=layout.people).fold(1, larger)
        } else {
            (layout.people as f64).sqrt().ceil() as usize
        };
        let columns = columns.max(1);
        let (rows, wide) = (layout.people.div_ceil(columns), size(columns).floor().max(8.0));
        let high = (wide / ASPECT).floor();
        let (row, column) = (index / columns, index % columns);
        let in_row = columns.min(layout.people - row * columns);
        let span = |count: usize, side: f32| count as f32 * (side + gap) - gap;
        let left = area.0 + (area.2 - span(in_row, wide)) / 2.0 + column as f32 * (wide + gap);
        let top = area.1 + (area.3 - span(rows, high)) / 2.0 + row as f32 * (high + gap);
        (left.floor(), top.floor(), wide, high)
    }

    fn is_in_call(&self, seat: usize, layout: Layout) -> bool {
        self.arrival[seat] < layout.people
    }

    fn tile_of(&self, seat: usize, layout: Layout) -> Area {
        let index = (0..seat).filter(|other| self.is_in_call(*other, layout)).count();
        self.tile(index.min(layout.people.saturating_sub(1)), layout)
    }

    /// Position and size of the head of `seat`. Each person sits at a different distance from the camera.
    pub(super) fn seat(&self, seat: usize, layout: Layout) -> Seat {
        let (left, top, width, height) = self.tile_of(seat, layout);
        let framed = self.framed(seat, width, height);
        Seat { x: left + framed.x, y: top + framed.y, ..framed }
    }

    /// The same in coordinates of a tile of this size in pixels.
    fn framed(&self, seat: usize, width: f32, height: f32) -> Seat {
        let mut rng = Rng::for_item(self.seed, 12, seat as u64);
        let head = height * rng.within(0.40, 0.54);
        let x = width * (0.5 + rng.within(-0.07, 0.07));
        Seat { row: 0, x, y: head * 0.80 + height * rng.within(0.02, 0.08), head }
    }

    /// Direction of the light on `seat`, -0.7 (left) to 0.7 (right). Each person has their own lamp.
    pub(super) fn light(&self, seat: usize) -> f32 {
        Rng::for_item(self.seed, 13, seat as u64).within(-0.7, 0.7)
    }

    /// Draws the gallery, and the people up to their necks.
    pub(super) fn draw(&self, appearances: &[Appearance], layout: Layout) -> Canvas {
        let mut canvas = Canvas::new(self.size);
        canvas.luma.fill(BACKGROUND);
        for seat in (0..self.arrival.len()).filter(|seat| self.is_in_call(*seat, layout)) {
            let area = self.tile_of(seat, layout);
            let mut tile = Canvas::new(Size::new(area.2 as u32, area.3 as u32));
            if camera_is_on(self.arrival[seat]) {
                self.webcam(&mut tile, seat, &appearances[seat]);
            } else {
                self.camera_off(&mut tile, seat);
            }
            self.name(&mut tile, seat);
            copy(&tile, &mut canvas, area);
        }
        if layout.slide {
            self.slide(&mut canvas);
        }
        self.toolbar(&mut canvas);
        canvas
    }

    /// A tile with the camera on: a wall, sometimes with a shelf, and shoulders.
    fn webcam(&self, tile: &mut Canvas, seat: usize, appearance: &Appearance) {
        let (width, height) = (tile.size.width as f32, tile.size.height as f32);
        let mut rng = Rng::for_item(self.seed, 14, seat as u64);
        let wall = rng.within(66.0, 205.0);
        let (slope, salt) = (rng.within(-0.25, 0.25), rng.next_u64() as u32);
        tile.paint((0.0, 0.0, width, height), |x, y| {
            let shade = 1.0 + slope * (x / width - 0.5) - 0.15 * (y / height - 0.5);
            (wall * shade + 3.0 * value_noise(x * 5.0 / height, y * 5.0 / height, salt), 1.0)
        });
        if rng.chance(0.6) {
            let left = if rng.chance(0.5) { rng.within(0.02, 0.10) } else { rng.within(0.74, 0.82) };
            let (right, top, foot) =
                (left + rng.within(0.12, 0.2), rng.within(0.05, 0.15), rng.within(0.4, 0.9));
            let luma = (wall + if rng.chance(0.5) { 45.0 } else { -45.0 }).clamp(25.0, 230.0);
            let (left, right, top, foot) = (left * width, right * width, top * height, foot * height);
            tile.paint((left, top, right, foot), |_, y| {
                let board = ((y - top) / height * 6.0).fract() < 0.12;
                (if board { luma * 0.7 } else { luma }, 1.0)
            });
        }
        let framed = self.framed(seat, width, height);
        room::shoulders(tile, &framed, appearance, Rng::for_item(self.seed, 2, seat as u64));
        tile.luma.iter_mut().for_each(|luma| *luma = luma.clamp(0.0, 255.0));
        tile.soften(0.8);
    }

    /// A tile with the camera off: two letters or a person icon on a disc.
    fn camera_off(&self, tile: &mut Canvas, seat: usize) {
        let (width, height) = (tile.size.width as f32, tile.size.height as f32);
        let mut rng = Rng::for_item(self.seed, 15, seat as u64);
        tile.luma.fill(EMPTY);
        let (middle, radius, luma) = ((width / 2.0, height * 0.47), height * 0.24, rng.within(80.0, 150.0));
        let disc = |x: f32, y: f32| ellipse(x - middle.0, y - middle.1, radius, radius);
        tile.paint((0.0, 0.0, width, height), |x, y| (luma, smoothstep(0.7, -0.7, disc(x, y))));
        if rng.chance(0.5) {
            lettering::write_centred(tile, middle, radius * 0.8, &lettering::word(&mut rng, 2), LETTERS);
            return;
        }
        tile.paint((0.0, 0.0, width, height), |x, y| {
            let (u, v) = ((x - middle.0) / radius, (y - middle.1) / radius);
            let icon = ellipse(u, v + 0.22, 0.34, 0.36).min(ellipse(u, v - 0.75, 0.62, 0.52));
            (LETTERS - 20.0, smoothstep(0.03, -0.03, icon) * smoothstep(0.7, -0.7, disc(x, y)))
        });
    }

    /// The name of the person in the lower left corner.
    fn name(&self, tile: &mut Canvas, seat: usize) {
        let height = tile.size.height as f32;
        let mut rng = Rng::for_item(self.seed, 16, seat as u64);
        let letters = 4 + (rng.next_u64() % 5) as usize;
        let name = lettering::word(&mut rng, letters);
        let (high, edge) = (height * 0.055, height * 0.03);
        let wide = lettering::width(high, name.len()) + 2.0 * edge;
        let (top, foot) = (height - high - 3.0 * edge, height - edge);
        tile.paint((edge, top, edge + wide, foot), |_, _| (18.0, 0.75));
        lettering::write(tile, (2.0 * edge, top + edge), high, &name, LETTERS);
    }

    /// A white page with a heading, lines and a chart.
    fn slide(&self, canvas: &mut Canvas) {
        let (left, _, _, high) = self.area(Layout { people: 1, slide: true });
        let mut rng = Rng::for_item(self.seed, 17, 0);
        let (width, height) = (left - 2.0 * high * 0.03, high * 0.76);
        let (x0, y0) = (high * 0.03, (high - height) / 2.0);
        canvas.paint((x0, y0, x0 + width, y0 + height), |_, _| (236.0, 1.0));
        lettering::write(
            canvas,
            (x0 + width * 0.06, y0 + height * 0.09),
            height * 0.07,
            &lettering::word(&mut rng, 9),
            50.0,
        );
        for line in 0..5 {
            let y = y0 + height * (0.30 + 0.12 * line as f32);
            let letters = 8 + (rng.next_u64() % 8) as usize;
            let word = lettering::word(&mut rng, letters);
            lettering::write(canvas, (x0 + width * 0.08, y), height * 0.035, &word, 80.0);
        }
        for bar in 0..4 {
            let (x, up) = (x0 + width * (0.60 + 0.08 * bar as f32), height * rng.within(0.15, 0.5));
            canvas.paint((x, y0 + height * 0.85 - up, x + width * 0.05, y0 + height * 0.85), |_, _| {
                (110.0, 1.0)
            });
        }
    }

    /// The toolbar: round buttons, and a wide one for leaving the call.
    fn toolbar(&self, canvas: &mut Canvas) {
        let (width, height) = (self.size.width as f32, self.size.height as f32);
        let high = self.pixels(TOOLBAR_HEIGHT);
        canvas.paint((0.0, height - high, width, height), |_, _| (TOOLBAR, 1.0));
        let (y0, radius) = (height - high / 2.0, high * 0.34);
        for button in 0..7 {
            let x0 = width / 2.0 + (button as f32 - 3.0) * high * 1.05;
            let (half, luma) = if button == 6 { (radius * 1.7, 120.0) } else { (radius, 76.0) };
            let x0 = x0 + half - radius;
            canvas.paint((x0 - half - 1.0, y0 - radius - 1.0, x0 + half + 1.0, y0 + radius + 1.0), |x, y| {
                (luma, smoothstep(0.7, -0.7, rounded_box(x - x0, y - y0, half, radius, radius)))
            });
            canvas.paint((x0 - radius, y0 - radius, x0 + radius, y0 + radius), |x, y| {
                let sign = rounded_box(x - x0, y - y0, radius * 0.42, radius * 0.28, radius * 0.1);
                (210.0, smoothstep(0.7, -0.7, sign))
            });
        }
    }
}

/// Copies a tile to the picture.
fn copy(tile: &Canvas, canvas: &mut Canvas, (left, top, ..): Area) {
    let (left, top) = (left as usize, top as usize);
    let (width, across) = (tile.size.width as usize, canvas.size.width as usize);
    for (row, line) in tile.luma.chunks_exact(width).enumerate() {
        let start = (top + row) * across + left;
        if let Some(target) = canvas.luma.get_mut(start..start + width) {
            target.copy_from_slice(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [Size; 3] = [Size::new(640, 360), Size::new(1280, 720), Size::new(1920, 1080)];

    #[test]
    fn tiles_and_heads_are_inside_the_picture_and_apart() {
        for size in SIZES {
            for (people, slide) in (1..=MAX_TILES).flat_map(|people| [(people, false), (people, true)]) {
                let gallery = Gallery::new(size, 1, (0..people).collect());
                let layout = Layout { people, slide };
                let tiles: Vec<Area> = (0..people).map(|index| gallery.tile(index, layout)).collect();
                for (index, (left, top, width, height)) in tiles.iter().copied().enumerate() {
                    let area = gallery.area(layout);
                    assert!(left >= area.0 && top >= area.1, "{people} at {size}, slide {slide}");
                    assert!(left + width <= area.0 + area.2 && top + height <= area.1 + area.3);
                    assert!((width / height / ASPECT - 1.0).abs() < 0.05, "{width}x{height}");
                    let apart = |other: &Area| {
                        left + width < other.0
                            || other.0 + other.2 < left
                            || top + height < other.1
                            || other.1 + other.3 < top
                    };
                    assert!(tiles[..index].iter().all(apart), "{people} at {size}, slide {slide}");
                    // Includes a nod and hair on the shoulders.
                    let seat = gallery.seat(index, layout);
                    assert!(seat.y - 0.8 * seat.head >= top && seat.y + 0.95 * seat.head <= top + height);
                    assert!(seat.x - 0.9 * seat.head >= left && seat.x + 0.9 * seat.head <= left + width);
                }
            }
        }
    }

    #[test]
    fn the_number_of_columns_is_the_square_root() {
        let tops = |people: usize| {
            let gallery = Gallery::new(SIZES[1], 1, (0..people).collect());
            let mut tops: Vec<_> = (0..people)
                .map(|index| gallery.tile(index, Layout { people, slide: false }).1 as u32)
                .collect();
            tops.dedup();
            tops.len()
        };
        assert_eq!([1, 4, 9, 24, 25, 26, 30, 49].map(tops), [1, 2, 3, 5, 5, 5, 5, 7]);
    }

    #[test]
    fn one_camera_in_twelve_is_off() {
        let off = |people: usize| (0..people).filter(|arrival| !camera_is_on(*arrival)).count();
        assert_eq!([4, 9, 24, 25, 30, 49].map(off), [0, 1, 2, 2, 2, 4]);
    }
}
