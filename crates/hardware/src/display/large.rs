//! Layout of pages on 240x240 colour pixels: a ring in the colour of the mood, with the word inside.
//!
//! The colours are the same as on the light ring, so that screen and light show the same.

use qrcodegen::{QrCode, QrCodeEcc};

use super::canvas::{Align, Canvas, Colour, fitting_size, text_width};
use super::page::{Page, Text, count, pace_text, percent, url, wrap};
use super::sign::{Sign, person, strokes};
use crate::lights;
use moodring_contract::Expression;
use moodring_contract::{Share, Word};

const BACKGROUND: Colour = [0x05, 0x07, 0x0b];
const TEXT: Colour = [0xf2, 0xf5, 0xf9];
const QUIET: Colour = [0x9a, 0xa4, 0xb2];
const FAINT: Colour = [0x2a, 0x30, 0x3a];
const PROBLEM: Colour = [0xff, 0x9f, 0x43];

const MIDDLE: (f32, f32) = (120.0, 120.0);
const RING_RADIUS: f32 = 111.0;
const RING_WIDTH: f32 = 13.0;
/// Maximum width of the headline: the chord inside the ring at its height.
const HEADLINE_ROOM: f32 = 182.0;
const HEADLINE_SIZE: f32 = 56.0;
const BODY_SIZE: f32 = 22.0;

/// Renders `page`.
pub(super) fn render(page: &Page) -> Canvas {
    let mut canvas = Canvas::new(BACKGROUND);
    let sheet = &mut canvas;
    match page {
        Page::Overview { word, people, facing, pace } => {
            ring(sheet, readable(*word));
            sheet.sign(&strokes(Sign::Face(*word)), (93.0, 31.0), 54.0 / 31.0, readable(*word));
            headline(sheet, word.name(), 137.0, TEXT);
            figures(sheet, &count(*people), *facing, 172.0);
            sheet.text(pace_text(*pace), (120.0, 203.0), 19.0, Align::Centre, QUIET);
        }
        Page::Count { people, facing } => {
            ring(sheet, readable(Word::Unsure));
            let down = if facing.is_some() { 0.0 } else { 18.0 };
            sheet.text(&people.to_string(), (120.0, 122.0 + down), 104.0, Align::Centre, TEXT);
            sheet.text("people", (120.0, 152.0 + down), 26.0, Align::Centre, QUIET);
            if facing.is_some() {
                sheet.text(&facing_text(*facing), (120.0, 188.0), BODY_SIZE, Align::Centre, TEXT);
            }
        }
        Page::Detail { word, shares } => detail(sheet, *word, shares),
        Page::Notice { title, sign, text } => {
            let is_problem = matches!(text, Text::Small(_) | Text::Faded(..));
            notice(sheet, title, *sign, text, if is_problem { PROBLEM } else { QUIET });
        }
        Page::Pairing { address, code } => {
            pairing(sheet, &address.to_string(), &url(*address), code.as_deref())
        }
    }
    canvas
}

/// The colour of the word, lightened until its contrast to the dark background is at least 3 to 1, as WCAG 2.2 (1.4.11)
/// requires of graphics.
fn readable(word: Word) -> Colour {
    let mut colour = lights::colour(word);
    while contrast(colour, BACKGROUND) < 3.0 {
        colour = colour.map(|channel| channel.saturating_add(12));
    }
    colour
}

