//! From moods to what is to be written, at most once a minute; and the task that does it.
//!
//! [`Recorder`] knows no disk, [`Disk`] no moods. What cannot be written waits in memory, up to a limit.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tracing::info;

use super::disk::{Disk, Writer};
use super::minute::MinuteUnderWay;
use super::record::{Chronicle, Record};
use super::session::{Decision, Session, UnderWay};
use super::{Beginning, Cause, Command, Minute, OpenLesson, Timetable, seconds};
use crate::config;
use crate::mood::{Mood, State, lesson};
use crate::supervisor::Stop;

/// Rows that wait for a disk that fails: ten hours. The oldest minutes are given up first.
const MOST_WAITING: usize = 600;
/// A device that comes back within this long goes on with the lesson: a power cut, or an update.
const RESUME_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// Earlier times are those of a device without a battery for its clock, which has not heard the time yet.
const EARLIEST: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z
const DAY_S: i64 = 86_400;

/// One thing to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// A lesson began; if another is still open in the store, it was interrupted.
    Begin {
        /// Campus or school.
        site: String,
        /// Room.
        room: String,
        /// What is estimated.
        mode: config::Mode,
        /// When, why and under which title.
        beginning: Beginning,
    },
    /// A minute of the lesson under way is over.
    Minute(Box<Minute>),
    /// The lesson under way is over; rows from `at` on do not belong to it.
    End {
        /// When it ended.
        at: Timestamp,
        /// What ended it.
        cause: Cause,
    },
}

/// What is written in one transaction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// In this order.
    pub writes: Vec<Write>,
    /// Lessons that began before this are deleted with their rows.
    pub delete_before: Option<Timestamp>,
}

/// Turns moods into batches.
#[derive(Debug)]
pub struct Recorder {
    room: config::Room,
    mode: config::Mode,
    keep: SignedDuration,
    session: Session,
    lesson: Option<Current>,
    /// A lesson that the store holds open, until the first mood says whether it goes on.
    found_open: Option<OpenLesson>,
    /// What is to be written next.
    waiting: Vec<Write>,
    /// The lesson under way as long as it has no live minute: without one it was none, and is forgotten.
    held: Option<Vec<Write>>,
    /// Minute of the clock in which the last batch was handed out.
    written_in: Option<i64>,
    /// Day of the clock on which old lessons were last deleted.
    deleted_on: Option<i64>,
    /// Whether a lesson began or ended since this was last looked at.
    turned: bool,
    chronicle: Chronicle,
    /// What outputs were not told yet.
    records: Vec<Record>,
}

/// The lesson that is being recorded.
#[derive(Debug)]
struct Current {
    title: String,
    under_way: UnderWay,
    minute: MinuteUnderWay,
}

impl Recorder {
    /// A recorder for `config`'s room. `open` is the lesson that the store holds open from the last run.
    pub fn new(config: &config::Config, timetable: Timetable, open: Option<OpenLesson>) -> Self {
        Self {
            room: config.room.clone(),
            mode: config.mood.mode,
            keep: kept_for(&config.lessons),
            session: Session::new(&config.lessons, timetable),
            chronicle: Chronicle::resume(open.as_ref()),
            records: Vec::new(),
            lesson: None,
            found_open: open,
            waiting: Vec::new(),
            held: None,
            written_in: None,
            deleted_on: None,
            turned: false,
        }
    }

    /// Goes by other rules from now on. A lesson under way goes on.
    pub fn adopt(&mut self, lessons: &config::Lessons, timetable: Timetable) {
        self.keep = kept_for(lessons);
        self.session.adopt(lessons, timetable);
    }

    /// Whether a lesson is under way.
    pub fn is_recording(&self) -> bool {
        self.lesson.is_some()
    }

    /// Takes in a mood, whose time is now.
    pub fn take(&mut self, mood: &Mood) {
        let at = mood.at;
        if at.as_second() < EARLIEST {
            return;
        }
        self.resume(at);
        // A lesson may end and the next begin with the same mood.
        for _ in 0..2 {
            let under_way = self.lesson.as_ref().map(|current| current.under_way);
            let decision = self.session.decide(at, mood.state == State::Live, under_way);
            self.carry_out(decision);
        }
        let Some(current) = &mut self.lesson else { return };
        let begun_at = current.under_way.begun_at;
        current.under_way.last_at = at;
        let number = number(begun_at, at);
        let next = (number > current.minute.number())
            .then(|| MinuteUnderWay::new(number, start_of(begun_at, number)));
        let over = next.map(|next| std::mem::replace(&mut current.minute, next).finish());
        current.minute.add(mood);
        if let Some(over) = over {
            self.wait(Write::Minute(Box::new(over)));
        }
    }

