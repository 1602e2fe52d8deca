//! A light of the kernel's LED class: a folder below /sys/class/leds (Documentation/leds/leds-class.rst and
//! leds-class-multicolor.rst of the kernel).
//!
//! A multicolour light gets the colour as intensities and stays at full brightness; others get a brightness.

use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{Palette, Ring};

/// A light of the LED class.
#[derive(Debug)]
pub(super) struct LedClass {
    folder: PathBuf,
    /// Number of brightness steps.
    max: u32,
    /// For a multicolour light: the channel of each of its colours; `None` for colours other than red, green, blue.
    colours: Option<Vec<Option<usize>>>,
}

impl LedClass {
    /// Opens the light in `folder` and disables its trigger, if it has one.
    ///
    /// # Errors
    /// The light is missing, not writable, or has no valid `max_brightness`.
    pub(super) fn open(folder: &Path) -> std::io::Result<Self> {
        let max = read(&folder.join("max_brightness"))?;
        let max =
            max.parse().map_err(|_| Error::new(ErrorKind::InvalidData, "max_brightness is not a number"))?;
        let colours = read(&folder.join("multi_index")).ok().map(|index| {
            index
                .split_whitespace()
                .map(|name| ["red", "green", "blue"].iter().position(|&c| c == name))
                .collect()
        });
        let trigger = folder.join("trigger");
        if trigger.exists() {
            write(&trigger, "none")?;
        }
        let led = Self { folder: folder.to_owned(), max, colours };
        led.set("brightness", "0")?;
        Ok(led)
    }

    fn set(&self, file: &str, value: &str) -> std::io::Result<()> {
        write(&self.folder.join(file), value)
    }

    fn steps(&self, light: f64) -> u32 {
        let steps = (light.clamp(0.0, 1.0) * f64::from(self.max)).round() as u32;
        if light > 1e-4 { steps.max(1).min(self.max) } else { steps }
    }
}

impl Ring for LedClass {
    fn palette(&self) -> Palette {
        if self.colours.is_some() { Palette::Colours } else { Palette::White }
    }

    fn show(&mut self, light: [f64; 3]) -> std::io::Result<()> {
        let Some(colours) = &self.colours else {
            let brightest = light.into_iter().fold(0.0, f64::max);
            return self.set("brightness", &self.steps(brightest).to_string());
        };
        let intensity = |channel: &Option<usize>| channel.map_or(0, |channel| self.steps(light[channel]));
        let intensities: Vec<_> = colours.iter().map(|channel| intensity(channel).to_string()).collect();
        self.set("multi_intensity", &intensities.join(" "))?;
        let lit = light.iter().any(|channel| *channel > 0.0);
        self.set("brightness", &if lit { self.max } else { 0 }.to_string())
    }
}

fn read(file: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(file).map(|text| text.trim().to_owned())
}

/// Writes an existing file; a missing file means that the light is gone.
fn write(file: &Path, value: &str) -> std::io::Result<()> {
    OpenOptions::new().write(true).truncate(true).open(file)?.write_all(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn shown(folder: &tempfile::TempDir, file: &str) -> String {
        read(&folder.path().join(file)).unwrap()
    }

    #[test]
    fn a_multicolour_light_gets_intensities_in_the_order_of_its_index() {
        let folder = folder(&[
            ("max_brightness", "100\n"),
            ("multi_index", "green white red blue\n"),
            ("multi_intensity", "0 0 0 0\n"),
            ("brightness", "7\n"),
            ("trigger", "none [mmc0] timer\n"),
        ]);
        let mut led = LedClass::open(folder.path()).unwrap();
        assert_eq!((shown(&folder, "trigger"), shown(&folder, "brightness")), ("none".into(), "0".into()));
        assert_eq!(led.palette(), Palette::Colours);
        led.show([1.0, 0.5, 0.001]).unwrap();
        assert_eq!(shown(&folder, "multi_intensity"), "50 0 100 1");
        assert_eq!(shown(&folder, "brightness"), "100");
        led.show([0.0; 3]).unwrap();
        assert_eq!(shown(&folder, "brightness"), "0");
    }

    #[test]
    fn a_single_colour_light_gets_the_brightness() {
        let folder = folder(&[("max_brightness", "255"), ("brightness", "0")]);
        let mut led = LedClass::open(folder.path()).unwrap();
        assert_eq!(led.palette(), Palette::White);
        led.show([0.2, 0.6, 0.1]).unwrap();
        assert_eq!(shown(&folder, "brightness"), "153");
    }

    #[test]
    fn a_removed_light_is_an_error_and_can_be_reopened() {
        let folder = folder(&[("max_brightness", "1"), ("brightness", "0")]);
        let mut led = LedClass::open(folder.path()).unwrap();
        std::fs::remove_file(folder.path().join("brightness")).unwrap();
        assert_eq!(led.show([1.0; 3]).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(LedClass::open(folder.path()).unwrap_err().kind(), ErrorKind::NotFound);
        std::fs::write(folder.path().join("brightness"), "0").unwrap();
        LedClass::open(folder.path()).unwrap().show([1.0; 3]).unwrap();
        assert_eq!(shown(&folder, "brightness"), "1");
    }
}
