//! The computer: which board it is, the default paths of its buses, and how to fix what is missing.
//!
//! All files are read below the root of a [`Machine`], so that tests can use their own tree. The board only supplies
//! defaults for keys that the configuration leaves empty.

mod access;
pub mod chips;
pub mod gpio;
mod header;
pub mod i2c;
pub mod thermal;

use std::path::{Path, PathBuf};

pub use access::Bus;
pub use access::{denied, group_of};
use header::Header;

use moodring_config as config;
use moodring_config::Profile;

/// The files that describe a computer: everything below `/dev`, `/sys`, `/proc` and `/etc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// The computer on which this program runs.
    pub fn detect() -> Self {
        Self::at("/")
    }

    /// A computer whose files are below `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The path below the root of the file with this absolute path.
    pub fn path(&self, absolute: impl AsRef<Path>) -> PathBuf {
        let absolute = absolute.as_ref();
        self.root.join(absolute.strip_prefix("/").unwrap_or(absolute))
    }

    /// Content of a small text file, without trailing white space and NUL bytes; `None` if it cannot be read.
    pub fn read(&self, absolute: impl AsRef<Path>) -> Option<String> {
        let text = std::fs::read_to_string(self.path(absolute)).ok()?;
        Some(text.trim_end_matches(|end: char| end == '\0' || end.is_whitespace()).to_owned())
    }

    /// The entries of a folder whose names are `prefix` and a number, sorted by number; empty if there is no such
    /// folder.
    pub fn numbered(&self, folder: &str, prefix: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path(folder)).into_iter().flatten().flatten();
        let number = |path: &PathBuf| {
            let name = path.file_name()?.to_str()?.strip_prefix(prefix)?;
            name.split('.').map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<_>>>()
        };
        let mut found: Vec<_> =
            entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
        found.sort();
        found.into_iter().map(|(_, path)| path).collect()
    }
}

/// Kinds of boards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Raspberry Pi.
    Pi,
    /// An NVIDIA Jetson.
    Jetson,
    /// Anything else.
    Pc,
}

impl Kind {
    /// The name in the configuration (`board.profile`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pi => "pi",
            Self::Jetson => "jetson",
            Self::Pc => "pc",
        }
    }

    /// The kind of the board with this device-tree model.
    fn of(model: Option<&str>) -> Self {
        match model {
            Some(model) if model.contains("Raspberry Pi") => Self::Pi,
            Some(model) if model.contains("Jetson") => Self::Jetson,
            _ => Self::Pc,
        }
    }
}

/// The computer, as described by the configuration and its own files.
#[derive(Debug, Clone)]
pub struct Board {
    machine: Machine,
    /// Kind of the board.
    pub kind: Kind,
    /// Model in the device tree; `None` on PCs.
    pub model: Option<String>,
    /// The I2C bus of the display: configured, or the board's default if it has one.
    pub i2c: Option<PathBuf>,
    /// The SPI device of light ring or display: configured, or the board's default if it has one.
    pub spi: Option<PathBuf>,
    /// Types of thermal zones; the first one that exists is read.
    pub thermal_zones: Vec<String>,
    /// Device files or labels of the header's GPIO chip, the preferred one first; empty if no header is known.
    pub gpio_chips: Vec<String>,
    header: Header,
}

impl Board {
    /// The board of `config`, or detected from `machine`; defaults replace paths that `config` leaves empty.
    pub fn of(config: &config::Board, machine: &Machine) -> Self {
        // A service with ProcSubset=pid cannot read the first path, which is a link to the second.
        let models = ["/proc/device-tree/model", "/sys/firmware/devicetree/base/model"];
        let model = models.iter().find_map(|model| machine.read(model)).filter(|model| !model.is_empty());
        let kind = match config.profile {
            Profile::Auto => Kind::of(model.as_deref()),
            Profile::Pi => Kind::Pi,
            Profile::Jetson => Kind::Jetson,
            Profile::Pc => Kind::Pc,
        };
        let named = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
        let default = |path: Option<&str>| path.map(|path| machine.path(path));
        let model_name = model.as_deref().unwrap_or_default();
        let one_or = |name: &str, defaults: &[&str]| match name {
            "" => defaults.iter().map(|&name| name.to_owned()).collect(),
            name => vec![name.to_owned()],
        };
        Self {
            i2c: named(&config.i2c).or_else(|| default(default_i2c(kind, model_name))),
            spi: named(&config.spi).or_else(|| default(default_spi(kind))),
            thermal_zones: one_or(&config.thermal_zone, default_thermal_zones(kind)),
            gpio_chips: one_or(&config.gpio_chip, default_gpio_chips(kind)),
            header: Header::of(kind, model_name),
            machine: machine.clone(),
            kind,
            model,
        }
    }

    /// The computer's files.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The GPIO chip to use: `configured` if not empty, else the first of [`Board::gpio_chips`] that exists.
    pub fn gpio_chip(&self, configured: &str) -> String {
        if !configured.is_empty() {
            return configured.to_owned();
        }
        let chips = chips::list(&self.machine);
        let exists = |name: &&String| chips.iter().any(|chip| chip.is_called(name));
        let default = self.gpio_chips.iter().find(exists).or(self.gpio_chips.first());
        default.cloned().unwrap_or_else(|| self.machine.path("/dev/gpiochip0").display().to_string())
    }

