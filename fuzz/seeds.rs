//! Writes the initial corpus, so that the repository needs no pictures: `cargo run --bin seeds`.

use std::path::Path;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

const WIDTH: u16 = 40;
const HEIGHT: u16 = 24;

/// One input for the target `luma`.
fn luma_input(format: u8, stride: u16, data: &[u8]) -> Vec<u8> {
    let numbers = [WIDTH, HEIGHT, stride].map(u16::to_le_bytes).concat();
    [&[format], numbers.as_slice(), data].concat()
}

fn jpeg(sampling: SamplingFactor, progressive: bool, restart_interval: u16) -> Vec<u8> {
    let pixels: Vec<u8> =
        (0..usize::from(WIDTH) * usize::from(HEIGHT) * 3).map(|at| (at * at / 97) as u8).collect();
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 60);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(progressive);
    encoder.set_restart_interval(restart_interval);
    encoder.encode(&pixels, WIDTH, HEIGHT, ColorType::Ycbcr).expect("a valid picture");
    jpeg
}

/// The picture without its DHT segments, as MJPEG cameras send it.
fn without_huffman_tables(jpeg: &[u8]) -> Vec<u8> {
    let (mut bytes, mut at) = (jpeg[..2].to_vec(), 2);
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != 0xc4 {
            bytes.extend_from_slice(&jpeg[at..end]);
        }
        at = end;
    }
    bytes.extend_from_slice(&jpeg[at..]);
    bytes
}

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let (luma, tensor) = (corpus.join("luma"), corpus.join("tensor"));
    std::fs::create_dir_all(&luma)?;
    std::fs::create_dir_all(&tensor)?;
    let raw = vec![7; usize::from(WIDTH) * usize::from(HEIGHT) * 2];
    for (format, stride) in [(0, WIDTH), (1, WIDTH), (2, 2 * WIDTH)] {
        std::fs::write(luma.join(format!("raw-{format}")), luma_input(format, stride, &raw))?;
    }
    for sampling in [SamplingFactor::R_4_4_4, SamplingFactor::R_4_2_2, SamplingFactor::R_4_2_0] {
        for (progressive, restart_interval) in [(false, 0), (false, 2), (true, 0)] {
            let jpeg = jpeg(sampling, progressive, restart_interval);
            let name = format!("jpeg-{sampling:?}-{progressive}-{restart_interval}");
            std::fs::write(luma.join(&name), luma_input(3, 0, &jpeg))?;
            std::fs::write(luma.join(name + "-bare"), luma_input(3, 0, &without_huffman_tables(&jpeg)))?;
        }
    }
    for value in [0u8, 0x7f, 0x80, 0xff] {
        let tensors = [[4, 128, 115].as_slice(), &[16; 12], &[value; 400]].concat();
        std::fs::write(tensor.join(format!("flat-{value:02x}")), tensors)?;
    }
    Ok(())
}
