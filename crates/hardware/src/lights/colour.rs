//! Colours of the mood words in sRGB, in linear light, and as on/off combinations for plain lamps.
//!
//! Lamps are driven in linear light, because their output is proportional to the time they are on.

use moodring_contract::Word;

/// The sRGB colour of a mood word, on the light ring and on the page.
///
/// A search chose the colours: it maximized the smallest CIELAB distance between any two of the seven, for people with
/// typical colour vision and under simulated protanopia, deuteranopia and tritanopia (Machado, Oliveira,
/// Fernandes 2009, severity 1), within hues that fit the words. A test checks the distance.
pub const fn colour(word: Word) -> [u8; 3] {
    match word {
        Word::Bright => [0xfb, 0xfb, 0x23],
        Word::Attentive => [0x39, 0xe5, 0x87],
        Word::Calm => [0x35, 0x84, 0xd8],
        Word::Restless => [0xde, 0x8d, 0x10],
        Word::Strained => [0xc9, 0x0f, 0x39],
        Word::Drowsy => [0x12, 0x0b, 0x9d],
        Word::Unsure => [0x9a, 0x9b, 0x99],
    }
}

/// The colours that a device can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Palette {
    /// Any colour.
    #[default]
    Colours,
    /// Red, green and blue, each on or off: seven colours, one for each word.
    Primaries,
    /// Brightness only.
    White,
}

impl Palette {
    /// Light of a mood word at full brightness: red, green, blue, linear, each 0 to 1.
    pub fn light(self, word: Word) -> [f64; 3] {
        match self {
            Self::Colours => colour(word).map(linear),
            Self::Primaries => primaries(word),
            Self::White => [1.0; 3],
        }
    }
}

/// The nearest free on/off combination. Orange has none; it takes magenta, the remaining one.
const fn primaries(word: Word) -> [f64; 3] {
    match word {
        Word::Bright => [1.0, 1.0, 0.0],
        Word::Attentive => [0.0, 1.0, 0.0],
        Word::Calm => [0.0, 1.0, 1.0],
        Word::Restless => [1.0, 0.0, 1.0],
        Word::Strained => [1.0, 0.0, 0.0],
        Word::Drowsy => [0.0, 0.0, 1.0],
        Word::Unsure => [1.0, 1.0, 1.0],
    }
}

/// Converts an sRGB channel to linear light, 0 to 1 (IEC 61966-2-1).
pub fn linear(channel: u8) -> f64 {
    let channel = f64::from(channel) / 255.0;
    if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
}

/// The inverse of [`linear`]; values outside 0 to 1 are clamped.
pub fn srgb(light: f64) -> u8 {
    let light = light.clamp(0.0, 1.0);
    let channel = if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (channel * 255.0).round() as u8
}

/// Types of colour vision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColourVision {
    /// Typical colour vision.
    Typical,
    /// Without the receptors for long wavelengths.
    Protanopia,
    /// Without the receptors for medium wavelengths.
    Deuteranopia,
    /// Without the receptors for short wavelengths.
    Tritanopia,
}

impl ColourVision {
    /// All four types.
    pub const ALL: [Self; 4] = [Self::Typical, Self::Protanopia, Self::Deuteranopia, Self::Tritanopia];

    /// Simulates `light` (linear, each 0 to 1) as seen with this colour vision: returns the light that looks the same
    /// with typical colour vision.
    ///
    /// Matrices for linear RGB at severity 1 from Machado, Oliveira, Fernandes, "A Physiologically-based Model for
    /// Simulation of Color Vision Deficiency", IEEE TVCG 15(6), 2009.
    pub fn see(self, light: [f64; 3]) -> [f64; 3] {
        let matrix = match self {
            Self::Typical => return light,
            Self::Protanopia => [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
            Self::Deuteranopia => [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
            Self::Tritanopia => [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ],
        };
        let dot =
            |row: [f64; 3]| row.iter().zip(light).map(|(factor, channel)| factor * channel).sum::<f64>();
        matrix.map(|row| dot(row).clamp(0.0, 1.0))
    }
}
