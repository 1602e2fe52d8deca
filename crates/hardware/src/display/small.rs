//! Layout of pages on 128x64 pixels, readable from three metres: one large word, and a sign beside a few numbers.
//!
//! Two columns on each side and one row above and below stay dark: [`super::show::shift`] moves a page by that much.

use std::net::SocketAddr;

use embedded_graphics::geometry::{Angle, Point, Size};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::{Drawable, Primitive};
use embedded_graphics::primitives::{
    Arc, Circle, Line, PrimitiveStyle, Rectangle, RoundedRectangle, StyledDrawable,
};
use qrcodegen::{QrCode, QrCodeEcc};
use u8g2_fonts::types::{FontColor, HorizontalAlignment, VerticalPosition};
use u8g2_fonts::{FontRenderer, fonts};

use super::page::{Page, Text, count, pace_text, percent, url, wrap};
use super::picture::{Picture, WIDTH};
use super::sign::{Ink, SIDE, Shape, Sign, Stroke, person, strokes};
use moodring_contract::Expression;
use moodring_contract::Share;

/// Adobe's Helvetica Bold of X11: the plainest font among those with a height of 24 pixels.
static HUGE: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB24_tr>();
static LARGE: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB18_tr>();
static MIDDLE: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB14_tr>();
static SMALL: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB12_tr>();
static TINY: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB10_tr>();
static MICRO: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB08_tr>();
/// For addresses, which are long: `5x7` of X11, public domain.
static NARROW: FontRenderer = FontRenderer::new::<fonts::u8g2_font_5x7_tr>();
static MICRO_LIGHT: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvR08_tr>();

/// Edges of the drawing area: the first column and row, and the ones after the last.
const LEFT: i32 = 2;
const RIGHT: i32 = WIDTH as i32 - 2;
const TOP: i32 = 1;
const BOTTOM: i32 = 63;
const HEIGHT_USED: i32 = BOTTOM - TOP;
/// Baselines of the headline of a page and of the title of a notice, which leaves more room below.
const HEADLINE: i32 = 26;
const TITLE: i32 = 22;
/// Upper left corner of the sign below the headline; its outline is one pixel further out.
const SIGN: Point = Point::new(LEFT + 1, BOTTOM - SIDE - 1);
/// Left edge of the column beside the sign.
const COLUMN: i32 = 42;
/// Baselines of the two lines beside the sign.
const LINES: [i32; 2] = [43, 59];
/// Baselines of the three small lines beside the sign.
const SMALL_LINES: [i32; 3] = [39, 49, 59];
/// Corner radius of bars and frames.
const CORNER: u32 = 2;

/// Renders `page`.
pub(super) fn render(page: &Page) -> Picture {
    let mut picture = Picture::default();
    let sheet = &mut picture;
    match page {
        Page::Overview { word, people, facing, pace } => {
            headline(sheet, word.name(), HEADLINE, &[&HUGE, &LARGE]);
            sign(sheet, &strokes(Sign::Face(*word)), SIGN);
            sign(sheet, &person(), Point::new(COLUMN, 35));
            let number = count(*people);
            let font = if number.len() > 2 { &SMALL } else { &MIDDLE };
            text(sheet, font, &number, Point::new(COLUMN + 14, 49), HorizontalAlignment::Left);
            text(sheet, &MICRO, pace_text(*pace), Point::new(RIGHT, 47), HorizontalAlignment::Right);
            text(sheet, &TINY, &percent(*facing), Point::new(RIGHT, 61), HorizontalAlignment::Right);
            bar(sheet, frame(COLUMN, 53, 44, 9), *facing);
        }
        Page::Count { people, facing } => {
            people_headline(sheet, *people);
            if facing.is_some() {
                let (left, right) = (Point::new(LEFT, LINES[0]), Point::new(RIGHT, LINES[0]));
                text(sheet, &SMALL, "facing", left, HorizontalAlignment::Left);
                text(sheet, &SMALL, &percent(*facing), right, HorizontalAlignment::Right);
                bar(sheet, frame(LEFT, 50, RIGHT - LEFT, 12), *facing);
            }
        }
        Page::Detail { shares, .. } => detail(sheet, shares),
        Page::Notice { title, sign: drawing, text } => {
            title_line(sheet, title);
            sign(sheet, &strokes(*drawing), SIGN);
            beside(sheet, text);
        }
        Page::Pairing { address, code } => pairing(sheet, *address, code.as_deref()),
    }
    picture
}

