//! Reports the cameras that are connected, and takes one picture from the configured one: a camera that is present may
//! still deliver nothing.

use std::io::ErrorKind;
use std::path::Path;

use super::Report;
use crate::control::PersistedPause;
use crate::daemon;
use moodring_camera::file::display_name;
use moodring_camera::light::CameraLight;
use moodring_camera::v4l2::{self, CameraInfo};
use moodring_camera::{CameraError, Frame};
use moodring_config::{CameraKind, CameraView, Config};
use moodring_hardware::board::{Board, Machine};
use moodring_hardware::camera_light;
use moodring_runtime::Stop;
use moodring_vision::Vision;
use moodring_vision::luma::LumaDecoder;

/// Pictures of a V4L2 camera before the one that is judged: the exposure adjusts itself meanwhile.
const WARM_UP_PICTURES: usize = 10;
/// A mean luma below this shows a covered lens or a dark room.
const DARK: f64 = 12.0;

pub(super) fn survey(config: &Config, vision: Option<Vision>, report: &mut Report) {
    let found = v4l2::list();
    list(&found, report);
    if config.camera.source == CameraKind::V4l2
        && let Some(warning) = unstable_name_warning(&config.camera.v4l2.device, &found)
    {
        report.warn("camera", warning);
    }
    let name = name(config);
    if let Some(why) = must_stay_closed(config) {
        report.note("camera", format_args!("{name}: no picture was taken, because {why}"));
        return;
    }
    match take_picture(config) {
        Ok(frame) => judge(&name, &frame, vision, report),
        // The service may be running, and then its own health says whether it works.
        Err(CameraError::Io { context, source }) if source.kind() == ErrorKind::ResourceBusy => {
            report
                .warn("camera", format_args!("{context}: no picture was taken; stop the service to test it"));
        }
        Err(error) => report.fault("camera", format_args!("no picture: {:#}", anyhow::Error::from(error))),
    }
}

fn list(found: &[CameraInfo], report: &mut Report) {
    if found.is_empty() {
        report.note("camera", "no V4L2 camera is connected");
    }
    for camera in found {
        let name = camera.stable_names.first().unwrap_or(&camera.path).display();
        match &camera.fault {
            Some(fault) => report.note("camera", format_args!("{name}: {fault}")),
            None => report.note("camera", format_args!("{name} ({}) is connected", camera.card)),
        }
        for mode in &camera.modes {
            report.note("camera", format_args!("  {mode}"));
        }
    }
}

/// The configured camera, as messages name it.
fn name(config: &Config) -> String {
    let camera = &config.camera;
    match (camera.source, camera.view) {
        (CameraKind::V4l2, _) => format!("camera.v4l2.device {}", camera.v4l2.device.display()),
        (CameraKind::File, _) => format!("camera.file.path {}", display_name(&camera.file.path)),
        (CameraKind::Simulator, CameraView::Room) => {
            format!("a simulated class of {}", camera.simulator.people)
        }
        (CameraKind::Simulator, CameraView::Gallery) => {
            format!("a simulated video call of {}", camera.simulator.people)
        }
    }
}

/// Why the camera must not be opened: a test is no reason to break a promise.
fn must_stay_closed(config: &Config) -> Option<&'static str> {
    if config.camera.source == CameraKind::Simulator {
        return None;
    }
    if config.privacy.switch.enabled {
        return Some("privacy.switch decides whether the camera may be open, and only the service reads it");
    }
    match PersistedPause::read(&config.storage) {
        PersistedPause::Paused | PersistedPause::Unreadable { .. } => Some("the device is paused"),
        PersistedPause::Nothing | PersistedPause::Running => None,
    }
}

/// Takes one picture, with the camera light on.
fn take_picture(config: &Config) -> Result<Frame, CameraError> {
    let board = Board::of(&config.board, &Machine::detect());
    let lamp = camera_light::lamp(&config.camera.light, &board);
    let mut light =
        lamp.map_or(CameraLight::none(), |lamp| CameraLight::new(lamp, config.camera.light.required));
    // Dropped in reverse order: the camera is closed before the light is switched off.
    let _light_guard = light.switch_on()?;
    let mut camera = daemon::camera_source(&config.camera, &Stop::default()).open()?;
    let mut frame = camera.capture(Vec::new())?;
    if config.camera.source == CameraKind::V4l2 {
        for _ in 0..WARM_UP_PICTURES {
            frame = camera.capture(frame.data)?;
        }
    }
    Ok(frame)
}

