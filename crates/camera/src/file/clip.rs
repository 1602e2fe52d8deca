//! Reads clips and streams through ffmpeg, a child process that writes grey pictures to a pipe.
//!
//! A separate thread reads the pipe, so that a hanging stream and a request to stop are noticed while waiting.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{CameraError, Frame, MAX_PIXELS, PixelFormat, Size};
use moodring_runtime::Stop;

/// Time without a picture after which a stream is closed.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(15);
/// Time between two checks for a request to stop.
const STOP_CHECK_EVERY: Duration = Duration::from_millis(200);
/// Size of the end of ffmpeg's error output that is stored, in bytes.
const MAX_ERROR_OUTPUT_BYTES: u64 = 2000;

/// Size and rate of a clip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClipInfo {
    /// Size of every picture.
    pub size: Size,
    /// Nominal rate in pictures per second.
    pub frames_per_s: f64,
}

/// A running ffmpeg process that delivers pictures one after the other. Dropping the clip ends ffmpeg.
pub struct Clip {
    input: PathBuf,
    name: String,
    info: ClipInfo,
    sequence: u64,
    ffmpeg: Ffmpeg,
    stop: Stop,
}

/// Messages of the reading thread.
enum Message {
    Header(ClipInfo),
    Picture(Vec<u8>),
    Fault(String),
}

impl Clip {
    /// Starts ffmpeg for a file or an address (`rtsp://…`) and waits for the header of its output.
    ///
    /// # Errors
    /// [`CameraError::Gone`] if the file does not exist or a stream does not answer; `Unsupported` if ffmpeg is not
    /// installed or cannot read the file.
    pub fn open(input: &Path, stop: &Stop) -> Result<Self, CameraError> {
        let name = display_name(input);
        if !is_address(input) && !input.exists() {
            return Err(CameraError::Gone(format!("{name} does not exist")));
        }
        let ffmpeg = Ffmpeg::start(input)?;
        let info = ClipInfo { size: Size::new(0, 0), frames_per_s: 0.0 };
        let mut clip = Self { input: input.into(), name, info, sequence: 0, ffmpeg, stop: stop.clone() };
        match clip.next_message()? {
            Some(Message::Header(info)) => clip.info = info,
            Some(Message::Picture(_)) | None => return Err(clip.failed("it contains no picture")),
            Some(Message::Fault(fault)) => return Err(clip.failed(&fault)),
        }
        Ok(clip)
    }

    /// Size and rate.
    pub fn info(&self) -> ClipInfo {
        self.info
    }

    /// Waits for the next picture. `None` at the end of the clip. `buffer` is reused for a later picture.
    ///
    /// # Errors
    /// [`CameraError::Gone`] if there is no picture for 15 s, ffmpeg fails, or the stop is requested.
    pub fn next_frame(&mut self, buffer: Vec<u8>) -> Result<Option<Frame>, CameraError> {
        // This fails only if the reading thread has ended.
        let _ = self.ffmpeg.free_buffers.send(buffer);
        let data = match self.next_message()? {
            Some(Message::Picture(data)) => data,
            Some(Message::Header(_)) | None => return self.end(),
            Some(Message::Fault(fault)) => return Err(CameraError::Gone(format!("{}: {fault}", self.name))),
        };
        self.sequence += 1;
        Ok(Some(Frame {
            captured_at: Instant::now(),
            sequence: self.sequence,
            format: PixelFormat::Grey,
            size: self.info.size,
            stride: self.info.size.width as usize,
            data,
        }))
    }

    /// Waits for the next message of the reading thread. `None` if the pipe is closed.
    fn next_message(&self) -> Result<Option<Message>, CameraError> {
        let mut silence = Duration::ZERO;
        loop {
            match self.ffmpeg.messages.recv_timeout(STOP_CHECK_EVERY) {
                Ok(message) => return Ok(Some(message)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => silence += STOP_CHECK_EVERY,
            }
            if self.stop.is_requested() {
                return Err(CameraError::Gone(format!("{}: stopping", self.name)));
            }
            if silence >= SILENCE_TIMEOUT {
                let silence = silence.as_secs();
                return Err(CameraError::Gone(format!("{} delivered no picture for {silence} s", self.name)));
            }
        }
    }

    fn end(&mut self) -> Result<Option<Frame>, CameraError> {
        match self.ffmpeg.child.wait() {
            Ok(status) if status.success() => Ok(None),
            _ => Err(self.failed("ffmpeg failed")),
        }
    }

    /// The error for a clip without a further picture. A file that never delivered one is unsupported. Any other
    /// input may work again later.
    fn failed(&mut self, fault: &str) -> CameraError {
        // Addresses may contain a password, and the message begins with the name already.
        let url = url(&self.input).to_string_lossy().into_owned();
        let error_output =
            self.ffmpeg.error_output().replace(&format!("{url}: "), "").replace(&url, &self.name);
        let error_output = if error_output.is_empty() { fault.to_owned() } else { error_output };
        let message = format!("{}: {error_output}", self.name);
        if is_address(&self.input) || self.sequence > 0 {
            CameraError::Gone(message)
        } else {
            CameraError::Unsupported(message)
        }
    }
}

/// Whether `input` is an address (`scheme://…`) and not a file.
pub(super) fn is_address(input: &Path) -> bool {
    let input = input.to_string_lossy();
    input.split_once("://").is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '+')
    })
}

