//! What a hand can ask of the running device: pause and resume, begin and end a lesson, show the page for pairing, look
//! through the camera to aim it.
//!
//! One [`Control`], cloned by everything that listens to hands: button, signals, switch. Its one decision: the switch in
//! hardware has the last word. While it is closed nothing resumes, whoever asks, and opening it does not undo a
//! pause by hand.

pub mod console;
mod kept;
mod pairing;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

pub use kept::{Kept, keep};
pub use pairing::Pairing;

use crate::aim::{self, Aim};
use crate::camera;
use crate::config::{Config, Room};
use crate::mood::{Sensitivity, lesson};

/// Who dims the wall for a film need not remember to undo it.
pub const DIM_FOR: Duration = Duration::from_secs(3 * 3600);

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The push button.
    Button,
    /// SIGUSR1 or SIGUSR2.
    Signal,
    /// Somebody at the page.
    Page,
    /// Somebody at the broker.
    Mqtt,
    /// The machine's administrator, with `moodring aim` or `moodring pair`.
    Console,
}

/// Where the privacy switch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchPosition {
    /// The camera may be open; also where there is no switch.
    Open,
    /// Nothing opens the camera.
    Closed,
}

/// Why something that was asked for is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The switch has the last word.
    #[error("the privacy switch is closed")]
    SwitchClosed,
    /// Lessons are not recorded.
    #[error("lessons are not recorded (lessons.enabled)")]
    NoLessons,
    /// Nobody may look through the camera.
    #[error("aiming is switched off (privacy.aiming)")]
    NoAiming,
    /// The camera is closed.
    #[error("the device is paused: resume it first")]
    Paused,
    /// Nobody needs a code.
    #[error("the page is not in the network (web.enabled, web.listen): who sits at the device needs no code")]
    NoPairing,
    /// A code cannot be made.
    #[error("the system has no random numbers")]
    NoRandomNumbers,
    /// Too much was asked for at once.
    #[error("too many commands at once")]
    Busy,
}

/// The one handle by which the running device is controlled. Clones share it.
#[derive(Debug, Clone)]
pub struct Control(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    camera: Arc<camera::Switch>,
    wishes: Mutex<Wishes>,
    /// What the rest of the device goes by: whether it is paused, for whatever reason.
    paused: watch::Sender<bool>,
    /// What is to be kept: whether it was paused by hand.
    asked: watch::Sender<bool>,
    /// Counts how often a lesson began or ended, or a pause began.
    anew: watch::Sender<u64>,
    pairing: watch::Sender<Option<Pairing>>,
    pairing_code: pairing::Code,
    /// How long it is offered.
    pairing_for: Duration,
    identifying: watch::Sender<Option<Instant>>,
    switched: watch::Sender<SwitchPosition>,
    dimmed: watch::Sender<Option<Instant>>,
    sensitivity: watch::Sender<Sensitivity>,
    aim: Aim,
    /// Whether it may be aimed at all.
    may_be_aimed: bool,
    lesson_now: watch::Sender<Option<lesson::UnderWay>>,
    lessons: Option<mpsc::Sender<lesson::Command>>,
    is_new: bool,
}

#[derive(Debug, Clone, Copy)]
struct Wishes {
    paused_by_hand: bool,
    switch: SwitchPosition,
}

impl Wishes {
    fn paused(self) -> bool {
        self.paused_by_hand || self.switch == SwitchPosition::Closed
    }
}

impl Control {
    /// The device as it begins: as it was `kept`, or paused where the configuration says so. A switch that is not
    /// read yet is closed. `lessons` takes commands, where lessons are recorded.
    pub fn new(config: &Config, kept: &Kept, lessons: Option<mpsc::Sender<lesson::Command>>) -> Self {
        let privacy = &config.privacy;
        let switch = if privacy.switch.enabled { SwitchPosition::Closed } else { SwitchPosition::Open };
        let paused_by_hand = match kept {
            Kept::Nothing | Kept::Running => privacy.start_paused,
            Kept::Paused => true,
            Kept::Unreadable { path, reason } => {
                warn!(path = %path.display(), reason, "whether it was paused cannot be read: paused until resumed by hand");
                true
            }
        };
        let wishes = Wishes { paused_by_hand, switch };
        let camera = Arc::new(camera::Switch::default());
        if wishes.paused() {
            camera.pause();
        }
        if paused_by_hand {
            info!(start_paused = privacy.start_paused, "begins paused");
        }
        let asks_for_code = config.web.enabled && !config.web.listen.ip().is_loopback();
        Self(Arc::new(Inner {
            camera,
            wishes: Mutex::new(wishes),
            paused: watch::Sender::new(wishes.paused()),
            asked: watch::Sender::new(paused_by_hand),
            anew: watch::Sender::default(),
            pairing: watch::Sender::new(None),
            pairing_code: if asks_for_code { pairing::Code::Asked } else { pairing::Code::None },
            pairing_for: Duration::from_secs_f64(config.button.pairing_s),
            identifying: watch::Sender::new(None),
            switched: watch::Sender::new(switch),
            dimmed: watch::Sender::new(None),
            sensitivity: watch::Sender::default(),
            aim: Aim::default(),
            may_be_aimed: privacy.aiming,
            lesson_now: watch::Sender::new(None),
            lessons,
            is_new: config.room == Room::default(),
        }))
    }

