//! GPIO line numbers of the pins of the 40-pin header.
//!
//! Pi: pin numbers and BCM numbers as on <https://pinout.xyz>; on every Pi the BCM number is the line number on the
//! header's chip. Jetson: NVIDIA's Jetson.GPIO, `gpio_pin_data.py`, which uses the same line numbers.

use super::Kind;

/// A 40-pin header: pairs of pin and line number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pins: &'static [(u8, u32)],
}

const PI: &[(u8, u32)] = &[
    (3, 2),
    (5, 3),
    (7, 4),
    (8, 14),
    (10, 15),
    (11, 17),
    (12, 18),
    (13, 27),
    (15, 22),
    (16, 23),
    (18, 24),
    (19, 10),
    (21, 9),
    (22, 25),
    (23, 11),
    (24, 8),
    (26, 7),
    (27, 0),
    (28, 1),
    (29, 5),
    (31, 6),
    (32, 12),
    (33, 13),
    (35, 19),
    (36, 16),
    (37, 26),
    (38, 20),
    (40, 21),
];

/// Orin Nano and Orin NX developer kits.
const ORIN: &[(u8, u32)] = &[
    (7, 144),  // PAC.06
    (11, 112), // PR.04
    (12, 50),  // PH.07
    (13, 122), // PY.00
    (15, 85),  // PN.01
    (16, 126), // PY.04
    (18, 125), // PY.03
    (19, 135), // PZ.05
    (21, 134), // PZ.04
    (22, 123), // PY.01
    (23, 133), // PZ.03
    (24, 136), // PZ.06
    (26, 137), // PZ.07
    (29, 105), // PQ.05
    (31, 106), // PQ.06
    (32, 41),  // PG.06
    (33, 43),  // PH.00
    (35, 53),  // PI.02
    (36, 113), // PR.05
    (37, 124), // PY.02
    (38, 52),  // PI.01
    (40, 51),  // PI.00
];

/// Jetson Nano (not Orin).
const NANO: &[(u8, u32)] = &[
    (7, 216),
    (11, 50),
    (12, 79),
    (13, 14),
    (15, 194),
    (16, 232),
    (18, 15),
    (19, 16),
    (21, 17),
    (22, 13),
    (23, 18),
    (24, 19),
    (26, 20),
    (29, 149),
    (31, 200),
    (32, 168),
    (33, 38),
    (35, 76),
    (36, 51),
    (37, 12),
    (38, 77),
    (40, 78),
];

impl Header {
    /// The header of a board; empty if the board has none or it is unknown.
    pub(super) fn of(kind: Kind, model: &str) -> Self {
        let pins = match kind {
            Kind::Pi => PI,
            Kind::Jetson if model.contains("Orin Nano") || model.contains("Orin NX") => ORIN,
            Kind::Jetson if model.contains("Jetson Nano") => NANO,
            Kind::Jetson | Kind::Pc => &[],
        };
        Self { pins }
    }

    /// The line number of a GPIO pin; `None` for other pins.
    pub(super) fn line(&self, pin: u8) -> Option<u32> {
        self.pins.iter().find(|(number, _)| *number == pin).map(|(_, line)| *line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_and_lines_are_unique_and_exclude_power_pins() {
        for pins in [PI, ORIN, NANO] {
            for (index, (pin, line)) in pins.iter().enumerate() {
                assert!(pins[index + 1..].iter().all(|(other, _)| other > pin), "{pin}");
                assert!(pins[index + 1..].iter().all(|(_, other)| other != line), "{line}");
                assert!(
                    ![1, 2, 4, 6, 9, 14, 17, 20, 25, 30, 34, 39].contains(pin),
                    "{pin} is power or ground"
                );
            }
        }
        assert_eq!(PI.len(), 28);
    }

    #[test]
    fn pins_map_to_the_lines_of_the_board() {
        let header = |kind, model| Header::of(kind, model);
        assert_eq!(header(Kind::Pi, "").line(11), Some(17));
        assert_eq!(header(Kind::Jetson, "NVIDIA Jetson Orin Nano Developer Kit").line(11), Some(112));
        assert_eq!(header(Kind::Jetson, "NVIDIA Jetson Nano Developer Kit").line(11), Some(50));
        assert_eq!(header(Kind::Pi, "").line(1), None);
        assert_eq!(header(Kind::Pc, "").line(11), None);
        assert_eq!(header(Kind::Jetson, "NVIDIA Jetson TX2").line(11), None);
    }
}
