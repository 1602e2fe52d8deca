//! Decodes JPEG pictures to luma, for MJPEG cameras and for picture files.
//!
//! Chroma is skipped, so no colour picture exists in memory. The decoder is our own, because it must know whether every
//! block of a picture was in the data; docs/decisions/jpeg-decoder.md compares it with others. It reads baseline and
//! progressive pictures with any sampling, in one or several scans, in YCbCr, RGB and CMYK, also without Huffman tables.

mod bits;
mod header;
mod idct;
mod planes;
mod scan;
mod tables;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use thiserror::Error;

use self::header::{Colour, FrameHeader, Quantization, read_huffman, read_quantization};
use self::planes::{Direct, Stored};
use self::scan::{Scan, ScanDecoder};
use self::tables::Tables;
use super::{MAX_PIXELS, Size};

pub(crate) use self::planes::luma_of_rgb;

/// Reasons why a JPEG picture cannot be decoded to luma.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JpegError {
    /// The data do not begin with a JPEG start marker.
    #[error("not a JPEG picture: it does not begin with FF D8")]
    NotJpeg,
    /// The data end before the last block of the picture, for example because part of a transfer was lost.
    #[error("JPEG picture is incomplete: its data end in line {lines} of {height}")]
    Cut {
        /// Lines that are complete.
        lines: u32,
        /// Lines of the whole picture.
        height: u32,
    },
    /// It has more than [`MAX_PIXELS`] pixels.
    #[error("JPEG picture of {0} is larger than {megapixels} megapixels", megapixels = MAX_PIXELS / 1_000_000)]
    TooLarge(Size),
    /// It is progressive or in RGB or CMYK, and decoding it would take too much memory.
    #[error("JPEG picture of {0} needs too much memory: save it as a baseline JPEG, or make it smaller")]
    TooManyBytes(Size),
    /// A valid kind of JPEG from which luma cannot be read.
    #[error("JPEG picture cannot be read as luma: {0}")]
    Unsupported(&'static str),
    /// Its contents are inconsistent.
    #[error("JPEG picture is damaged: {0}")]
    Damaged(String),
}

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;
const HUFFMAN_TABLES: u8 = 0xc4;
const QUANTIZATION_TABLES: u8 = 0xdb;
const RESTART_INTERVAL: u8 = 0xdd;
const JFIF: u8 = 0xe0;
const EXIF: u8 = 0xe1;
const ADOBE: u8 = 0xee;

/// More scans in one picture are an attack: encoders use at most about 20.
const MAX_SCANS: usize = 200;

/// Size and length of a JPEG picture, from its markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Size of the picture.
    pub size: Size,
    /// Length of the picture in bytes, including its end marker. The bytes after it do not belong to the picture.
    pub end: usize,
    /// Offset of the first scan.
    first_scan: usize,
}

impl Layout {
    /// Reads all markers up to the end of the picture. A picture without an end marker ends with the data, because
    /// some cameras omit it; only [`decode`] finds out whether it is whole.
    ///
    /// # Errors
    /// [`JpegError`] if the data are not a picture, or one of a kind that cannot be decoded.
    pub fn parse(data: &[u8]) -> Result<Self, JpegError> {
        let (mut size, mut first_scan, mut end) = (None, None, None);
        let mut markers = Markers::new(data)?;
        while let Some(Marker { kind, at, segment }) = markers.next() {
            match kind {
                END_OF_IMAGE => end = Some(at + 2),
                // The beginning of another picture.
                START_OF_IMAGE => end = Some(at),
                START_OF_SCAN => first_scan = first_scan.or(Some(at)),
                kind if is_frame(kind) => size = size.or(Some(FrameHeader::parse(kind, segment)?.size)),
                _ => {}
            }
            if end.is_some() {
                break;
            }
        }
        let (Some(size), Some(first_scan)) = (size, first_scan) else {
            return Err(JpegError::Damaged("it ends before its pixels begin".into()));
        };
        // A driver that reports its whole buffer as written fills it with zeros.
        let padding = || data.iter().rev().take_while(|byte| **byte == 0).count();
        let layout = Self { size, end: end.unwrap_or_else(|| data.len() - padding()), first_scan };
        layout.check_length().map(|()| layout)
    }

