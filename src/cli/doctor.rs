//! `moodring doctor`: what works on this machine, what does not, and how to mend it.

mod hardware;

use std::fmt::Display;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{AlreadyTold, OptionalConfig};
use crate::board::{Board, Machine};
use crate::camera::v4l2::{self, CameraInfo};
use crate::config::{
    BrokerKind, CameraKind, CameraView, Config, Delegate, DisplayKind, Mode, ZoneKind, zone,
};
use crate::law::{self, Refusal};
use crate::outputs::display::fault as display_fault;
use crate::vision::Vision;
use crate::vision::delegate::Delegation;
use crate::vision::engine::Share;
use crate::vision::litert::{LiteRt, VERSION, places};
use crate::vision::model_card::{Cards, ModelCard, Task};

/// How long the broker may take to answer.
const BROKER_PATIENCE: Duration = Duration::from_secs(3);

/// Zones that leave less than this are a slip: no class fits into it.
const LEAST_ADMITTED_PERCENT: f64 = 5.0;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: OptionalConfig,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = arguments.config.load()?;
    super::logging::start("error")?;
    let mut report = Report::default();
    purpose(&config, &mut report);
    library(&config, &mut report);
    models(&config, &mut report);
    cameras(&config, &mut report);
    zones(&config, &mut report);
    broker(&config, &mut report);
    display(&config, &mut report);
    for finding in hardware::survey(&config, &Board::of(&config.board, &Machine::here())) {
        report.tell(&finding);
    }
    if report.faults > 0 {
        println!("\n{} of the above must be mended", report.faults);
        return Err(AlreadyTold.into());
    }
    println!("\neverything that the configuration asks for works");
    Ok(())
}

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Works,
    Note,
    /// Nothing is broken yet.
    Warn,
    Fault,
}

/// One line about one part.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    level: Level,
    part: &'static str,
    what: String,
}

impl Finding {
    fn new(level: Level, part: &'static str, what: impl Into<String>) -> Self {
        Self { level, part, what: what.into() }
    }
}

/// Prints one line a finding and counts what does not work.
#[derive(Default)]
struct Report {
    faults: usize,
}

impl Report {
    fn tell(&mut self, finding: &Finding) {
        match finding.level {
            Level::Works => self.works(finding.part, &finding.what),
            Level::Note => self.note(finding.part, &finding.what),
            Level::Warn => self.warn(finding.part, &finding.what),
            Level::Fault => self.fault(finding.part, &finding.what),
        }
    }

    fn works(&self, part: &str, what: impl Display) {
        println!("ok    {part:11} {what}");
    }

    fn note(&self, part: &str, what: impl Display) {
        println!("-     {part:11} {what}");
    }

    fn warn(&self, part: &str, what: impl Display) {
        println!("warn  {part:11} {what}");
    }

    fn fault(&mut self, part: &str, what: impl Display) {
        self.faults += 1;
        println!("FAULT {part:11} {what}");
    }
}

fn purpose(config: &Config, report: &mut Report) {
    match law::permit(config) {
        Ok(()) if config.mood.mode == Mode::Occupancy => {
            report.works("purpose", "people are counted, no expression is read: nothing to declare")
        }
        Ok(()) => report.works("purpose", "declared, and not prohibited where the device hangs"),
        // Pictures and the demo need no declaration, so on a maker's desk this is no fault.
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
            for place in places(&config.engine.library) {
                report.note("library", format_args!("looked for {}", place.display()));
            }
        }
    }
}

