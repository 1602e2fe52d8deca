//! V4L2 cameras: USB webcams, and every other `/dev/video*` device with single-planar capture.
//!
//! Each driver buffer is copied once, up to the length that the driver reports. So the driver gets its buffer back at
//! once and never waits for the networks.

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
pub use modes::{CameraMode, Choice, choose};

use super::jpeg::{JpegError, Layout};
use super::{Camera, CameraError, CameraSource, Frame, PixelFormat, Size};
use moodring_config::V4l2;

/// Number of driver buffers: one being filled, one being copied, two in reserve for a late thread.
const BUFFERS: u32 = 4;
/// After this many unusable frames in a row the camera is opened again.
const MAX_UNUSABLE_FRAMES: u32 = 30;

/// A V4L2 camera, as configured.
#[derive(Debug, Clone)]
pub struct V4l2Source {
    config: V4l2,
}

impl V4l2Source {
    /// The camera of `config`. This does not open the device.
    pub fn new(config: &V4l2) -> Self {
        Self { config: config.clone() }
    }
}

impl CameraSource for V4l2Source {
    fn open(&mut self) -> Result<Box<dyn Camera>, CameraError> {
        let path = &self.config.device;
        let fault = |error| open_fault(path, error, &list());
        let device = Device::with_path(path).map_err(fault)?;
        catch_driver_panic(|| self.stream(&device).map_err(fault))
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
            let message = format!("the driver gave {given} instead of {}", choice.fourcc.escape_ascii());
            return Err(io::Error::new(ErrorKind::Unsupported, message));
        }
        // Some drivers refuse to set a rate. Then the driver's own rate is used.
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

/// Bytes from line to line: the driver's value, or without padding if the driver reports 0. 0 for MJPEG.
fn stride(format: PixelFormat, size: Size, bytes_per_line: usize) -> usize {
    let unpadded = match format {
        PixelFormat::Grey | PixelFormat::Nv12 => size.width as usize,
        PixelFormat::Yuyv => 2 * size.width as usize,
        PixelFormat::Mjpeg => return 0,
    };
    if bytes_per_line == 0 { unpadded } else { bytes_per_line }
}

struct V4l2Camera {
    /// `None` only while the camera is dropped.
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
        let mut reason = Unusable::Marked;
        for _ in 0..MAX_UNUSABLE_FRAMES {
            // After an error the camera must not be used: the v4l crate would queue the same buffer again.
            let (bytes, meta) = stream.next().map_err(|error| capture_fault(name, error))?;
            let captured_at = Instant::now();
            let written = bytes.get(..meta.bytesused as usize).unwrap_or(bytes);
            if meta.flags.contains(Flags::ERROR) {
                reason = Unusable::Marked;
                continue;
            }
            let picture = match picture(*format, *size, *stride, written) {
                Ok(picture) => picture,
                Err(unusable) => {
                    tracing::trace!(sequence = meta.sequence, %unusable, "frame skipped");
                    reason = unusable;
                    continue;
                }
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
        Err(unusable_fault(name, &reason))
    }
}

/// Reasons why a frame is not used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Unusable {
    /// The driver marked it as damaged.
    #[error("was marked as damaged by the driver")]
    Marked,
    /// It ends early, as the first pictures of many cameras do.
    #[error("has {bytes} of {needed_bytes} bytes")]
    Cut { bytes: usize, needed_bytes: usize },
    /// It is not a JPEG picture that can be read.
    #[error("is unusable: {0}")]
    Jpeg(#[from] JpegError),
}

/// The error after too many unusable frames, of which the last one was unusable for this reason.
fn unusable_fault(name: &str, reason: &Unusable) -> CameraError {
    if let Unusable::Jpeg(error @ JpegError::Unsupported(_)) = reason {
        return CameraError::Unsupported(format!(
            "{name}: {error}; choose another size or camera, `moodring doctor` lists what it offers"
        ));
    }
    let context = format!("{name} gave {MAX_UNUSABLE_FRAMES} damaged frames in a row; the last one {reason}");
    CameraError::Io { context, source: ErrorKind::InvalidData.into() }
}

/// The part of a buffer that is the picture.
fn picture(format: PixelFormat, size: Size, stride: usize, written: &[u8]) -> Result<&[u8], Unusable> {
    if format == PixelFormat::Mjpeg {
        // Some drivers report the whole buffer as written. The end marker shows the real length.
        return Ok(&written[..Layout::parse(written)?.end]);
    }
    let height = size.height as usize;
    let lines = if format == PixelFormat::Nv12 { height + height.div_ceil(2) } else { height };
    // The padding of the last line may be missing.
    let needed_bytes = stride * height.saturating_sub(1) + self::stride(format, size, 0);
    if written.len() < needed_bytes {
        return Err(Unusable::Cut { bytes: written.len(), needed_bytes });
    }
    Ok(&written[..written.len().min(stride * lines)])
}

impl Drop for V4l2Camera {
    fn drop(&mut self) {
        const ENODEV: i32 = 19;
        let Some(mut stream) = self.stream.take() else { return };
        match stream.stop() {
            Err(error) if error.raw_os_error() != Some(ENODEV) => {
                // The drop of the v4l crate would panic on this error, and again while unwinding, which aborts.
                tracing::error!(device = self.name, %error, "the camera cannot be stopped and stays open");
                std::mem::forget(stream);
            }
            _ => {
                let dropped = catch_driver_panic(|| drop(stream));
                if let Err(panic) = dropped {
                    tracing::error!(device = self.name, panic, "closing the camera failed");
                }
            }
        }
    }
}

/// Runs a call of the v4l crate and catches its panics. The crate unwraps values from drivers, for example names that
/// are not UTF-8.
fn catch_driver_panic<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| "its driver returned invalid data".to_owned())
}