    /// Every block of 8x8 pixels takes at least one bit. This refuses short data with a huge size in the header.
    fn check_length(&self) -> Result<(), JpegError> {
        let blocks = self.size.width.div_ceil(8) as usize * self.size.height.div_ceil(8) as usize;
        let bytes = self.end.saturating_sub(self.first_scan);
        if bytes < blocks / 8 {
            let lines = self.size.height as usize * bytes / (blocks / 8);
            return Err(JpegError::Cut { lines: lines as u32, height: self.size.height });
        }
        Ok(())
    }
}

/// Whether the marker begins a frame header, of whatever kind.
fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf)
}

/// A marker with its segment, which is empty for markers without one.
struct Marker<'a> {
    kind: u8,
    at: usize,
    segment: &'a [u8],
}

/// Walks over the markers of a picture, and over the entropy-coded data between them.
struct Markers<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Markers<'a> {
    fn new(data: &'a [u8]) -> Result<Self, JpegError> {
        if data.starts_with(&[0xff, START_OF_IMAGE]) {
            Ok(Self { data, at: 2 })
        } else {
            Err(JpegError::NotJpeg)
        }
    }

    /// `None` at the end of the data, also in the middle of a segment.
    fn next(&mut self) -> Option<Marker<'a>> {
        loop {
            let (kind, at) = next_marker(self.data, self.at)?;
            self.at = at + 2;
            match kind {
                // Restart markers and TEM have no segment.
                0xd0..=0xd7 | 0x01 => {}
                START_OF_IMAGE | END_OF_IMAGE => return Some(Marker { kind, at, segment: &[] }),
                _ => {
                    let segment = segment(self.data, self.at)?;
                    self.at += segment.len();
                    return Some(Marker { kind, at, segment });
                }
            }
        }
    }
}

/// The next marker at or after `from`, and the offset of its FF. A zero after FF is data, a second FF is padding.
fn next_marker(data: &[u8], from: usize) -> Option<(u8, usize)> {
    let mut at = from;
    loop {
        at += data.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        match *data.get(at + 1)? {
            0x00 => at += 2,
            0xff => at += 1,
            marker => return Some((marker, at)),
        }
    }
}

/// The segment at offset `at`. It begins with its own length.
fn segment(data: &[u8], at: usize) -> Option<&[u8]> {
    let rest = data.get(at..)?;
    let length = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
    rest.get(..length.max(2))
}

/// The EXIF data of a picture, if it has any.
pub(crate) fn exif(data: &[u8]) -> Option<&[u8]> {
    let mut markers = Markers::new(data).ok()?;
    loop {
        match markers.next()? {
            Marker { kind: EXIF, segment, .. } if segment.get(2..8) == Some(b"Exif\0\0") => {
                return segment.get(8..);
            }
            Marker { kind: START_OF_SCAN | END_OF_IMAGE, .. } => return None,
            _ => {}
        }
    }
}

/// Decodes the luma of `data`, which has this `layout`, into `luma`: one byte per pixel, without padding.
///
/// # Errors
/// [`JpegError`]; the contents of `luma` are undefined then. `Cut` if not all of the picture is in the data.
pub fn decode(data: &[u8], layout: &Layout, luma: &mut Vec<u8>) -> Result<(), JpegError> {
    let data = data.get(..layout.end).unwrap_or(data);
    luma.resize(layout.size.area(), 0);
    let mut picture = Picture {
        tables: tables::standard(),
        quantization: [None; 4],
        has_jfif: false,
        adobe_transform: None,
        frame: None,
        stored: None,
    };
    let mut markers = Markers::new(data)?;
    let mut scans = 0;
    while let Some(Marker { kind, segment, .. }) = markers.next() {
        match kind {
            START_OF_IMAGE | END_OF_IMAGE => break,
            START_OF_SCAN => {
                scans += 1;
                match picture.scan(data, markers.at, segment, luma)? {
                    Progress::Complete => return Ok(()),
                    Progress::Decoded(end) => markers.at = end,
                    Progress::Skipped => {}
                }
                if scans == MAX_SCANS {
                    return Err(JpegError::Damaged(format!("it has more than {MAX_SCANS} scans")));
                }
            }
            kind => picture.read(kind, segment, layout.size)?,
        }
    }
    picture.finish(layout.size, luma)
}