/// The name for messages. User and password are removed from an address.
pub(super) fn display_name(input: &Path) -> String {
    let text = input.to_string_lossy();
    match text.split_once("://") {
        Some((scheme, rest)) if is_address(input) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        _ => text.into_owned(),
    }
}

struct Ffmpeg {
    child: Child,
    messages: Receiver<Message>,
    /// Sends buffers back to the reading thread.
    free_buffers: Sender<Vec<u8>>,
    error_output: Option<JoinHandle<String>>,
}

impl Ffmpeg {
    fn start(input: &Path) -> Result<Self, CameraError> {
        let mut child = command(input).spawn().map_err(start_fault)?;
        // One picture waits while the next is read. A longer queue would only make pictures older.
        let (sender, messages) = sync_channel(1);
        let (free_buffers, buffers) = channel();
        if let Some(pipe) = child.stdout.take() {
            std::thread::spawn(move || read_pictures(BufReader::new(pipe), &sender, &buffers));
        }
        let error_output = child.stderr.take().map(|pipe| std::thread::spawn(move || last_lines(pipe)));
        Ok(Self { child, messages, free_buffers, error_output })
    }

    /// Ends ffmpeg and returns the end of its error output.
    fn error_output(&mut self) -> String {
        // This fails only if ffmpeg has ended already.
        let _ = self.child.kill();
        self.error_output.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        // Both fail only if ffmpeg has ended already. Its pipes are closed then, so the threads end too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start_fault(error: io::Error) -> CameraError {
    match error.kind() {
        io::ErrorKind::NotFound => CameraError::Unsupported(
            "clips and streams need ffmpeg, which is not installed: `sudo apt install ffmpeg`".into(),
        ),
        _ => CameraError::Io { context: "starting ffmpeg".into(), source: error },
    }
}

/// The input argument for ffmpeg. Without a protocol, ffmpeg would treat a file named `a:b.mp4` as an address.
fn url(input: &Path) -> OsString {
    let mut url = OsString::from(if is_address(input) { "" } else { "file:" });
    url.push(input);
    url
}

fn command(input: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-i"]).arg(url(input));
    // Luma only, full range as in JPEG, in a format with a size header. `-strict -1`: grey is not official in it yet.
    command.args(["-map", "0:v:0", "-f", "yuv4mpegpipe", "-pix_fmt", "gray", "-strict", "-1", "pipe:1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The reading thread. It ends when the pipe is closed or the receiver is dropped.
fn read_pictures(
    mut pipe: BufReader<ChildStdout>,
    sender: &SyncSender<Message>,
    buffers: &Receiver<Vec<u8>>,
) {
    let info = match read_line(&mut pipe).and_then(|line| line.map(|line| header(&line)).transpose()) {
        Ok(Some(info)) => info,
        Ok(None) => return,
        Err(fault) => return drop(sender.send(Message::Fault(fault.to_string()))),
    };
    if sender.send(Message::Header(info)).is_err() {
        return;
    }
    loop {
        let mut picture = buffers.try_recv().unwrap_or_default();
        picture.resize(info.size.area(), 0);
        let message = match read_line(&mut pipe) {
            Ok(None) => return,
            Ok(Some(line)) if line.starts_with(b"FRAME") => match pipe.read_exact(&mut picture) {
                Ok(()) => Message::Picture(picture),
                Err(error) => Message::Fault(format!("it ended in the middle of a picture: {error}")),
            },
            Ok(Some(_)) => Message::Fault("ffmpeg wrote invalid data".into()),
            Err(error) => Message::Fault(error.to_string()),
        };
        let ended = matches!(message, Message::Fault(_));
        if sender.send(message).is_err() || ended {
            return;
        }
    }
}

/// Reads a line of at most 256 bytes. `None` at the end.
fn read_line(pipe: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    pipe.take(256).read_until(b'\n', &mut line)?;
    Ok((!line.is_empty()).then_some(line))
}

/// Reads a YUV4MPEG2 header such as `YUV4MPEG2 W640 H480 F25:1 Ip A1:1 Cmono`.
fn header(line: &[u8]) -> io::Result<ClipInfo> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("ffmpeg gave {what}"));
    let line = std::str::from_utf8(line).map_err(|_| wrong("no header"))?;
    let mut fields = line.split_ascii_whitespace();
    if fields.next() != Some("YUV4MPEG2") {
        return Err(wrong("no header"));
    }
    let field =
        |letter: char| line.split_ascii_whitespace().skip(1).find_map(|field| field.strip_prefix(letter));
    let number = |letter| field(letter).and_then(|digits| digits.parse::<u32>().ok());
    let (Some(width @ 1..), Some(height @ 1..)) = (number('W'), number('H')) else {
        return Err(wrong("a header without size"));
    };
    if field('C') != Some("mono") {
        return Err(wrong("colour pictures"));
    }
    let size = Size::new(width, height);
    if u64::from(width) * u64::from(height) > MAX_PIXELS as u64 {
        return Err(wrong(&format!("pictures of {size}, larger than {} megapixels", MAX_PIXELS / 1_000_000)));
    }
    let rate = field('F').and_then(|rate| rate.split_once(':'));
    let rate = rate.and_then(|(a, b)| Some(a.parse::<f64>().ok()? / b.parse::<f64>().ok()?));
    // Without a usable rate, the common rate of films is used.
    let frames_per_s = rate.filter(|rate| (0.01..=1000.0).contains(rate)).unwrap_or(25.0);
    Ok(ClipInfo { size, frames_per_s })
}

/// Reads `pipe` to its end and returns its last lines, joined with "; ".
fn last_lines(mut pipe: impl Read) -> String {
    let (mut tail, mut part) = (Vec::new(), Vec::new());
    // In parts, because ffmpeg may write error messages for days about a bad stream.
    while matches!(pipe.by_ref().take(MAX_ERROR_OUTPUT_BYTES).read_to_end(&mut part), Ok(1..)) {
        tail.append(&mut part);
        let surplus = tail.len().saturating_sub(MAX_ERROR_OUTPUT_BYTES as usize);
        tail.drain(..surplus);
    }
    String::from_utf8_lossy(&tail)
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_contain_size_and_rate() {
        let read = |line: &str| header(line.as_bytes());
        let info = read("YUV4MPEG2 W640 H480 F30000:1001 Ip A1:1 Cmono XCOLORRANGE=FULL\n").unwrap();
        assert_eq!(info.size, Size::new(640, 480));
        assert!((info.frames_per_s - 29.97).abs() < 0.01);
        assert_eq!(read("YUV4MPEG2 W2 H1 F0:0 Cmono").unwrap().frames_per_s, 25.0);
        for (line, expected) in [
            ("", "ffmpeg gave no header"),
            ("RIFF W2 H1 Cmono", "ffmpeg gave no header"),
            ("YUV4MPEG2 W2 Cmono", "ffmpeg gave a header without size"),
            ("YUV4MPEG2 W0 H5 Cmono", "ffmpeg gave a header without size"),
            ("YUV4MPEG2 W2 H5 C420jpeg", "ffmpeg gave colour pictures"),
            (
                "YUV4MPEG2 W20000 H20000 Cmono",
                "ffmpeg gave pictures of 20000x20000, larger than 64 megapixels",
            ),
        ] {
            assert_eq!(read(line).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn addresses_are_distinguished_from_files_and_shown_without_password() {
        assert!(is_address(Path::new("rtsp://camera/stream")));
        assert!(!is_address(Path::new("lesson 1: maths.mp4")));
        assert!(!is_address(Path::new("/tmp/a://b")));
        assert_eq!(display_name(Path::new("rtsp://me:p@ss@camera:554/a@b")), "rtsp://camera:554/a@b");
        assert_eq!(display_name(Path::new("/home/a@b/c.mp4")), "/home/a@b/c.mp4");
    }

    #[test]
    fn a_missing_ffmpeg_is_reported_with_the_remedy() {
        let error = start_fault(Command::new("/nowhere/ffmpeg").spawn().expect_err("does not exist"));
        assert!(
            matches!(&error, CameraError::Unsupported(message) if message.contains("apt install ffmpeg"))
        );
    }

    #[test]
    fn error_output_is_bounded_and_its_end_is_stored() {
        let long = "frame lost\n".repeat(100_000) + "disk on fire\n";
        let tail = last_lines(long.as_bytes());
        assert!(tail.len() < 3000 && tail.ends_with("frame lost; disk on fire"));
        assert_eq!(last_lines(&b""[..]), "");
    }
}
