//! Cameras of the kernel: USB webcams, and whatever else has a `/dev/video*` with single-planar capture.
//!
//! The driver's buffers are copied once, to the length that the driver says it wrote: after that the frame
//! is ours, and the driver gets its buffer back at once and never waits for the networks.

mod list;
mod modes;

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use v4l::buffer::{Flags, Type};
use v4l::io::mmap::Stream;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Device, Format, FourCC};

pub use list::{CameraInfo, list};
pub use modes::{Choice, Mode, choose};

use super::jpeg::Layout;
use super::{Camera, CameraError, CameraSource, Frame, PixelFormat, Size};
use crate::config::V4l2;

/// Buffers that the driver fills in turn: one being filled, one being copied, two for a late thread.
const BUFFERS: u32 = 4;
/// A camera that fills so many buffers in a row with nothing usable is opened again.
const UNUSABLE_IN_A_ROW: u32 = 30;

/// A V4L2 camera, as configured.
#[derive(Debug, Clone)]
pub struct V4l2Source {
    config: V4l2,
}

impl V4l2Source {
    /// The camera that `config` names. Nothing is opened yet.
    pub fn new(config: &V4l2) -> Self {
        Self { config: config.clone() }
    }
}

impl CameraSource for V4l2Source {
    fn open(&mut self) -> Result<Box<dyn Camera>, CameraError> {
        let path = &self.config.device;
        let fault = |error| open_fault(path, error, &list());
        let device = Device::with_path(path).map_err(fault)?;
        guarded(|| self.stream(&device).map_err(fault))
            .unwrap_or_else(|panic| Err(CameraError::Unsupported(format!("{}: {panic}", path.display()))))
    }
}

impl V4l2Source {
    fn stream(&self, device: &Device) -> io::Result<Box<dyn Camera>> {
        let V4l2 { device: path, width, height, frames_per_s, timeout_s } = &self.config;
        let card = device.query_caps()?.card;
        let modes = list::modes(device);
        let choice = choose(&modes, Size::new(*width, *height), *frames_per_s)
            .ok_or_else(|| io::Error::new(ErrorKind::Unsupported, no_usable_mode(&modes)))?;
        let Size { width, height } = choice.size;
        let format = device.set_format(&Format::new(width, height, FourCC::new(&choice.fourcc)))?;
        if format.fourcc.repr != choice.fourcc {
            let given = format.fourcc.repr.escape_ascii();
            let said = format!("the driver gave {given} instead of {}", choice.fourcc.escape_ascii());
            return Err(io::Error::new(ErrorKind::Unsupported, said));
        }
        // Not every driver lets its rate be set; then its own is taken.
        let rate = device.set_params(&Parameters::with_fps(*frames_per_s));
        let rate = rate.ok().and_then(|parameters| list::rate(parameters.interval));
        let mut stream = Stream::with_buffers(device, Type::VideoCapture, BUFFERS)?;
        stream.set_timeout(Duration::from_secs_f64(timeout_s.clamp(0.1, 3600.0)));
        let size = Size::new(format.width, format.height);
        let stride = stride(choice.format, size, format.stride as usize);
        tracing::info!(
            device = %path.display(), card, format = ?choice.format, %size, stride,
            frames_per_s = rate, "camera opened"
        );
        let name = path.display().to_string();
        Ok(Box::new(V4l2Camera { stream: Some(stream), name, format: choice.format, size, stride }))
    }
}

/// Bytes from line to line: what the driver says, else without padding; 0 for MJPEG.
fn stride(format: PixelFormat, size: Size, bytes_per_line: usize) -> usize {
    let unpadded = match format {
        PixelFormat::Grey | PixelFormat::Nv12 => size.width as usize,
        PixelFormat::Yuyv => 2 * size.width as usize,
        PixelFormat::Mjpeg => return 0,
    };
    if bytes_per_line == 0 { unpadded } else { bytes_per_line }
}

struct V4l2Camera {
    /// Always there until dropped.
    stream: Option<Stream<'static>>,
    name: String,
    format: PixelFormat,
    size: Size,
    stride: usize,
}

impl Camera for V4l2Camera {
    fn capture(&mut self, mut buffer: Vec<u8>) -> Result<Frame, CameraError> {
        let Self { stream, name, format, size, stride } = self;
        let stream = stream.as_mut().ok_or_else(|| CameraError::Gone(format!("{name} is closed")))?;
        for _ in 0..UNUSABLE_IN_A_ROW {
            // An error ends this camera: the crate queues the same buffer again otherwise.
            let (bytes, meta) = stream.next().map_err(|error| capture_fault(name, error))?;
            let captured_at = Instant::now();
            let written = bytes.get(..meta.bytesused as usize).unwrap_or(bytes);
            if meta.flags.contains(Flags::ERROR) {
                tracing::trace!(sequence = meta.sequence, "driver marks frame as damaged");
                continue;
            }
            let Some(picture) = picture(*format, *size, *stride, written) else {
                tracing::trace!(sequence = meta.sequence, bytes = written.len(), "frame is not whole");
                continue;
            };
            buffer.clear();
            buffer.extend_from_slice(picture);
            return Ok(Frame {
                captured_at,
                sequence: meta.sequence.into(),
                format: *format,
                size: *size,
                stride: *stride,
                data: buffer,
            });
        }
        let said = format!("{name} gave {UNUSABLE_IN_A_ROW} damaged frames in a row");
        Err(CameraError::Io { context: said, source: ErrorKind::InvalidData.into() })
    }
}