fn frame(x: i32, y: i32, width: i32, height: u32) -> Rectangle {
    Rectangle::new(Point::new(x, y), Size::new(width.unsigned_abs(), height))
}

/// Draws the text of a notice.
fn beside(picture: &mut Picture, words: &Text) {
    let mut line = |font, words: &str, baseline| {
        text(picture, font, words, Point::new(COLUMN, baseline), HorizontalAlignment::Left);
    };
    match words {
        Text::TwoLines(lines) => {
            for (words, baseline) in lines.iter().zip(LINES) {
                line(&SMALL, words, baseline);
            }
        }
        Text::Faded(words, people) => {
            line(&SMALL, words, LINES[0]);
            if let Some(people) = people {
                text(
                    picture,
                    &MIDDLE,
                    &people.to_string(),
                    Point::new(COLUMN + 15, 62),
                    HorizontalAlignment::Left,
                );
                sign(picture, &person(), Point::new(COLUMN, 48));
                picture.dim(frame(COLUMN, 48, RIGHT - COLUMN, 15));
            }
        }
        Text::Small(words) => {
            let lines = wrap(words, SMALL_LINES.len(), |line| width(&MICRO_LIGHT, line) <= RIGHT - COLUMN);
            for (words, baseline) in lines.iter().zip(SMALL_LINES) {
                line(&MICRO_LIGHT, words, baseline);
            }
        }
    }
}

fn people_headline(picture: &mut Picture, people: u32) {
    let number = people.to_string();
    text(picture, &HUGE, &number, Point::new(LEFT, HEADLINE), HorizontalAlignment::Left);
    let x = LEFT + width(&HUGE, &number) + 6;
    let font = if x + width(&LARGE, "people") <= RIGHT { &LARGE } else { &MIDDLE };
    text(picture, font, "people", Point::new(x, HEADLINE), HorizontalAlignment::Left);
}

fn title_line(picture: &mut Picture, title: &str) {
    headline(picture, title, TITLE, &[&LARGE, &MIDDLE, &SMALL]);
}

/// Draws `words` in the first font in which they fit, with letters up to two pixels closer together if necessary. The
/// ink of the first letter is at the left edge.
fn headline(picture: &mut Picture, words: &str, baseline: i32, fonts: &[&FontRenderer]) {
    let gaps = i32::try_from(words.len()).unwrap_or(0) - 1;
    let excess = |font| (ink(font, words).1 - (RIGHT - LEFT)).max(0);
    let Some(font) = fonts.iter().find(|font| excess(font) <= 2 * gaps).or(fonts.last()) else { return };
    let mut x = LEFT - ink(font, words).0;
    for ((index, letter), gap) in words.char_indices().zip(0..) {
        let letter = &words[index..index + letter.len_utf8()];
        let closer = excess(font) * gap / gaps.max(1);
        text(picture, font, letter, Point::new(x - closer, baseline), HorizontalAlignment::Left);
        x += advance(font, letter);
    }
}