fn no_usable_mode(modes: &[CameraMode]) -> String {
    if modes.is_empty() {
        return "it offers no picture format (a metadata or multi-planar device; cameras on the ribbon cable \
                of a Pi need `libcamerify` or a v4l2loopback)"
            .into();
    }
    let offered: Vec<String> = modes.iter().map(CameraMode::to_string).collect();
    format!("it offers none of GREY, NV12, YUYV and MJPEG, only {}", offered.join(", "))
}

/// Converts an error of opening the device to a message with a remedy.
fn open_fault(path: &Path, error: io::Error, present: &[CameraInfo]) -> CameraError {
    const ENXIO: i32 = 6;
    const ENODEV: i32 = 19;
    const ENOTTY: i32 = 25;
    let device = path.display();
    let io = |problem: &str| format!("{device} {problem}");
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::NotFound | ErrorKind::NotADirectory, _) | (_, Some(ENXIO | ENODEV)) => {
            CameraError::Missing(format!("{device} does not exist; {}", camera_names(present)))
        }
        (ErrorKind::ResourceBusy, _) => {
            CameraError::Io { context: io("is used by another program"), source: error }
        }
        (ErrorKind::PermissionDenied, _) => {
            let problem =
                "cannot be opened: the user must be in the group video (`sudo usermod -aG video USER`)";
            CameraError::Io { context: io(problem), source: error }
        }
        (ErrorKind::IsADirectory, _) | (_, Some(ENOTTY)) => {
            CameraError::Unsupported(format!("{device} is not a camera; {}", camera_names(present)))
        }
        (ErrorKind::Unsupported, None) => CameraError::Unsupported(format!("{device}: {error}")),
        _ => CameraError::Io { context: io("cannot be opened"), source: error },
    }
}

fn camera_names(present: &[CameraInfo]) -> String {
    if present.is_empty() {
        return "no camera is connected".into();
    }
    let name = |camera: &CameraInfo| {
        let path = camera.stable_names.first().unwrap_or(&camera.path).display();
        if camera.card.is_empty() { path.to_string() } else { format!("{path} ({})", camera.card) }
    };
    format!("connected: {}", present.iter().map(name).collect::<Vec<_>>().join(", "))
}

