//! Compares the hardware of this board with its profile and the configuration, and reports why a device cannot be used.
//!
//! It never writes to a device, and scans only the I2C bus of the display or of the pin header.

use std::fmt::Write;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Finding, Level};
use moodring_config::{CameraLightKind, Config, DisplayKind, LightsKind};
use moodring_hardware::board::thermal::{Sensors, zones};
use moodring_hardware::board::{Board, Bus, chips, denied, group_of, i2c};

/// Maximum number of line names listed per GPIO chip.
const MAX_NAMES: usize = 64;

/// Checks all hardware that the board has or the configuration needs.
pub(super) fn survey(config: &Config, board: &Board) -> Vec<Finding> {
    let mut findings = vec![profile(board)];
    findings.extend(i2c_buses(config, board));
    findings.extend(spi_devices(config, board));
    findings.extend(gpio_chips(config, board));
    findings.extend(led_lights(config));
    findings.extend(thermal(board));
    findings.extend(groups(board));
    findings
}

fn profile(board: &Board) -> Finding {
    let mut message =
        board.model.clone().unwrap_or_else(|| "the model of this board is unknown (no device tree)".into());
    let name = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let chips = (!board.gpio_chips.is_empty()).then(|| board.gpio_chips.join(" or "));
    let _ = write!(message, "; profile {} expects ", board.kind.name());
    let expected = [("I2C", name(&board.i2c)), ("SPI", name(&board.spi)), ("GPIO", chips)];
    let expected: Vec<_> =
        expected.into_iter().filter_map(|(part, name)| Some(format!("{part} {}", name?))).collect();
    message += if expected.is_empty() { "nothing" } else { "" };
    message += &expected.join(", ");
    Finding::new(Level::Works, "board", message)
}

