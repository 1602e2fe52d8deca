//! The page for each state of the class, readable from three metres: one big word, and one sign beside the
//! few figures that a glance can take in.

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::{Drawable, Primitive};
use embedded_graphics::primitives::{PrimitiveStyle, Rectangle};
use u8g2_fonts::types::{FontColor, HorizontalAlignment, VerticalPosition};
use u8g2_fonts::{FontRenderer, fonts};

use super::face::{Sign, draw_person, draw_sign};
use super::picture::{Picture, WIDTH};
use crate::mood::{Mode, Mood, Pace, Share, State};

/// Adobe's Helvetica Bold of X11, by cap height: the least ornate face among those with a height of 24 pixels.
static HUGE: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB24_tr>();
static LARGE: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB18_tr>();
static MIDDLE: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB14_tr>();
static SMALL: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB12_tr>();
static TINY: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB10_tr>();
static LEAST: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB08_tr>();

/// Right end of what is aligned to the right.
const RIGHT: i32 = WIDTH as i32 - 2;
/// Baseline of the headline.
const HEADLINE: i32 = 25;
/// Where the sign below the headline begins.
const SIGN: Point = Point::new(0, 33);
/// Left edge of what stands beside the sign.
const COLUMN: i32 = 40;
/// Baselines of the two lines beside the sign.
const LINES: [i32; 2] = [45, 62];

/// The picture for `mood`.
pub fn draw(mood: &Mood) -> Picture {
    let mut picture = Picture::default();
    let page = &mut picture;
    match mood.state {
        State::Starting => notice(page, "starting", Sign::Camera, ["waiting for", "a picture"]),
        State::TooFew => notice(page, "too few", Sign::Few, ["no figures", "are shown"]),
        State::Paused => notice(page, "paused", Sign::Pause, ["nothing is", "looked at"]),
        State::Stale => stale(page, mood),
        State::Live => {
            headline(page, mood);
            figures(page, mood);
        }
    }
    picture
}

/// How long there was no picture, and in half-tone how many people there were.
fn stale(picture: &mut Picture, mood: &Mood) {
    let age = mood.picture_age_s.map_or_else(String::new, |age_s| format!("for {}", span(age_s)));
    notice(picture, "no picture", Sign::NoCamera, [&age, ""]);
    if let Some(people) = mood.people {
        let line = Rectangle::new(Point::new(COLUMN, 49), Size::new((RIGHT - COLUMN).unsigned_abs(), 15));
        draw_person(picture, Point::new(COLUMN, 49));
        text(picture, &MIDDLE, &people.to_string(), Point::new(COLUMN + 15, 63), HorizontalAlignment::Left);
        picture.dim(line);
    }
}

/// A headline of its own, a sign and two lines.
fn notice(picture: &mut Picture, word: &str, sign: Sign, lines: [&str; 2]) {
    big_word(picture, word);
    beside(picture, sign, lines);
}

fn beside(picture: &mut Picture, sign: Sign, lines: [&str; 2]) {
    draw_sign(picture, sign, SIGN);
    for (line, baseline) in lines.into_iter().zip(LINES) {
        text(picture, &SMALL, line, Point::new(COLUMN, baseline), HorizontalAlignment::Left);
    }
}

/// The mood's word; the number of people where moods are not read.
fn headline(picture: &mut Picture, mood: &Mood) {
    match (mood.mode, mood.people) {
        (Mode::Mood, _) | (Mode::Occupancy, None) => big_word(picture, mood.word.name()),
        (Mode::Occupancy, Some(people)) => {
            let number = people.to_string();
            text(picture, &HUGE, &number, Point::new(0, HEADLINE), HorizontalAlignment::Left);
            let x = width(&HUGE, &number) + 6;
            let fits = x + width(&LARGE, "people") <= WIDTH as i32;
            let font = if fits { &LARGE } else { &MIDDLE };
            text(picture, font, "people", Point::new(x, HEADLINE), HorizontalAlignment::Left);
        }
    }
}

