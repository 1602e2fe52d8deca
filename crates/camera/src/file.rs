//! Reads pictures, folders of pictures, clips and streams, as a camera or one by one for analysis.
//!
//! The camera delivers pictures at their nominal rate. For analysis, [`load_picture`] and [`Clip::next_frame`] read as
//! fast as possible. Both use [`Input::inspect`] to find out what a path is.

mod address;
mod clip;
mod ffmpeg;
mod picture;
mod source;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fs::FileType;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use address::display_name;
pub use clip::Clip;
pub use ffmpeg::Speed;
pub use picture::{PictureError, load_picture};
pub use source::FileSource;

use super::CameraError;

/// End of the names of annotated pictures. A folder of pictures is read without them, so that the boxes drawn into them
/// are not counted.
pub const ANNOTATED_SUFFIX: &str = ".annotated.png";

/// Reasons why an input cannot be read. The messages begin with the name of the input.
#[derive(Debug, Error)]
pub enum InputError {
    /// The file or folder does not exist.
    #[error("{0} does not exist")]
    Missing(String),
    /// It exists, but is nothing that can be read.
    #[error("{0}")]
    Unusable(String),
    /// A stream does not answer or has ended, or reading was stopped. It may work again later.
    #[error("{0}")]
    Lost(String),
    /// A clip that is cut or damaged.
    #[error("{name} is incomplete, only {pictures} pictures were read: {reason}")]
    Incomplete {
        /// The clip.
        name: String,
        /// Pictures that were read.
        pictures: u64,
        /// What ffmpeg says.
        reason: String,
    },
    /// Any other failure.
    #[error("{context}")]
    Io {
        /// The operation that failed, with the file.
        context: String,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
}

impl From<InputError> for CameraError {
    fn from(error: InputError) -> Self {
        match error {
            InputError::Missing(_) => Self::Missing(error.to_string()),
            InputError::Unusable(message) => Self::Unsupported(message),
            InputError::Lost(message) => Self::Gone(message),
            InputError::Incomplete { .. } => Self::Gone(error.to_string()),
            InputError::Io { context, source } => Self::Io { context, source },
        }
    }
}

/// Kinds of input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A picture for [`load_picture`].
    Picture(PathBuf),
    /// The pictures of a folder, in natural order: 2 before 10. At least one.
    Folder(Vec<PathBuf>),
    /// A clip or the address of a stream for [`Clip::open`].
    Clip(PathBuf),
}

impl Input {
    /// Finds out what `path` is. A file is a picture if its name or its first bytes say so, otherwise ffmpeg must
    /// read it.
    ///
    /// # Errors
    /// [`InputError::Missing`] if the path does not exist, `Unusable` for a pipe, an empty file, a text file, a HEIC or
    /// AVIF picture, or a folder without pictures.
    pub fn inspect(path: &Path) -> Result<Self, InputError> {
        if address::is_address(path) {
            return Ok(Self::Clip(path.into()));
        }
        let name = path.display();
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => InputError::Missing(name.to_string()),
            _ => InputError::Io { context: format!("reading {name}"), source: error },
        };
        let unusable = |what: &str| Err(InputError::Unusable(format!("{name} {what}")));
        let kind = std::fs::metadata(path).map_err(failed)?.file_type();
        if kind.is_dir() {
            let pictures = pictures_in(path).map_err(failed)?;
            if pictures.is_empty() {
                return unusable("contains no .jpg, .jpeg, .png or .webp file");
            }
            return Ok(Self::Folder(pictures));
        }
        // Opening a pipe would wait for its writer.
        if let Some(what) = special_file(kind) {
            return unusable(what);
        }
        let start = start_of(path).map_err(failed)?;
        if let Some(what) = unreadable(&start) {
            return unusable(what);
        }
        let is_picture = has_picture_name(path) || begins_as_picture(&start);
        Ok(if is_picture { Self::Picture(path.into()) } else { Self::Clip(path.into()) })
    }
}