/// Tries to open a device. `user` is the configuration key that needs it; without a user a problem is only a note.
fn bus_device(
    board: &Board,
    part: &'static str,
    bus: Bus,
    path: Option<&Path>,
    user: Option<&str>,
) -> Finding {
    let problem = match path {
        None if user.is_none() => return Finding::new(Level::Note, part, "the profile expects none"),
        None => format!("board.{part} must name a device"),
        Some(path) => match OpenOptions::new().read(true).write(true).open(path) {
            Ok(_) => return Finding::new(Level::Works, part, path.display().to_string()),
            Err(error) => board.explain(bus, path, &error),
        },
    };
    match user {
        Some(user) => Finding::new(Level::Fault, part, format!("{problem} ({user} needs it)")),
        None => Finding::new(Level::Note, part, format!("{problem} (not needed by the configuration)")),
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Lists devices of the same kind that the profile does not expect.
fn other_devices(part: &'static str, found: Vec<PathBuf>, expected: Option<&Path>) -> Option<Finding> {
    let others: Vec<_> = found.into_iter().filter(|path| Some(path.as_path()) != expected).collect();
    (!others.is_empty()).then(|| Finding::new(Level::Note, part, format!("also present: {}", list(&others))))
}

fn i2c_buses(config: &Config, board: &Board) -> Vec<Finding> {
    let display = &config.display;
    let is_oled = matches!(display.kind, DisplayKind::Ssd1306 | DisplayKind::Sh1106);
    let named = Some(display.bus.as_path()).filter(|bus| is_oled && !bus.as_os_str().is_empty());
    let bus = named.or(board.i2c.as_deref());
    // A bus that the display cannot open is reported with the display.
    let mut findings = vec![bus_device(board, "i2c", Bus::I2c, bus, None)];
    if let Some(bus) = bus.filter(|_| findings[0].level == Level::Works) {
        findings.push(match i2c::scan(bus) {
            Ok(found) => address_finding(&found, is_oled.then_some(display.address)),
            Err(error) => Finding::new(Level::Warn, "i2c", board.explain(Bus::I2c, bus, &error)),
        });
    }
    findings.extend(other_devices("i2c", board.machine().numbered("/dev", "i2c-"), bus));
    findings
}

/// Reports which addresses answer on an I2C bus, and whether the configured display is one of them.
fn address_finding(found: &[i2c::Found], display: Option<u8>) -> Finding {
    let none = || "no device answers: check wiring and power".to_owned();
    let all = if found.is_empty() { none() } else { addresses(found) };
    match display {
        Some(address) if !found.iter().any(|found| found.address == u16::from(address)) => {
            let message = format!("no display at 0x{address:02x} (display.address); {all}");
            Finding::new(Level::Fault, "i2c", message)
        }
        _ if found.is_empty() => Finding::new(Level::Note, "i2c", all),
        _ => Finding::new(Level::Works, "i2c", all),
    }
}

fn addresses(found: &[i2c::Found]) -> String {
    let name = |found: &i2c::Found| {
        let note = match (found.has_driver, found.address) {
            (true, _) => " (has a driver)",
            (false, 0x3c | 0x3d) => " (probably a display)",
            _ => "",
        };
        format!("0x{:02x}{note}", found.address)
    };
    format!("devices answer at {}", found.iter().map(name).collect::<Vec<_>>().join(", "))
}

fn spi_devices(config: &Config, board: &Board) -> Vec<Finding> {
    let user = (config.lights.kind == LightsKind::Ring).then_some("lights.kind");
    let mut findings = vec![bus_device(board, "spi", Bus::Spi, board.spi.as_deref(), user)];
    findings.extend(other_devices("spi", board.machine().numbered("/dev", "spidev"), board.spi.as_deref()));
    findings
}

fn gpio_chips(config: &Config, board: &Board) -> Vec<Finding> {
    let users = [
        (config.lights.kind == LightsKind::Gpio, "lights.gpio", &config.lights.gpio.chip),
        (config.button.enabled, "button", &config.button.chip),
        (config.privacy.switch.enabled, "privacy.switch", &config.privacy.switch.chip),
        (config.camera.light.kind == CameraLightKind::Gpio, "camera.light", &config.camera.light.chip),
    ];
    let chips = chips::list(board.machine());
    let mut findings: Vec<_> = chips.iter().map(|chip| gpio_chip(board, chip)).collect();
    if chips.is_empty() {
        let message = format!("no GPIO chip found: {}", board.how_to_enable(Bus::Gpio));
        findings.push(Finding::new(Level::Note, "gpio", message));
    }
    for (_, user, chip) in users.into_iter().filter(|(used, ..)| *used) {
        let wanted = board.gpio_chip(chip);
        if !chips.iter().any(|chip| chip.is_called(&wanted)) {
            let message = format!("{user}.chip {wanted} is not one of the chips above");
            findings.push(Finding::new(Level::Fault, "gpio", message));
        }
    }
    let lights = &config.lights;
    let by_pins = lights.kind == LightsKind::Gpio && lights.gpio.lines.is_empty();
    let pins = lights.gpio.pins.iter().filter(|_| by_pins);
    findings.extend(pins.filter(|pin| board.line_at_pin(**pin).is_none()).map(|pin| {
        let message =
            format!("lights.gpio.pins: no line is known at pin {pin} of this board; set lights.gpio.lines");
        Finding::new(Level::Fault, "gpio", message)
    }));
    findings.extend(shared_lines(&lines_in_use(config, board)));
    findings
}

/// A GPIO line that the configuration uses.
struct UsedLine {
    user: String,
    chip: String,
    line: u32,
}

/// Returns the GPIO lines of all configured parts. A pin without a known line is left out; [`gpio_chips`] reports
/// those of the lights.
fn lines_in_use(config: &Config, board: &Board) -> Vec<UsedLine> {
    let (button, switch, light) = (&config.button, &config.privacy.switch, &config.camera.light);
    let has_light = light.kind == CameraLightKind::Gpio;
    let one = [
        (button.enabled, "button", &button.chip, button.line, button.pin),
        (switch.enabled, "privacy.switch", &switch.chip, switch.line, switch.pin),
        (has_light, "camera.light", &light.chip, light.line, light.pin),
    ];
    let mut used: Vec<_> = one
        .into_iter()
        .filter(|(used, ..)| *used)
        .filter_map(|(_, user, chip, line, pin)| {
            let line = line.or_else(|| board.line_at_pin(pin))?;
            Some(UsedLine { user: user.into(), chip: board.gpio_chip(chip), line })
        })
        .collect();
    let lights = &config.lights.gpio;
    if config.lights.kind == LightsKind::Gpio {
        let by_pins = lights.pins.iter().filter_map(|pin| board.line_at_pin(*pin));
        let lines = if lights.lines.is_empty() { by_pins.collect() } else { lights.lines.clone() };
        let chip = board.gpio_chip(&lights.chip);
        let used_line = |(index, line)| UsedLine {
            user: format!("lights.gpio, light {}", index + 1),
            chip: chip.clone(),
            line,
        };
        used.extend(lines.into_iter().enumerate().map(used_line));
    }
    let display = &config.display;
    if display.kind == DisplayKind::St7789 {
        let wired = [
            ("dc", Some(display.dc_line)),
            ("reset", display.reset_line),
            ("backlight", display.backlight_line),
        ];
        used.extend(wired.into_iter().filter_map(|(wire, line)| {
            Some(UsedLine { user: format!("display.{wire}_line"), chip: board.gpio_chip(""), line: line? })
        }));
    }
    used
}

/// Reports two parts on one line, also if one names a pin and the other the line behind it. The kernel would give
/// the line only to the part that requests it first.
fn shared_lines(used: &[UsedLine]) -> Vec<Finding> {
    let clash = |(index, later): (usize, &UsedLine)| {
        let first =
            used[..index].iter().find(|first| first.chip == later.chip && first.line == later.line)?;
        let (chip, line) = (&later.chip, later.line);
        let message =
            format!("{} and {} both use line {line} of {chip}: move one of them", first.user, later.user);
        Some(Finding::new(Level::Fault, "gpio", message))
    };
    used.iter().enumerate().filter_map(clash).collect()
}

fn gpio_chip(board: &Board, chip: &chips::Chip) -> Finding {
    let name = chip.path.display();
    if let Some(error) = &chip.error {
        return Finding::new(Level::Note, "gpio", format!("{name}: {error}"));
    }
    let mut message = format!("{name} {}, {} lines", chip.label, chip.lines.len());
    if board.gpio_chips.iter().any(|label| chip.is_called(label)) || board.gpio_chips.is_empty() {
        let named = chip.lines.iter().enumerate().filter(|(_, line)| !line.name.is_empty());
        let names = named.map(|(number, line)| format!("{number} {}", line.name)).take(MAX_NAMES);
        message.extend([": ", &names.collect::<Vec<_>>().join(", ")]);
    }
    let used = chip.lines.iter().enumerate().filter(|(_, line)| !line.user.is_empty());
    let used: Vec<_> = used.map(|(number, line)| format!("{number} by {}", line.user)).collect();
    if !used.is_empty() {
        message.extend(["; in use: ", &used.join(", ")]);
    }
    Finding::new(Level::Works, "gpio", message)
}

fn led_lights(config: &Config) -> Option<Finding> {
    let folder = &config.lights.led.path;
    if config.lights.kind != LightsKind::Led {
        return None;
    }
    let opened = OpenOptions::new().write(true).open(folder.join("brightness"));
    let name = folder.display();
    Some(match opened {
        Ok(_) => Finding::new(Level::Works, "lights", format!("lights.led.path {name}")),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let message = format!(
                "lights.led.path {name} cannot be written: add a udev rule that gives it to a group of the service"
            );
            Finding::new(Level::Fault, "lights", message)
        }
        Err(error) => {
            let message = format!("lights.led.path {name}: {error}; `ls /sys/class/leds` lists the LEDs");
            Finding::new(Level::Fault, "lights", message)
        }
    })
}

fn thermal(board: &Board) -> Vec<Finding> {
    let sensors = Sensors::new(board.machine().clone(), board.thermal_zones.clone());
    let mut findings = Vec::new();
    match sensors.zone() {
        Some(zone) => {
            let celsius = zone.celsius.unwrap_or_default();
            findings.push(Finding::new(Level::Works, "thermal", format!("{} {celsius:.1} °C", zone.kind)));
        }
        None => {
            let kinds: Vec<_> = zones(board.machine()).into_iter().map(|zone| zone.kind).collect();
            let found = if kinds.is_empty() { "no thermal zone".into() } else { kinds.join(", ") };
            let message = format!(
                "none of the zones {} exists, found {found}; set board.thermal_zone",
                board.thermal_zones.join(", ")
            );
            findings.push(Finding::new(Level::Note, "thermal", message));
        }
    }
    if let Some(throttled) = sensors.read().throttled {
        let (now, since) = (throttled.now(), throttled.since_start());
        findings.push(match (now.is_empty(), since.is_empty()) {
            (false, _) => Finding::new(Level::Warn, "thermal", format!("now: {}", now.join("; "))),
            (true, false) => {
                let message = format!("at least once since boot: {}", since.join("; "));
                Finding::new(Level::Warn, "thermal", message)
            }
            (true, true) => Finding::new(Level::Works, "thermal", "never throttled since boot"),
        });
    }
    findings
}

/// Reports device files that the current user may not open, and the group that may.
fn groups(board: &Board) -> Vec<Finding> {
    let machine = board.machine();
    let kinds = [("video", "video"), ("i2c-", "i2c"), ("spidev", "spi"), ("gpiochip", "gpio")];
    let mut findings = Vec::new();
    for (prefix, default_group) in kinds {
        let refuses = |path: &PathBuf| {
            let opened = OpenOptions::new().read(true).write(true).open(path);
            opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
        };
        if let Some(path) = machine.numbered("/dev", prefix).into_iter().find(refuses) {
            let group = group_of(machine, &path).filter(|group| group != "root");
            let message = denied(&path, &group.unwrap_or_else(|| default_group.to_owned()));
            findings.push(Finding::new(Level::Warn, "groups", message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use moodring_config as config;
    use moodring_hardware::board::Machine;

    /// A machine whose files are `files`.
    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::at(root.path());
        for (path, text) in files {
            let path = machine.path(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        (root, machine)
    }

    fn survey_text(config: &Config, machine: &Machine) -> String {
        let board = Board::of(&config.board, machine);
        let root = machine.path("/").display().to_string();
        let findings = survey(config, &board);
        let line = |finding: &Finding| format!("{:?} {} {}\n", finding.level, finding.part, finding.message);
        findings.iter().map(line).collect::<String>().replace(root.trim_end_matches('/'), "")
    }

    const PI: (&str, &str) = ("/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0");

    #[test]
    fn devices_of_a_complete_pi_are_reported() {
        let (_root, machine) = machine(&[
            PI,
            ("/dev/i2c-1", ""),
            ("/dev/i2c-20", ""),
            ("/dev/spidev0.0", ""),
            ("/dev/spidev0.1", ""),
            ("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
            ("/sys/class/thermal/thermal_zone0/temp", "51234\n"),
            ("/sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n"),
        ]);
        let text = survey_text(&Config::default(), &machine);
        for line in [
            "Works board Raspberry Pi 4 Model B Rev 1.4; profile pi expects I2C /dev/i2c-1, SPI /dev/spidev0.0, GPIO \
             pinctrl-rp1 or pinctrl-bcm2711 or pinctrl-bcm2835",
            "Works i2c /dev/i2c-1",
            "Warn i2c /dev/i2c-1: Inappropriate ioctl for device",
            "Note i2c also present: /dev/i2c-20",
            "Works spi /dev/spidev0.0",
            "Note spi also present: /dev/spidev0.1",
            "Works thermal cpu-thermal 51.2 °C",
            "Warn thermal at least once since boot: the supply voltage is too low; the processor is",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("groups"), "{text}");
    }

    #[test]
    fn missing_device_is_a_fault_only_if_needed() {
        let (_root, machine) = machine(&[PI]);
        let mut config = Config::default();
        let idle = survey_text(&config, &machine);
        assert!(
            idle.contains("Note spi /dev/spidev0.0 is not there: sudo raspi-config nonint do_spi 0"),
            "{idle}"
        );
        assert!(idle.contains("Note gpio no GPIO chip found") && !idle.contains("Fault"), "{idle}");
        config.lights.kind = LightsKind::Ring;
        config.button.enabled = true;
        let needed = survey_text(&config, &machine);
        assert!(needed.contains("Fault spi /dev/spidev0.0 is not there"), "{needed}");
        assert!(
            needed.contains("Fault gpio button.chip pinctrl-rp1 is not one of the chips above"),
            "{needed}"
        );
        config.board.profile = config::Profile::Pc;
        assert!(survey_text(&config, &machine).contains("Fault spi board.spi must name a device"));
    }

    #[test]
    fn two_parts_on_one_line_are_reported_even_if_one_names_its_pin() {
        let (_root, machine) = machine(&[PI]);
        let mut config = Config::default();
        config.lights.kind = LightsKind::Gpio;
        config.button.enabled = true;
        assert!(!survey_text(&config, &machine).contains("both use"));
        config.button.line = Some(6);
        let clash = survey_text(&config, &machine);
        let expected = "Fault gpio button and lights.gpio, light 2 both use line 6 of pinctrl-rp1: move one";
        assert!(clash.contains(expected), "{clash}");
        config.button.chip = "/dev/gpiochip1".into();
        assert!(!survey_text(&config, &machine).contains("both use"));
        config.display.kind = DisplayKind::St7789;
        config.display.reset_line = Some(13);
        let clash = survey_text(&config, &machine);
        assert!(clash.contains("lights.gpio, light 3 and display.reset_line both use line 13"), "{clash}");
    }

    #[test]
    fn addresses_are_reported_with_the_probable_device() {
        let found =
            [(0x3c, false), (0x50, true)].map(|(address, has_driver)| i2c::Found { address, has_driver });
        assert_eq!(addresses(&found), "devices answer at 0x3c (probably a display), 0x50 (has a driver)");
        assert_eq!(address_finding(&found, Some(0x3c)).level, Level::Works);
        let wrong = address_finding(&found, Some(0x3d));
        assert_eq!(wrong.level, Level::Fault);
        assert!(
            wrong.message.starts_with("no display at 0x3d (display.address); devices answer at 0x3c"),
            "{}",
            wrong.message
        );
        assert_eq!(address_finding(&[], None).level, Level::Note);
    }

    #[test]
    fn led_class_light_must_exist() {
        let (root, machine) = machine(&[("/leds/mood/brightness", "0")]);
        let mut config = Config::default();
        config.lights.kind = LightsKind::Led;
        config.lights.led.path = root.path().join("leds/mood");
        assert!(survey_text(&config, &machine).contains("Works lights lights.led.path /leds/mood"));
        config.lights.led.path = root.path().join("leds/other");
        assert!(
            survey_text(&config, &machine).contains("Fault lights lights.led.path /leds/other: No such file")
        );
    }
}