/// The part of a buffer that is the picture. `None` when it is not whole, as the first ones of many cameras.
fn picture(format: PixelFormat, size: Size, stride: usize, written: &[u8]) -> Option<&[u8]> {
    if format == PixelFormat::Mjpeg {
        // Some drivers say that they wrote the whole buffer; the end marker tells how much it was.
        return written.get(..Layout::parse(written).ok()?.end);
    }
    let height = size.height as usize;
    let lines = if format == PixelFormat::Nv12 { height + height.div_ceil(2) } else { height };
    // The padding of the last line may be missing.
    let luma_end = stride * height.checked_sub(1)? + self::stride(format, size, 0);
    (written.len() >= luma_end).then(|| &written[..written.len().min(stride * lines)])
}

impl Drop for V4l2Camera {
    fn drop(&mut self) {
        const ENODEV: i32 = 19;
        let Some(mut stream) = self.stream.take() else { return };
        match stream.stop() {
            Err(error) if error.raw_os_error() != Some(ENODEV) => {
                // The crate's own drop would panic on this error, and again while unwinding, which aborts.
                tracing::error!(device = self.name, %error, "camera cannot be stopped and stays open");
                std::mem::forget(stream);
            }
            _ => {
                let dropped = guarded(|| drop(stream));
                if let Err(panic) = dropped {
                    tracing::error!(device = self.name, panic, "closing the camera failed");
                }
            }
        }
    }
}

/// Runs what calls the v4l crate, which unwraps what drivers say (names that are no UTF-8, for example).
fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| "its driver answers nonsense".to_owned())
}

fn no_usable_mode(modes: &[Mode]) -> String {
    if modes.is_empty() {
        return "it offers no picture format (a metadata or multi-planar device; cameras on the ribbon cable \
                of a Pi need `libcamerify` or a v4l2loopback)"
            .into();
    }
    let offered: Vec<String> = modes.iter().map(Mode::to_string).collect();
    format!("it offers none of GREY, NV12, YUYV and MJPEG, only {}", offered.join(", "))
}

/// What an error at opening means, in words that help.
fn open_fault(path: &Path, error: io::Error, present: &[CameraInfo]) -> CameraError {
    const ENXIO: i32 = 6;
    const ENODEV: i32 = 19;
    const ENOTTY: i32 = 25;
    let device = path.display();
    let io = |said: &str| format!("{device} {said}");
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::NotFound | ErrorKind::NotADirectory, _) | (_, Some(ENXIO | ENODEV)) => {
            CameraError::Gone(format!("{device} is not there; {}", names(present)))
        }
        (ErrorKind::ResourceBusy, _) => {
            CameraError::Io { context: io("is used by another program"), source: error }
        }
        (ErrorKind::PermissionDenied, _) => {
            let said = "may not be opened: the user must be in group video (`sudo usermod -aG video USER`)";
            CameraError::Io { context: io(said), source: error }
        }
        (ErrorKind::IsADirectory, _) | (_, Some(ENOTTY)) => {
            CameraError::Unsupported(format!("{device} is no camera; {}", names(present)))
        }
        (ErrorKind::Unsupported, None) => CameraError::Unsupported(format!("{device}: {error}")),
        _ => CameraError::Io { context: io("cannot be opened"), source: error },
    }
}

fn names(present: &[CameraInfo]) -> String {
    if present.is_empty() {
        return "no camera is there".into();
    }
    let name = |camera: &CameraInfo| {
        let path = camera.stable_names.first().unwrap_or(&camera.path).display();
        if camera.card.is_empty() { path.to_string() } else { format!("{path} ({})", camera.card) }
    };
    format!("there is {}", present.iter().map(name).collect::<Vec<_>>().join(", "))
}

