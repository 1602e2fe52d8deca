//! Reads pictures, folders of pictures, clips and streams, as a camera or one by one for analysis.
//!
//! The camera delivers pictures at their nominal rate. For analysis, [`load_picture`] and [`Clip::next_frame`] read as
//! fast as possible. Both use [`Input::inspect`] to find out what a path is.

mod clip;
mod picture;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use clip::{Clip, ClipInfo};
pub use picture::{PictureError, load_picture};

use super::{Camera, CameraError, CameraSource, Frame};
use moodring_config::File;
use moodring_runtime::Stop;

/// Kinds of input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A picture for [`load_picture`].
    Picture(PathBuf),
    /// The pictures of a folder, sorted by name. At least one.
    Folder(Vec<PathBuf>),
    /// A clip or the address of a stream for [`Clip::open`].
    Clip(PathBuf),
}

impl Input {
    /// Finds out what `path` is. A file is a picture if its name or its first bytes say so, otherwise ffmpeg must
    /// read it.
    ///
    /// # Errors
    /// [`CameraError::Gone`] if the path does not exist, `Unsupported` for an empty file, a text file, or a folder
    /// without pictures.
    pub fn inspect(path: &Path) -> Result<Self, CameraError> {
        if clip::is_address(path) {
            return Ok(Self::Clip(path.into()));
        }
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => CameraError::Gone(format!("{} does not exist", path.display())),
            _ => CameraError::Io { context: format!("reading {}", path.display()), source: error },
        };
        if std::fs::metadata(path).map_err(failed)?.is_dir() {
            let pictures = pictures_in(path).map_err(failed)?;
            if pictures.is_empty() {
                let message = format!("{} contains no .jpg, .jpeg, .png or .webp file", path.display());
                return Err(CameraError::Unsupported(message));
            }
            return Ok(Self::Folder(pictures));
        }
        let start = start_of(path).map_err(failed)?;
        if has_picture_name(path) || begins_as_picture(&start) {
            return Ok(Self::Picture(path.into()));
        }
        if start.is_empty() || begins_as_text(&start) {
            let what = if start.is_empty() { "is empty" } else { "is a text file, not a picture or a clip" };
            return Err(CameraError::Unsupported(format!("{} {what}", path.display())));
        }
        Ok(Self::Clip(path.into()))
    }
}

fn pictures_in(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut pictures = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if has_picture_name(&path) && path.is_file() {
            pictures.push(path);
        }
    }
    pictures.sort();
    Ok(pictures)
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

/// Pictures, clips and streams as a camera.
#[derive(Debug, Clone)]
pub struct FileSource {
    config: File,
    stop: Stop,
}

impl FileSource {
    /// The source of `config`. Waiting for the next picture ends when `stop` is requested.
    pub fn new(config: &File, stop: &Stop) -> Self {
        Self { config: config.clone(), stop: stop.clone() }
    }
}

impl CameraSource for FileSource {
    fn open(&mut self) -> Result<Box<dyn Camera>, CameraError> {
        let File { path, frames_per_s, repeat } = &self.config;
        let (repeat, stop) = (*repeat, self.stop.clone());
        let playlist = |pictures| {
            let pacer = Pacer::new(Some(*frames_per_s));
            Box::new(Playlist {
                pictures,
                next: 0,
                single: None,
                sequence: 0,
                repeat,
                pacer,
                stop: stop.clone(),
            })
        };
        Ok(match Input::inspect(path)? {
            Input::Picture(path) => playlist(vec![path]),
            Input::Folder(pictures) => playlist(pictures),
            Input::Clip(input) => {
                let mut playback = Playback::open(&input, repeat, Pacer::new(None), &stop)?;
                // A live stream has its own rate; a delay would only make its pictures older.
                if !clip::is_address(&input) {
                    playback.pacer = Pacer::new(Some(playback.clip.info().frames_per_s));
                }
                Box::new(playback)
            }
        })
    }
}

