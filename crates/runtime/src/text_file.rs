//! Text files that people write: read with a limit, as UTF-8 with or without a byte order mark.
//!
//! Editors on Windows save UTF-16, Latin-1 or a byte order mark without a word. The fault names the encoding, so that the
//! file can be saved again.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a text file cannot be used. Each message follows the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file is larger than its reader allows.
    #[error("is larger than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: u64,
    },
    /// The file is encoded in UTF-16.
    #[error("is encoded in UTF-16; save it as UTF-8")]
    Utf16,
    /// The file is neither UTF-8 nor UTF-16.
    #[error(
        "is not encoded in UTF-8 but probably in Latin-1 or Windows-1252, as line {line} shows; save it as UTF-8"
    )]
    OtherEncoding {
        /// The first line that is not UTF-8, counted from 1.
        line: usize,
    },
}

/// The text of the file, without a byte order mark.
///
/// # Errors
/// The file cannot be read, has more than `max_bytes` bytes, or is not encoded in UTF-8.
pub fn read(path: &Path, max_bytes: u64) -> Result<String, TextError> {
    let mut bytes = Vec::new();
    File::open(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(TextError::TooLarge { max_bytes });
    }
    decode(bytes)
}

/// The text in `bytes`, without a byte order mark.
///
/// # Errors
/// `bytes` is not UTF-8.
pub fn decode(mut bytes: Vec<u8>) -> Result<String, TextError> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || is_utf16(&bytes) {
        return Err(TextError::Utf16);
    }
    if bytes.starts_with(UTF8_MARK) {
        bytes.drain(..UTF8_MARK.len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        TextError::OtherEncoding { line: valid.iter().filter(|byte| **byte == b'\n').count() + 1 }
    })
}

/// Whether every second byte of the beginning is NUL, as in UTF-16 without a byte order mark.
fn is_utf16(bytes: &[u8]) -> bool {
    let is_pair = |pair: &[u8]| matches!(pair, [0, other] | [other, 0] if *other != 0);
    bytes.len() >= 8 && bytes.chunks_exact(2).take(32).all(is_pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> String {
        decode(bytes.to_vec()).unwrap_err().to_string()
    }

    #[test]
    fn the_encoding_of_a_file_is_named() {
        assert_eq!(decode(b"\xef\xbb\xbfcaf\xc3\xa9\r\n".to_vec()).unwrap(), "café\r\n");
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        assert!(fault(&[&b"\xff\xfe"[..], &utf16("[room]")].concat()).contains("UTF-16"));
        assert!(fault(&utf16("[room]\nname")).contains("UTF-16"));
        assert!(fault(b"\xfe\xff\0[").contains("UTF-16"));
        let latin = fault(b"[room]\nname = \"caf\xe9\"\n");
        assert!(latin.contains("Latin-1") && latin.contains("line 2"), "{latin}");
        assert_eq!(decode(vec![0; 64]).unwrap().len(), 64, "NUL characters are not UTF-16");
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), "12345");
        assert!(matches!(read(&path, 4), Err(TextError::TooLarge { max_bytes: 4 })));
        assert!(matches!(read(folder.path(), 4), Err(TextError::Io(_))));
    }
}
