//! `moodring doctor`: reports which configured parts work on this machine, which do not, and how to fix them.

mod hardware;

use std::fmt::Display;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{AlreadyReported, OptionalConfig};
use crate::law::{self, Refusal};
use moodring_camera::v4l2::{self, CameraInfo};
use moodring_config::{BrokerKind, CameraKind, CameraView, Config, Delegate, DisplayKind, ZoneKind, zone};
use moodring_contract::Mode;
use moodring_hardware::board::{Board, Machine};
use moodring_hardware::display::fault as display_fault;
use moodring_vision::Vision;
use moodring_vision::delegate::Delegation;
use moodring_vision::engine::Share;
use moodring_vision::litert::{LiteRt, VERSION, library_paths};
use moodring_vision::model_card::{Cards, ModelCard, Task};

/// Timeout for the connection to the broker.
const BROKER_TIMEOUT: Duration = Duration::from_secs(3);

/// Zones that admit less of the picture are a mistake: no class fits into it.
const MIN_ADMITTED_PERCENT: f64 = 5.0;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: OptionalConfig,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = arguments.config.load()?;
    moodring_runtime::logging::start("error")?;
    let mut report = Report::default();
    purpose(&config, &mut report);
    library(&config, &mut report);
    models(&config, &mut report);
    cameras(&config, &mut report);
    zones(&config, &mut report);
    broker(&config, &mut report);
    display(&config, &mut report);
    for finding in hardware::survey(&config, &Board::of(&config.board, &Machine::detect())) {
        report.print(&finding);
    }
    if report.faults > 0 {
        println!("\nfaults to fix, see above: {}", report.faults);
        return Err(AlreadyReported.into());
    }
    println!("\nall configured parts work");
    Ok(())
}

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Works,
    Note,
    /// Works now, but may fail later.
    Warn,
    Fault,
}

/// One line of the report, about one part.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    level: Level,
    part: &'static str,
    message: String,
}

impl Finding {
    fn new(level: Level, part: &'static str, message: impl Into<String>) -> Self {
        Self { level, part, message: message.into() }
    }
}

/// Prints one line per finding and counts the faults.
#[derive(Default)]
struct Report {
    faults: usize,
}

impl Report {
    fn print(&mut self, finding: &Finding) {
        match finding.level {
            Level::Works => self.works(finding.part, &finding.message),
            Level::Note => self.note(finding.part, &finding.message),
            Level::Warn => self.warn(finding.part, &finding.message),
            Level::Fault => self.fault(finding.part, &finding.message),
        }
    }

    fn works(&self, part: &str, message: impl Display) {
        println!("ok    {part:11} {message}");
    }

    fn note(&self, part: &str, message: impl Display) {
        println!("-     {part:11} {message}");
    }

    fn warn(&self, part: &str, message: impl Display) {
        println!("warn  {part:11} {message}");
    }

    fn fault(&mut self, part: &str, message: impl Display) {
        self.faults += 1;
        println!("FAULT {part:11} {message}");
    }
}

fn purpose(config: &Config, report: &mut Report) {
    match law::permit(config) {
        Ok(()) if config.mood.mode == Mode::Count => {
            report.works("purpose", "only people are counted: no declaration is needed")
        }
        Ok(()) => report.works("purpose", "declared, and permitted for the declared place"),
        // Not a fault, because `analyze`, `demo` and `bench` need no declaration.
        Err(refusal @ Refusal::Undeclared { .. }) => {
            report.note("purpose", format_args!("`moodring run` will refuse: {refusal}"))
        }
        Err(refusal) => report.fault("purpose", refusal),
    }
}

fn library(config: &Config, report: &mut Report) {
    match LiteRt::open(&config.engine.library) {
        Ok(library) => {
            report.works("library", format_args!("LiteRT {VERSION}, {}", library.library().display()))
        }
        Err(error) => {
            report.fault("library", error);
            for path in library_paths(&config.engine.library) {
                report.note("library", format_args!("searched {}", path.display()));
            }
        }
    }
}

fn models(config: &Config, report: &mut Report) {
    let cards = Cards::of(config);
    if cards.expression.is_none() {
        report.note("expression", format_args!("not loaded: mood.mode is {:?}", config.mood.mode.name()));
    }
    for (path, task) in cards.tasks() {
        let part = match task {
            Task::Heads => "heads",
            Task::Expression => "expression",
        };
        match ModelCard::read(path, task) {
            Ok(card) => report.works(
                part,
                format_args!(
                    "{} {}, {} file(s), {}",
                    card.name,
                    card.version,
                    card.files.len(),
                    path.display()
                ),
            ),
            Err(error) => report.fault(part, error),
        }
    }
    // Checks hashes and shapes of the files, and whether the library loads them.
    match Vision::new(config) {
        Ok(vision) => {
            report.works("models", "match their model cards and run");
            engine(config, vision.delegation(), report);
        }
        Err(error) => report.fault("models", error),
    }
}

