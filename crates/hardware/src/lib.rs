//! The device's hardware except the camera: board, display, lights, button, privacy switch, camera light.
//!
//! ```text
//! Mood, DeviceStatus ──▶ display · lights        button ──Command──▶ the daemon        privacy switch ──▶ SwitchPosition
//! ```
//!
//! # Invariants
//! - It cannot name a frame or a person: it does not depend on camera or vision.
//! - A failing screen or light is reported once and retried; it never stops the device.
//! - When the device stops or a part of it panics, no display keeps showing a live mood.

pub mod board;
pub mod camera_light;
pub mod display;
pub mod lights;
pub mod panel;
pub mod terminal;
