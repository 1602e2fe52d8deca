//! moodring watches a class with a camera, estimates the mood of the class as a whole, shows it to the teacher and
//! reports it to the campus dashboard. No picture and no data about a single person leave the device.
//!
//! ```text
//! camera ──Frame──▶ vision ──Observation──▶ mood ──Mood──▶ outputs: mqtt · web · display · lights
//! ```
//!
//! This package is the daemon and its command line: it creates the parts from the crates in `crates/` and connects
//! them.
//!
//! # Invariants
//! - Wiring only: each part is implemented in its own crate.
//! - Outputs receive moods, status and requests. Their crates do not depend on a crate that defines a frame or a person
//!   (docs/decisions/workspace.md).

pub mod cli;
pub mod control;
pub mod daemon;
pub mod law;
pub mod notice;
pub mod overlay;
pub mod reload;
pub mod setup;
pub mod state;
