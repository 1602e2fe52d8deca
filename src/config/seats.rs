//! `[seats]`: how long heads are remembered and beliefs hold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How heads are followed, and how long what is known of a seat holds.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Seats {
    /// A seat on which no head is found for this long is given up, 1 to 3600: longer than anybody bends for a
    /// pen or fetches a book, so that who comes back is the same. In a gallery (`camera.view`) at most 2.
    pub keep_s: f64,
    /// A head that hides, having been found steadily, is still counted for this long, 0 to 600. Someone who
    /// leaves is counted too long by as much; someone hidden for longer is missed. In a gallery at most 2: nobody
    /// hides there.
    pub hidden_s: f64,
    /// After this long what a reading says of a seat's expression counts half, 1 to 600: short enough that a
    /// class that changes shows within 20 s.
    pub belief_half_life_s: f64,
    /// A reading this long after the last counts half as a new look, 0.1 to 600: within seconds a face is the
    /// same face in the same light, and is misread in the same way.
    pub new_look_s: f64,
    /// After this long what was seen of somebody's facing counts half, 0.1 to 600: about as long as a glance
    /// aside takes, so that a glance does not count as turning away.
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