/// Contrast ratio as defined by WCAG 2.2.
fn contrast(one: Colour, other: Colour) -> f64 {
    let luminance = |colour: Colour| {
        let [red, green, blue] = colour.map(|channel| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn ring(canvas: &mut Canvas, colour: Colour) {
    canvas.ring(MIDDLE, RING_RADIUS, RING_WIDTH, colour);
}

fn headline(canvas: &mut Canvas, words: &str, baseline: f32, colour: Colour) {
    let size = fitting_size(words, HEADLINE_ROOM, HEADLINE_SIZE);
    canvas.text(words, (120.0, baseline), size, Align::Centre, colour);
}

fn facing_text(facing: Option<Share>) -> String {
    format!("{} facing", percent(facing))
}

/// Draws the number of people and the share facing the front side by side, scaled down if the ring is near.
fn figures(canvas: &mut Canvas, people: &str, facing: Option<Share>, baseline: f32) {
    /// Widths of the person sign and of the gaps after it and after the number, and the available width, in pixels.
    const PERSON: f32 = 16.0;
    const GAPS: [f32; 2] = [5.0, 14.0];
    const ROOM: f32 = 168.0;
    let facing = facing_text(facing);
    let number = text_width(people, BODY_SIZE);
    let whole = PERSON + GAPS[0] + number + GAPS[1] + text_width(&facing, BODY_SIZE);
    let scale = (ROOM / whole).min(1.0);
    let (left, size) = (120.0 - whole * scale / 2.0, BODY_SIZE * scale);
    canvas.sign(&person(), (left, baseline - 19.5 * scale), PERSON / 11.0 * scale, TEXT);
    let right = left + (PERSON + GAPS[0]) * scale;
    canvas.text(people, (right, baseline), size, Align::Left, TEXT);
    canvas.text(&facing, (right + (number + GAPS[1]) * scale, baseline), size, Align::Left, TEXT);
}

/// Draws seven bars; the pale part ends at the upper end of the interval.
fn detail(canvas: &mut Canvas, word: Word, shares: &[(Expression, Share); 7]) {
    const LEFT: f32 = 16.0;
    const RIGHT: f32 = 224.0;
    const BARS: f32 = 100.0;
    const MAX_LENGTH: f32 = 84.0;
    const THICKNESS: f32 = 13.0;
    let colour = readable(word);
    canvas.rounded([LEFT, 17.0, 14.0, 14.0], 7.0, colour);
    canvas.text(word.name(), (LEFT + 22.0, 32.0), 26.0, Align::Left, TEXT);
    canvas.rounded([LEFT, 44.0, RIGHT - LEFT, 1.5], 0.0, FAINT);
    let pale = std::array::from_fn(|channel| {
        ((u16::from(colour[channel]) * 2 + u16::from(BACKGROUND[channel]) * 3) / 5) as u8
    });
    let largest = shares.iter().map(|(_, share)| share.share).fold(0.0, f64::max);
    for ((expression, share), row) in shares.iter().zip(0_u8..) {
        let baseline = 69.0 + 26.0 * f32::from(row);
        let ink = if share.share >= largest { TEXT } else { QUIET };
        canvas.text(expression.name(), (LEFT, baseline), 18.0, Align::Left, ink);
        let length = |share: f64| (share.clamp(0.0, 1.0) as f32 * MAX_LENGTH).max(THICKNESS / 2.0);
        let bar = |length| [BARS, baseline - THICKNESS, length, THICKNESS];
        canvas.rounded(bar(MAX_LENGTH), THICKNESS / 2.0, FAINT);
        canvas.rounded(bar(length(share.high)), THICKNESS / 2.0, pale);
        canvas.rounded(bar(length(share.share)), THICKNESS / 2.0, colour);
        let percent = format!("{:.0}%", share.share * 100.0);
        canvas.text(&percent, (RIGHT, baseline), 18.0, Align::Right, ink);
    }
}

/// `accent` is the colour of sign and ring; with [`QUIET`] the ring is [`FAINT`].
fn notice(canvas: &mut Canvas, title: &str, sign: Sign, text: &Text, accent: Colour) {
    ring(canvas, if accent == QUIET { FAINT } else { accent });
    canvas.sign(&strokes(sign), (93.0, 33.0), 54.0 / 31.0, accent);
    headline(canvas, title, 135.0, TEXT);
    match text {
        Text::TwoLines(lines) => {
            canvas.text(&lines[0], (120.0, 166.0), BODY_SIZE, Align::Centre, QUIET);
            canvas.text(&lines[1], (120.0, 192.0), BODY_SIZE, Align::Centre, QUIET);
        }
        Text::Faded(words, people) => {
            canvas.text(words, (120.0, 166.0), BODY_SIZE, Align::Centre, QUIET);
            if let Some(people) = people {
                canvas.text(&format!("last: {people} people"), (120.0, 192.0), 20.0, Align::Centre, QUIET);
            }
        }
        Text::Small(words) => {
            // The third line has the chord of the ring at its height as width.
            let lines = wrap(words, 3, |line| text_width(line, 16.0) <= 132.0);
            for (line, row) in lines.iter().zip(0_u8..) {
                let baseline = 163.0 + 19.0 * f32::from(row);
                canvas.text(line, (120.0, baseline), 16.0, Align::Centre, QUIET);
            }
        }
    }
}

fn pairing(canvas: &mut Canvas, address: &str, url: &str, code: Option<&str>) {
    let loopback = address.starts_with("127.") || address.starts_with("[::1]");
    let qr = QrCode::encode_text(url, QrCodeEcc::Low).ok().filter(|_| !loopback);
    let Some(qr) = qr else {
        let words = if loopback { format!("{address} on this device only") } else { address.to_owned() };
        notice(canvas, code.unwrap_or("my page"), Sign::Unplugged, &Text::Small(words), QUIET);
        return;
    };
    // Modules are whole pixels, and the standard requires a quiet zone of four modules.
    let module = (170.0 / (qr.size() + 8) as f32).floor();
    let side = module * (qr.size() + 8) as f32;
    let (left, top) = (120.0 - side / 2.0, 8.0);
    canvas.rounded([left, top, side, side], 8.0, TEXT);
    for (y, x) in (0..qr.size()).flat_map(|y| (0..qr.size()).map(move |x| (y, x))) {
        if qr.get_module(x, y) {
            let at = |place: i32| (place + 4) as f32 * module;
            canvas.rounded([left + at(x), top + at(y), module, module], 0.0, BACKGROUND);
        }
    }
    match code {
        Some(code) => {
            let (high, low) = code.split_at_checked(3).unwrap_or((code, ""));
            canvas.text(&format!("{high} {low}"), (120.0, 209.0), 38.0, Align::Centre, TEXT);
            canvas.text(address, (120.0, 231.0), fitting_size(address, 220.0, 18.0), Align::Centre, QUIET);
        }
        None => canvas.text(address, (120.0, 208.0), fitting_size(address, 220.0, 24.0), Align::Centre, TEXT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_colour_has_enough_contrast_to_the_background() {
        let words = [
            Word::Bright,
            Word::Attentive,
            Word::Calm,
            Word::Restless,
            Word::Strained,
            Word::Drowsy,
            Word::Unsure,
        ];
        for word in words {
            assert!(contrast(readable(word), BACKGROUND) >= 3.0, "{}", word.name());
        }
        // A colour with enough contrast is the same as on the light ring.
        assert_eq!(readable(Word::Attentive), lights::colour(Word::Attentive));
        assert_eq!(contrast([255; 3], [0; 3]).round(), 21.0);
    }
}
