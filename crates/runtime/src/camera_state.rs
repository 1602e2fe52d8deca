//! The state of the camera as outputs show it.

/// The state of the camera.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CameraState {
    /// No frame yet.
    #[default]
    Starting,
    /// The camera delivers frames.
    Streaming,
    /// The camera is closed because the device is paused.
    Paused,
    /// The camera failed, for this reason; the device retries until it can be opened.
    Away(String),
}
