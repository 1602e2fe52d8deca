//! A camera without hardware: a drawn class of 1 to 60 people, in a room or in a video call, with known ground truth.
//!
//! Drawing is a pure function of class and time ([`Scene`]); only `FrameClock` reads the system clock. The people are
//! not real: their faces are random blends in a face space (`docs/reference/simulator.md`).

mod canvas;
mod face_space;
mod gallery;
mod head;
mod lettering;
mod pixels;
mod room;
mod scene;
mod script;
mod seating;
mod setting;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use scene::{GroundTruth, GroundTruthPerson, Scene};
pub use script::{Script, ScriptError, ScriptEvent};

use crate::{Camera, CameraError, CameraSource, Frame, PixelFormat};
use moodring_config as config;
use moodring_config::{CameraView, SimulatedFormat, SimulatedScript};

/// A source of pictures of a simulated class.
pub struct SimulatorSource {
    config: config::Simulator,
    view: CameraView,
    script: Script,
    clock: Arc<Mutex<FrameClock>>,
}

impl SimulatorSource {
    /// The class of `config` in a room, in real time.
    pub fn new(config: &config::Simulator) -> Self {
        let period = Duration::from_secs(1) / config.frames_per_s.clamp(1, 60);
        Self {
            config: config.clone(),
            view: CameraView::Room,
            script: match config.script {
                SimulatedScript::Lesson => Script::lesson(config.facing),
                SimulatedScript::Steady => Script::default(),
            },
            clock: Arc::new(Mutex::new(FrameClock {
                period,
                started_at: None,
                next_sequence: 0,
                is_real_time: true,
            })),
        }
    }

    /// Sets the view: room or gallery.
    pub fn with_view(mut self, view: CameraView) -> Self {
        self.view = view;
        self
    }

    /// Replaces the script.
    pub fn with_script(mut self, script: Script) -> Self {
        self.script = script;
        self
    }

    /// Delivers pictures without waiting, each one frame period after the one before in the time of the class. For
    /// benchmarks, and for tests that must not sleep.
    pub fn unpaced(self) -> Self {
        self.lock().is_real_time = false;
        self
    }

