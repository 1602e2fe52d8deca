//! `[privacy]`: how small a group may be, how much noise hides the single person in it, and who may open the camera.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PrivacySwitch;

/// How single people are hidden in the figures of the class, and when the camera stays closed.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    /// Allows `mood.min_people` and `attention.region_people` of 3 or 4, and `attention.detail = "seat"`: in groups that
    /// small, one person's expression is easily guessed from the shares of the others.
    pub i_accept_small_groups: bool,
    /// Adds Laplace noise to expressions and allows so much of it to be averaged away in one lesson (the ε of
    /// differential privacy), 0.1 to 1000. Less is more private. Without it there is no noise. A lesson is over,
    /// for this, when fewer than `mood.min_people` were there for five minutes.
    pub epsilon: Option<f64>,
    /// With `epsilon`: how much of it new shares spend, 0.01 to 100. Noise has a scale of 2 / (people × this).
    pub epsilon_each: f64,
    /// With `epsilon`: new shares are told this often at most, 10 to 3600. When the budget is spent, expressions
    /// are not told any more in this lesson.
    pub new_shares_every_s: f64,
    /// Whether every start begins paused, whatever was before: somebody must resume by hand. Without it the device
    /// goes on as it was left: what was paused stays paused over a reboot and a power cut.
    pub start_paused: bool,
    /// Whether the camera's picture may be looked at while the device is aimed: small, heads made unrecognisable, for ten
    /// minutes after a hand at the device asked for it (docs/reference/web.md). Without it no such picture is ever made.
    pub aiming: bool,
    /// A switch in hardware that has the last word: while it is closed nothing opens the camera. A line that cannot
    /// be read counts as closed.
    pub switch: PrivacySwitch,
}

impl Default for Privacy {
    fn default() -> Self {
        Self {
            i_accept_small_groups: false,
            epsilon: None,
            epsilon_each: 1.0,
            new_shares_every_s: 60.0,
            start_paused: false,
            aiming: true,
            switch: PrivacySwitch::default(),
        }
    }
}
