//! Time of luma decoding for each pixel format at 1280x720: `cargo bench --bench luma`.

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use moodring_camera::{Frame, PixelFormat, Size};
use moodring_vision::luma::LumaDecoder;

const SIZE: Size = Size::new(1280, 720);

/// A scene with edges and grain. Its JPEG of quality 85 has 0.7 bits per pixel; webcams send once to twice as much.
fn scene() -> impl Iterator<Item = [u8; 3]> {
    let wave = |at: u32, period: f32| (at as f32 / period).sin();
    (0..SIZE.height).flat_map(move |y| {
        (0..SIZE.width).map(move |x| {
            let block = if (x / 40 + y / 60) % 3 == 0 { 50.0 } else { 0.0 };
            let grain = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) >> 13 & 7;
            let luma = 90.0 + 40.0 * wave(x, 71.0) + 30.0 * wave(y, 53.0) + block + grain as f32;
            [luma as u8, (128.0 + 30.0 * wave(x, 97.0)) as u8, (128.0 + 30.0 * wave(y, 89.0)) as u8]
        })
    })
}

fn jpeg(sampling: SamplingFactor) -> Vec<u8> {
    let pixels: Vec<u8> = scene().flatten().collect();
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 85);
    encoder.set_sampling_factor(sampling);
    encoder.encode(&pixels, 1280, 720, ColorType::Ycbcr).expect("a valid picture");
    jpeg
}

fn frame(format: PixelFormat, stride: usize, data: Vec<u8>) -> Frame {
    Frame { captured_at: Instant::now(), sequence: 0, format, size: SIZE, stride, data }
}

fn luma(criterion: &mut Criterion) {
    let width = SIZE.width as usize;
    let yuyv = scene().flat_map(|[luma, chroma, _]| [luma, chroma]).collect();
    let cases = [
        ("grey", frame(PixelFormat::Grey, width, scene().map(|[luma, ..]| luma).collect())),
        ("yuyv", frame(PixelFormat::Yuyv, 2 * width, yuyv)),
        ("mjpeg 4:2:2", frame(PixelFormat::Mjpeg, 0, jpeg(SamplingFactor::R_4_2_2))),
        ("mjpeg 4:2:0", frame(PixelFormat::Mjpeg, 0, jpeg(SamplingFactor::R_4_2_0))),
    ];
    let mut group = criterion.benchmark_group("luma 1280x720");
    for (name, frame) in &cases {
        let mut decoder = LumaDecoder::default();
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                decoder
                    .decode(black_box(frame))
                    .map(|luma| black_box(luma.line(719)[0]))
                    .expect("a whole frame")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, luma);
criterion_main!(benches);