    /// The scene, for drawing and for the ground truth.
    ///
    /// # Errors
    /// [`CameraError::Unsupported`] if the embedded face space is damaged.
    pub fn scene(&self) -> Result<Scene, CameraError> {
        Scene::new(&self.config, self.view, self.script.clone())
            .map_err(|error| CameraError::Unsupported(error.to_string()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, FrameClock> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CameraSource for SimulatorSource {
    fn open(&mut self) -> Result<Box<dyn Camera>, CameraError> {
        let scene = self.scene()?;
        if scene.state(self.lock().now()).gone {
            // Without real time the clock must advance here, or the camera would stay unplugged without end.
            self.lock().next();
            return Err(unplugged());
        }
        let format = match self.config.format {
            SimulatedFormat::Grey => PixelFormat::Grey,
            SimulatedFormat::Nv12 => PixelFormat::Nv12,
            SimulatedFormat::Yuyv => PixelFormat::Yuyv,
            SimulatedFormat::Mjpeg => PixelFormat::Mjpeg,
        };
        let luma = vec![0; scene.size().area()];
        Ok(Box::new(SimulatedCamera { scene, format, luma, clock: Arc::clone(&self.clock) }))
    }
}

fn unplugged() -> CameraError {
    CameraError::Gone("the script has unplugged the simulated camera".into())
}

struct SimulatedCamera {
    scene: Scene,
    format: PixelFormat,
    luma: Vec<u8>,
    clock: Arc<Mutex<FrameClock>>,
}

impl Camera for SimulatedCamera {
    fn capture(&mut self, mut buffer: Vec<u8>) -> Result<Frame, CameraError> {
        let tick = self.clock.lock().unwrap_or_else(PoisonError::into_inner).next();
        if self.scene.state(tick.at).gone {
            return Err(unplugged());
        }
        self.scene.draw(tick.at, &mut self.luma);
        let size = self.scene.size();
        let stride = pixels::pack(self.format, size, &self.luma, &mut buffer)?;
        let (captured_at, sequence, format) = (tick.captured_at, tick.sequence, self.format);
        Ok(Frame { captured_at, sequence, format, size, stride, data: buffer })
    }
}

/// Schedules pictures. It outlives the camera, so that the time of the class continues while the camera is unplugged.
struct FrameClock {
    period: Duration,
    started_at: Option<Instant>,
    /// Sequence number of the next picture.
    next_sequence: u64,
    /// Whether the clock waits until a picture is due.
    is_real_time: bool,
}

/// Time and number of one picture.
struct Tick {
    /// Time of the class.
    at: Duration,
    captured_at: Instant,
    sequence: u64,
}

impl FrameClock {
    /// Time of the class at which picture `sequence` is due.
    fn due(&self, sequence: u64) -> Duration {
        Duration::from_nanos((self.period.as_nanos() as u64).saturating_mul(sequence))
    }

    /// The current time of the class.
    fn now(&mut self) -> Duration {
        let started_at = *self.started_at.get_or_insert_with(Instant::now);
        if self.is_real_time { started_at.elapsed() } else { self.due(self.next_sequence) }
    }

    /// Waits until the next picture is due. Pictures whose time has passed are skipped, as a driver does.
    fn next(&mut self) -> Tick {
        let started_at = *self.started_at.get_or_insert_with(Instant::now);
        if self.is_real_time {
            let late = (started_at.elapsed().as_nanos() / self.period.as_nanos().max(1)) as u64;
            self.next_sequence = self.next_sequence.max(late);
            std::thread::sleep(self.due(self.next_sequence).saturating_sub(started_at.elapsed()));
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let at = self.due(sequence);
        Tick { at, captured_at: started_at + at, sequence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(format: SimulatedFormat) -> config::Simulator {
        config::Simulator { people: 8, width: 640, height: 360, format, ..config::Simulator::default() }
    }

    #[test]
    fn a_script_unplugs_the_camera_and_reconnects_it() {
        let second = Duration::from_secs(1);
        let script = Script::new(vec![(second, ScriptEvent::Gone(second))], None).unwrap();
        let config = config::Simulator { frames_per_s: 4, ..small(SimulatedFormat::Grey) };
        let mut source = SimulatorSource::new(&config).with_script(script).unpaced();
        let mut camera = source.open().unwrap();
        for sequence in 0..4 {
            assert_eq!(camera.capture(Vec::new()).unwrap().sequence, sequence);
        }
        assert!(matches!(camera.capture(Vec::new()), Err(CameraError::Gone(_))));
        for _ in 5..8 {
            assert!(matches!(source.open().err(), Some(CameraError::Gone(_))));
        }
        let frame = source.open().unwrap().capture(Vec::new()).unwrap();
        assert_eq!((frame.sequence, frame.size.to_string().as_str()), (8, "640x360"));
    }

    #[test]
    fn all_formats_contain_the_same_luma() {
        let frame = |format| {
            let mut source = SimulatorSource::new(&small(format)).unpaced();
            source.open().unwrap().capture(vec![9; 3]).unwrap()
        };
        let grey = frame(SimulatedFormat::Grey);
        assert_eq!((grey.stride, grey.data.len()), (640, 640 * 360));
        let nv12 = frame(SimulatedFormat::Nv12);
        assert_eq!((nv12.stride, nv12.data.len()), (640, 640 * 360 * 3 / 2));
        assert_eq!(nv12.data[..640 * 360], grey.data);
        assert!(nv12.data[640 * 360..].iter().all(|chroma| *chroma == 128));
        let yuyv = frame(SimulatedFormat::Yuyv);
        assert_eq!((yuyv.stride, yuyv.data.len()), (1280, 2 * 640 * 360));
        assert!(yuyv.data.iter().step_by(2).eq(&grey.data));
        let mjpeg = frame(SimulatedFormat::Mjpeg);
        let decoded = image::load_from_memory(&mjpeg.data).unwrap().to_luma8().into_raw();
        let difference: u64 = decoded.iter().zip(&grey.data).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!(difference < 2 * grey.data.len() as u64, "the mean difference exceeds 2 levels");
    }

    #[test]
    fn a_late_reader_gets_the_current_picture() {
        let long_ago = Instant::now().checked_sub(Duration::from_millis(1050)).unwrap();
        let period = Duration::from_secs(100);
        let mut clock =
            FrameClock { period, started_at: Some(long_ago), next_sequence: 0, is_real_time: true };
        clock.period = Duration::from_millis(10);
        let tick = clock.next();
        assert!(tick.sequence >= 105, "{}", tick.sequence);
        assert_eq!(tick.captured_at, long_ago + tick.at);
    }
}
