//! Lists the connected cameras, for `moodring doctor` and for error messages.

use std::path::{Path, PathBuf};

use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;
use v4l::{Device, FourCC, Fraction};

use super::{CameraMode, catch_driver_panic};
use crate::Size;

/// One V4L2 capture device.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraInfo {
    /// The device file.
    pub path: PathBuf,
    /// Names in `/dev/v4l/by-id` and `by-path`. They stay the same when other cameras are plugged in or out.
    pub stable_names: Vec<PathBuf>,
    /// Name from the driver. Empty if the driver could not be queried.
    pub card: String,
    /// All offered modes, usable or not.
    pub modes: Vec<CameraMode>,
    /// Why the driver could not be queried.
    pub fault: Option<String>,
}

/// All capture devices, in the order of their numbers. Devices that cannot capture (encoders, the metadata device of
/// every USB camera) are omitted.
pub fn list() -> Vec<CameraInfo> {
    let mut paths: Vec<PathBuf> =
        entries(Path::new("/dev")).filter(|path| video_number(path).is_some()).collect();
    paths.sort_by_key(|path| video_number(path));
    let names = stable_names(Path::new("/dev/v4l"));
    paths.into_iter().filter_map(|path| describe(path, &names)).collect()
}

/// The number in `video<number>`.
fn video_number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Links in `by-id` and `by-path` with their targets, sorted.
fn stable_names(directory: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut names: Vec<(PathBuf, PathBuf)> = ["by-id", "by-path"]
        .iter()
        .flat_map(|kind| entries(&directory.join(kind)))
        .filter_map(|link| Some((link.clone(), link.canonicalize().ok()?)))
        .collect();
    names.sort();
    names
}

fn describe(path: PathBuf, names: &[(PathBuf, PathBuf)]) -> Option<CameraInfo> {
    let stable_names =
        names.iter().filter(|(_, device)| *device == path).map(|(link, _)| link.clone()).collect();
    let answer = Device::with_path(&path).map_err(|error| error.to_string()).and_then(|device| {
        catch_driver_panic(|| device.query_caps().map_err(|error| error.to_string()))
            .and_then(|caps| caps)
            .map(|caps| (caps.card, modes(&device)))
    });
    match answer {
        Ok((_, modes)) if modes.is_empty() => None,
        Ok((card, modes)) => Some(CameraInfo { path, stable_names, card, modes, fault: None }),
        Err(fault) => {
            let card = String::new();
            Some(CameraInfo { path, stable_names, card, modes: Vec::new(), fault: Some(fault) })
        }
    }
}

/// All modes that the driver enumerates. Empty if it enumerates none.
pub(super) fn modes(device: &Device) -> Vec<CameraMode> {
    let formats = catch_driver_panic(|| device.enum_formats()).ok().and_then(Result::ok).unwrap_or_default();
    formats.iter().flat_map(|format| modes_of(device, format.fourcc)).collect()
}

fn modes_of(device: &Device, fourcc: FourCC) -> Vec<CameraMode> {
    let sizes = device.enum_framesizes(fourcc).unwrap_or_default();
    let mode = |size: FrameSizeEnum| {
        let (smallest, largest, step) = match size {
            FrameSizeEnum::Discrete(size) => {
                let size = Size::new(size.width, size.height);
                (size, size, Size::new(1, 1))
            }
            FrameSizeEnum::Stepwise(range) => (
                Size::new(range.min_width, range.min_height),
                Size::new(range.max_width, range.max_height),
                Size::new(range.step_width.max(1), range.step_height.max(1)),
            ),
        };
        let frames_per_s = highest_rate(device, fourcc, largest);
        CameraMode { fourcc: fourcc.repr, smallest, largest, step, frames_per_s }
    };
    sizes.into_iter().map(|size| mode(size.size)).collect()
}

fn highest_rate(device: &Device, fourcc: FourCC, size: Size) -> Option<f64> {
    let intervals = device.enum_frameintervals(fourcc, size.width, size.height).ok()?;
    let rates = intervals.into_iter().filter_map(|interval| match interval.interval {
        FrameIntervalEnum::Discrete(interval) => rate(interval),
        FrameIntervalEnum::Stepwise(range) => rate(range.min),
    });
    rates.reduce(f64::max)
}

/// Frames per second for a frame interval in seconds. `None` for the interval 0.
pub(super) fn rate(interval: Fraction) -> Option<f64> {
    (interval.numerator > 0).then(|| f64::from(interval.denominator) / f64::from(interval.numerator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbered_video_devices_are_listed() {
        assert_eq!(video_number(Path::new("/dev/video10")), Some(10));
        assert_eq!(video_number(Path::new("/dev/videofoo")), None);
        assert_eq!(video_number(Path::new("/dev/null")), None);
    }

    #[test]
    fn links_are_resolved_to_their_device() {
        let directory = tempfile::tempdir().unwrap();
        let device = directory.path().canonicalize().unwrap().join("video7");
        std::fs::write(&device, "").unwrap();
        let by_id = directory.path().join("by-id");
        std::fs::create_dir(&by_id).unwrap();
        std::os::unix::fs::symlink("../video7", by_id.join("usb-Maker_Cam-index0")).unwrap();
        std::os::unix::fs::symlink("../video9", by_id.join("usb-Unplugged-index0")).unwrap();
        let names = stable_names(directory.path());
        assert_eq!(names, [(by_id.join("usb-Maker_Cam-index0"), device.clone())]);
        // An empty file can be opened but does not answer like a driver.
        let info = describe(device, &names).unwrap();
        assert_eq!(info.stable_names, [by_id.join("usb-Maker_Cam-index0")]);
        assert!(info.fault.unwrap().contains("ioctl"));
    }

    #[test]
    fn an_interval_is_converted_to_a_rate() {
        assert_eq!(rate(Fraction::new(1, 30)), Some(30.0));
        assert_eq!(rate(Fraction::new(0, 30)), None);
    }
}
