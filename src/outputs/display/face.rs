//! Little drawings: the face of each mood, and signs for what has no face.

use embedded_graphics::geometry::{Angle, Point};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::Size;
use embedded_graphics::primitives::{
    Arc, Circle, Line, PrimitiveStyle, Rectangle, RoundedRectangle, StyledDrawable,
};

use super::picture::Picture;
use crate::mood::Word;

/// Side of every drawing in pixels.
pub(super) const SIDE: i32 = 31;

const FILL: PrimitiveStyle<BinaryColor> = PrimitiveStyle::with_fill(BinaryColor::On);
const CLEAR: PrimitiveStyle<BinaryColor> = PrimitiveStyle::with_fill(BinaryColor::Off);
const THIN: PrimitiveStyle<BinaryColor> = PrimitiveStyle::with_stroke(BinaryColor::On, 1);
const THICK: PrimitiveStyle<BinaryColor> = PrimitiveStyle::with_stroke(BinaryColor::On, 2);

/// A drawing of [`SIDE`] pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// A face in the mood of the word.
    Face(Word),
    /// A camera.
    Camera,
    /// A camera, crossed out.
    NoCamera,
    /// Two people.
    Few,
    /// Two bars.
    Pause,
}

/// Draws in coordinates of the sign.
struct Pen<'a> {
    picture: &'a mut Picture,
    origin: Point,
}

impl Pen<'_> {
    fn at(&self, x: i32, y: i32) -> Point {
        self.origin + Point::new(x, y)
    }

    fn draw(
        &mut self,
        shape: &impl StyledDrawable<PrimitiveStyle<BinaryColor>, Color = BinaryColor, Output = ()>,
        style: &PrimitiveStyle<BinaryColor>,
    ) {
        // Drawing into memory cannot fail.
        let _ = shape.draw_styled(style, self.picture);
    }

    fn disc(&mut self, x: i32, y: i32, diameter: u32) {
        self.draw(&Circle::new(self.at(x, y), diameter), &FILL);
    }

    fn bar(&mut self, x: i32, y: i32, width: u32, height: u32) {
        self.draw(&Rectangle::new(self.at(x, y), Size::new(width, height)), &FILL);
    }

    fn line(&mut self, from: (i32, i32), to: (i32, i32)) {
        self.draw(&Line::new(self.at(from.0, from.1), self.at(to.0, to.1)), &THICK);
    }

    /// The lower half of a circle is a smile, the upper one a frown.
    fn arc(&mut self, x: i32, y: i32, diameter: u32, start: f32, sweep: f32) {
        let arc = Arc::new(self.at(x, y), diameter, Angle::from_degrees(start), Angle::from_degrees(sweep));
        self.draw(&arc, &THICK);
    }

    /// A person from the waist up, 11 pixels wide and 15 high.
    fn person(&mut self, x: i32, y: i32) {
        self.disc(x + 2, y, 7);
        let shoulders = Rectangle::new(self.at(x, y + 8), Size::new(11, 12));
        self.draw(&RoundedRectangle::with_equal_corners(shoulders, Size::new(5, 5)), &FILL);
        self.draw(&Rectangle::new(self.at(x, y + 15), Size::new(11, 6)), &CLEAR);
    }

    fn eyes(&mut self, y: i32, diameter: u32) {
        let half = diameter as i32 / 2;
        self.disc(10 - half, y - half, diameter);
        self.disc(20 - half, y - half, diameter);
    }
}

/// A person as in the sign for few, with the upper left corner in `origin`.
pub(super) fn draw_person(picture: &mut Picture, origin: Point) {
    Pen { picture, origin }.person(0, 0);
}

/// Draws `sign` with its upper left corner in `origin`.
pub(super) fn draw_sign(picture: &mut Picture, sign: Sign, origin: Point) {
    let mut pen = Pen { picture, origin };
    match sign {
        Sign::Face(word) => face(&mut pen, word),
        Sign::Camera => camera(&mut pen),
        Sign::NoCamera => {
            camera(&mut pen);
            let gap = PrimitiveStyle::with_stroke(BinaryColor::Off, 7);
            let (from, to) = (pen.at(3, 1), pen.at(27, 29));
            pen.draw(&Line::new(from, to), &gap);
            pen.draw(&Line::new(from, to), &PrimitiveStyle::with_stroke(BinaryColor::On, 3));
        }
        Sign::Few => {
            pen.person(2, 8);
            pen.person(18, 8);
        }
        Sign::Pause => {
            pen.bar(6, 3, 7, 25);
            pen.bar(18, 3, 7, 25);
        }
    }
}

fn camera(pen: &mut Pen<'_>) {
    let body = Rectangle::new(pen.at(0, 7), Size::new(31, 21));
    pen.draw(&RoundedRectangle::with_equal_corners(body, Size::new(4, 4)), &THICK);
    pen.bar(10, 3, 11, 5);
    pen.draw(&Circle::new(pen.at(9, 11), 13), &THICK);
    pen.disc(13, 15, 5);
}

fn face(pen: &mut Pen<'_>, word: Word) {
    pen.draw(&Circle::new(pen.at(0, 0), SIDE as u32), &THICK);
    match word {
        Word::Bright => {
            pen.eyes(11, 5);
            // An open, laughing mouth: the lower half of a disc.
            pen.disc(7, 9, 17);
            let upper = Rectangle::new(pen.at(7, 9), Size::new(17, 8));
            pen.draw(&upper, &CLEAR);
            pen.eyes(11, 5);
        }
        Word::Attentive => {
            for x in [6, 16] {
                pen.draw(&Circle::new(pen.at(x, 8), 9), &THIN);
                pen.disc(x + 3, 11, 3);
            }
            pen.arc(9, 11, 13, 40.0, 100.0);
        }
        Word::Calm => {
            pen.arc(6, 8, 8, 20.0, 140.0);
            pen.arc(17, 8, 8, 20.0, 140.0);
            pen.arc(8, 9, 15, 35.0, 110.0);
        }
        Word::Restless => {
            // Looking aside, with a wavering mouth.
            for x in [5, 16] {
                pen.draw(&Circle::new(pen.at(x, 8), 9), &THIN);
                pen.disc(x + 5, 11, 3);
            }
            pen.line((8, 23), (12, 20));
            pen.line((12, 20), (16, 23));
            pen.line((16, 23), (20, 20));
            pen.line((20, 20), (22, 22));
        }
        Word::Strained => {
            pen.line((6, 8), (12, 11));
            pen.line((24, 8), (18, 11));
            pen.eyes(14, 3);
            pen.arc(9, 19, 13, 215.0, 110.0);
        }
        Word::Drowsy => {
            pen.line((6, 13), (12, 13));
            pen.line((18, 13), (24, 13));
            pen.draw(&Circle::new(pen.at(12, 18), 7), &THICK);
        }
        Word::Unsure => {
            pen.eyes(12, 4);
            pen.line((9, 21), (21, 21));
        }
    }
}