/// Converts an error while streaming to a message.
fn capture_fault(name: &str, error: io::Error) -> CameraError {
    const ENODEV: i32 = 19;
    match (error.kind(), error.raw_os_error()) {
        (_, Some(ENODEV)) => CameraError::Gone(format!("{name} was unplugged")),
        (ErrorKind::TimedOut, _) => {
            CameraError::Io { context: format!("{name} delivered no picture in time"), source: error }
        }
        _ => CameraError::Io { context: format!("reading from {name}"), source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::testing::SceneJpeg;

    fn opening(device: &str) -> CameraError {
        let config = V4l2 { device: device.into(), ..V4l2::default() };
        V4l2Source::new(&config).open().err().expect("there is no such camera")
    }

    #[test]
    fn a_missing_device_and_a_non_camera_are_distinguished() {
        let error = opening("/dev/nowhere/video0");
        assert!(
            error.to_string().starts_with("camera not found: /dev/nowhere/video0 does not exist; "),
            "{error}"
        );
        for device in ["/dev/null", "/dev"] {
            let error = opening(device);
            assert!(
                matches!(&error, CameraError::Unsupported(message) if message.contains(" is not a camera; ")),
                "{error}"
            );
        }
    }

    fn camera(path: &str, stable: &[&str], card: &str) -> CameraInfo {
        let stable_names = stable.iter().map(Into::into).collect();
        CameraInfo { path: path.into(), stable_names, card: card.into(), modes: Vec::new(), fault: None }
    }

    #[test]
    fn faults_of_opening_name_the_remedy() {
        let present = [
            camera("/dev/video2", &["/dev/v4l/by-id/usb-Cam-index0"], "HD Webcam"),
            camera("/dev/video4", &[], ""),
        ];
        let path = Path::new("/dev/video0");
        let message = |code| open_fault(path, io::Error::from_raw_os_error(code), &present).to_string();
        assert_eq!(
            message(2),
            "camera not found: /dev/video0 does not exist; connected: /dev/v4l/by-id/usb-Cam-index0 (HD Webcam), /dev/video4"
        );
        assert_eq!(message(19), message(2));
        assert_eq!(message(16), "camera failed: /dev/video0 is used by another program");
        assert_eq!(
            message(13),
            "camera failed: /dev/video0 cannot be opened: the user must be in the group video \
             (`sudo usermod -aG video USER`)"
        );
        assert_eq!(message(5), "camera failed: /dev/video0 cannot be opened");
        assert_eq!(camera_names(&[]), "no camera is connected");
    }

    #[test]
    fn faults_of_reading_distinguish_unplugged_from_timed_out() {
        let fault = |error| capture_fault("/dev/video0", error);
        assert!(matches!(fault(io::Error::from_raw_os_error(19)), CameraError::Gone(_)));
        assert_eq!(
            fault(ErrorKind::TimedOut.into()).to_string(),
            "camera failed: /dev/video0 delivered no picture in time"
        );
    }

    #[test]
    fn a_camera_without_a_usable_format_lists_what_it_offers() {
        let (size, step) = (Size::new(640, 480), Size::new(1, 1));
        let mode =
            CameraMode { fourcc: *b"H264", smallest: size, largest: size, step, frames_per_s: Some(30.0) };
        assert_eq!(
            no_usable_mode(&[mode]),
            "it offers none of GREY, NV12, YUYV and MJPEG, only H264 640x480 up to 30.000 frames/s"
        );
        assert!(no_usable_mode(&[]).contains("no picture format"));
    }

    #[test]
    fn the_stride_of_the_driver_is_used() {
        let size = Size::new(100, 10);
        assert_eq!(stride(PixelFormat::Yuyv, size, 256), 256);
        assert_eq!(stride(PixelFormat::Yuyv, size, 0), 200);
        assert_eq!(stride(PixelFormat::Nv12, size, 0), 100);
        assert_eq!(stride(PixelFormat::Mjpeg, size, 256), 0);
    }

    #[test]
    fn a_picture_is_cut_to_its_length() {
        let size = Size::new(4, 2);
        let bytes: Vec<u8> = (0..64).collect();
        let length = |format, stride, written: usize| {
            picture(format, size, stride, &bytes[..written]).ok().map(<[u8]>::len)
        };
        assert_eq!(length(PixelFormat::Grey, 8, 64), Some(16));
        assert_eq!(length(PixelFormat::Grey, 8, 12), Some(12), "without the last line's padding");
        assert_eq!(length(PixelFormat::Grey, 8, 11), None);
        assert_eq!(length(PixelFormat::Nv12, 4, 64), Some(12));
        assert_eq!(length(PixelFormat::Yuyv, 8, 64), Some(16));
        assert_eq!(length(PixelFormat::Yuyv, 8, 0), None);
    }

    #[test]
    fn jpeg_is_cut_at_its_end_with_or_without_an_end_marker() {
        let jpeg = SceneJpeg::default().encode();
        let mut whole_buffer = jpeg.clone();
        whole_buffer.resize(jpeg.len() + 4096, 0);
        let size = Size::new(64, 48);
        assert!(picture(PixelFormat::Mjpeg, size, 0, &whole_buffer) == Ok(&jpeg));
        // Vision finds out whether the picture is whole; many cameras send no end marker.
        let unmarked = &jpeg[..jpeg.len() - 2];
        whole_buffer[unmarked.len()..].fill(0);
        assert!(picture(PixelFormat::Mjpeg, size, 0, &whole_buffer) == Ok(unmarked));
        assert_eq!(picture(PixelFormat::Mjpeg, size, 0, &jpeg[1..]), Err(JpegError::NotJpeg.into()));
    }

    #[test]
    fn a_kind_of_jpeg_that_cannot_be_read_is_named_and_not_tried_again() {
        let mut jpeg = SceneJpeg::default().encode();
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        jpeg[frame + 1] = 0xc9;
        let unusable = picture(PixelFormat::Mjpeg, Size::new(64, 48), 0, &jpeg).expect_err("is arithmetic");
        let error = unusable_fault("/dev/video0", &unusable);
        assert_eq!(
            error.to_string(),
            "camera cannot be used: /dev/video0: JPEG picture cannot be read as luma: it uses arithmetic coding; \
             choose another size or camera, `moodring doctor` lists what it offers"
        );
        let error = unusable_fault("/dev/video0", &Unusable::Cut { bytes: 9, needed_bytes: 16 });
        assert_eq!(
            error.to_string(),
            "camera failed: /dev/video0 gave 30 damaged frames in a row; the last one has 9 of 16 bytes"
        );
    }
}
