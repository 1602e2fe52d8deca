//! `[privacy]`: smallest group, and when the camera may be open.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PrivacySwitch;

/// Protection of single people in the aggregates of the class, and when the camera stays closed.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Privacy {
    /// Allows `mood.min_people` and `attention.region_people` of 3 or 4, and `attention.detail = "seat"`. In groups
    /// that small, the expression of one person is easily guessed from the shares.
    pub i_accept_small_groups: bool,
    /// In the mode `count`: publishes the share of the people who face the front, as a number. In education and at work in
    /// the European Economic Area this is a risk that you take: the Commission's guidelines on Article 5(1)(f) of the AI
    /// Act are quoted as naming the inference of students' attention among what is prohibited.
    pub i_accept_facing_under_the_ai_act: bool,
    /// Whether the device is paused after every start until somebody resumes it. If false, the device keeps its last
    /// state: a paused device stays paused after a reboot or a power cut.
    pub start_paused: bool,
    /// Whether the camera preview for aiming is allowed: small pictures with unrecognisable heads, for ten minutes
    /// after somebody at the device has started it (docs/reference/web.md). If false, no such picture is ever made.
    pub aiming: bool,
    /// A hardware switch that overrides every command: while it is in the closed position, the camera cannot be
    /// opened. A line that cannot be read counts as closed.
    pub switch: PrivacySwitch,
}

impl Default for Privacy {
    fn default() -> Self {
        Self {
            i_accept_small_groups: false,
            i_accept_facing_under_the_ai_act: false,
            start_paused: false,
            aiming: true,
            switch: PrivacySwitch::default(),
        }
    }
}
