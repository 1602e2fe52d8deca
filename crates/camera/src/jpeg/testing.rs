//! JPEG pictures of a known scene, for tests here and in `vision`.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

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
    /// One scan for each component, as programs that optimize Huffman tables write it.
    pub separate_scans: bool,
}

impl Default for SceneJpeg {
    fn default() -> Self {
        let size = Size::new(64, 48);
        let sampling = Some((2, 1));
        Self {
            size,
            phase: 0,
            sampling,
            restart_interval: 0,
            progressive: false,
            without_tables: false,
            separate_scans: false,
        }
    }
}

impl SceneJpeg {
    /// The file.
    pub fn encode(&self) -> Vec<u8> {
        let mut jpeg = Vec::new();
        let mut encoder = Encoder::new(&mut jpeg, 100);
        encoder.set_progressive(self.progressive);
        encoder.set_restart_interval(self.restart_interval);
        encoder.set_optimized_huffman_tables(self.separate_scans);
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