    /// Does what somebody asked for by hand at `at`.
    pub fn command(&mut self, command: &Command, at: Timestamp) {
        for decision in self.session.command(command, at, self.lesson.is_some()) {
            self.carry_out(decision);
        }
    }

    /// What is to be written at `at`: nothing, or everything that waits, once in a minute of the clock.
    pub fn due(&mut self, at: Timestamp) -> Option<Batch> {
        let (minute, day) = (at.as_second().div_euclid(60), at.as_second().div_euclid(DAY_S));
        if at.as_second() < EARLIEST || self.written_in == Some(minute) {
            return None;
        }
        let delete_before = (self.deleted_on != Some(day)).then(|| at - self.keep);
        if delete_before.is_none() && self.waiting.is_empty() {
            return None;
        }
        (self.written_in, self.deleted_on) = (Some(minute), Some(day));
        Some(Batch { writes: std::mem::take(&mut self.waiting), delete_before })
    }

    /// What is left to be written at a stop: also the minute that is not over. The lesson stays open in the
    /// store, so that a quick restart goes on with it.
    pub fn rest(&mut self) -> Option<Batch> {
        if let Some(current) = self.lesson.take() {
            self.wait(Write::Minute(Box::new(current.minute.finish())));
        }
        let writes = std::mem::take(&mut self.waiting);
        (!writes.is_empty()).then_some(Batch { writes, delete_before: None })
    }

    /// Takes back a batch that could not be written; it is due again in the next minute.
    pub fn put_back(&mut self, batch: Batch) {
        if batch.delete_before.is_some() {
            self.deleted_on = None;
        }
        let later = std::mem::replace(&mut self.waiting, batch.writes);
        self.waiting.extend(later);
        while self.waiting.len() > MOST_WAITING {
            // Begins and ends are few, and rows without them belong to nothing.
            let oldest = self.waiting.iter().position(|write| matches!(write, Write::Minute(_)));
            self.waiting.remove(oldest.unwrap_or(0));
        }
    }

    fn wait(&mut self, write: Write) {
        let live = matches!(&write, Write::Minute(minute) if minute.live > 0.0);
        match &mut self.held {
            Some(held) => held.push(write),
            None => self.is_due(write),
        }
        if live {
            for write in self.held.take().unwrap_or_default() {
                self.is_due(write);
            }
        }
    }

    /// From now on `write` is due on the disk, and outputs may hear of it.
    fn is_due(&mut self, write: Write) {
        self.records.extend(self.chronicle.follow(&write));
        if self.records.len() > MOST_WAITING {
            self.records.remove(0);
        }
        self.waiting.push(write);
    }

    /// What became due since this was last asked, the oldest first.
    pub fn take_records(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    /// The lesson under way, for those who show it.
    pub fn under_way(&self) -> Option<lesson::UnderWay> {
        let told = |Current { title, under_way, .. }: &Current| lesson::UnderWay {
            title: title.clone(),
            begun_at: under_way.begun_at,
        };
        self.lesson.as_ref().map(told)
    }

    /// At the first mood: does the lesson that was open go on?
    fn resume(&mut self, at: Timestamp) {
        let Some(OpenLesson { lesson, last_minute: last, .. }) = self.found_open.take() else { return };
        let last_at = last.map_or(lesson.begun_at, |(_, at)| at);
        let away = at.duration_since(last_at);
        if (SignedDuration::ZERO..=RESUME_WITHIN).contains(&away) && lesson.mode == self.mode {
            info!(lesson = lesson.id, away_s = away.as_secs(), "the lesson goes on after a restart");
            let number = number(lesson.begun_at, at).max(last.map_or(0, |(number, _)| number + 1));
            let under_way = UnderWay { begun_at: lesson.begun_at, begun_by: lesson.begun_by, last_at: at };
            let minute = MinuteUnderWay::new(number, start_of(lesson.begun_at, number));
            self.lesson = Some(Current { title: lesson.title, under_way, minute });
            self.session.resume(at);
        } else {
            let end = if last.is_some() { last_at + SignedDuration::from_mins(1) } else { last_at };
            self.is_due(Write::End { at: end, cause: Cause::Interrupted });
        }
    }

    fn carry_out(&mut self, decision: Decision) {
        match decision {
            Decision::Stay => {}
            Decision::Begin(beginning) => {
                let Beginning { at, cause, ref title } = beginning;
                info!(?cause, title, "a lesson begins");
                self.turned = true;
                let under_way = UnderWay { begun_at: at, begun_by: cause, last_at: at };
                let (title, minute) = (title.clone(), MinuteUnderWay::new(0, at));
                self.lesson = Some(Current { title, under_way, minute });
                let (site, room) = (self.room.site.clone(), self.room.name.clone());
                self.held = Some(vec![Write::Begin { site, room, mode: self.mode, beginning }]);
            }
            Decision::End { at, cause } => {
                let Some(current) = self.lesson.take() else { return };
                info!(?cause, "the lesson is over");
                self.turned = true;
                self.wait(Write::Minute(Box::new(current.minute.finish())));
                // Nobody was there: a lesson of the timetable that was not held.
                if self.held.take().is_none() {
                    self.is_due(Write::End { at, cause });
                }
            }
        }
    }
}

fn kept_for(lessons: &config::Lessons) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(lessons.keep_days))
}