/// Schedules pictures at even intervals.
#[derive(Debug)]
struct Pacer {
    interval: Duration,
    due: Option<Instant>,
}

impl Pacer {
    fn new(frames_per_s: Option<f64>) -> Self {
        let interval = frames_per_s.map_or(Duration::ZERO, |rate| {
            Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::from_secs(1))
        });
        Self { interval, due: None }
    }

    /// Time from `now` until the next picture is due. A delay of more than one interval is not made up for.
    fn delay(&mut self, now: Instant) -> Duration {
        let due = self.due.filter(|due| *due + self.interval >= now).unwrap_or(now);
        self.due = Some(due + self.interval);
        due.saturating_duration_since(now)
    }

    /// Waits until the next picture is due.
    ///
    /// # Errors
    /// [`CameraError::Gone`] when the stop is requested.
    fn wait(&mut self, stop: &Stop) -> Result<(), CameraError> {
        let delay = self.delay(Instant::now());
        if delay > Duration::ZERO && stop.wait(delay) {
            return Err(CameraError::Gone("stopping".into()));
        }
        Ok(())
    }
}

/// Delivers picture files one after the other.
struct Playlist {
    pictures: Vec<PathBuf>,
    next: usize,
    /// Copy of the picture if the list has only one, so that its file is read once.
    single: Option<Frame>,
    sequence: u64,
    repeat: bool,
    pacer: Pacer,
    stop: Stop,
}

impl Camera for Playlist {
    fn capture(&mut self, mut buffer: Vec<u8>) -> Result<Frame, CameraError> {
        self.pacer.wait(&self.stop)?;
        self.sequence += 1;
        let mut frame = match self.single.take() {
            Some(frame) => frame,
            None => self.next_picture()?,
        };
        frame.captured_at = Instant::now();
        frame.sequence = self.sequence;
        if self.pictures.len() == 1 && self.repeat {
            buffer.clear();
            buffer.extend_from_slice(&frame.data);
            let original = std::mem::replace(&mut frame.data, buffer);
            self.single = Some(Frame { data: original, ..frame });
        }
        Ok(frame)
    }
}

impl Playlist {
    /// The next readable picture. Unreadable ones are logged and skipped.
    fn next_picture(&mut self) -> Result<Frame, CameraError> {
        for _ in 0..self.pictures.len() {
            if self.next == self.pictures.len() {
                if !self.repeat {
                    return Err(CameraError::Gone("all pictures have been shown".into()));
                }
                self.next = 0;
            }
            let path = &self.pictures[self.next];
            self.next += 1;
            match load_picture(path) {
                Ok(frame) => return Ok(frame),
                Err(error) => tracing::warn!(path = %path.display(), %error, "picture skipped"),
            }
        }
        Err(CameraError::Unsupported("none of the pictures can be read".into()))
    }
}

/// Plays a clip or a stream.
struct Playback {
    clip: Clip,
    input: PathBuf,
    sequence: u64,
    repeat: bool,
    pacer: Pacer,
    stop: Stop,
}

impl Camera for Playback {
    fn capture(&mut self, buffer: Vec<u8>) -> Result<Frame, CameraError> {
        self.pacer.wait(&self.stop)?;
        let frame = match self.clip.next_frame(buffer)? {
            Some(frame) => frame,
            None if self.repeat => {
                self.clip = Clip::open(&self.input, &self.stop)?;
                self.clip.next_frame(Vec::new())?.ok_or_else(|| self.ended())?
            }
            None => return Err(self.ended()),
        };
        self.sequence += 1;
        Ok(Frame { sequence: self.sequence, ..frame })
    }
}

impl Playback {
    fn open(input: &Path, repeat: bool, pacer: Pacer, stop: &Stop) -> Result<Self, CameraError> {
        let clip = Clip::open(input, stop)?;
        Ok(Self { clip, input: input.into(), sequence: 0, repeat, pacer, stop: stop.clone() })
    }

