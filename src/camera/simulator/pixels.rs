//! Luma in the layout of the configured camera: grey, NV12, YUYV or JPEG.

use image::codecs::jpeg::JpegEncoder;

use crate::camera::{CameraError, PixelFormat, Size};

/// What cameras commonly use.
const JPEG_QUALITY: u8 = 90;
const NO_COLOUR: u8 = 128;

/// Writes `luma` as `format` into `buffer` (whose old contents are dropped) and returns its stride.
///
/// # Errors
/// When the JPEG encoder refuses the picture.
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
            buffer.resize(luma.len() + luma.len() / 2, NO_COLOUR);
            width
        }
        PixelFormat::Yuyv => {
            buffer.resize(2 * luma.len(), NO_COLOUR);
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
