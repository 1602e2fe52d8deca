//! The cameras that are there, for `moodring doctor` and for error messages.

use std::path::{Path, PathBuf};

use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;
use v4l::{Device, FourCC, Fraction};

use super::{Mode, guarded};
use crate::camera::Size;

/// One V4L2 capture device.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraInfo {
    /// Its device file.
    pub path: PathBuf,
    /// Names below `/dev/v4l/by-id` and `by-path`; these stay the same when cameras are swapped.
    pub stable_names: Vec<PathBuf>,
    /// What the driver calls it; empty when it could not be asked.
    pub card: String,
    /// What it offers, usable or not.
    pub modes: Vec<Mode>,
    /// Why it could not be asked, if so.
    pub fault: Option<String>,
}

/// All capture devices, in the order of their numbers. Devices that cannot capture (encoders, the metadata
/// twin of every USB camera) are left out.
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

/// Links below `by-id` and `by-path` with what they lead to, sorted.
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
    let asked = Device::with_path(&path).map_err(|error| error.to_string()).and_then(|device| {
        guarded(|| device.query_caps().map_err(|error| error.to_string()))
            .and_then(|caps| caps)
            .map(|caps| (caps.card, modes(&device)))
    });
    match asked {
        Ok((_, modes)) if modes.is_empty() => None,
        Ok((card, modes)) => Some(CameraInfo { path, stable_names, card, modes, fault: None }),
        Err(fault) => {
            let card = String::new();
            Some(CameraInfo { path, stable_names, card, modes: Vec::new(), fault: Some(fault) })
        }
    }
}

/// Everything that the driver enumerates; drivers that enumerate nothing offer nothing.
pub(super) fn modes(device: &Device) -> Vec<Mode> {
    let formats = guarded(|| device.enum_formats()).ok().and_then(Result::ok).unwrap_or_default();
    formats.iter().flat_map(|format| modes_of(device, format.fourcc)).collect()
}

fn modes_of(device: &Device, fourcc: FourCC) -> Vec<Mode> {
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
        Mode { fourcc: fourcc.repr, smallest, largest, step, frames_per_s }
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

/// Frames a second at an interval; none for the interval 0.
pub(super) fn rate(interval: Fraction) -> Option<f64> {
    (interval.numerator > 0).then(|| f64::from(interval.denominator) / f64::from(interval.numerator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_numbered_and_others_left_out() {
        assert_eq!(video_number(Path::new("/dev/video10")), Some(10));
        assert_eq!(video_number(Path::new("/dev/videofoo")), None);
        assert_eq!(video_number(Path::new("/dev/null")), None);
    }

    #[test]
    fn links_lead_to_their_device() {
        let directory = tempfile::tempdir().unwrap();
        let device = directory.path().canonicalize().unwrap().join("video7");
        std::fs::write(&device, "").unwrap();
        let by_id = directory.path().join("by-id");
        std::fs::create_dir(&by_id).unwrap();
        std::os::unix::fs::symlink("../video7", by_id.join("usb-Maker_Cam-index0")).unwrap();
        std::os::unix::fs::symlink("../video9", by_id.join("usb-Unplugged-index0")).unwrap();
        let names = stable_names(directory.path());
        assert_eq!(names, [(by_id.join("usb-Maker_Cam-index0"), device.clone())]);
        // An empty file opens, but does not answer as a driver does.
        let info = describe(device, &names).unwrap();
        assert_eq!(info.stable_names, [by_id.join("usb-Maker_Cam-index0")]);
        assert!(info.fault.unwrap().contains("ioctl"));
    }

    #[test]
    fn an_interval_is_a_rate() {
        assert_eq!(rate(Fraction::new(1, 30)), Some(30.0));
        assert_eq!(rate(Fraction::new(0, 30)), None);
    }
}