/// Draws seven bars; a thin line ends at the upper end of the interval.
fn detail(picture: &mut Picture, shares: &[(Expression, Share); 7]) {
    /// Rows from one bar to the next: seven fill the height.
    const PITCH: i32 = 9;
    const BARS: i32 = 47;
    const MAX_LENGTH: i32 = 58;
    let largest = shares.iter().map(|(_, share)| share.share).fold(0.0, f64::max);
    for ((expression, share), row) in shares.iter().zip(0..) {
        let top = TOP + row * PITCH;
        let font = if share.share >= largest { &MICRO } else { &MICRO_LIGHT };
        let baseline = top + 8;
        text(picture, font, expression.name(), Point::new(LEFT, baseline), HorizontalAlignment::Left);
        let length = |share: f64| (share.clamp(0.0, 1.0) * f64::from(MAX_LENGTH)).round() as i32;
        let bar = frame(BARS, top + 1, length(share.share).max(1), 6);
        fill(picture, &RoundedRectangle::with_equal_corners(bar, Size::new(1, 1)), BinaryColor::On);
        let whisker = frame(BARS, top + 4, length(share.high).max(1), 1);
        fill(picture, &whisker, BinaryColor::On);
        let percent = format!("{:.0}", share.share * 100.0);
        text(picture, font, &percent, Point::new(RIGHT, baseline), HorizontalAlignment::Right);
    }
}

/// Draws the QR code of the page if a phone can reach it; otherwise only the address.
fn pairing(picture: &mut Picture, address: SocketAddr, code: Option<&str>) {
    let qr =
        QrCode::encode_text(&url(address), QrCodeEcc::Low).ok().filter(|qr| qr.size() * 2 + 4 <= HEIGHT_USED);
    let Some(qr) = qr.filter(|_| !address.ip().is_loopback()) else {
        title_line(picture, code.unwrap_or("my page"));
        sign(picture, &strokes(Sign::Unplugged), SIGN);
        let why = if address.ip().is_loopback() { " on this device only" } else { "" };
        beside(picture, &Text::Small(format!("{address}{why}")));
        return;
    };
    // The standard requires a quiet zone of four modules; phones accept two.
    let quiet = ((HEIGHT_USED - qr.size() * 2) / 2).min(4);
    let side = qr.size() * 2 + 2 * quiet;
    let top = TOP + (HEIGHT_USED - side) / 2;
    let sheet = RoundedRectangle::with_equal_corners(
        frame(LEFT, top, side, side.unsigned_abs()),
        Size::new(CORNER, CORNER),
    );
    fill(picture, &sheet, BinaryColor::On);
    for (y, x) in (0..qr.size()).flat_map(|y| (0..qr.size()).map(move |x| (y, x))) {
        if qr.get_module(x, y) {
            fill(picture, &frame(LEFT + quiet + x * 2, top + quiet + y * 2, 2, 2), BinaryColor::Off);
        }
    }
    let column = LEFT + side + 4;
    let fits = |line: &str| width(&NARROW, line) <= RIGHT - column;
    let mut lines = wrap(&address.ip().to_string(), 2, fits);
    lines.push(format!(":{}", address.port()));
    let first = if code.is_some() { 9 } else { 29 };
    for (line, row) in lines.iter().zip(0..) {
        let at = Point::new(column, first + row * 10);
        text(picture, &NARROW, line, at, HorizontalAlignment::Left);
    }
    if code.is_none() {
        text(picture, &TINY, "my page", Point::new(column, 13), HorizontalAlignment::Left);
    }
    // Six digits are easier to remember as two groups of three.
    let (high, low) = code.map_or(("", ""), |code| code.split_at_checked(3).unwrap_or((code, "")));
    for (digits, baseline) in [(high, 43), (low, 62)] {
        text(picture, &MIDDLE, digits, Point::new(column, baseline), HorizontalAlignment::Left);
    }
}

/// Draws a frame with round corners, filled from the left by the share, with a gap of one pixel between them.
fn bar(picture: &mut Picture, frame: Rectangle, share: Option<Share>) {
    let inner = frame.size - Size::new(4, 4);
    let filled = share.map_or(0.0, |share| share.share.clamp(0.0, 1.0)) * f64::from(inner.width);
    let filling =
        Rectangle::new(frame.top_left + Point::new(2, 2), Size::new(filled.round() as u32, inner.height));
    let outline = RoundedRectangle::with_equal_corners(frame, Size::new(CORNER, CORNER));
    // Drawing into memory cannot fail.
    let _ = outline.into_styled(PrimitiveStyle::with_stroke(BinaryColor::On, 1)).draw(picture);
    fill(picture, &filling, BinaryColor::On);
}

