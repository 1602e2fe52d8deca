//! Reads clips and streams picture by picture, through ffmpeg.

use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::InputError;
use super::address::{display_name, is_address};
use super::ffmpeg::{Ending, Ffmpeg, Message, Speed};
use crate::{Frame, PixelFormat, Size};
use moodring_runtime::Stop;

/// Time without a picture after which a stream is closed.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(15);
/// Time between two checks for a request to stop.
const STOP_CHECK_EVERY: Duration = Duration::from_millis(200);

/// A clip or stream that delivers pictures one after the other. Dropping it ends ffmpeg.
pub struct Clip {
    input: PathBuf,
    name: String,
    size: Size,
    /// Pictures delivered so far.
    pictures: u64,
    ffmpeg: Ffmpeg,
    stop: Stop,
}

impl Clip {
    /// Starts ffmpeg for a file or an address (`rtsp://…`) and waits for the header of its output.
    ///
    /// # Errors
    /// [`InputError`]: `Missing` if the file does not exist, `Lost` if a stream does not answer, `Unusable` if ffmpeg is
    /// not installed or cannot read the file.
    pub fn open(input: &Path, speed: Speed, stop: &Stop) -> Result<Self, InputError> {
        let name = display_name(input);
        if !is_address(input) && !input.exists() {
            return Err(InputError::Missing(name));
        }
        let ffmpeg = Ffmpeg::start(input, speed)?;
        let (size, stop) = (Size::new(0, 0), stop.clone());
        let mut clip = Self { input: input.into(), name, size, pictures: 0, ffmpeg, stop };
        match clip.next_message()? {
            Some(Message::Header(size)) => clip.size = size,
            Some(Message::Fault(fault)) => return Err(clip.failed(&fault)),
            Some(Message::Picture(_)) | None => {
                let Ending { reason, .. } = clip.ffmpeg.end(&clip.input);
                return Err(clip.failed(if reason.is_empty() { "it contains no picture" } else { &reason }));
            }
        }
        Ok(clip)
    }

    /// Size of every picture.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Waits for the next picture. `None` at the end of the clip. `buffer` is reused for a later picture.
    ///
    /// # Errors
    /// [`InputError`]: `Lost` if there is no picture for 15 s, ffmpeg fails, or the stop is requested; `Incomplete` if the
    /// clip is cut or damaged.
    pub fn next_frame(&mut self, buffer: Vec<u8>) -> Result<Option<Frame>, InputError> {
        // This fails only if the reading thread has ended.
        let _ = self.ffmpeg.free_buffers.send(buffer);
        let data = match self.next_message()? {
            Some(Message::Picture(data)) => data,
            Some(Message::Header(_)) | None => return self.end(),
            Some(Message::Fault(fault)) => return Err(self.failed(&fault)),
        };
        self.pictures += 1;
        Ok(Some(Frame {
            captured_at: Instant::now(),
            sequence: self.pictures,
            format: PixelFormat::Grey,
            size: self.size,
            stride: self.size.width as usize,
            data,
        }))
    }

    /// Waits for the next message of the reading thread. `None` if the pipe is closed.
    fn next_message(&self) -> Result<Option<Message>, InputError> {
        let mut silence = Duration::ZERO;
        loop {
            match self.ffmpeg.messages.recv_timeout(STOP_CHECK_EVERY) {
                Ok(message) => return Ok(Some(message)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => silence += STOP_CHECK_EVERY,
            }
            if self.stop.is_requested() {
                return Err(InputError::Lost(format!("{}: stopping", self.name)));
            }
            if silence >= SILENCE_TIMEOUT {
                let silence = silence.as_secs();
                return Err(InputError::Lost(format!("{} delivered no picture for {silence} s", self.name)));
            }
        }
    }

    /// The end of the pictures. ffmpeg also exits with 0 if the file is cut, and then says so only in words.
    fn end(&mut self) -> Result<Option<Frame>, InputError> {
        let Ending { success, reason } = self.ffmpeg.end(&self.input);
        match (success, reason.as_str()) {
            // A stream ends when its camera ends it.
            (true, "") => Ok(None),
            (true, _) if is_address(&self.input) => Ok(None),
            (true, _) => {
                Err(InputError::Incomplete { name: self.name.clone(), pictures: self.pictures, reason })
            }
            (false, "") => Err(self.failed("ffmpeg failed")),
            (false, _) => Err(self.failed(&reason)),
        }
    }

    /// The error for a clip without a further picture. A file that never delivered one is unusable. Any other
    /// input may work again later.
    fn failed(&self, fault: &str) -> InputError {
        if !is_address(&self.input) && self.pictures > 0 {
            let (name, pictures) = (self.name.clone(), self.pictures);
            return InputError::Incomplete { name, pictures, reason: fault.to_owned() };
        }
        let message = format!("{}: {fault}", self.name);
        if is_address(&self.input) { InputError::Lost(message) } else { InputError::Unusable(message) }
    }
}
