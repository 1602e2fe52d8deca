//! Places in the room where help may be needed. Only the page of the device shows them; off by default.
//!
//! Nothing here implements `Serialize`, so no payload, record or file can hold it.

/// Places where help may be needed.
///
/// This type cannot be published: every payload must implement [`serde::Serialize`].
///
/// ```compile_fail,E0277
/// fn publish<T: serde::Serialize>() {}
/// publish::<moodring_contract::attention::Attention>();
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Attention {
    /// The places, ordered by duration, longest first.
    pub spots: Vec<Spot>,
}

impl std::fmt::Debug for Attention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No content, so that none gets into a log.
        f.debug_struct("Attention").finish_non_exhaustive()
    }
}

/// One place, the reason, and the minimum duration.
#[derive(Clone, Copy, PartialEq)]
pub struct Spot {
    /// The place.
    pub place: Place,
    /// Why it is shown.
    pub sign: Sign,
    /// Whole minutes for which the sign has been observed, rounded down.
    pub minutes: u32,
}

/// A location in the room, as seen from the camera.
#[derive(Clone, Copy, PartialEq)]
pub enum Place {
    /// One of nine regions of the class.
    Region(Row, Column),
    /// A seat: its distance from the left end and from the back of the class, each 0 to 1.
    Seat {
        /// 0 is the left end of the class, 1 the right end.
        across: f32,
        /// 0 is the row farthest from the camera, 1 the nearest.
        down: f32,
    },
}

/// A third of the class by distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Row {
    Back,
    Middle,
    Front,
}

/// A third of the class by side, as seen from the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Column {
    Left,
    Middle,
    Right,
}

/// What was observed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Expressions stayed strained.
    Strained,
    /// Heads stayed turned away.
    TurnedAway,
}
