//! The ffmpeg process that decodes clips and streams, and writes grey pictures to a pipe.
//!
//! A separate thread reads the pipe, so that a hanging stream and a request to stop are noticed while waiting.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::InputError;
use super::address::{is_address, without_secrets};
use crate::{MAX_PIXELS, Size};

/// Size of the end of ffmpeg's error output that is stored, in bytes.
const MAX_ERROR_OUTPUT_BYTES: u64 = 2000;
/// Time for ffmpeg to end after it has closed its output.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes square pixels: anamorphic video is stretched along its shorter side, by a factor of four at most.
const SQUARE_PIXELS: &str = "scale=w='if(gt(sar,1),ceil(iw*min(sar,4)),iw)':\
                             h='if(lt(sar,1),ceil(ih/max(sar,0.25)),ih)',setsar=1";

/// Protocols that an address may use, also after a redirection.
const PROTOCOLS: &str = "pipe,tcp,tls,udp,rtp,rtsp,rtsps,http,https,httpproxy,rtmp,rtmps,rtmpt,srt,srtp,mms,mmsh,ftp,crypto,data,hls";

/// How fast a file is read. A stream has its own rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speed {
    /// As its timestamps say.
    RealTime,
    /// As fast as possible.
    Fastest,
}

/// Messages of the reading thread.
pub(super) enum Message {
    Header(Size),
    Picture(Vec<u8>),
    Fault(String),
}

/// A running ffmpeg. Dropping it ends the process.
pub(super) struct Ffmpeg {
    child: Child,
    pub(super) messages: Receiver<Message>,
    /// Sends buffers back to the reading thread.
    pub(super) free_buffers: Sender<Vec<u8>>,
    error_output: Option<JoinHandle<String>>,
}

/// How ffmpeg ended.
#[derive(Debug)]
pub(super) struct Ending {
    /// It read the whole input, as far as it knows.
    pub(super) success: bool,
    /// What it reported; empty if nothing.
    pub(super) reason: String,
}

impl Ffmpeg {
    pub(super) fn start(input: &Path, speed: Speed) -> Result<Self, InputError> {
        let playlist = is_address(input).then(|| playlist(input)).transpose()?;
        let mut child = command(input, speed).spawn().map_err(start_fault)?;
        // Closed at the end of this block. This fails only if ffmpeg has ended already, which is noticed below.
        if let (Some(mut pipe), Some(playlist)) = (child.stdin.take(), playlist) {
            let _ = pipe.write_all(playlist.as_bytes());
        }
        // One picture waits while the next is read. A longer queue would only make pictures older.
        let (sender, messages) = sync_channel(1);
        let (free_buffers, buffers) = channel();
        if let Some(pipe) = child.stdout.take() {
            std::thread::spawn(move || read_pictures(BufReader::new(pipe), &sender, &buffers));
        }
        let error_output = child.stderr.take().map(|pipe| std::thread::spawn(move || last_lines(pipe)));
        Ok(Self { child, messages, free_buffers, error_output })
    }

