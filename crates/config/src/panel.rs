//! `[button]`, `[privacy.switch]` and `[camera.light]`: controls and indicators on the device itself.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
use super::fault::FaultCollector;

/// Push button.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Button {
    /// Whether a button is connected.
    pub enabled: bool,
    /// GPIO chip of the button: a device file, or a label such as `pinctrl-rp1`, which stays the same if the kernel
    /// numbers the chips differently. Empty: `board.gpio_chip`, or else the chip of the profile's header.
    pub chip: String,
    /// Header pin of the button. Used if `line` is not set; the board profile must have a header.
    pub pin: u8,
    /// Line of the button on the chip; on a Raspberry Pi this is the GPIO number. Not set: the line of `pin`.
    pub line: Option<u32>,
    /// Level of the line while the button is pressed, `low` or `high`. `low`: the button connects the line to ground,
    /// and the chip pulls it up.
    pub pressed: Level,
    /// Seconds for which a level must last before it counts, 0.001 to 0.1. The contacts of push buttons bounce for up
    /// to 10 ms, and a finger press lasts at least 50 ms.
    pub debounce_s: f64,
    /// Short press: released before this many seconds, 0.2 to 2. A normal press takes less than half a second.
    pub short_to_s: f64,
    /// Long press: held for at least this many seconds, 0.5 to 5; at least `short_to_s`. The default leaves a gap of
    /// half a second after a short press, because people do not count exactly.
    pub long_from_s: f64,
    /// Long press: released before this many seconds, 1 to 10; at least `long_from_s`.
    pub long_to_s: f64,
    /// Very long press: held for at least this many seconds, 3 to 20; at least `long_to_s`. Nobody does that by
    /// accident.
    pub very_long_from_s: f64,
    /// Very long press: released before this many seconds, 4 to 60; at least `very_long_from_s`.
    pub very_long_to_s: f64,
    /// Press for the camera preview: held for at least this many seconds, 5 to 90; at least `very_long_to_s`. The
    /// default leaves a gap of three seconds after a very long press, because people do not count exactly.
    pub aiming_from_s: f64,
    /// Seconds after which a held button is ignored, 10 to 120; at least `aiming_from_s`. Something leans on it, or its
    /// wire has a short circuit.
    pub stuck_from_s: f64,
    /// Seconds for which the pairing page is shown, 10 to 600: time to fetch a phone and type the code.
    pub pairing_s: f64,
}

/// Logic level of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are sufficient")]
pub enum Level {
    Low,
    High,
}

impl Default for Button {
    fn default() -> Self {
        Self {
            enabled: false,
            chip: String::new(),
            pin: 11,
            line: None,
            pressed: Level::Low,
            debounce_s: 0.02,
            short_to_s: 1.0,
            long_from_s: 1.5,
            long_to_s: 5.0,
            very_long_from_s: 8.0,
            very_long_to_s: 12.0,
            aiming_from_s: 15.0,
            stuck_from_s: 30.0,
            pairing_s: 120.0,
        }
    }
}

/// A hardware switch that overrides every command.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PrivacySwitch {
    /// Whether a switch is connected.
    pub enabled: bool,
    /// GPIO chip of the switch, as in `[button]`.
    pub chip: String,
    /// Header pin of the switch, as in `[button]`.
    pub pin: u8,
    /// Line of the switch on the chip. Not set: the line of `pin`.
    pub line: Option<u32>,
    /// Level at which the camera may be open, `low` or `high`. The chip pulls the line to the other level, so that a
    /// cut wire closes the camera.
    pub open: Level,
}

impl Default for PrivacySwitch {
    fn default() -> Self {
        Self { enabled: false, chip: String::new(), pin: 15, line: None, open: Level::Low }
    }
}

/// Kinds of camera light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CameraLightKind {
    /// No light. Many cameras have a built-in light.
    Off,
    /// A light on a GPIO line.
    Gpio,
    /// A light of the kernel's LED class.
    Led,
}

/// A light that is on exactly while the camera is open. It blinks while the camera preview is offered.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CameraLight {
    /// Kind of light: `off`, `gpio` (uses `chip`, and `pin` or `line`) or `led` (uses `path`).
    pub kind: CameraLightKind,
    /// GPIO chip of the light, as in `[button]`.
    pub chip: String,
    /// Header pin of the light, as in `[button]`. On a Raspberry Pi, pin 13 is pulled down until a program drives it.
    pub pin: u8,
    /// Line of the light on the chip. Not set: the line of `pin`.
    pub line: Option<u32>,
    /// Level at which the light is on, `low` or `high`.
    pub lit: Level,
    /// Folder of the light in the kernel's LED class, such as `/sys/class/leds/camera`.
    pub path: PathBuf,
    /// Whether the camera stays closed if the light cannot be switched on.
    pub required: bool,
}

impl Default for CameraLight {
    fn default() -> Self {
        Self {
            kind: CameraLightKind::Off,
            chip: String::new(),
            pin: 13,
            line: None,
            lit: Level::High,
            path: PathBuf::new(),
            required: true,
        }
    }
}