    /// The line number of a header pin, on the first of [`Board::gpio_chips`] that exists. `None` for pins without a
    /// line and for unknown headers.
    pub fn line_at_pin(&self, pin: u8) -> Option<u32> {
        self.header.line(pin)
    }
}

/// The bus at pins 3 and 5 of the 40-pin header: `i2c1` of every Pi; on Jetsons as in NVIDIA's developer guide,
/// "Configuring the Jetson Expansion Headers".
fn default_i2c(kind: Kind, model: &str) -> Option<&'static str> {
    match kind {
        Kind::Pi => Some("/dev/i2c-1"),
        Kind::Jetson if model.contains("Xavier NX") || model.contains("AGX Xavier") => Some("/dev/i2c-8"),
        Kind::Jetson if model.contains("Orin") => Some("/dev/i2c-7"),
        Kind::Jetson => Some("/dev/i2c-1"),
        Kind::Pc => None,
    }
}

/// The SPI device whose data output is pin 19 of the header.
fn default_spi(kind: Kind) -> Option<&'static str> {
    (kind != Kind::Pc).then_some("/dev/spidev0.0")
}

/// Labels of the header's GPIO chip: Pi 5, Pi 4, older Pis; Orin, Xavier, older Jetsons. The chip numbers differ
/// between kernels, the labels do not.
fn default_gpio_chips(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Pi => &["pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835"],
        Kind::Jetson => &["tegra234-gpio", "tegra194-gpio", "tegra-gpio"],
        Kind::Pc => &[],
    }
}

/// Thermal zones of the processor, the preferred one first.
fn default_thermal_zones(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Pi => &["cpu-thermal"],
        // The junction temperature is the highest of the sensors; the Orin throttles by it.
        Kind::Jetson => &["tj-thermal", "CPU-therm", "cpu-thermal"],
        Kind::Pc => &["x86_pkg_temp", "cpu-thermal", "k10temp", "acpitz"],
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A machine with these files.
    pub(crate) fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        for (path, text) in files {
            let path = machine.path(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        (root, machine)
    }

    fn board(model: &str) -> (tempfile::TempDir, Board) {
        let (root, machine) = machine(&[("/proc/device-tree/model", model)]);
        let board = Board::of(&config::Board::default(), &machine);
        (root, board)
    }

    #[test]
    fn the_board_is_detected_from_the_device_tree() {
        for (model, kind, i2c) in [
            ("Raspberry Pi 5 Model B Rev 1.0\0", Kind::Pi, Some("/dev/i2c-1")),
            ("Raspberry Pi Zero 2 W Rev 1.0\0", Kind::Pi, Some("/dev/i2c-1")),
            ("NVIDIA Jetson Orin Nano Developer Kit\0", Kind::Jetson, Some("/dev/i2c-7")),
            ("NVIDIA Jetson Xavier NX Developer Kit\0", Kind::Jetson, Some("/dev/i2c-8")),
            ("NVIDIA Jetson Nano Developer Kit\0", Kind::Jetson, Some("/dev/i2c-1")),
            ("Banana Pi BPI-M5\0", Kind::Pc, None),
        ] {
            let (_root, board) = board(model);
            assert_eq!(board.kind, kind, "{model}");
            assert_eq!(board.i2c, i2c.map(|path| board.machine().path(path)), "{model}");
            assert_eq!(board.model.as_deref(), Some(model.trim_end_matches('\0')));
        }
        let hidden = [("/sys/firmware/devicetree/base/model", "Raspberry Pi 5 Model B Rev 1.0\0")];
        let (_root, without_proc) = machine(&hidden);
        assert_eq!(Board::of(&config::Board::default(), &without_proc).kind, Kind::Pi);
        let (_root, machine) = machine(&[]);
        let pc = Board::of(&config::Board::default(), &machine);
        assert_eq!((pc.kind, pc.model, pc.spi), (Kind::Pc, None, None));
    }

    #[test]
    fn configured_values_take_precedence() {
        let (_root, machine) = machine(&[("/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")]);
        let named = config::Board {
            i2c: "/dev/i2c-9".into(),
            thermal_zone: "acpitz".into(),
            ..config::Board::default()
        };
        let board = Board::of(&named, &machine);
        assert_eq!(board.i2c.as_deref(), Some(Path::new("/dev/i2c-9")));
        assert_eq!(board.spi, Some(machine.path("/dev/spidev0.0")));
        assert_eq!(board.thermal_zones, ["acpitz"]);
        let forced = config::Board { profile: Profile::Jetson, ..named };
        assert_eq!(Board::of(&forced, &machine).kind, Kind::Jetson);
    }

    #[test]
    fn devices_are_sorted_by_number() {
        let names = ["/dev/i2c-10", "/dev/i2c-2", "/dev/i2c-x", "/dev/spidev10.1", "/dev/spidev10.0"];
        let (_root, machine) = machine(&names.map(|name| (name, "")));
        assert_eq!(machine.numbered("/dev", "i2c-"), ["/dev/i2c-2", "/dev/i2c-10"].map(|p| machine.path(p)));
        let spi = machine.numbered("/dev", "spidev");
        assert_eq!(spi, ["/dev/spidev10.0", "/dev/spidev10.1"].map(|path| machine.path(path)));
        assert!(machine.numbered("/nowhere", "x").is_empty());
    }
}