fn fill(
    picture: &mut Picture,
    shape: &impl StyledDrawable<PrimitiveStyle<BinaryColor>, Color = BinaryColor, Output = ()>,
    colour: BinaryColor,
) {
    // Drawing into memory cannot fail.
    let _ = shape.draw_styled(&PrimitiveStyle::with_fill(colour), picture);
}

/// Draws a sign with its upper left corner in `origin`.
fn sign(picture: &mut Picture, strokes: &[Stroke], origin: Point) {
    for stroke in strokes {
        let style = match stroke.ink {
            Ink::Fill => PrimitiveStyle::with_fill(BinaryColor::On),
            Ink::Clear => PrimitiveStyle::with_fill(BinaryColor::Off),
            Ink::Outline(width) => PrimitiveStyle::with_stroke(BinaryColor::On, width),
            Ink::ClearOutline(width) => PrimitiveStyle::with_stroke(BinaryColor::Off, width),
        };
        let at = |x, y| origin + Point::new(x, y);
        // Drawing into memory cannot fail.
        let _ = match stroke.shape {
            Shape::Circle { x, y, diameter } => Circle::new(at(x, y), diameter).draw_styled(&style, picture),
            Shape::Rectangle { x, y, width, height, corner } => {
                let bounds = Rectangle::new(at(x, y), Size::new(width, height));
                RoundedRectangle::with_equal_corners(bounds, Size::new(corner, corner))
                    .draw_styled(&style, picture)
            }
            Shape::Line { from, to } => {
                Line::new(at(from.0, from.1), at(to.0, to.1)).draw_styled(&style, picture)
            }
            Shape::Arc { x, y, diameter, start, sweep } => {
                let (start, sweep) = (Angle::from_degrees(start), Angle::from_degrees(sweep));
                Arc::new(at(x, y), diameter, start, sweep).draw_styled(&style, picture)
            }
        };
    }
}

/// Draws `text`; `at` is on the baseline, and text aligned to the right ends before it.
fn text(picture: &mut Picture, font: &FontRenderer, text: &str, at: Point, align: HorizontalAlignment) {
    let at = if align == HorizontalAlignment::Right { at - Point::new(1, 0) } else { at };
    // All texts are ASCII, which all these fonts cover, and drawing into memory cannot fail.
    let colour = FontColor::Transparent(BinaryColor::On);
    let _ = font.render_aligned(text, at, VerticalPosition::Baseline, align, colour, picture);
}

/// Pixels from the origin of `text` to the origin of the following text.
fn advance(font: &FontRenderer, text: &str) -> i32 {
    font.get_rendered_dimensions(text, Point::zero(), VerticalPosition::Baseline)
        .map_or(0, |dimensions| dimensions.advance.x)
}

/// Pixels from the origin of `text` to its ink, and the width of the ink.
fn ink(font: &FontRenderer, text: &str) -> (i32, i32) {
    font.get_rendered_dimensions(text, Point::zero(), VerticalPosition::Baseline)
        .ok()
        .and_then(|dimensions| dimensions.bounding_box)
        .map_or((0, 0), |bounds| (bounds.top_left.x, bounds.size.width as i32))
}

/// Pixels from the origin to the right end of `text`.
fn width(font: &FontRenderer, text: &str) -> i32 {
    let (left, width) = ink(font, text);
    left + width
}

/// Lit pixels in the margin: a page must not use them, because moving it would lose them.
#[cfg(test)]
pub(super) fn beyond_margins(picture: &Picture) -> Vec<(usize, usize)> {
    let height = super::picture::HEIGHT;
    let margin = |x: usize, y: usize| !(2..WIDTH - 2).contains(&x) || !(1..height - 1).contains(&y);
    let all = (0..height).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
    all.filter(|(x, y)| margin(*x, *y) && picture.is_lit(*x, *y)).collect()
}
