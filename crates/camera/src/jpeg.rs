//! Decodes JPEG pictures to luma, for MJPEG cameras and for picture files.
//!
//! Chroma is skipped, so no colour picture exists in memory. Huffman tables that a camera omits are added, and bytes
//! after the end marker are cut off. Panics of the decoder are caught, because it is third-party code that reads
//! untrusted data.

use std::panic::{AssertUnwindSafe, catch_unwind};

use thiserror::Error;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::{MAX_PIXELS, Size};

/// Reasons why a JPEG picture cannot be decoded to luma.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JpegError {
    /// The data do not begin with a JPEG start marker.
    #[error("not a JPEG picture: it does not begin with FF D8")]
    NotJpeg,
    /// The end marker is missing, for example because part of a transfer was lost.
    #[error("JPEG picture is incomplete: {0} bytes without an end marker")]
    Cut(usize),
    /// It has more than [`MAX_PIXELS`] pixels.
    #[error("JPEG picture of {0} is larger than {megapixels} megapixels", megapixels = MAX_PIXELS / 1_000_000)]
    TooLarge(Size),
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

/// Structure of a JPEG picture, from its markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Size of the picture.
    pub size: Size,
    /// Length of the picture in bytes, including its end marker. The bytes after it do not belong to the picture.
    pub end: usize,
    first_scan: usize,
    has_huffman_tables: bool,
}

impl Layout {
    /// Reads all markers up to the end of the picture.
    pub fn parse(data: &[u8]) -> Result<Self, JpegError> {
        if !data.starts_with(&[0xff, START_OF_IMAGE]) {
            return Err(JpegError::NotJpeg);
        }
        let cut = JpegError::Cut(data.len());
        let (mut size, mut first_scan, mut has_huffman_tables) = (None, None, false);
        let mut at = 2;
        loop {
            let (marker, start) = next_marker(data, at).ok_or(cut.clone())?;
            at = start + 2;
            match marker {
                END_OF_IMAGE => break,
                // Restart markers, a second start marker and TEM have no segment.
                START_OF_IMAGE | 0xd0..=0xd7 | 0x01 => continue,
                _ => {}
            }
            let segment = segment(data, at).ok_or(cut.clone())?;
            at += segment.len();
            match marker {
                0xc0..=0xc2 => size = size.or(Some(frame_size(marker, segment)?)),
                0xc3 | 0xc5..=0xc7 | 0xcd..=0xcf => {
                    return Err(JpegError::Unsupported("it uses lossless coding"));
                }
                0xc9..=0xcb => return Err(JpegError::Unsupported("it uses arithmetic coding")),
                HUFFMAN_TABLES => has_huffman_tables = true,
                START_OF_SCAN => first_scan = first_scan.or(Some(start)),
                _ => {}
            }
        }
        match (size, first_scan) {
            (Some(size), Some(first_scan)) => {
                let layout = Self { size, end: at, first_scan, has_huffman_tables };
                layout.check_length().map(|()| layout)
            }
            _ => Err(JpegError::Damaged("it ends before its pixels begin".into())),
        }
    }