/// Reports size, brightness and people of a picture.
fn judge(name: &str, frame: &Frame, vision: Option<Vision>, report: &mut Report) {
    let brightness = match mean_luma(frame) {
        Ok(brightness) => brightness,
        Err(error) => {
            return report.fault("camera", format_args!("{name}: its picture is unusable: {error}"));
        }
    };
    let size = frame.size;
    let people = vision.and_then(|mut vision| vision.analyze_still(frame).ok());
    let people = people.map_or(String::new(), |still| format!(", {} people", still.observation.people.len()));
    let found = format!("{name}: a picture of {size}, mean brightness {brightness:.0} of 255{people}");
    if brightness < DARK {
        report.warn("camera", format_args!("{found}; it is black: uncover the lens, or switch the light on"));
    } else {
        report.works("camera", found);
    }
}

/// Mean luma of the picture, 0 to 255.
fn mean_luma(frame: &Frame) -> Result<f64, moodring_vision::luma::LumaError> {
    let mut decoder = LumaDecoder::default();
    let luma = decoder.decode(frame)?;
    let sum: u64 = (0..luma.height).flat_map(|y| luma.line(y)).map(|pixel| u64::from(*pixel)).sum();
    Ok(sum as f64 / (luma.width * luma.height) as f64)
}

/// Warns if `wanted` is a numbered device file and several cameras are connected: the numbers may change at each start.
/// The warning names the stable path.
fn unstable_name_warning(wanted: &Path, found: &[CameraInfo]) -> Option<String> {
    if found.len() < 2 || wanted.starts_with("/dev/v4l") {
        return None;
    }
    let real = wanted.canonicalize().unwrap_or_else(|_| wanted.to_owned());
    let stable = found.iter().find(|camera| camera.path == real)?.stable_names.first();
    let advice = match stable {
        Some(name) => format!("set camera.v4l2.device = \"{}\"", name.display()),
        None => "the camera has no stable name below /dev/v4l; connect only one camera".into(),
    };
    let (count, wanted) = (found.len(), wanted.display());
    Some(format!(
        "{count} cameras are connected, and {wanted} may be a different one after a restart: {advice}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// The report on a camera with this file.
    fn faults_of(path: &Path) -> usize {
        let mut config = Config::default();
        config.camera.source = CameraKind::File;
        config.camera.file.path = path.into();
        config.storage.directory = path.with_file_name("state");
        let mut report = Report::default();
        survey(&config, None, &mut report);
        report.faults
    }

    #[test]
    fn a_camera_works_only_if_it_gives_a_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        image::GrayImage::from_pixel(40, 30, image::Luma([90])).save(&path).unwrap();
        assert_eq!(faults_of(&path), 0);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 30]).unwrap();
        assert_eq!(faults_of(&path), 1, "present, but cut");
        assert_eq!(faults_of(&folder.path().join("absent.png")), 1);
    }

    #[test]
    fn a_paused_camera_stays_closed() {
        let mut config = Config::default();
        assert_eq!(must_stay_closed(&config), None);
        config.privacy.switch.enabled = true;
        config.camera.source = CameraKind::V4l2;
        assert!(must_stay_closed(&config).is_some_and(|why| why.contains("privacy.switch")));
    }

    #[test]
    fn brightness_is_the_mean_of_the_luma() {
        let (format, size) = (moodring_camera::PixelFormat::Yuyv, moodring_camera::Size::new(2, 1));
        let captured_at = std::time::Instant::now();
        let frame = Frame { captured_at, sequence: 0, format, size, stride: 4, data: vec![10, 255, 30, 255] };
        assert_eq!(mean_luma(&frame), Ok(20.0));
    }

    #[test]
    fn several_cameras_need_stable_names() {
        let camera = |number: u8, names: &[&str]| CameraInfo {
            path: format!("/dev/video{number}").into(),
            stable_names: names.iter().map(PathBuf::from).collect(),
            card: String::new(),
            modes: Vec::new(),
            fault: None,
        };
        let name = "/dev/v4l/by-id/usb-Maker_Cam-video-index0";
        let found = [camera(240, &[name]), camera(242, &[])];
        let warning_for = |wanted: &str, found| unstable_name_warning(Path::new(wanted), found);
        let warning = warning_for("/dev/video240", &found).unwrap();
        assert!(
            warning.starts_with("2 cameras are connected, and /dev/video240 may be a different one"),
            "{warning}"
        );
        assert!(warning.ends_with(&format!("set camera.v4l2.device = \"{name}\"")), "{warning}");
        assert!(warning_for("/dev/video242", &found).unwrap().contains("connect only one camera"));
        assert_eq!(warning_for(name, &found), None);
        assert_eq!(warning_for("/dev/video240", &found[..1]), None);
    }
}
