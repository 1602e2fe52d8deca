//! Reads a picture file into an upright grey frame.
//!
//! JPEG uses the same luma-only decoder as the pictures of a camera. Colour PNG and WebP pictures are converted to the
//! luma that a JPEG of the same picture would have, so that the networks see the same values in every format. No
//! colour picture of the largest size exists in memory: PNG is converted line by line, and large WebP pictures are
//! refused.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat};
use png::{ColorType, Transformations};
use thiserror::Error;

use crate::jpeg::{self, JpegError, luma_of_rgb};
use crate::{Frame, MAX_PIXELS, PixelFormat, Size};

/// Largest size of the memory for decoding, in bytes. The service has 384 MB, of which the networks take a third.
const MAX_DECODER_BYTES: usize = 128_000_000;
/// Largest JPEG or WebP file, in bytes: one byte for each pixel of the largest picture.
const MAX_FILE_BYTES: u64 = MAX_PIXELS as u64;

/// Reasons why a file cannot be read as a picture.
#[derive(Debug, Error)]
pub enum PictureError {
    /// The file cannot be read.
    #[error("cannot be read")]
    Read(#[from] std::io::Error),
    /// The file is empty.
    #[error("is empty")]
    Empty,
    /// The file has another format.
    #[error("is not a JPEG, PNG or WebP picture")]
    NotAPicture,
    /// The picture has more than [`MAX_PIXELS`] pixels.
    #[error("is a picture of {0}, larger than {megapixels} megapixels", megapixels = MAX_PIXELS / 1_000_000)]
    TooLarge(Size),
    /// The file or the decoded picture needs more than the allowed memory.
    #[error("needs too much memory: save it as a JPEG without \"progressive\", or make it smaller")]
    TooManyBytes,
    /// The picture is incomplete or inconsistent.
    #[error("is damaged: {0}")]
    Damaged(String),
}

/// Reads the JPEG, PNG or WebP picture at `path` as a [`PixelFormat::Grey`] frame without padding. The picture is
/// rotated according to its EXIF orientation.
///
/// # Errors
/// [`PictureError`]; its text continues a sentence that begins with the file name.
pub fn load_picture(path: &Path) -> Result<Frame, PictureError> {
    let mut file = BufReader::new(File::open(path)?);
    // The decoders are third-party code and the file is untrusted data. A panic must not end the daemon.
    let (luma, orientation) = catch_unwind(AssertUnwindSafe(|| decode(&mut file)))
        .unwrap_or_else(|_| Err(PictureError::Damaged("the decoder failed".into())))?;
    let mut picture = DynamicImage::ImageLuma8(luma);
    picture.apply_orientation(orientation);
    let luma = picture.into_luma8();
    let size = Size::from(luma.dimensions());
    Ok(Frame {
        captured_at: Instant::now(),
        sequence: 0,
        format: PixelFormat::Grey,
        size,
        stride: size.width as usize,
        data: luma.into_raw(),
    })
}

/// Halves width and height until the frame, a plain luma plane, has at most `max_pixels`. Each pixel is the mean of
/// four.
pub(super) fn shrink(mut frame: Frame, max_pixels: usize) -> Frame {
    while frame.size.area() > max_pixels && frame.size.width > 1 && frame.size.height > 1 {
        let (width, half) = (frame.stride, Size::new(frame.size.width / 2, frame.size.height / 2));
        let mut to = 0;
        // In place: every pixel is read before it is overwritten.
        for y in 0..half.height as usize {
            for x in 0..half.width as usize {
                let at = 2 * y * width + 2 * x;
                let four = [at, at + 1, at + width, at + width + 1].map(|at| u16::from(frame.data[at]));
                frame.data[to] = ((four.iter().sum::<u16>() + 2) / 4) as u8;
                to += 1;
            }
        }
        frame.data.truncate(to);
        frame.data.shrink_to_fit();
        (frame.size, frame.stride) = (half, half.width as usize);
    }
    frame
}

/// The luma as in the file, and how it must be rotated.
fn decode(file: &mut (impl BufRead + Seek)) -> Result<(GrayImage, Orientation), PictureError> {
    let start = file.fill_buf()?;
    if start.is_empty() {
        return Err(PictureError::Empty);
    }
    match image::guess_format(start) {
        Ok(ImageFormat::Jpeg) => jpeg(&all_bytes(file)?),
        Ok(ImageFormat::Png) => png(file),
        Ok(ImageFormat::WebP) => webp(&all_bytes(file)?),
        _ => Err(PictureError::NotAPicture),
    }
}

fn all_bytes(file: &mut impl Read) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES { Err(PictureError::TooManyBytes) } else { Ok(bytes) }
}