/// `word` as large as can be, with letters closer together when it would not fit.
fn big_word(picture: &mut Picture, word: &str) {
    let letters = i32::try_from(word.len()).unwrap_or(0);
    let tighter = i32::from(width(&HUGE, word) > WIDTH as i32);
    let font = if width(&HUGE, word) - tighter * (letters - 1) <= WIDTH as i32 { &HUGE } else { &LARGE };
    let mut x = 0;
    for (index, letter) in word.char_indices() {
        let letter = &word[index..index + letter.len_utf8()];
        text(picture, font, letter, Point::new(x, HEADLINE), HorizontalAlignment::Left);
        x += advance(font, letter) - tighter;
    }
}

fn figures(picture: &mut Picture, mood: &Mood) {
    let pace = pace_text(mood.pace);
    if mood.mode == Mode::Occupancy {
        text(picture, &SMALL, "facing", Point::new(0, LINES[0]), HorizontalAlignment::Left);
        text(picture, &SMALL, &percent(mood.facing), Point::new(RIGHT, LINES[0]), HorizontalAlignment::Right);
        bar(picture, Rectangle::new(Point::new(0, 51), Size::new(WIDTH as u32, 12)), mood.facing);
        return;
    }
    draw_sign(picture, Sign::Face(mood.word), SIGN);
    draw_person(picture, Point::new(COLUMN, 33));
    let people = mood.people.map_or_else(|| "?".to_owned(), |people| people.to_string());
    text(picture, &MIDDLE, &people, Point::new(COLUMN + 15, 47), HorizontalAlignment::Left);
    text(picture, &LEAST, pace, Point::new(RIGHT, 45), HorizontalAlignment::Right);
    let share = percent(mood.facing);
    text(picture, &TINY, &share, Point::new(RIGHT, LINES[1]), HorizontalAlignment::Right);
    let bar_width = RIGHT - COLUMN - 38;
    bar(
        picture,
        Rectangle::new(Point::new(COLUMN, 52), Size::new(bar_width.unsigned_abs(), 11)),
        mood.facing,
    );
}

fn pace_text(pace: Pace) -> &'static str {
    match pace {
        Pace::Fine => "pace ok",
        Pace::TooFast => "too fast",
        Pace::TooSlow => "too slow",
        Pace::Unsure => "pace ?",
    }
}

fn percent(share: Option<Share>) -> String {
    share.map_or_else(|| "?".to_owned(), |share| format!("{:.0}%", share.share * 100.0))
}

/// A frame, filled from the left by the share, a pixel of air between them.
fn bar(picture: &mut Picture, frame: Rectangle, share: Option<Share>) {
    let inner = frame.size - Size::new(4, 4);
    let filled = share.map_or(0.0, |share| share.share.clamp(0.0, 1.0)) * f64::from(inner.width);
    let fill =
        Rectangle::new(frame.top_left + Point::new(2, 2), Size::new(filled.round() as u32, inner.height));
    // Drawing into memory cannot fail.
    let _ = frame.into_styled(PrimitiveStyle::with_stroke(BinaryColor::On, 1)).draw(picture);
    let _ = fill.into_styled(PrimitiveStyle::with_fill(BinaryColor::On)).draw(picture);
}

/// Rounded to one unit, as somebody would say it.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

/// `at` is on the baseline.
fn text(picture: &mut Picture, font: &FontRenderer, text: &str, at: Point, align: HorizontalAlignment) {
    // Every text here is ASCII, which all these fonts have, and drawing into memory cannot fail.
    let colour = FontColor::Transparent(BinaryColor::On);
    let _ = font.render_aligned(text, at, VerticalPosition::Baseline, align, colour, picture);
}

/// Pixels from the origin of `text` to that of what follows it.
fn advance(font: &FontRenderer, text: &str) -> i32 {
    font.get_rendered_dimensions(text, Point::zero(), VerticalPosition::Baseline)
        .map_or(0, |dimensions| dimensions.advance.x)
}

/// Pixels from the origin to the right end of `text`.
fn width(font: &FontRenderer, text: &str) -> i32 {
    font.get_rendered_dimensions(text, Point::zero(), VerticalPosition::Baseline)
        .ok()
        .and_then(|dimensions| dimensions.bounding_box)
        .map_or(0, |bounds| bounds.top_left.x + bounds.size.width as i32)
}