    /// What closes and opens the camera.
    pub fn camera(&self) -> &Arc<camera::Switch> {
        &self.0.camera
    }

    /// Whether the device is paused, from now on.
    pub fn paused(&self) -> watch::Receiver<bool> {
        self.0.paused.subscribe()
    }

    /// Whether it was paused by hand, from now on: what must survive a power cut.
    pub fn paused_by_hand(&self) -> watch::Receiver<bool> {
        self.0.asked.subscribe()
    }

    /// Counts how often a pause began, and lessons count here how often one began or ended: whenever it changes, nobody
    /// may be known from before.
    pub fn anew(&self) -> &watch::Sender<u64> {
        &self.0.anew
    }

    /// What is offered for pairing, from now on.
    pub fn pairing(&self) -> watch::Receiver<Option<Pairing>> {
        self.0.pairing.subscribe()
    }

    /// Until when lights and displays are to show which device this is, from now on.
    pub fn identifying(&self) -> watch::Receiver<Option<Instant>> {
        self.0.identifying.subscribe()
    }

    /// Where the privacy switch stands, from now on.
    pub fn switched(&self) -> watch::Receiver<SwitchPosition> {
        self.0.switched.subscribe()
    }

    /// Until when lights and displays are as dim as at night, from now on.
    pub fn dimmed(&self) -> watch::Receiver<Option<Instant>> {
        self.0.dimmed.subscribe()
    }

    /// How soon the word follows the class, from now on.
    pub fn sensitivity(&self) -> watch::Receiver<Sensitivity> {
        self.0.sensitivity.subscribe()
    }

    /// The lesson that is under way: the recorder tells it here.
    pub fn lesson_now(&self) -> &watch::Sender<Option<lesson::UnderWay>> {
        &self.0.lesson_now
    }

    /// Whether lessons are recorded, so that they can be begun and ended.
    pub fn records_lessons(&self) -> bool {
        self.0.lessons.is_some()
    }

    /// Whether nobody has said yet where it hangs: the room is called as in the packaged configuration.
    pub fn is_new(&self) -> bool {
        self.0.is_new
    }

    /// Where the privacy switch stands.
    pub fn switch(&self) -> SwitchPosition {
        self.lock().switch
    }

    /// Closes the camera and empties the mood.
    pub fn pause(&self, by: Asker) {
        self.pause_now(&mut self.lock(), by);
    }

    /// Opens the camera again.
    ///
    /// # Errors
    /// [`Refused::SwitchClosed`]; then nothing changed, also not for later.
    pub fn resume(&self, by: Asker) -> Result<(), Refused> {
        self.resume_if_open(&mut self.lock(), by)
    }

    /// Resumes what is paused, pauses what is not.
    ///
    /// # Errors
    /// As [`Control::resume`].
    pub fn toggle_pause(&self, by: Asker) -> Result<(), Refused> {
        let mut wishes = self.lock();
        if wishes.paused() {
            return self.resume_if_open(&mut wishes, by);
        }
        self.pause_now(&mut wishes, by);
        Ok(())
    }

    /// The switch in hardware was moved, or read for the first time.
    pub fn set_switch(&self, position: SwitchPosition) {
        let mut wishes = self.lock();
        if wishes.switch != position {
            info!(?position, paused_by_hand = wishes.paused_by_hand, "privacy switch");
        }
        wishes.switch = position;
        set(&self.0.switched, position);
        self.carry_out(*wishes);
    }

    /// Asks for a lesson to begin or end.
    ///
    /// # Errors
    /// Lessons are not recorded, or more commands are waiting than anybody means to give.
    pub fn lesson(&self, command: lesson::Command, by: Asker) -> Result<(), Refused> {
        let lessons = self.0.lessons.as_ref().ok_or(Refused::NoLessons)?;
        info!(?by, ?command, "lesson");
        lessons.try_send(command).map_err(|_| Refused::Busy)
    }

