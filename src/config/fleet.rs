//! `[fleet]`: what the administrator of many devices may change from afar.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::faults::Complaints;
use crate::overlay::PublicKey;

/// Settings laid over this file by the administrator, as retained messages of the broker.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fleet {
    /// The administrator's public key, 64 hexadecimal digits, from `moodring overlay key`. Only what is signed with the
    /// key beside it is laid over this file. Empty: nothing is.
    pub overlay_key: String,
}

impl Fleet {
    pub(super) fn check(&self, complaints: &mut Complaints) {
        if !self.overlay_key.is_empty() && PublicKey::parse(&self.overlay_key).is_none() {
            let message = "must be the 64 hexadecimal digits that `moodring overlay key` prints";
            complaints.add("fleet.overlay_key", message);
        }
    }
}
