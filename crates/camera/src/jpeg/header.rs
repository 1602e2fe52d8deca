//! Headers and tables of a JPEG picture (T.81 annex B).

use super::bits::HuffmanTable;
use super::tables::{Tables, ZIGZAG};
use super::{JpegError, MAX_PIXELS, Size};

/// How the components make a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// The first component is the luma.
    Luma,
    /// Red, green, blue.
    Rgb,
    /// Cyan, magenta, yellow, black; 255 is white if `inverted`.
    Cmyk { inverted: bool },
    /// The first component is the luma of the negative, the last one is black; 255 is white.
    NegativeLuma,
}

impl Colour {
    /// Indices of the components that have a part in the luma.
    pub(super) fn needed(self) -> &'static [usize] {
        match self {
            Self::Luma => &[0],
            Self::Rgb => &[0, 1, 2],
            Self::Cmyk { .. } => &[0, 1, 2, 3],
            Self::NegativeLuma => &[0, 3],
        }
    }
}

/// A component of the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks of each unit (MCU), across and down.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Index of its quantization table.
    pub(super) quantization: usize,
    /// Number of its blocks that hold pixels, across and down.
    pub(super) blocks: (usize, usize),
}

/// The frame header.
#[derive(Debug, Clone)]
pub(super) struct FrameHeader {
    pub(super) size: Size,
    pub(super) progressive: bool,
    /// One to four.
    pub(super) components: Vec<Component>,
    /// Largest number of blocks of a component in a unit, across and down.
    pub(super) max: (usize, usize),
    /// Number of units, across and down.
    pub(super) units: (usize, usize),
}

impl FrameHeader {
    /// Reads a frame header (length, precision, height, width, then three bytes a component; T.81 section B.2.2).
    pub(super) fn parse(marker: u8, segment: &[u8]) -> Result<Self, JpegError> {
        let [_, _, precision, h1, h0, w1, w0, count, listed @ ..] = segment else {
            return Err(JpegError::Damaged("its frame header is too short".into()));
        };
        let size = Size::new(u16::from_be_bytes([*w1, *w0]).into(), u16::from_be_bytes([*h1, *h0]).into());
        match marker {
            0xc0..=0xc2 => {}
            0xc9..=0xcb => return Err(JpegError::Unsupported("it uses arithmetic coding")),
            _ => return Err(JpegError::Unsupported("it uses lossless coding")),
        }
        if *precision != 8 {
            return Err(JpegError::Unsupported("it does not have 8 bits per sample"));
        }
        if size.width == 0 || size.height == 0 {
            return Err(JpegError::Damaged(format!("its size is {size}")));
        }
        if size.area() > MAX_PIXELS {
            return Err(JpegError::TooLarge(size));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(JpegError::Unsupported("it does not have one, three or four components"));
        }
        let count = usize::from(*count);
        let listed = listed.chunks_exact(3).take(count);
        if listed.len() < count || listed.clone().any(|entry| !is_valid(entry)) {
            return Err(JpegError::Damaged("its frame header is invalid".into()));
        }
        let factors = |entry: &[u8]| {
            // The factors of a single component mean nothing: its blocks come line by line.
            if count == 1 { (1, 1) } else { (usize::from(entry[1] >> 4), usize::from(entry[1] & 15)) }
        };
        let max = listed
            .clone()
            .map(factors)
            .fold((1, 1), |max, (across, down)| (max.0.max(across), max.1.max(down)));
        let (width, height) = (size.width as usize, size.height as usize);
        let component = |entry: &[u8]| {
            let (across, down) = factors(entry);
            let blocks = ((width * across).div_ceil(8 * max.0), (height * down).div_ceil(8 * max.1));
            Component { id: entry[0], across, down, quantization: usize::from(entry[2]), blocks }
        };
        let components = listed.map(component).collect();
        let units = (width.div_ceil(8 * max.0), height.div_ceil(8 * max.1));
        Ok(Self { size, progressive: marker == 0xc2, components, max, units })
    }

    /// Whether the samples of a component are as dense as the pixels.
    pub(super) fn is_full(&self, component: usize) -> bool {
        let Component { across, down, .. } = self.components[component];
        (across, down) == self.max
    }

    /// What the components mean: the rules of libjpeg, which all programs follow.
    pub(super) fn colour(&self, has_jfif: bool, adobe_transform: Option<u8>) -> Colour {
        let ids: Vec<u8> = self.components.iter().map(|component| component.id).collect();
        match (self.components.len(), adobe_transform) {
            (4, Some(2)) => Colour::NegativeLuma,
            (4, transform) => Colour::Cmyk { inverted: transform.is_some() },
            (3, Some(0)) if !has_jfif => Colour::Rgb,
            (3, None) if !has_jfif && ids == *b"RGB" => Colour::Rgb,
            _ => Colour::Luma,
        }
    }
}

/// Whether a component has sampling factors of one to four and one of four quantization tables.
fn is_valid(entry: &[u8]) -> bool {
    (1..=4).contains(&(entry[1] >> 4)) && (1..=4).contains(&(entry[1] & 15)) && entry[2] < 4
}

/// Factors of the coefficients, line by line.
pub(super) type Quantization = [u16; 64];

/// Reads the quantization tables of a DQT segment.
pub(super) fn read_quantization(
    segment: &[u8],
    tables: &mut [Option<Quantization>; 4],
) -> Result<(), JpegError> {
    let invalid = || JpegError::Damaged("a quantization table is invalid".into());
    let mut rest = segment.get(2..).unwrap_or_default();
    while let [kind, following @ ..] = rest {
        let bytes = if kind >> 4 == 0 { 1 } else { 2 };
        let (values, following) = following.split_at_checked(64 * bytes).ok_or_else(invalid)?;
        let mut table = [0; 64];
        for (value, place) in values.chunks_exact(bytes).zip(ZIGZAG) {
            table[usize::from(place)] = value.iter().fold(0, |value, byte| value << 8 | u16::from(*byte));
        }
        *tables.get_mut(usize::from(kind & 15)).ok_or_else(invalid)? = Some(table);
        rest = following;
    }
    Ok(())
}

/// Reads the Huffman tables of a DHT segment.
pub(super) fn read_huffman(segment: &[u8], tables: &mut Tables) -> Result<(), JpegError> {
    let invalid = || JpegError::Damaged("a Huffman table is invalid".into());
    let mut rest = segment.get(2..).unwrap_or_default();
    while let [kind, following @ ..] = rest {
        let (counts, following) = following.split_first_chunk::<16>().ok_or_else(invalid)?;
        let table = HuffmanTable::new(*counts, following).ok_or_else(invalid)?;
        let length = counts.iter().map(|count| usize::from(*count)).sum();
        let tables = if kind >> 4 == 0 { &mut tables.dc } else { &mut tables.ac };
        *tables.get_mut(usize::from(kind & 15)).ok_or_else(invalid)? = Some(table);
        rest = following.get(length..).ok_or_else(invalid)?;
    }
    Ok(())
}