/// What a scan has achieved.
enum Progress {
    /// The luma is complete; later scans are chroma.
    Complete,
    /// The next marker is at or after this offset.
    Decoded(usize),
    /// The scan has no part in the luma.
    Skipped,
}

/// State of the decoder within a picture.
struct Picture {
    tables: Tables,
    quantization: [Option<Quantization>; 4],
    has_jfif: bool,
    /// Transform of colours from the marker segment of Adobe.
    adobe_transform: Option<u8>,
    frame: Option<FrameHeader>,
    /// Coefficients, where several scans or components make the luma.
    stored: Option<Stored>,
}

impl Picture {
    /// Reads a header or table. `size` is that of the first frame header.
    fn read(&mut self, kind: u8, segment: &[u8], size: Size) -> Result<(), JpegError> {
        match kind {
            QUANTIZATION_TABLES => read_quantization(segment, &mut self.quantization)?,
            HUFFMAN_TABLES => read_huffman(segment, &mut self.tables)?,
            RESTART_INTERVAL => {
                let [_, _, high, low, ..] = segment else {
                    return Err(JpegError::Damaged("its restart interval is invalid".into()));
                };
                self.tables.restart_interval = u16::from_be_bytes([*high, *low]).into();
            }
            JFIF => self.has_jfif |= segment.get(2..7) == Some(b"JFIF\0"),
            ADOBE if segment.get(2..7) == Some(b"Adobe") => self.adobe_transform = segment.get(13).copied(),
            kind if is_frame(kind) => {
                let frame = FrameHeader::parse(kind, segment)?;
                if self.frame.is_some() || frame.size != size {
                    return Err(JpegError::Damaged("it has two frame headers".into()));
                }
                self.frame = Some(frame);
            }
            _ => {}
        }
        Ok(())
    }

    /// Decodes the scan whose header is `segment` and whose data begin at the offset `at`.
    fn scan(
        &mut self,
        data: &[u8],
        at: usize,
        segment: &[u8],
        luma: &mut [u8],
    ) -> Result<Progress, JpegError> {
        let frame =
            self.frame.as_ref().ok_or_else(|| JpegError::Damaged("its frame header is missing".into()))?;
        let scan = Scan::parse(segment, frame)?;
        let colour = frame.colour(self.has_jfif, self.adobe_transform);
        if !scan.components.iter().any(|component| colour.needed().contains(&component.index)) {
            return Ok(Progress::Skipped);
        }
        let decoder = ScanDecoder::new(frame, &self.tables, &scan, data, at);
        if colour == Colour::Luma && !frame.progressive && frame.is_full(0) {
            decoder.run(&mut Direct::new(frame, &self.quantization, luma)?)?;
            return Ok(Progress::Complete);
        }
        if self.stored.is_none() {
            self.stored = Some(Stored::new(frame, colour)?);
        }
        let Some(stored) = &mut self.stored else { return Ok(Progress::Skipped) };
        stored.begin(frame, &scan, &self.quantization)?;
        decoder.run(stored).map(Progress::Decoded)
    }

    /// Computes the luma from the stored coefficients.
    fn finish(self, size: Size, luma: &mut [u8]) -> Result<(), JpegError> {
        match (self.stored, self.frame) {
            (Some(stored), Some(frame)) => stored.render(&frame, luma),
            _ => Err(JpegError::Cut { lines: 0, height: size.height }),
        }
    }
}