fn plane(size: Size, luma: Vec<u8>) -> Result<GrayImage, PictureError> {
    GrayImage::from_raw(size.width, size.height, luma)
        .ok_or_else(|| PictureError::Damaged("lines are missing".into()))
}

fn check_size(size: Size) -> Result<(), PictureError> {
    if size.area() > MAX_PIXELS { Err(PictureError::TooLarge(size)) } else { Ok(()) }
}

fn orientation(exif: Option<&[u8]>) -> Orientation {
    exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
}

fn jpeg(bytes: &[u8]) -> Result<(GrayImage, Orientation), PictureError> {
    let mut luma = Vec::new();
    let decoded = jpeg::Layout::parse(bytes)
        .and_then(|layout| jpeg::decode(bytes, &layout, &mut luma).map(|()| layout.size));
    match decoded {
        Ok(size) => Ok((plane(size, luma)?, orientation(jpeg::exif(bytes)))),
        Err(JpegError::TooLarge(size)) => Err(PictureError::TooLarge(size)),
        Err(JpegError::TooManyBytes(_)) => Err(PictureError::TooManyBytes),
        Err(error) => Err(PictureError::Damaged(error.to_string())),
    }
}

/// Decodes PNG line by line, because a decoded picture of the largest size would take four times the memory.
fn png(file: &mut (impl BufRead + Seek)) -> Result<(GrayImage, Orientation), PictureError> {
    let mut decoder = png::Decoder::new_with_limits(file, png::Limits { bytes: MAX_DECODER_BYTES });
    // Palettes are expanded, and each sample has 8 bits.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let size = Size::from(decoder.read_header_info().map_err(png_fault)?.size());
    check_size(size)?;
    let mut reader = decoder.read_info().map_err(png_fault)?;
    let (colour, _) = reader.output_color_type();
    let mut luma = Vec::new();
    if reader.info().interlaced {
        // The lines come in seven passes, so the whole picture must be decoded first.
        let bytes = reader.output_buffer_size().filter(|bytes| *bytes <= MAX_DECODER_BYTES);
        let mut pixels = vec![0; bytes.ok_or(PictureError::TooManyBytes)?];
        reader.next_frame(&mut pixels).map_err(png_fault)?;
        append_luma(colour, &pixels, &mut luma);
    } else {
        luma.reserve_exact(size.area());
        while luma.len() < size.area()
            && let Some(row) = reader.next_row().map_err(png_fault)?
        {
            append_luma(colour, row.data(), &mut luma);
        }
    }
    // Metadata may follow the pixels. What is wrong behind the pixels does not matter.
    let _ = reader.finish();
    let orientation = orientation(reader.info().exif_metadata.as_deref());
    Ok((plane(size, luma)?, orientation))
}

fn append_luma(colour: ColorType, pixels: &[u8], luma: &mut Vec<u8>) {
    match colour {
        ColorType::Grayscale => luma.extend_from_slice(pixels),
        ColorType::GrayscaleAlpha => luma.extend(pixels.chunks_exact(2).map(|pixel| pixel[0])),
        ColorType::Rgb | ColorType::Indexed => append_rgb_luma(3, pixels, luma),
        ColorType::Rgba => append_rgb_luma(4, pixels, luma),
    }
}

/// Appends the luma of pixels that begin with red, green and blue.
fn append_rgb_luma(bytes_per_pixel: usize, pixels: &[u8], luma: &mut Vec<u8>) {
    let pixels = pixels.chunks_exact(bytes_per_pixel);
    luma.extend(pixels.map(|pixel| luma_of_rgb([pixel[0], pixel[1], pixel[2]])));
}

fn png_fault(error: png::DecodingError) -> PictureError {
    match error {
        png::DecodingError::LimitsExceeded => PictureError::TooManyBytes,
        error => PictureError::Damaged(error.to_string()),
    }
}

/// Decodes WebP, whose decoder needs the whole picture in colour.
fn webp(bytes: &[u8]) -> Result<(GrayImage, Orientation), PictureError> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(fault)?;
    let size = Size::from(decoder.dimensions());
    check_size(size)?;
    // The decoder keeps as much again for itself.
    let length = decoder.total_bytes();
    if 2 * length > MAX_DECODER_BYTES as u64 {
        return Err(PictureError::TooManyBytes);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let bytes_per_pixel = decoder.color_type().bytes_per_pixel().into();
    let mut pixels = vec![0; length as usize];
    decoder.read_image(&mut pixels).map_err(fault)?;
    let mut luma = Vec::with_capacity(size.area());
    append_rgb_luma(bytes_per_pixel, &pixels, &mut luma);
    Ok((plane(size, luma)?, orientation))
}

