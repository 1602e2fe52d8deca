//! moodring looks at a class, estimates how the class as a whole is doing, shows it to the teacher at a
//! glance and tells the campus dashboard. No picture and no person leaves the device.
//!
//! ```text
//! camera ──Frame──▶ vision ──Observation──▶ mood ──Mood──▶ outputs: mqtt · web · display · lights
//!   V4L2, file,       decode luma, find heads     class estimate,     (see only Mood)
//!   simulator         and faces, follow seats,    staleness, words
//!                     read expressions
//! ```
//!
//! Imports point left only: outputs see [`mood`], mood sees [`vision`], vision sees [`camera`].

pub mod aim;
pub mod board;
pub mod camera;
#[cfg(feature = "campus")]
pub mod campus;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod device;
pub mod fleet;
pub mod latest;
pub mod law;
pub mod mood;
pub mod notice;
pub mod outputs;
pub mod overlay;
pub mod panel;
mod private;
pub mod reload;
pub mod setup;
pub mod supervisor;
pub mod vision;
