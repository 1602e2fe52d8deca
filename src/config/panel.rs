//! `[button]`, `[privacy.switch]` and `[camera.light]`: what a hand reaches and an eye sees of the device itself.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Config;
use super::faults::Complaints;
use crate::board::gpio;

/// The push button.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Button {
    /// Whether there is a button.
    pub enabled: bool,
    /// Its GPIO chip: a device file, or the chip's label such as `pinctrl-rp1`, which stays the same when the kernel
    /// numbers chips anew. Empty: `board.gpio_chip`, else that of the profile's header.
    pub chip: String,
    /// Its pin of the board's header; used without `line`, needs a header that the profile knows.
    pub pin: u8,
    /// Its line on the chip; on a Raspberry Pi that is the GPIO number. Without it the one at `pin`.
    pub line: Option<u32>,
    /// Level while it is pressed, `low` or `high`. `low`: it connects the line to ground, and the chip pulls it up.
    pub pressed: Level,
    /// A change counts once it has lasted this long, 0.001 to 0.1. Contacts of push buttons bounce for up to 10 ms,
    /// and no finger is quicker than 50 ms.
    pub debounce_s: f64,
    /// Short: let go before this, 0.2 to 2. A press that is only meant to be one takes less than half a second.
    pub short_to_s: f64,
    /// Long: held at least this long, 0.5 to 5. Half a second after the end of short, because nobody counts exactly.
    pub long_from_s: f64,
    /// Long: let go before this, 1 to 10. Who holds on longer has forgotten what for, or wants very long.
    pub long_to_s: f64,
    /// Very long: held at least this long, 3 to 20: nobody does that by chance.
    pub very_long_from_s: f64,
    /// Very long: let go before this, 4 to 60. Who holds on longer wants aiming, or has fallen asleep.
    pub very_long_to_s: f64,
    /// Aiming: held at least this long, 5 to 90. Three seconds after the end of very long, because nobody counts exactly.
    pub aiming_from_s: f64,
    /// Held longer than this it is no press at all, 10 to 120: something leans on it, or its wire is short-circuited.
    pub stuck_from_s: f64,
    /// How long the page for pairing is shown, 10 to 600: time to fetch a phone and type.
    pub pairing_s: f64,
}

/// Voltage of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Low,
    High,
}

impl From<Level> for gpio::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Low => Self::Low,
            Level::High => Self::High,
        }
    }
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

/// The privacy switch.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PrivacySwitch {
    /// Whether there is one.
    pub enabled: bool,
    /// Its GPIO chip, as in `[button]`.
    pub chip: String,
    /// Its pin of the board's header, as in `[button]`.
    pub pin: u8,
    /// Its line on the chip. Without it the one at `pin`.
    pub line: Option<u32>,
    /// Level at which the camera may be open, `low` or `high`; the chip pulls the line to the other. So a cut wire
    /// closes the camera.
    pub open: Level,
}

impl Default for PrivacySwitch {
    fn default() -> Self {
        Self { enabled: false, chip: String::new(), pin: 15, line: None, open: Level::Low }
    }
}

/// What kind of light tells that the camera is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CameraLightKind {
    /// None; many cameras have one of their own.
    Off,
    /// A light at a GPIO line.
    Gpio,
    /// A light of the kernel's LED class.
    Led,
}

