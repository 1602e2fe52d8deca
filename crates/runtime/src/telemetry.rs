//! Data of the device that outputs publish besides the mood: counters, temperature, status, versions of the networks.

use std::sync::Arc;

use moodring_contract::payload::Models;

use crate::{Counters, StatusBoard, StatusUpdates, ThermalState};

/// Data of the running device for the health payload and `/metrics`; nothing about the class.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Counters of the parts.
    pub counters: Arc<Counters>,
    /// Temperature and throttling.
    pub thermal: Arc<ThermalState>,
    /// Problems, state of the camera, pause.
    pub status: StatusUpdates,
    /// Versions of the networks.
    pub models: Models,
}

impl Telemetry {
    /// Telemetry with the status of `board`; all counters are zero.
    pub fn new(board: &StatusBoard, models: Models) -> Self {
        Self { counters: Arc::default(), thermal: Arc::default(), status: board.subscribe(), models }
    }
}
