//! `moodring doctor`: reports which configured parts work on this machine, which do not, and how to fix them.

mod camera;
mod hardware;

use std::fmt::Display;
use std::path::PathBuf;

use super::{AlreadyReported, OptionalConfig};
use crate::law::{self, Refusal};
use moodring_config::{BrokerKind, Config, Delegate, DisplayKind, ZoneKind, zone};
use moodring_contract::Mode;
use moodring_hardware::board::{Board, Machine};
use moodring_hardware::display::fault as display_fault;
use moodring_mqtt::attempt;
use moodring_runtime::DeviceId;
use moodring_vision::Vision;
use moodring_vision::delegate::Delegation;
use moodring_vision::engine::Share;
use moodring_vision::litert::{LiteRt, VERSION, library_paths};
use moodring_vision::model_card::{Cards, ModelCard, Task};

/// Bytes that must fit on the disk of the storage folder: those of the lessons of a day.
const MIN_STORAGE_BYTES: usize = 1024 * 1024;

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
    let vision = models(&config, &mut report);
    camera::survey(&config, vision, &mut report);
    zones(&config, &mut report);
    storage(&config, &mut report);
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

fn models(config: &Config, report: &mut Report) -> Option<Vision> {
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
            Some(vision)
        }
        Err(error) => {
            report.fault("models", error);
            None
        }
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
            match try_broker(config) {
                Ok(()) => report.works("broker", format_args!("{address} accepts this device")),
                Err(problem) => report.fault("broker", format_args!("{address} {problem}")),
            }
        }
    }
}

/// Connects to the broker as the device does, with its password and certificates; an open port alone proves nothing.
fn try_broker(config: &Config) -> Result<(), String> {
    let device = DeviceId::detect(&config.storage.directory());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot be tried: {error}"))?;
    runtime.block_on(attempt::attempt(&config.mqtt, "", &device)).map_err(|(_, problem)| problem)
}

/// Whether lessons, spool and pause can be stored.
fn storage(config: &Config, report: &mut Report) {
    let folder = config.storage.directory();
    if !folder.exists() {
        return report.note("storage", format_args!("{} is created at the first start", folder.display()));
    }
    let probe = folder.join(".doctor");
    let written = std::fs::write(&probe, [0; MIN_STORAGE_BYTES]);
    let _ = std::fs::remove_file(&probe);
    match written {
        Ok(()) => report.works("storage", format_args!("{} can be written", folder.display())),
        Err(error) => report.fault(
            "storage",
            format_args!(
                "{} cannot be written ({error}); check its owner and the free space",
                folder.display()
            ),
        ),
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