/// Reports the delegate and how many nodes of each network it runs.
fn engine(config: &Config, delegation: &Delegation, report: &mut Report) {
    let name = &config.engine.delegate;
    if *name == Delegate::None {
        report.works("delegate", "none: the processor runs the networks");
        return;
    }
    if let Some(fault) = delegation.fault() {
        report.fault("delegate", format_args!("{name} {fault}; the processor runs the networks"));
        return;
    }
    for (file, Share { taken, nodes }) in delegation.shares() {
        report.works("delegate", format_args!("{name} runs {taken} of the {nodes} nodes of {file}"));
    }
}

fn cameras(config: &Config, report: &mut Report) {
    let found = v4l2::list();
    if found.is_empty() {
        report.note("camera", "no V4L2 camera is connected");
    }
    for camera in &found {
        let name = camera.stable_names.first().unwrap_or(&camera.path);
        match &camera.fault {
            Some(fault) => report.note("camera", format_args!("{}: {fault}", name.display())),
            None => report.works("camera", format_args!("{} ({})", name.display(), camera.card)),
        }
        for mode in &camera.modes {
            report.note("camera", format_args!("  {mode}"));
        }
    }
    match config.camera.source {
        CameraKind::V4l2 => {
            let wanted = &config.camera.v4l2.device;
            if let Some(warning) = unstable_name_warning(wanted, &found) {
                report.warn("camera", warning);
            }
            let real = wanted.canonicalize().unwrap_or_else(|_| PathBuf::from(wanted));
            match found.iter().find(|camera| camera.path == real) {
                Some(_) => report
                    .works("camera", format_args!("camera.v4l2.device {} is connected", wanted.display())),
                None => report.fault(
                    "camera",
                    format_args!("camera.v4l2.device {} is not one of the cameras above", wanted.display()),
                ),
            }
        }
        CameraKind::File => match moodring_camera::file::Input::inspect(&config.camera.file.path) {
            Ok(_) => report.works("camera", format_args!("file {}", config.camera.file.path.display())),
            Err(error) => report.fault("camera", error),
        },
        CameraKind::Simulator => {
            let class = match config.camera.view {
                CameraView::Room => "class",
                CameraView::Gallery => "video call",
            };
            let people = config.camera.simulator.people;
            report.works("camera", format_args!("a simulated {class} of {people}"));
        }
    }
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

/// Reports how much of the picture the zones admit. [`Config::load`] refuses contradictory zones, but accepts zones
/// that admit very little.
fn zones(config: &Config, report: &mut Report) {
    if config.zone.is_empty() {
        report.note("zones", "none: heads are counted everywhere");
        return;
    }
    let count = |kind| config.zone.iter().filter(|zone| zone.kind == kind).count();
    let (ignore, only) = (count(ZoneKind::Ignore), count(ZoneKind::Only));
    let percent = zone::admitted_share(&config.zone) * 100.0;
    let found = format!(
        "{ignore} of kind ignore, {only} of kind only: heads are counted in {percent:.0} % of the picture"
    );
    if percent < MIN_ADMITTED_PERCENT {
        report.fault(
            "zones",
            format_args!("{found}; check the zones with `moodring analyze --annotate` and redraw them"),
        );
    } else {
        report.works("zones", found);
    }
}

fn broker(config: &Config, report: &mut Report) {
    let mqtt = &config.mqtt;
    match mqtt.broker {
        BrokerKind::Off => report.note("broker", "mqtt.broker is \"off\""),
        BrokerKind::Embedded => report.works("broker", "embedded, on loopback only"),
        BrokerKind::External => {
            let address = format!("{}:{}", mqtt.host, mqtt.port);
            let reached = (mqtt.host.as_str(), mqtt.port).to_socket_addrs().and_then(|mut addresses| {
                let none = || std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
                TcpStream::connect_timeout(&addresses.next().ok_or_else(none)?, BROKER_TIMEOUT)
            });
            match reached {
                Ok(_) => report.works("broker", format_args!("{address} answers")),
                Err(error) => report.fault(
                    "broker",
                    format_args!(
                        "{address} does not answer ({error}); check mqtt.host, mqtt.port and the network"
                    ),
                ),
            }
        }
    }
}

fn display(config: &Config, report: &mut Report) {
    match config.display.kind {
        DisplayKind::Off => {
            report.note("display", "display.kind is \"off\"; the page shows the picture at /display.png")
        }
        DisplayKind::Terminal => report.works("display", "the terminal"),
        kind @ (DisplayKind::Ssd1306 | DisplayKind::Sh1106 | DisplayKind::St7789) => {
            let board = Board::of(&config.board, &Machine::detect());
            match display_fault(config, &board) {
                Some(fault) => report.fault("display", fault),
                None => report.works("display", format_args!("{kind:?}, its bus can be opened")),
            }
        }
        DisplayKind::Png => {
            let path = &config.display.path;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.map_or_else(|| PathBuf::from("."), PathBuf::from);
            match folder.metadata() {
                Ok(found) if found.is_dir() && !found.permissions().readonly() => {
                    report.works("display", format_args!("PNG file {}", path.display()));
                }
                _ => report.fault(
                    "display",
                    format_args!("display.path {}: its folder cannot be written", path.display()),
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