fn models(config: &Config, report: &mut Report) {
    let cards = Cards::of(config);
    if cards.expression.is_none() {
        report.note("expression", "not loaded: mood.mode is \"occupancy\"");
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
    // The files themselves: hashes, shapes and whether the library takes them.
    match Vision::new(config) {
        Ok(vision) => {
            report.works("models", "are what their cards say, and run");
            engine(config, vision.delegation(), report);
        }
        Err(error) => report.fault("models", error),
    }
}

/// Which engine runs the networks, and how much of each it took.
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
            if let Some(warning) = may_be_swapped(wanted, &found) {
                report.warn("camera", warning);
            }
            let real = wanted.canonicalize().unwrap_or_else(|_| PathBuf::from(wanted));
            match found.iter().find(|camera| camera.path == real) {
                Some(_) => {
                    report.works("camera", format_args!("camera.v4l2.device {} is there", wanted.display()))
                }
                None => report.fault(
                    "camera",
                    format_args!("camera.v4l2.device {} is none of the cameras above", wanted.display()),
                ),
            }
        }
        CameraKind::File => match crate::camera::file::Input::inspect(&config.camera.file.path) {
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

/// Of several cameras the numbers may change with every start; what to write instead of one.
fn may_be_swapped(wanted: &Path, found: &[CameraInfo]) -> Option<String> {
    if found.len() < 2 || wanted.starts_with("/dev/v4l") {
        return None;
    }
    let real = wanted.canonicalize().unwrap_or_else(|_| wanted.to_owned());
    let stable = found.iter().find(|camera| camera.path == real)?.stable_names.first();
    let advice = match stable {
        Some(name) => format!("camera.v4l2.device = \"{}\" stays the same", name.display()),
        None => {
            "the camera has no name below /dev/v4l that would stay the same; leave only one plugged in".into()
        }
    };
    let (count, wanted) = (found.len(), wanted.display());
    Some(format!("{count} cameras are there, and {wanted} may be another after a restart: {advice}"))
}

/// Zones that contradict themselves never come this far; those that leave hardly anything do.
fn zones(config: &Config, report: &mut Report) {
    if config.zone.is_empty() {
        report.note("zones", "none: heads count everywhere");
        return;
    }
    let count = |kind| config.zone.iter().filter(|zone| zone.kind == kind).count();
    let (ignore, only) = (count(ZoneKind::Ignore), count(ZoneKind::Only));
    let percent = zone::admitted_share(&config.zone) * 100.0;
    let found =
        format!("{ignore} to ignore, {only} to look at only: heads count in {percent:.0} % of the picture");
    if percent < LEAST_ADMITTED_PERCENT {
        report.fault("zones", format_args!("{found}; see them with analyze --annotate and draw them anew"));
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
            let place = format!("{}:{}", mqtt.host, mqtt.port);
            let reached = (mqtt.host.as_str(), mqtt.port).to_socket_addrs().and_then(|mut addresses| {
                let none = || std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
                TcpStream::connect_timeout(&addresses.next().ok_or_else(none)?, BROKER_PATIENCE)
            });
            match reached {
                Ok(_) => report.works("broker", format_args!("{place} answers")),
                Err(error) => report.fault(
                    "broker",
                    format_args!(
                        "{place} does not answer ({error}); check mqtt.host, mqtt.port and the network"
                    ),
                ),
            }
        }
    }
}

fn display(config: &Config, report: &mut Report) {
    match config.display.kind {
        DisplayKind::Off => {
            report.note("display", "display.kind is \"off\"; the page shows it at /display.png")
        }
        DisplayKind::Terminal => report.works("display", "the terminal"),
        kind @ (DisplayKind::Ssd1306 | DisplayKind::Sh1106 | DisplayKind::St7789) => {
            let board = Board::of(&config.board, &Machine::here());
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
    fn two_cameras_should_be_told_apart_by_name() {
        let camera = |number: u8, names: &[&str]| CameraInfo {
            path: format!("/dev/video{number}").into(),
            stable_names: names.iter().map(PathBuf::from).collect(),
            card: String::new(),
            modes: Vec::new(),
            fault: None,
        };
        let name = "/dev/v4l/by-id/usb-Maker_Cam-video-index0";
        let found = [camera(240, &[name]), camera(242, &[])];
        let told = |wanted: &str, found| may_be_swapped(Path::new(wanted), found);
        let warning = told("/dev/video240", &found).unwrap();
        assert!(warning.starts_with("2 cameras are there, and /dev/video240 may be another"), "{warning}");
        assert!(warning.ends_with(&format!("camera.v4l2.device = \"{name}\" stays the same")), "{warning}");
        assert!(told("/dev/video242", &found).unwrap().contains("leave only one plugged in"));
        assert_eq!(told(name, &found), None);
        assert_eq!(told("/dev/video240", &found[..1]), None);
    }
}
