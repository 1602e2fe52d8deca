//! `[overlays]`: settings that the administrator of many devices may change remotely.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::FaultCollector;

/// Overlays: settings that the administrator of many devices applies on top of this file, as retained messages of the
/// broker.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OverlaySettings {
    /// Public key of the administrator, 64 hexadecimal digits, from `moodring overlay key`. Only overlays that are
    /// signed with the matching private key are applied. Empty: no overlay is applied.
    pub public_key: String,
}

impl OverlaySettings {
    pub(super) fn check(&self, faults: &mut FaultCollector) {
        let is_key =
            self.public_key.len() == 64 && self.public_key.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !self.public_key.is_empty() && !is_key {
            let message = "must be the 64 hexadecimal digits that `moodring overlay key` prints";
            faults.add("overlays.public_key", message);
        }
    }
}