    /// Shows the page for pairing for a while from `now` on, with a new code where the page asks for one.
    ///
    /// # Errors
    /// [`Refused::NoRandomNumbers`].
    pub fn show_pairing(&self, now: Instant, by: Asker) -> Result<Pairing, Refused> {
        let offer = self.0.pairing_code.offer(now + self.0.pairing_for);
        let offer = offer.map_err(|_| Refused::NoRandomNumbers)?;
        info!(?by, "the page for pairing is shown");
        self.0.pairing.send_replace(Some(offer.clone()));
        Ok(offer)
    }

    /// A code with which a phone can be paired.
    ///
    /// # Errors
    /// [`Refused::NoPairing`], or as [`Control::show_pairing`].
    pub fn offer_code(&self, by: Asker) -> Result<String, Refused> {
        if self.0.pairing_code == pairing::Code::None {
            return Err(Refused::NoPairing);
        }
        self.show_pairing(Instant::now(), by)?.code.ok_or(Refused::NoPairing)
    }

    /// Lets lights and displays show which device this is until `until`.
    pub fn identify(&self, until: Instant, by: Asker) {
        info!(?by, "shows which device it is");
        self.0.identifying.send_replace(Some(until));
    }

    /// The aiming view, if there is one.
    pub fn aim(&self) -> &Aim {
        &self.0.aim
    }

    /// Lets an administrator look through the camera for ten minutes; until when. To be called for a hand at the device only.
    ///
    /// # Errors
    /// [`Refused::NoAiming`], or [`Refused::Paused`].
    pub fn offer_aiming(&self, by: Asker) -> Result<Instant, Refused> {
        if !self.0.may_be_aimed {
            return Err(Refused::NoAiming);
        }
        // Held until it is offered: a pause ends what was offered before it, not what comes after.
        let wishes = self.lock();
        if wishes.paused() {
            return Err(Refused::Paused);
        }
        let until = Instant::now() + aim::OFFERED_FOR;
        self.0.aim.offer(until);
        info!(?by, "aiming is offered for ten minutes");
        Ok(until)
    }

    /// Nobody looks through the camera any more.
    pub fn end_aiming(&self, by: Asker) {
        if self.0.aim.until(Instant::now()).is_some() {
            info!(?by, "aiming ended");
        }
        self.0.aim.end();
    }

    /// Makes lights and displays as dim as at night until `until`; `None` leaves it to the clock again.
    pub fn dim(&self, until: Option<Instant>, by: Asker) {
        info!(?by, dim = until.is_some(), "night mode");
        self.0.dimmed.send_replace(until);
    }

    /// Lets the word follow the class as soon as that, until somebody wants it otherwise or the program starts anew.
    pub fn set_sensitivity(&self, sensitivity: Sensitivity, by: Asker) {
        if set(&self.0.sensitivity, sensitivity) {
            info!(?by, ?sensitivity, "how soon the word follows");
        }
    }

    /// Pauses on SIGUSR1, resumes on SIGUSR2; completes only when signals cannot be received.
    pub async fn obey_signals(self) {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = (signal(SignalKind::user_defined1()), signal(SignalKind::user_defined2()));
        let (Ok(mut pause), Ok(mut resume)) = signals else {
            warn!("SIGUSR1 and SIGUSR2 cannot be received: no pausing by signal");
            return;
        };
        loop {
            tokio::select! {
                _ = pause.recv() => self.pause(Asker::Signal),
                _ = resume.recv() => if let Err(reason) = self.resume(Asker::Signal) {
                    info!(%reason, "not resumed");
                },
            }
        }
    }

    fn pause_now(&self, wishes: &mut Wishes, by: Asker) {
        if !wishes.paused_by_hand {
            info!(?by, "paused");
        }
        wishes.paused_by_hand = true;
        self.carry_out(*wishes);
    }

    fn resume_if_open(&self, wishes: &mut Wishes, by: Asker) -> Result<(), Refused> {
        if wishes.switch == SwitchPosition::Closed {
            return Err(Refused::SwitchClosed);
        }
        if wishes.paused_by_hand {
            info!(?by, "resumed");
        }
        wishes.paused_by_hand = false;
        self.carry_out(*wishes);
        Ok(())
    }

    /// Everything goes by the same word. Called with the lock held, so that nobody sees half of it.
    fn carry_out(&self, wishes: Wishes) {
        let paused = wishes.paused();
        if paused {
            self.0.camera.pause();
            self.0.aim.end();
        }
        let changed = set(&self.0.paused, paused);
        set(&self.0.asked, wishes.paused_by_hand);
        if paused && changed {
            self.0.anew.send_modify(|count| *count += 1);
        }
        if !paused {
            self.0.camera.resume();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.0.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes those who wait only when something changed; true if it did.
fn set<T: PartialEq>(sender: &watch::Sender<T>, value: T) -> bool {
    sender.send_if_modified(|old| {
        let changed = *old != value;
        *old = value;
        changed
    })
}

#[cfg(test)]
mod tests;
