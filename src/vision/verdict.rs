//! Whether a face can be read at all: the verdict that each head gets before anything is read from it.
//!
//! Small, turned, dark and blurred faces do not give uncertain answers but wrong ones, so only faces whose
//! verdict is [`Verdict::Ok`] are evidence of an expression.

/// Whether the face of a head can be read; if not, the first reason of those below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It can.
    Ok,
    /// Something is in front of it: another head, or whatever hides a head that was here a moment ago. A hand
    /// or a mask is not told, because no network here was trained to tell it.
    Covered,
    /// The face is not to be seen, or only from the side.
    Turned,
    /// It has too few pixels.
    TooSmall,
    /// It has too little light or contrast.
    Dark,
    /// It is out of focus, or moved.
    Blurred,
}

impl Verdict {
    /// All of them, in the order in which they are found.
    pub const ALL: [Self; 6] =
        [Self::Ok, Self::Covered, Self::Turned, Self::TooSmall, Self::Dark, Self::Blurred];

    /// The lower-case name, as the documents use it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Covered => "covered",
            Self::Turned => "turned",
            Self::TooSmall => "too_small",
            Self::Dark => "dark",
            Self::Blurred => "blurred",
        }
    }
}