impl Button {
    fn check(&self, faults: &mut FaultCollector) {
        faults.range("button.debounce_s", self.debounce_s, 0.001, 0.1);
        faults.range("button.short_to_s", self.short_to_s, 0.2, 2.0);
        faults.range("button.long_from_s", self.long_from_s, 0.5, 5.0);
        faults.range("button.long_to_s", self.long_to_s, 1.0, 10.0);
        faults.range("button.very_long_from_s", self.very_long_from_s, 3.0, 20.0);
        faults.range("button.very_long_to_s", self.very_long_to_s, 4.0, 60.0);
        faults.range("button.aiming_from_s", self.aiming_from_s, 5.0, 90.0);
        faults.range("button.stuck_from_s", self.stuck_from_s, 10.0, 120.0);
        faults.range("button.pairing_s", self.pairing_s, 10.0, 600.0);
        for (key, value, min_key, min) in [
            ("button.long_from_s", self.long_from_s, "button.short_to_s", self.short_to_s),
            ("button.long_to_s", self.long_to_s, "button.long_from_s", self.long_from_s),
            ("button.very_long_from_s", self.very_long_from_s, "button.long_to_s", self.long_to_s),
            ("button.very_long_to_s", self.very_long_to_s, "button.very_long_from_s", self.very_long_from_s),
            ("button.aiming_from_s", self.aiming_from_s, "button.very_long_to_s", self.very_long_to_s),
            ("button.stuck_from_s", self.stuck_from_s, "button.aiming_from_s", self.aiming_from_s),
        ] {
            if value < min {
                faults.add(key, format!("is {value}, but must not be less than {min_key}, which is {min}"));
            }
        }
    }
}

impl Config {
    /// Checks button, switch and light, and that no two of them use the same line.
    pub(super) fn check_panel(&self, faults: &mut FaultCollector) {
        let (button, switch, light) = (&self.button, &self.privacy.switch, &self.camera.light);
        button.check(faults);
        if light.kind == CameraLightKind::Led && light.path.as_os_str().is_empty() {
            let message = "is needed if camera.light.kind is \"led\"; `ls /sys/class/leds` lists the lights";
            faults.add("camera.light.path", message);
        }
        let lines = [
            ("camera.light", light.kind == CameraLightKind::Gpio, &light.chip, light.pin, light.line),
            ("privacy.switch", switch.enabled, &switch.chip, switch.pin, switch.line),
            ("button", button.enabled, &button.chip, button.pin, button.line),
        ];
        let used: Vec<_> = lines.into_iter().filter(|(_, used, ..)| *used).collect();
        for (index, (section, _, chip, pin, line)) in used.iter().enumerate() {
            let other = used[..index].iter().find(|(_, _, other_chip, other_pin, other_line)| {
                other_line == line && if line.is_some() { other_chip == chip } else { other_pin == pin }
            });
            if let Some((other, ..)) = other {
                let (key, number) = line.map_or(("pin", u32::from(*pin)), |line| ("line", line));
                faults.add(
                    format!("{section}.{key}"),
                    format!("is {number}, but {other}.{key} uses the same; choose another"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, "x.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn ranges_of_presses_must_be_in_order() {
        assert!(parse("[button]\nenabled = true\nshort_to_s = 1.5\n").is_ok(), "ranges may touch");
        let refused = parse("[button]\nlong_from_s = 0.8\nvery_long_from_s = 4\n").unwrap_err();
        let expected =
            "x.toml:2:15: button.long_from_s is 0.8, but must not be less than button.short_to_s, which is 1";
        assert!(refused.contains(expected), "{refused}");
        assert!(refused.contains("button.very_long_from_s is 4, but must not be less than button.long_to_s"));
        assert!(parse("[button]\ndebounce_s = 1\n").unwrap_err().contains("must be from 0.001 to 0.1"));
    }

    #[test]
    fn two_parts_cannot_use_the_same_line() {
        let text = "[camera.light]\nkind = \"gpio\"\npin = 11\n[button]\nenabled = true\n";
        let refused = parse(text).unwrap_err();
        assert!(refused.contains("button.pin is 11, but camera.light.pin uses the same"), "{refused}");
        assert!(parse(&text.replace("true", "false")).is_ok(), "a part that is not connected uses no line");
        assert!(parse(&format!("{text}line = 17\n")).is_ok());
        let text = "[privacy.switch]\nenabled = true\nline = 4\n[button]\nenabled = true\nline = 4\n";
        let refused = parse(text).unwrap_err();
        assert!(
            refused.contains("x.toml:6:8: button.line is 4, but privacy.switch.line uses the same"),
            "{refused}"
        );
        assert!(parse(&format!("{text}chip = \"/dev/gpiochip1\"\n")).is_ok());
    }

    #[test]
    fn a_light_of_the_led_class_needs_its_folder() {
        let refused = parse("[camera.light]\nkind = \"led\"\n").unwrap_err();
        assert!(refused.contains("camera.light.path is needed if camera.light.kind is \"led\""), "{refused}");
        assert!(parse("[camera.light]\nkind = \"led\"\npath = \"/sys/class/leds/camera\"\n").is_ok());
    }
}
