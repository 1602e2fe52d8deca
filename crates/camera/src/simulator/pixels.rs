//! Converts luma to the pixel layout of the configured camera: grey, NV12, YUYV or JPEG.

use image::codecs::jpeg::JpegEncoder;

use crate::{CameraError, PixelFormat, Size};

/// A common quality of cameras.
const JPEG_QUALITY: u8 = 90;
/// Chroma of grey.
const NEUTRAL_CHROMA: u8 = 128;

/// Writes `luma` as `format` to `buffer`, whose old contents are discarded. Returns the stride in bytes, 0 for MJPEG.
///
/// # Errors
/// The JPEG encoder refuses the picture.
pub(super) fn pack(
    format: PixelFormat,
    size: Size,
    luma: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<usize, CameraError> {
    let width = size.width as usize;
    buffer.clear();
    Ok(match format {
        PixelFormat::Grey => {
            buffer.extend_from_slice(luma);
            width
        }
        PixelFormat::Nv12 => {
            buffer.extend_from_slice(luma);
            buffer.resize(luma.len() + luma.len() / 2, NEUTRAL_CHROMA);
            width
        }
        PixelFormat::Yuyv => {
            buffer.resize(2 * luma.len(), NEUTRAL_CHROMA);
            for (pair, value) in buffer.chunks_exact_mut(2).zip(luma) {
                pair[0] = *value;
            }
            2 * width
        }
        PixelFormat::Mjpeg => {
            JpegEncoder::new_with_quality(buffer, JPEG_QUALITY)
                .encode(luma, size.width, size.height, image::ExtendedColorType::L8)
                .map_err(|error| CameraError::Unsupported(format!("simulated JPEG: {error}")))?;
            0
        }
    })
}
