//! A camera that needs no hardware: a scripted class of 1 to 60 people, in a room or in a video call, drawn, with known
//! truth.
//!
//! Drawing is a pure function of class and time ([`Scene`]); only `Pace` knows a clock. The people exist
//! nowhere: their faces are random blends in a face space (`docs/reference/simulator.md`).

mod canvas;
mod dice;
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

pub use scene::{Scene, TruePerson, Truth};
pub use script::{Event, Script, ScriptError};

use crate::camera::{Camera, CameraError, CameraSource, Frame, PixelFormat};
use crate::config::{self, CameraView, SimulatedFormat, SimulatedScript};

/// A source of pictures of a class that exists nowhere.
pub struct SimulatorSource {
    config: config::Simulator,
    view: CameraView,
    script: Script,
    pace: Arc<Mutex<Pace>>,
}

impl SimulatorSource {
    /// The class of `config` in its room, paced by the clock.
    pub fn new(config: &config::Simulator) -> Self {
        let period = Duration::from_secs(1) / config.frames_per_s.clamp(1, 60);
        Self {
            config: config.clone(),
            view: CameraView::Room,
            script: match config.script {
                SimulatedScript::Lesson => Script::lesson(config.facing),
                SimulatedScript::Steady => Script::default(),
            },
            pace: Arc::new(Mutex::new(Pace { period, begun: None, taken: 0, waits: true })),
        }
    }

    /// Shows the class as `view` says.
    pub fn with_view(mut self, view: CameraView) -> Self {
        self.view = view;
        self
    }

    /// Plays another script.
    pub fn with_script(mut self, script: Script) -> Self {
        self.script = script;
        self
    }

    /// Gives pictures as fast as they are asked for, each one period of the class's time after the one
    /// before: for measuring, and for tests that must not sleep.
    pub fn unpaced(self) -> Self {
        self.lock().waits = false;
        self
    }

    /// The class itself, to draw from it or to ask for the truth about it.
    ///
    /// # Errors
    /// [`CameraError::Unsupported`] when the program's face space is damaged.
    pub fn scene(&self) -> Result<Scene, CameraError> {
        Scene::new(&self.config, self.view, self.script.clone())
            .map_err(|error| CameraError::Unsupported(error.to_string()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CameraSource for SimulatorSource {
    fn open(&mut self) -> Result<Box<dyn Camera>, CameraError> {
        let scene = self.scene()?;
        if scene.moment(self.lock().peek()).gone {
            // An unpaced class must live on, or it would stay unplugged for ever.
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
        Ok(Box::new(SimulatedCamera { scene, format, luma, pace: Arc::clone(&self.pace) }))
    }
}

fn unplugged() -> CameraError {
    CameraError::Gone("the script has unplugged the simulated camera".into())
}

struct SimulatedCamera {
    scene: Scene,
    format: PixelFormat,
    luma: Vec<u8>,
    pace: Arc<Mutex<Pace>>,
}

impl Camera for SimulatedCamera {
    fn capture(&mut self, mut buffer: Vec<u8>) -> Result<Frame, CameraError> {
        let tick = self.pace.lock().unwrap_or_else(PoisonError::into_inner).next();
        if self.scene.moment(tick.at).gone {
            return Err(unplugged());
        }
        self.scene.draw(tick.at, &mut self.luma);
        let size = self.scene.size();
        let stride = pixels::pack(self.format, size, &self.luma, &mut buffer)?;
        let (captured_at, sequence, format) = (tick.captured_at, tick.sequence, self.format);
        Ok(Frame { captured_at, sequence, format, size, stride, data: buffer })
    }
}

/// When the next picture is due. It outlives the camera, so the class goes on while it is unplugged.
struct Pace {
    period: Duration,
    begun: Option<Instant>,
    /// Pictures that were due so far.
    taken: u64,
    waits: bool,
}

struct Tick {
    at: Duration,
    captured_at: Instant,
    sequence: u64,
}

impl Pace {
    fn due(&self, sequence: u64) -> Duration {
        Duration::from_nanos((self.period.as_nanos() as u64).saturating_mul(sequence))
    }

    /// The class's time now, without waiting.
    fn peek(&mut self) -> Duration {
        let begun = *self.begun.get_or_insert_with(Instant::now);
        if self.waits { begun.elapsed() } else { self.due(self.taken) }
    }

    /// Waits for the next picture's time; pictures whose time has passed are left out, as a driver does.
    fn next(&mut self) -> Tick {
        let begun = *self.begun.get_or_insert_with(Instant::now);
        if self.waits {
            let late = (begun.elapsed().as_nanos() / self.period.as_nanos().max(1)) as u64;
            self.taken = self.taken.max(late);
            std::thread::sleep(self.due(self.taken).saturating_sub(begun.elapsed()));
        }
        let sequence = self.taken;
        self.taken += 1;
        let at = self.due(sequence);
        Tick { at, captured_at: begun + at, sequence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(format: SimulatedFormat) -> config::Simulator {
        config::Simulator { people: 8, width: 640, height: 360, format, ..config::Simulator::default() }
    }

    #[test]
    fn a_script_unplugs_the_camera_and_plugs_it_in_again() {
        let second = Duration::from_secs(1);
        let script = Script::new(vec![(second, Event::Gone(second))], None).unwrap();
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
    fn all_formats_carry_the_same_luma() {
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
        assert!(difference < 2 * grey.data.len() as u64, "mean difference beyond 2 levels");
    }

    #[test]
    fn a_late_reader_gets_the_picture_of_now() {
        let long_ago = Instant::now().checked_sub(Duration::from_millis(1050)).unwrap();
        let period = Duration::from_secs(100);
        let mut pace = Pace { period, begun: Some(long_ago), taken: 0, waits: true };
        pace.period = Duration::from_millis(10);
        let tick = pace.next();
        assert!(tick.sequence >= 105, "{}", tick.sequence);
        assert_eq!(tick.captured_at, long_ago + tick.at);
    }
}