    fn ended(&self) -> CameraError {
        CameraError::Gone(format!("{} has ended", clip::display_name(&self.input)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;
    use image::GrayImage;
    use std::process::Command;

    /// A rate without waiting time.
    const AT_ONCE: f64 = f64::INFINITY;

    fn camera(path: &Path, repeat: bool) -> Result<Box<dyn Camera>, CameraError> {
        let config = File { path: path.into(), frames_per_s: AT_ONCE, repeat };
        FileSource::new(&config, &Stop::default()).open()
    }

    /// First pixels of the next frames, until the camera fails, with its error.
    fn play(camera: &mut dyn Camera, at_most: usize) -> (Vec<u8>, Option<String>) {
        let mut pixels = Vec::new();
        while pixels.len() < at_most {
            match camera.capture(Vec::new()) {
                Ok(frame) => {
                    assert_eq!(frame.sequence, pixels.len() as u64 + 1);
                    pixels.push(frame.data[0]);
                }
                Err(error) => return (pixels, Some(error.to_string())),
            }
        }
        (pixels, None)
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, luma) in [("b.PNG", 20), ("a.png", 10), ("d.png", 40)] {
            GrayImage::from_pixel(4, 3, image::Luma([luma])).save(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("c.jpg"), "no picture").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "not looked at").unwrap();
        folder
    }

    #[test]
    fn a_folder_is_played_in_order_once_or_repeatedly() {
        let folder = folder();
        let mut once = camera(folder.path(), false).unwrap();
        let ended = Some("camera gone: all pictures have been shown".to_owned());
        assert_eq!(play(&mut *once, 9), (vec![10, 20, 40], ended));
        let mut repeated = camera(folder.path(), true).unwrap();
        assert_eq!(play(&mut *repeated, 5), (vec![10, 20, 40, 10, 20], None));
    }

    #[test]
    fn a_single_picture_is_repeated_in_the_given_buffer() {
        let folder = folder();
        let mut camera = camera(&folder.path().join("b.PNG"), true).unwrap();
        assert_eq!(camera.capture(Vec::new()).unwrap().data, [20; 12]);
        let buffer = Vec::with_capacity(1000);
        let (address, frame) = (buffer.as_ptr(), camera.capture(buffer).unwrap());
        assert!(std::ptr::eq(frame.data.as_ptr(), address));
        assert_eq!((frame.data, frame.sequence), (vec![20; 12], 2));
    }

    #[test]
    fn unreadable_inputs_are_reported() {
        let fault = |path: &Path| camera(path, true).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(fault(Path::new("/nowhere/a.jpg")), "camera gone: /nowhere/a.jpg does not exist");
        let folder = tempfile::tempdir().unwrap();
        assert!(fault(folder.path()).ends_with(" contains no .jpg, .jpeg, .png or .webp file"));
        let broken = folder.path().join("a.webp");
        std::fs::write(&broken, "").unwrap();
        let (none, why) = play(&mut *camera(&broken, true).unwrap(), 1);
        assert_eq!(
            (none.len(), why.as_deref()),
            (0, Some("camera cannot be used: none of the pictures can be read"))
        );
    }

    #[test]
    fn inputs_are_recognized_by_name_or_contents() {
        let folder = folder();
        let unnamed = folder.path().join("unnamed");
        std::fs::copy(folder.path().join("a.png"), &unnamed).unwrap();
        assert_eq!(Input::inspect(&unnamed).unwrap(), Input::Picture(unnamed));
        let text = Input::inspect(&folder.path().join("notes.txt")).expect_err("is text").to_string();
        assert!(text.ends_with("notes.txt is a text file, not a picture or a clip"), "{text}");
        let clip = folder.path().join("c.mp4");
        std::fs::write(&clip, b"\0\0\0\x20ftypisom").unwrap();
        assert_eq!(Input::inspect(&clip).unwrap(), Input::Clip(clip.clone()));
        std::fs::write(&clip, b"").unwrap();
        assert!(Input::inspect(&clip).is_err_and(|error| error.to_string().ends_with("c.mp4 is empty")));
        let stream = PathBuf::from("rtsp://camera/live");
        assert_eq!(Input::inspect(&stream).unwrap(), Input::Clip(stream));
    }

    #[test]
    fn pictures_are_due_at_even_intervals_and_delays_are_not_made_up_for() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut pacer = Pacer::new(Some(10.0));
        assert_eq!(pacer.delay(start), ms(0));
        assert_eq!(pacer.delay(start + ms(30)), ms(70));
        assert_eq!(pacer.delay(start + ms(250)), ms(0), "late by half an interval");
        assert_eq!(pacer.delay(start + ms(260)), ms(40));
        assert_eq!(pacer.delay(start + ms(900)), ms(0), "late by many intervals");
        assert_eq!(pacer.delay(start + ms(910)), ms(90));
    }

    #[test]
    fn waiting_ends_with_the_request_to_stop() {
        let stop = Stop::default();
        let mut pacer = Pacer::new(Some(0.01));
        assert!(pacer.wait(&stop).is_ok(), "the first picture is due at once");
        stop.request();
        assert!(matches!(pacer.wait(&stop), Err(CameraError::Gone(_))));
    }

    /// A clip of six pictures, each brighter than the one before. `None` if ffmpeg is not installed.
    fn clip(folder: &Path) -> Option<PathBuf> {
        let path = folder.join("clip 1: brighter.mkv");
        let source = "color=black:s=64x48:r=5:d=1.2,format=gray,geq=lum='40*N'";
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", source, "-c:v", "ffv1"]);
        match ffmpeg.arg(format!("file:{}", path.display())).status() {
            Ok(status) => {
                assert!(status.success());
                Some(path)
            }
            Err(_) => {
                // Written to stderr directly, because the test harness captures the usual output of a passed test.
                let _ =
                    std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED: ffmpeg is not installed\n");
                None
            }
        }
    }

    #[test]
    fn a_clip_delivers_each_of_its_pictures_and_then_ends() {
        let folder = tempfile::tempdir().unwrap();
        let Some(path) = clip(folder.path()) else { return };
        let mut clip = Clip::open(&path, &Stop::default()).unwrap();
        assert_eq!(clip.info(), ClipInfo { size: Size::new(64, 48), frames_per_s: 5.0 });
        for expected in [0u8, 40, 80, 120, 160, 200] {
            let frame = clip.next_frame(Vec::new()).unwrap().expect("six pictures");
            assert_eq!((frame.size, frame.stride, frame.data.len()), (Size::new(64, 48), 64, 64 * 48));
            assert!(frame.data.iter().all(|luma| luma.abs_diff(expected) <= 2), "{expected}");
        }
        assert!(clip.next_frame(Vec::new()).unwrap().is_none());
        let mut once = Playback::open(&path, false, Pacer::new(None), &Stop::default()).unwrap();
        assert_eq!(play(&mut once, 99).0.len(), 6);
        let mut repeated = Playback::open(&path, true, Pacer::new(None), &Stop::default()).unwrap();
        assert_eq!(play(&mut repeated, 13).0.len(), 13);
    }

    #[test]
    fn an_invalid_clip_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        if clip(folder.path()).is_none() {
            return;
        }
        let noise = folder.path().join("noise.mp4");
        std::fs::write(&noise, [0u8, 1, 2, 0xfe, 7].repeat(999)).unwrap();
        let error = camera(&noise, true).err().expect("is not a clip");
        assert!(matches!(error, CameraError::Unsupported(_)), "{error}");
        let message = error.to_string();
        assert!(message.contains("noise.mp4: ") && message.contains("Invalid data found"), "{message}");
    }
}