fn fault(error: ImageError) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooManyBytes,
        ImageError::Unsupported(_) => PictureError::NotAPicture,
        error => PictureError::Damaged(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::testing::{SceneJpeg, smooth_scene};
    use image::RgbImage;
    use jpeg_encoder::{ColorType as JpegColour, Encoder};

    fn load(bytes: &[u8]) -> Result<Frame, PictureError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        load_picture(file.path())
    }

    fn message(bytes: &[u8]) -> String {
        load(bytes).expect_err("is not a picture").to_string()
    }

    fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn colourful(size: Size) -> DynamicImage {
        RgbImage::from_fn(size.width, size.height, |x, y| image::Rgb([(2 * x) as u8, (3 * y) as u8, 90]))
            .into()
    }

    #[test]
    fn a_picture_has_the_same_luma_in_every_format() {
        let picture = colourful(Size::new(100, 60));
        let mut jpeg = Vec::new();
        Encoder::new(&mut jpeg, 100).encode(picture.as_bytes(), 100, 60, JpegColour::Rgb).unwrap();
        let reference = load(&encoded(&picture, ImageFormat::Png)).unwrap();
        assert_eq!((reference.size, reference.stride), (Size::new(100, 60), 100));
        assert_eq!(reference.data[0], 10, "0.114 * 90");
        for bytes in [encoded(&picture, ImageFormat::WebP), jpeg] {
            let frame = load(&bytes).unwrap();
            assert_eq!(frame.size, reference.size);
            assert!(frame.data.iter().zip(&reference.data).all(|(a, b)| a.abs_diff(*b) <= 2));
        }
    }

    #[test]
    fn sixteen_bits_alpha_and_grey_are_supported() {
        let picture = colourful(Size::new(9, 5));
        let reference = load(&encoded(&picture, ImageFormat::Png)).unwrap();
        for other in [DynamicImage::from(picture.to_rgb16()), DynamicImage::from(picture.to_rgba8())] {
            assert_eq!(load(&encoded(&other, ImageFormat::Png)).unwrap().data, reference.data);
        }
        let grey = GrayImage::from_raw(9, 5, reference.data.clone()).unwrap();
        assert_eq!(load(&encoded(&grey.into(), ImageFormat::Png)).unwrap().data, reference.data);
    }

    #[test]
    fn jpeg_is_rotated_by_its_exif_orientation() {
        // TIFF, big-endian, one entry: tag 0x0112 (orientation), short, count 1, value 6 (turn right).
        let exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let (size, mut jpeg) = (Size::new(40, 24), Vec::new());
        let luma = smooth_scene(size, 3);
        let mut encoder = Encoder::new(&mut jpeg, 100);
        encoder.add_exif_metadata(exif).unwrap();
        encoder.encode(&luma, 40, 24, JpegColour::Luma).unwrap();
        let frame = load(&jpeg).unwrap();
        assert_eq!((frame.size, frame.stride), (Size::new(24, 40), 24));
        for (x, y) in [(0, 0), (23, 0), (5, 33), (23, 39)] {
            let expected = luma[(23 - x) * 40 + y];
            assert!(frame.data[y * 24 + x].abs_diff(expected) <= 2, "at {x}, {y}");
        }
    }

    #[test]
    fn invalid_files_are_reported_by_kind() {
        assert_eq!(message(b""), "is empty");
        assert_eq!(message(b"Dear colleagues, attached please find"), "is not a JPEG, PNG or WebP picture");
        assert_eq!(message(b"GIF89a\x01\0\x01\0\0\0\0"), "is not a JPEG, PNG or WebP picture");
        let missing = load_picture(Path::new("/nowhere/a.jpg")).expect_err("does not exist");
        assert!(matches!(missing, PictureError::Read(_)));
        let jpeg = SceneJpeg::default().encode();
        let cut = message(&jpeg[..jpeg.len() / 2]);
        assert!(cut.starts_with("is damaged: JPEG picture is incomplete: "), "{cut}");
        for format in [ImageFormat::Png, ImageFormat::WebP] {
            let whole = encoded(&colourful(Size::new(64, 64)), format);
            let cut = message(&whole[..whole.len() / 2]);
            assert!(cut.starts_with("is damaged: "), "{cut}");
        }
    }

    #[test]
    fn the_smallest_and_the_widest_pictures_are_correct() {
        for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg] {
            let one = DynamicImage::from(RgbImage::from_pixel(1, 1, image::Rgb([200; 3])));
            let frame = load(&encoded(&one, format)).unwrap();
            assert_eq!(frame.size, Size::new(1, 1));
            assert!(frame.data[0].abs_diff(200) <= 2);
        }
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let wide = DynamicImage::from(GrayImage::from_pixel(20_000, 3, image::Luma([77])));
            let frame = load(&encoded(&wide, format)).unwrap();
            assert_eq!((frame.size, frame.data.len()), (Size::new(20_000, 3), 60_000));
            assert!(frame.data.iter().all(|luma| luma.abs_diff(77) <= 2));
        }
    }

    /// A PNG picture of one grey level, made of one line that is written again and again.
    fn large_png(size: Size, colour: ColorType) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut encoder =
            png::Encoder::new(std::io::BufWriter::new(file.reopen().unwrap()), size.width, size.height);
        encoder.set_color(colour);
        encoder.set_compression(png::Compression::Fastest);
        let mut writer = encoder.write_header().unwrap();
        let mut stream = writer.stream_writer().unwrap();
        let line = vec![90; colour.samples() * size.width as usize];
        for _ in 0..size.height {
            std::io::Write::write_all(&mut stream, &line).unwrap();
        }
        stream.finish().unwrap();
        file
    }

    /// Peak of the memory of this process, in megabytes.
    fn peak_megabytes() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    #[test]
    fn the_largest_rgba_picture_takes_two_bytes_a_pixel_at_most() {
        let file = large_png(Size::new(8_000, 8_000), ColorType::Rgba);
        let frame = load_picture(file.path()).unwrap();
        assert_eq!((frame.size, frame.data.len()), (Size::new(8_000, 8_000), MAX_PIXELS));
        // Before: 464 MB. The peak is that of all tests of this process.
        assert!(peak_megabytes() < 250, "{} MB", peak_megabytes());
        let frame = shrink(frame, 16_000_000);
        assert_eq!((frame.size, frame.data.len(), frame.data[0]), (Size::new(4_000, 4_000), 16_000_000, 90));
        assert!(frame.data.capacity() < 17_000_000);
    }

    #[test]
    fn a_shrunk_pixel_is_the_mean_of_four() {
        let (size, format) = (Size::new(5, 3), PixelFormat::Grey);
        let data = vec![10, 20, 1, 1, 9, 30, 41, 1, 1, 9, 9, 9, 9, 9, 9];
        let frame = Frame { captured_at: Instant::now(), sequence: 7, format, size, stride: 5, data };
        let small = shrink(frame, 6);
        assert_eq!((small.size, small.stride, small.data), (Size::new(2, 1), 2, vec![25, 1]));
    }

    #[test]
    fn interlaced_and_palette_pictures_are_read() {
        // 2x2 pixels with a palette of red and white, each line one byte of two indices of one bit.
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 2, 2);
        encoder.set_color(ColorType::Indexed);
        encoder.set_depth(png::BitDepth::One);
        encoder.set_palette(vec![255, 0, 0, 255, 255, 255]);
        encoder.write_header().unwrap().write_image_data(&[0b0100_0000, 0b1000_0000]).unwrap();
        assert_eq!(load(&bytes).unwrap().data, [76, 255, 255, 76]);
        // The same with the interlace flag. The passes of a single pixel and of one column are in this order:
        // pixel (0, 0), pixel (1, 0), then line 1.
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
        encoder.set_color(ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(&[42]).unwrap();
        bytes[28] = 1;
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(load(&bytes).unwrap().data, [42]);
    }

    #[test]
    fn a_large_webp_picture_is_refused_before_it_is_decoded() {
        // The header of a lossless picture of 8000x8000 pixels with alpha.
        let size = (7_999_u32 | 7_999 << 14 | 1 << 28).to_le_bytes();
        let mut bytes = b"RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f".to_vec();
        bytes.extend_from_slice(&size);
        bytes.extend_from_slice(&[0; 5]);
        assert!(message(&bytes).starts_with("needs too much memory: "), "{}", message(&bytes));
    }

    #[test]
    fn more_than_64_megapixels_are_refused_before_they_are_decoded() {
        // A valid PNG header with a size of 20,000 x 20,000 pixels and no pixel data.
        let mut png = encoded(&GrayImage::new(1, 1).into(), ImageFormat::Png);
        png[16..24].copy_from_slice(&[0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20]);
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(message(&png), "is a picture of 20000x20000, larger than 64 megapixels");
    }

    /// The checksum of PNG chunks (ISO 3309).
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        })
    }
}