/// What an error while streaming means.
fn capture_fault(name: &str, error: io::Error) -> CameraError {
    const ENODEV: i32 = 19;
    match (error.kind(), error.raw_os_error()) {
        (_, Some(ENODEV)) => CameraError::Gone(format!("{name} was unplugged")),
        (ErrorKind::TimedOut, _) => {
            CameraError::Io { context: format!("{name} gave no picture in time"), source: error }
        }
        _ => CameraError::Io { context: format!("reading from {name}"), source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::jpeg::testing::SceneJpeg;

    fn opening(device: &str) -> CameraError {
        let config = V4l2 { device: device.into(), ..V4l2::default() };
        V4l2Source::new(&config).open().err().expect("there is no such camera")
    }

    #[test]
    fn what_is_no_camera_is_said_to_be_none() {
        let error = opening("/dev/nowhere/video0");
        assert!(
            matches!(&error, CameraError::Gone(said) if said.starts_with("/dev/nowhere/video0 is not there; "))
        );
        for device in ["/dev/null", "/dev"] {
            let error = opening(device);
            assert!(
                matches!(&error, CameraError::Unsupported(said) if said.contains(" is no camera; ")),
                "{error}"
            );
        }
    }

    fn camera(path: &str, stable: &[&str], card: &str) -> CameraInfo {
        let stable_names = stable.iter().map(Into::into).collect();
        CameraInfo { path: path.into(), stable_names, card: card.into(), modes: Vec::new(), fault: None }
    }

    #[test]
    fn faults_of_opening_say_what_to_do() {
        let present = [
            camera("/dev/video2", &["/dev/v4l/by-id/usb-Cam-index0"], "HD Webcam"),
            camera("/dev/video4", &[], ""),
        ];
        let path = Path::new("/dev/video0");
        let said = |code| open_fault(path, io::Error::from_raw_os_error(code), &present).to_string();
        assert_eq!(
            said(2),
            "camera gone: /dev/video0 is not there; there is /dev/v4l/by-id/usb-Cam-index0 (HD Webcam), /dev/video4"
        );
        assert_eq!(said(19), said(2));
        assert_eq!(said(16), "camera failed: /dev/video0 is used by another program");
        assert_eq!(
            said(13),
            "camera failed: /dev/video0 may not be opened: the user must be in group video \
             (`sudo usermod -aG video USER`)"
        );
        assert_eq!(said(5), "camera failed: /dev/video0 cannot be opened");
        assert_eq!(names(&[]), "no camera is there");
    }

    #[test]
    fn faults_of_reading_tell_unplugged_from_silent() {
        let fault = |error| capture_fault("/dev/video0", error);
        assert!(matches!(fault(io::Error::from_raw_os_error(19)), CameraError::Gone(_)));
        assert_eq!(
            fault(ErrorKind::TimedOut.into()).to_string(),
            "camera failed: /dev/video0 gave no picture in time"
        );
    }

    #[test]
    fn a_camera_without_a_usable_format_is_told_what_it_offers() {
        let (size, step) = (Size::new(640, 480), Size::new(1, 1));
        let mode = Mode { fourcc: *b"H264", smallest: size, largest: size, step, frames_per_s: Some(30.0) };
        assert_eq!(
            no_usable_mode(&[mode]),
            "it offers none of GREY, NV12, YUYV and MJPEG, only H264 640x480 up to 30.000 frames/s"
        );
        assert!(no_usable_mode(&[]).contains("no picture format"));
    }

    #[test]
    fn lines_are_as_long_as_the_driver_says() {
        let size = Size::new(100, 10);
        assert_eq!(stride(PixelFormat::Yuyv, size, 256), 256);
        assert_eq!(stride(PixelFormat::Yuyv, size, 0), 200);
        assert_eq!(stride(PixelFormat::Nv12, size, 0), 100);
        assert_eq!(stride(PixelFormat::Mjpeg, size, 256), 0);
    }

    #[test]
    fn a_picture_is_cut_to_what_belongs_to_it() {
        let size = Size::new(4, 2);
        let bytes: Vec<u8> = (0..64).collect();
        let length = |format, stride, written: usize| {
            picture(format, size, stride, &bytes[..written]).map(<[u8]>::len)
        };
        assert_eq!(length(PixelFormat::Grey, 8, 64), Some(16));
        assert_eq!(length(PixelFormat::Grey, 8, 12), Some(12), "without the last line's padding");
        assert_eq!(length(PixelFormat::Grey, 8, 11), None);
        assert_eq!(length(PixelFormat::Nv12, 4, 64), Some(12));
        assert_eq!(length(PixelFormat::Yuyv, 8, 64), Some(16));
        assert_eq!(length(PixelFormat::Yuyv, 8, 0), None);
    }

    #[test]
    fn jpeg_is_cut_at_its_end_and_dropped_without_one() {
        let jpeg = SceneJpeg::default().encode();
        let mut whole_buffer = jpeg.clone();
        whole_buffer.resize(jpeg.len() + 4096, 0);
        let size = Size::new(64, 48);
        assert_eq!(picture(PixelFormat::Mjpeg, size, 0, &whole_buffer), Some(jpeg.as_slice()));
        assert_eq!(picture(PixelFormat::Mjpeg, size, 0, &jpeg[..jpeg.len() - 9]), None);
    }
}
