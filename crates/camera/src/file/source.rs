//! Pictures, folders, clips and streams as a camera.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::address::is_address;
use super::clip::Clip;
use super::ffmpeg::Speed;
use super::picture::{load_picture, shrink};
use super::{Input, InputError, display_name};
use crate::{Camera, CameraError, CameraSource, Frame};
use moodring_config::File;
use moodring_runtime::Stop;

/// Larger pictures are halved: three of them are in memory at a time, and no head is smaller than the detector's
/// pictures show.
const MAX_CAMERA_PIXELS: usize = 16_000_000;

/// A clip or stream is opened once a second at most. A snapshot is a stream of one picture, and the camera that serves
/// it would be asked as fast as it answers.
const MAX_OPENINGS_PER_S: f64 = 1.0;

/// Pictures, clips and streams as a camera.
#[derive(Clone)]
pub struct FileSource {
    config: File,
    stop: Stop,
}

// A derived Debug would write the password of an address to the log.
impl std::fmt::Debug for FileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileSource({})", display_name(&self.config.path))
    }
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
        let pictures = match Input::inspect(path)? {
            Input::Clip(input) => return Ok(Box::new(Playback::open(input, repeat, stop)?)),
            Input::Picture(path) => vec![path],
            Input::Folder(pictures) => pictures,
        };
        Ok(Box::new(Playlist {
            pictures,
            next: 0,
            single: None,
            sequence: 0,
            repeat,
            skipped: Skipped::default(),
            pacer: Pacer::new(*frames_per_s),
            stop,
        }))
    }
}

/// Schedules pictures, or openings of a stream, at even intervals.
#[derive(Debug)]
pub(super) struct Pacer {
    interval: Duration,
    due: Option<Instant>,
}

impl Pacer {
    /// A pacer for this many pictures a second.
    pub(super) fn new(per_s: f64) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / per_s).unwrap_or(Duration::from_secs(1));
        Self { interval, due: None }
    }

    /// Time from `now` until the next picture is due. A delay of more than one interval is not made up for.
    pub(super) fn delay(&mut self, now: Instant) -> Duration {
        let due = self.due.filter(|due| *due + self.interval >= now).unwrap_or(now);
        self.due = Some(due + self.interval);
        due.saturating_duration_since(now)
    }

    /// Waits until the next picture is due.
    ///
    /// # Errors
    /// [`CameraError::Gone`] when the stop is requested.
    pub(super) fn wait(&mut self, stop: &Stop) -> Result<(), CameraError> {
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
    skipped: Skipped,
    pacer: Pacer,
    stop: Stop,
}

/// Counts the unreadable pictures of a pass through the list, which are logged in one line.
#[derive(Debug, Default)]
pub(super) struct Skipped {
    /// Pictures skipped in this pass.
    count: usize,
    /// The first of them, with the reason.
    first: String,
    /// The number that was logged last.
    logged: usize,
}

impl Skipped {
    pub(super) fn add(&mut self, problem: &str) {
        if self.count == 0 {
            problem.clone_into(&mut self.first);
        }
        self.count += 1;
    }

    /// Ends the pass. Returns what must be logged: the number of unreadable pictures, unless it is the same as before.
    pub(super) fn end_pass(&mut self) -> Option<usize> {
        let count = std::mem::take(&mut self.count);
        let is_new = count != self.logged;
        self.logged = count;
        (is_new && count > 0).then_some(count)
    }
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
    /// The next readable picture.
    fn next_picture(&mut self) -> Result<Frame, CameraError> {
        for _ in 0..self.pictures.len() {
            if self.next == self.pictures.len() {
                self.end_pass();
                if !self.repeat {
                    return Err(CameraError::Gone("all pictures have been shown".into()));
                }
                self.next = 0;
            }
            let path = &self.pictures[self.next];
            self.next += 1;
            match load_picture(path) {
                Ok(frame) => return Ok(shrink(frame, MAX_CAMERA_PIXELS)),
                Err(error) => self.skipped.add(&format!("{} {error}", path.display())),
            }
        }
        let (count, first) = (self.pictures.len(), &self.skipped.first);
        Err(CameraError::Unsupported(format!("none of {count} pictures can be read; the first: {first}")))
    }

    fn end_pass(&mut self) {
        if let Some(count) = self.skipped.end_pass() {
            tracing::warn!(count, first = self.skipped.first, "pictures cannot be read and are skipped");
        }
    }
}

/// Plays a clip or a stream.
pub(super) struct Playback {
    clip: Clip,
    input: PathBuf,
    sequence: u64,
    repeat: bool,
    /// Whether it was logged that the clip is incomplete.
    reported: bool,
    openings: Pacer,
    stop: Stop,
}

impl Playback {
    pub(super) fn open(input: PathBuf, repeat: bool, stop: Stop) -> Result<Self, CameraError> {
        let mut openings = Pacer::new(MAX_OPENINGS_PER_S);
        openings.wait(&stop)?;
        let clip = Clip::open(&input, Speed::RealTime, &stop)?;
        Ok(Self { clip, input, sequence: 0, repeat, reported: false, openings, stop })
    }

    /// The next picture. `None` at the end, also at that of a clip that is cut.
    fn next_frame(&mut self, buffer: Vec<u8>) -> Result<Option<Frame>, CameraError> {
        match self.clip.next_frame(buffer) {
            Err(error @ InputError::Incomplete { .. }) if self.repeat && !is_address(&self.input) => {
                if !std::mem::replace(&mut self.reported, true) {
                    tracing::warn!(%error, "clip is repeated up to there");
                }
                Ok(None)
            }
            result => Ok(result?),
        }
    }
}

impl Camera for Playback {
    fn capture(&mut self, buffer: Vec<u8>) -> Result<Frame, CameraError> {
        let mut next = self.next_frame(buffer)?;
        if next.is_none() && self.repeat {
            self.openings.wait(&self.stop)?;
            self.clip = Clip::open(&self.input, Speed::RealTime, &self.stop)?;
            next = self.next_frame(Vec::new())?;
        }
        let ended = || CameraError::Gone(format!("{} has ended", display_name(&self.input)));
        let frame = next.ok_or_else(ended)?;
        self.sequence += 1;
        Ok(Frame { sequence: self.sequence, ..frame })
    }
}
