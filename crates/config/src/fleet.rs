//! `[fleet]`: settings that the administrator of many devices may change remotely.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::FaultCollector;

/// Overlays: settings that the administrator of many devices applies on top of this file, as retained messages of the
/// broker.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fleet {
    /// Public key of the administrator, 64 hexadecimal digits, from `moodring overlay key`. Only overlays that are
    /// signed with the matching private key are applied. Empty: no overlay is applied.
    pub overlay_key: String,
}

impl Fleet {
    pub(super) fn check(&self, faults: &mut FaultCollector) {
        let is_key =
            self.overlay_key.len() == 64 && self.overlay_key.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !self.overlay_key.is_empty() && !is_key {
            let message = "must be the 64 hexadecimal digits that `moodring overlay key` prints";
            faults.add("fleet.overlay_key", message);
        }
    }
}
