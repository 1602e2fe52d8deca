//! Draws the light ring for each mood word, as seen with typical vision and with the three dichromacies:
//!
//! `cargo run --example lights_picture -- docs/img/lights.png`
//!
//! Everything is computed in linear light and converted to sRGB at the end.

use std::convert::Infallible;

use anyhow::{Context, Result};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::{DrawTarget, OriginDimensions, Pixel, Point, Size};
use image::{Rgb, RgbImage};
use moodring_contract::Word;
use moodring_hardware::lights::{ColourVision, Palette, srgb};
use u8g2_fonts::FontRenderer;
use u8g2_fonts::fonts::u8g2_font_helvB24_tr as Font;
use u8g2_fonts::types::{FontColor, HorizontalAlignment, VerticalPosition};

const WORDS: [(Word, &str); 7] = [
    (Word::Bright, "bright"),
    (Word::Attentive, "attentive"),
    (Word::Calm, "calm"),
    (Word::Restless, "restless"),
    (Word::Strained, "strained"),
    (Word::Drowsy, "drowsy"),
    (Word::Unsure, "unsure"),
];
const ROWS: [(ColourVision, &str); 4] = [
    (ColourVision::Typical, "usual vision"),
    (ColourVision::Protanopia, "protanopia"),
    (ColourVision::Deuteranopia, "deuteranopia"),
    (ColourVision::Tritanopia, "tritanopia"),
];
const CELL: u32 = 140;
const LEFT: u32 = 180;
const TOP: u32 = 56;
/// Oversampling factor of the letters, which smooths their edges.
const OVERSAMPLING: u32 = 2;
/// Linear light of the wall and of the letters, 0 to 1.
const WALL: f64 = 0.008;
const LETTERS: f64 = 0.7;
/// Radius of the ring and of one lamp, in pixels.
const RING: f64 = 42.0;
const LAMP: f64 = 6.0;
const LAMPS: u32 = 16;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("usage: lights_picture FILE.png")?;
    let (width, height) = (LEFT + CELL * WORDS.len() as u32 + 20, TOP + CELL * ROWS.len() as u32 + 20);
    let mut letters = Letters::new(width * OVERSAMPLING, height * OVERSAMPLING);
    for (column, (_, word)) in WORDS.iter().enumerate() {
        letters.write(word, LEFT + CELL * column as u32 + CELL / 2, TOP / 2, HorizontalAlignment::Center)?;
    }
    for (row, (_, eyes)) in ROWS.iter().enumerate() {
        letters.write(eyes, LEFT - 20, TOP + CELL * row as u32 + CELL / 2, HorizontalAlignment::Right)?;
    }
    let picture = RgbImage::from_fn(width, height, |x, y| {
        let light = cell(x, y).unwrap_or([WALL; 3]);
        let ink = letters.ink(x, y);
        Rgb(light.map(|channel| srgb(channel + (LETTERS - channel) * ink)))
    });
    picture.save(&path).with_context(|| format!("{path} cannot be written"))
}

/// Linear light of the pixel at `x`, `y`; `None` outside all cells.
fn cell(x: u32, y: u32) -> Option<[f64; 3]> {
    let (column, row) = (x.checked_sub(LEFT)? / CELL, y.checked_sub(TOP)? / CELL);
    let ((word, _), (eyes, _)) = (WORDS.get(column as usize)?, ROWS.get(row as usize)?);
    let middle = |edge: u32, index: u32| f64::from(edge + CELL * index) + f64::from(CELL) / 2.0 - 0.5;
    let (across, down) = (f64::from(x) - middle(LEFT, column), f64::from(y) - middle(TOP, row));
    let shine = (0..LAMPS).map(|lamp| {
        let angle = std::f64::consts::TAU * f64::from(lamp) / f64::from(LAMPS);
        let distance = (across - RING * angle.cos()).hypot(down - RING * angle.sin());
        let edge = (LAMP + 0.5 - distance).clamp(0.0, 1.0);
        // The second term is the light that the wall around the lamp reflects.
        edge + (1.0 - edge) * 0.08 * (-(distance / LAMP).powi(2) / 5.0).exp()
    });
    let shine: f64 = shine.sum::<f64>().min(1.0);
    Some(eyes.see(Palette::Colours.light(*word).map(|channel| WALL + (channel - WALL).max(0.0) * shine)))
}

/// Drawing target for text, one bit per dot.
struct Letters {
    width: u32,
    dots: Vec<bool>,
}

impl Letters {
    fn new(width: u32, height: u32) -> Self {
        Self { width, dots: vec![false; (width * height) as usize] }
    }

    fn write(&mut self, text: &str, x: u32, y: u32, alignment: HorizontalAlignment) -> Result<()> {
        let place = Point::new((x * OVERSAMPLING) as i32, (y * OVERSAMPLING) as i32);
        FontRenderer::new::<Font>()
            .render_aligned(
                text,
                place,
                VerticalPosition::Center,
                alignment,
                FontColor::Transparent(BinaryColor::On),
                self,
            )
            .map(drop)
            .map_err(|error| anyhow::anyhow!("{text:?} cannot be written: {error:?}"))
    }

    /// Share of a picture pixel that letters cover, 0 to 1.
    fn ink(&self, x: u32, y: u32) -> f64 {
        let dots = (0..OVERSAMPLING * OVERSAMPLING).filter(|dot| {
            let (x, y) = (x * OVERSAMPLING + dot % OVERSAMPLING, y * OVERSAMPLING + dot / OVERSAMPLING);
            self.dots[(y * self.width + x) as usize]
        });
        dots.count() as f64 / f64::from(OVERSAMPLING * OVERSAMPLING)
    }
}

impl OriginDimensions for Letters {
    fn size(&self) -> Size {
        Size::new(self.width, self.dots.len() as u32 / self.width)
    }
}

impl DrawTarget for Letters {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, colour) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { continue };
            if x < self.width
                && let Some(dot) = self.dots.get_mut((y * self.width + x) as usize)
            {
                *dot = colour == BinaryColor::On;
            }
        }
        Ok(())
    }
}