/// Which minute of a lesson that began at `begun_at` the time `at` lies in.
fn number(begun_at: Timestamp, at: Timestamp) -> u32 {
    (seconds(begun_at, at) / 60.0).max(0.0) as u32
}

fn start_of(begun_at: Timestamp, number: u32) -> Timestamp {
    begun_at + SignedDuration::from_mins(number.into())
}

/// What connects the recorder with the others.
#[derive(Debug)]
pub struct Lines {
    /// What is recorded.
    pub moods: watch::Receiver<Arc<Mood>>,
    /// What somebody asks for by hand.
    pub commands: mpsc::Receiver<Command>,
    /// Counts up whenever a lesson began or ended, for those who begin anew with each.
    pub anew: watch::Sender<u64>,
    /// Who wants to hear of lessons; what a full queue does not take is dropped and told.
    pub records: Option<mpsc::Sender<Record>>,
    /// The configuration as it changes.
    pub settings: config::Settings,
    /// The lesson under way, for those who show it.
    pub lesson_now: watch::Sender<Option<lesson::UnderWay>>,
}

/// Records until `stop` is requested or the moods end.
pub async fn run(config: config::Config, timetable: Timetable, disk: Disk, lines: Lines, stop: Stop) {
    let Lines { mut moods, mut commands, anew, records, mut settings, lesson_now } = lines;
    let mut writer = Writer::new(disk);
    let open = writer.open_lesson().await;
    let mut recorder = Recorder::new(&config, timetable, open);
    loop {
        tokio::select! {
            _ = stop.requested() => break,
            changed = moods.changed() => {
                if changed.is_err() {
                    break;
                }
                let mood = Arc::clone(&moods.borrow_and_update());
                recorder.take(&mood);
                if let Some(batch) = recorder.due(mood.at) {
                    writer.write(&mut recorder, batch).await;
                }
            }
            Some(command) = commands.recv() => {
                let at = moods.borrow().at;
                recorder.command(&command, at);
            }
            Ok(()) = settings.changed() => {
                let lessons = settings.borrow_and_update().lessons.clone();
                match Timetable::new(&lessons) {
                    Ok(timetable) => recorder.adopt(&lessons, timetable),
                    Err(error) => tracing::warn!("the timetable stays as it was: {error}"),
                }
            }
        }
        if std::mem::take(&mut recorder.turned) {
            anew.send_modify(|count| *count += 1);
        }
        tell(&mut recorder, records.as_ref());
        let now = recorder.under_way();
        lesson_now.send_if_modified(|told| (*told != now).then(|| *told = now).is_some());
    }
    let rest = recorder.rest();
    tell(&mut recorder, records.as_ref());
    // Who listens need not wait for the disk.
    drop(records);
    if let Some(batch) = rest {
        writer.write(&mut recorder, batch).await;
    }
}

/// Hands on what is new; an output that does not keep up loses it rather than hold the recorder up.
fn tell(recorder: &mut Recorder, records: Option<&mpsc::Sender<Record>>) {
    let new = recorder.take_records();
    let Some(records) = records else { return };
    let lost = new.into_iter().filter_map(|record| records.try_send(record).err()).count();
    if lost > 0 {
        tracing::warn!(lost, "records of lessons were not told: nobody took them in time");
    }
}
