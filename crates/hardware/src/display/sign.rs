//! Signs: a face for each mood word, and symbols for the other states.
//!
//! A sign is a list of strokes: the small screen draws it in whole pixels, the large screen scales the same strokes.

use moodring_contract::Word;

/// Side of each sign in sign units, which are pixels of the small screen.
pub(super) const SIDE: i32 = 31;

/// Signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The face of a mood word.
    Face(Word),
    /// A camera.
    Camera,
    /// A crossed-out camera.
    NoCamera,
    /// Two people.
    Few,
    /// Two bars.
    Pause,
    /// A plug beside its socket.
    Unplugged,
}

/// An outline; `x` and `y` are the upper left corner, lengths are in sign units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Circle {
        x: i32,
        y: i32,
        diameter: u32,
    },
    Rectangle {
        x: i32,
        y: i32,
        width: u32,
        height: u32,
        corner: u32,
    },
    Line {
        from: (i32, i32),
        to: (i32, i32),
    },
    /// Part of a circle; angles in degrees, clockwise from the right.
    Arc {
        x: i32,
        y: i32,
        diameter: u32,
        start: f32,
        sweep: f32,
    },
}

/// How a shape is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    /// Filled.
    Fill,
    /// Filled with the background colour.
    Clear,
    /// The outline, with this width in sign units.
    Outline(u32),
    /// The outline in the background colour, with this width in sign units.
    ClearOutline(u32),
}

/// One stroke of a sign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stroke {
    pub(super) shape: Shape,
    pub(super) ink: Ink,
}

const THIN: Ink = Ink::Outline(1);
const THICK: Ink = Ink::Outline(2);

/// Collects strokes; later ones cover earlier ones.
#[derive(Default)]
struct Pen(Vec<Stroke>);

impl Pen {
    fn draw(&mut self, shape: Shape, ink: Ink) {
        self.0.push(Stroke { shape, ink });
    }

    fn circle(&mut self, x: i32, y: i32, diameter: u32, ink: Ink) {
        self.draw(Shape::Circle { x, y, diameter }, ink);
    }

    fn disc(&mut self, x: i32, y: i32, diameter: u32) {
        self.circle(x, y, diameter, Ink::Fill);
    }

    fn rectangle(&mut self, x: i32, y: i32, (width, height): (u32, u32), corner: u32, ink: Ink) {
        self.draw(Shape::Rectangle { x, y, width, height, corner }, ink);
    }

    fn line(&mut self, from: (i32, i32), to: (i32, i32), ink: Ink) {
        self.draw(Shape::Line { from, to }, ink);
    }

    /// The lower half of a circle is a smile, the upper half a frown.
    fn arc(&mut self, x: i32, y: i32, diameter: u32, start: f32, sweep: f32) {
        self.draw(Shape::Arc { x, y, diameter, start, sweep }, THICK);
    }

    /// A person from the waist up, 11 wide and 15 high.
    fn person(&mut self, x: i32, y: i32) {
        self.disc(x + 2, y, 7);
        self.rectangle(x, y + 8, (11, 12), 5, Ink::Fill);
        self.rectangle(x, y + 15, (11, 6), 0, Ink::Clear);
    }

    fn eyes(&mut self, y: i32, diameter: u32) {
        let half = diameter as i32 / 2;
        self.disc(10 - half, y - half, diameter);
        self.disc(20 - half, y - half, diameter);
    }

    /// Round eyes; `aside` moves the pupils to the right.
    fn wide_eyes(&mut self, left: i32, aside: i32) {
        for x in [left, 16] {
            self.circle(x, 8, 9, THIN);
            self.disc(x + 3 + aside, 11, 3);
        }
    }

    fn camera(&mut self) {
        self.rectangle(0, 7, (31, 21), 4, THICK);
        self.rectangle(10, 3, (11, 5), 1, Ink::Fill);
        self.circle(9, 11, 13, THICK);
        self.disc(13, 15, 5);
    }

    fn cross_out(&mut self) {
        let (from, to) = ((3, 1), (27, 29));
        self.line(from, to, Ink::ClearOutline(7));
        self.line(from, to, Ink::Outline(3));
    }

    /// A plug with two prongs beside its socket.
    fn unplugged(&mut self) {
        self.rectangle(0, 9, (9, 13), 3, Ink::Fill);
        self.line((9, 12), (13, 12), THICK);
        self.line((9, 18), (13, 18), THICK);
        self.rectangle(18, 7, (13, 17), 4, THICK);
        self.rectangle(16, 10, (5, 11), 0, Ink::Clear);
        self.line((20, 10), (20, 20), THICK);
    }

    fn face(&mut self, word: Word) {
        self.circle(0, 0, SIDE as u32, THICK);
        match word {
            Word::Bright => {
                // An open, laughing mouth: the lower half of a disc.
                self.disc(7, 9, 17);
                self.rectangle(7, 9, (17, 8), 0, Ink::Clear);
                self.eyes(11, 5);
            }
            Word::Attentive => {
                self.wide_eyes(6, 0);
                self.arc(9, 11, 13, 40.0, 100.0);
            }
            Word::Calm => {
                self.arc(6, 8, 8, 20.0, 140.0);
                self.arc(17, 8, 8, 20.0, 140.0);
                self.arc(8, 9, 15, 35.0, 110.0);
            }
            Word::Restless => {
                // Eyes to the side and a wavy mouth.
                self.wide_eyes(5, 2);
                for (from, to) in [((8, 23), (12, 20)), ((12, 20), (16, 23)), ((16, 23), (20, 20))] {
                    self.line(from, to, THICK);
                }
                self.line((20, 20), (22, 22), THICK);
            }
            Word::Strained => {
                self.line((6, 8), (12, 11), THICK);
                self.line((24, 8), (18, 11), THICK);
                self.eyes(14, 3);
                self.arc(9, 19, 13, 215.0, 110.0);
            }
            Word::Drowsy => {
                self.line((6, 13), (12, 13), THICK);
                self.line((18, 13), (24, 13), THICK);
                self.circle(12, 18, 7, THICK);
            }
            Word::Unsure => {
                self.eyes(12, 4);
                self.line((9, 21), (21, 21), THICK);
            }
        }
    }
}

/// The strokes of `sign`, in drawing order.
pub(super) fn strokes(sign: Sign) -> Vec<Stroke> {
    let mut pen = Pen::default();
    match sign {
        Sign::Face(word) => pen.face(word),
        Sign::Camera => pen.camera(),
        Sign::NoCamera => {
            pen.camera();
            pen.cross_out();
        }
        Sign::Few => {
            pen.person(2, 8);
            pen.person(18, 8);
        }
        Sign::Pause => {
            pen.rectangle(6, 3, (7, 25), 2, Ink::Fill);
            pen.rectangle(18, 3, (7, 25), 2, Ink::Fill);
        }
        Sign::Unplugged => pen.unplugged(),
    }
    pen.0
}

/// The strokes of one person, 11 wide and 15 high.
pub(super) fn person() -> Vec<Stroke> {
    let mut pen = Pen::default();
    pen.person(0, 0);
    pen.0
}