    /// Waits for the end of ffmpeg, which has closed its output.
    pub(super) fn end(&mut self, input: &Path) -> Ending {
        const CHECK_EVERY: Duration = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        let mut status = self.child.try_wait();
        while matches!(status, Ok(None)) && waited < END_TIMEOUT {
            std::thread::sleep(CHECK_EVERY);
            waited += CHECK_EVERY;
            status = self.child.try_wait();
        }
        let status = status.ok().flatten();
        // This fails only if ffmpeg has ended already.
        let _ = self.child.kill();
        let output = self.error_output.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ending {
            success: status.is_some_and(|status| status.success()),
            reason: killed(status).unwrap_or_else(|| without_secrets(&reason(&output), input)),
        }
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        // Both fail only if ffmpeg has ended already. Its pipes are closed then, so the threads end too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The reason if a signal has ended ffmpeg, for example the kernel's when the memory is used up.
fn killed(status: Option<ExitStatus>) -> Option<String> {
    const SIGKILL: i32 = 9;
    Some(match status?.signal()? {
        SIGKILL => {
            "ffmpeg was killed (signal 9), probably because the memory is used up: make the clip smaller"
                .into()
        }
        signal => format!("ffmpeg was ended by signal {signal}"),
    })
}

fn start_fault(error: io::Error) -> InputError {
    match error.kind() {
        io::ErrorKind::NotFound => InputError::Unusable(
            "clips and streams need ffmpeg, which is not installed: `sudo apt install ffmpeg`".into(),
        ),
        _ => InputError::Io { context: "starting ffmpeg".into(), source: error },
    }
}

/// The playlist that passes an address to ffmpeg's standard input: every user of the machine can read its arguments.
fn playlist(input: &Path) -> Result<String, InputError> {
    let address = input.to_string_lossy();
    if address.contains(['\n', '\r', '\0']) {
        return Err(InputError::Unusable("the address contains a line break".into()));
    }
    Ok(format!("ffconcat version 1.0\nfile '{}'\n", address.replace('\'', r"'\''")))
}

fn command(input: &Path, speed: Speed) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error"]);
    if is_address(input) {
        command.args(["-f", "concat", "-safe", "0", "-protocol_whitelist", PROTOCOLS, "-i", "pipe:0"]);
        command.stdin(Stdio::piped());
    } else {
        if speed == Speed::RealTime {
            command.arg("-re");
        }
        // Without a protocol, ffmpeg would treat a file named `a:b.mp4` as an address.
        let mut file = OsString::from("file:");
        file.push(input);
        command.arg("-i").arg(file).stdin(Stdio::null());
    }
    // Of several video tracks ffmpeg selects the largest; a cover picture only if there is no other.
    command.args(["-an", "-sn", "-dn", "-vf", SQUARE_PIXELS]);
    // Each picture once. By default ffmpeg repeats pictures up to the rate of the time base, 1,000/s in WebM. The name
    // of the option since ffmpeg 5.1 is -fps_mode; this one is known to all versions.
    command.args(["-vsync", "passthrough"]);
    // Luma only, full range as in JPEG, in a format with a size header. `-strict -1`: grey is not official in it yet.
    command.args(["-f", "yuv4mpegpipe", "-pix_fmt", "gray", "-strict", "-1", "pipe:1"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The reading thread. It ends when the pipe is closed or the receiver is dropped.
fn read_pictures(
    mut pipe: BufReader<ChildStdout>,
    sender: &SyncSender<Message>,
    buffers: &Receiver<Vec<u8>>,
) {
    let size = match read_line(&mut pipe).and_then(|line| line.map(|line| header(&line)).transpose()) {
        Ok(Some(size)) => size,
        Ok(None) => return,
        Err(fault) => return drop(sender.send(Message::Fault(fault.to_string()))),
    };
    if sender.send(Message::Header(size)).is_err() {
        return;
    }
    loop {
        let mut picture = buffers.try_recv().unwrap_or_default();
        picture.resize(size.area(), 0);
        let message = match read_line(&mut pipe) {
            Ok(None) => return,
            Ok(Some(line)) if line.starts_with(b"FRAME") => match pipe.read_exact(&mut picture) {
                Ok(()) => Message::Picture(picture),
                // The end of ffmpeg says why.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return,
                Err(error) => Message::Fault(error.to_string()),
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

/// Reads the size from a YUV4MPEG2 header such as `YUV4MPEG2 W640 H480 F25:1 Ip A1:1 Cmono`. Its rate is only that
/// of the time base.
fn header(line: &[u8]) -> io::Result<Size> {
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
    Ok(size)
}

/// Reads `pipe` to its end and returns its last lines.
fn last_lines(mut pipe: impl Read) -> String {
    let (mut tail, mut part) = (Vec::new(), Vec::new());
    // In parts, because ffmpeg may write error messages for days about a bad stream.
    while matches!(pipe.by_ref().take(MAX_ERROR_OUTPUT_BYTES).read_to_end(&mut part), Ok(1..)) {
        tail.append(&mut part);
        let surplus = tail.len().saturating_sub(MAX_ERROR_OUTPUT_BYTES as usize);
        tail.drain(..surplus);
    }
    String::from_utf8_lossy(&tail).into_owned()
}

/// What ffmpeg's error output says, in words that are the same each time: its lines contain addresses of memory,
/// offsets and counters. Empty if it wrote nothing.
fn reason(output: &str) -> String {
    const KNOWN: [(&str, &str); 13] = [
        ("401 Unauthorized", "the camera refuses the user name or the password"),
        ("403 Forbidden", "the camera forbids the access (403)"),
        ("404 Not Found", "the camera has nothing at this path (404)"),
        ("Connection refused", "Connection refused"),
        ("Connection timed out", "no answer (Connection timed out)"),
        ("No route to host", "No route to host"),
        ("Name or service not known", "the host name is unknown"),
        ("Failed to resolve hostname", "the host name is unknown"),
        (
            "moov atom not found",
            "its index is missing: the recording was cut, or is no clip (moov atom not found)",
        ),
        ("matches no streams", "it contains no video"),
        ("does not contain any stream", "it contains no video"),
        ("partial file", "the file is cut (partial file)"),
        ("prematurely", "the file is cut (File ended prematurely)"),
    ];
    if let Some((_, known)) = KNOWN.iter().find(|(words, _)| output.contains(words)) {
        return (*known).into();
    }
    let mut lines = output.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(last) = lines.next_back() else { return String::new() };
    // `[h264 @ 0x55c3d9]` names a part of ffmpeg and where it is in memory; `file:…: ` is what the message begins with.
    let line = last.rsplit_once("] ").map_or(last, |(_, line)| line);
    let line = if line.starts_with("file:") || line.starts_with("pipe:0") {
        line.rsplit_once(": ").map_or(line, |(_, reason)| reason)
    } else {
        line
    };
    let words = line
        .split(' ')
        .map(|word| if word.contains(|letter: char| letter.is_ascii_digit()) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_contain_the_size() {
        let read = |line: &str| header(line.as_bytes());
        let size = read("YUV4MPEG2 W640 H480 F30000:1001 Ip A1:1 Cmono XCOLORRANGE=FULL\n").unwrap();
        assert_eq!(size, Size::new(640, 480));
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
    fn a_missing_ffmpeg_is_reported_with_the_remedy() {
        let error = start_fault(Command::new("/nowhere/ffmpeg").spawn().expect_err("does not exist"));
        assert!(matches!(&error, InputError::Unusable(message) if message.contains("apt install ffmpeg")));
    }

    #[test]
    fn an_address_is_not_an_argument() {
        let input = Path::new("rtsp://me:hunter2@camera/it's");
        let arguments: Vec<_> = command(input, Speed::RealTime).get_args().map(OsString::from).collect();
        assert!(!format!("{arguments:?}").contains("camera"), "{arguments:?}");
        assert_eq!(
            playlist(input).unwrap(),
            "ffconcat version 1.0\nfile 'rtsp://me:hunter2@camera/it'\\''s'\n"
        );
        assert!(playlist(Path::new("http://camera\nfile /etc/passwd")).is_err());
    }

    #[test]
    fn error_output_is_bounded_and_its_end_is_stored() {
        let long = "frame lost\n".repeat(100_000) + "disk on fire\n";
        let tail = last_lines(long.as_bytes());
        assert!(tail.len() < 3000 && tail.ends_with("frame lost\ndisk on fire\n"));
        assert_eq!(last_lines(&b""[..]), "");
    }

    #[test]
    fn reasons_are_the_same_each_time() {
        for (output, expected) in [
            (
                "[h264 @ 0x55d1] error while decoding MB 19 6, bytestream -10\n",
                "error while decoding MB … … bytestream …",
            ),
            (
                "[tcp @ 0x7f] Connection to tcp://h:9 failed: Connection refused\npipe:0: Connection refused\n",
                "Connection refused",
            ),
            ("[matroska,webm @ 0x55a4] File ended prematurely\n", "the file is cut (File ended prematurely)"),
            ("[mov,mp4 @ 0x55] stream 0, offset 0x2c955: partial file\n", "the file is cut (partial file)"),
            (
                "file:/tmp/a: b.mp4: Invalid data found when processing input\n",
                "Invalid data found when processing input",
            ),
            ("", ""),
        ] {
            assert_eq!(reason(output), expected);
        }
    }

    #[test]
    fn a_killed_process_is_named() {
        let status = |raw| Some(ExitStatus::from_raw(raw));
        assert!(killed(status(9)).is_some_and(|reason| reason.contains("memory")));
        assert_eq!(killed(status(11)).unwrap(), "ffmpeg was ended by signal 11");
        assert_eq!(killed(status(1 << 8)), None);
    }
}
