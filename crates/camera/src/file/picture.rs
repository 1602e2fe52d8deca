//! Reads a picture file into an upright grey frame.
//!
//! JPEG uses the same luma-only decoder as the pictures of a camera. Colour PNG and WebP pictures are converted to the
//! luma that a JPEG of the same picture would have, so that the networks see the same values in every format.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageReader, Limits, RgbImage};
use thiserror::Error;

use crate::jpeg::{JpegDecoder, JpegError, Layout};
use crate::{Frame, MAX_PIXELS, PixelFormat, Size};

/// Largest size in bytes of a picture file, and of the memory for decoding it: 64 megapixels of RGBA.
const MAX_BYTES: u64 = 4 * MAX_PIXELS as u64;

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
    #[error("needs more than {megabytes} MB of memory", megabytes = MAX_BYTES / 1_000_000)]
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
    let length = std::fs::metadata(path)?.len();
    match length {
        0 => return Err(PictureError::Empty),
        length if length > MAX_BYTES => return Err(PictureError::TooManyBytes),
        _ => {}
    }
    let bytes = std::fs::read(path)?;
    // The decoders are third-party code and the file is untrusted data. A panic must not end the daemon.
    let grey = catch_unwind(AssertUnwindSafe(|| decode(&bytes)))
        .unwrap_or_else(|_| Err(PictureError::Damaged("the decoder failed".into())))?;
    let size = Size::new(grey.width(), grey.height());
    Ok(Frame {
        captured_at: Instant::now(),
        sequence: 0,
        format: PixelFormat::Grey,
        size,
        stride: size.width as usize,
        data: grey.into_raw(),
    })
}

fn decode(bytes: &[u8]) -> Result<GrayImage, PictureError> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let is_jpeg = reader.format() == Some(image::ImageFormat::Jpeg);
    if reader.format().is_none() {
        return Err(PictureError::NotAPicture);
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let jpeg = if is_jpeg { jpeg_luma(bytes)? } else { None };
    let mut decoder = match (reader.into_decoder(), jpeg) {
        (Ok(decoder), None) => decoder,
        (Ok(mut decoder), Some(grey)) => return Ok(upright(DynamicImage::ImageLuma8(grey), &mut decoder)),
        (Err(_), Some(grey)) => return Ok(grey),
        (Err(error), None) => return Err(fault(error)),
    };
    let size = Size::from(decoder.dimensions());
    if size.area() > MAX_PIXELS {
        return Err(PictureError::TooLarge(size));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(fault)?;
    let mut grey = DynamicImage::ImageLuma8(grey(picture));
    grey.apply_orientation(orientation);
    Ok(grey.into_luma8())
}

/// The luma of a JPEG file. `None` for the kinds (CMYK, unusual sampling) that the image crate must decode.
fn jpeg_luma(bytes: &[u8]) -> Result<Option<GrayImage>, PictureError> {
    let mut luma = Vec::new();
    let decoded = Layout::parse(bytes)
        .and_then(|layout| JpegDecoder::default().decode(bytes, &layout, &mut luma).map(|()| layout.size));
    match decoded {
        Ok(size) => Ok(GrayImage::from_raw(size.width, size.height, luma)),
        Err(JpegError::Unsupported(_)) => Ok(None),
        Err(JpegError::TooLarge(size)) => Err(PictureError::TooLarge(size)),
        Err(error) => Err(PictureError::Damaged(error.to_string())),
    }
}

/// Rotates `picture` according to the EXIF orientation of `decoder`.
fn upright(mut picture: DynamicImage, decoder: &mut impl ImageDecoder) -> GrayImage {
    picture.apply_orientation(decoder.orientation().unwrap_or(Orientation::NoTransforms));
    picture.into_luma8()
}

/// Converts to luma as JPEG defines it (JFIF 1.02: ITU-R BT.601, full range), in 16-bit fixed point, rounded.
fn grey(picture: DynamicImage) -> GrayImage {
    if let DynamicImage::ImageLuma8(grey) = picture {
        return grey;
    }
    let rgb: RgbImage = picture.into_rgb8();
    let luma = |[r, g, b]: [u8; 3]| {
        ((19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + 32_768) >> 16) as u8
    };
    GrayImage::from_fn(rgb.width(), rgb.height(), |x, y| image::Luma([luma(rgb.get_pixel(x, y).0)]))
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
    use image::ImageFormat;
    use jpeg_encoder::{ColorType, Encoder};

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
        Encoder::new(&mut jpeg, 100).encode(picture.as_bytes(), 100, 60, ColorType::Rgb).unwrap();
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
        encoder.encode(&luma, 40, 24, ColorType::Luma).unwrap();
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
