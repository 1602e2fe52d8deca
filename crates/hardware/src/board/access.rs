//! Error messages for device files that are missing or cannot be opened: one line with the fix.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Board, Kind, Machine};

/// Buses of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Bus {
    I2c,
    Spi,
    Gpio,
    Pwm,
}

impl Bus {
    /// The group with access on Raspberry Pi OS and in the package's udev rules.
    const fn default_group(self) -> &'static str {
        match self {
            Self::I2c => "i2c",
            Self::Spi => "spi",
            Self::Gpio | Self::Pwm => "gpio",
        }
    }
}

impl Board {
    /// Why `device` cannot be used, and the fix; `error` is the result of opening or using it.
    pub fn explain(&self, bus: Bus, device: &Path, error: &std::io::Error) -> String {
        let name = device.display();
        match error.kind() {
            ErrorKind::NotFound => format!("{name} is not there: {}", self.how_to_enable(bus)),
            ErrorKind::PermissionDenied => {
                let group = group_of(&self.machine, device)
                    .filter(|group| group != "root")
                    .unwrap_or_else(|| bus.default_group().to_owned());
                denied(device, &group)
            }
            ErrorKind::ResourceBusy => {
                format!(
                    "{name} is in use by another program or driver: stop that one, or choose another device"
                )
            }
            _ => format!("{name}: {error}"),
        }
    }

    /// How to enable a bus of the header.
    pub fn how_to_enable(&self, bus: Bus) -> &'static str {
        match (self.kind, bus) {
            (Kind::Pi, Bus::I2c) => "sudo raspi-config nonint do_i2c 0, then restart",
            (Kind::Pi, Bus::Spi) => "sudo raspi-config nonint do_spi 0, then restart",
            (Kind::Pi, Bus::Pwm) => "add dtoverlay=pwm to /boot/firmware/config.txt, then restart",
            (Kind::Jetson, Bus::Gpio) => "the kernel has no GPIO character device; update JetPack",
            (Kind::Jetson, _) => "enable it with sudo /opt/nvidia/jetson-io/jetson-io.py, then restart",
            (_, Bus::Gpio) => "check board.gpio_chip; moodring doctor lists the chips",
            (Kind::Pc, Bus::I2c) => "check board.i2c; sudo modprobe i2c-dev makes buses visible",
            (Kind::Pc, Bus::Spi) => "check board.spi; moodring doctor lists the devices",
            (Kind::Pc, Bus::Pwm) => "check lights.pwm.chip; `ls /sys/class/pwm` lists the chips",
        }
    }
}

/// Message that `device` belongs to `group`, of which this process is not a member.
pub fn denied(device: &Path, group: &str) -> String {
    format!(
        "{} may not be opened, it belongs to the group {group}: sudo usermod -aG {group} $USER and log in again; \
         a service needs SupplementaryGroups={group}",
        device.display()
    )
}

/// The name of the group of `device`, from `/etc/group`.
pub fn group_of(machine: &Machine, device: &Path) -> Option<String> {
    let id = device.metadata().ok()?.gid().to_string();
    let groups = machine.read("/etc/group")?;
    // group(5): name:password:id:members
    let mut rows = groups.lines().map(|row| row.split(':').collect::<Vec<_>>());
    rows.find(|row| row.get(2) == Some(&id.as_str())).map(|row| row[0].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::machine;
    use moodring_config as config;

    #[test]
    fn errors_are_explained_with_the_fix() {
        let files = [("/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"), ("/dev/i2c-1", "")];
        let (_root, machine) = machine(&files);
        let device = machine.path("/dev/i2c-1");
        let board = Board::of(&config::Board::default(), &machine);
        let message = |bus, kind: ErrorKind| board.explain(bus, &device, &kind.into());
        assert!(message(Bus::I2c, ErrorKind::NotFound).ends_with("do_i2c 0, then restart"));
        assert!(message(Bus::I2c, ErrorKind::PermissionDenied).contains("sudo usermod -aG i2c $USER"));
        assert!(message(Bus::Spi, ErrorKind::PermissionDenied).contains("SupplementaryGroups=spi"));
        assert!(message(Bus::Spi, ErrorKind::ResourceBusy).contains("another program"));
        assert!(message(Bus::Spi, ErrorKind::TimedOut).contains("i2c-1: timed out"));
    }

    #[test]
    fn the_group_of_a_device_is_the_group_of_its_file() {
        let (_root, machine) = machine(&[("/dev/i2c-1", "")]);
        let device = machine.path("/dev/i2c-1");
        assert_eq!(group_of(&machine, &device), None);
        let id = device.metadata().unwrap().gid();
        std::fs::create_dir(machine.path("/etc")).unwrap();
        std::fs::write(machine.path("/etc/group"), format!("root:x:4294967295:\nwires:x:{id}:anna\n"))
            .unwrap();
        assert_eq!(group_of(&machine, &device).as_deref(), Some("wires"));
        let board = Board::of(&config::Board::default(), &machine);
        let message = board.explain(Bus::I2c, &device, &ErrorKind::PermissionDenied.into());
        assert!(message.contains("usermod -aG wires"), "{message}");
    }
}
