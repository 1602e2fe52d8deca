//! `[seats]`: how long seats are kept and how fast old readings lose weight.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tracking of heads, and how long the data about a seat stay valid.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Seats {
    /// Seconds without a detected head after which a seat is deleted, 1 to 3600. The default is longer than bending
    /// for a pen or fetching a book, so that a returning person gets the same seat. In a gallery (`camera.view`) at
    /// most 2 are used.
    pub keep_s: f64,
    /// Seconds for which a head is still counted that was detected steadily and is now hidden, 0 to 600; at most
    /// `keep_s`. A person who leaves is counted for this much too long; a person who is hidden for longer is not
    /// counted. In a gallery at most 2 are used, because nobody is hidden there.
    pub hidden_s: f64,
    /// Half-life in seconds of a reading's weight in the expression of a seat, 1 to 600. The default is short enough
    /// that a change of the class is shown within 20 s.
    pub belief_half_life_s: f64,
    /// Seconds after the previous reading at which a reading counts half as new evidence, 0.1 to 600. Readings that
    /// follow each other within seconds show the same face in the same light and repeat the same error.
    pub new_look_s: f64,
    /// Half-life in seconds of an observation whether a person faces the front, 0.1 to 600. The default is about the
    /// duration of a glance aside, so that a glance does not count as turning away.
    pub facing_half_life_s: f64,
}

impl Default for Seats {
    fn default() -> Self {
        Self {
            keep_s: 120.0,
            hidden_s: 15.0,
            belief_half_life_s: 10.0,
            new_look_s: 5.0,
            facing_half_life_s: 4.0,
        }
    }
}