    /// Every block of 8x8 pixels takes at least one bit. This refuses short data with a huge size in the header.
    fn check_length(&self) -> Result<(), JpegError> {
        let blocks = self.size.width.div_ceil(8) as usize * self.size.height.div_ceil(8) as usize;
        let bytes = self.end - self.first_scan;
        if bytes < blocks / 8 {
            return Err(JpegError::Damaged(format!("{bytes} bytes cannot hold {}", self.size)));
        }
        Ok(())
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

/// Reads a frame header (length, precision, height, width, then three bytes a component; T.81 section B.2.2)
/// and refuses pictures for which the decoder would return wrong luma.
fn frame_size(marker: u8, segment: &[u8]) -> Result<Size, JpegError> {
    let [_, _, precision, h1, h0, w1, w0, count, components @ ..] = segment else {
        return Err(JpegError::Damaged("its frame header is too short".into()));
    };
    let size = Size::new(u16::from_be_bytes([*w1, *w0]).into(), u16::from_be_bytes([*h1, *h0]).into());
    if *precision != 8 {
        return Err(JpegError::Unsupported("it does not have 8 bits per sample"));
    }
    if size.width == 0 || size.height == 0 {
        return Err(JpegError::Damaged(format!("its size is {size}")));
    }
    if size.area() > MAX_PIXELS {
        return Err(JpegError::TooLarge(size));
    }
    let sampling: Vec<u8> = components.chunks_exact(3).map(|component| component[1]).collect();
    // zune-jpeg 0.5.15 returns wrong luma for 4:1:1 and for progressive 4:4:0, and correct luma for all of these.
    match (count, sampling.as_slice(), marker) {
        (1, [_], _) | (3, [0x11 | 0x21 | 0x22, 0x11, 0x11], _) | (3, [0x12, 0x11, 0x11], 0xc0 | 0xc1) => {
            Ok(size)
        }
        (1 | 3, ..) => Err(JpegError::Unsupported("its sampling factors are not supported")),
        _ => Err(JpegError::Unsupported("it has neither one nor three components")),
    }
}

/// Decodes JPEG pictures and reuses its buffer.
#[derive(Default)]
pub struct JpegDecoder {
    /// The picture with the standard Huffman tables added.
    completed: Vec<u8>,
}

impl JpegDecoder {
    /// Decodes the luma of `data`, which has this `layout`, into `luma`: one byte per pixel, without padding.
    ///
    /// # Errors
    /// [`JpegError`]; the contents of `luma` are undefined then.
    pub fn decode(&mut self, data: &[u8], layout: &Layout, luma: &mut Vec<u8>) -> Result<(), JpegError> {
        let picture = data.get(..layout.end).ok_or(JpegError::Cut(data.len()))?;
        let picture = if layout.has_huffman_tables {
            picture
        } else {
            let (head, scans) = picture.split_at(layout.first_scan);
            self.completed.clear();
            self.completed.extend_from_slice(head);
            append_standard_huffman_tables(&mut self.completed);
            self.completed.extend_from_slice(scans);
            &self.completed
        };
        luma.resize(layout.size.area(), 0);
        // The decoder uses values of damaged pictures as indices, and earlier versions panicked on some. After a
        // panic only `luma` is incomplete, and the caller gets an error.
        catch_unwind(AssertUnwindSafe(|| decode_luma(picture, layout.size, luma)))
            .unwrap_or_else(|_| Err(JpegError::Damaged("the decoder failed".into())))
    }
}

fn decode_luma(picture: &[u8], size: Size, luma: &mut [u8]) -> Result<(), JpegError> {
    // Without strict mode the decoder would fill missing parts with grey and report success.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(size.width as usize)
        .set_max_height(size.height as usize)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(picture), options);
    let damaged = |error: zune_jpeg::errors::DecodeErrors| JpegError::Damaged(error.to_string());
    decoder.decode_headers().map_err(damaged)?;
    if decoder.output_buffer_size() != Some(luma.len()) {
        return Err(JpegError::Damaged("it has two frame headers of different sizes".into()));
    }
    decoder.decode_into(luma).map_err(damaged)
}

/// Appends the typical Huffman tables (T.81 annex K.3). MJPEG cameras use them but do not send them.
fn append_standard_huffman_tables(jpeg: &mut Vec<u8>) {
    let tables: [(u8, [u8; 16], &[u8]); 4] = [
        (0x00, [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &DC_VALUES),
        (0x10, [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125], &AC_LUMA_VALUES),
        (0x01, [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &DC_VALUES),
        (0x11, [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119], &AC_CHROMA_VALUES),
    ];
    for (class_and_index, codes_of_length, values) in tables {
        // At most 19 + 162 bytes.
        let length = (2 + 1 + codes_of_length.len() + values.len()) as u16;
        jpeg.extend_from_slice(&[0xff, HUFFMAN_TABLES]);
        jpeg.extend_from_slice(&length.to_be_bytes());
        jpeg.push(class_and_index);
        jpeg.extend_from_slice(&codes_of_length);
        jpeg.extend_from_slice(values);
    }
}

/// T.81 tables K.3 and K.4.
const DC_VALUES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
/// T.81 table K.5.
const AC_LUMA_VALUES: [u8; 162] = *b"\
    \x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\
    \x23\x42\xb1\xc1\x15\x52\xd1\xf0\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\
    \x29\x2a\x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59\
    \x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89\
    \x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\
    \xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\
    \xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa";
/// T.81 table K.6.
const AC_CHROMA_VALUES: [u8; 162] = *b"\
    \x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\
    \xa1\xb1\xc1\x09\x23\x33\x52\xf0\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\
    \x27\x28\x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\
    \x59\x5a\x63\x64\x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87\
    \x88\x89\x8a\x92\x93\x94\x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\
    \xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\
    \xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa";

/// JPEG pictures of a known scene, for tests here and in `vision`.
#[cfg(any(test, feature = "testing"))]
#[expect(clippy::unwrap_used, reason = "tests may panic")]
pub mod testing {
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    use super::{HUFFMAN_TABLES, START_OF_SCAN};
    use crate::Size;

    /// Sampling ratio of luma to chroma, horizontal and vertical. `None` for a picture without chroma.
    pub type Sampling = Option<(u8, u8)>;
    /// 4:0:0, 4:4:4, 4:2:2, 4:2:0 and 4:4:0.
    pub const SAMPLINGS: [Sampling; 5] = [None, Some((1, 1)), Some((2, 1)), Some((2, 2)), Some((1, 2))];

    /// Luma that varies slowly, so that quantization at quality 100 changes it by at most two levels.
    pub fn smooth_scene(size: Size, phase: u32) -> Vec<u8> {
        let wave = |at: u32, period: f32| (at as f32 / period).sin();
        let pixel = |x, y| 128.0 + 60.0 * wave(x + phase, 17.0) + 50.0 * wave(y + 2 * phase, 23.0);
        (0..size.height).flat_map(|y| (0..size.width).map(move |x| pixel(x, y) as u8)).collect()
    }

    /// A smooth scene as a JPEG picture of one of the kinds that cameras send.
    #[derive(Debug, Clone, Copy)]
    pub struct SceneJpeg {
        /// Width and height in pixels.
        pub size: Size,
        /// Shifts the scene, so that consecutive pictures differ.
        pub phase: u32,
        /// Luma samples per chroma sample, across and down; `None`: grey.
        pub sampling: Sampling,
        /// MCUs between restart markers; 0: none.
        pub restart_interval: u16,
        /// Progressive instead of baseline.
        pub progressive: bool,
        /// Without Huffman tables, as MJPEG cameras send it.
        pub without_tables: bool,
    }

    impl Default for SceneJpeg {
        fn default() -> Self {
            let size = Size::new(64, 48);
            let sampling = Some((2, 1));
            Self { size, phase: 0, sampling, restart_interval: 0, progressive: false, without_tables: false }
        }
    }

    impl SceneJpeg {
        /// The file.
        pub fn encode(&self) -> Vec<u8> {
            let mut jpeg = Vec::new();
            let mut encoder = Encoder::new(&mut jpeg, 100);
            encoder.set_progressive(self.progressive);
            encoder.set_restart_interval(self.restart_interval);
            if let Some((across, down)) = self.sampling {
                encoder.set_sampling_factor(SamplingFactor::from_factors(across, down).unwrap());
            }
            let luma = smooth_scene(self.size, self.phase);
            let (width, height) = (self.size.width as u16, self.size.height as u16);
            match self.sampling {
                None => encoder.encode(&luma, width, height, ColorType::Luma).unwrap(),
                Some(_) => {
                    // Chroma is far from neutral. If it were mixed into the luma, every comparison would fail.
                    let ycbcr: Vec<u8> = luma.iter().flat_map(|y| [*y, 255 - *y, 40 + *y / 2]).collect();
                    encoder.encode(&ycbcr, width, height, ColorType::Ycbcr).unwrap();
                }
            }
            if self.without_tables { without_huffman_tables(&jpeg) } else { jpeg }
        }
    }

    /// The picture without DHT segments, as MJPEG cameras send it.
    fn without_huffman_tables(jpeg: &[u8]) -> Vec<u8> {
        let mut stripped = jpeg[..2].to_vec();
        let mut at = 2;
        loop {
            let length = 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            if jpeg[at + 1] == START_OF_SCAN {
                stripped.extend_from_slice(&jpeg[at..]);
                return stripped;
            }
            if jpeg[at + 1] != HUFFMAN_TABLES {
                stripped.extend_from_slice(&jpeg[at..at + length]);
            }
            at += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{SAMPLINGS, SceneJpeg, smooth_scene};
    use super::*;

    fn decode(jpeg: &[u8]) -> Result<Vec<u8>, JpegError> {
        let mut luma = Vec::new();
        let layout = Layout::parse(jpeg)?;
        JpegDecoder::default().decode(jpeg, &layout, &mut luma).map(|()| luma)
    }

    #[test]
    fn the_end_is_found_and_later_bytes_are_ignored() {
        for sampling in SAMPLINGS {
            let mut jpeg = SceneJpeg { sampling, restart_interval: 2, ..SceneJpeg::default() }.encode();
            let expected = decode(&jpeg).unwrap();
            let end = jpeg.len();
            // The rest of an older picture including its end marker, as in a camera's buffer.
            jpeg.extend_from_within(end / 2..);
            assert_eq!(Layout::parse(&jpeg).unwrap().end, end);
            assert_eq!(decode(&jpeg).unwrap(), expected);
        }
    }

    #[test]
    fn a_picture_without_its_end_is_incomplete() {
        let jpeg = SceneJpeg::default().encode();
        for keep in 2..jpeg.len() {
            assert_eq!(decode(&jpeg[..keep]), Err(JpegError::Cut(keep)));
        }
        assert_eq!(decode(&jpeg[..1]), Err(JpegError::NotJpeg));
        assert_eq!(decode(b""), Err(JpegError::NotJpeg));
    }

    #[test]
    fn an_end_marker_without_pixels_is_an_error() {
        let damaged = Err(JpegError::Damaged("it ends before its pixels begin".into()));
        assert_eq!(decode(&[0xff, 0xd8, 0xff, 0xd9]), damaged);
    }

    #[test]
    fn padding_between_restart_intervals_is_ignored() {
        // Common webcams add such padding. libjpeg reports it as "extraneous bytes before marker".
        let scene = SceneJpeg { restart_interval: 2, ..SceneJpeg::default() };
        let mut jpeg = scene.encode();
        let end = jpeg.len();
        jpeg.splice(end - 2..end - 2, [0x00, 0x11, 0x22]);
        assert_eq!(decode(&jpeg).unwrap(), decode(&scene.encode()).unwrap());
    }

    #[test]
    fn unsupported_kinds_are_named() {
        let with = |offset: usize, value: u8| {
            let mut jpeg = SceneJpeg::default().encode();
            let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
            jpeg[frame + offset] = value;
            jpeg[frame + 6] *= u8::from(offset != 5);
            decode(&jpeg).expect_err("is refused").to_string()
        };
        assert_eq!(with(1, 0xc3), "JPEG picture cannot be read as luma: it uses lossless coding");
        assert_eq!(with(1, 0xc9), "JPEG picture cannot be read as luma: it uses arithmetic coding");
        assert_eq!(with(4, 12), "JPEG picture cannot be read as luma: it does not have 8 bits per sample");
        assert_eq!(
            with(9, 4),
            "JPEG picture cannot be read as luma: it has neither one nor three components"
        );
        assert_eq!(
            with(11, 0x31),
            "JPEG picture cannot be read as luma: its sampling factors are not supported"
        );
        let jpeg = SceneJpeg::default().encode();
        let scan = jpeg.len() - jpeg.windows(2).position(|pair| pair == [0xff, START_OF_SCAN]).unwrap();
        assert_eq!(with(5, 0), "JPEG picture is damaged: its size is 64x0");
        assert_eq!(with(5, 0xff), format!("JPEG picture is damaged: {scan} bytes cannot hold 64x65280"));
    }

    /// The sizes include less than a block, whole blocks, one pixel more, odd and even.
    #[test]
    fn every_size_and_sampling_is_decoded_correctly_or_refused() {
        const LENGTHS: [u32; 8] = [1, 7, 8, 9, 16, 17, 33, 64];
        let sizes = LENGTHS.iter().flat_map(|width| LENGTHS.map(|height| Size::new(*width, height)));
        for (size, progressive) in sizes.flat_map(|size| [(size, false), (size, true)]) {
            for sampling in SAMPLINGS.into_iter().chain([Some((4, 1))]) {
                let scene = SceneJpeg { size, sampling, progressive, ..SceneJpeg::default() };
                match decode(&scene.encode()) {
                    Ok(luma) => {
                        let mut pairs = luma.iter().zip(smooth_scene(size, 0));
                        assert!(pairs.all(|(luma, expected)| luma.abs_diff(expected) <= 2), "{scene:?}");
                    }
                    Err(error) => {
                        assert!(sampling == Some((4, 1)) || (progressive && sampling == Some((1, 2))));
                        assert_eq!(error, JpegError::Unsupported("its sampling factors are not supported"));
                    }
                }
            }
        }
    }

    #[test]
    fn a_picture_without_huffman_tables_is_decoded_with_the_standard_ones() {
        for restart_interval in [0, 4] {
            let scene = SceneJpeg { without_tables: true, restart_interval, ..SceneJpeg::default() };
            let with_tables = SceneJpeg { without_tables: false, ..scene };
            assert!(scene.encode().len() + 400 < with_tables.encode().len());
            assert_eq!(decode(&scene.encode()).unwrap(), decode(&with_tables.encode()).unwrap());
            let (luma, expected) = (decode(&scene.encode()).unwrap(), smooth_scene(scene.size, 0));
            assert!(luma.iter().zip(&expected).all(|(luma, expected)| luma.abs_diff(*expected) <= 2));
        }
    }
}