/// Why a file that is neither a regular file nor a folder is not read.
fn special_file(kind: FileType) -> Option<&'static str> {
    if kind.is_fifo() || kind.is_socket() {
        Some("is a pipe: write its data to a file first")
    } else if kind.is_char_device() || kind.is_block_device() {
        Some("is a device: set camera.source = \"v4l2\" and camera.v4l2.device for a camera")
    } else {
        None
    }
}

/// Why a file that begins with `start` is neither a picture nor a clip.
fn unreadable(start: &[u8]) -> Option<&'static str> {
    if start.is_empty() {
        Some("is empty")
    } else if is_still_container(start) {
        Some(
            "is a HEIC or AVIF picture, of which ffmpeg reads only one tile or nothing: save it as JPEG \
             (`heif-convert`; on an iPhone: Settings, Camera, Formats, Most Compatible)",
        )
    } else if begins_as_text(start) {
        Some("is a text file, not a picture or a clip")
    } else {
        None
    }
}

/// Whether the file is a picture in the container of video (HEIF). Phones store it in tiles, each a track of its own.
fn is_still_container(start: &[u8]) -> bool {
    const STILL: [&[u8; 4]; 7] = [b"heic", b"heix", b"heim", b"heis", b"mif1", b"avif", b"mif2"];
    start.get(4..8) == Some(b"ftyp") && STILL.iter().any(|brand| start.get(8..12) == Some(*brand))
}

/// The pictures of a folder in natural order. Hidden files are left out: a Mac stores metadata of `a.jpg` as `._a.jpg`.
fn pictures_in(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut pictures = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        let left_out = name.starts_with('.') || name.ends_with(ANNOTATED_SUFFIX);
        if !left_out && has_picture_name(&path) && path.is_file() {
            pictures.push((name, path));
        }
    }
    pictures.sort_by(|(a, _), (b, _)| natural_order(a, b));
    Ok(pictures.into_iter().map(|(_, path)| path).collect())
}

/// Compares names as people count: IMG_2 before IMG_10.
fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    loop {
        let (number_a, number_b) = (leading_digits(rest_a), leading_digits(rest_b));
        let order = if number_a.is_empty() || number_b.is_empty() {
            rest_a.chars().next().cmp(&rest_b.chars().next())
        } else {
            let (value_a, value_b) = (number_a.trim_start_matches('0'), number_b.trim_start_matches('0'));
            value_a.len().cmp(&value_b.len()).then(value_a.cmp(value_b))
        };
        if order.is_ne() {
            return order;
        }
        if rest_a.is_empty() {
            // Equal but for zeros: the order must not be left to chance.
            return a.cmp(b);
        }
        let (skip_a, skip_b) = if number_a.is_empty() || number_b.is_empty() {
            let first = |text: &str| text.chars().next().map_or(0, char::len_utf8);
            (first(rest_a), first(rest_b))
        } else {
            (number_a.len(), number_b.len())
        };
        (rest_a, rest_b) = (&rest_a[skip_a..], &rest_b[skip_b..]);
    }
}

fn leading_digits(text: &str) -> &str {
    &text[..text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len())]
}

fn has_picture_name(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["jpg", "jpeg", "png", "webp"].iter().any(|name| extension.eq_ignore_ascii_case(name))
    })
}

fn start_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    std::fs::File::open(path)?.take(512).read_to_end(&mut start)?;
    Ok(start)
}

fn begins_as_picture(start: &[u8]) -> bool {
    image::guess_format(start).is_ok_and(|format| {
        matches!(format, image::ImageFormat::Jpeg | image::ImageFormat::Png | image::ImageFormat::WebP)
    })
}

/// Text files are refused, because ffmpeg would decode them as the video of a text terminal.
fn begins_as_text(start: &[u8]) -> bool {
    const PLAYLIST_HEADERS: [&[u8]; 5] = [b"#EXTM3U", b"ffconcat", b"v=0", b"<?xml", b"YUV4MPEG2"];
    // The last character may be incomplete.
    let is_text = match std::str::from_utf8(start) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_text && !start.contains(&0) && !PLAYLIST_HEADERS.iter().any(|header| start.starts_with(header))
}
