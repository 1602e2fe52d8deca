//! Cameras: `camera ──Frame──▶ vision`.
//!
//! A [`CameraSource`] opens a [`Camera`], and a camera fills [`Frame`]s. The pixels stay in the format in which they
//! were captured. Only vision reads them, and only their luma.
//!
//! # Invariants
//! - A [`Frame`] is not serializable, and its `Debug` output contains no pixels.
//! - This crate writes no picture to disk and sends none to a network.
//! - The camera is never open without its light, unless the configuration allows that.
//! - A panic in an image decoder is caught and becomes an error.

mod capture;
pub mod file;
mod frames;
pub mod jpeg;
pub mod light;
pub mod simulator;
pub mod v4l2;

use std::time::Instant;

use thiserror::Error;

pub use capture::{CameraHealth, CameraSwitch, CaptureLoop};
pub use frames::Frames;

/// Largest number of pixels of a picture from any source. It is four times the size of the largest classroom camera,
/// and 64 MB of luma, which fits in the memory of the smallest device.
pub const MAX_PIXELS: usize = 64_000_000;

/// Pixel layouts of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// 8-bit luma, one plane.
    Grey,
    /// 8-bit luma plane, then an interleaved half-resolution chroma plane.
    Nv12,
    /// Y0 U Y1 V: luma is every second byte.
    Yuyv,
    /// One JPEG picture per frame.
    Mjpeg,
}

/// Width and height of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels per line.
    pub width: u32,
    /// Number of lines.
    pub height: u32,
}

impl Size {
    /// A size of `width` x `height` pixels.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Number of pixels.
    pub const fn area(self) -> usize {
        self.width as usize * self.height as usize
    }
}

impl From<(u32, u32)> for Size {
    fn from((width, height): (u32, u32)) -> Self {
        Self { width, height }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// An axis-aligned box in pixels of the frame. It may extend beyond the edge of the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelBox {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width, never negative.
    pub width: f32,
    /// Height, never negative.
    pub height: f32,
}

impl PixelBox {
    /// The centre (x, y).
    pub fn centre(self) -> (f32, f32) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }

    /// Area of the intersection in square pixels.
    pub fn shared_area(self, other: Self) -> f32 {
        let across = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let down = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        across.max(0.0) * down.max(0.0)
    }

    /// Intersection over union: 0 for disjoint or empty boxes, 1 for identical boxes.
    pub fn iou(self, other: Self) -> f32 {
        let shared = self.shared_area(other);
        let both = self.width * self.height + other.width * other.height - shared;
        if both > 0.0 { shared / both } else { 0.0 }
    }
}

/// One picture as captured. It is stored only in RAM and never leaves the device.
#[derive(Clone)]
pub struct Frame {
    /// When the picture was taken.
    pub captured_at: Instant,
    /// Increases by at least one per frame. A gap means that the driver dropped frames.
    pub sequence: u64,
    /// Layout of `data`.
    pub format: PixelFormat,
    /// Size of the picture.
    pub size: Size,
    /// Bytes from the start of one line of the luma plane (or of the packed pixels) to the next. 0 for MJPEG.
    pub stride: usize,
    /// The pixels: exactly the bytes that the driver reports as written.
    pub data: Vec<u8>,
}

// A derived Debug would write the picture to the log.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { captured_at: _, sequence, format, size, stride: _, data } = self;
        write!(f, "Frame(#{sequence} {format:?} {size}, {} bytes)", data.len())
    }
}

/// Reasons why a camera delivered no picture.
#[derive(Debug, Error)]
pub enum CameraError {
    /// The device or file does not exist. It may be plugged in later, or its name is wrong.
    #[error("camera not found: {0}")]
    Missing(String),
    /// The device or stream worked, or may work, and delivers nothing now. Open it again later.
    #[error("camera gone: {0}")]
    Gone(String),
    /// The source exists but cannot deliver what is configured. The configuration must change.
    #[error("camera cannot be used: {0}")]
    Unsupported(String),
    /// The camera light cannot be switched on, so the camera stays closed. Try again.
    #[error("camera not opened: {0}")]
    Light(moodring_runtime::LampError),
    /// Any other failure. Open the source again.
    #[error("camera failed: {context}")]
    Io {
        /// The operation that failed, with the device or file.
        context: String,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
}

/// An open camera.
pub trait Camera: Send {
    /// Waits for the next picture and returns it. The pixels are stored in `buffer`, whose old contents are discarded.
    ///
    /// # Errors
    /// After any [`CameraError`] this camera is unusable: drop it and open the source again.
    fn capture(&mut self, buffer: Vec<u8>) -> Result<Frame, CameraError>;
}

/// A camera that can be opened repeatedly.
pub trait CameraSource: Send {
    /// Opens the camera and starts its stream.
    ///
    /// # Errors
    /// [`CameraError::Unsupported`] if a retry cannot help, otherwise `Gone` or `Io`.
    fn open(&mut self) -> Result<Box<dyn Camera>, CameraError>;
}