/// A light that is on exactly while the camera is open.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CameraLight {
    /// `off`, `gpio` (`chip`, and `pin` or `line`) or `led` (`path`).
    pub kind: CameraLightKind,
    /// GPIO chip of the light, as in `[button]`.
    pub chip: String,
    /// Pin of the board's header, as in `[button]`. 13 is pulled down on a Raspberry Pi until somebody drives it.
    pub pin: u8,
    /// Line on the chip. Without it the one at `pin`.
    pub line: Option<u32>,
    /// Level at which it is lit, `low` or `high`.
    pub lit: Level,
    /// Folder of a light of the LED class, such as `/sys/class/leds/camera`.
    pub path: PathBuf,
    /// Whether the camera stays closed when the light cannot be lit.
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
    fn check(&self, complaints: &mut Complaints) {
        complaints.range("button.debounce_s", self.debounce_s, 0.001, 0.1);
        complaints.range("button.short_to_s", self.short_to_s, 0.2, 2.0);
        complaints.range("button.long_from_s", self.long_from_s, 0.5, 5.0);
        complaints.range("button.long_to_s", self.long_to_s, 1.0, 10.0);
        complaints.range("button.very_long_from_s", self.very_long_from_s, 3.0, 20.0);
        complaints.range("button.very_long_to_s", self.very_long_to_s, 4.0, 60.0);
        complaints.range("button.aiming_from_s", self.aiming_from_s, 5.0, 90.0);
        complaints.range("button.stuck_from_s", self.stuck_from_s, 10.0, 120.0);
        complaints.range("button.pairing_s", self.pairing_s, 10.0, 600.0);
        for (key, value, least_key, least) in [
            ("button.long_from_s", self.long_from_s, "button.short_to_s", self.short_to_s),
            ("button.long_to_s", self.long_to_s, "button.long_from_s", self.long_from_s),
            ("button.very_long_from_s", self.very_long_from_s, "button.long_to_s", self.long_to_s),
            ("button.very_long_to_s", self.very_long_to_s, "button.very_long_from_s", self.very_long_from_s),
            ("button.aiming_from_s", self.aiming_from_s, "button.very_long_to_s", self.very_long_to_s),
            ("button.stuck_from_s", self.stuck_from_s, "button.aiming_from_s", self.aiming_from_s),
        ] {
            if value < least {
                complaints
                    .add(key, format!("is {value}, but must not be less than {least_key}, which is {least}"));
            }
        }
    }
}

impl Config {
    /// Button, switch and light together: each alone, and that no two share a line.
    pub(super) fn check_panel(&self, complaints: &mut Complaints) {
        let (button, switch, light) = (&self.button, &self.privacy.switch, &self.camera.light);
        button.check(complaints);
        if light.kind == CameraLightKind::Led && light.path.as_os_str().is_empty() {
            let message =
                "is needed when camera.light.kind is \"led\"; `ls /sys/class/leds` lists what there is";
            complaints.add("camera.light.path", message);
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
                complaints.add(format!("{section}.{key}"), format!("is {number}, as is {other}.{key}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<Config, String> {
        Config::parse(text, "x.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn spans_of_presses_must_follow_each_other() {
        assert!(told("[button]\nenabled = true\nshort_to_s = 1.5\n").is_ok(), "spans may touch");
        let refused = told("[button]\nlong_from_s = 0.8\nvery_long_from_s = 4\n").unwrap_err();
        let expected =
            "x.toml:2:15: button.long_from_s is 0.8, but must not be less than button.short_to_s, which is 1";
        assert!(refused.contains(expected), "{refused}");
        assert!(refused.contains("button.very_long_from_s is 4, but must not be less than button.long_to_s"));
        assert!(told("[button]\ndebounce_s = 1\n").unwrap_err().contains("must be from 0.001 to 0.1"));
    }

    #[test]
    fn two_things_cannot_hang_on_one_line() {
        let text = "[camera.light]\nkind = \"gpio\"\npin = 11\n[button]\nenabled = true\n";
        let refused = told(text).unwrap_err();
        assert!(refused.contains("button.pin is 11, as is camera.light.pin"), "{refused}");
        assert!(told(&text.replace("true", "false")).is_ok(), "what is not there uses no line");
        assert!(told(&format!("{text}line = 17\n")).is_ok());
        let text = "[privacy.switch]\nenabled = true\nline = 4\n[button]\nenabled = true\nline = 4\n";
        let refused = told(text).unwrap_err();
        assert!(refused.contains("x.toml:6:8: button.line is 4, as is privacy.switch.line"), "{refused}");
        assert!(told(&format!("{text}chip = \"/dev/gpiochip1\"\n")).is_ok());
    }

    #[test]
    fn a_light_of_the_led_class_needs_its_folder() {
        let refused = told("[camera.light]\nkind = \"led\"\n").unwrap_err();
        assert!(
            refused.contains("camera.light.path is needed when camera.light.kind is \"led\""),
            "{refused}"
        );
        assert!(told("[camera.light]\nkind = \"led\"\npath = \"/sys/class/leds/camera\"\n").is_ok());
    }
}
